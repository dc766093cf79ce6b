"""What slowq says of each recorded incident, without and with its metrics; `python -m tests.golden` rewrites it."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from slowq.context.file import load
from slowq.gather import Answers, gather
from slowq.metrics import load as load_metrics
from slowq.report.document import document
from slowq.triage import diagnose

SAMPLES = Path(__file__).parents[1] / "sample_logs"
INCIDENTS = sorted(path.parent for path in SAMPLES.glob("*/truth.json"))


@cache
def answer(incident: Path, *, with_metrics: bool = False) -> dict[str, Any]:
    """The document of `slowq analyze INCIDENT/logs [--context INCIDENT/context.yaml] [--metrics …]`."""
    facts, measured = incident / "context.yaml", incident / "prometheus_range.json.gz"
    metrics = None
    if with_metrics and measured.exists():
        answers = Answers(load_metrics(str(measured)), measured.name)
        metrics = lambda window: answers  # noqa: E731
    logs = [str(incident / "logs")]
    case = gather(logs, load(str(facts)) if facts.exists() else None, metrics=metrics, jobs=1)
    return document(case, diagnose(case))


def summary(incident: Path) -> dict[str, Any]:
    """The part of the answer that is kept: enough to see that something moved, and what."""
    found, measured = answer(incident), answer(incident, with_metrics=True)
    return {
        **_judged(found),
        "with_metrics": {
            **_judged(measured),
            "phases": {
                name: round(one["share"], 2) for name, one in (measured["phases"] or {}).items() if one is not None
            },
        },
        "requests": {"count": found["requests"]["count"]},
        "coverage": {
            key: value for key, value in found["coverage"].items() if key not in ("malformed", "first_unrecognised")
        },
    }


def _judged(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "verdict": {key: value for key, value in found["verdict"].items() if key not in ("summary", "next")},
        "findings": [
            [one["sub_cause"], one["confidence"], round(one["explains_share"], 2)] for one in found["findings"]
        ],
    }


def text(incident: Path) -> str:
    return json.dumps(summary(incident), indent=1) + "\n"


if __name__ == "__main__":
    for one in INCIDENTS:
        (one / "expected.json").write_text(text(one), encoding="utf-8")
        sys.stdout.write(f"{one.name}: {answer(one)['verdict']['outcome']}\n")
