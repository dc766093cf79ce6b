"""What a read may miss, by its consistency level, and that it never sees half a write."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slowq.engine import Engine
from slowq.engine.clock import hybrid
from slowq.engine.compaction import MIX
from slowq.engine.faults import COLLECTION_NOT_FOUND, PARTITION_NOT_FOUND, RequestFault
from slowq.engine.requests import Freshness
from slowq.engine.writes import Write
from tests.engine import small

BOUNDED = Freshness("Bounded", uses_default=False)
EVENTUALLY = Freshness("Eventually", uses_default=False)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with small.opened(tmp_path, small.config(**{"common.gracefulTime": 200})) as made:
        small.create(made)
        yield made
        assert made.failures == []


def test_a_strong_read_waits_for_the_time_tick_and_an_eventual_one_does_not(engine: Engine) -> None:
    engine.pause_ticks()
    small.insert(engine, {1: (0, 1)})
    assert small.answer(engine, freshness=EVENTUALLY) == {1: (0, 1)}
    with pytest.raises(RequestFault, match="context deadline exceeded"):
        small.answer(engine, seconds=0.05)
    engine.pause_ticks(False)
    assert small.answer(engine) == {1: (0, 1)}


def test_a_bounded_read_is_never_older_than_its_bound(engine: Engine) -> None:
    small.answer(engine)
    engine.pause_ticks()
    assert small.answer(engine, freshness=BOUNDED) == {}
    time.sleep(0.3)
    with pytest.raises(RequestFault, match="context deadline exceeded"):
        small.answer(engine, freshness=BOUNDED, seconds=0.05)
    shard = engine.coordinator.catalog.shards_of(small.found(engine))[0]
    assert shard.tsafe < engine.coordinator.oracle.next() - hybrid(0.2)


def test_a_session_read_waits_for_its_own_write(engine: Engine) -> None:
    engine.pause_ticks()
    stamp = small.insert(engine, {1: (0, 1)}).timestamp
    own = Freshness("Session", uses_default=False, guarantee=stamp)
    with pytest.raises(RequestFault, match="context deadline exceeded"):
        small.answer(engine, freshness=own, seconds=0.05)
    engine.pause_ticks(False)
    assert small.answer(engine, freshness=own) == {1: (0, 1)}


def meanwhile(engine: Engine, seconds: float, act: Callable[[int], None]) -> Iterator[None]:
    """Does something in another thread again and again while the caller looks."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        turn = 0
        try:
            while not stop.is_set():
                turn += 1
                act(turn)
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
    stop.set()
    thread.join()
    if errors:
        raise errors[0]


def test_an_upsert_is_seen_as_a_whole_or_not_at_all(engine: Engine) -> None:
    """With flushes and compactions going on, each row is there once, and all rows of a write have one version."""
    keys = range(10)
    small.insert(engine, dict.fromkeys(keys, (0, 0)))

    def act(turn: int) -> None:
        small.upsert(engine, dict.fromkeys(keys, (0, turn)))
        if turn % 5 == 0:
            engine.coordinator.upkeep.flush(small.found(engine))
        if turn % 15 == 0:
            engine.coordinator.upkeep.compact(small.found(engine), MIX)

    for _ in meanwhile(engine, 2.0, act):
        seen = small.answer(engine, freshness=EVENTUALLY)
        assert sorted(seen) == list(keys)
        assert len({version for _, version in seen.values()}) == 1
    small.settled(engine)


def test_a_deleted_row_is_in_no_later_strong_read(engine: Engine) -> None:
    def act(turn: int) -> None:
        engine.coordinator.upkeep.flush(small.found(engine))
        if turn % 3 == 0:
            engine.coordinator.upkeep.compact(small.found(engine), MIX)

    for key, _ in enumerate(meanwhile(engine, 2.0, act), 1):
        small.insert(engine, {key: (0, key)})
        assert key in small.answer(engine)
        small.delete(engine, [key])
        assert key not in small.answer(engine)
        assert key not in small.nearest(engine, small.vector_of(key, key), 5)
    small.settled(engine)


def test_what_was_searched_and_released_is_no_longer_in_memory(engine: Engine) -> None:
    small.insert(engine, {key: (0, key) for key in range(20)})
    engine.coordinator.upkeep.flush(small.found(engine))
    small.settled(engine)
    assert len(small.nearest(engine, small.vector_of(3, 3), 5)) == 5
    (shard,) = engine.coordinator.catalog.shards_of(small.found(engine))
    index = weakref.ref(shard.view.sealed[0].vector_indexes["v"])
    engine.coordinator.loading.release(small.found(engine))
    small.until(lambda: index() is None)


def test_loads_and_releases_beside_flushes_and_compactions_lose_no_row(engine: Engine) -> None:
    known: dict[int, tuple[int, int]] = {}

    def act(turn: int) -> None:
        engine.coordinator.upkeep.flush(small.found(engine))
        engine.coordinator.upkeep.compact(small.found(engine), MIX)
        time.sleep(0.005)

    for key, _ in enumerate(meanwhile(engine, 2.5, act), 1):
        small.insert(engine, {key: (0, key)})
        small.delete(engine, [key - 3])
        known[key] = (0, key)
        known.pop(key - 3, None)
        engine.coordinator.loading.release(small.found(engine))
        small.loaded(engine)
        assert small.answer(engine) == known
    small.settled(engine)


def test_a_drop_beside_writes_and_tasks_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    collection = small.found(engine)
    for turn in range(20):
        small.insert(engine, {turn: (0, turn)})
        engine.coordinator.upkeep.flush(collection)
    engine.coordinator.upkeep.compact(collection, MIX)
    failed: list[RequestFault] = []

    def write() -> None:
        try:
            while True:
                small.insert(engine, {1: (0, 1)})
        except RequestFault as error:
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    engine.coordinator.drop("default", small.NAME)
    thread.join()
    assert [one.code for one in failed] == [COLLECTION_NOT_FOUND]
    small.until(lambda: not list((tmp_path / "objects").iterdir()) and not list((tmp_path / "wal").iterdir()))
    assert engine.meta.segments(collection.id) == []


def test_a_write_that_comes_too_late_for_its_partition_is_refused(engine: Engine) -> None:
    engine.coordinator.loading.release(small.found(engine))
    engine.coordinator.catalog.create_partition(small.found(engine), "part")
    shard = engine.coordinator.catalog.shards_of(small.found(engine))[0]
    engine.coordinator.drop_partition(small.found(engine), "part")
    late = engine.coordinator.channels.of(shard).write(shard, Write({"part": small.rows({1: (0, 1)})}))
    with pytest.raises(RequestFault) as fault:
        late.result(5)
    assert fault.value.code == PARTITION_NOT_FOUND
