"""How far a figure from so few cases can be trusted."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from math import sqrt
from typing import TypeVar

One = TypeVar("One")

Z_95 = 1.959964
RESAMPLES = 2000


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson's score interval); everything for no case at all."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = right / n, Z_95 * Z_95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (max(0.0, middle - half) if right else 0.0), (min(1.0, middle + half) if right < n else 1.0)


def bootstrap(cases: Sequence[One], figure: Callable[[Sequence[One]], float | None]) -> tuple[float, float] | None:
    """The 95 % percentile interval of a figure over cases drawn again with replacement; None where it has no value."""
    dice = random.Random(20230907)
    drawn = (figure(dice.choices(cases, k=len(cases))) for _ in range(RESAMPLES if cases else 0))
    values = sorted(value for value in drawn if value is not None)
    if not values:
        return None
    return values[int(0.025 * (len(values) - 1))], values[round(0.975 * (len(values) - 1))]
