from __future__ import annotations

import numpy as np
import pytest

from slowq.metrics.raw import BadSeriesError, raw

WANTED = frozenset({"up", "h_sum", "h_count", "h_bucket"})


def series(*pairs: list[object], name: str = "up", **labels: str) -> dict[str, object]:
    return {"metric": {"__name__": name, **labels}, "values": list(pairs)}


def row(read, name: str = "up") -> list[float]:
    return [float(v) for v in read.families[name].values[0]]


def test_samples_lie_on_the_grid_and_gaps_are_unknown() -> None:
    read = raw([series([10, "1"], [14.01, "3"])], 10, 16, 2, WANTED)
    assert list(read.times) == [10, 12, 14, 16]
    np.testing.assert_equal(row(read), [1, np.nan, 3, np.nan])


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
def test_what_is_no_number_is_no_sample(value: str) -> None:
    np.testing.assert_equal(row(raw([series([10, value], [12, "2"])], 10, 12, 2, WANTED)), [np.nan, 2])


def test_samples_outside_the_range_are_left_out() -> None:
    np.testing.assert_equal(row(raw([series([4, "9"], [10, "1"], [40, "9"])], 10, 12, 2, WANTED)), [1, np.nan])


def test_a_metric_that_nobody_asked_for_is_left_out() -> None:
    assert raw([series([10, "1"], name="node_load1")], 10, 12, 2, WANTED).families == {}


def test_a_native_histogram_is_read_as_a_classic_one() -> None:
    value = {"count": "5", "sum": "7.5", "buckets": [[0, "0.5", "1", "2"], [0, "1", "2", "3"]]}
    read = raw([{"metric": {"__name__": "h"}, "histograms": [[10, value]]}], 10, 12, 2, WANTED)
    assert (row(read, "h_sum")[0], row(read, "h_count")[0]) == (7.5, 5)
    buckets = read.families["h_bucket"]
    assert [(one["le"], v[0]) for one, v in zip(buckets.labels, buckets.values, strict=True)] == [
        ("1.0", 2),
        ("2.0", 5),
        ("+Inf", 5),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        {},
        {"metric": {}, "values": []},
        {"metric": {"__name__": 3}, "values": []},
        series([10]),
        series([10, "x"]),
        series("ab"),
        {"metric": {"__name__": "h"}, "histograms": [[10, {}]]},
    ],
)
def test_what_is_no_series_is_refused_with_its_number(bad: object) -> None:
    with pytest.raises(BadSeriesError, match=r"^series 2: "):
        raw([series([10, "1"]), bad], 10, 12, 2, WANTED)


@pytest.mark.parametrize(
    ("start", "end", "step"), [(10, 5, 1), (0, 10, 0), (0, 10, -1), (0, float("nan"), 1), (0, 1e12, 0.001)]
)
def test_a_range_that_is_none_is_refused(start: float, end: float, step: float) -> None:
    with pytest.raises(BadSeriesError):
        raw([], start, end, step, WANTED)


def said_again(every: int, number: int = 60) -> dict[str, object]:
    """A counter that rises by 3 in each scrape, as a range query with a finer step tells it."""
    return {"metric": {"__name__": "a"}, "values": [[5.0 * at, str(at // every * 3)] for at in range(number + 1)]}


def test_the_grid_is_as_coarse_as_the_scrapes() -> None:
    found = raw([said_again(3)], 0.0, 300.0, 5.0, frozenset(("a",))).as_scraped()
    assert (found.step_s, found.times[0], found.times[-1], len(found.times)) == (15.0, 0.0, 300.0, 21)
    assert np.diff(found.families["a"].values[0]).tolist() == [3.0] * 20


@pytest.mark.parametrize(
    "one", [said_again(1), said_again(3, 12), said_again(30), {**said_again(1), "values": [[0.0, "1"], [300.0, "1"]]}]
)
def test_a_grid_on_which_each_step_was_measured_or_hardly_any_stays(one: dict[str, object]) -> None:
    found = raw([one], 0.0, 300.0, 5.0, frozenset(("a",)))
    assert found.as_scraped() is found
