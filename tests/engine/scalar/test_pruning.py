"""Segments that a filter rules out by the range of a key."""

import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slowq.engine import scalar
from slowq.engine.scalar import ScalarField
from slowq.filters.write import write
from tests.engine.scalar.segments import FIELDS, accepted, columns
from tests.filters.rows import row

FLOAT = ScalarField("f", "FLOAT")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_a_segment_with_a_passing_row_is_never_ruled_out(seed: int) -> None:
    rng = random.Random(seed)
    rows = [row(rng, at) for at in range(rng.choice([1, 2, 3]))]
    segment = columns(rows)
    for tree in accepted(rng, 10):
        asked = scalar.compile(write(tree), FIELDS, dynamic=True)
        if not scalar.evaluate(asked, segment, len(rows))[0].any():
            continue
        for key in ("id", "small", "big", "price", "name", "flag"):
            bounds = scalar.min_max(segment[key])
            if bounds is not None:
                assert scalar.may_match(asked, key, *bounds), (asked.text, key)
                assert scalar.may_match(asked, key, set(segment[key].drop_null().to_pylist())), (asked.text, key)


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("id == 15", True),
        ("id == 9", False),
        ("id in [1, 2, 30]", False),
        ("id in [1, 20]", True),
        ("id > 20", False),
        ("id >= 20 and small == 1", True),
        ("5 < id < 10", False),
        ("id < 10 or small == 1", True),
        ("id < 10 or id > 20", False),
        ("not (id >= 10)", False),
        ("not (id > 10)", True),
        ("id not in [15]", True),
        ("small == 1", True),
        ("small == 1 and id == 9", False),
        ("id % 5 == 9", True),
    ],
)
def test_what_a_range_of_keys_rules_out(text: str, may: bool) -> None:
    assert scalar.may_match(scalar.compile(text, FIELDS, dynamic=False), "id", 10, 20) is may


@pytest.mark.parametrize(
    ("key", "text", "ranges", "may", "all_"),
    [
        (
            "id",
            "id >= 5 and id < 20",
            [(0, 4), (0, 5), (19, 30), (20, 30), (6, 19)],
            [False, True, True, False, True],
            [False] * 4 + [True],
        ),
        (
            "id",
            "id in [3, 25]",
            [(0, 4), (4, 5), (19, 30), (26, 30), (3, 3)],
            [True, False, True, False, True],
            [False] * 4 + [True],
        ),
        ("id", "not (id == 4)", [(4, 4), (4, 5), (5, 6)], [False, True, True], [False, False, True]),
        ("id", "small == 1", [(4, 4), (4, 5)], [True, True], [False, False]),
        ("name", 'name > "m" or id == 1', [("a", "b"), ("x", "z")], [True, True], [False, True]),
        ("name", 'name > "m"', [("a", "b"), ("a", "x")], [False, True], [False, False]),
        ("id", 'id > 3 and name == "x"', [], [], []),
    ],
)
def test_the_ranges_of_many_segments_are_judged_at_once(
    key: str, text: str, ranges: list[tuple[object, object]], may: list[bool], all_: list[bool]
) -> None:
    asked = scalar.compile(text, FIELDS, dynamic=False)
    assert [one.tolist() for one in scalar.match_each(asked, key, scalar.Ranges.of(ranges))] == [may, all_]
    assert [scalar.may_match(asked, key, *ends) for ends in ranges] == may


def test_one_key_rules_out_what_is_not_it() -> None:
    for text in ("id != 7", "id not in [7, 8]", "not (id == 7)", "id in [8, 6]"):
        asked = scalar.compile(text, FIELDS, dynamic=False)
        assert not scalar.may_match(asked, "id", 7, 7)
        assert not scalar.may_match(asked, "id", {7})


def test_a_float_key_is_compared_as_the_float_that_it_is() -> None:
    asked = scalar.compile("f == 0.1", {"f": FLOAT}, dynamic=False)
    low, high = scalar.min_max(pa.array([0.1], pa.float32())) or (None, None)
    assert scalar.may_match(asked, "f", low, high)


def test_nan_keys_are_in_no_range_and_yet_not_ruled_out() -> None:
    column = pa.array([1.0, float("nan")], pa.float32())
    asked = scalar.compile("f != 1.0", {"f": FLOAT}, dynamic=False)
    assert scalar.min_max(column) == (1.0, 1.0)
    assert scalar.evaluate(asked, {"f": column}, 2)[0].tolist() == [False, True]
    assert scalar.may_match(asked, "f", 1.0, 1.0)


@pytest.mark.parametrize("column", [pa.array([], pa.int64()), pa.nulls(3, pa.int64()), pa.array([float("nan")])])
def test_a_column_without_values_has_no_bounds(column: pa.Array) -> None:
    assert scalar.min_max(column) is None


def test_bounds_of_strings_are_those_of_their_bytes() -> None:
    assert scalar.min_max(pa.array(["é", "z", "a", None])) == ("a", "é")
