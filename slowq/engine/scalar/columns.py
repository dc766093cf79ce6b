"""Arrow columns as NumPy sees them, without copying what need not be copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slowq.engine.scalar.truth import Array, Mask, Positions

_DTYPES = {
    pa.int8(): np.int8,
    pa.int16(): np.int16,
    pa.int32(): np.int32,
    pa.int64(): np.int64,
    pa.float32(): np.float32,
    pa.float64(): np.float64,
}


@dataclass(frozen=True, slots=True)
class Values:
    """What a predicate is asked of, row by row: NumPy numbers or booleans, or Arrow strings.

    `null` and `beyond` (an element behind the end of an array) are None where no row is; `values` is anything there.
    """

    values: Any
    null: Mask | None = None
    beyond: Mask | None = None


def taken(column: pa.Array, positions: Positions | None) -> pa.Array:
    return column if positions is None else column.take(pa.array(positions))


def nulls(column: pa.Array) -> Mask | None:
    if not column.null_count:
        return None
    validity = column.buffers()[0]
    if validity is None:  # a column of nothing but NULL has no bits
        return np.ones(len(column), dtype=np.bool_)
    return ~_bits(validity, column.offset, len(column))


def numbers(column: pa.Array) -> Array:
    """The values of a column of numbers or booleans; NULL rows hold anything."""
    if column.type == pa.bool_():
        return _bits(column.buffers()[1], column.offset, len(column))
    dtype = np.dtype(_DTYPES[column.type])
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return np.zeros(len(column), dtype=dtype)
    return np.frombuffer(buffer, dtype=dtype, count=len(column), offset=column.offset * dtype.itemsize)


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def plain(column: pa.Array, positions: Positions | None) -> Values:
    if is_text(column.type):
        column = taken(column, positions)
        return Values(column, nulls(column))
    values, null = numbers(column), nulls(column)
    if positions is None:
        return Values(values, null)
    return Values(values[positions], None if null is None else null[positions])


def lists(column: pa.Array) -> tuple[Array, pa.Array]:
    """The offsets of a list column (rows + 1), and the elements that they count in; a NULL row has none."""
    if column.null_count:
        column = pc.if_else(pc.is_valid(column), column, pa.scalar([], column.type))
    return column.offsets.to_numpy(zero_copy_only=False), column.values


def element(column: pa.Array, index: int, positions: Positions | None) -> Values:
    """One element of each array."""
    column = taken(column, positions)
    null = nulls(column)
    offsets, elements = lists(column)
    there = offsets[1:] - offsets[:-1] > index
    if not there.all():
        beyond = ~there if null is None else ~there & ~null
        places = np.where(there, offsets[:-1] + index, 0)
    else:
        beyond, places = None, offsets[:-1] + index
    if not len(elements):
        elements = pa.nulls(1, elements.type)
    chosen = elements.take(pa.array(places))
    return Values(chosen if is_text(chosen.type) else numbers(chosen), null, beyond)


def lengths(column: pa.Array, positions: Positions | None) -> Values:
    column = taken(column, positions)
    offsets, _ = lists(column)
    return Values((offsets[1:] - offsets[:-1]).astype(np.int64), nulls(column))


def truths(result: pa.BooleanArray) -> Mask:
    """Arrow's answer as NumPy; NULL is false."""
    if result.null_count:
        result = result.fill_null(False)
    return _bits(result.buffers()[1], result.offset, len(result))


def _bits(buffer: pa.Buffer, offset: int, count: int) -> Mask:
    if not count:
        return np.zeros(0, dtype=np.bool_)
    first = offset // 8
    packed = np.frombuffer(buffer, dtype=np.uint8, count=(offset + count + 7) // 8 - first, offset=first)
    bits = np.unpackbits(packed, bitorder="little", count=offset + count - 8 * first)
    return bits[offset - 8 * first :].view(np.bool_)
