"""Two versions in one log: where the change is seen, and how the same requests fared before it and after."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from slowq import upgrades
from slowq.facts import Case
from tests.builders import Row, case, event, many, search


def on(version: str, at: float, took: float = 6.0, number: int = 8, **columns: object) -> tuple[Row, ...]:
    """Requests whose own lines tell the version."""
    return many(number, search(at, took=took, milvus_version=version, **columns), every=10)


def session(at: float, version: str) -> Row:
    return event("session", at, "point", "key") | {"detail": f'{{"ServerID":7,"Version":"{version}"}}'}


def test_requests_of_a_later_version_follow_those_of_an_earlier_one() -> None:
    found = upgrades.find(case(on("2.5.16-2.5.17", 100), on("2.6.14", 400)))
    assert found is not None
    assert found.says == "from 2.5.16-2.5.17 to 2.6.14"
    assert (found.old_range, found.new_range) == (((2, 5, 16), (2, 5, 17)), ((2, 6, 14), (2, 6, 14)))
    assert (found.before.sum(), found.after.sum()) == (8, 8)
    assert found.evidence.says == "Requests of Milvus 2.6.14 follow those of 2.5.16-2.5.17."


@pytest.mark.parametrize(
    "rows",
    [
        [on("2.5.16", 100), on("2.5.13-2.5.27", 400)],  # the same version, told less exactly
        [on("2.5.16", 100), on("2.6.14", 104)],  # two clusters at the same time
        [on("2.6.14", 100), on("2.5.16", 400)],  # a step back
        [on("2.5.16", 100)],
    ],
)
def test_other_mixtures_of_versions_are_no_upgrade(rows: list[Iterable[Row]]) -> None:
    assert upgrades.find(case(*rows)) is None


def test_a_rolling_upgrade_may_overlap_a_little() -> None:
    rolling = case(on("2.5.16", 100, number=30), on("2.6.14", 385, number=30))
    assert upgrades.find(rolling) is not None


def test_sessions_tell_the_version_and_the_time_of_its_change() -> None:
    beside = [session(10, "2.5.16"), session(12, "2.5.16"), session(300, "2.6.3"), session(305, "2.6.3")]
    found = upgrades.find(case(on("2.5.16", 100), on("2.5.16", 400), beside=beside))
    assert found is not None
    assert found.says == "from 2.5.16 to 2.6.3"
    assert (found.before.sum(), found.after.sum()) == (8, 8)


def test_sessions_of_two_clusters_are_no_upgrade() -> None:
    beside = [session(10, "2.5.16"), session(20, "2.6.3"), session(30, "2.5.16")]
    assert upgrades.find(case(search(), beside=beside)) is None


def test_an_upgrade_that_is_told_with_its_time_divides_the_log() -> None:
    facts = "events: [{at: 2025-08-23T19:05:00Z, what: upgrade, detail: 2.5.16 to 2.6.3}]"
    found = upgrades.find(case(many(8, search(100)), many(8, search(400)), facts=facts))
    assert found is not None
    assert (found.before.sum(), found.after.sum()) == (8, 8)
    assert found.evidence.says == "Milvus went from 2.5.16 to 2.6.3 at 2025-08-23T19:05:00Z."
    assert upgrades.find(case(search(100), facts=facts.replace("00Z", "00"))) is None  # in an unknown zone


def times(of: Case) -> float:
    found = upgrades.find(of)
    assert found is not None
    return upgrades.times_as_slow(of, found)[0]


def test_the_same_pattern_is_compared_before_and_after() -> None:
    assert times(case(on("2.5.16", 100), on("2.5.20", 400, took=12.0))) == 2.0


def test_another_pattern_and_few_requests_are_no_comparison() -> None:
    assert np.isnan(times(case(on("2.5.16", 100), on("2.5.20", 400, took=12.0, filter="a == 1"))))
    assert np.isnan(times(case(on("2.5.16", 100), on("2.5.20", 400, took=12.0, number=3))))


def test_what_the_old_slow_log_left_out_is_not_compared() -> None:
    faster = on("2.6.10", 400, took=2.0), on("2.6.10", 405, took=6.0)
    mixed = case(on("2.6.9", 100), *faster)
    assert times(mixed) == 1.0  # 2.6.9 logged nothing below 5 s
    told = case(on("2.6.9", 100), *faster, facts="config: {proxy.slowQuerySpanInSeconds: 1}")
    assert times(told) == pytest.approx(4 / 6)


def test_of_several_patterns_the_one_in_the_middle_of_the_seconds_counts() -> None:
    rows = [
        search_of
        for filter_, took in (("", 6.0), ("a == 1", 12.0), ("b == 1", 8.0))
        for search_of in (on("2.5.16", 100, filter=filter_), on("2.5.20", 400, took=took, filter=filter_))
    ]
    assert times(case(*rows)) == pytest.approx(4 / 3)


def test_without_a_slow_request_there_is_nothing_to_divide() -> None:
    empty = replace(case(search()), requests=case(search()).requests.iloc[:0])
    assert upgrades.find(empty) is None
