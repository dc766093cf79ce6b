"""Which segments are merged, and where clustering cuts. Pure functions: what stands in the store goes in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from slowq.engine.compaction import CLUSTERING, MIX, clustering_plans, cut_by_key, mix_plans, seal_bytes
from slowq.engine.config import Config, configure
from slowq.engine.meta import StoredSegment

MIB = 1 << 20


def config(**more: object) -> Config:
    return configure({"dataCoord.segment.maxSize": 100, **more})[0]


def segment(number: int, mib: float, **more: object) -> StoredSegment:
    one = {"collection": 1, "partition": "_default", "shard": 0, "rows": 100, "nbytes": int(mib * MIB), **more}
    return StoredSegment(number, **one)  # type: ignore[arg-type]


def inputs(plans: list) -> list[tuple[str, list[int]]]:  # type: ignore[type-arg]
    return [(one.kind, sorted(each.id for each in one.inputs)) for one in plans]


def test_small_segments_wait_until_they_fill_one() -> None:
    assert mix_plans([segment(1, 40), segment(2, 40)], config()) == []
    assert inputs(mix_plans([segment(1, 40), segment(2, 40), segment(3, 10)], config())) == [(MIX, [1, 2, 3])]


def test_asked_by_hand_small_segments_are_merged_at_once() -> None:
    assert inputs(mix_plans([segment(1, 1), segment(2, 1)], config(), forced=True)) == [(MIX, [1, 2])]
    assert mix_plans([segment(1, 1)], config(), forced=True) == []


def test_a_segment_of_half_the_full_size_is_not_small() -> None:
    assert mix_plans([segment(1, 50), segment(2, 1)], config(), forced=True) == []


def test_segments_of_other_shards_partitions_and_levels_stay_apart() -> None:
    apart = [segment(1, 1), segment(2, 1, shard=1), segment(3, 1, partition="p"), segment(4, 1, level="L2")]
    assert mix_plans(apart, config(), forced=True) == []


def test_three_small_segments_are_merged_however_small() -> None:
    three = [segment(number, 1) for number in (1, 2, 3)]
    assert inputs(mix_plans(three, config())) == [(MIX, [1, 2, 3])]
    assert mix_plans(three, config(**{"dataCoord.compaction.min.segment": 4})) == []
    seven = [segment(number, 1) for number in range(7)]
    plans = mix_plans(seven, config(**{"dataCoord.compaction.max.segment": 4}))
    assert inputs(plans) == [(MIX, [0, 1, 2, 3]), (MIX, [4, 5, 6])]


def test_a_segment_with_many_deleted_rows_is_written_anew_alone_or_with_what_it_has_room_for() -> None:
    many = [segment(1, 90, deleted=21), segment(2, 90, deleted=20), segment(3, 40)]
    assert inputs(mix_plans(many, config())) == [(MIX, [1])]
    few = [segment(1, 30, deleted=21), segment(2, 20, deleted=90), segment(3, 5), segment(4, 60)]
    assert inputs(mix_plans(few, config())) == [(MIX, [1, 2, 3])]


def test_no_merge_is_larger_than_the_full_size_and_its_expansion() -> None:
    plans = mix_plans([segment(number, 49) for number in range(6)], config())
    assert inputs(plans) == [(MIX, [0, 1]), (MIX, [2, 3]), (MIX, [4, 5])]


def test_clustering_takes_a_whole_partition_when_enough_of_it_is_new() -> None:
    segments = [segment(1, 600), segment(2, 100, level="L2"), segment(3, 100, partition="p")]
    assert inputs(clustering_plans(segments, config())) == [(CLUSTERING, [1, 2])]
    assert inputs(clustering_plans(segments, config(), forced=True)) == [(CLUSTERING, [1, 2]), (CLUSTERING, [3])]
    off = config(**{"dataCoord.compaction.clustering.enable": False})
    assert clustering_plans(segments, off, forced=True) == []


def test_a_growing_segment_is_sealed_at_its_share_of_the_full_size() -> None:
    assert seal_bytes(config()) == 12 * MIB


@given(keys=st.lists(st.none() | st.integers(-5, 5), max_size=60), rows=st.integers(1, 20))
def test_cuts_hold_each_row_once_in_the_order_of_the_key_and_no_key_in_two(keys: list[int | None], rows: int) -> None:
    one_row = 80 * MIB / rows  # 0.8 of the full size of 100 MiB
    cuts = cut_by_key(pa.array(keys, pa.int64()), one_row, config())
    order = [keys[at] for cut in cuts for at in cut]
    assert sorted(at for cut in cuts for at in cut) == list(range(len(keys)))
    assert order == sorted(keys, key=lambda key: (key is not None, key or 0))
    sets = [{keys[at] for at in cut} for cut in cuts]
    assert sum(map(len, sets)) == len(set(keys))
    assert all(len(cut) <= rows or len(here) == 1 for cut, here in zip(cuts, sets, strict=True))


def test_a_cut_keeps_rows_of_one_key_in_their_order() -> None:
    cuts = cut_by_key(pa.array(["b", "a", None, "b", "a"]), 1.0, config())
    assert [cut.tolist() for cut in cuts] == [[2, 1, 4, 0, 3]]
    assert cuts[0].dtype == np.int64
