from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.accuracy.intervals import bootstrap, wilson


@pytest.mark.parametrize(
    ("right", "n", "expected"),
    [  # Newcombe 1998 (Statistics in Medicine 17), table I, method 3
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (29, 29, (0.8830, 1.0)),
    ],
)
def test_wilson_gives_the_published_intervals(right: int, n: int, expected: tuple[float, float]) -> None:
    assert wilson(right, n) == pytest.approx(expected, abs=5e-5)


def test_no_case_at_all_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_share_lies_within_its_interval(counted: tuple[int, int]) -> None:
    right, n = counted
    low, high = wilson(right, n)
    assert 0 <= low <= right / n <= high <= 1


def test_the_bootstrap_of_a_mean_is_about_as_wide_as_the_normal_interval() -> None:
    cases = [0.0] * 50 + [1.0] * 50
    found = bootstrap(cases, lambda some: sum(some) / len(some))
    assert found is not None
    assert found == pytest.approx((0.402, 0.598), abs=0.02)


def test_the_bootstrap_gives_the_same_answer_twice() -> None:
    assert bootstrap([0.0, 1.0, 1.0], sum) == bootstrap([0.0, 1.0, 1.0], sum)


def test_samples_in_which_the_figure_has_no_value_are_left_out() -> None:
    assert bootstrap([1.0, 2.0], lambda some: None) is None
    assert bootstrap([], sum) is None
