"""The diagnosis as one JSON document: the contract with other programs. Every other report draws from it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slowq import __version__
from slowq.facts import Case, Need, Place
from slowq.findings import Cite, Diagnosis, Evidence, Finding, Remedy, cause_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SCHEMA = 1
MOST_BUCKETS = 120
MOST_EVENTS = 50
MOST_PATTERNS = 1000
_MOST_MALFORMED = 20
# Steps that people read easily, in seconds.
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


def document(case: Case, diagnosis: Diagnosis) -> dict[str, Any]:
    """Everything that was found, ready for `json.dumps`. Times ISO 8601 UTC, durations seconds, unknown null."""
    from slowq.report.metrics import metrics_part, phases_part

    coverage = case.coverage
    return {
        "schema": SCHEMA,
        "slowq": __version__,
        "inputs": [
            {
                "path": one.path,
                "format": one.format,
                "compressed_bytes": one.compressed_bytes,
                "bytes": one.bytes,
                "lines": one.lines,
            }
            for one in case.inputs
        ],
        "coverage": {
            "lines": coverage.lines,
            "slow_requests": coverage.slow_requests,
            "other_milvus_lines": coverage.other_milvus_lines,
            "continuation_lines": coverage.continuation_lines,
            "unrecognised_lines": coverage.unrecognised_lines,
            "malformed_slow_lines": coverage.malformed_slow_lines,
            "share_understood": coverage.share_understood,
            "malformed": [
                {"path": one.place.path, "line": one.place.line, "reason": one.reason, "excerpt": one.excerpt}
                for one in coverage.malformed[:_MOST_MALFORMED]
            ],
            "first_unrecognised": [
                {"path": one.place.path, "line": one.place.line, "excerpt": one.excerpt}
                for one in coverage.unrecognised
            ],
        },
        "window": _window(case.requests),
        "milvus": {
            "version": case.milvus.version,
            "deployment": case.milvus.deployment,
            "source": case.milvus.source,
        },
        "requests": _requests(case.requests),
        "patterns": _patterns(case),
        "phases": phases_part(case) if case.metrics else None,
        "findings": [_finding(one) for one in diagnosis.findings],
        "ruled_out": [
            {"cause": cause_of(name), "sub_cause": name, "because": one.because} for name, one in diagnosis.ruled_out
        ],
        "skipped": [
            {
                "cause": cause_of(name),
                "sub_cause": name,
                "needs": [need.what for need in one.needs],
                "how_to_supply": _how(one.needs),
            }
            for name, one in diagnosis.skipped
        ],
        "broken": [{"cause": cause_of(name), "sub_cause": name, "error": one.error} for name, one in diagnosis.broken],
        "verdict": {
            "outcome": diagnosis.verdict.outcome,
            "cause": diagnosis.verdict.cause,
            "sub_cause": diagnosis.verdict.sub_cause,
            "confidence": diagnosis.verdict.confidence,
            "summary": diagnosis.verdict.summary,
        },
        "blind_spots": list(diagnosis.blind_spots),
        "series": _series(case.requests),
        "events": _events(case),
        "metrics": metrics_part(case) if case.metrics else None,
        "notes": list(case.context.notes),
    }


def _how(needs: tuple[Need, ...]) -> str:
    """The first way is enough: either of a rule's needs lets it judge."""
    return needs[0].how_to_supply if needs else ""


def _iso(moment: pd.Timestamp) -> str | None:
    import pandas as pd

    return None if pd.isna(moment) else moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"


def _window(requests: pd.DataFrame) -> dict[str, str | None]:
    if not len(requests):
        return {"start": None, "end": None}
    return {"start": _iso(requests["started"].min()), "end": _iso(requests["at"].max())}


def _requests(requests: pd.DataFrame) -> dict[str, Any]:
    from slowq.parsers.patterns import summary

    kinds = requests["kind"].astype(object).value_counts()
    return {
        "count": len(requests),
        "by_kind": {str(kind): int(kinds[kind]) for kind in sorted(kinds.index)},
        "duration_s": summary(requests["duration_s"].to_numpy()),
        "nq": summary(requests["nq"].to_numpy(dtype="float64")),
    }


def _patterns(case: Case) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id,
            "kind": one.kind,
            "database": one.database,
            "collection": one.collection,
            "filter": one.filter,
            "shape": one.shape,
            "count": one.count,
            "duration_s": dict(one.duration_s),
            "example": {"path": one.example.path, "line": one.example.line, "trace_id": one.example_trace_id},
        }
        for one in case.patterns[:MOST_PATTERNS]
    ]


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "cause": one.cause,
        "sub_cause": one.sub_cause,
        "severity": one.severity,
        "confidence": one.confidence,
        "explains_s": one.explains_s,
        "explains_share": one.explains_share,
        "subject": one.subject,
        "culprits": list(one.culprits),
        "victims": list(one.victims),
        "summary": one.summary,
        "evidence": [_evidence(item) for item in one.evidence],
        "remedies": [_remedy(item) for item in one.remedies],
    }


def _evidence(item: Evidence) -> dict[str, Any]:
    return {
        "says": item.says,
        "value": _number(item.value),
        "threshold": _number(item.threshold),
        "cites": [_cite(cite) for cite in item.cites],
    }


def _cite(cite: Cite) -> dict[str, Any]:
    if isinstance(cite, Place):
        return {"path": cite.path, "line": cite.line}
    return {"metric": cite.metric, "window": list(cite.window)}


def _remedy(item: Remedy) -> dict[str, Any]:
    return {
        "key": item.key,
        "do": item.do,
        "because": item.because,
        "cost": item.cost,
        "verify": item.verify,
        "snippet": item.snippet,
        "receipt": None if item.receipt is None else dict(item.receipt),
    }


def _number(value: float | None) -> float | None:
    return None if value is None or value != value or abs(value) == float("inf") else float(value)


def _series(requests: pd.DataFrame) -> dict[str, Any] | None:
    """Slow requests over time, by when they ended; at most MOST_BUCKETS buckets of a step that reads well."""
    import numpy as np

    slow = requests[requests["slow"].to_numpy(dtype=bool) & requests["at"].notna().to_numpy()]
    if not len(slow):
        return None
    at = slow["at"].to_numpy(dtype="datetime64[ms]").astype("int64") / 1e3
    durations = slow["duration_s"].to_numpy()
    first, last = float(at.min()), float(at.max())
    step = next((s for s in _STEPS_S if (last - first) / s < MOST_BUCKETS), None)
    step = step or int(np.ceil((last - first) / (MOST_BUCKETS - 1) / 86400)) * 86400
    start = first - first % step
    number = ((at - start) // step).astype(int)
    buckets = [_bucket(start + i * step, durations[number == i]) for i in range(int(number.max()) + 1)]
    return {"step_s": step, "start": _iso_s(start), "buckets": buckets}


def _bucket(at_s: float, durations: np.ndarray) -> dict[str, Any]:
    import numpy as np

    known = durations[~np.isnan(durations)]
    return {
        "at": _iso_s(at_s),
        "count": len(durations),
        "max_s": float(known.max()) if len(known) else None,
        "p50_s": float(np.median(known)) if len(known) else None,
    }


def _iso_s(moment_s: float) -> str | None:
    import pandas as pd

    return _iso(pd.Timestamp(moment_s, unit="s", tz="UTC"))


def _events(case: Case) -> list[dict[str, Any]]:
    """What else went on, one entry for each kind of event and subject, in order of time."""
    events = case.events
    if not len(events):
        return []
    shown = events[~events["what"].isin(["session", "consistency", "index_queue", "insert", "delete"])]
    found = []
    for (what, state), group in shown.groupby(["what", "state"], observed=True, sort=False):
        first = group.iloc[0]
        found.append(
            {
                "at": _iso(first["at"]),
                "until": _iso(group["at"].iloc[-1]),
                "what": str(what),
                "state": str(state),
                "subject": first["subject"] or None,
                "detail": first["detail"],
                "count": len(group),
                "cites": [{"path": str(first["path"]), "line": int(first["line"])}],
            }
        )
    return sorted(found, key=lambda one: (one["at"] or "", one["what"], one["state"]))[:MOST_EVENTS]
