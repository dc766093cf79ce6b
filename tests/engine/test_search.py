"""Merging what segments found, and grouping it."""

from __future__ import annotations

import numpy as np

from slowq.engine.search import Found, grouped, merge


def found(place: int, *rows: list[tuple[float, int]]) -> Found:
    """Hits of each query as (score, key), in the order of their offsets; a key of -1 is an empty place."""
    scores = np.array([[score for score, _ in row] for row in rows], np.float32)
    keys = np.array([[key for _, key in row] for row in rows], np.int64)
    offsets = np.where(keys < 0, -1, np.arange(keys.shape[1]))
    return Found(scores, keys, np.where(keys < 0, -1, place), offsets)


def hits(one: Found) -> list[list[tuple[float, int, int]]]:
    return [
        [(float(score), int(key), int(place)) for score, key, place, at in zip(*row, strict=True) if at >= 0]
        for row in zip(one.scores, one.keys, one.places, one.offsets, strict=True)
    ]


def test_the_best_of_all_parts_come_first_whichever_way_is_better() -> None:
    parts = [found(0, [(1.0, 1), (4.0, 2)]), found(1, [(2.0, 3), (3.0, 4)])]
    assert hits(merge(parts, 3, larger_is_better=False)) == [[(1.0, 1, 0), (2.0, 3, 1), (3.0, 4, 1)]]
    assert hits(merge(parts, 2, larger_is_better=True)) == [[(4.0, 2, 0), (3.0, 4, 1)]]


def test_a_key_counts_once_with_its_best_score() -> None:
    parts = [found(0, [(3.0, 1), (4.0, 2)]), found(1, [(1.0, 1), (5.0, 3)])]
    assert hits(merge(parts, 3, larger_is_better=False)) == [[(1.0, 1, 1), (4.0, 2, 0), (5.0, 3, 1)]]


def test_empty_places_come_last_and_are_no_duplicates_of_each_other() -> None:
    parts = [found(0, [(0.0, -1), (0.0, -1)], [(1.0, 5), (0.0, -1)]), found(1, [(9.0, 7)], [(2.0, 6)])]
    assert hits(merge(parts, 3, larger_is_better=False)) == [[(9.0, 7, 1)], [(1.0, 5, 0), (2.0, 6, 1)]]


def test_equal_scores_keep_the_order_of_the_parts() -> None:
    parts = [found(0, [(1.0, 9)]), found(1, [(1.0, 2)])]
    assert hits(merge(parts, 2, larger_is_better=True)) == [[(1.0, 9, 0), (1.0, 2, 1)]]


def test_groups_are_the_best_k_with_so_many_hits_of_each() -> None:
    one = found(0, [(1.0, 1), (2.0, 2), (3.0, 3), (4.0, 4), (5.0, 5), (6.0, 6)])
    values = np.array([["a", "a", "a", "b", None, "b"]], object)
    assert [key for _, key, _ in hits(grouped(one, values, 2, 2))[0]] == [1, 2, 4, 6]
    assert [key for _, key, _ in hits(grouped(one, values, 3, 1))[0]] == [1, 4, 5]
