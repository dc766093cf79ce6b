"""Gauges that are looked at when somebody scrapes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slowq.engine.clock import physical_s
from slowq.engine.faults import RequestFault
from slowq.engine.schema import Collection
from slowq.engine.segment import Segment, row_count

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
    building = engine.coordinator.data_node.index_node.building
    seen = _Seen([segment for (segment, _), state in list(building.items()) if state == "in-progress"])
    for collection in collections:
        with suppress(RequestFault):  # dropped meanwhile
            seen.look(engine, collection)
    for state in ("Growing", "Flushing", "Flushed"):
        metrics.set("milvus_datacoord_segment_num", seen.states[state], state, "L1", "true", "2")
    metrics.set_all("milvus_querynode_segment_num", seen.segments)
    metrics.set_all("milvus_querynode_entity_num", seen.rows)
    metrics.set("milvus_datacoord_task_count", len(seen.building), "JobTypeIndexJob", "JobStateInProgress")


@dataclass(slots=True)
class _Seen:
    """What the segments of all collections add up to, by the labels of the metrics."""

    building: Sequence[int]  # of each build that goes on its segment
    states: Counter[str] = field(default_factory=Counter)
    segments: Counter[tuple[str, ...]] = field(default_factory=Counter)
    rows: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def look(self, engine: Engine, collection: Collection) -> None:
        metrics, database, name, number = engine.metrics, collection.database, collection.name, str(collection.id)
        stored = engine.meta.segments(collection.id)
        self.states["Flushed"] += len(stored)
        known = {one.id for one in stored}
        deltas = growing = 0
        seen: list[Segment] = []
        for shard in engine.coordinator.catalog.shards_of(collection):
            view = shard.view
            seen += view.segments
            self.states["Growing"] += len(view.growing)
            self.states["Flushing"] += len(view.flushing)
            known.update(one.id for one in view.arriving)
            growing += row_count((*view.growing, *view.flushing))
            deltas += sum(len(one.keys) for one in shard.deltas)
            lag_ms = max(0.0, engine.coordinator.oracle.now_s() - physical_s(shard.tsafe)) * 1e3
            metrics.set("milvus_querynode_consume_tt_lag_ms", lag_ms, "insert", number)
        metrics.set("milvus_datacoord_l0_delete_entries_num", deltas, database, number)
        building = sum(one in known for one in self.building)
        metrics.set("milvus_datacoord_index_task_count", building, number, "in-progress")
        every = sum(one.rows for one in stored) + growing
        metrics.set("milvus_rootcoord_entity_num", every, database, name, "all")
        if collection.loaded:
            self._count(collection, seen)
            metrics.set("milvus_rootcoord_entity_num", row_count(seen), database, name, "loaded")
        vector = {one.name for one in collection.vectors}
        for index in collection.indexes:
            indexed_rows, _, _ = engine.coordinator.indexing.rows(collection, index)
            of_vectors = str(index.field in vector).lower()
            metrics.set("milvus_rootcoord_indexed_entity_num", indexed_rows, database, name, index.name, of_vectors)

    def _count(self, collection: Collection, segments: Sequence[Segment]) -> None:
        """Loaded segments and their rows by partition, state, and number of fields with an index; also where there are none."""
        number, names = str(collection.id), (collection.database, collection.name)
        first = str(next(iter(collection.partitions.values()), 0))
        for state in ("Growing", "Sealed"):
            self.segments[number, first, state, "0", "L1"] += 0
            self.rows[*names, number, first, state, "0"] += 0
        for one in segments:
            partition = str(collection.partitions.get(one.partition, 0))
            state, indexed = "Growing" if one.state == "growing" else "Sealed", str(len(one.vector_indexes))
            self.segments[number, partition, state, indexed, "L1"] += 1
            self.rows[*names, number, partition, state, indexed] += row_count([one])
