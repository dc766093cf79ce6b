"""DISKANN: codes and a graph in memory find `search_list` candidates, whose rows are then read from the disk and compared.

As in DiskANN the codes decide where the walk goes, the disk what it finds, and each search reads anew: the file is opened past
the kernel's cache where the file system allows it (O_DIRECT), so a search costs its reads on the hundredth time as on the first.
Unlike there, the graph is in memory, not beside the rows; `beamwidth` is how many of a query's pages are read at the same time,
and `search_cache_budget_gb_ratio` is checked and has no effect. An index that was built and not yet opened from its folder holds
its rows in memory, and reads nothing.
"""

import mmap
import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Protocol, Self, cast

import faiss
import numpy as np
import numpy.typing as npt

from slowq.engine.mapped import MappedFile, forget
from slowq.engine.vector.coding import SQ_TYPES, compared, quick
from slowq.engine.vector.exact import prepared
from slowq.engine.vector.files import DamagedError, array_place, read_array, write_array
from slowq.engine.vector.hnsw import (
    Counter,
    better_exact,
    graph_bytes,
    graph_on_codes,
    rows_per_step,
    scan_codes,
    walk,
    widened,
)
from slowq.engine.vector.index import About, Index, faiss_metric, read_faiss, write_faiss
from slowq.engine.vector.masks import Chosen, survivors
from slowq.engine.vector.params import Values, number, whole
from slowq.engine.vector.results import Hits, Work, sorted_hits
from slowq.engine.vector.vectors import Floats, Offsets, Vectors

_GRAPH = "graph.faiss"
_ROWS = "rows.npy"
_PAGE = 4096


class Rows(Protocol):
    """Where the rows of candidates come from."""

    def read(self, offsets: Offsets, at_once: int) -> tuple[Floats, int]:
        """The rows (len(offsets), dim), and the bytes that were read for them, by `at_once` readers."""

    def everything(self) -> Floats: ...


class DiskannIndex(Index):
    def __init__(self, about: About, index: faiss.IndexHNSW, rows: Rows, mapped: MappedFile | None = None) -> None:
        super().__init__(about, mapped)
        self._faiss = index
        self._storage = faiss.downcast_index(index.storage)
        self._rows = rows
        self._counter = Counter()

    @classmethod
    def build(cls, about: About, vectors: Vectors) -> Self:
        links = max(2, whole(about.params, "max_degree") // 2)
        coded = _coded_graph(about, links)
        graph = graph_on_codes(coded, about, vectors, links, whole(about.params, "search_list_size"))
        return cls(about, graph, RowsInMemory(prepared(about.metric, vectors.floats())))

    @property
    def size_bytes(self) -> int:
        return graph_bytes(self._faiss) + self.rows * (int(self._storage.sa_code_size()) + self._about.dim * 4)

    def _nearest(self, queries: Vectors, k: int, params: Values, chosen: Chosen | None) -> tuple[Hits, Work]:
        x = prepared(self.metric, queries.floats())
        left = survivors(chosen, self.rows)
        count = min(max(whole(params, "search_list"), k), left)
        width = widened(count, count, chosen)
        if better_exact(count, k if chosen is None else width, chosen, self.rows, rows_per_step(self._storage)):
            hits, work = scan_codes(self._storage, self.metric, x, count, chosen), Work(distances=left * len(x))
        else:
            hits, work = walk(self._faiss, self.metric, x, count, width, chosen, self._counter)
        return self._ranked(x, hits, k, whole(params, "beamwidth"), work)

    def _ranked(self, x: Floats, hits: Hits, k: int, at_once: int, work: Work) -> tuple[Hits, Work]:
        scores = hits.scores.copy()
        read = 0
        for query, offsets in enumerate(hits.offsets):
            found = np.flatnonzero(offsets >= 0)
            rows, bytes_ = self._rows.read(offsets[found], at_once)
            scores[query, found] = compared(self.metric, x[query : query + 1], rows[None])[0]
            read += bytes_
        more = Work(distances=int(np.count_nonzero(hits.offsets >= 0)), bytes_read=read)
        return sorted_hits(self.metric, hits.offsets, scores, k), work + more

    def _widened(self, params: Values, k: int) -> Values:
        return params | {"search_list": max(whole(params, "search_list"), k)}

    def cool(self) -> None:
        super().cool()
        if isinstance(self._rows, RowsOnDisk):
            forget(self._rows.path)

    def _write(self, folder: Path) -> None:
        write_faiss(self._faiss, folder / _GRAPH)
        write_array(folder / _ROWS, self._rows.everything())

    @classmethod
    def read(cls, about: About, folder: Path, mapped: bool) -> Self:
        index, memory = read_faiss(folder / _GRAPH, mapped=mapped)
        return cls(about, index, RowsOnDisk(folder / _ROWS, about), memory)


def _coded_graph(about: About, links: int) -> faiss.IndexHNSW:
    """Codes of at most `pq_code_budget_gb_ratio` of the rows' bytes: bits for each dimension where they suffice, else product
    quantization, which costs a longer training."""
    metric = faiss_metric(about.metric)
    ratio = number(about.params, "pq_code_budget_gb_ratio")
    for bits in (8, 6, 4):
        if ratio * 32 >= bits:
            return faiss.IndexHNSWSQ(about.dim, SQ_TYPES[f"SQ{bits}"], links, metric)
    budget = max(1, int(ratio * 4 * about.dim))
    parts = max(part for part in range(1, budget + 1) if about.dim % part == 0)
    index = faiss.IndexHNSWPQ(about.dim, parts, links, min(8, max(1, about.rows.bit_length() - 1)), metric)
    quick(faiss.downcast_index(index.storage).pq)
    return index


class RowsInMemory:
    def __init__(self, rows: Floats) -> None:
        self._rows = rows

    def read(self, offsets: Offsets, at_once: int) -> tuple[Floats, int]:
        return self._rows[offsets], 0

    def everything(self) -> Floats:
        return self._rows


class RowsOnDisk:
    """Reads rows of a `.npy` file by whole pages of 4 KiB. Raises `DamagedError` for a file that does not hold them."""

    def __init__(self, path: Path, about: About) -> None:
        self.path = path
        self._start, shape, dtype = array_place(path)
        forget(path)  # it was read to be checked; from now on each search reads what it needs
        if shape != (about.rows, about.dim) or dtype != np.float32:
            raise DamagedError(path, f"it holds {dtype} {shape}, the index has {about.rows} rows of {about.dim}")
        self._row_bytes = about.dim * 4
        self._descriptor = _opened(path)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, offsets: Offsets, at_once: int) -> tuple[Floats, int]:
        if len(offsets) == 0:
            return np.empty((0, self._row_bytes // 4), dtype=np.float32), 0
        starts = self._start + offsets * self._row_bytes
        first, last = starts // _PAGE, (starts + self._row_bytes - 1) // _PAGE
        steps = range(int((last - first).max()) + 1)
        pages = np.unique(np.concatenate([np.minimum(first + step, last) for step in steps]))
        memory = self._read_pages(pages, at_once)
        places = np.searchsorted(pages, first) * _PAGE + starts % _PAGE
        rows = memory[places[:, None] + np.arange(self._row_bytes)]
        return rows.view(np.float32), len(pages) * _PAGE

    def _read_pages(self, pages: Offsets, at_once: int) -> npt.NDArray[np.uint8]:
        """One read call for each run of pages, into memory that begins at a page, as O_DIRECT asks."""
        buffer = mmap.mmap(-1, len(pages) * _PAGE)
        view = memoryview(buffer)
        runs = np.split(np.arange(len(pages)), np.flatnonzero(np.diff(pages) != 1) + 1)
        readers = min(at_once, len(runs))

        def read(reader: int) -> None:
            for run in runs[reader::readers]:
                part = view[run[0] * _PAGE : (run[-1] + 1) * _PAGE]
                os.preadv(self._descriptor, [part], int(pages[run[0]]) * _PAGE)

        if readers == 1:
            read(0)
        else:
            list(_readers().map(read, range(readers)))
        return np.frombuffer(buffer, dtype=np.uint8)

    def everything(self) -> Floats:
        return cast(Floats, read_array(self.path)[0])


@cache
def _readers() -> ThreadPoolExecutor:
    """Shared by all indexes: threads that wait for the disk."""
    return ThreadPoolExecutor(64, "diskann-read")


def _opened(path: Path) -> int:
    """Past the kernel's cache where the file system allows it (not on tmpfs, and not on macOS)."""
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_DIRECT", 0))
    except OSError:
        return os.open(path, os.O_RDONLY)
