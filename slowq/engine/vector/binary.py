"""Vectors of bits: HAMMING counts the bits that differ, JACCARD is 1 - |and| / |or|, and 1 where no bit is shared.

BIN_IVF_FLAT groups rows around centroids of bits, and scans the `nprobe` groups nearest to the query by HAMMING.
"""

from pathlib import Path
from typing import Self, cast

import faiss
import numpy as np
import numpy.typing as npt

from slowq.engine.mapped import MappedFile
from slowq.engine.vector.files import read_array, write_array
from slowq.engine.vector.index import About, Index
from slowq.engine.vector.masks import Chosen, survivors
from slowq.engine.vector.minhash import similarities
from slowq.engine.vector.params import Values, whole
from slowq.engine.vector.results import Hits, Work, best
from slowq.engine.vector.vectors import Floats, Offsets, Vectors

Codes = npt.NDArray[np.uint8]
_BLOCK_ROWS = 16384
_ROWS_PER_LIST = 39


def nearest_codes(metric: str, codes: Codes, queries: Codes, k: int, element_bits: int = 8) -> Hits:
    """The k nearest of all codes (rows, bytes); k is at most their number."""
    if metric == "HAMMING":
        faiss.omp_set_num_threads(1)
        scores, offsets = faiss.knn_hamming(queries, np.ascontiguousarray(codes), k)
        return Hits(offsets.astype(np.int64), scores.astype(np.float32))
    found = [best(metric, _scores(metric, codes, query, element_bits), k) for query in queries]
    return Hits(np.stack([offsets for offsets, _ in found]), np.stack([scores for _, scores in found]))


def nearest_chosen(
    metric: str, codes: Codes, queries: Codes, k: int, chosen: Chosen | None, element_bits: int = 8
) -> Hits:
    if chosen is None:
        return nearest_codes(metric, codes, queries, k, element_bits)
    hits = nearest_codes(metric, codes[chosen.offsets], queries, k, element_bits)
    return Hits(chosen.offsets[hits.offsets], hits.scores)


def _scores(metric: str, codes: Codes, query: Codes, element_bits: int) -> Floats:
    if metric == "MHJACCARD":
        return similarities(codes, query, element_bits)
    wide: npt.DTypeLike = np.uint64 if codes.shape[1] % 8 == 0 else np.uint8
    words = cast(npt.NDArray[np.unsignedinteger], np.ascontiguousarray(codes).view(wide))
    asked = cast(npt.NDArray[np.unsignedinteger], query.view(wide))
    asked_bits = int(np.bitwise_count(asked).sum())
    scores = np.empty(len(codes), dtype=np.float32)
    for start in range(0, len(codes), _BLOCK_ROWS):
        block = words[start : start + _BLOCK_ROWS]
        both, own = np.zeros(len(block), dtype=np.uint32), np.zeros(len(block), dtype=np.uint32)
        for column, word in zip(block.T, asked, strict=True):  # numpy sums short rows slowly
            both += np.bitwise_count(column & word)
            own += np.bitwise_count(column)
        either = np.maximum(own + np.uint32(asked_bits) - both, 1)
        scores[start : start + _BLOCK_ROWS] = 1 - both.astype(np.float32) / either.astype(np.float32)
    return scores


def codes_of(vectors: Vectors) -> Codes:
    return cast(Codes, vectors.data)


class BinFlatIndex(Index):
    """BIN_FLAT: the rows themselves, compared one by one."""

    def __init__(self, about: About, codes: Codes, mapped: MappedFile | None = None) -> None:
        super().__init__(about, mapped)
        self._codes = codes

    @classmethod
    def build(cls, about: About, vectors: Vectors) -> Self:
        return cls(about, codes_of(vectors))

    @property
    def size_bytes(self) -> int:
        return self._codes.nbytes

    def _nearest(self, queries: Vectors, k: int, params: Values, chosen: Chosen | None) -> tuple[Hits, Work]:
        hits = nearest_chosen(self.metric, self._codes, codes_of(queries), k, chosen)
        return hits, Work(distances=survivors(chosen, self.rows) * queries.rows, exact=True)

    def _write(self, folder: Path) -> None:
        write_array(folder / "codes.npy", self._codes)

    @classmethod
    def read(cls, about: About, folder: Path, mapped: bool) -> Self:
        codes, memory = read_array(folder / "codes.npy", mapped=mapped)
        return cls(about, cast(Codes, codes), memory)


class BinIvfIndex(Index):
    """BIN_IVF_FLAT: `codes` and their row numbers `order` lie list by list, which begin at `starts` (nlist + 1)."""

    def __init__(
        self,
        about: About,
        centroids: Codes,
        starts: Offsets,
        order: Offsets,
        codes: Codes,
        *mapped: MappedFile | None,
    ) -> None:
        super().__init__(about, *mapped)
        self._centroids = centroids
        self._starts = starts
        self._order = order
        self._codes = codes

    @classmethod
    def build(cls, about: About, vectors: Vectors) -> Self:
        codes = codes_of(vectors)
        nlist = min(whole(about.params, "nlist"), max(1, about.rows // _ROWS_PER_LIST))
        quantizer = faiss.IndexBinaryFlat(about.dim)
        index = faiss.IndexBinaryIVF(quantizer, about.dim, nlist)
        index.cp.min_points_per_centroid = 1
        index.train(codes)
        centroids = faiss.vector_to_array(quantizer.xb).reshape(nlist, -1)
        lists = nearest_codes("HAMMING", centroids, codes, 1).offsets[:, 0]
        order = np.argsort(lists, kind="stable")
        starts = np.searchsorted(lists[order], np.arange(nlist + 1))
        return cls(about, centroids, starts, order, codes[order])

    @property
    def size_bytes(self) -> int:
        return self._centroids.nbytes + self._starts.nbytes + self._order.nbytes + self._codes.nbytes

    def _nearest(self, queries: Vectors, k: int, params: Values, chosen: Chosen | None) -> tuple[Hits, Work]:
        asked = codes_of(queries)
        nprobe = min(whole(params, "nprobe"), len(self._centroids))
        lists = nearest_codes("HAMMING", self._centroids, asked, nprobe).offsets
        parts = [self._scan(asked[query : query + 1], k, near, chosen) for query, near in enumerate(lists)]
        hits = Hits(np.vstack([hits.offsets for hits, _ in parts]), np.vstack([hits.scores for hits, _ in parts]))
        return hits, Work(distances=len(self._centroids) * len(asked) + sum(count for _, count in parts))

    def _scan(self, query: Codes, k: int, lists: Offsets, chosen: Chosen | None) -> tuple[Hits, int]:
        places = np.concatenate([np.arange(self._starts[near], self._starts[near + 1]) for near in np.sort(lists)])
        if chosen is not None:
            places = places[chosen.mask[self._order[places]]]
        if len(places) == 0:
            return Hits.none(1, k, self.metric), 0
        hits = nearest_codes(self.metric, self._codes[places], query, min(k, len(places)))
        return Hits(self._order[places][hits.offsets], hits.scores).padded(k, self.metric), len(places)

    def _write(self, folder: Path) -> None:
        write_array(folder / "centroids.npy", self._centroids)
        write_array(folder / "starts.npy", self._starts)
        write_array(folder / "order.npy", self._order)
        write_array(folder / "codes.npy", self._codes)

    @classmethod
    def read(cls, about: About, folder: Path, mapped: bool) -> Self:
        centroids = cast(Codes, read_array(folder / "centroids.npy")[0])
        starts = cast(Offsets, read_array(folder / "starts.npy")[0])
        order, order_file = read_array(folder / "order.npy", mapped=mapped)
        codes, codes_file = read_array(folder / "codes.npy", mapped=mapped)
        return cls(about, centroids, starts, cast(Offsets, order), cast(Codes, codes), order_file, codes_file)
