"""Interim indexes: growing rows are searched by an IVF_FLAT until they are sealed and have the index that was declared;
sparse ones by an inverted index.

When it is built and how it is searched is Milvus' (`segcore/IndexConfigGenerator.cpp`, `FieldIndexing.h`): from
max(`indexBuildRatio` of the rows that a segment is sealed with, 39 x `nlist`) rows on, where the field has an index that is
not FLAT, never of binary vectors; with `nprobe` of the configuration, whatever the request says. The rows of a full segment
are counted from the bytes of the rows that came, where Milvus estimates them from the schema. Sparse vectors need no
training: they have an inverted index with the parameters of the declared one, which the request's parameters hold for. Milvus
gives it to the first row, here it is given to pieces that are longer to scan than to look up.

Milvus trains once and adds each later row to the lists before it is seen. Here segments never change: a piece of growing
rows that is large enough is closed, and pieces after it get lists of their own around its centroids, beside the writes.
Until they have them, and where they are fewer rows than lists, the rows are compared one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from slowq.engine.compaction import seal_bytes
from slowq.engine.config import Config
from slowq.engine.rows import Rows
from slowq.engine.schema import VECTOR_KINDS, Collection, IndexSpec
from slowq.engine.segment import Interim, Segment
from slowq.engine.vector import VectorIndex, build, refill

if TYPE_CHECKING:
    from slowq.engine.shard import Shard

_KIND = "IVF_FLAT"
_ROWS_PER_LIST = 39
_SPARSE_ROWS = 128  # measured: from about so many on a scan takes twice as long


class InterimIndexes:
    """Builds them beside the writes, one after the other. What goes wrong is told to `failed`, and not tried again."""

    def __init__(self, config: Config, cpus: int, failed: Callable[[BaseException], None]) -> None:
        # Growing rows that are mapped have none (milvus-io/milvus#41500).
        mapped = config.flag("queryNode.mmap.growingMmapEnabled")
        self._on = config.flag("queryNode.segcore.interimIndex.enableIndex") and not mapped
        self._lists = max(1, int(config.number("queryNode.segcore.interimIndex.nlist")))
        self._probes = max(1, int(config.number("queryNode.segcore.interimIndex.nprobe")))
        self._bytes = config.number("queryNode.segcore.interimIndex.indexBuildRatio") * seal_bytes(config)
        self._threads = max(1, int(cpus * config.number("queryNode.segcore.interimIndex.buildParallelRate")))
        self._failed = failed
        self._pool = ThreadPoolExecutor(1, "interim")
        self._lock = threading.Lock()
        self._begun: set[tuple[int, int]] = set()  # (segment, index)
        self._closed = False

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def closes(self, collection: Collection, rows: Rows) -> bool:
        """Whether growing rows are enough for an index of their own, so that no others may be merged with them."""
        return next(self._wanted(collection), None) is not None and self._enough(rows)

    def look(self, shard: Shard) -> None:
        """Begins what the shard's growing segments lack."""
        collection, growing = shard.collection, shard.view.growing
        for index in self._wanted(collection):
            for segment in growing:
                if index.key in segment.interim or not collection.serves(segment.partition):
                    continue
                if self._is_due(growing, segment, index):
                    self._begin(shard, segment, index)

    def _is_due(self, growing: Sequence[Segment], segment: Segment, index: IndexSpec) -> bool:
        if _is_sparse(segment, index):
            return len(segment) >= _SPARSE_ROWS
        if self._enough(segment.rows):
            return True
        return len(segment) >= self._lists and _trained(growing, segment, index) is not None

    def _wanted(self, collection: Collection) -> Iterator[IndexSpec]:
        """The indexes that have a stand-in while rows are growing."""
        for index in collection.indexes if self._on and collection.loaded else ():
            spec = collection.named(index.field)
            vector = spec is not None and VECTOR_KINDS.get(spec.type, "binary") != "binary"
            if vector and index.kind != "FLAT":
                yield index

    def _enough(self, rows: Rows) -> bool:
        return len(rows) >= _ROWS_PER_LIST * self._lists and rows.nbytes >= self._bytes

    def _begin(self, shard: Shard, segment: Segment, index: IndexSpec) -> None:
        key = (segment.id, index.id)
        with self._lock:
            if key in self._begun or self._closed:
                return
            self._begun.add(key)
            self._pool.submit(self._build, shard, segment, index)

    def _build(self, shard: Shard, segment: Segment, index: IndexSpec) -> None:
        growing = shard.view.growing
        try:
            if any(one.id == segment.id for one in growing):  # else it was merged or flushed meanwhile
                shard.renew(segment.with_interim(index.key, self._built(growing, segment, index)), [index])
        except Exception as error:  # noqa: BLE001 - the rows stay searched one by one
            self._failed(error)
            return
        with self._lock:
            self._begun.discard((segment.id, index.id))
        self.look(shard)  # smaller pieces may have waited for the centroids

    def _built(self, growing: Sequence[Segment], segment: Segment, index: IndexSpec) -> Interim:
        rows = segment.rows.vectors[index.field]
        if rows.kind == "sparse":
            return Interim(build(index.kind, index.metric, index.params, rows, threads=self._threads), None)
        trained = _trained(growing, segment, index)
        if trained is not None:
            made = refill(trained, rows, threads=self._threads)
        else:
            made = build(_KIND, index.metric, {"nlist": self._lists}, rows, threads=self._threads)
        return Interim(made, {"nprobe": self._probes})


def _is_sparse(segment: Segment, index: IndexSpec) -> bool:
    return segment.rows.vectors[index.field].kind == "sparse"


def _trained(growing: Sequence[Segment], segment: Segment, index: IndexSpec) -> VectorIndex | None:
    """The first index of its kind among the growing rows of the segment's partition, whose centroids serve all."""
    return next(
        (
            one.interim[index.key].index
            for one in growing
            if one.partition == segment.partition and index.key in one.interim
        ),
        None,
    )
