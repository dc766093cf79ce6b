"""MINHASH_LSH: rows that agree with the query in a whole band of MinHash elements are its candidates.

As in Milvus a search takes the bands in turn and stops when it has `refine_k` candidates (k of them where that is more or not
given). With `mh_search_with_jaccard` they are ranked by MHJACCARD, the share of elements that are equal; without, each is a
hit and its score is 1.
"""

from pathlib import Path
from typing import Self, cast

import numpy as np
import numpy.typing as npt

from slowq.engine.mapped import MappedFile
from slowq.engine.vector.files import read_array, write_array
from slowq.engine.vector.index import About, Index
from slowq.engine.vector.masks import Chosen
from slowq.engine.vector.params import BadIndexParam, Values, whole
from slowq.engine.vector.results import Hits, Work, sorted_hits
from slowq.engine.vector.vectors import Floats, Offsets, Vectors

Codes = npt.NDArray[np.uint8]
Keys = npt.NDArray[np.uint64]
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_BLOCK_ROWS = 4096


def similarities(codes: Codes, query: Codes, element_bits: int) -> Floats:
    """The share of equal elements of each row (rows, bytes)."""
    rows, asked = _elements(codes, element_bits), _elements(query[None], element_bits)[0]
    scores = np.empty(len(codes), dtype=np.float32)
    for start in range(0, len(codes), _BLOCK_ROWS):
        same = rows[start : start + _BLOCK_ROWS] == asked
        scores[start : start + _BLOCK_ROWS] = (same if same.ndim == 2 else same.all(axis=2)).mean(axis=1)
    return scores


def _elements(codes: Codes, element_bits: int) -> npt.NDArray[np.unsignedinteger]:
    """(rows, elements), or (rows, elements, bytes) for a width that is no machine word."""
    whole_rows = np.ascontiguousarray(codes)
    if element_bits in (8, 16, 32, 64):
        return whole_rows.view(f"u{element_bits // 8}")
    return whole_rows.reshape(len(codes), -1, element_bits // 8)


def band_keys(codes: Codes, bands: int, element_bits: int) -> Keys:
    """One 64-bit number (bands, rows) for the elements of each band; two that differ have the same one in 2^64."""
    elements = _elements(codes, element_bits)
    flat = elements.reshape(len(codes), elements.shape[1], -1).astype(np.uint64)
    keys = np.zeros((bands, len(codes)), dtype=np.uint64)
    for band, members in enumerate(np.array_split(np.arange(flat.shape[1]), bands)):
        for column in flat[:, members].reshape(len(codes), -1).T:
            mixed = (keys[band] ^ column) * _PRIME
            keys[band] = mixed ^ (mixed >> _SHIFT)
    return keys


class MinhashIndex(Index):
    """`keys` (bands, rows) ascending within a band, `order` the rows that they belong to, `codes` where the raw data is
    kept."""

    def __init__(
        self, about: About, keys: Keys, order: Offsets, codes: Codes | None, *mapped: MappedFile | None
    ) -> None:
        super().__init__(about, *mapped)
        self._keys = keys
        self._order = order
        self._codes = codes
        self._element_bits = whole(about.params, "mh_element_bit_width")

    @classmethod
    def build(cls, about: About, vectors: Vectors) -> Self:
        codes = cast(Codes, vectors.data)
        keys = band_keys(codes, whole(about.params, "mh_lsh_band"), whole(about.params, "mh_element_bit_width"))
        order = np.argsort(keys, axis=1, kind="stable")
        raw = codes if about.params["with_raw_data"] else None
        return cls(about, np.take_along_axis(keys, order, axis=1), order, raw)

    @property
    def size_bytes(self) -> int:
        return self._keys.nbytes + self._order.nbytes + (0 if self._codes is None else self._codes.nbytes)

    def _nearest(self, queries: Vectors, k: int, params: Values, chosen: Chosen | None) -> tuple[Hits, Work]:
        asked = cast(Codes, queries.data)
        rank = params["mh_search_with_jaccard"]
        if rank and self._codes is None:
            raise BadIndexParam("mh_search_with_jaccard", "fail to search with jaccard distance without raw data")
        limit = max(whole(params, "refine_k"), k) if rank else k
        keys = band_keys(asked, len(self._keys), self._element_bits)
        hits, distances = Hits.none(len(asked), k, self.metric), 0
        for query in range(len(asked)):
            found = self._candidates(keys[:, query], limit, chosen)
            scores = np.ones(len(found), dtype=np.float32)
            if rank and self._codes is not None:
                scores = similarities(self._codes[found], asked[query], self._element_bits)
                distances += len(found)
            one = Hits(found[None], scores[None])
            one = sorted_hits(self.metric, one.offsets, one.scores, k) if rank else one.padded(k, self.metric)
            hits.offsets[query], hits.scores[query] = one.offsets[0], one.scores[0]
        return hits, Work(distances=distances)

    def _candidates(self, keys: Keys, limit: int, chosen: Chosen | None) -> Offsets:
        found: dict[int, None] = {}
        for band, key in enumerate(keys):
            first, last = (int(np.searchsorted(self._keys[band], key, side)) for side in ("left", "right"))
            rows = self._order[band, first:last]
            found.update(dict.fromkeys((rows if chosen is None else rows[chosen.mask[rows]]).tolist()))
            if len(found) >= limit:
                break
        return np.array(list(found)[:limit], dtype=np.int64)

    def _widened(self, params: Values, k: int) -> Values:
        return params | {"refine_k": max(whole(params, "refine_k"), k)}

    def _write(self, folder: Path) -> None:
        write_array(folder / "keys.npy", self._keys)
        write_array(folder / "order.npy", self._order)
        if self._codes is not None:
            write_array(folder / "codes.npy", self._codes)

    @classmethod
    def read(cls, about: About, folder: Path, mapped: bool) -> Self:
        keys, keys_file = read_array(folder / "keys.npy", mapped=mapped)
        order, order_file = read_array(folder / "order.npy", mapped=mapped)
        codes, codes_file = (
            read_array(folder / "codes.npy", mapped=mapped) if about.params["with_raw_data"] else (None, None)
        )
        raw = None if codes is None else cast(Codes, codes)
        return cls(about, cast(Keys, keys), cast(Offsets, order), raw, keys_file, order_file, codes_file)
