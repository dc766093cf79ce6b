"""The judgements agree, case by case, with those that an independent scorer gave of the same made-up answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.accuracy.cases import Truth
from bench.accuracy.judge import judge, within

MADE_UP = json.loads((Path(__file__).parent / "judgements.json").read_text(encoding="utf-8"))
GIVEN = [
    pytest.param(truth, verdict, expected, id=f"{truth['sub_cause']}-{k}-{verdict.get('sub_cause')}-{n}")
    for k, (truth, row) in enumerate(zip(MADE_UP["truths"], MADE_UP["judgements"], strict=True))
    for n, (verdict, expected) in enumerate(zip(MADE_UP["verdicts"], row, strict=True))
]


@pytest.mark.parametrize(("truth", "verdict", "expected"), GIVEN)
def test_a_judgement_is_that_of_the_independent_scorer(
    truth: dict[str, Any], verdict: dict[str, Any], expected: list[bool]
) -> None:
    given = judge(_truth(truth), verdict)
    assert [given.cause, given.exact, given.abstained] == expected


def test_abstaining_is_fair_where_the_evidence_decides_nothing_and_only_there() -> None:
    undetermined = {"outcome": "undetermined", "cause": None, "sub_cause": None}
    assert judge(Truth("heavy_workload", "large_nq", decidable=False), undetermined).fair
    assert not judge(Truth("heavy_workload", "large_nq"), undetermined).fair


def test_no_answer_at_all_is_wrong_even_where_abstaining_is_right() -> None:
    assert not judge(Truth("heavy_workload", "large_nq", decidable=False), {}).fair


def test_a_right_cause_is_found_among_others() -> None:
    truth = Truth("wrong_index", "search_params", (("heavy_workload", "large_result"),))
    assert within(truth, [("runtime_contention", "compaction"), ("heavy_workload", "large_nq")])
    assert not within(truth, [("runtime_contention", "compaction")])


def _truth(said: dict[str, Any]) -> Truth:
    accept = tuple((cause, sub_cause) for cause, sub_cause in said.get("accept", ()))
    return Truth(said["cause"], said["sub_cause"], accept, said.get("decidable", True))
