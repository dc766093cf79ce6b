"""Whether a segment can hold a row that passes, by what is known of one of its fields.

The answer errs to True: False is said only where no row with such a key passes, nor one whose key is NULL or NaN.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slowq.engine.scalar.compiled import Filter
from slowq.engine.scalar.indexes.lookups import Between, OneOf, question_of
from slowq.engine.scalar.truth import Mask
from slowq.filters.ast import And, Expression, Field, Literal, Not, Or, Scalar, fold


def min_max(array: pa.Array) -> tuple[Any, Any] | None:
    """The smallest and largest value; None where there is none (no rows, or only NULL and NaN)."""
    if pa.types.is_floating(array.type):
        array = array.filter(pc.invert(pc.is_nan(array)))
    if array.null_count == len(array):
        return None
    found = pc.min_max(array).as_py()
    return found["min"], found["max"]


@dataclass(frozen=True, slots=True)
class Ranges:
    """The least and the greatest value of a key in each of many segments."""

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, ends: Sequence[tuple[Any, Any]]) -> Ranges:
        whole = all(type(value) is int for one in ends for value in one)
        return cls(*(np.array([one[end] for one in ends], np.int64 if whole else object) for end in (0, 1)))


def may_match(filter: Filter, key: str, low: Any, high: Any = None) -> bool:  # noqa: A002 - the word for it
    """Whether a row whose `key` lies in [low, high] can pass; without `high`, `low` is the set of all values."""
    if high is None and isinstance(low, Collection) and not isinstance(low, str):
        return bool(_outcomes(filter, _Known(key, _type(filter, key), values=low))[0])
    return bool(match_each(filter, key, Ranges.of([(low, high)]))[0][0])


def match_each(filter: Filter, key: str, ranges: Ranges) -> tuple[Mask, Mask]:  # noqa: A002
    """By the ranges of many segments: which can hold a row that passes, and in which all rows pass whose key lies in it.

    One walk over the filter for all of them."""
    true, false = _outcomes(filter, _Known(key, _type(filter, key), ranges.low, ranges.high))
    shape = ranges.low.shape
    return np.broadcast_to(true, shape), ~np.broadcast_to(false, shape)


def _outcomes(filter: Filter, known: _Known) -> _Outcomes:  # noqa: A002
    return fold(filter.tree, known.outcomes, _logical)


def _type(filter: Filter, key: str) -> str:  # noqa: A002
    field = filter.types.get(key)
    return field.type if field is not None else ""


def _logical(node: Expression) -> tuple[Expression, ...]:
    return node.children() if isinstance(node, And | Or | Not) else ()


_Outcomes = tuple[Any, Any]  # whether some row may make it true, and whether one may make it false: of each segment


@dataclass(frozen=True, slots=True)
class _Known:
    """Arrays of whole numbers or of Python's own values, one a segment; or the set of all values of one."""

    key: str
    type: str
    low: Any = None
    high: Any = None
    values: Collection[Any] | None = None

    def outcomes(self, node: Expression, below: list[_Outcomes]) -> _Outcomes:
        match node:
            case And():
                return _all(true for true, _ in below), _any(false for _, false in below)
            case Or():
                return _any(true for true, _ in below), _all(false for _, false in below)
            case Not():
                return below[0][1], below[0][0]
            case Literal(value=value):
                return value is True, value is not True
        question = question_of(node)
        if question is None or question.subject != Field(self.key):
            return True, True
        try:
            match question.lookup:
                case OneOf(values=values):
                    true, false = self.one_of(values)
                case Between() as wanted:
                    true, false = self.between(wanted)
                case _:
                    return True, True
        except TypeError:  # of a range that is not of the field's type
            return True, True
        if self.type in ("FLOAT", "DOUBLE"):  # NaN is in no range that is known
            false = True
        return (false, true) if question.negated else (true, false)

    def one_of(self, wanted: tuple[Scalar, ...]) -> _Outcomes:
        if self.values is not None:
            asked = {self.cast(value) for value in wanted}
            held = [self.cast(value) in asked for value in self.values]
            return any(held), not all(held)
        low, high = (self.cast(end.astype(object)) for end in (self.low, self.high))
        inside = _any((low <= one) & (one <= high) for one in map(self.cast, wanted))
        return inside, np.logical_not(inside & (low == high))

    def between(self, wanted: Between) -> _Outcomes:
        if self.values is not None:
            held = [bool(self.above(wanted, value) and self.below(wanted, value)) for value in self.values]
            return any(held), not all(held)
        # Both ends of the segment: its largest value must reach the range, its smallest must not be behind it.
        overlaps = self.above(wanted, self.high) & self.below(wanted, self.low)
        return overlaps, np.logical_not(self.above(wanted, self.low) & self.below(wanted, self.high))

    def above(self, wanted: Between, value: Any) -> Any:
        """Whether the value is not below the range."""
        if wanted.low is None:
            return True
        value, low = self.beside(value, wanted.low), self.cast(wanted.low)
        return value >= low if wanted.low_in else value > low

    def below(self, wanted: Between, value: Any) -> Any:
        """Whether the value is not above the range."""
        if wanted.high is None:
            return True
        value, high = self.beside(value, wanted.high), self.cast(wanted.high)
        return value <= high if wanted.high_in else value < high

    def beside(self, value: Any, wanted: Scalar) -> Any:
        """Values to be compared with what is wanted: whole numbers exactly, which NumPy would round beside a fraction."""
        exact = isinstance(value, np.ndarray) and value.dtype == np.int64 and type(wanted) is not int
        return self.cast(value.astype(object) if exact else value)

    def cast(self, value: Any) -> Any:
        """Numbers as the column would hold them."""
        if self.type != "FLOAT":
            return value
        with np.errstate(over="ignore"):
            return np.asarray(value, np.float32)[()]


def _all(outcomes: Iterable[Any]) -> Any:
    return reduce(operator.and_, outcomes, True)


def _any(outcomes: Iterable[Any]) -> Any:
    return reduce(operator.or_, outcomes, False)
