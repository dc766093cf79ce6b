"""Arithmetic between constants, which the proxy computes before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable

from slowq.engine.scalar.fields import FilterError


def computed(op: str, left: object, right: object) -> int | float:
    for value in (left, right):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise FilterError(f"'{op}' can only be used between numbers, but got: {value!r}")
    try:
        value = _COMPUTED[op](left, right)
    except ZeroDivisionError:
        raise FilterError(f"cannot divide by zero: {left} {op} {right}") from None
    except (OverflowError, ValueError):
        raise FilterError(f"cannot compute {left} {op} {right}") from None
    return (value + 2**63) % 2**64 - 2**63 if isinstance(value, int) else value


def _divided(left: float, right: float) -> int | float:
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return -quotient if (left < 0) != (right < 0) else quotient
    return left / right


def _modulo(left: float, right: float) -> int | float:
    if not isinstance(left, int) or not isinstance(right, int):
        raise FilterError("modulo can only apply on integer types")
    remainder = abs(left) % abs(right)
    return -remainder if left < 0 else remainder


def _power(left: float, right: float) -> int | float:
    """As doubles; a whole result of whole numbers stays whole where a double is exact."""
    value = math.pow(left, right)
    return (
        int(value) if isinstance(left, int) and isinstance(right, int) and right >= 0 and abs(value) < 2**53 else value
    )


_COMPUTED: dict[str, Callable[..., int | float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divided,
    "%": _modulo,
    "**": _power,
}
