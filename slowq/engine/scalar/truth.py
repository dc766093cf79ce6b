"""Kleene's three truths for all rows of a segment, and the rows that a predicate still has to decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.bool_]  # (rows,)
Positions: TypeAlias = NDArray[np.int64]
Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Truth:
    """`yes` and `unknown` never hold for the same row. `unknown` is None where no row is."""

    yes: Mask
    unknown: Mask | None = None

    @property
    def no(self) -> Mask:
        return ~self.yes if self.unknown is None else ~(self.yes | self.unknown)

    def negated(self) -> Truth:
        return Truth(self.no, self.unknown)

    def both(self, other: Truth) -> Truth:
        yes = self.yes & other.yes
        if self.unknown is None and other.unknown is None:
            return Truth(yes)
        return Truth(yes, _possible(self) & _possible(other) & ~yes)

    def either(self, other: Truth) -> Truth:
        yes = self.yes | other.yes
        if self.unknown is None:
            return Truth(yes, None if other.unknown is None else other.unknown & ~yes)
        unknown = self.unknown if other.unknown is None else self.unknown | other.unknown
        return Truth(yes, unknown & ~yes)


def _possible(truth: Truth) -> Mask:
    return truth.yes if truth.unknown is None else truth.yes | truth.unknown


def of_nullable(yes: Mask, null: Mask | None) -> Truth:
    """The truth of a predicate that is unknown where the field is NULL."""
    return Truth(yes) if null is None else Truth(yes & ~null, null)


class Rows:
    """The rows that are still undecided, of `total`; what is said of others does not matter."""

    __slots__ = ("_positions", "count", "mask", "total")

    def __init__(self, total: int, mask: Mask | None = None) -> None:
        self.total = total
        self.mask = mask
        self.count = total if mask is None else int(np.count_nonzero(mask))
        self._positions: Positions | None = None

    def where(self, mask: Mask) -> Rows:
        return Rows(self.total, mask if self.mask is None else self.mask & mask)

    def positions(self) -> Positions | None:
        """None: all of them."""
        if self.mask is None or self.count == self.total:
            return None
        if self._positions is None:
            self._positions = np.flatnonzero(self.mask)
        return self._positions

    def passed(self, truth: Truth) -> int:
        return int(np.count_nonzero(truth.yes if self.mask is None else truth.yes & self.mask))


def spread(truth: Truth, positions: Positions | None, total: int) -> Truth:
    """A truth of some rows as one of all, false elsewhere."""
    if positions is None:
        return truth
    return Truth(
        _spread(truth.yes, positions, total),
        None if truth.unknown is None else _spread(truth.unknown, positions, total),
    )


def _spread(mask: Mask, positions: Positions, total: int) -> Mask:
    everywhere = np.zeros(total, dtype=np.bool_)
    everywhere[positions] = mask
    return everywhere
