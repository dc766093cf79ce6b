"""Incidents recorded on a real Milvus: slowq says of them what was written down, and nothing that is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden import INCIDENTS, answer, text

# Incidents that logs and a context file cannot decide; the metrics can.
UNDECIDED = {
    # A crowd of slow searches beside index builds and compactions: the same lines as of a crowd that is too large.
    "compaction",
    # Small searches that wait, and scans of an index that is FLAT, look the same where only slow requests are known.
    "high_concurrency",
}

every_incident = pytest.mark.parametrize("incident", INCIDENTS, ids=lambda path: path.name)


def truth(incident: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((incident / "truth.json").read_text(encoding="utf-8"))
    return found


@every_incident
def test_the_answer_is_the_expected_one(incident: Path) -> None:
    assert text(incident) == (incident / "expected.json").read_text(encoding="utf-8")


@every_incident
def test_the_verdict_is_the_truth_or_that_the_evidence_does_not_decide(incident: Path) -> None:
    verdict = answer(incident)["verdict"]
    if incident.name in UNDECIDED:
        assert verdict["outcome"] == "undetermined"
    else:
        assert_right(verdict, truth(incident))


@every_incident
def test_with_metrics_the_verdict_is_the_truth(incident: Path) -> None:
    assert_right(answer(incident, with_metrics=True)["verdict"], truth(incident))


def assert_right(verdict: dict[str, Any], true: dict[str, Any]) -> None:
    if true["cause"] is None:
        assert verdict["outcome"] == "nothing_slow"
    else:
        assert verdict["outcome"] == "diagnosed"
        accepted = [[true["cause"], true["sub_cause"]], *true["accept"]]
        said = [verdict["cause"], verdict["sub_cause"]]
        assert said in accepted or [said[0], None] in accepted


def test_an_undecided_incident_is_one_of_the_recorded_ones() -> None:
    assert {path.name for path in INCIDENTS} >= UNDECIDED


@every_incident
def test_no_rule_breaks(incident: Path) -> None:
    assert answer(incident)["broken"] == []
