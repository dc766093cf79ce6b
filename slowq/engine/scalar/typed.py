"""Predicates on columns of one type: numbers, booleans, strings, elements of arrays."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slowq.engine.scalar import columns
from slowq.engine.scalar.columns import Values
from slowq.engine.scalar.like import Pattern
from slowq.engine.scalar.truth import Array, Mask, Truth, of_nullable
from slowq.engine.scalar.wanted import wanted_of

_NUMERIC: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARROW: dict[str, Callable[[Any, Any], pa.Array]] = {
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_TABLE_SPAN = 1 << 24  # a table of that many bytes still fits the cache of a server


def compared(op: str, subject: Values, other: Any) -> Truth:
    """`other` is a literal, or the values of a second column without missing rows."""
    return _finished(subject, comparison(op, subject.values, other))


def comparison(op: str, values: Any, other: Any) -> Mask:
    if isinstance(values, np.ndarray):
        with np.errstate(all="ignore"):
            if values.dtype.kind == "i" and isinstance(other, int):
                return _within(op, values, other)
            return np.asarray(_NUMERIC[op](values, other))
    return columns.truths(_ARROW[op](values, _text(values, other) if isinstance(other, str) else other))


def _within(op: str, values: Array, literal: int) -> Mask:
    """An integer that the column's type cannot hold is still smaller or larger than all of its values."""
    bounds = np.iinfo(values.dtype)
    if bounds.min <= literal <= bounds.max:
        return np.asarray(_NUMERIC[op](values, literal))
    return np.full(len(values), _NUMERIC[op](0, literal))


def between(subject: Values, low: Any, low_op: str, high_op: str, high: Any) -> Truth:
    mirrored = {"<": ">", "<=": ">="}[low_op]
    yes = comparison(mirrored, subject.values, low) & comparison(high_op, subject.values, high)
    return _finished(subject, yes)


def among(subject: Values, wanted: Sequence[Any], *, negated: bool) -> Truth:
    """`in`, and `not in`, which an element behind the end of an array passes."""
    found = membership(subject.values, wanted)
    if subject.beyond is not None:
        found = found & ~subject.beyond
    return of_nullable(~found if negated else found, subject.null)


def membership(values: Any, wanted: Sequence[Any]) -> Mask:
    """A table where the wanted integers lie close together, else hashing."""
    wanted = wanted_of(wanted)
    if not isinstance(values, np.ndarray):
        return columns.truths(pc.is_in(values, value_set=wanted.texts.cast(values.type)))
    if values.dtype.kind == "i":
        return _integers_among(values, wanted.integers)
    if values.dtype == np.bool_:
        return (values & (True in wanted)) | (~values & (False in wanted))
    with np.errstate(over="ignore"):
        asked = wanted.doubles.astype(values.dtype)
    return columns.truths(pc.is_in(pa.array(values + values.dtype.type(0)), value_set=pa.array(asked)))


def _integers_among(values: Array, asked: Array) -> Mask:
    """`asked` ascend; those that the column's type cannot hold are in no row."""
    bounds = np.iinfo(values.dtype)
    asked = asked[(asked >= bounds.min) & (asked <= bounds.max)].astype(values.dtype)
    if not len(asked) or not len(values):
        return np.zeros(len(values), dtype=np.bool_)
    if len(asked) == 1:
        return np.asarray(values == asked[0])
    low, high = int(asked[0]), int(asked[-1])
    if high - low >= _TABLE_SPAN:
        return columns.truths(pc.is_in(pa.array(values), value_set=pa.array(asked)))
    table = np.zeros(high - low + 2, dtype=np.bool_)  # the last one for all values outside
    table[asked.astype(np.int64) - low] = True
    places = (values.astype(np.int64, copy=False).view(np.uint64) - np.uint64(low % 2**64)).astype(
        np.uint64, copy=False
    )
    np.minimum(places, np.uint64(high - low + 1), out=places)
    return table[places]


def like(subject: Values, pattern: Pattern) -> Truth:
    return _finished(subject, matches(subject.values, pattern))


def matches(texts: pa.Array, pattern: Pattern) -> Mask:
    match pattern.kind:
        case "exact":
            found = pc.equal(texts, pa.scalar(pattern.text, texts.type))
        case "prefix":
            found = pc.starts_with(texts, pattern.text)
        case "suffix":
            found = pc.ends_with(texts, pattern.text)
        case "infix":
            found = pc.match_substring(texts, pattern.text)
        case "regex":
            found = pc.match_substring_regex(texts, pattern.text)
    return columns.truths(found)


def computed(subject: Values, op: str, literal: Any) -> Values:
    """Arithmetic as in C++: 64-bit integers wrap around, `/` truncates, `%` has the sign of the dividend."""
    values = subject.values
    if values.dtype.kind == "i":
        values = values.astype(np.int64 if isinstance(literal, int) else np.float64)
    with np.errstate(all="ignore"):
        on_one = _on_integers if values.dtype.kind == "i" else _on_floats
        result = on_one(op, values, literal)
    return Values(result, subject.null, subject.beyond)


def _on_integers(op: str, values: Array, literal: int) -> Array:
    match op:
        case "+":
            return values + np.int64(literal)
        case "-":
            return values - np.int64(literal)
        case "*":
            return values * np.int64(literal)
        case "/":
            if literal == -1:  # the smallest integer has no opposite: NumPy's division would not wrap around
                return np.negative(values)
            quotient = values // np.int64(literal)
            inexact = quotient * np.int64(literal) != values
            return np.asarray(quotient + (inexact & ((values < 0) != (literal < 0))))
        case _:
            return np.zeros_like(values) if abs(literal) == 1 else np.asarray(np.fmod(values, np.int64(literal)))


def _on_floats(op: str, values: Array, literal: float) -> Array:
    literal = values.dtype.type(literal)
    match op:
        case "+":
            return values + literal
        case "-":
            return values - literal
        case "*":
            return values * literal
        case _:
            return values / literal


def _text(values: pa.Array, text: str) -> pa.Scalar:
    return pa.scalar(text, values.type)


def _finished(subject: Values, yes: Mask) -> Truth:
    """A predicate of an element that is not there is false, `!=` too."""
    if subject.beyond is not None:
        yes = yes & ~subject.beyond
    return of_nullable(yes, subject.null)
