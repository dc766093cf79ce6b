"""Growing segments, deletes, and the lookup by primary key."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slowq.engine.segment import KeyLookup, Segment, growing, grown, row_count
from tests.engine import small


def batch(number: int, keys: list[int], stamp: int = 1, partition: str = "p") -> Segment:
    return growing(number, partition, 0, "id", small.rows([(key, (0, number)) for key in keys]).stamped(stamp))


def stamps(*values: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.array(values, np.uint64)


@given(keys=st.lists(st.integers(0, 9)), wanted=st.lists(st.integers(0, 9)))
def test_a_lookup_finds_every_row_of_each_wanted_key(keys: list[int], wanted: list[int]) -> None:
    offsets, places = KeyLookup(np.array(keys, np.int64)).find(np.array(wanted, np.int64))
    want = [(at, place) for place, key in enumerate(wanted) for at, one in enumerate(keys) if one == key]
    assert list(zip(offsets.tolist(), places.tolist(), strict=True)) == want


@given(sizes=st.lists(st.integers(1, 40), max_size=60))
def test_growing_segments_are_few_and_hold_all_rows_in_order(sizes: list[int]) -> None:
    segments: tuple[Segment, ...] = ()
    for number, size in enumerate(sizes):
        segments = grown(segments, batch(number, [number * 100 + one for one in range(size)]))
    keys = [key for one in segments for key in one.rows.keys.tolist()]
    assert keys == [number * 100 + one for number, size in enumerate(sizes) for one in range(size)]
    lengths = [len(one) for one in segments]
    assert all(first > second for first, second in itertools.pairwise(lengths))


def test_growing_segments_of_two_partitions_stay_apart() -> None:
    segments = grown((batch(1, [1]),), batch(2, [2], partition="q"))
    assert [(one.partition, len(one)) for one in grown(segments, batch(3, [3]))] == [("q", 1), ("p", 2)]


def test_deleted_rows_fall_away_when_growing_segments_are_merged() -> None:
    first = batch(1, [1, 2])
    first.delete(np.array([1]), stamps(5))
    (merged,) = grown((first,), batch(2, [3, 4]))
    assert merged.rows.keys.tolist() == [2, 3, 4]


def test_a_delete_takes_only_older_rows_and_counts_those_that_were_alive() -> None:
    one = batch(1, [1, 2, 3, 1], stamp=7)
    assert one.delete(np.array([1, 2]), stamps(8, 7)) == 2
    assert one.delete(np.array([1, 9]), stamps(9, 9)) == 0
    assert row_count([one]) == 2
    assert one.survivors().keys.tolist() == [2, 3]


def test_a_frozen_segment_does_not_see_later_deletes() -> None:
    one = batch(1, [1, 2])
    still = one.frozen()
    one.delete(np.array([1]), stamps(5))
    assert (still.alive, row_count([still]), row_count([one])) == (None, 2, 1)
