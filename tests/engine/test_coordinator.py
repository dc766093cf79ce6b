"""What the parts of the coordinator promise: where segments go, which load counts, what changes nothing."""

from __future__ import annotations

import gc
import io
import sqlite3
from collections import Counter, deque
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from slowq.engine import Engine, indexnode
from slowq.engine.compaction import LEVEL_ZERO, MIX
from slowq.engine.coordinator import upkeep
from slowq.engine.schema import Collection
from tests.engine import small


def nodes_of(engine: Engine, replica: int, replicas: int) -> list[int]:
    """The node of each segment, for a read on that replica."""
    collection = small.found(engine)
    segments = [one for shard in engine.coordinator.catalog.shards_of(collection) for one in shard.view.sealed]
    placement = engine.coordinator.placement
    return [placement.node_of(collection, one, replica, replicas).number for one in segments]


def flushed(engine: Engine, segments: int) -> None:
    for number in range(segments):
        small.insert(engine, {number: (0, 1)})
        engine.coordinator.upkeep.flush(small.found(engine))
    small.settled(engine)


def test_each_node_of_a_replica_has_as_many_segments_and_keeps_them(tmp_path: Path) -> None:
    with small.opened(tmp_path, nodes=4) as engine:
        small.create(engine)
        flushed(engine, 6)
        assert Counter(nodes_of(engine, 0, 2)) == {0: 3, 2: 3}
        assert Counter(nodes_of(engine, 1, 2)) == {1: 3, 3: 3}
        assert nodes_of(engine, 0, 2) == nodes_of(engine, 0, 2)


def test_where_a_restart_has_left_fewer_nodes_than_replicas_all_of_them_serve(tmp_path: Path) -> None:
    with small.opened(tmp_path, nodes=2) as engine:
        small.create(engine, load=False)
        engine.coordinator.loading.load(small.found(engine), 2)
        flushed(engine, 2)
    with small.opened(tmp_path, nodes=1) as engine:
        assert nodes_of(engine, 1, 2) == [0, 0]
        assert [small.answer(engine) for _ in range(2)] == [{0: (0, 1), 1: (0, 1)}] * 2


def test_of_two_loads_only_the_later_one_says_that_the_collection_is_there(tmp_path: Path) -> None:
    log = io.StringIO()
    with small.opened(tmp_path, log=log) as engine:
        small.create(engine, load=False)
        (shard,) = engine.coordinator.catalog.shards_of(small.found(engine))
        loading = engine.coordinator.loading
        with shard.flush_lock:  # neither can end
            loading.load(small.found(engine), 1)
            loading.release(small.found(engine))
            loading.load(small.found(engine), 1)
            assert loading.progress(small.found(engine)) == 0.0
        small.until(lambda: loading.progress(small.found(engine)) == 1.0)
    assert log.getvalue().count("load status updated") == 1


def test_a_partition_or_an_index_that_is_there_already_changes_nothing(tmp_path: Path) -> None:
    with small.opened(tmp_path) as engine:
        small.create(engine)
        engine.coordinator.catalog.create_partition(small.found(engine), "part")
        known = small.found(engine)
        engine.coordinator.catalog.create_partition(known, "part")
        engine.create_index(known, "v", "v", {"index_type": "FLAT", "metric_type": "L2"})
        assert small.found(engine) == known


def test_a_dropped_collection_is_not_back_after_a_restart_and_its_name_is_free(tmp_path: Path) -> None:
    with small.opened(tmp_path) as engine:
        small.create(engine)
        flushed(engine, 2)
        engine.coordinator.drop("default", small.NAME)
        assert engine.coordinator.catalog.collections() == []
    with small.opened(tmp_path) as engine:
        assert engine.coordinator.catalog.collections() == []
        small.create(engine)
        assert small.answer(engine) == {}


def test_a_new_segment_goes_to_the_node_that_has_the_fewest_now(tmp_path: Path) -> None:
    with small.opened(tmp_path, nodes=2) as engine:
        small.create(engine)
        flushed(engine, 4)
        assert Counter(nodes_of(engine, 0, 1)) == {0: 2, 1: 2}
        small.compacted(engine, MIX)
        assert nodes_of(engine, 0, 1) == [0]
        flushed(engine, 1)
        assert nodes_of(engine, 0, 1) == [0, 1]


def test_what_failed_to_be_indexed_is_forgotten_when_the_segment_is_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no memory for it")

    monkeypatch.setattr(indexnode, "build_vector", fail)
    with small.opened(tmp_path) as engine:
        small.create(engine)
        for first in (0, 4):
            small.insert(engine, {first + key: (0, 1) for key in range(4)})
            engine.coordinator.upkeep.flush(small.found(engine))
        small.settled(engine)
        failed = engine.coordinator.data_node.index_node.building
        assert len(failed) == 2
        small.compacted(engine, MIX)
        assert len(failed) == 1
        engine.coordinator.drop("default", small.NAME)
        assert failed == {}


def lengths(engine: Engine) -> dict[int, tuple[int, str]]:
    """By identity the length of every container of the engine, and where it is; what SQLite keeps is its own affair."""
    found: dict[int, tuple[int, str]] = {}
    seen: dict[int, object] = {}
    waiting: list[tuple[object, str]] = [(engine, "")]
    while waiting:
        one, path = waiting.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType | sqlite3.Connection):
            continue
        seen[id(one)] = one
        if isinstance(one, dict | list | set | deque):
            found[id(one)] = (len(one), path)
        waiting += [(below, f"{path}/{type(one).__name__}") for below in gc.get_referents(one)]
    return found


def test_nothing_grows_for_ever_under_upserts_deletes_flushes_and_compactions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(rounds: int) -> dict[int, tuple[int, str]]:
        for turn in range(rounds):
            small.upsert(engine, dict.fromkeys(range(8), (0, turn)))
            small.delete(engine, [turn, 1])
            engine.coordinator.upkeep.flush(small.found(engine))
            small.settled(engine)
            small.compacted(engine, LEVEL_ZERO)
            small.compacted(engine, MIX)
            small.answer(engine)
            engine.metrics_text()
        return lengths(engine)

    monkeypatch.setattr(upkeep, "_REMEMBERED", 5)
    with small.opened(tmp_path, nodes=2) as engine:
        small.create(engine, index="HNSW")
        before = work(10)
        after = work(30)
    grown = {
        path: (before[one][0], now) for one, (now, path) in after.items() if one in before and now > before[one][0] + 9
    }
    assert grown == {}


def test_a_mistake_in_one_round_does_not_end_the_care_of_collections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[str] = []

    def wrong(collection: Collection) -> None:
        rounds.append(collection.name)
        raise ValueError("nobody thought of this")

    with small.opened(tmp_path) as engine:
        small.create(engine)
        monkeypatch.setattr(engine.coordinator.upkeep, "seal", wrong)
        small.until(lambda: len(rounds) >= 2)
        assert "ValueError: nobody thought of this" in engine.failures
