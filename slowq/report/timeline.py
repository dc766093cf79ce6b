"""Who held up whom: the slowest culprits of a finding and those that waited beside them, from their start to their end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from slowq import workload
from slowq.facts import Case
from slowq.findings import Finding
from slowq.report.moments import iso
from slowq.workload import Mask, Workload

MOST_FINDINGS = 3
MOST_CULPRITS = 20  # more only where those that waited leave room
MOST_BARS = 60


def timelines(case: Case, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """One for each of the first findings; those without a request whose times are known are left out."""
    work = workload.of(case)
    drawn = [_timeline(work, one) for one in findings[:MOST_FINDINGS]]
    return [one for one in drawn if one["requests"]]


def _timeline(work: Workload, finding: Finding) -> dict[str, Any]:
    known = ~(np.isnan(work.started_s) | np.isnan(work.ended_s))
    none = np.zeros(work.count, dtype=bool)
    culprits = known & (none if finding.culprit_rows is None else finding.culprit_rows)
    victims = known & (none if finding.victim_rows is None else finding.victim_rows) & ~culprits
    held = _slowest(work, culprits, max(MOST_CULPRITS, MOST_BARS - int(victims.sum())))
    waited = _slowest(work, victims, MOST_BARS - len(held), beside=held)
    rows = np.concatenate([held, waited])
    rows = rows[np.argsort(work.started_s[rows], kind="stable")]
    return {
        "rule": finding.rule,
        "requests": _requests(work, rows, culprits),
        "left_out": {"culprits": int(culprits.sum()) - len(held), "victims": int(victims.sum()) - len(waited)},
    }


def _slowest(work: Workload, mask: Mask, most: int, beside: np.ndarray | None = None) -> np.ndarray:
    """The slowest of the masked requests; those that ran beside the given ones come first."""
    rows = np.flatnonzero(mask)
    if beside is None or not len(beside):
        return work.slowest(rows, most)
    chosen = np.zeros(work.count, dtype=bool)
    chosen[beside] = True
    covered = work.covered_share(work.started_s[chosen], work.ended_s[chosen])[rows]
    first = work.slowest(rows[covered >= workload.VICTIM_SHARE], most)
    return np.concatenate([first, work.slowest(rows[covered < workload.VICTIM_SHARE], most - len(first))])


def _requests(work: Workload, rows: np.ndarray, culprits: Mask) -> list[dict[str, Any]]:
    words = work.slow[["pattern", "kind", "collection", "path", "line"]].iloc[rows].astype(object)
    return [
        {
            "start": iso(work.started_s[row]),
            "end": iso(work.ended_s[row]),
            "role": "culprit" if culprits[row] else "victim",
            "pattern": str(pattern),
            "kind": str(kind),
            "collection": collection if isinstance(collection, str) else None,
            "nq": None if np.isnan(work.nq[row]) else int(work.nq[row]),
            "path": str(path),
            "line": int(line),
        }
        for row, pattern, kind, collection, path, line in zip(rows, *(words[name] for name in words), strict=True)
    ]
