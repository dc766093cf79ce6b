"""NGRAM: which rows have the n-grams of a pattern's text; the column says which of them match.

An n-gram is n characters in a row, kept as 32 bits of their hash: two grams with one hash only add candidates.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slowq.engine.scalar import columns
from slowq.engine.scalar.indexes.index import Keys, ScalarIndex
from slowq.engine.scalar.indexes.lookups import Lookup, Matching
from slowq.engine.scalar.like import literals_of
from slowq.engine.scalar.truth import Array, Mask

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_CHUNK = 1 << 16  # rows; the grams of so many are sorted at once


class NgramIndex(ScalarIndex):
    """`grams` ascend, (n,) uint32; the rows of gram i are `rows[offsets[i]:offsets[i + 1]]`."""

    exact: ClassVar[bool] = False

    def __init__(
        self, total: int, null: Mask | None, sizes: tuple[int, int], grams: Array, offsets: Array, rows: Array
    ) -> None:
        super().__init__("NGRAM", total, null)
        self.min_gram, self.max_gram = sizes
        self._grams = grams
        self._offsets = offsets
        self._rows = rows

    def serves(self, lookup: Lookup, keys: Keys) -> bool:
        return not keys and isinstance(lookup, Matching) and bool(self._pieces(lookup.pattern))

    def _pieces(self, like: str) -> list[str]:
        return [piece for piece in literals_of(like) if len(piece) >= self.min_gram]

    def find(self, lookup: Lookup, keys: Keys) -> Mask:
        assert isinstance(lookup, Matching)  # noqa: S101 - else it is not served
        asked: set[int] = set()
        for piece in self._pieces(lookup.pattern):
            asked.update(_hashes(_points([piece]), min(len(piece), self.max_gram)).tolist())
        found = np.zeros(self.rows, dtype=np.bool_)
        lists = sorted((self._rows_of(gram) for gram in asked), key=len)
        common = lists[0]
        for more in lists[1:]:
            common = np.intersect1d(common, more, assume_unique=True)
        found[common] = True
        return found

    def _rows_of(self, gram: int) -> Array:
        place = int(np.searchsorted(self._grams, np.uint32(gram)))
        if place == len(self._grams) or self._grams[place] != gram:
            return self._rows[:0]
        return self._rows[self._offsets[place] : self._offsets[place + 1]]

    def parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        about = {"sizes": [self.min_gram, self.max_gram]}
        return about, {"grams": self._grams, "offsets": self._offsets, "rows": self._rows}

    @classmethod
    def restored(cls, about: dict[str, Any], arrays: dict[str, Array], null: Mask | None) -> NgramIndex:
        low, high = about["sizes"]
        return cls(about["total"], null, (low, high), *(arrays[name] for name in ("grams", "offsets", "rows")))


def of_column(column: pa.Array, min_gram: int, max_gram: int) -> NgramIndex:
    made = [
        _pairs(column.slice(start, _CHUNK), size, start)
        for size in range(min_gram, max_gram + 1)
        for start in range(0, len(column), _CHUNK)
    ]
    pairs = _distinct(np.concatenate(made)) if made else np.zeros(0, dtype=np.uint64)
    hashes = (pairs >> np.uint64(32)).astype(np.uint32)
    first = np.flatnonzero(_first_of_each(hashes))
    offsets = np.append(first, len(pairs)).astype(np.int64)
    return NgramIndex(
        len(column), columns.nulls(column), (min_gram, max_gram), hashes[first], offsets, pairs.astype(np.uint32)
    )


def _pairs(texts: pa.Array, size: int, start: int) -> Array:
    """Hash and row, in the high and low half of a number, each once."""
    texts = pc.fill_null(texts, "")
    lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(start, start + len(texts), dtype=np.uint64), lengths)
    hashes = _hashes(_points(texts.to_pylist()), size)
    within = rows[: len(hashes)] == rows[size - 1 :] if len(hashes) else np.zeros(0, dtype=np.bool_)
    return _distinct(hashes[within] << np.uint64(32) | rows[: len(hashes)][within])


def _distinct(numbers: Array) -> Array:
    """Ascending: np.unique hashes since NumPy 2.3, which takes 50 times as long for many equal numbers."""
    numbers = np.sort(numbers)
    return numbers[_first_of_each(numbers)]


def _first_of_each(ascending: Array) -> Mask:
    return np.append(True, ascending[1:] != ascending[:-1])[: len(ascending)]


def _points(texts: list[str]) -> Array:
    return np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)


def _hashes(points: Array, size: int) -> Array:
    """Of every `size` characters in a row: 32 bits in a uint64."""
    count = max(0, len(points) - size + 1)
    made = np.full(count, size, dtype=np.uint64)
    for step in range(size):
        made = (made ^ points[step : step + count]) * _FACTOR
        made ^= made >> np.uint64(29)
    return made >> np.uint64(32)
