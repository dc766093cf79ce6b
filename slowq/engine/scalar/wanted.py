"""The values of an `in`, made ready once for all the segments and requests that ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from slowq.engine.scalar.truth import Array
from slowq.filters.ast import Scalar


class Wanted(tuple[Scalar, ...]):
    """Also a plain tuple, which is what the tree of a filter holds. The arrays are for values of one kind only."""

    @cached_property
    def classes(self) -> frozenset[type]:
        return frozenset(map(type, self))

    @cached_property
    def integers(self) -> Array:
        """Ascending, each once, int64."""
        return np.unique(np.array(self, dtype=np.int64))

    @cached_property
    def doubles(self) -> Array:
        """Ascending, each once, without NaN; -0.0 is 0.0."""
        numbers = np.unique(np.array(self, dtype=np.float64)) + 0.0
        return numbers[~np.isnan(numbers)]

    @cached_property
    def texts(self) -> pa.Array:
        return pa.array(list(dict.fromkeys(self)), pa.string())

    @cached_property
    def encoded(self) -> list[bytes]:
        """Ascending, each once."""
        return sorted({str(value).encode() for value in self})

    @cached_property
    def plain(self) -> frozenset[Scalar]:
        """All but the booleans, which Python takes for numbers."""
        return frozenset(value for value in self if not isinstance(value, bool))


def wanted_of(values: Sequence[Any]) -> Wanted:
    return values if isinstance(values, Wanted) else Wanted(values)
