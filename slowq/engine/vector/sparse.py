"""SPARSE_INVERTED_INDEX: for each dimension the rows that have it, and their values.

A row is a hit where its score is above 0, as in Milvus, whose sparse values are not negative. IP is the sum of products over
the dimensions that row and query share. BM25 takes the row's values for term frequencies and the query's for the terms'
weights (IDF), and shortens long rows: `bm25_k1`, `bm25_b`, `bm25_avgdl`, which is the mean length of the rows here unless a
search gives it. `Work.distances` counts the products. The postings are added in double precision, so that their order does
not matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self, cast

import numpy as np
import numpy.typing as npt

from slowq.engine.mapped import MappedFile
from slowq.engine.vector.files import read_array, write_array
from slowq.engine.vector.index import About, Index
from slowq.engine.vector.masks import Chosen
from slowq.engine.vector.params import Values, number
from slowq.engine.vector.results import Hits, Work, best
from slowq.engine.vector.vectors import Floats, Offsets, Vectors

_FILES = ("dimensions", "starts", "rows", "values", "lengths")
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Terms:
    """One query: its dimensions, ascending, and their weights."""

    dimensions: npt.NDArray[np.uint32]
    weights: Floats


def terms(queries: Vectors, drop_ratio: float = 0) -> list[Terms]:
    """Of each query, without the share of its smallest weights that `drop_ratio` says."""
    indptr, indices, values = queries.postings()
    asked = []
    for start, end in pairwise(indptr.tolist()):
        kept = np.argsort(values[start:end], kind="stable")[int(drop_ratio * (end - start)) :]
        order = start + kept[np.argsort(indices[start:end][kept], kind="stable")]
        asked.append(Terms(indices[order], values[order]))
    return asked


def lengths(vectors: Vectors) -> Doubles:
    """The sum of the values of each row: in BM25 its length in words."""
    indptr, _, values = vectors.postings()
    return _summed(_row_of_value(indptr), values.astype(np.float64), vectors.rows)


def _summed(rows: Offsets, values: Doubles, count: int) -> Doubles:
    return cast(Doubles, np.bincount(rows, weights=values, minlength=count))


def _row_of_value(indptr: Offsets) -> Offsets:
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))


@dataclass(frozen=True, slots=True)
class Saturation:
    """BM25's view of a term frequency in a row of this length, or for IP the value itself."""

    k1: float
    norms: Doubles

    @staticmethod
    def of(metric: str, row_lengths: Doubles, params: Mapping[str, object]) -> "Saturation | None":
        if metric != "BM25":
            return None
        k1, b = number(params, "bm25_k1"), number(params, "bm25_b")
        mean = number(params, "bm25_avgdl") if "bm25_avgdl" in params else row_lengths.mean()
        return Saturation(k1, k1 * (1 - b + b * row_lengths / max(mean, 1e-9)))

    def scores(self, frequencies: Doubles, rows: Offsets) -> Doubles:
        return frequencies * (self.k1 + 1) / (frequencies + self.norms[rows])


def scan(vectors: Vectors, query: Terms, saturation: Saturation | None) -> tuple[Doubles, int]:
    """Scores of all rows, and the products that they took, without an index."""
    indptr, indices, values = vectors.postings()
    places = np.searchsorted(query.dimensions, indices)
    shared = np.flatnonzero(query.dimensions[np.minimum(places, len(query.dimensions) - 1)] == indices)
    rows, found = _row_of_value(indptr)[shared], values[shared].astype(np.float64)
    if saturation is not None:
        found = saturation.scores(found, rows)
    return _summed(rows, found * query.weights[places[shared]], vectors.rows), len(shared)


def positive(metric: str, scores: Doubles, k: int, chosen: Chosen | None) -> tuple[Offsets, Floats]:
    """The k best rows with a score above 0, less where there are less."""
    hits = scores > 0 if chosen is None else (scores > 0) & chosen.mask
    rows = np.flatnonzero(hits)
    offsets, found = best(metric, scores[rows].astype(np.float32), min(k, len(rows)))
    return rows[offsets], found


def stacked(metric: str, found: list[tuple[Offsets, Floats]], k: int) -> Hits:
    hits = Hits.none(len(found), k, metric)
    for query, (offsets, scores) in enumerate(found):
        hits.offsets[query, : len(offsets)], hits.scores[query, : len(offsets)] = offsets, scores
    return hits


class SparseIndex(Index):
    """`dimensions` ascending; the rows and values of the i-th lie from `starts[i]` to `starts[i + 1]`."""

    def __init__(self, about: About, arrays: Mapping[str, npt.NDArray[np.generic]], *mapped: MappedFile | None) -> None:
        super().__init__(about, *mapped)
        self._arrays = arrays
        self._dimensions = cast(npt.NDArray[np.uint32], arrays["dimensions"])
        self._starts = cast(Offsets, arrays["starts"])
        self._rows = cast(Offsets, arrays["rows"])
        self._values = cast(Floats, arrays["values"])
        self._lengths = cast(Doubles, arrays["lengths"])

    @classmethod
    def build(cls, about: About, vectors: Vectors) -> Self:
        indptr, indices, values = vectors.postings()
        order = np.argsort(indices, kind="stable")
        dimensions, starts = np.unique(indices[order], return_index=True)
        return cls(
            about,
            {
                "dimensions": dimensions,
                "starts": np.append(starts, len(indices)).astype(np.int64),
                "rows": _row_of_value(indptr)[order],
                "values": values[order],
                "lengths": lengths(vectors),
            },
        )

    @property
    def size_bytes(self) -> int:
        return sum(array.nbytes for array in self._arrays.values())

    def _nearest(self, queries: Vectors, k: int, params: Values, chosen: Chosen | None) -> tuple[Hits, Work]:
        saturation = Saturation.of(self.metric, self._lengths, dict(self.params) | params)
        drop = number(params, "drop_ratio_search")
        found, products = [], 0
        for query in terms(queries, drop):
            scores, count = self._scores(query, saturation)
            found.append(positive(self.metric, scores, k, chosen))
            products += count
        return stacked(self.metric, found, k), Work(distances=products, exact=drop == 0)

    def _scores(self, query: Terms, saturation: Saturation | None) -> tuple[Doubles, int]:
        scores, products = np.zeros(self.rows), 0
        places = np.searchsorted(self._dimensions, query.dimensions)
        for place, dimension, weight in zip(places, query.dimensions, query.weights, strict=True):
            if place == len(self._dimensions) or self._dimensions[place] != dimension:
                continue
            posting = slice(self._starts[place], self._starts[place + 1])
            rows, values = self._rows[posting], self._values[posting].astype(np.float64)
            scores[rows] += weight * (values if saturation is None else saturation.scores(values, rows))
            products += len(rows)
        return scores, products

    def _write(self, folder: Path) -> None:
        for name, array in self._arrays.items():
            write_array(folder / f"{name}.npy", array)

    @classmethod
    def read(cls, about: About, folder: Path, mapped: bool) -> Self:
        read = {name: read_array(folder / f"{name}.npy", mapped=mapped) for name in _FILES}
        return cls(about, {name: array for name, (array, _) in read.items()}, *(file for _, file in read.values()))
