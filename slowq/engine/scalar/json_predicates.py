"""Predicates on the values at a JSON path: a list of any type, None where missing, or an int64 array."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from slowq.engine.scalar import typed
from slowq.engine.scalar.truth import Array, Mask
from slowq.engine.scalar.wanted import wanted_of
from slowq.filters.evaluate import like_pattern

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


Values: TypeAlias = Sequence[Any] | Array


def compared(op: str, values: Values, literal: Any) -> Mask:
    """A value that is missing or of another type fails every comparison but `!=`."""
    if isinstance(values, np.ndarray):
        if isinstance(literal, bool | str):
            return np.full(len(values), op == "!=")
        return typed.comparison(op, values, literal)
    if op in ("==", "!="):
        equal = _equal(values, literal)
        return equal if op == "==" else ~equal
    holds = _ORDERED[op]
    if isinstance(literal, bool):
        return _mask([isinstance(value, bool) and holds(value, literal) for value in values])
    if isinstance(literal, str):
        return _mask([value.__class__ is str and holds(value, literal) for value in values])
    return _mask([(value.__class__ is int or value.__class__ is float) and holds(value, literal) for value in values])


def _equal(values: Sequence[Any], literal: Any) -> Mask:
    if isinstance(literal, bool):
        return _mask([value is literal for value in values])
    if isinstance(literal, str):
        return _mask([value == literal for value in values])
    return _mask([value == literal and value.__class__ is not bool for value in values])  # True == 1 in Python


def among(values: Values, wanted: Sequence[Any]) -> Mask:
    if isinstance(values, np.ndarray):
        return np.isin(values, [one for one in wanted if isinstance(one, int | float) and not isinstance(one, bool)])
    others = wanted_of(wanted).plain
    booleans = (
        {one for one in (True, False) if any(value is one for value in wanted)}
        if bool in wanted_of(wanted).classes
        else ()
    )
    plain = (int, float, str)
    if not booleans:
        return _mask([value.__class__ in plain and value in others for value in values])
    return _mask(
        [
            value in booleans if value.__class__ is bool else value.__class__ in plain and value in others
            for value in values
        ]
    )


def like(values: Values, pattern: str) -> Mask:
    if isinstance(values, np.ndarray):
        return np.zeros(len(values), dtype=np.bool_)
    found = like_pattern(pattern).fullmatch
    return _mask([value.__class__ is str and found(value) is not None for value in values])


def there(values: Values) -> Mask:
    if isinstance(values, np.ndarray):
        return np.ones(len(values), dtype=np.bool_)
    return _mask([value is not None for value in values])


def _mask(truths: list[bool]) -> Mask:
    return np.array(truths, dtype=np.bool_)
