"""The data node: stores what grew, opens what is stored, compacts. Each is a real task that takes CPU and disk from searches.

A task never changes what a search sees but by `Shard.hand_off`, after the meta store has it: until then the old
segments serve. New segments are handed off when their indexes are built. What goes wrong in a task is logged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import ParamSpec, TypeVar

import numpy as np

from slowq.engine.channel import Channel
from slowq.engine.clock import Oracle
from slowq.engine.compaction import CLUSTERING, LEVEL_ZERO, Compaction, clustering_field, cut_by_key
from slowq.engine.config import Config
from slowq.engine.events import Events
from slowq.engine.faults import COLLECTION_NOT_FOUND, RequestFault, invalid
from slowq.engine.indexnode import IndexNode
from slowq.engine.mapped import Paged, warm_up
from slowq.engine.meta import Meta, StoredDelta, StoredSegment
from slowq.engine.metrics import Metrics
from slowq.engine.objects import Objects, Undo, WarmUp
from slowq.engine.pools import at_once
from slowq.engine.rows import Rows, concat, key_array, key_range
from slowq.engine.schema import Collection
from slowq.engine.segment import Deleted, KeyLookup, Segment
from slowq.engine.shard import Rolled, Shard
from slowq.engine.vector import DamagedError

P = ParamSpec("P")
T = TypeVar("T")


_WARM_UP = {
    "vectorField": "queryNode.segcore.tieredStorage.warmup.vectorField",
    "scalarField": "queryNode.segcore.tieredStorage.warmup.scalarField",
}


class DataNode:
    """Tasks of different shards run beside each other, as many as `at_once` says; compactions and builds of one shard wait
    for each other."""

    def __init__(
        self, meta: Meta, objects: Objects, oracle: Oracle, config: Config, metrics: Metrics, events: Events, cpus: int
    ) -> None:
        self._meta, self._objects, self._oracle = meta, objects, oracle
        self._config, self._metrics, self._events = config, metrics, events
        most = at_once(config, cpus)
        self.indexing = ThreadPoolExecutor(most.builds, "indexnode")
        self.compacting = ThreadPoolExecutor(most.compactions, "compaction")
        self.flushing = ThreadPoolExecutor(2, "flush")
        self.loading = ThreadPoolExecutor(most.loads, "load")
        self.index_node = IndexNode(
            meta, objects, config, metrics, events, most.build_threads, lambda task: self.run(self.flushing, task)
        )

    def close(self) -> None:
        for pool in (self.flushing, self.loading, self.compacting, self.indexing):
            pool.shutdown(wait=True, cancel_futures=True)

    def run(self, pool: ThreadPoolExecutor, task: Callable[P, T], *given: P.args, **named: P.kwargs) -> Future[T]:
        """Begins a task; its error is logged, whether somebody waits for it or not."""
        future = pool.submit(task, *given, **named)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: Future[T]) -> None:
        error = None if future.cancelled() else future.exception()
        gone = isinstance(error, RequestFault) and error.code == COLLECTION_NOT_FOUND  # dropped meanwhile
        if error is not None and not gone:
            self._events.task_failed(error)

    # flush

    def flush(self, collection: Callable[[], Collection], shard: Shard, channel: Channel) -> list[int]:
        """Makes segments of what grew; their ids. When it returns, they are durable and the log is shorter."""
        with shard.flush_lock:
            rolled = channel.roll(shard).result()
            if not isinstance(rolled, Rolled):
                return []
            began = time.perf_counter()
            try:
                new = self._store(collection(), shard, rolled)
            except BaseException:
                shard.put_back(rolled)
                raise
            segments = [segment for _, segment in new]
            shard.arrive([one for one in segments if collection().serves(one.partition)])
            self._metrics.observe("milvus_datanode_save_latency", (time.perf_counter() - began) * 1e3, "insert")
            for status in ("total", "success"):
                self._metrics.add("milvus_datanode_flush_buffer_op_count", 1, status, "L1")
            for stored, _ in new:
                self._events.flushed(collection(), stored.id, stored.rows, time.perf_counter() - began)
            self.run(self.indexing, self._index_and_hand_off, collection, shard, rolled, segments)
            shard.drop_log(rolled.log)
        return [stored.id for stored, _ in new]

    def _store(self, collection: Collection, shard: Shard, rolled: Rolled) -> list[tuple[StoredSegment, Segment]]:
        new = []
        with self._objects.undone_on_error() as undo:
            for partition, parts in groupby(sorted(rolled.segments, key=_partition), key=_partition):
                rows = concat([one.survivors() for one in parts])
                if len(rows) and partition in collection.partitions:
                    new.append(self._write(collection, shard.number, partition, _by_key(rows), "L1", (), undo))
            delta = self._delta(collection, shard, rolled, undo) if rolled.deltas else None
            with self._meta.transaction():
                self._meta.require(collection.id)
                for stored, _ in new:
                    self._meta.put_segment(stored)
                if delta is not None:
                    self._meta.put_delta(delta)
                self._meta.put_checkpoint(collection.id, shard.number, rolled.log)
        return new

    def _delta(self, collection: Collection, shard: Shard, rolled: Rolled, undo: Undo) -> StoredDelta:
        keys = np.concatenate([one.keys for one in rolled.deltas])
        stamps = np.concatenate([one.timestamps for one in rolled.deltas])
        number = self._oracle.next()
        undo.delta(collection.id, number)
        crc = self._objects.write_deltas(collection.id, number, key_array(keys), stamps)
        return StoredDelta(number, collection.id, shard.number, len(keys), int(stamps.max()), crc)

    def _write(
        self,
        collection: Collection,
        shard: int,
        partition: str,
        rows: Rows,
        level: str,
        came_from: tuple[int, ...],
        undo: Undo,
    ) -> tuple[StoredSegment, Segment]:
        number = self._oracle.next()
        began = time.perf_counter()
        undo.segment(collection.id, number)
        crc = self._objects.write_rows(collection, number, rows)
        self._metrics.observe("milvus_storage_request_latency", (time.perf_counter() - began) * 1e3, "put")
        ranges = _ranges(collection, rows)
        stored = StoredSegment(
            number, collection.id, partition, shard, len(rows), rows.nbytes, level, ranges, came_from, crc=crc
        )
        return stored, segment_of(collection, stored, rows)

    # indexes

    def _index_and_hand_off(
        self, collection: Callable[[], Collection], shard: Shard, rolled: Rolled, new: Sequence[Segment]
    ) -> None:
        ready: list[Segment] = []
        with shard.compact_lock:
            try:
                ready = [self._with_all_indexes(collection, one) for one in new]
            finally:
                shard.hand_off(rolled.segments, ready or new)
            for one in ready:  # who loaded them meanwhile has them without indexes
                shard.renew(one, collection().indexes)

    def _with_all_indexes(self, collection: Callable[[], Collection], segment: Segment) -> Segment:
        for index in collection().indexes:
            segment = self.index_node.build(collection(), segment, index)
        return segment

    # load

    def open_segment(
        self, collection: Collection, stored: StoredSegment, indexed: Iterable[tuple[int, int]]
    ) -> Segment:
        """A stored segment with its indexes, ready to be searched. A damaged index is left out, to be built again."""
        began = time.perf_counter()
        segment = self._opened(collection, stored, self._warm_up)
        done = set(indexed)
        for index in collection.indexes:
            path = self._objects.index_path(collection.id, stored.id, index)
            if (stored.id, index.id) not in done or not path.exists():
                continue
            try:
                segment = self.index_node.with_stored(collection, segment, index)
            except (DamagedError, ValueError, OSError) as error:
                self._meta.forget_indexed(stored.id, index.id)
                self._events.build_failed(collection, stored.id, index.name, str(error))
        self._metrics.observe("milvus_querynode_load_segment_latency", (time.perf_counter() - began) * 1e3)
        return segment

    def _warm_up(self, what: str, paged: Paged) -> None:
        warm_up(self._config.text(_WARM_UP[what]), paged, partial(self.run, self.flushing))

    def _opened(self, collection: Collection, stored: StoredSegment, warm_up: WarmUp | None = None) -> Segment:
        scalars, vectors = map(self._config.flag, ("queryNode.mmap.scalarField", "queryNode.mmap.vectorField"))
        mapped = frozenset(
            one.name
            for one in collection.fields
            if not one.primary and collection.mmap(one, vectors if one.is_vector else scalars)
        )
        rows = self._objects.read_rows(collection, stored, mapped=mapped, warm_up=warm_up)
        segment = segment_of(collection, stored, rows)
        if stored.deleted:
            segment.deleted.add(self._objects.read_deleted(collection.id, stored.id, stored.rows))
        return segment

    # compaction

    def compact(self, collection: Callable[[], Collection], shard: Shard, plan: Compaction) -> list[int]:
        """Carries out a plan; the ids of the new segments. A segment of the plan that is gone meanwhile voids it."""
        inputs = [one.id for one in plan.inputs]
        shard.wait_landed(inputs)
        with shard.compact_lock:
            there = {one.id: one for one in self._meta.segments(collection().id)}
            if any(one not in there for one in inputs):
                return []
            began = time.perf_counter()
            self._events.compacting(collection(), plan.kind, inputs)
            with self._objects.undone_on_error() as undo:
                new = self._merged(collection(), shard, [there[one] for one in inputs], plan, undo)
                self._replace(collection, shard, inputs, new)
            self.index_node.forget(inputs)
            for one in inputs:
                self._objects.remove(plan.inputs[0].collection, one)
        took = time.perf_counter() - began
        made = [stored.id for stored, _ in new]
        self._metrics.observe("milvus_datanode_compaction_latency", took * 1e3, plan.kind)
        self._events.compacted(collection(), plan.kind, inputs, made, took)
        return made

    def _replace(
        self,
        collection: Callable[[], Collection],
        shard: Shard,
        inputs: Sequence[int],
        new: Sequence[tuple[StoredSegment, Segment]],
    ) -> None:
        """Puts new segments in the place of others: with their indexes, on disk, then before the searches."""
        segments = [segment for _, segment in new]
        shard.arrive([one for one in segments if collection().serves(one.partition)])
        try:
            ready = [self._with_all_indexes(collection, one) for one in segments]
            now = collection()  # before the meta store is locked: the coordinator locks in that order
            done = [self._with_deleted(now, stored, segment) for stored, segment in new]
            with self._meta.transaction():
                self._meta.require(now.id)
                for one in inputs:
                    self._meta.drop_segment(one)
                for stored in done:
                    self._meta.put_segment(stored)
        except BaseException:
            shard.leave(segments)
            raise
        shard.hand_off([one for one in shard.view.sealed if one.id in inputs], ready)

    def _merged(
        self, collection: Collection, shard: Shard, inputs: Sequence[StoredSegment], plan: Compaction, undo: Undo
    ) -> list[tuple[StoredSegment, Segment]]:
        rows = concat([self.current(collection, shard, one).survivors() for one in inputs])
        came_from = tuple(one.id for one in inputs)
        if not len(rows):
            return []
        if plan.kind != CLUSTERING:
            return [self._write(collection, shard.number, plan.partition, _by_key(rows), "L1", came_from, undo)]
        key = clustering_field(collection, self._config)
        if key is None:
            raise invalid("the collection has no clustering key")
        cuts = cut_by_key(rows.columns[key], rows.nbytes / len(rows), self._config)
        return [
            self._write(collection, shard.number, plan.partition, rows.take(cut), "L2", came_from, undo) for cut in cuts
        ]

    def current(self, collection: Collection, shard: Shard, stored: StoredSegment) -> Segment:
        """The segment as it is now, with every delete: from memory, or from disk where it is not loaded."""
        view = shard.view
        for segment in (*view.sealed, *view.arriving):
            if segment.id == stored.id:
                return segment
        segment = self._opened(collection, stored)
        shard.catch_up(segment)
        return segment

    def merge_deltas(self, collection: Collection, shard: Shard) -> list[int]:
        """L0 compaction: the deletes of the delete files go to the segments that they hit; the ids of those."""
        with shard.flush_lock, shard.compact_lock:
            files = [one.id for one in self._meta.deltas(collection.id, shard.number)]
            if not files:
                return []
            began = time.perf_counter()
            self._events.compacting(collection, LEVEL_ZERO, files)
            known = shard.stored_deltas()
            changed = []
            for stored in self._meta.segments(collection.id):
                if stored.shard == shard.number:
                    segment = self.current(collection, shard, stored)
                    if segment.deleted.count > stored.deleted:
                        changed.append(self._with_deleted(collection, stored, segment))
            with self._meta.transaction():
                self._meta.require(collection.id)
                for one in changed:
                    self._meta.put_segment(one)
                for number in files:
                    self._meta.drop_delta(number)
            shard.forget_deltas(known)
            for number in files:
                self._objects.remove_delta(collection.id, number)
        took = time.perf_counter() - began
        self._metrics.observe("milvus_datanode_compaction_latency", took * 1e3, LEVEL_ZERO)
        self._events.compacted(collection, LEVEL_ZERO, files, [one.id for one in changed], took)
        return [one.id for one in changed]

    def _with_deleted(self, collection: Collection, stored: StoredSegment, segment: Segment) -> StoredSegment:
        mask = segment.deleted.mask
        if mask is None:
            return stored
        self._objects.write_deleted(collection.id, stored.id, mask)
        return replace(stored, deleted=int(np.count_nonzero(mask)))


def segment_of(collection: Collection, stored: StoredSegment, rows: Rows) -> Segment:
    lookup = KeyLookup(rows.keys)
    ranges = dict(stored.ranges)
    return Segment(
        stored.id,
        stored.partition,
        stored.shard,
        "sealed",
        collection.primary.name,
        rows,
        lookup,
        Deleted(len(rows)),
        ranges=ranges,
        level=stored.level,
    )


def _partition(segment: Segment) -> str:
    return segment.partition


def _by_key(rows: Rows) -> Rows:
    order = np.argsort(rows.keys, kind="stable")
    return rows if (order == np.arange(len(order))).all() else rows.take(order)


def _ranges(collection: Collection, rows: Rows) -> dict[str, tuple[object, object]]:
    names = {collection.primary.name}
    for key in (collection.clustering_key, collection.partition_key):
        if key is not None:
            names.add(key.name)
    found = {name: key_range(rows.columns[name]) for name in sorted(names)}
    return {name: ends for name, ends in found.items() if ends is not None}
