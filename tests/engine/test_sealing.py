"""When growing segments are sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowq.engine.clock import hybrid
from slowq.engine.config import Config, configure
from slowq.engine.sealing import due
from slowq.engine.segment import Segment, growing
from tests.engine import small

NOW_S = 1_764_000_000.0
ROW_BYTES = 40  # two int64, four float32 and the timestamp
ROWS_OF_A_MIB = (1 << 20) // ROW_BYTES + 1


def config(**more: object) -> Config:
    return configure({"dataCoord.segment.maxSize": 100, "dataCoord.segment.minSizeFromIdleToSealed": 1, **more})[0]


def piece(rows: int, age_s: float, partition: str = "p") -> Segment:
    written = small.rows([(key, (0, 1)) for key in range(rows)]).stamped(hybrid(NOW_S - age_s))
    return growing(1, partition, 0, "id", written)


def test_the_pieces_of_a_partition_count_together_and_those_of_others_do_not() -> None:
    small_segments = config(**{"dataCoord.segment.maxSize": 10})  # sealed at 1.2 MiB
    half = piece(ROWS_OF_A_MIB * 6 // 10 + 1, 0)
    assert not due([half], small_segments, NOW_S)
    assert due([half, half], small_segments, NOW_S)
    assert not due([half, piece(len(half), 0, "q")], small_segments, NOW_S)


@pytest.mark.parametrize(
    ("age_s", "rows", "sealed"),
    [(601, ROWS_OF_A_MIB, True), (600, ROWS_OF_A_MIB, False), (601, ROWS_OF_A_MIB - 2, False)],
)
def test_a_segment_that_nobody_writes_to_is_sealed_if_it_is_worth_it(age_s: float, rows: int, sealed: bool) -> None:
    assert due([piece(rows, age_s)], config(), NOW_S) is sealed


def test_a_new_row_begins_the_idle_time_anew() -> None:
    assert not due([piece(ROWS_OF_A_MIB, 700), piece(1, 10)], config(), NOW_S)


def test_a_segment_is_sealed_at_the_end_of_its_life_however_small() -> None:
    assert not due([piece(1, 86_399), piece(1, 0)], config(), NOW_S)
    assert due([piece(1, 86_400), piece(1, 0)], config(), NOW_S)


def test_rows_that_were_all_deleted_have_no_age() -> None:
    assert not due([piece(0, 0)], config(), NOW_S)
    assert not due([], config(), NOW_S)


def test_idle_rows_of_an_engine_are_sealed_indexed_and_still_there_after_a_restart(tmp_path: Path) -> None:
    ahead_s = [0.0]
    idle = small.config(**{"dataCoord.segment.maxIdleTime": 30, "dataCoord.segment.minSizeFromIdleToSealed": 0})
    with small.opened(tmp_path, idle, now_s=lambda: NOW_S + ahead_s[0]) as engine:
        small.create(engine)
        rows = {key: (key % 3, 1) for key in range(10)}
        small.insert(engine, rows)
        (shard,) = engine.coordinator.catalog.shards_of(small.found(engine))
        assert [len(one) for one in shard.view.growing] == [10]
        ahead_s[0] = 31.0
        small.until(lambda: [len(one) for one in shard.view.sealed] == [10])
        assert [one.state for one in shard.view.segments] == ["sealed"]
        assert shard.view.sealed[0].vector_indexes["v"].kind == "FLAT"
        assert small.answer(engine) == rows
    with small.opened(tmp_path, idle, now_s=lambda: NOW_S + 31) as engine:
        assert small.answer(engine) == rows
