from __future__ import annotations

import random

import pytest

from bench.accuracy.ask import Answer
from bench.accuracy.calibrate import PLACE, Stated, diagnoses, fit, loss, written
from tests.accuracy.builders import LARGE_NQ, UNDETERMINED, case


def test_few_cases_move_the_curve_little_and_many_move_it_to_where_they_are() -> None:
    few = [Stated(0.6, True, 1.0)] * 3
    many = [Stated(0.6, k % 10 != 0, 1.0) for k in range(1000)]
    slope, intercept = fit(few)
    assert (slope, intercept) == pytest.approx((1.0, 0.0), abs=1.5)
    slope, intercept = fit(many)
    assert _worth(0.6, slope, intercept) == pytest.approx(0.9, abs=0.01)


def test_scores_that_are_probabilities_already_stay_as_they_are() -> None:
    dice = random.Random(1)
    stated = [Stated(score, dice.random() < score, 1.0) for score in (dice.uniform(0.5, 0.95) for _ in range(5000))]
    slope, intercept = fit(stated)
    assert (slope, intercept) == pytest.approx((1.0, 0.0), abs=0.15)


def test_the_fit_is_never_worse_than_leaving_the_scores_alone() -> None:
    stated = [Stated(0.9, k % 2 == 0, 1.0) for k in range(40)]
    assert loss(stated, *fit(stated)) < loss(stated, 1.0, 0.0)


def test_scores_that_say_the_opposite_are_not_turned_around() -> None:
    stated = [Stated(0.95, False, 1.0), Stated(0.5, True, 1.0)] * 50
    assert fit(stated)[0] == 0.0


def test_a_case_counts_once_however_often_it_was_asked() -> None:
    found = ({"confidence": 0.78, "score": 0.7},)
    answers = [
        Answer(case("a"), "everything", LARGE_NQ, found, 0.1),
        Answer(case("a"), "logs", LARGE_NQ, found, 0.1),
        Answer(case("b"), "everything", LARGE_NQ, found, 0.1),
        Answer(case("b"), "logs", UNDETERMINED, (), 0.1),
    ]
    assert diagnoses(answers) == [Stated(0.7, True, 0.5), Stated(0.7, True, 0.5), Stated(0.7, True, 1.0)]


def test_the_parameters_are_written_in_their_place() -> None:
    source = written(PLACE.read_text(encoding="utf-8"), 1.25, -0.5)
    assert "\nSLOPE = 1.25\nINTERCEPT = -0.50\n" in source


def test_a_module_without_the_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="sets SLOPE 0 times"):
        written("HIGHEST = 0.95\n", 1.0, 0.0)


def _worth(score: float, slope: float, intercept: float) -> float:
    from math import exp, log

    odds = exp(intercept + slope * log(score / (1 - score)))
    return odds / (1 + odds)
