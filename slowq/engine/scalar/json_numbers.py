"""Whole numbers at a path of JSON rows, read where they stand: the rest of the row is not parsed.

Not every row allows it. In valid JSON the bytes `"a":{"b":3}` hold the value of `["a"]["b"]` where

- the row has no backslash, so that each quote begins or ends a string, and a key is written in one way only;
- each key, with its quotes, stands in the row once, so that no second one overrules it and it is no value;
- only one bracket opens before them, so that they stand in the outermost object.

The white space between keys is learnt from the first rows. All other rows are left to a parser, and all rows where the path has
a key that could be a place in an array, or that begins so that its opening quote could be the closing one of another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slowq.engine.scalar.truth import Array, Mask

_LEARNT_FROM = 4096  # bytes
_REACH = 24  # bytes from where a number stands that may be looked at
_ENDS = np.isin(np.arange(256), np.frombuffer(b",}] \t\n\r", np.uint8))  # what may follow a whole number
_MINUS, _BACKSLASH, _OPENS, _CASE = b"-"[0], b"\\"[0], b"{"[0], 0x20  # `[` and `{` differ in that bit
_LOW, _HIGH = np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x8080808080808080)
_ZEROS, _BEYOND_NINE = np.uint64(0x3030303030303030), np.uint64(0x7676767676767676)
_FROM_DIGITS = (
    (0x0F0F0F0F0F0F0F0F, 2561, 8),
    (0x00FF00FF00FF00FF, 6553601, 16),
    (0x0000FFFF0000FFFF, 42949672960001, 32),
)


@lru_cache(maxsize=1024)
def way_to(keys: tuple[str | int, ...]) -> Way | None:
    """None where no row can be read so."""
    plain = all(isinstance(key, str) and key.isprintable() and not set(key) & {'"', "\\"} for key in keys)
    names = [str(key) for key in keys]
    if not plain or not names or not all(name[:1].isalpha() or name[:1] == "_" for name in names):
        return None
    return Way(names)


class Way:
    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [f'"{key}"'.encode() for key in keys]
        space = rb"[ \t\n\r]*"
        colon = space + b":" + space
        self._pattern = re.compile((colon + rb"\{" + space).join(map(re.escape, self._keys)) + colon)

    def numbers(self, rows: pa.Array) -> tuple[Array, Mask]:
        """The numbers, int64, and which rows have one that could be read; binary rows of which none is NULL."""
        bounds = np.frombuffer(rows.buffers()[1], np.int32, len(rows) + 1, rows.offset * 4).astype(np.int64)
        text = np.frombuffer(rows.buffers()[2] or b"", np.uint8)
        block = text[bounds[0] : bounds[-1]]
        learnt = self._pattern.search(block[:_LEARNT_FROM].tobytes())
        if learnt is None:
            return np.zeros(len(rows), np.int64), np.zeros(len(rows), np.bool_)
        found = pc.find_substring(rows, learnt[0]).to_numpy()
        readable = found >= 0
        begins = bounds - bounds[0]
        if (block == _BACKSLASH).any():
            readable &= _counts(block == _BACKSLASH, begins) == 0
        for key in self._keys:
            _keep_single(readable, key, block, begins)
        if (found > 1).any():
            readable &= _outermost(block, begins[:-1], begins[:-1] + found)
        return _whole_numbers(text, bounds[:-1] + found + len(learnt[0]), readable)


def _keep_single(readable: Mask, key: bytes, block: Array, begins: Array) -> None:
    """Takes out the rows in which the key does not stand just once. A readable row has it at least once."""
    marks = np.ones(max(0, len(block) - len(key) + 1), np.bool_)
    for place, byte in enumerate(key):
        marks &= block[place : place + len(marks)] == byte
        if np.count_nonzero(marks) == len(readable) and readable.all():
            return
    readable &= _counts(marks, begins) == 1


def _outermost(block: Array, begins: Array, places: Array) -> Mask:
    """Whether one bracket opens from the beginning of each row to the place in it."""
    opened = np.append(np.flatnonzero((block | _CASE) == _OPENS), [len(block)] * 2)
    first = np.searchsorted(opened[:-1], begins)
    return (opened[first] < places) & (opened[first + 1] > places)


def _counts(marks: Mask, begins: Array) -> Array:
    """How many bytes of each row are marked."""
    return np.diff(np.searchsorted(np.flatnonzero(marks), begins))


def _whole_numbers(text: Array, places: Array, readable: Mask) -> tuple[Array, Mask]:
    """Of at most 15 digits, which stand at these places of the text."""
    readable = readable & (places < len(text) - _REACH)
    if not readable.any():
        return np.zeros(len(places), np.int64), readable
    words = np.ndarray((len(text) - 7,), "<u8", text, strides=(1,))  # one from each byte on
    places = np.where(readable, places, 0)
    negative = text[places] == _MINUS
    places = places + negative
    numbers, digits = _digits(words[places])
    longer = np.flatnonzero(digits == 8)
    if len(longer):
        more, their_digits = _digits(words[places[longer] + 8])
        numbers[longer] = numbers[longer] * 10**their_digits + more
        digits[longer] += their_digits
    readable &= (digits > 0) & (digits < 16) & _ENDS[text[places + digits]]
    return np.where(negative, -numbers, numbers), readable


def _digits(words: Array) -> tuple[Array, Array]:
    """The number that the first bytes of each word write, and how many of the eight are digits."""
    values = words ^ _ZEROS
    others = (((values & _LOW) + _BEYOND_NINE) | values) & _HIGH  # the upper bit of each byte that is no digit
    digits = (np.bitwise_count((others & (~others + np.uint64(1))) - np.uint64(1)) >> 3).astype(np.int64)
    values = np.where(digits > 0, values << (64 - 8 * digits).astype(np.uint64), 0)
    for mask, factor, shift in _FROM_DIGITS:  # pairs, then fours, then all eight at once
        values = ((values & np.uint64(mask)) * np.uint64(factor)) >> np.uint64(shift)
    return values.astype(np.int64), digits
