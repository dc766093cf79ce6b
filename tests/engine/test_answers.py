"""From what segments found to what a client gets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slowq.engine.answers import gathered
from slowq.engine.segment import Segment, growing
from tests.engine import small


def segment(number: int, keys: list[int], stamp: int) -> Segment:
    return growing(number, "p", 0, "id", small.rows([(key, (0, number)) for key in keys]).stamped(stamp))


def rows(segments: list[Segment]) -> list[tuple[int, int, int]]:
    """Key, place and offset of all rows of the segments, as a query answers that asks for all."""
    half = len(segments) // 2
    every = [(place, np.arange(len(one))) for place, one in enumerate(segments)]
    places, offsets = gathered(segments, [every[half:], every[:half]])
    keys = [int(segments[place].rows.keys[at]) for place, at in zip(places, offsets, strict=True)]
    return list(zip(keys, places.tolist(), offsets.tolist(), strict=True))


def test_rows_come_in_the_order_of_their_keys_from_whichever_segment() -> None:
    assert rows([segment(0, [1, 2], 1), segment(1, [3, 4], 1)]) == [(1, 0, 0), (2, 0, 1), (3, 1, 0), (4, 1, 1)]
    assert rows([segment(0, [9, 2], 1), segment(1, [4, 1], 1)]) == [(1, 1, 1), (2, 0, 1), (4, 1, 0), (9, 0, 0)]
    assert rows([]) == []


@given(batches=st.lists(st.tuples(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 3)), max_size=5))
def test_of_several_rows_with_one_key_the_newest_is_given(batches: list[tuple[list[int], int]]) -> None:
    newest: dict[int, tuple[int, int, int]] = {}
    for place, (keys, stamp) in enumerate(batches):
        for at, key in enumerate(keys):
            newest[key] = max(newest.get(key, (0, 0, 0)), (stamp, place, -at))
    expected = [(key, place, -at) for key, (_, place, at) in sorted(newest.items())]
    assert rows([segment(place, keys, stamp) for place, (keys, stamp) in enumerate(batches)]) == expected
