"""When it began, as the document says it, and what was done to the cluster just before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from slowq import onset, signals, workload
from slowq.facts import Case
from slowq.onset import Onset
from slowq.report.moments import iso

MOST_DEEDS = 5
# Prometheus is asked for one sample a minute at the longest steps in use: nearer than that, order is not known.
_JUST_S = 60.0
# Of what the log tells, what somebody or something did. The rest is what happened to searches.
_DEEDS = frozenset(
    (
        *(
            "index_build",
            "create_index",
            "drop_index",
            "compaction",
            "load",
            "release",
            "segment_load",
            "segment_release",
        ),
        *("balance", "flush", "restart", "node_down"),
    )
)


def began(case: Case) -> dict[str, Any] | None:
    """Null where it was slow from the first moment that is known, or where nothing changed clearly."""
    found = onset.of(case)
    if found is None:
        return None
    deeds = sorted(_deeds(case, found), key=lambda one: -one[0])
    return {
        "at": iso(found.at_s),
        "known_from": iso(found.since_s),
        "source": found.source,
        "latency_before_s": None if np.isnan(found.before_s) else found.before_s,
        "latency_after_s": None if np.isnan(found.after_s) else found.after_s,
        "just_before": [{"at": iso(at_s), "what": what, "count": number} for at_s, what, number in deeds[:MOST_DEEDS]],
    }


def _deeds(case: Case, found: Onset) -> Iterator[tuple[float, str, int]]:
    """Each kind of deed that began just before: the last time, what, and how often."""
    at_s = workload.unix_s(case.events["at"])
    is_begun = (case.events["state"] != "done").to_numpy(dtype=bool)
    near = is_begun & (at_s >= found.at_s - _JUST_S) & (at_s <= found.by_s)
    seen = set()
    for what, rows in case.events[near].groupby("what", observed=True).indices.items():
        if what in _DEEDS:
            seen.add(what)
            yield float(at_s[near][rows].max()), str(what), len(rows)
    for event in case.context.events:
        if event.at_s is not None and found.at_s - _JUST_S <= event.at_s <= found.by_s and event.what:
            seen.add(event.what)
            yield event.at_s, event.what, 1
    started = signals.of(case).starts_s
    started = started[(started >= found.at_s - _JUST_S) & (started <= found.by_s)]
    if len(started) and "restart" not in seen:
        yield float(started.max()), "restart", len(started)
