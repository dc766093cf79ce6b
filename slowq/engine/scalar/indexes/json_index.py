"""Indexes of JSON: of the values of one type at one path (INVERTED with `json_path` and `json_cast_type`), or of all paths.

A row whose value has another type is not in the index, which is right for every comparison with a value of its type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from slowq.engine.scalar import columns, json_rows
from slowq.engine.scalar.indexes import ngram, term_index
from slowq.engine.scalar.indexes.index import Keys, ScalarIndex
from slowq.engine.scalar.indexes.lookups import Existing, Lookup
from slowq.engine.scalar.indexes.term_index import TermIndex
from slowq.engine.scalar.truth import Array, Mask

SCALAR_CASTS = {"BOOL": pa.bool_(), "DOUBLE": pa.float64(), "VARCHAR": pa.large_string()}
LIST_CASTS = {f"ARRAY_{name}": kind for name, kind in SCALAR_CASTS.items()}
_CLASSES: dict[pa.DataType, tuple[type, ...]] = {
    pa.bool_(): (bool,),
    pa.float64(): (int, float),
    pa.large_string(): (str,),
}


def of_path(kind: str, column: pa.Array, keys: Keys, cast: str, grams: tuple[int, int] | None) -> ScalarIndex:
    """`grams` are the sizes of an NGRAM index of the strings there."""
    null = columns.nulls(column)
    values = json_rows.values_at(column if null is None else column.drop_null(), keys)
    rows = np.arange(len(column)) if null is None else np.flatnonzero(~null)
    if grams is not None:
        texts: list[str | None] = [None] * len(column)
        for row, value in zip(rows.tolist(), values, strict=True):
            texts[row] = value if isinstance(value, str) else None
        index = ngram.of_column(pa.array(texts, pa.large_string()), *grams)
        index.null = null  # a row without a string is not NULL to the filter
        return index
    if cast in SCALAR_CASTS:
        return _of_pairs(kind, SCALAR_CASTS[cast], values, rows.tolist(), len(column), null)
    lists = [value if isinstance(value, list) else [] for value in values]
    elements = [element for value in lists for element in value]
    where = np.repeat(rows, [len(value) for value in lists])
    there = np.zeros(len(column), dtype=np.bool_)
    there[rows] = [isinstance(value, list) for value in values]
    return _of_pairs(kind, LIST_CASTS[cast], elements, where.tolist(), len(column), null, there)


def _of_pairs(
    kind: str,
    cast: pa.DataType,
    values: Sequence[Any],
    rows: Sequence[int],
    total: int,
    null: Mask | None,
    lists: Mask | None = None,
) -> TermIndex:
    classes = _CLASSES[cast]
    chosen: list[tuple[Any, int]] = [
        (value, row) for value, row in zip(values, rows, strict=True) if value.__class__ in classes
    ]
    exact = True
    if cast == pa.float64():
        exact = all(value.__class__ is float or abs(value) <= 2**53 for value, _ in chosen)
        chosen = [(_double(value), row) for value, row in chosen]
    column = pa.array([value for value, _ in chosen], cast)
    where = np.array([row for _, row in chosen], dtype=np.int64)
    return term_index.of_values(kind, column, where, total, null, lists=lists, exact=exact)


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


class FlatJsonIndex(ScalarIndex):
    """All paths of a JSON field: for each the rows that have it, and an index for each type of its values.

    Places in arrays are no paths of their own.
    """

    def __init__(
        self,
        rows: int,
        null: Mask | None,
        root: Keys,
        there: dict[Keys, Array],
        parts: dict[tuple[Keys, str], TermIndex],
    ) -> None:
        super().__init__("INVERTED", rows, null)
        self._root = root
        self._there = there
        self._parts = parts

    def serves(self, lookup: Lookup, keys: Keys) -> bool:
        below = self._below(keys)
        if below is None:
            return False
        return isinstance(lookup, Existing) or below not in self._there or self._part(lookup, below) is not None

    def _below(self, keys: Keys) -> Keys | None:
        inside = len(keys) > len(self._root) and keys[: len(self._root)] == self._root
        return keys[len(self._root) :] if inside and not any(str(key).isdecimal() for key in keys) else None

    def _part(self, lookup: Lookup, keys: Keys) -> TermIndex | None:
        for cast in SCALAR_CASTS:
            part = self._parts.get((keys, cast))
            if part is not None and part.serves(lookup, ()):
                return part
        return None

    def find(self, lookup: Lookup, keys: Keys) -> Mask:
        below = self._below(keys) or ()
        if isinstance(lookup, Existing):
            mask = np.zeros(self.rows, dtype=np.bool_)
            mask[self._there.get(below, np.zeros(0, dtype=np.uint32))] = True
            return mask
        part = self._part(lookup, below)
        return np.zeros(self.rows, dtype=np.bool_) if part is None else part.find(lookup, ())

    def parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        paths = list(self._there)
        places = {keys: at for at, keys in enumerate(paths)}
        arrays: dict[str, Array] = {f"there/{at}": self._there[keys] for at, keys in enumerate(paths)}
        listed = []
        for at, ((keys, cast), part) in enumerate(self._parts.items()):
            about, mine = part.parts()
            listed.append({**about, "path": places[keys], "cast": cast})
            arrays |= {f"{at}/{name}": array for name, array in mine.items()}
        return {"flat": True, "root": self._root, "paths": paths, "parts": listed}, arrays

    @classmethod
    def restored(cls, about: dict[str, Any], arrays: dict[str, Array], null: Mask | None) -> FlatJsonIndex:
        total = about["total"]
        paths = [tuple(keys) for keys in about["paths"]]
        there = {keys: arrays[f"there/{at}"] for at, keys in enumerate(paths)}
        grouped: dict[str, dict[str, Array]] = {}
        for name, array in arrays.items():
            group, _, own = name.partition("/")
            grouped.setdefault(group, {})[own] = array
        parts = {}
        for at, one in enumerate(about["parts"]):
            part = TermIndex.restored({**one, "kind": "INVERTED", "total": total}, grouped[str(at)], null)
            parts[paths[one["path"]], one["cast"]] = part
        return cls(total, null, tuple(about["root"]), there, parts)


def of_all_paths(column: pa.Array, root: Keys) -> FlatJsonIndex:
    null = columns.nulls(column)
    rows = np.arange(len(column)) if null is None else np.flatnonzero(~null)
    values = json_rows.values_at(column if null is None else column.drop_null(), root)
    found: dict[Keys, list[tuple[int, Any]]] = {}
    for row, value in zip(rows.tolist(), values, strict=True):
        for keys, one in _paths(value):
            found.setdefault(keys, []).append((row, one))
    there = {keys: np.array([row for row, _ in pairs], dtype=np.uint32) for keys, pairs in found.items()}
    parts: dict[tuple[Keys, str], TermIndex] = {}
    for keys, pairs in found.items():
        for cast, kind in SCALAR_CASTS.items():
            mine = [pair for pair in pairs if pair[1].__class__ in _CLASSES[kind]]
            if mine:
                parts[keys, cast] = _of_rows(kind, mine, len(column), null)
    return FlatJsonIndex(len(column), null, root, there, parts)


def _of_rows(kind: pa.DataType, pairs: list[tuple[int, Any]], total: int, null: Mask | None) -> TermIndex:
    return _of_pairs("INVERTED", kind, [value for _, value in pairs], [row for row, _ in pairs], total, null)


def _paths(value: Any) -> Iterator[tuple[Keys, Any]]:
    """Every path of objects below the value that does not end in JSON null."""
    pending: list[tuple[Keys, Any]] = [((), value)]
    while pending:
        keys, one = pending.pop()
        if keys and one is not None:
            yield keys, one
        if isinstance(one, dict):
            pending.extend(((*keys, key), below) for key, below in one.items())
