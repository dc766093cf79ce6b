"""The diagnosis as one JSON document: the contract with other programs. Every other report draws from it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slowq import __version__
from slowq.confidence import probability
from slowq.facts import Case, Need, Place
from slowq.findings import Cite, Diagnosis, Evidence, Finding, Question, Remedy, cause_of, weighty
from slowq.repro.proven import proven

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
MOST_PATTERNS = 1000
_MOST_MALFORMED = 20


def document(case: Case, diagnosis: Diagnosis) -> dict[str, Any]:
    """Everything that was found, ready for `json.dumps`. Times ISO 8601 UTC, durations seconds, unknown null."""
    from slowq.report.began import began
    from slowq.report.events import events, lanes
    from slowq.report.metrics import metrics_part, phases_part
    from slowq.report.series import collections, distribution, heat_map, series
    from slowq.report.timeline import timelines
    from slowq.report.workload import workload

    coverage, front = case.coverage, weighty(diagnosis.findings)
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
        "onset": began(case),
        "milvus": {
            "version": case.milvus.version,
            "deployment": case.milvus.deployment,
            "source": case.milvus.source,
        },
        "requests": _requests(case.requests),
        "patterns": _patterns(case),
        "workload": workload(case),
        "phases": phases_part(case) if case.metrics else None,
        "findings": [{**_finding(one), "minor": one not in front} for one in diagnosis.findings],
        "ruled_out": [
            {"cause": diagnosis.cause_of(name), "sub_cause": name, "because": one.because}
            for name, one in diagnosis.ruled_out
        ],
        "skipped": [
            {
                "cause": diagnosis.cause_of(name),
                "sub_cause": name,
                "needs": [need.what for need in one.needs],
                "how_to_supply": _how(one.needs),
            }
            for name, one in diagnosis.skipped
        ],
        "broken": [
            {
                "cause": diagnosis.cause_of(name),
                "sub_cause": name,
                "error": one.error,
                "own": cause_of(name) is None,
            }
            for name, one in diagnosis.broken
        ],
        "verdict": {
            "outcome": diagnosis.verdict.outcome,
            "cause": diagnosis.verdict.cause,
            "sub_cause": diagnosis.verdict.sub_cause,
            "confidence": diagnosis.verdict.confidence,
            "summary": diagnosis.verdict.summary,
            "next": _question(diagnosis.verdict.next),
        },
        "blind_spots": list(diagnosis.blind_spots),
        "series": series(case),
        "distribution": distribution(case),
        "heat_map": heat_map(case),
        "timelines": timelines(case, front),
        "collections": collections(case),
        "events": events(case),
        "event_lanes": lanes(case),
        "metrics": metrics_part(case) if case.metrics else None,
        "notes": list(case.context.notes),
    }


def _question(one: Question | None) -> dict[str, Any] | None:
    """What to ask next, where the evidence does not decide."""
    return None if one is None else {"asks": one.asks, "separates": list(one.separates), "how": one.how}


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
        "confidence": probability(one.confidence),
        "score": one.confidence,
        "explains_s": one.explains_s,
        "explains_share": one.explains_share,
        "subject": one.subject,
        "culprits": list(one.culprits),
        "victims": list(one.victims),
        "summary": one.summary,
        "evidence": [_evidence(item) for item in one.evidence],
        "remedies": [_remedy(item, one.sub_cause) for item in one.remedies],
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


def _remedy(item: Remedy, sub_cause: str) -> dict[str, Any]:
    return {
        "key": item.key,
        "do": item.do,
        "because": item.because,
        "cost": item.cost,
        "verify": item.verify,
        "snippet": item.snippet,
        "receipt": None if item.receipt is None else dict(item.receipt),
        "catalogue": proven(sub_cause, item.key),
    }


def _number(value: float | None) -> float | None:
    return None if value is None or value != value or abs(value) == float("inf") else float(value)
