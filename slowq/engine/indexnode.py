"""The index node: builds the index of one segment, and opens it again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from slowq.engine.config import Config
from slowq.engine.events import Events
from slowq.engine.mapped import Paged, warm_up
from slowq.engine.meta import Meta
from slowq.engine.metrics import Metrics
from slowq.engine.objects import Objects
from slowq.engine.scalar import ScalarIndex
from slowq.engine.scalar import build_index as build_scalar
from slowq.engine.scalar import open_index as open_scalar
from slowq.engine.schema import DYNAMIC, Collection, IndexSpec
from slowq.engine.segment import Segment
from slowq.engine.vector import VectorIndex
from slowq.engine.vector import build as build_vector
from slowq.engine.vector import open_index as open_vector


class IndexNode:
    """A vector index is built by so many `threads`; `later` takes what may be done beside everything else."""

    def __init__(
        self,
        meta: Meta,
        objects: Objects,
        config: Config,
        metrics: Metrics,
        events: Events,
        threads: int,
        later: Callable[[Callable[[], object]], object],
    ) -> None:
        self._meta, self._objects, self._config = meta, objects, config
        self._metrics, self._events = metrics, events
        self._threads, self._later = threads, later
        self.building: dict[tuple[int, int], str] = {}  # (segment, index) → "in-progress", or why it failed

    def build(self, collection: Collection, segment: Segment, index: IndexSpec) -> Segment:
        """The segment with that index: built, stored, opened. A small one gets none and is searched exactly."""
        key = (segment.id, index.id)
        spec = collection.named(index.field)
        vector = spec is not None and spec.is_vector
        floor = self._config.number("indexCoord.segment.minSegmentNumRowsToEnableIndex")
        if vector and len(segment) < floor:
            self._meta.put_indexed(segment.id, index.id, 0.0)
            return segment
        self.building[key] = "in-progress"
        began = time.perf_counter()
        try:
            if vector:
                done = segment.with_vector_index(index.key, self._build_vector(collection, segment, index))
            else:
                done = segment.with_scalar_index(index.key, self._build_scalar(collection, segment, index))
        except Exception as error:  # noqa: BLE001 - the index stays in the state "failed", with the reason
            self.building[key] = f"failed: {error}"
            self._events.build_failed(collection, segment.id, index.name, str(error))
            return segment
        took = time.perf_counter() - began
        self._meta.put_indexed(segment.id, index.id, took)
        self.building.pop(key, None)
        self._metrics.observe("milvus_indexnode_build_index_latency", took)
        self._events.index_built(collection, segment.id, index.name, len(segment), took)
        return done

    def forget(self, segments: Iterable[int]) -> None:
        """Those segments are gone, and with them why their builds failed."""
        gone = frozenset(segments)
        self._forget(lambda segment, _: segment in gone)

    def forget_index(self, number: int) -> None:
        self._forget(lambda _, index: index == number)

    def _forget(self, gone: Callable[[int, int], bool]) -> None:
        for place in [one for one in list(self.building) if gone(*one)]:
            self.building.pop(place, None)

    def _build_vector(self, collection: Collection, segment: Segment, index: IndexSpec) -> VectorIndex:
        rows = segment.rows.vectors[index.field]
        built = build_vector(index.kind, index.metric, dict(index.params), rows, threads=self._threads)
        self._objects.write_index(collection.id, segment.id, index, built)
        return self._open_vector(collection, segment.id, index)

    def _build_scalar(self, collection: Collection, segment: Segment, index: IndexSpec) -> ScalarIndex:
        column = segment.rows.columns[index.field if index.field in segment.rows.columns else DYNAMIC]
        built = build_scalar(index.kind, column, collection.indexed_scalar(index.field), dict(index.params))
        self._objects.write_index(collection.id, segment.id, index, built)
        mapped = self._config.flag("queryNode.mmap.scalarIndex")
        return self._open_scalar(collection, segment.id, index) if collection.mmap(index, mapped) else built

    def _open_scalar(self, collection: Collection, segment: int, index: IndexSpec) -> ScalarIndex:
        mapped = collection.mmap(index, self._config.flag("queryNode.mmap.scalarIndex"))
        opened = open_scalar(self._objects.index_path(collection.id, segment, index), mmap=mapped)
        if mapped:
            self._warm_up(index, "queryNode.segcore.tieredStorage.warmup.scalarIndex", opened)
        return opened

    def _open_vector(self, collection: Collection, segment: int, index: IndexSpec) -> VectorIndex:
        mapped = collection.mmap(index, self._config.flag("queryNode.mmap.vectorIndex"))
        began = time.perf_counter()
        opened = open_vector(self._objects.index_path(collection.id, segment, index), mmap=mapped)
        if mapped or index.kind == "DISKANN":
            self._warm_up(index, "queryNode.segcore.tieredStorage.warmup.vectorIndex", opened)
        self._metrics.observe("milvus_querynode_load_index_latency", (time.perf_counter() - began) * 1e3)
        return opened

    def _warm_up(self, index: IndexSpec, key: str, opened: Paged) -> None:
        warm_up(index.params.get("warmup", self._config.text(key)), opened, self._later)

    def with_stored(self, collection: Collection, segment: Segment, index: IndexSpec) -> Segment:
        """The segment with that index, which was built before. Raises DamagedError, ValueError or OSError where it cannot be
        read."""
        spec = collection.named(index.field)
        if spec is not None and spec.is_vector:
            return segment.with_vector_index(index.key, self._open_vector(collection, segment.id, index))
        return segment.with_scalar_index(index.key, self._open_scalar(collection, segment.id, index))
