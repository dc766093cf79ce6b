"""HNSW: a graph that is walked towards the query; `ef` is how many candidates the walk keeps.

Milvus turns to comparing all rows where a filter leaves 7 % of them or less, where k is half of what is left or more, and
where the walk finds less than k. Between that and no filter at all, a walk that merely hides what the mask hides loses recall
(0.92 at half of the rows, 0.67 at a tenth), so `ef` grows as the share of rows shrinks (`widened`), as long as that is cheaper
than comparing them all.
"""

import math
import threading
from pathlib import Path
from typing import Self

import faiss
import numpy as np

from slowq.engine.mapped import MappedFile
from slowq.engine.vector.coding import SQ_TYPES, Refiner, enough, fitting_bits, quick
from slowq.engine.vector.exact import cleaned, nearest, prepared
from slowq.engine.vector.index import About, Index, faiss_metric, read_faiss, write_faiss
from slowq.engine.vector.masks import Chosen, survivors
from slowq.engine.vector.params import Values, number, whole
from slowq.engine.vector.results import Hits, Work, merged
from slowq.engine.vector.vectors import Floats, Vectors

_FILE = "graph.faiss"
_EXACT_SHARE = 0.07
_EXACT_K = 0.5
_ROWS_PER_STEP = 24  # measured, of dimensions beyond number; see `rows_per_step`
_CODES_PER_STEP = 2  # of a product quantizer, which must be decoded
_DECODED_AT_ONCE = 8192
_ADDED_AT_ONCE = 4096  # between two calls Ctrl-C is heard


class HnswIndex(Index):
    """Over the rows as they are. The kinds that keep codes differ in what `_empty` makes, and may refine."""

    def __init__(
        self, about: About, index: faiss.IndexHNSW, refiner: Refiner | None = None, mapped: MappedFile | None = None
    ) -> None:
        super().__init__(about, mapped, None if refiner is None else refiner.mapped)
        self._faiss = index
        self._storage = faiss.downcast_index(index.storage)
        self._refiner = refiner
        self._counter = Counter()

    @classmethod
    def build(cls, about: About, vectors: Vectors) -> Self:
        graph = cls._graph(about, vectors)
        refine = about.params.get("refine_type") if about.params.get("refine") else None
        rows = prepared(about.metric, vectors.floats()) if refine else None
        return cls(about, graph, None if rows is None else Refiner.build(about, refine, rows))

    @classmethod
    def _graph(cls, about: About, vectors: Vectors) -> faiss.IndexHNSW:
        graph = cls._empty(about)
        add_to_graph(graph, about, vectors, whole(about.params, "efConstruction"))
        return graph

    @classmethod
    def _empty(cls, about: About) -> faiss.IndexHNSW:
        return faiss.IndexHNSWFlat(about.dim, whole(about.params, "M"), faiss_metric(about.metric))

    @property
    def size_bytes(self) -> int:
        refiner = 0 if self._refiner is None else self._refiner.size_bytes
        return graph_bytes(self._faiss) + self.rows * int(self._storage.sa_code_size()) + refiner

    def _nearest(self, queries: Vectors, k: int, params: Values, chosen: Chosen | None) -> tuple[Hits, Work]:
        x = prepared(self.metric, queries.floats())
        if self._refiner is None:
            return self._candidates(x, k, max(whole(params, "ef"), k), chosen)
        count = min(math.ceil(k * number(params, "refine_k")), survivors(chosen, self.rows))
        hits, work = self._candidates(x, count, max(whole(params, "ef"), count), chosen)
        hits, more = self._refiner.refined(self.metric, x, hits, k)
        return hits, work + more

    def _candidates(self, x: Floats, k: int, ef: int, chosen: Chosen | None) -> tuple[Hits, Work]:
        width = widened(k, ef, chosen)
        if better_exact(k, k if chosen is None else width, chosen, self.rows, rows_per_step(self._storage)):
            return self._exact(x, k, chosen)
        hits, work = walk(self._faiss, self.metric, x, k, width, chosen, self._counter)
        short = np.flatnonzero(hits.offsets[:, -1] < 0)
        if len(short):
            rest, more = self._exact(x[short], k, chosen)
            hits.offsets[short], hits.scores[short] = rest.offsets, rest.scores
            work += more
        return hits, work

    def _exact(self, x: Floats, k: int, chosen: Chosen | None) -> tuple[Hits, Work]:
        rows = faiss.rev_swig_ptr(self._storage.get_xb(), self.rows * self._about.dim).reshape(self.rows, -1)
        return nearest(self.metric, rows, x, k, chosen), Work(
            distances=survivors(chosen, self.rows) * len(x), exact=True
        )

    def _widened(self, params: Values, k: int) -> Values:
        return params | {"ef": max(whole(params, "ef"), k)}

    def _write(self, folder: Path) -> None:
        write_faiss(self._faiss, folder / _FILE)
        if self._refiner is not None:
            self._refiner.write(folder)

    @classmethod
    def read(cls, about: About, folder: Path, mapped: bool) -> Self:
        index, memory = read_faiss(folder / _FILE, mapped=mapped)
        refiner = Refiner.read(folder, mapped) if about.params.get("refine") else None
        return cls(about, index, refiner, memory)


class _CodedHnswIndex(HnswIndex):
    def _exact(self, x: Floats, k: int, chosen: Chosen | None) -> tuple[Hits, Work]:
        """Of codes: all are compared, and none of the rows, which only a refiner has."""
        return scan_codes(self._storage, self.metric, x, k, chosen), Work(
            distances=survivors(chosen, self.rows) * len(x), exact=True
        )


class HnswSqIndex(_CodedHnswIndex):
    """HNSW_SQ: a few bits for each dimension."""

    @classmethod
    def _empty(cls, about: About) -> faiss.IndexHNSW:
        code = SQ_TYPES[str(about.params["sq_type"])]
        return faiss.IndexHNSWSQ(about.dim, code, whole(about.params, "M"), faiss_metric(about.metric))


class HnswPqIndex(_CodedHnswIndex):
    """HNSW_PQ: `nbits` bits for each of `m` parts of a row."""

    @classmethod
    def _empty(cls, about: About) -> faiss.IndexHNSW:
        params = about.params
        bits = fitting_bits(whole(params, "nbits"), about.rows)
        index = faiss.IndexHNSWPQ(about.dim, whole(params, "m"), whole(params, "M"), bits, faiss_metric(about.metric))
        quick(faiss.downcast_index(index.storage).pq)
        return index

    @classmethod
    def _graph(cls, about: About, vectors: Vectors) -> faiss.IndexHNSW:
        params = about.params
        return graph_on_codes(cls._empty(about), about, vectors, whole(params, "M"), whole(params, "efConstruction"))


def better_exact(k: int, width: int, chosen: Chosen | None, rows: int, rows_per_step: int) -> bool:
    """Whether to compare all chosen rows instead of walking with this width."""
    left = survivors(chosen, rows)
    return left <= _EXACT_SHARE * rows or k >= _EXACT_K * left or left <= rows_per_step * width


def widened(k: int, ef: int, chosen: Chosen | None) -> int:
    """How many candidates to keep for the recall that `ef` has without a mask.

    The k-th row that passes is about the (k / share)-th nearest of all, and what `ef` keeps beyond k must outgrow the chance by
    which more or fewer pass, a square root. Measured with 8 to 768 dimensions, k of 10 and 50, and a half to a tenth of the rows:
    never less recall than without a mask where the mask is of chance. Where whole clusters pass or do not, up to 0.08 less at
    an `ef` of 32, and up to 0.04 at 64.
    """
    return ef if chosen is None else math.ceil(k / chosen.share + (ef - k) / math.sqrt(chosen.share))


def rows_per_step(storage: faiss.Index) -> int:
    """Rows that comparing all gets through in the time that one candidate costs the walk.

    Measured: 171 of 8 dimensions, 146 of 32, 60 to 93 of 128 (not all of the rows fit the processor's cache, or all), 24 to 35
    of 768.
    """
    if isinstance(storage, faiss.IndexPQ):
        return _CODES_PER_STEP
    if isinstance(storage, faiss.IndexScalarQuantizer):
        return _ROWS_PER_STEP
    return _ROWS_PER_STEP + 7000 // (int(storage.d) + 32)


def add_to_graph(index: faiss.IndexHNSW, about: About, vectors: Vectors, candidates: int) -> None:
    index.hnsw.efConstruction = candidates
    if not index.is_trained:
        index.train(enough(prepared(about.metric, vectors.floats())))
    for start in range(0, vectors.rows, _ADDED_AT_ONCE):
        index.add(prepared(about.metric, vectors.floats(start, start + _ADDED_AT_ONCE)))


def graph_on_codes(
    coded: faiss.IndexHNSW, about: About, vectors: Vectors, links: int, candidates: int
) -> faiss.IndexHNSW:
    """Makes the graph over the rows and puts it on their codes, as Knowhere does: over codes alone it would be a worse one, and
    for IP a wrong one, as faiss compares two codes of a product quantizer by L2 only."""
    plain = faiss.IndexHNSWFlat(about.dim, links, faiss_metric(about.metric))
    add_to_graph(plain, about, vectors, candidates)
    rows = prepared(about.metric, vectors.floats())
    storage = faiss.downcast_index(coded.storage)
    storage.train(enough(rows))
    storage.add(rows)
    coded.hnsw, coded.ntotal, coded.is_trained = plain.hnsw, plain.ntotal, True
    return coded


def graph_bytes(index: faiss.IndexHNSW) -> int:
    return int(index.hnsw.neighbors.size() * 4 + index.hnsw.offsets.size() * 8 + index.hnsw.levels.size() * 4)


def scan_codes(storage: faiss.Index, metric: str, x: Floats, k: int, chosen: Chosen | None) -> Hits:
    """The k nearest by their codes, without a graph; k is at most the number of chosen rows."""
    faiss.omp_set_num_threads(1)
    if not isinstance(storage, faiss.IndexPQ):
        scores, offsets = storage.search(
            x, k, params=faiss.SearchParameters(sel=None if chosen is None else chosen.selector)
        )
        return cleaned(metric, offsets, scores)
    wanted = np.arange(storage.ntotal) if chosen is None else chosen.offsets  # faiss' IndexPQ takes no selector
    parts = []
    for start in range(0, len(wanted), _DECODED_AT_ONCE):
        rows = wanted[start : start + _DECODED_AT_ONCE]
        hits = nearest(metric, storage.reconstruct_batch(rows), x, min(k, len(rows)), None)
        parts.append(Hits(np.where(hits.offsets < 0, -1, rows[hits.offsets]), hits.scores))
    return merged(metric, parts, k)


def walk(
    index: faiss.IndexHNSW, metric: str, x: Floats, k: int, width: int, chosen: Chosen | None, counter: "Counter"
) -> tuple[Hits, Work]:
    faiss.omp_set_num_threads(1)
    settings = faiss.SearchParametersHNSW(efSearch=width, sel=None if chosen is None else chosen.selector)
    turn = counter.start()
    try:
        scores, offsets = index.search(x, k, params=settings)
    finally:
        work = counter.work(turn, width * len(x))
    return cleaned(metric, offsets, scores), work


class Counter:
    """Distances of graph walks. faiss adds them up in one place for the whole process, so a walk that had the process to
    itself is counted, and another is told by what those of the same index took for each candidate they kept: `Work.counted`
    is False."""

    _lock = threading.Lock()
    _running = 0
    _started = 0

    def __init__(self) -> None:
        self._per_candidate = 15.0  # measured with M=16; until a walk had the process to itself

    def start(self) -> tuple[int, int] | None:
        """The number of this walk and faiss' sum before it; None where another is under way."""
        with Counter._lock:
            Counter._running += 1
            Counter._started += 1
            return (Counter._started, faiss.cvar.hnsw_stats.ndis) if Counter._running == 1 else None

    def work(self, turn: tuple[int, int] | None, candidates: int) -> Work:
        with Counter._lock:
            Counter._running -= 1
            if turn is None or turn[0] != Counter._started:
                return Work(distances=round(self._per_candidate * candidates), counted=False)
            distances = faiss.cvar.hnsw_stats.ndis - turn[1]
        self._per_candidate = distances / candidates
        return Work(distances=distances)
