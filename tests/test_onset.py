from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowq import onset
from slowq.onset import Onset, change_point
from tests.builders import BEGIN, Row, case, event, many, measured, search

BEGAN = BEGIN.timestamp()
NOISE = np.random.default_rng(7).normal(0, 0.1, 200)


def test_a_step_is_found_where_it_is() -> None:
    at, chance = change_point(np.where(np.arange(60) < 40, 1.0, 3.0) + NOISE[:60])
    assert at == 40
    assert chance < 1e-6


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_hardly_ever_a_change(seed: int) -> None:
    assert change_point(np.random.default_rng(seed).normal(size=80))[1] > 0.01


def test_few_values_and_equal_ones_are_no_change() -> None:
    assert change_point(np.array([1.0, 1, 1, 9, 9, 9]))[1] == 1.0
    assert change_point(np.ones(50))[1] == 1.0


@given(st.lists(st.integers(-1000, 1000), max_size=60), st.sampled_from([0.25, 2.0, 64.0]))
def test_a_change_point_does_not_depend_on_the_scale(values: list[int], by: float) -> None:
    assert change_point(np.array(values) * by) == change_point(np.array(values, dtype="float64"))


def test_the_latency_tells_since_when() -> None:
    found = onset.of(case(metrics=measured({"search_latency": 2.0}, {"search_latency": 0.02})))
    assert found is not None
    assert (found.source, found.before_s, found.after_s) == ("metrics", pytest.approx(0.02), pytest.approx(2.0))
    assert found.at_s - BEGAN == pytest.approx(0.0)
    assert found.since_s - BEGAN == pytest.approx(-60.0)


@pytest.mark.parametrize(
    "latency",
    [(0.05, 0.02), (2.0, 1.9), (5.0, 2.0)],
    ids=["fast after as well", "hardly slower", "slow before as well"],
)
def test_where_nothing_became_slow_it_began_at_no_time_that_is_known(latency: tuple[float, float]) -> None:
    after, before = latency
    assert onset.of(case(metrics=measured({"search_latency": after}, {"search_latency": before}))) is None


SLOW = many(40, search(66, took=6), every=1)  # from 60 on


def log(*beside: Row) -> Onset | None:
    return onset.of(case(SLOW, beside=[event("gc_slow", 0), *beside]))


def test_a_log_that_was_quiet_first_tells_it_too() -> None:
    found = log()
    assert found is not None
    assert found.source == "log"
    assert found.at_s - BEGAN == pytest.approx(60, abs=found.step_s)
    assert found.by_s - BEGAN == 66
    assert np.isnan([found.before_s, found.after_s]).all()


def test_one_slow_request_long_before_is_not_the_beginning() -> None:
    found = onset.of(case(search(20, took=6), SLOW, beside=[event("gc_slow", 0)]))
    assert found is not None
    assert found.at_s - BEGAN == pytest.approx(60, abs=found.step_s)


def test_a_log_of_slow_requests_alone_does_not_tell_when_it_began() -> None:
    assert onset.of(case(SLOW)) is None
    assert onset.of(case(SLOW, beside=[event("gc_slow", 60)])) is None


KNOWN = Onset("log", at_s=1000.0, by_s=1006.0, step_s=1.0, since_s=0.0)


def test_what_begins_while_the_first_slow_requests_run_may_have_made_them_slow() -> None:
    assert not KNOWN.is_before(np.array([1004.0]))
    assert KNOWN.is_before(np.array([1010.0, 1050.0]))
    assert not KNOWN.is_before(np.array([400.0, 1010.0]))
    assert not KNOWN.is_before(np.array([]))
    assert not KNOWN.is_before(np.array([np.nan]))


@pytest.mark.parametrize(
    ("starts", "follows"),
    [
        ([995.0], True),
        ([1004.0], True),
        ([400.0], False),
        ([950.0], True),
        ([850.0], False),
        (list(range(0, 1000, 10)), False),  # what begins every ten seconds begins shortly before anything
        ([1050.0], False),
        ([], False),
    ],
)
def test_only_what_seldom_begins_is_followed_by_more_than_chance(starts: list[float], follows: bool) -> None:
    assert KNOWN.follows(np.array(starts, dtype="float64")) is follows
