"""`slowq rules` and `slowq explain`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slowq.findings import CAUSES
from slowq.rules import ALL

IDS = [rule.about.id for rule in ALL]


def test_every_rule_is_listed_under_its_cause(slowq: Any) -> None:
    done = slowq("rules")
    assert (done.code, done.err) == (0, "")
    words = [line.split()[0] for line in done.out.splitlines()]
    assert words == [name for cause, rules in CAUSES.items() for name in (cause, *rules)]


def test_the_list_as_json(slowq: Any) -> None:
    listed = json.loads(slowq("rules", "--format", "json").out)
    assert listed == [{"id": one.about.id, "cause": one.about.cause, "title": one.about.title} for one in ALL]


@pytest.mark.parametrize("name", IDS)
def test_a_rule_is_explained_within_eighty_columns(name: str, slowq: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = slowq("explain", name)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(name)
    lines = done.out.splitlines()
    for said in ("Symptom", "Cause", "How we tell", "Not this when", "Needs", "Remedies"):
        assert said in lines
    code = {line.strip() for rule in ALL for one in rule.about.remedies for line in one.filled({}).snippet.split("\n")}
    assert [line for line in lines if len(line) > 80 and line.strip() not in code] == []


def test_an_explanation_has_the_thresholds_and_the_remedies(slowq: Any) -> None:
    said = slowq("explain", "large_nq").out
    assert "\n    large_nq = 100\n        query vectors from which a request counts as large" in said
    assert " 1. Send the query vectors in batches of at most <batch_nq> instead of <nq> at" in said
    assert "\n      results = []\n" in said
    assert "versions: from Milvus 2.2.0, and before 2.6.18" in said
    assert "$" not in said


def test_a_rule_that_there_is_not_exits_with_2(slowq: Any) -> None:
    done = slowq("explain", "large-n")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: no rule 'large-n'\nhint: did you mean large_nq")
