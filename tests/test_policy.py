from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from slowq.config import Config, load
from slowq.errors import UsageError
from slowq.policy import Allowance, Judgement, Limits, Policy, baseline_of, from_config, gate, judge, updated
from tests.report.documents import document, json_filter, nothing_slow, pattern

DAY = date(2026, 6, 1)


def two(**more: Any) -> dict[str, Any]:
    """10 s and 2 s of slow requests on two collections, in a window of 20 s."""
    return document(
        patterns=[pattern("a", "x == 1", [4.0, 6.0]), pattern("b", None, [2.0], collection="other")],
        window={"start": "2026-06-01T00:00:00.000Z", "end": "2026-06-01T00:00:20.000Z"},
        **more,
    )


def outcomes(of: dict[str, Any], policy: Policy, baseline: Any = None, today: date = DAY) -> list[tuple[str, str]]:
    return [(line.id, line.outcome) for line in judge(of, policy, baseline, today).lines]


def said(of: dict[str, Any], policy: Policy, baseline: Any = None) -> str:
    (line,) = judge(of, policy, baseline, DAY).lines
    return line.says


def test_without_a_policy_nothing_is_judged() -> None:
    assert judge(two(), Policy(), None, DAY) == Judgement(())


@pytest.mark.parametrize(
    ("limits", "outcome", "says"),
    [
        (Limits(max_p99=6.0), "pass", "the p99 is 6 s, the limit 6 s"),
        (Limits(max_p99=5.9), "fail", "the p99 is 6 s, the limit 5.9 s"),
        (Limits(max_count=3), "pass", "3 slow requests, the limit is 3"),
        (Limits(max_count=2), "fail", "3 slow requests, the limit is 2"),
        (Limits(max_share_of_time=0.6), "pass", "0.6 seconds in slow requests for each second, the limit is 0.6"),
        (Limits(max_share_of_time=0.5), "fail", "0.6 seconds in slow requests for each second, the limit is 0.5"),
    ],
)
def test_a_run_is_held_against_its_limits(limits: Limits, outcome: str, says: str) -> None:
    (line,) = judge(two(), Policy(run=limits), None, DAY).lines
    assert (line.outcome, line.says) == (outcome, says)


def test_a_collection_and_a_pattern_are_held_against_their_own() -> None:
    policy = Policy(collections={"other": Limits(max_count=1)}, patterns={"a": Limits(max_p99=5.0)})
    assert outcomes(two(), policy) == [("max_count of collection other", "pass"), ("max_p99 of pattern a", "fail")]


def test_what_is_not_in_the_log_keeps_to_every_limit() -> None:
    policy = Policy(run=Limits(1.0, 0, 0.0), collections={"gone": Limits(1.0, 0, 0.0)})
    assert {outcome for _, outcome in outcomes(nothing_slow(), policy)} == {"pass"}


def test_a_failure_names_the_slowest_request() -> None:
    (line,) = judge(two(), Policy(run=Limits(max_p99=1.0)), None, DAY).failed
    assert (line.pattern, line.cites[0]["line"]) == ("a", 812)


@pytest.mark.parametrize("name", ["json_filter", "inefficient_filter", "warning", "info"])
def test_a_finding_fails_by_its_cause_and_by_its_severity(name: str) -> None:
    (line,) = judge(json_filter(), Policy(fail_on=(name,)), None, DAY).lines
    assert line.outcome == "fail"
    assert line.cites
    assert line.do


def test_a_cause_that_is_not_there_passes() -> None:
    assert outcomes(json_filter(), Policy(fail_on=("clock_skew",))) == [("fail_on clock_skew", "pass")]


def test_an_allowed_cause_does_not_fail_until_its_day_has_passed() -> None:
    finding = next(one for one in json_filter()["findings"] if one["sub_cause"] == "json_filter")
    allow = Allowance("json_filter", "search team", "moves to columns in July", date(2026, 6, 30))
    policy = Policy(fail_on=("json_filter",), allow=(allow,))
    of = document(findings=[finding])
    assert outcomes(of, policy, today=date(2026, 6, 30)) == [
        ("fail_on json_filter", "allowed"),
        ("allow json_filter", "pass"),
    ]
    assert outcomes(of, policy, today=date(2026, 7, 1)) == [
        ("fail_on json_filter", "fail"),
        ("allow json_filter", "fail"),
    ]


def test_an_ended_allowance_fails_with_its_owner_even_where_nothing_is_found() -> None:
    allow = Allowance("compaction", "storage team", "nightly", date(2025, 1, 1))
    assert said(nothing_slow(), Policy(allow=(allow,))) == "the allowance of storage team ended on 2025-01-01: nightly"


def test_what_the_baseline_knows_passes_whatever_the_limits() -> None:
    policy = Policy(run=Limits(max_p99=1.0, max_count=0), fail_on=("json_filter",))
    assert {outcome for _, outcome in outcomes(json_filter(), policy, baseline_of(json_filter()))} == {"pass"}


def test_a_new_pattern_fails() -> None:
    before = baseline_of(document(patterns=[pattern("a", "x == 1", [4.0, 6.0])]))
    assert said(two(), Policy(), before) == "new pattern b (search on other): 1 slow requests"


def test_a_pattern_that_is_worse_by_more_than_the_tolerance_fails() -> None:
    before = baseline_of(two())
    worse = document(patterns=[pattern("a", "x == 1", [4.0, 8.0])])
    assert (
        said(worse, Policy(tolerance=0.2), before) == "pattern a (search on catalog_hnsw) is worse: p99 8 s, 6 s before"
    )
    slightly = document(patterns=[pattern("a", "x == 1", [4.0, 7.0])])
    assert said(slightly, Policy(tolerance=0.2), before) == "none of 1 patterns is new or worse"


def test_a_baseline_shrinks_and_does_not_grow() -> None:
    before = baseline_of(two())
    now = document(patterns=[pattern("a", "x == 1", [9.0]), pattern("c", None, [1.0])])
    kept = updated(now, before, grow=False)
    assert {name: (one["count"], one["p99_s"]) for name, one in kept.items()} == {"a": (1, 6.0)}
    assert updated(now, before, grow=True) == baseline_of(now)


@pytest.mark.parametrize("name", ["Large-NQ", " large_nq "])
def test_a_gate_is_understood_as_people_write_it(name: str) -> None:
    assert gate(name) == "large_nq"


def test_a_gate_that_is_none_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError) as error:
        gate("large_qn")
    assert error.value.hint == "did you mean large_nq or large_result?"


def test_an_allowance_without_an_owner_is_refused_with_its_line(tmp_path) -> None:
    path = tmp_path / "slowq.toml"
    path.write_text('[[check.allow]]\ncause = "compaction"\nuntil = 2026-01-01\n')
    with pytest.raises(UsageError) as error:
        from_config(load(str(path)))
    assert error.value.message == f"{path}:1: [[check.allow]] lacks owner, reason"


def test_an_empty_configuration_asks_for_nothing() -> None:
    assert from_config(Config()) == Policy()
