"""What the rounds of an arm say together: a mean of each measure, with its interval.

The interval is Student's, at 95 %, over the rounds: the rounds of the arms take turns, so what disturbs the machine for a
while disturbs all of them alike, and shows as width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from slowq.repro.requests import Answer

# 97.5 % quantiles of Student's t by degrees of freedom (any table; e.g. NIST/SEMATECH e-Handbook, 1.3.6.7.2).
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_T_FAR = 2.0

MEASURES: dict[str, Callable[[np.ndarray, float], float]] = {
    "p50_s": lambda took, _: float(np.percentile(took, 50)),
    "p95_s": lambda took, _: float(np.percentile(took, 95)),
    "p99_s": lambda took, _: float(np.percentile(took, 99)),
    "mean_s": lambda took, _: float(took.mean()),
    "qps": lambda took, seconds: len(took) / seconds,
}


@dataclass(frozen=True, slots=True)
class Interval:
    mean: float
    low: float
    high: float

    def apart(self, other: Interval) -> bool:
        return self.high < other.low or other.high < self.low


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of one arm."""

    seconds: float
    answers: tuple[Answer, ...]

    def of(self, who: str) -> list[Answer]:
        return [one for one in self.answers if one.who == who]


def measured(rounds: Sequence[Round], who: str) -> dict[str, Interval]:
    """Each measure of the answers of `who` that came without an error; empty where a round has none, and without
    rounds."""
    found: dict[str, Interval] = {}
    if not rounds:
        return found
    for name, measure in MEASURES.items():
        values = []
        for one in rounds:
            took = np.array([answer.took_s for answer in one.of(who) if not answer.error])
            if not len(took):
                return {}
            values.append(measure(took, one.seconds))
        found[name] = interval(values)
    return found


def interval(values: Sequence[float]) -> Interval:
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(mean, -math.inf, math.inf)
    freedom = len(values) - 1
    width = (_T[freedom - 1] if freedom <= len(_T) else _T_FAR) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Interval(mean, mean - width, mean + width)
