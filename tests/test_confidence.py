import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowq.confidence import HIGHEST, confidence, probability

share = st.floats(0, 1)
signs = st.lists(st.tuples(st.booleans(), share), max_size=8)


def test_without_signs_it_is_what_the_main_sign_is_worth() -> None:
    assert confidence(0.4) == 0.4


@pytest.mark.parametrize(("base", "weight", "expected"), [(0.4, 0.5, 0.7), (0.0, 0.3, 0.3), (0.4, 0.0, 0.4)])
def test_a_sign_takes_away_a_part_of_the_doubt(base: float, weight: float, expected: float) -> None:
    assert confidence(base, signs=[(True, weight)]) == expected


def test_a_sign_against_takes_away_a_part_of_the_belief() -> None:
    assert confidence(0.6, against=[(True, 0.5)]) == 0.3


def test_a_sign_that_is_not_there_changes_nothing() -> None:
    assert confidence(0.4, signs=[(False, 0.9)], against=[(False, 0.9)]) == 0.4


def test_no_number_of_signs_makes_a_certainty() -> None:
    assert confidence(0.9, signs=[(True, 0.9)] * 9) == HIGHEST


@given(share, signs, signs)
def test_it_is_a_share_whatever_the_signs(base: float, towards: list, against: list) -> None:
    assert 0 <= confidence(base, signs=towards, against=against) <= HIGHEST


@given(share, signs, share)
def test_one_more_sign_never_lowers_it_and_one_against_never_raises_it(
    base: float, towards: list, weight: float
) -> None:
    before = confidence(base, signs=towards)
    assert confidence(base, signs=[*towards, (True, weight)]) >= before
    assert confidence(base, signs=towards, against=[(True, weight)]) <= before


@given(share, signs)
def test_the_order_of_signs_does_not_matter(base: float, towards: list) -> None:
    assert confidence(base, signs=towards) == pytest.approx(confidence(base, signs=towards[::-1]), abs=0.0101)


@given(share, share)
def test_a_higher_score_is_never_worth_less(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= probability(low) <= probability(high) <= HIGHEST
