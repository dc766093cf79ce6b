"""Inverted lists: the rows lie in `nlist` lists around centroids, a search scans the `nprobe` lists nearest to the query.

A filter does not widen the search, in Milvus neither: it returns less than k where the lists hold less. `Work.distances`
counts the centroids and all rows of the scanned lists, those that the mask hides among them: faiss passes over them one by
one.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Self

import faiss
import numpy as np

from slowq.engine.mapped import MappedFile
from slowq.engine.vector.coding import Refiner, enough, fitting_bits, quick
from slowq.engine.vector.exact import QUERIES_AT_ONCE, cleaned, prepared
from slowq.engine.vector.index import About, Index, faiss_metric, read_faiss, write_faiss
from slowq.engine.vector.masks import Chosen, survivors
from slowq.engine.vector.params import Values, number, whole
from slowq.engine.vector.results import Hits, Work
from slowq.engine.vector.vectors import Floats, Vectors

_FILE = "lists.faiss"
_SCANN_BITS = 4  # what fits a register
_ROWS_PER_LIST = 39  # fewer make no centroid worth its name: Knowhere lowers nlist to rows / 39, and faiss warns


class IvfIndex(Index):
    """IVF_FLAT: the rows as they are. The kinds that keep codes differ in what `_empty` makes, and may refine."""

    def __init__(
        self, about: About, index: faiss.IndexIVF, refiner: Refiner | None = None, mapped: MappedFile | None = None
    ) -> None:
        super().__init__(about, mapped, None if refiner is None else refiner.mapped)
        self._faiss = index
        self._refiner = refiner
        self._sizes = np.array([index.get_list_size(number) for number in range(index.nlist)], dtype=np.int64)

    @classmethod
    def build(cls, about: About, vectors: Vectors) -> Self:
        index = cls._empty(about, faiss.IndexFlat(about.dim, faiss_metric(about.metric)))
        index.cp.min_points_per_centroid = 1
        rows = prepared(about.metric, vectors.floats())
        index.train(cls._training(enough(rows)))
        index.add(rows)
        refine = cls._refine_type(about)
        return cls(about, index, None if refine is None else Refiner.build(about, refine, rows))

    def refilled(self, vectors: Vectors) -> "IvfIndex":
        """An IVF_FLAT with lists around the same centroids, and other rows in them: nothing is trained."""
        about = replace(self._about, kind="IVF_FLAT", rows=vectors.rows)
        centroids = faiss.clone_index(
            faiss.downcast_index(self._faiss.quantizer)
        )  # which may be gone before these lists
        index = faiss.IndexIVFFlat(centroids, about.dim, self._faiss.nlist, faiss_metric(about.metric))
        index.add(prepared(about.metric, vectors.floats()))
        return IvfIndex(about, index)

    @classmethod
    def _empty(cls, about: About, centroids: faiss.Index) -> faiss.IndexIVF:
        return faiss.IndexIVFFlat(centroids, about.dim, _lists(about), faiss_metric(about.metric))

    @classmethod
    def _training(cls, rows: Floats) -> Floats:
        return rows

    @classmethod
    def _refine_type(cls, about: About) -> object:
        """The type of the rows to refine by; None for no refining."""
        return about.params["refine_type"] if about.params.get("refine") else None

    @property
    def size_bytes(self) -> int:
        index = self._faiss
        refiner = 0 if self._refiner is None else self._refiner.size_bytes
        return int(self.rows * (index.code_size + 8) + index.nlist * self._about.dim * 4) + refiner

    def _nearest(self, queries: Vectors, k: int, params: Values, chosen: Chosen | None) -> tuple[Hits, Work]:
        x = prepared(self.metric, queries.floats())
        nprobe = min(whole(params, "nprobe"), self._faiss.nlist)
        if self._refiner is None:
            return self._scan(x, k, nprobe, chosen)
        hits, work = self._scan(x, min(self._candidates(k, params), survivors(chosen, self.rows)), nprobe, chosen)
        hits, more = self._refiner.refined(self.metric, x, hits, k)
        return hits, work + more

    def _candidates(self, k: int, params: Values) -> int:
        return math.ceil(k * number(params, "refine_k"))

    def _scan(self, x: Floats, k: int, nprobe: int, chosen: Chosen | None) -> tuple[Hits, Work]:
        faiss.omp_set_num_threads(1)
        scores = np.empty((len(x), k), dtype=np.float32)
        offsets = np.empty((len(x), k), dtype=np.int64)
        settings = faiss.SearchParametersIVF(nprobe=nprobe, sel=None if chosen is None else chosen.selector)
        distances = self._faiss.nlist * len(x)
        for start in range(0, len(x), QUERIES_AT_ONCE):
            part = x[start : start + QUERIES_AT_ONCE]
            near, lists = self._faiss.quantizer.search(part, nprobe)
            distances += int(self._sizes[lists].sum())
            inputs = (faiss.swig_ptr(part), k, faiss.swig_ptr(lists), faiss.swig_ptr(near))
            outputs = (faiss.swig_ptr(scores[start:]), faiss.swig_ptr(offsets[start:]))
            self._faiss.search_preassigned_c(len(part), *inputs, *outputs, False, settings)
        return cleaned(self.metric, offsets, scores), Work(distances=distances)

    def _write(self, folder: Path) -> None:
        write_faiss(self._faiss, folder / _FILE)
        if self._refiner is not None:
            self._refiner.write(folder)

    @classmethod
    def read(cls, about: About, folder: Path, mapped: bool) -> Self:
        index, memory = read_faiss(folder / _FILE, mapped=mapped)
        refiner = None if cls._refine_type(about) is None else Refiner.read(folder, mapped)
        return cls(about, index, refiner, memory)


class IvfSq8Index(IvfIndex):
    """IVF_SQ8: a byte for each dimension."""

    @classmethod
    def _empty(cls, about: About, centroids: faiss.Index) -> faiss.IndexIVF:
        metric = faiss_metric(about.metric)
        return faiss.IndexIVFScalarQuantizer(centroids, about.dim, _lists(about), faiss.ScalarQuantizer.QT_8bit, metric)


class IvfPqIndex(IvfIndex):
    """IVF_PQ: `nbits` bits for each of `m` parts of a row."""

    @classmethod
    def _empty(cls, about: About, centroids: faiss.Index) -> faiss.IndexIVF:
        bits = fitting_bits(whole(about.params, "nbits"), about.rows)
        metric = faiss_metric(about.metric)
        index = faiss.IndexIVFPQ(centroids, about.dim, _lists(about), whole(about.params, "m"), bits, metric)
        quick(index.pq)
        return index


class ScannIndex(IvfIndex):
    """SCANN: 4 bits for each `sub_dim` dimensions, compared many at a time in registers; the rows refine, `with_raw_data`."""

    @classmethod
    def _empty(cls, about: About, centroids: faiss.Index) -> faiss.IndexIVF:
        parts = about.dim // whole(about.params, "sub_dim")
        metric = faiss_metric(about.metric)
        index = faiss.IndexIVFPQFastScan(centroids, about.dim, _lists(about), parts, _SCANN_BITS, metric)
        quick(index.pq)
        return index

    @classmethod
    def _training(cls, rows: Floats) -> Floats:
        """Where all rows are one, faiss divides by the distance of centroids, which is 0, and finds none of them."""
        if np.ptp(rows, axis=0).any():
            return rows
        return (rows + 1e-3 * np.random.default_rng(0).standard_normal(rows.shape)).astype(np.float32)

    @classmethod
    def _refine_type(cls, about: About) -> object:
        return "FP32" if about.params["with_raw_data"] else None

    def _candidates(self, k: int, params: Values) -> int:
        return max(k, whole(params, "reorder_k"))

    def _widened(self, params: Values, k: int) -> Values:
        return params | {"reorder_k": max(whole(params, "reorder_k"), k)}


def _lists(about: About) -> int:
    """`nlist`, or less where there are few rows."""
    return min(whole(about.params, "nlist"), max(1, about.rows // _ROWS_PER_LIST))
