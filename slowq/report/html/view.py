"""What the page says, part by part, worked out from the document; the template only lays it out.

Each part is bounded: what is longer is cut with "…", what is more is counted, and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slowq.report import text as say
from slowq.report.html import charts as drawn
from slowq.report.html import panels
from slowq.report.html.figures import Chart
from slowq.report.receipts import bars, conditions, is_receipt, tried
from slowq.report.text import Document

MOST_PATTERNS = 100
_MOST_CITES = 20
_FIRST_CITES = 3
_MOST_FINDINGS = 30
_MOST_INPUTS = 100
_SENTENCE, _SNIPPET, _FILTER, _NAME, _SHORT_FILTER = 2_000, 4_000, 1_200, 200, 110


def charts(document: Document) -> list[Chart]:
    return [*drawn.charts(document), *filter(None, [drawn.collections(document)]), *panels.panels(document)]


def page(document: Document, every: Sequence[Chart]) -> dict[str, Any]:
    outcome, cause, sure = say.headline(document["verdict"])
    findings = [*_findings(document)]
    diagnosed = document["verdict"]["outcome"] == "diagnosed"
    return {
        "outcome": outcome,
        "headline": _capital(cut(cause, _NAME)) or outcome,
        "sure": sure,
        "summary": cut(document["verdict"]["summary"]),
        "glance": _glance(document),
        "since": cut(say.onset(document) or ""),
        "lead": findings[0] if diagnosed and findings else None,
        "others": findings[1:] if diagnosed else findings,
        "others_title": {"diagnosed": "Other findings", "undetermined": "Candidates"}.get(
            document["verdict"]["outcome"], "Also noticed"
        ),
        "more_findings": max(len(say.findings(document)) - _MOST_FINDINGS, 0),
        "minor": cut(say.minor(document) or ""),
        "charts": [one for one in every if one.place == "when"],
        "more_charts": [one for one in every if one.place == "when, folded"],
        "panels": [one for one in every if one.place == "metrics"],
        "collections": next((one for one in every if one.place == "collections"), None),
        "one_collection": _one_collection(document),
        "phases": [*_phases(document)],
        "by_collection": [*_by_collection(document)],
        "metrics": document.get("metrics"),
        "patterns": _patterns(document),
        "events": [*_events(document)],
        "ruled_out": [
            {"name": say.words(one["sub_cause"]), "because": cut(one["because"])} for one in document["ruled_out"][:200]
        ],
        "skipped": [
            {"how": cut(how), "rules": [cut(say.words(rule), _NAME) for rule in rules]}
            for how, rules in say.wanted(document["skipped"])[:50]
        ],
        "broken": [
            {
                "name": cut(say.words(one["sub_cause"]), _NAME),
                "whose": "your own rule" if one.get("own") else "a bug in slowq",
                "error": cut(one["error"]),
            }
            for one in document["broken"][:50]
        ],
        "blind_spots": [cut(one) for one in (document.get("blind_spots") or ())[:50]],
        "notes": [cut(one) for one in (document.get("notes") or ())[:50]],
        "coverage": _coverage(document),
    }


def cut(text: str, longest: int = _SENTENCE) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _glance(document: Document) -> list[tuple[str, str]]:
    """The incident in a few facts, each with its name."""
    requests, window, milvus = document["requests"], document["window"], document["milvus"]
    took = requests.get("duration_s") or {}
    facts = [("When", say.span(window["start"], window["end"]))] if window["start"] else []
    if requests["count"]:
        kinds = ", ".join(f"{n:,} {say.words(kind)}" for kind, n in requests["by_kind"].items())
        facts.append(
            ("Slow requests", f"{requests['count']:,}" + (f" ({kinds})" if len(requests["by_kind"]) > 1 else ""))
        )
        facts.append(("Time spent in them", say.duration(took.get("sum"))))
        if took.get("sum") is not None:
            facts.append(
                ("Median, p99, slowest", ", ".join(say.duration(took.get(key)) for key in ("p50", "p99", "max")))
            )
    else:
        facts.append(("Slow requests", "none"))
    named = " ".join(filter(None, (milvus.get("version") or "unknown version", milvus.get("deployment"))))
    facts.append(("Milvus", f"{named} (from {milvus['source']})" if milvus.get("source") else named))
    return [(name, cut(said, _NAME * 2)) for name, said in facts]


# ---------------------------------------------------------------------------------------------------------------------
# Findings.


def _findings(document: Document) -> Iterator[dict[str, Any]]:
    shared = say.folder(document["inputs"])
    ids: dict[str, int] = {}
    for one in say.findings(document)[:_MOST_FINDINGS]:
        name = drawn.slug(one["sub_cause"])
        ids[name] = ids.get(name, 0) + 1
        yield {
            "id": f"finding-{name}" + (f"-{ids[name]}" if ids[name] > 1 else ""),
            "name": _capital(cut(say.words(one["sub_cause"]), _NAME)),
            "severity": one["severity"],
            "explains": f"explains {say.share(one['explains_share'])} of the slow time"
            + (f", {say.duration(one['explains_s'])}" if one["explains_s"] is not None else ""),
            "sure": say.sureness(one["confidence"]),
            "summary": cut(one["summary"]),
            "subject": cut(one["subject"], _NAME),
            "evidence": [_evidence(item, shared) for item in one["evidence"][:20]],
            "remedies": [_remedy(item) for item in one["remedies"][:20]],
            "tried": [_tried(made) for made in tried(one)],
        }


def _evidence(item: Mapping[str, Any], shared: str) -> dict[str, Any]:
    named, _ = say.places(item["cites"], _FIRST_CITES, shared)
    rest, left = say.places(item["cites"][_FIRST_CITES:], _MOST_CITES, shared)
    return {
        "says": cut(item["says"]),
        "cites": [cut(one, _NAME * 2) for one in named],
        "more": max(len(item["cites"]) - _FIRST_CITES, 0),
        "rest": [cut(one, _NAME * 4) for one in rest],
        "left": left,
    }


def _remedy(item: Mapping[str, Any]) -> dict[str, Any]:
    receipt = item.get("receipt")
    return {
        "do": _capital(cut(item["do"])),
        "facts": [(name, cut(item[key])) for name, key in (("Why", "because"), ("Cost", "cost"), ("Verify", "verify"))],
        "snippet": cut(item["snippet"], _SNIPPET) if item["snippet"].strip() else "",
        "proof": _proof(item),
        "proven": bool(receipt),
        **_drawn(receipt),
    }


def _tried(receipt: Mapping[str, Any]) -> dict[str, Any]:
    return {"says": _capital(cut(say.also_tried(receipt))), "proof": cut(say.measured(receipt)), **_drawn(receipt)}


def _proof(item: Mapping[str, Any]) -> str:
    receipt = item.get("receipt")
    if not receipt:
        return f"{_capital(cut(say.proof(item)))}."
    return cut(say.measured(receipt)) if is_receipt(receipt) else f"Measured: {cut(say.measured(receipt))}"


def _drawn(receipt: Any) -> dict[str, Any]:
    """The bars of a receipt of ours, and under which conditions it was measured."""
    if not is_receipt(receipt):
        return {"bars": [], "conditions": []}
    return {"bars": bars(receipt), "conditions": [_capital(cut(one)) for one in conditions(receipt)[:_MOST_CITES]]}


# ---------------------------------------------------------------------------------------------------------------------
# Where and when.


def _phases(document: Document) -> Iterator[dict[str, Any]]:
    for name, one in say.phases(document):
        yield {
            "name": cut(say.words(name), _NAME),
            "share": say.share(one["share"]),
            "mean": say.duration(one["mean_s"]),
            "p99": say.p99(one),
            "before": say.duration(one.get("baseline_mean_s")),
            "derived": bool(one.get("derived")),
            "metric": cut(one.get("metric") or "", _NAME),
        }


def _by_collection(document: Document) -> Iterator[dict[str, str]]:
    for one in say.by_collection(document):
        yield {
            "name": cut(one["collection"], _NAME),
            "share": say.share(one["share"]),
            "searches": f"{one['searches']:,}",
            "mean": say.duration(one["mean_s"]),
            "p99": say.p99(one),
            "before": say.duration(one["baseline_mean_s"]),
        }


def _events(document: Document) -> Iterator[dict[str, Any]]:
    shared = say.folder(document["inputs"])
    for one in document.get("events") or ():
        named, _ = say.places(one["cites"], 1, shared)
        yield {
            "at": say.clock(one["at"], "%Y-%m-%d %H:%M:%S"),
            "what": cut(say.words(one["what"]), _NAME),
            "state": {"start": "began", "done": "ended"}.get(one.get("state") or "", ""),
            "count": f"{one['count']:,}",
            "detail": cut(one.get("detail") or "", _NAME),
            "where": cut(named[0], _NAME) if named else "",
        }


def _patterns(document: Document) -> dict[str, Any]:
    patterns, total = document["patterns"], document["requests"]["duration_s"].get("sum")
    roles, shared = say.roles(say.findings(document)), say.folder(document["inputs"])
    left = patterns[MOST_PATTERNS:]
    return {
        "shown": [_pattern(one, total, roles, shared) for one in patterns[:MOST_PATTERNS]],
        "left": len(left),
        "left_count": sum(one["count"] for one in left),
        "left_s": say.duration(sum(one["duration_s"].get("sum") or 0 for one in left)),
    }


def _pattern(one: Mapping[str, Any], total: float | None, roles: Mapping[str, str], shared: str) -> dict[str, Any]:
    took, filtered = one["duration_s"], say.filtered(one)
    spent = took.get("sum")
    return {
        "id": cut(one["id"], _NAME),
        "role": roles.get(one["id"], ""),
        "kind": cut(say.words(one["kind"]), 60),
        "collection": cut(say.collection(one), _NAME),
        "filter": cut(filtered, _SHORT_FILTER),
        "whole_filter": cut(filtered, _FILTER) if len(filtered) > _SHORT_FILTER else "",
        "has_filter": bool(one["filter"]),
        # What the eye reads, and the number that the column is sorted by.
        "numbers": [
            (f"{one['count']:,}", one["count"]),
            (say.duration(took.get("p50")), took.get("p50") or 0),
            (say.duration(took.get("p99")), took.get("p99") or 0),
            (say.share_of(spent, total), spent or 0),
        ],
        "range": f"{say.duration(took.get('min'))} to {say.duration(took.get('max'))}",
        "spent": say.duration(spent),
        "example": cut(f"{one['example']['path'].removeprefix(shared)}:{one['example']['line']}", _NAME),
        "trace": cut(one["example"].get("trace_id") or "", _NAME),
    }


def _one_collection(document: Document) -> str:
    """What stands where there is nothing to compare."""
    shown = (document.get("collections") or {}).get("shown") or []
    return f"All slow requests are on {cut(say.collection(shown[0]), _NAME)}." if len(shown) == 1 else ""


def _coverage(document: Document) -> dict[str, Any]:
    coverage, inputs = document["coverage"], document["inputs"]
    odd = [
        (f"{one['path']}:{one['line']}", one.get("reason") or "not recognised", one["excerpt"])
        for key in ("malformed", "first_unrecognised")
        for one in (coverage.get(key) or ())[:20]
    ]
    counts = ("slow_requests", "other_milvus_lines", "continuation_lines", "unrecognised_lines", "malformed_slow_lines")
    return {
        "said": say.understood(coverage, inputs)[0],
        "counts": [(_capital(say.words(name)), f"{coverage[name]:,}") for name in counts],
        "inputs": [
            (cut(one["path"], _NAME * 2), cut(one["format"], _NAME), f"{one['lines']:,}", f"{one['bytes']:,}")
            for one in inputs[:_MOST_INPUTS]
        ],
        "more_inputs": max(len(inputs) - _MOST_INPUTS, 0),
        "odd": [(cut(place, _NAME), cut(why, _NAME), cut(excerpt, _NAME * 2)) for place, why, excerpt in odd],
    }
