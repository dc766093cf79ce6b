from __future__ import annotations

import numpy as np
import pytest

from slowq.measures import rank_correlation, ranks


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    assert ranks(np.array([5.0, 1.0, 5.0, 9.0])).tolist() == [2.5, 1.0, 2.5, 4.0]
    assert ranks(np.array([])).tolist() == []


@pytest.mark.parametrize(
    ("one", "other", "is_"),
    [
        ([1, 2, 3, 4], [1, 10, 100, 1000], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], 0.8),  # 1 - 6 Σd² / (n (n² - 1)) = 1 - 6 · 4 / 120
        ([1, np.nan, 2, 3], [1, 9, 2, 3], 1.0),
    ],
)
def test_ranks_correlate_whatever_the_scale(one: list[float], other: list[float], is_: float) -> None:
    assert rank_correlation(np.array(one, dtype="float64"), np.array(other, dtype="float64")) == pytest.approx(is_)


def test_what_does_not_change_correlates_with_nothing() -> None:
    assert np.isnan(rank_correlation(np.ones(5), np.arange(5.0)))
    assert np.isnan(rank_correlation(np.full(5, np.nan), np.arange(5.0)))
