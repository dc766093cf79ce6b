"""Writes: insert, upsert, delete. Rows find their shard by their primary key, and their partition by the partition key."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from slowq.engine.coordinator import Coordinator
from slowq.engine.faults import PARTITION_NOT_FOUND, RequestFault, invalid
from slowq.engine.metrics import Metrics
from slowq.engine.requests import Insert, Mutation
from slowq.engine.rows import Rows, key_array
from slowq.engine.schema import DEFAULT_PARTITION, Collection
from slowq.engine.search import Ints
from slowq.engine.segment import Keys
from slowq.engine.writes import Write


def partition_of(collection: Collection, value: object) -> str:
    """The partition of a row by the value of its partition key."""
    names = sorted(collection.partitions, key=lambda name: collection.partitions[name])
    return names[int(_hashed(np.array([value], object if isinstance(value, str) else np.int64))[0]) % len(names)]


def _hashed(keys: Keys) -> Ints:
    """Numbers that spread the keys; the same in every process."""
    if keys.dtype == object:
        return np.fromiter((zlib.crc32(one.encode()) for one in keys), np.int64, len(keys))
    mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(33)).astype(np.int64)


class Writer:
    def __init__(self, coordinator: Coordinator, metrics: Metrics) -> None:
        self._catalog, self._channels = coordinator.catalog, coordinator.channels
        self._oracle, self._metrics = coordinator.oracle, metrics

    def insert(self, request: Insert) -> Mutation:
        collection = self._catalog.collection(request.database, request.collection)
        rows = self._with_keys(collection, request.rows)
        stamp = self._write(collection, request.partition, rows, None, "insert")
        self._metrics.add("milvus_proxy_insert_vectors_count", len(rows), collection.database, collection.name)
        return Mutation(rows.keys, inserted=len(rows), timestamp=stamp)

    def upsert(self, request: Insert) -> Mutation:
        """Rows in the place of those with their primary keys; with auto_id they get new ones, as in Milvus."""
        collection = self._catalog.collection(request.database, request.collection)
        given = request.rows
        if not len(given.keys):
            raise invalid("upsert must assign primary key")
        rows = self._with_keys(collection, replace(given, keys=given.keys[:0])) if collection.primary.auto_id else given
        last = np.sort(len(rows) - 1 - np.unique(given.keys[::-1], return_index=True)[1])
        if len(last) < len(rows):  # a key twice: the later row wins
            rows = rows.take(last)
        stamp = self._write(collection, request.partition, rows, np.unique(given.keys), "upsert")
        self._metrics.add("milvus_proxy_upsert_vectors_count", len(rows), collection.database, collection.name)
        return Mutation(rows.keys, inserted=len(rows), deleted=len(rows), upserted=len(rows), timestamp=stamp)

    def delete(self, collection: Collection, keys: Keys) -> Mutation:
        stamp = self._write(collection, "", None, keys, "delete") if len(keys) else self._oracle.next()
        self._metrics.add("milvus_proxy_delete_vectors_count", len(keys), collection.database, collection.name)
        return Mutation(keys, deleted=len(keys), timestamp=stamp)

    def _with_keys(self, collection: Collection, rows: Rows) -> Rows:
        primary = collection.primary
        if not primary.auto_id or len(rows.keys):
            return rows
        total = len(next(iter(rows.columns.values()))) if rows.columns else next(iter(rows.vectors.values())).rows
        keys = np.array([self._oracle.next() for _ in range(total)], np.int64)
        column = key_array(keys if primary.type == "INT64" else keys.astype(str).astype(object))
        final = keys if primary.type == "INT64" else keys.astype(str).astype(object)
        return Rows(final, np.zeros(total, np.uint64), {primary.name: column, **rows.columns}, rows.vectors)

    def _write(self, collection: Collection, partition: str, rows: Rows | None, keys: Keys | None, kind: str) -> int:
        """Sends each shard its part and waits until all are durable; the latest timestamp."""
        began = time.perf_counter()
        writes: dict[int, Write] = {}
        for shard, name, part in self._routed(collection, partition, rows):
            known = writes.setdefault(shard, Write({}))
            known.rows[name] = part
        if keys is not None:
            for shard, own in self._by_shard(collection, keys):
                writes[shard] = replace(writes.get(shard, Write({})), delete=keys[own])
        shards = self._catalog.shards_of(collection)
        waiting = [self._channels.of(shards[number]).write(shards[number], write) for number, write in writes.items()]
        stamps = [int(one.result()) for one in waiting]  # type: ignore[call-overload]
        took = (time.perf_counter() - began) * 1e3
        self._metrics.observe("milvus_proxy_mutation_latency", took, kind, collection.database, collection.name)
        self._metrics.observe("milvus_msgstream_request_latency", took, "produce")
        for kind_of_rows, written in (("insert", rows), ("delete", keys)):
            if written is not None:
                self._metrics.add("milvus_datanode_msg_rows_count", len(written), kind_of_rows)
        self._metrics.observe(
            "milvus_querynode_process_insert_or_delete_latency", took, "delete" if rows is None else "insert"
        )
        return max(stamps, default=0)

    def _routed(self, collection: Collection, partition: str, rows: Rows | None) -> Iterable[tuple[int, str, Rows]]:
        if rows is None:
            return
        for name, own in self._by_partition(collection, partition, rows):
            part = rows if own is None else rows.take(own)
            for shard, offsets in self._by_shard(collection, part.keys):
                yield shard, name, part if len(offsets) == len(part) else part.take(offsets)

    def _by_partition(self, collection: Collection, partition: str, rows: Rows) -> Iterable[tuple[str, Ints | None]]:
        key = collection.partition_key
        if key is None:
            name = partition or DEFAULT_PARTITION
            if name not in collection.partitions:
                raise RequestFault(PARTITION_NOT_FOUND, f"partition not found[partition={name}]")
            yield name, None
            return
        if partition:
            raise invalid("not support manually specifying the partition names if partition key mode is used")
        values = rows.columns[key.name].to_numpy(zero_copy_only=False)
        names = sorted(collection.partitions, key=lambda name: collection.partitions[name])
        which = _hashed(values.astype(object if key.type == "VARCHAR" else np.int64)) % len(names)
        for number in np.unique(which).tolist():
            yield names[number], np.flatnonzero(which == number)

    def _by_shard(self, collection: Collection, keys: Keys) -> Iterable[tuple[int, Ints]]:
        if collection.shards == 1:
            yield 0, np.arange(len(keys))
            return
        which = _hashed(keys) % collection.shards
        for number in np.unique(which).tolist():
            yield number, np.flatnonzero(which == number)
