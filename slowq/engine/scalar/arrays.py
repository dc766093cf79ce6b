"""array_contains, array_contains_all and array_contains_any on Arrow lists."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from slowq.engine.scalar import columns, typed
from slowq.engine.scalar.truth import Mask, Truth, of_nullable
from slowq.filters.ast import ListLiteral, Literal


def contains(column: pa.Array, name: str, wanted: Literal | ListLiteral) -> Truth:
    """`name` is the function; NULL arrays are unknown, NULL elements equal nothing."""
    null = columns.nulls(column)
    offsets, elements = columns.lists(column)
    values = elements if columns.is_text(elements.type) else columns.numbers(elements)
    absent = columns.nulls(elements)
    _, _, how = name.partition("_contains")
    asked = (wanted.value,) if isinstance(wanted, Literal) else wanted.values
    found = np.full(len(column), how != "_any")
    for group in [asked] if how == "_any" else [(one,) for one in dict.fromkeys(asked)]:
        hits = typed.membership(values, group)
        if absent is not None:
            hits = hits & ~absent
        rows = _rows_with(hits, offsets)
        found = found | rows if how == "_any" else found & rows
    return of_nullable(found, null)


def _rows_with(hits: np.ndarray, offsets: np.ndarray) -> Mask:
    """The rows that one of the elements is in."""
    places = np.flatnonzero(hits)
    rows = np.zeros(len(offsets) - 1, dtype=np.bool_)
    inside = (places >= offsets[0]) & (places < offsets[-1])
    rows[np.searchsorted(offsets, places[inside], side="right") - 1] = True
    return rows
