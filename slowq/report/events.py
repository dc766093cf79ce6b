"""What else went on while requests were slow: a list to read, and lanes to draw on the same axis of time."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from slowq import workload
from slowq.facts import Case
from slowq.report.moments import iso

MOST_EVENTS = 50
MOST_LANES = 12
# Spans that are closer than this share of the lane become one: they would not be told apart.
_APART = 1 / 120
# A lane reaches this far beyond the slow requests: a load or a restart just before them matters.
_MARGIN = 0.25
# Said every few seconds of a log, and no event by themselves.
_NO_EVENTS = ("session", "consistency", "index_queue", "insert", "delete")


def events(case: Case) -> list[dict[str, Any]]:
    """One entry for each kind of event and state, in order of time."""
    at_s = workload.unix_s(case.events["at"])
    found = []
    groups = case.events.groupby(["what", "state"], observed=True).indices
    for (what, state), rows in cast(dict[tuple[str, str], np.ndarray], groups).items():
        if what in _NO_EVENTS:
            continue
        first = case.events.iloc[rows[0]]
        found.append(
            {
                "at": _iso(np.fmin.reduce(at_s[rows])),
                "until": _iso(np.fmax.reduce(at_s[rows])),
                "what": str(what),
                "state": str(state),
                "subject": first["subject"] or None,
                "detail": first["detail"],
                "count": len(rows),
                "cites": [{"path": str(first["path"]), "line": int(first["line"])}],
            }
        )
    return sorted(found, key=lambda one: (one["at"] or "", one["what"], one["state"]))[:MOST_EVENTS]


def lanes(case: Case) -> list[dict[str, Any]]:
    """When each kind of event went on around the slow requests: spans with a start and an end, a moment has both equal.

    The lanes that cover most of the time come first; there are at most MOST_LANES.
    """
    work = workload.of(case)
    if not work.window_s:
        return []
    first, last = float(np.nanmin(work.started_s)), float(np.nanmax(work.ended_s))
    first, last = first - _MARGIN * (last - first), last + _MARGIN * (last - first)
    at_s, is_point = workload.unix_s(case.events["at"]), (case.events["state"] == "point").to_numpy(dtype=bool)
    found = []
    for what, rows in case.events.groupby("what", observed=True).indices.items():
        if what in _NO_EVENTS:
            continue
        spans = _spans(case, str(what), at_s[rows[is_point[rows]]], first, last)
        if len(spans):
            found.append((float((spans[:, 1] - spans[:, 0]).sum()), str(what), spans))
    found.sort(key=lambda one: (-one[0], one[1]))
    return [
        {"what": what, "spans": [{"start": iso(start), "end": iso(end)} for start, end in spans]}
        for _, what, spans in found[:MOST_LANES]
    ]


def _spans(case: Case, what: str, points: np.ndarray, first: float, last: float) -> np.ndarray:
    """Spans and moments of one kind within the given time, those too close to be told apart as one; shape (n, 2)."""
    starts, ends = workload.spans(case, what)
    spans = np.column_stack([np.concatenate([starts, points]), np.concatenate([ends, points])])
    spans = np.clip(spans[(spans[:, 1] >= first) & (spans[:, 0] <= last)], first, last)
    starts, ends = spans[np.argsort(spans[:, 0], kind="stable")].T
    until = np.maximum.accumulate(ends)  # no span before a gap ends behind it
    gaps = np.flatnonzero(starts[1:] - until[:-1] >= _APART * (last - first))
    if not len(starts):
        return np.zeros((0, 2))
    return np.column_stack([starts[np.append(0, gaps + 1)], until[np.append(gaps, len(until) - 1)]])


def _iso(moment_s: float) -> str | None:
    return None if np.isnan(moment_s) else iso(moment_s)
