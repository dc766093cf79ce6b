"""Makes indexes, and reads them back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import faiss
import numpy as np

from slowq.engine.vector.binary import BinFlatIndex, BinIvfIndex
from slowq.engine.vector.diskann import DiskannIndex
from slowq.engine.vector.files import DamagedError
from slowq.engine.vector.flat import FlatIndex
from slowq.engine.vector.hnsw import HnswIndex, HnswPqIndex, HnswSqIndex
from slowq.engine.vector.index import About, Index, VectorIndex, read_about
from slowq.engine.vector.ivf import IvfIndex, IvfPqIndex, IvfSq8Index, ScannIndex
from slowq.engine.vector.masks import Chosen
from slowq.engine.vector.minhash import MinhashIndex
from slowq.engine.vector.params import Values, actual_kind, check_build
from slowq.engine.vector.results import Hits, Work
from slowq.engine.vector.sparse import SparseIndex
from slowq.engine.vector.vectors import Vectors

_CLASSES: Mapping[str, type[Index]] = {
    "FLAT": FlatIndex,
    "IVF_FLAT": IvfIndex,
    "IVF_SQ8": IvfSq8Index,
    "IVF_PQ": IvfPqIndex,
    "SCANN": ScannIndex,
    "HNSW": HnswIndex,
    "HNSW_SQ": HnswSqIndex,
    "HNSW_PQ": HnswPqIndex,
    "DISKANN": DiskannIndex,
    "BIN_FLAT": BinFlatIndex,
    "BIN_IVF_FLAT": BinIvfIndex,
    "MINHASH_LSH": MinhashIndex,
    "SPARSE_INVERTED_INDEX": SparseIndex,
    "SPARSE_WAND": SparseIndex,
}


def build(kind: str, metric: str, params: Mapping[str, object], vectors: Vectors, *, threads: int = 1) -> VectorIndex:
    """An index in memory, built by so many threads while others run. Of several an HNSW comes out a little different each
    time, as the rows are linked in the order in which they come. Raises `BadIndexParam`; `ValueError` for a NaN or an
    infinity."""
    known = check_build(kind, metric, vectors.kind, vectors.dim, params)
    _refuse_no_numbers(vectors)
    about = About(kind, metric, vectors.kind, vectors.dim, vectors.rows, known)
    faiss.omp_set_num_threads(threads)  # of the calling thread alone
    return _class(about).build(about, vectors)


def refill(trained: VectorIndex, vectors: Vectors, *, threads: int = 1) -> VectorIndex:
    """An IVF_FLAT of these rows around the centroids of another: no more than putting each row into a list. Raises
    `ValueError` for a NaN or an infinity."""
    if not isinstance(trained, IvfIndex):
        raise TypeError(f"an index of the kind {trained.kind} has no lists to be filled")
    _refuse_no_numbers(vectors)
    faiss.omp_set_num_threads(threads)  # of the calling thread alone
    return trained.refilled(vectors)


def open_index(path: Path, *, mmap: bool = False) -> VectorIndex:
    """The index that was saved there, in memory or mapped. Raises `DamagedError`, which names the file."""
    about = read_about(path)
    if actual_kind(about.kind, about.field) not in _CLASSES:
        raise DamagedError(path, f"it is of a kind that this version does not have, {about.kind}")
    return _class(about).read(about, path, mmap)


def _class(about: About) -> type[Index]:
    return _CLASSES[actual_kind(about.kind, about.field)] if about.rows else EmptyIndex


def _refuse_no_numbers(vectors: Vectors) -> None:
    if vectors.kind in ("binary", "int8"):
        return
    finite = np.isfinite(vectors.postings()[2] if vectors.kind == "sparse" else vectors.floats())
    if not finite.all():
        place = int(np.flatnonzero(~finite.ravel())[0])
        row = (
            np.searchsorted(vectors.postings()[0], place, "right") - 1
            if vectors.kind == "sparse"
            else place // vectors.dim
        )
        raise ValueError(f"row {row} of the vectors holds a value that is not a number or infinity")


class EmptyIndex(Index):
    """Of no rows, of any kind."""

    @classmethod
    def build(cls, about: About, vectors: Vectors) -> Self:
        return cls(about)

    @property
    def size_bytes(self) -> int:
        return 0

    def _nearest(self, queries: Vectors, k: int, params: Values, chosen: Chosen | None) -> tuple[Hits, Work]:
        return Hits.none(queries.rows, k, self.metric), Work(exact=True)

    def _write(self, folder: Path) -> None:
        pass

    @classmethod
    def read(cls, about: About, folder: Path, mapped: bool) -> Self:
        return cls(about)
