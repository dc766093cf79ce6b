"""What was measured over time: quantities that mean the same whatever the version of Milvus and the name of its metric.

All tracks of one `Metrics` share one grid of moments. Rules ask a track for its mean, rate or quantile over a part of
that grid (a mask). What is unknown is NaN, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Mask = np.ndarray
Kind = Literal["histogram", "counter", "gauge"]


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One quantity on the grid of n moments.

    `value`, shape (n,): of a gauge its value at the moment; of a counter what was added in the step that ends there;
    of a histogram the sum of what was observed in that step, in `unit`, with `count` observations.
    `buckets`, shape (n, b): how many of them lie at or below each of `bounds` (the last is infinite) and above the one
    before. `parts` splits the same quantity by a label: "collection", "node", "state", "kind".
    """

    name: str
    unit: str
    kind: Kind
    metric: str
    step_s: float
    value: np.ndarray
    count: np.ndarray | None = None
    bounds: np.ndarray | None = None
    buckets: np.ndarray | None = None
    parts: Mapping[str, Mapping[str, Track]] = field(default_factory=dict)

    def total(self, during: Mask) -> float:
        """What a counter or the observations of a histogram add up to; NaN where nothing is known."""
        return _sum(self.value[during])

    def observations(self, during: Mask) -> float:
        """How many observations a histogram holds; NaN where nothing is known."""
        return _sum(self.count[during]) if self.count is not None else float("nan")

    def mean(self, during: Mask) -> float:
        """Of a histogram the mean observation, of a gauge the mean value, of a counter the mean rate a second."""
        if self.count is not None:
            return ratio(self.total(during), self.observations(during))
        known = self.value[during]
        known = known[~np.isnan(known)]
        if not len(known):
            return float("nan")
        return float(known.mean()) / (self.step_s if self.kind == "counter" else 1.0)

    def rate(self, during: Mask) -> float:
        """Observations of a histogram a second, or what a counter adds a second."""
        per_step = self.value if self.count is None else self.count
        known = per_step[during]
        known = known[~np.isnan(known)]
        return float(known.mean()) / self.step_s if len(known) else float("nan")

    def highest(self, during: Mask) -> float:
        """The highest of what `over_time` shows."""
        known = self.over_time()[during]
        known = known[~np.isnan(known)]
        return float(known.max()) if len(known) else float("nan")

    def quantile(self, q: float, during: Mask) -> float:
        """As histogram_quantile of Prometheus: linear within a bucket; in the last one, which has no end, the highest finite
        bound, of which `is_beyond` tells that it is only a lower limit."""
        where = self._bucket(q, during)
        if where is None or self.bounds is None:
            return float("nan")
        at, within = where
        if not np.isfinite(self.bounds[at]):
            return float(self.bounds[at - 1]) if at else float("nan")
        low = self.bounds[at - 1] if at else min(0.0, float(self.bounds[0]))
        return float(low + (self.bounds[at] - low) * within)

    def is_beyond(self, q: float, during: Mask) -> bool:
        """Whether that quantile lies above the highest finite bound, so that nobody knows how far."""
        where = self._bucket(q, during)
        return where is not None and self.bounds is not None and not np.isfinite(self.bounds[where[0]])

    def _bucket(self, q: float, during: Mask) -> tuple[int, float] | None:
        """The bucket in which a quantile lies, and how far into it (0…1); None where nothing was observed."""
        if self.buckets is None:
            return None
        counts = np.nansum(self.buckets[during], axis=0)
        if not counts.sum() > 0:
            return None
        upto = np.cumsum(counts)
        rank = q * upto[-1]
        at = int(np.searchsorted(upto, rank))
        return at, float((rank - (upto[at - 1] if at else 0.0)) / counts[at])

    def over_time(self) -> np.ndarray:
        """Shape (n,): the mean observation, the rate a second or the value, at each moment."""
        if self.count is not None:
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.where(self.count > 0, self.value / self.count, np.nan)
        return self.value / self.step_s if self.kind == "counter" else self.value

    def part(self, label: str, name: str) -> Track | None:
        return self.parts.get(label, {}).get(name)


@dataclass(frozen=True, slots=True, eq=False)
class Metrics:
    """Every quantity that was found, on one grid, with the time of the slow requests and the time before it.

    `times`, shape (n,): Unix seconds. `window` and `baseline` are pairs of Unix seconds; a baseline is None where the
    metrics do not reach back before the window. `trouble` says in sentences what could not be had.
    """

    times: np.ndarray
    step_s: float
    tracks: Mapping[str, Track]
    window: tuple[float, float]
    baseline: tuple[float, float] | None = None
    source: str = ""
    trouble: tuple[str, ...] = ()

    def track(self, name: str) -> Track | None:
        return self.tracks.get(name)

    @property
    def during(self) -> Mask:
        """The steps of the window. What lasts is observed when it ends, so the step after the end belongs to it."""
        return (self.times > self.window[0]) & (self.times <= self.window[1] + self.step_s)

    @property
    def before(self) -> Mask:
        """The steps of the baseline; none where there is no baseline."""
        if self.baseline is None:
            return np.zeros(len(self.times), dtype=bool)
        return (self.times > self.baseline[0]) & (self.times <= self.baseline[1])


def ratio(of: float, to: float) -> float:
    """One over the other; NaN where the other is zero, as of a limit that is not set, or where one is not known."""
    return of / to if to > 0 else float("nan")


def ranks(values: np.ndarray) -> np.ndarray:
    """1 for the smallest; equal ones share the mean of their ranks."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[which])


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's, over the places where both are known; NaN where one of them does not change."""
    known = ~(np.isnan(one) | np.isnan(other))
    first, second = ranks(one[known]), ranks(other[known])
    if len(first) < 2 or not np.ptp(first) or not np.ptp(second):
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _sum(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.sum()) if len(known) else float("nan")
