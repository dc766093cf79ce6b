"""What else went on while requests were slow: a list to read, and lanes to draw on the same axis of time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

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
    shown = _shown(case)
    found = []
    for (what, state), group in shown.groupby(["what", "state"], observed=True, sort=False):
        first, last_s = group.iloc[0], workload.unix_s(group["at"]).max()
        found.append(
            {
                "at": _iso(workload.unix_s(group["at"]).min()),
                "until": _iso(last_s),
                "what": str(what),
                "state": str(state),
                "subject": first["subject"] or None,
                "detail": first["detail"],
                "count": len(group),
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
    found = []
    for what, group in _shown(case).groupby("what", observed=True, sort=True):
        spans = _spans(case, str(what), group, first, last)
        if len(spans):
            found.append((float((spans[:, 1] - spans[:, 0]).sum()), str(what), spans))
    found.sort(key=lambda one: (-one[0], one[1]))
    return [
        {"what": what, "spans": [{"start": iso(start), "end": iso(end)} for start, end in spans]}
        for _, what, spans in found[:MOST_LANES]
    ]


def _spans(case: Case, what: str, group: pd.DataFrame, first: float, last: float) -> np.ndarray:
    """Spans of one kind within the given time, those too close to be told apart as one; shape (n, 2)."""
    starts, ends = workload.spans(case, what)
    points = workload.unix_s(group["at"][(group["state"] == "point").to_numpy(dtype=bool)])
    spans = np.column_stack([np.concatenate([starts, points]), np.concatenate([ends, points])])
    spans = np.clip(spans[(spans[:, 1] >= first) & (spans[:, 0] <= last)], first, last)
    merged: list[list[float]] = []
    for start, end in spans[np.argsort(spans[:, 0], kind="stable")].tolist():
        if merged and start - merged[-1][1] < _APART * (last - first):
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return np.array(merged).reshape(-1, 2)


def _shown(case: Case) -> pd.DataFrame:
    shown: pd.DataFrame = case.events[~case.events["what"].isin(_NO_EVENTS)]
    return shown


def _iso(moment_s: float) -> str | None:
    return None if np.isnan(moment_s) else iso(moment_s)
