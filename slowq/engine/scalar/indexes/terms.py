"""Sorted dictionaries: the distinct values of a column, each with its place in the order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Protocol

import numpy as np
import pyarrow as pa

from slowq.engine.scalar import typed
from slowq.engine.scalar.indexes.lookups import Between
from slowq.engine.scalar.like import Pattern
from slowq.engine.scalar.truth import Array, Positions
from slowq.engine.scalar.wanted import Wanted


class Terms(Protocol):
    def __len__(self) -> int: ...

    def takes(self, values: Wanted) -> bool:
        """Whether the dictionary can be asked for the values at all."""
        ...

    def places(self, values: Wanted) -> Positions:
        """Where those of the values are that it holds."""
        ...

    def interval(self, wanted: Between) -> tuple[int, int]:
        """The first place inside and the first one behind."""
        ...

    def arrays(self) -> dict[str, Array]: ...


class NumberTerms:
    """Ascending numbers, never NaN. `exact` is False where some JSON integer was no double and was rounded."""

    def __init__(self, values: Array, *, boolean: bool = False, exact: bool = True) -> None:
        self._values = values
        self.boolean = boolean
        self.exact = exact

    def __len__(self) -> int:
        return len(self._values)

    def takes(self, values: Wanted) -> bool:
        if self.boolean or bool in values.classes:
            return self.boolean and values.classes <= {bool}
        if not values.classes <= {int, float} or not self.exact:
            return False
        whole = self._values.dtype.kind == "i"
        return whole or values.classes <= {float} or bool(np.all(np.abs(values.doubles) <= 2**53))

    def places(self, values: Wanted) -> Positions:
        with np.errstate(over="ignore"):
            asked = (values.integers if self._values.dtype.kind == "i" else values.doubles).astype(self._values.dtype)
        found = np.searchsorted(self._values, asked)
        inside = found < len(self._values)
        found, asked = found[inside], asked[inside]
        return np.asarray(found[self._values[found] == asked])

    def interval(self, wanted: Between) -> tuple[int, int]:
        cast = self._values.dtype.type
        with np.errstate(over="ignore"):
            low = None if wanted.low is None else cast(wanted.low)
            high = None if wanted.high is None else cast(wanted.high)
        first = 0 if low is None else np.searchsorted(self._values, low, "left" if wanted.low_in else "right")
        last = len(self) if high is None else np.searchsorted(self._values, high, "right" if wanted.high_in else "left")
        return int(first), int(last)

    def arrays(self) -> dict[str, Array]:
        return {"values": self._values}


class TextTerms:
    """Ascending strings by their UTF-8 bytes: `offsets` (n + 1) into `data`."""

    def __init__(self, offsets: Array, data: Array) -> None:
        self._offsets = offsets
        self._data = data
        self._bytes = memoryview(data)  # type: ignore[arg-type] # a NumPy array is one

    @classmethod
    def of(cls, texts: pa.LargeStringArray) -> TextTerms:
        """Of an array that is sorted and no slice."""
        if not len(texts):
            return cls(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8))
        _, offsets, data = texts.buffers()
        return cls(
            np.frombuffer(offsets, dtype=np.int64, count=len(texts) + 1),
            np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8),
        )

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, place: int) -> bytes:
        return bytes(self._bytes[self._offsets[place] : self._offsets[place + 1]])

    def takes(self, values: Wanted) -> bool:
        return values.classes <= {str}

    def places(self, values: Wanted) -> Positions:
        found = []
        for text in values.encoded:
            place = bisect_left(self, text)
            if place < len(self) and self[place] == text:
                found.append(place)
        return np.array(found, dtype=np.int64)

    def interval(self, wanted: Between) -> tuple[int, int]:
        first, last = 0, len(self)
        if isinstance(wanted.low, str):
            first = (bisect_left if wanted.low_in else bisect_right)(self, wanted.low.encode())
        if isinstance(wanted.high, str):
            last = (bisect_right if wanted.high_in else bisect_left)(self, wanted.high.encode())
        return first, last

    def with_prefix(self, prefix: str) -> tuple[int, int]:
        text = prefix.encode()
        if not text:
            return 0, len(self)
        # No byte of UTF-8 is 0xff, so one more than the last byte is behind all that begin with the prefix.
        return bisect_left(self, text), bisect_left(self, text[:-1] + bytes((text[-1] + 1,)))

    def matching(self, pattern: Pattern) -> Positions:
        """By going through the whole dictionary."""
        buffers = [None, pa.py_buffer(self._offsets), pa.py_buffer(self._data)]
        return np.flatnonzero(typed.matches(pa.Array.from_buffers(pa.large_string(), len(self), buffers), pattern))

    def arrays(self) -> dict[str, Array]:
        return {"offsets": self._offsets, "data": self._data}
