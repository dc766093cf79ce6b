from __future__ import annotations

import math

import pytest

from slowq.repro.stats import Interval, Round, interval, measured
from tests.repro.builders import answer, rounds


def test_an_interval_is_students_at_95_per_cent() -> None:
    found = interval([10.0, 12.0, 11.0, 13.0, 14.0])
    assert found.mean == 12.0
    # t(0.975, 4) = 2.776; the standard deviation is sqrt(2.5).
    half = 2.776 * math.sqrt(2.5) / math.sqrt(5)
    assert (found.low, found.high) == pytest.approx((12 - half, 12 + half))


def test_of_one_round_nothing_is_known_but_its_value() -> None:
    assert interval([3.0]) == Interval(3.0, -math.inf, math.inf)
    assert not interval([3.0]).apart(interval([900.0]))


def test_rounds_that_agree_have_no_width() -> None:
    assert interval([2.0] * 30) == Interval(2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("other", "apart"), [((3.1, 4.0), True), ((2.9, 4.0), False), ((0.0, 0.9), True), ((0.0, 5.0), False)]
)
def test_intervals_are_apart_only_where_they_share_nothing(other: tuple[float, float], apart: bool) -> None:
    one, two = Interval(2.0, 1.0, 3.0), Interval(sum(other) / 2, *other)
    assert one.apart(two) is two.apart(one) is apart


def test_measures_are_of_the_answers_of_one_side_that_came_without_an_error() -> None:
    answers = (
        *[answer(number / 100) for number in range(101)],
        answer(50.0, "refused"),
        answer(70.0, who="probes"),
    )
    found = measured([Round(2.0, answers)], "clients")
    assert {name: round(one.mean, 6) for name, one in found.items()} == {
        "p50_s": 0.5,
        "p95_s": 0.95,
        "p99_s": 0.99,
        "mean_s": 0.5,
        "qps": 50.5,
    }
    assert measured([Round(2.0, answers)], "probes")["p99_s"].mean == 70.0


def test_a_round_without_an_answer_makes_nothing_known() -> None:
    assert measured([*rounds(0.1), Round(2.0, (answer(1.0, "refused"),))], "clients") == {}
    assert measured([], "clients") == {}
