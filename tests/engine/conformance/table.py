"""The table of calls, by area, and the answers that are expected of each server."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.engine.conformance.case import Case
from tests.engine.conformance.cases import calls, filtering, newer
from tests.engine.conformance.cases.differing import DIFFERS

RECORDED = Path(__file__).with_name("recorded.json")  # what Milvus 2.3.5 said to pymilvus 2.3.7

_DIFFERING = {name: (why, answer) for why, answers in DIFFERS.items() for name, answer in answers.items()}


def _told(cases: list[Case]) -> list[Case]:
    known = {name: {"differs": why, "answer": answer} for name, (why, answer) in _DIFFERING.items()}
    return [replace(one, **known.get(one.name, {})) for one in cases]


TABLE: dict[str, list[Case]] = {
    area: _told(cases)
    for area, cases in {
        "Server": calls.SERVER,
        "Definitions": calls.DEFINITIONS,
        "Writes": calls.WRITES,
        "Searches and queries": calls.SEARCHES,
        "Filters": filtering.CASES,
        "Only in newer Milvus": newer.CASES,
    }.items()
}
EVERY = [one for cases in TABLE.values() for one in cases]


def recorded() -> dict[str, Any]:
    answers: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return answers


def expected(case: Case) -> Any:
    """Of the engine."""
    return recorded()[case.name] if case.is_recorded else case.answer


def comparable(answer: Any) -> Any:
    """Without the words of an error, and with one code for all that say that the request is bad: 2.3.5 uses 65535 and 1
    where later versions have 1100."""
    if not isinstance(answer, dict) or "error" not in answer:
        return answer
    code = answer["error"]
    bad = isinstance(code, int) and (code in (1, 5, 65535) or 1100 <= code < 1200)
    return {"error": "bad request" if bad else code}
