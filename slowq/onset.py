"""When searches became slow, and whether what is suspected of it began before.

The moment is a change point after Pettitt ("A non-parametric approach to the change-point problem", Applied Statistics 28,
1979): where the ranks of what comes before and after differ most. It is looked for in the latency that Prometheus measured
up to the end of the slow time; where there is none, in the number of slow requests that ran at once, from the first line of
the log on. It is known only where the quiet time before it is there to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from slowq import signals, workload
from slowq.facts import SLOW_S, WORTH_A_LOOK_S, Case
from slowq.findings import Evidence
from slowq.measures import ranks, ratio

# A change must have so many steps on either side, and be as unlikely by chance. Pettitt's estimate of that takes the steps for
# independent of each other, which latencies are not quite.
_ENOUGH_STEPS = 4
_CHANCE = 0.01
# Times as slow as before, from which it is no noise; half of the machine taken away makes it twice.
_SLOWER = 1.5
# Into how many steps the time of a log is divided, as nothing else divides it.
_LOG_STEPS = 120
# What begins so near before a change that only one time in ten it would by chance is worth a second look.
_COINCIDENCE = 0.1


@dataclass(frozen=True, slots=True)
class Onset:
    """`at_s`, in Unix seconds: the first slow requests began; `by_s`: the first of them had ended. In between lies what made
    them slow. Both are known to within `step_s`, the time before from `since_s` on. The latencies are means of searches; NaN
    where it is the log that tells, which has no fast ones."""

    source: Literal["metrics", "log"]
    at_s: float
    by_s: float
    step_s: float
    since_s: float
    before_s: float = float("nan")
    after_s: float = float("nan")

    def is_before(self, starts: np.ndarray) -> bool:
        """Whether it was slow already when the first of these began, in Unix seconds."""
        known = starts[~np.isnan(starts)]
        return len(known) > 0 and bool(known.min() > self.by_s + self.step_s)

    def follows(self, starts: np.ndarray) -> bool:
        """Whether one of these began so shortly before that it is hardly by chance.

        As many moments, spread evenly over the time before, would have one at least so near in one case of ten.
        """
        known_s = self.at_s - self.since_s
        lead_s = self.at_s - starts[(starts >= self.since_s) & (starts <= self.by_s)]
        if not len(lead_s) or not known_s > 0:
            return False
        nearest = min(max(float(lead_s.min()), self.step_s) / known_s, 1.0)
        return bool(1 - (1 - nearest) ** len(lead_s) <= _COINCIDENCE)


@lru_cache(maxsize=4)
def of(case: Case) -> Onset | None:
    """When it began; None where it was slow from the first moment that is known, or where nothing changed clearly."""
    return _measured(case) or _logged(case)


@dataclass(frozen=True, slots=True)
class Order:
    """Whether searches became slow so shortly after what is suspected that it is hardly by chance, or before it; neither where
    that is not known."""

    is_followed: bool = False
    is_late: bool = False

    def evidence(self, case: Case, what: str) -> list[Evidence]:
        """That in a sentence, cited with what shows when it began."""
        began = of(case)
        if began is None or not (self.is_followed or self.is_late):
            return []
        says = f"Searches became slow {'shortly after' if self.is_followed else 'before'} {what}."
        if began.source == "metrics":
            return [signals.of(case).says("search_latency", says)]
        work = workload.of(case)
        return [workload.seen(work, says, (work.started_s >= began.at_s) & (work.ended_s <= began.by_s))]


def order(case: Case, starts: np.ndarray) -> Order:
    """Of something that began at these moments, in Unix seconds."""
    began = of(case)
    return Order() if began is None else Order(began.follows(starts), began.is_before(starts))


def change_point(values: np.ndarray) -> tuple[int, float]:
    """Where the values (shape (n,), none of them NaN) change most: the number of the first one after, and how likely it is
    that so great a change comes by chance."""
    n = len(values)
    if n < 2 * _ENOUGH_STEPS:
        return 0, 1.0
    upto = np.arange(1, n + 1)
    apart = np.abs(2 * np.cumsum(ranks(values)) - upto * (n + 1))[_ENOUGH_STEPS - 1 : n - _ENOUGH_STEPS]
    at = int(np.argmax(apart))
    return at + _ENOUGH_STEPS, float(min(1.0, 2 * np.exp(-6 * apart[at] ** 2 / (n**3 + n**2))))


def _measured(case: Case) -> Onset | None:
    metrics, latency = case.metrics, signals.of(case).track("search_latency")
    if metrics is None or latency is None or latency.count is None:
        return None
    until = metrics.times <= metrics.window[1] + metrics.step_s
    searched = np.flatnonzero(until & (np.nan_to_num(latency.count) > 0))
    took_s = latency.over_time()[searched]
    first, chance = change_point(took_s)
    if chance > _CHANCE:
        return None
    before, after = float(np.median(took_s[:first])), float(np.median(took_s[first:]))
    if not before < SLOW_S or not after >= WORTH_A_LOOK_S or not ratio(after, before) >= _SLOWER:
        return None  # what was slow before as well began at another time
    # A search is measured when it ends; those of the first slow step began as long before as they took.
    seen_s = float(metrics.times[searched[first]])
    quiet = metrics.times < seen_s  # steps without searches add nothing
    return Onset(
        "metrics",
        seen_s - max(float(took_s[first]), metrics.step_s),
        seen_s,
        metrics.step_s,
        float(metrics.times[searched[0]]),
        latency.mean(until & quiet),
        latency.mean(until & ~quiet),
    )


def _logged(case: Case) -> Onset | None:
    work = workload.of(case)
    logged_s = workload.unix_s(case.events["at"])
    if not work.window_s or np.isnan(logged_s).all():
        return None
    since, until = float(np.nanmin(logged_s)), float(np.nanmax(work.ended_s))
    edges = np.linspace(since, until, _LOG_STEPS + 1)
    step_s = edges[1] - edges[0]
    if not np.nanmin(work.started_s) - since > _ENOUGH_STEPS * step_s:
        return None
    begun = np.searchsorted(np.sort(work.started_s[~np.isnan(work.started_s)]), edges[1:], side="right")
    over = np.searchsorted(np.sort(work.ended_s[~np.isnan(work.ended_s)]), edges[:-1])
    at_once = begun - over  # the slow requests that were there at any time of each step
    first, chance = change_point(at_once.astype("float64"))
    quiet = np.flatnonzero(at_once[: first + 1] == 0)
    if chance > _CHANCE or not len(quiet):
        return None
    # They become more as they wait for each other, so that it began where the quiet before the change ended.
    at_s = float(edges[quiet[-1] + 1])
    return Onset("log", at_s, float(np.nanmin(work.ended_s[work.started_s >= at_s])), float(step_s), since)
