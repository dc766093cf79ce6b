"""What charts draw of the slow requests, bounded whatever the log's size: over time, by duration, by collection.

Peaks stay: a bucket keeps its slowest request, and what a limit leaves out is counted beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from slowq import workload
from slowq.facts import Case
from slowq.report.moments import iso

MOST_BUCKETS = 120
MOST_BINS = 40  # of the distribution
MOST_ROWS = 20  # of the heat map
MOST_COLLECTIONS = 20
# Steps that people read easily, in seconds.
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_BINS_PER_DECADE = 20
_SLOW_QUERY_SPAN = "proxy.slowQuerySpanInSeconds"


def series(case: Case) -> dict[str, Any] | None:
    """Slow requests over time, by when they ended, and the threshold; in at most MOST_BUCKETS steps that read well."""
    ended_s, durations = _timed(case)
    if not len(ended_s):
        return None
    start, step, number = _steps(ended_s)
    buckets = [_bucket(start + i * step, durations[number == i]) for i in range(int(number.max()) + 1)]
    return {"step_s": step, "start": iso(start), "threshold_s": threshold_s(case), "buckets": buckets}


def _timed(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """When the slow requests ended, and their durations; those whose time is not known left out."""
    work = workload.of(case)
    known = ~np.isnan(work.ended_s)
    return work.ended_s[known], work.number("duration_s")[known]


def _steps(ended_s: np.ndarray) -> tuple[float, int, np.ndarray]:
    """Where the first step begins, how long one is, and the number of each moment's."""
    first, last = float(ended_s.min()), float(ended_s.max())
    step = next((s for s in _STEPS_S if (last - first) / s < MOST_BUCKETS), None)
    step = step or int(np.ceil((last - first) / (MOST_BUCKETS - 1) / 86400)) * 86400
    start = first - first % step
    return start, step, ((ended_s - start) // step).astype(int)


def _bucket(at_s: float, durations: np.ndarray) -> dict[str, Any]:
    known = durations[~np.isnan(durations)]
    return {
        "at": iso(at_s),
        "count": len(durations),
        "max_s": float(known.max()) if len(known) else None,
        "p50_s": float(np.median(known)) if len(known) else None,
    }


def threshold_s(case: Case) -> float | None:
    """From when on this Milvus calls a request slow; None where that is not known, or the log shows that it is lower."""
    said = case.context.config.get(_SLOW_QUERY_SPAN)
    milvus, durations = case.milvus, workload.of(case).number("duration_s")
    if isinstance(said, int | float) and not isinstance(said, bool):
        threshold = float(said)
    elif milvus.surely_from((2, 6, 10)):
        threshold = 1.0
    elif milvus.surely_before((2, 6, 10)):
        threshold = 5.0
    else:
        return None
    return None if (durations < threshold).any() else threshold


def distribution(case: Case) -> dict[str, Any] | None:
    """How many slow requests took how long: counts between edges that are even on a log scale."""
    durations = workload.of(case).number("duration_s")
    known = durations[durations > 0]
    if not len(known):
        return None
    edges = _edges(known, MOST_BINS)
    counts = np.bincount(_bins(known, edges), minlength=len(edges) - 1)
    return {"edges_s": edges.tolist(), "counts": counts.tolist()}


def heat_map(case: Case) -> dict[str, Any] | None:
    """Counts by time and duration: `counts[i][j]` of step i of the time, between edges j and j + 1."""
    ended_s, durations = _timed(case)
    known = durations > 0
    if not known.any():
        return None
    ended_s, durations = ended_s[known], durations[known]
    start, step, number = _steps(ended_s)
    edges = _edges(durations, MOST_ROWS)
    rows = len(edges) - 1
    counts = np.bincount(number * rows + _bins(durations, edges), minlength=(int(number.max()) + 1) * rows)
    return {
        "step_s": step,
        "start": iso(start),
        "edges_s": edges.tolist(),
        "counts": counts.reshape(-1, rows).tolist(),
    }


def _edges(durations: np.ndarray, most: int) -> np.ndarray:
    """Edges around all durations, of three digits each, evenly spaced on a log scale."""
    low, high = np.log10(durations.min()), np.log10(durations.max())
    low, high = (low - 0.02, high + 0.02) if high - low < 0.04 else (low, high)
    bins = int(np.clip(np.ceil((high - low) * _BINS_PER_DECADE), 1, most))
    edges = [float(f"{edge:.3g}") for edge in np.logspace(low, high, bins + 1)]
    return np.unique(edges)


def _bins(durations: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin of each; what rounding put outside belongs to the first or the last."""
    return np.searchsorted(edges[1:-1], durations, side="right")


def collections(case: Case) -> dict[str, Any]:
    """The slow requests of each collection, those with most slow seconds first; the rest together as "other"."""
    from slowq.parsers.patterns import summary

    work = workload.of(case)
    durations = work.number("duration_s")
    each: list[dict[str, Any]] = [
        {"database": database, "collection": name, "count": len(rows), "duration_s": summary(durations[rows])}
        for (database, name), rows in work.groups("database", "collection")
    ]
    each.sort(key=lambda one: -(one["duration_s"]["sum"] or 0.0))
    rest = each[MOST_COLLECTIONS:]
    return {
        "shown": each[:MOST_COLLECTIONS],
        "other": {
            "collections": len(rest),
            "count": sum(one["count"] for one in rest),
            "sum_s": sum(one["duration_s"]["sum"] or 0.0 for one in rest),
        },
    }
