"""Gauges that are looked at when somebody scrapes."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from slowq.engine.clock import physical_s
from slowq.engine.faults import RequestFault
from slowq.engine.schema import Collection
from slowq.engine.segment import row_count

if TYPE_CHECKING:
    from slowq.engine import Engine


def measure(engine: Engine) -> None:
    metrics, coordinator = engine.metrics, engine.coordinator
    collections = coordinator.catalog.collections()
    metrics.set("milvus_build_info", 1, engine.version, "", "slowq-reference-engine")
    metrics.set("milvus_num_node", len(engine.nodes), "querynode")
    metrics.set("milvus_querynode_read_task_concurrency", sum(one.running for one in engine.nodes))
    waiting = sum(one.waiting for one in engine.nodes)
    metrics.set("milvus_querynode_read_task_ready_len", waiting)
    metrics.set("milvus_querynode_read_task_unsolved_len", waiting)
    metrics.set("milvus_querynode_collection_num", sum(one.loaded for one in collections))
    metrics.set("milvus_rootcoord_collection_num", len(collections))
    metrics.set("milvus_rootcoord_partition_num", sum(len(one.partitions) for one in collections))
    for channel in coordinator.channels:
        late_ms = (time.monotonic() - channel.last_tick_s) * 1e3
        metrics.set("milvus_proxy_tt_lag_ms", late_ms, channel.name)
    states: Counter[str] = Counter()
    for collection in collections:
        with suppress(RequestFault):  # dropped meanwhile
            _collection(engine, collection, states)
    for state in ("Growing", "Flushing", "Flushed"):
        metrics.set("milvus_datacoord_segment_num", states[state], state, "L1", "true", "2")
    building = list(engine.coordinator.data_node.index_node.building.values())
    metrics.set("milvus_datacoord_task_count", building.count("in-progress"), "JobTypeIndexJob", "JobStateInProgress")


def _collection(engine: Engine, collection: Collection, states: Counter[str]) -> None:
    metrics, number = engine.metrics, str(collection.id)
    shards = engine.coordinator.catalog.shards_of(collection)
    stored = engine.meta.segments(collection.id)
    states["Flushed"] += len(stored)
    rows = sum(one.rows for one in stored)
    deltas = 0
    loaded: Counter[str] = Counter()
    segments: Counter[str] = Counter()
    for shard in shards:
        view = shard.view
        states["Growing"] += len(view.growing)
        states["Flushing"] += len(view.flushing)
        segments["Growing"] += len(view.growing) + len(view.flushing)
        segments["Sealed"] += len(view.sealed)
        loaded["Growing"] += row_count((*view.growing, *view.flushing))
        loaded["Sealed"] += row_count(view.sealed)
        deltas += sum(len(one.keys) for one in shard.deltas)
        lag_ms = max(0.0, engine.coordinator.oracle.now_s() - physical_s(shard.tsafe)) * 1e3
        metrics.set("milvus_querynode_consume_tt_lag_ms", lag_ms, "timetick", number)
    metrics.set("milvus_datacoord_l0_delete_entries_num", deltas, collection.database, number)
    metrics.set("milvus_rootcoord_entity_num", rows + loaded["Growing"], collection.database, collection.name, "all")
    for state in ("Growing", "Sealed"):
        there = segments[state] if collection.loaded else 0
        metrics.set("milvus_querynode_segment_num", there, collection.database, number, state, "L1")
        metrics.set(
            "milvus_querynode_entity_num",
            loaded[state] if collection.loaded else 0,
            collection.database,
            collection.name,
            state,
        )
    if collection.loaded:
        total = loaded["Growing"] + loaded["Sealed"]
        metrics.set("milvus_rootcoord_entity_num", total, collection.database, collection.name, "loaded")
    vector = {one.name for one in collection.vectors}
    for index in collection.indexes:
        indexed, _, _ = engine.coordinator.indexing.rows(collection, index)
        metrics.set(
            "milvus_rootcoord_indexed_entity_num",
            indexed,
            *(collection.database, collection.name, index.name, str(index.field in vector).lower()),
        )
