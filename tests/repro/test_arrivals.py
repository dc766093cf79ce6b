from __future__ import annotations

import pytest

from slowq.repro.arrivals import replay
from slowq.repro.scenario import Other, Setup


def setup(own: tuple[float, ...], *others: tuple[float, ...]) -> Setup:
    made = tuple(Other(f"p{number}", 0.1, arrivals=one) for number, one in enumerate(others))
    return Setup(arrivals=own, others=made)


def test_arrivals_keep_their_order_pattern_and_distances_at_another_pace() -> None:
    made = replay(setup((100.0, 104.0), (101.0,), (106.0,)), per_s=5.0, seconds=0.8)
    assert [which for _, which in made.due] == [0, 1, 0, 2]
    assert [at for at, _ in made.due] == pytest.approx([0.0, 0.1, 0.4, 0.6])
    assert made.pace == pytest.approx(10.0)  # 4 requests in 8 s, the last one's gap taken for the mean; now 5 a second


def test_a_record_that_is_too_short_for_a_round_is_repeated() -> None:
    made = replay(setup((0.0, 1.0)), per_s=1.0, seconds=5.0)
    assert [at for at, _ in made.due] == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0])


def test_of_a_long_record_a_usual_stretch_is_replayed_and_not_the_burst() -> None:
    burst = tuple(at / 1000 for at in range(50))
    steady = tuple(1.0 + at for at in range(50))
    made = replay(setup((*burst, *steady)), per_s=2.0, seconds=8.0)
    assert made.pace == pytest.approx(1.0, rel=0.02)
    assert len(made.due) == pytest.approx(16, abs=8)
    long = replay(setup(tuple(float(at) for at in range(1000))), per_s=10.0, seconds=2.0)
    assert [at for at, _ in long.due] == pytest.approx([number / 10 for number in range(20)])


def test_the_stretch_holds_the_rare_pattern_too() -> None:
    often = tuple(float(at) for at in range(1000))
    made = replay(setup(often, (700.5, 701.5)), per_s=10.0, seconds=50.0)
    assert [which for _, which in made.due].count(1) == 1


def test_a_burst_stays_a_burst() -> None:
    made = replay(setup((0.0, 0.0, 0.0, 9.0)), per_s=4.0, seconds=1.0)
    assert [at for at, _ in made.due][:3] == [0.0, 0.0, 0.0]
    assert made.due[3][0] > 0.5


def test_a_single_arrival_comes_as_often_as_asked() -> None:
    made = replay(setup((7.0,)), per_s=3.0, seconds=1.0)
    assert [at for at, _ in made.due] == pytest.approx([0.0, 1 / 3, 2 / 3])
