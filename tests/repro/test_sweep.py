from __future__ import annotations

import pytest

from slowq.errors import UsageError
from slowq.repro.scenario import Setup
from slowq.repro.sweep import MOST_POINTS, Point, _kneed, _with, parsed


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("ef=32..512", "ef", [32, 64, 128, 256, 512]),
        ("nq=1..4", "nq", [1, 2, 4]),
        (" nodes=1..2 ", "nodes", [1, 2]),
        ("ef=64..64", "ef", [64]),
    ],
)
def test_a_range_is_walked_in_equal_factors(text: str, name: str, values: list[int]) -> None:
    assert parsed(text) == (name, values)


def test_a_wide_range_has_a_bounded_number_of_points_and_both_ends() -> None:
    _, values = parsed("top_k=1..1000000")
    assert (len(values), values[0], values[-1]) == (MOST_POINTS, 1, 1_000_000)


@pytest.mark.parametrize(
    "text", ["", "ef", "ef=", "ef=1", "ef=1..", "ef=9..3", "ef=0..5", "ef=-1..5", "ef=1.5..2", "ef=a..b"]
)
def test_a_range_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected NAME=FROM\.\.TO") as caught:
        parsed(text)
    assert caught.value.hint == "ef=32..512"


def test_what_is_changed_is_a_field_a_search_param_or_the_length_of_a_list() -> None:
    setup = Setup(params={"nprobe": 8})
    assert _with(setup, "nq", 7).nq == 7
    assert _with(setup, "nprobe", 64).params == {"nprobe": 64}
    assert _with(setup, "ef", 64).params == {"nprobe": 8, "ef": 64}
    assert _with(setup, "in_list", 3).filter == "owner in [0, 1, 2]"
    with pytest.raises(UsageError, match="there is no 'colour' to change"):
        _with(setup, "colour", 3)


def _points(*pairs: tuple[float, float | None]) -> list[Point]:
    return [Point(f"ef={at}", at, p50, p50 * 2, 1 / p50, recall) for at, (p50, recall) in enumerate(pairs)]


def test_the_knee_is_where_recall_stops_being_cheap() -> None:
    found = _kneed(_points((0.001, 0.5), (0.002, 0.8), (0.003, 0.95), (0.008, 0.97), (0.020, 0.98)))
    assert [one.is_knee for one in found] == [False, False, True, False, False]


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [(0.001, 0.5), (0.002, 0.9)],
        [(0.001, None), (0.002, None), (0.003, None)],
        [(0.001, 0.9), (0.002, 0.9), (0.003, 0.9)],
    ],
    ids=["nothing", "two", "no recall", "always the same"],
)
def test_without_a_curve_there_is_no_knee(pairs: list[tuple[float, float | None]]) -> None:
    assert not any(one.is_knee for one in _kneed(_points(*pairs)))


def test_points_without_recall_do_not_hide_the_knee_of_the_others() -> None:
    found = _kneed(_points((0.001, 0.5), (0.002, None), (0.003, 0.95), (0.020, 0.98)))
    assert [one.is_knee for one in found] == [False, False, True, False]
