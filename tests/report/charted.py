"""Documents with something in every chart, and with bad text in every place."""

from __future__ import annotations

from functools import cache
from typing import Any

from slowq.report.document import document
from slowq.triage import diagnose
from tests.builders import case, event, many, measured, query, search
from tests.report.documents import HOSTILE

Document = dict[str, Any]


@cache
def charted() -> Document:
    """A large search that others wait for, filters on another collection, a build beside them, and metrics."""
    of = case(
        search(100, 50.0, nq=16_000),
        many(12, search(62, 7.0), every=3.0),
        many(30, search(50, 6.0, collection="articles", filter='meta["a"] == 1', nq=4), every=2.0),
        many(3, query(70, 9.0, collection="articles", filter="b == 2")),
        beside=[
            event("index_build", 50, "start", "7"),
            event("index_build", 90, "done", "7"),
            many(3, event("gc_slow", 60), every=9.0),
        ],
        facts="notes: [it is slow since Monday]",
        version="2.5.4",
        metrics=measured(
            {"search_latency": 5.0, "queue": 3.0, "segment": 1.0, "cpu": {"node": {"qn-1": 3.0, "qn-2": 1.0}}},
            {"search_latency": 0.05, "queue": 0.001, "segment": 0.01, "cpu": {"node": {"qn-1": 0.4, "qn-2": 0.4}}},
            window=(0.0, 120.0),
        ),
    )
    return document(of, diagnose(of))


# What decides how a document is read, and is compared with fixed words.
_KEPT = {"schema", "start", "end", "until", "at", "times", "outcome", "severity", "role", "kind"}


def with_bad_text(value: Any, key: str = "") -> Any:
    """The document with HOSTILE after each of its texts."""
    match value:
        case str():
            return value if key in _KEPT else value + HOSTILE
        case dict():
            return {name: with_bad_text(one, name) for name, one in value.items()}
        case list():
            return [with_bad_text(one, key) for one in value]
    return value


def large() -> Document:
    """As large as a document can get: every list is full, every text is long and unlike the others."""
    from random import Random

    random = Random(7)

    def text(length: int) -> str:
        return "".join(chr(random.randrange(33, 0x2FFF)) for _ in range(length))

    base = charted()
    panel = base["metrics"]["panels"][0]
    times = [f"2025-08-23T{19 + at // 60:02}:{at % 60:02}:00.000Z" for at in range(240)]
    lines = [{"name": text(40), "values": [random.random() * 1e-3 for _ in times]} for _ in range(12)]
    return {
        **base,
        "patterns": [{**base["patterns"][0], "id": f"p-{at}", "filter": text(3_000)} for at in range(1_000)],
        "findings": [{**one, "summary": text(9_000)} for one in base["findings"][:1] * 28],
        "metrics": {
            **base["metrics"],
            "panels": [{**panel, "id": f"panel_{at}", "times": times, "series": lines} for at in range(10)],
        },
    }
