"""Compactions as an unmodified pymilvus asks for them, and sees them end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymilvus import MilvusClient

from slowq.engine import Engine, datanode
from tests.engine import small


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Engine, MilvusClient]]:
    """Three stored segments of four rows; the first of each is deleted, in a delete file of its own."""
    with small.opened(tmp_path) as engine:
        small.create(engine)
        for first in (0, 10, 20):
            small.insert(engine, {first + key: (first, 1) for key in range(4)})
            engine.coordinator.upkeep.flush(small.found(engine))
        small.settled(engine)
        small.delete(engine, [0, 10, 20])
        engine.coordinator.upkeep.flush(small.found(engine))
        with small.client_of(engine) as client:
            yield engine, client


def ended(client: MilvusClient, job: int) -> Any:
    """The only plan of a compaction, when it has come to its end."""
    small.until(lambda: client.get_compaction_state(job) == "Completed")
    (plan,) = client.get_compaction_plans(job).plans
    return plan


def stored(engine: Engine) -> dict[int, str]:
    return {one.id: one.level for one in engine.meta.segments(small.found(engine).id)}


@pytest.mark.parametrize(("clustering", "level"), [(False, "L1"), (True, "L2")])
def test_a_compaction_names_the_segments_that_it_took_and_made(
    served: tuple[Engine, MilvusClient], clustering: bool, level: str
) -> None:
    engine, client = served
    before = stored(engine)
    plan = ended(client, client.compact(small.NAME, is_clustering=clustering))
    assert sorted(plan.sources) == sorted(before)
    assert stored(engine) == {plan.target: level}
    assert sorted(small.answer(engine)) == [1, 2, 3, 11, 12, 13, 21, 22, 23]


def test_an_l0_compaction_takes_the_delete_files_and_changes_segments(served: tuple[Engine, MilvusClient]) -> None:
    engine, client = served
    files = [one.id for one in engine.meta.deltas(small.found(engine).id, 0)]
    plan = ended(client, client.compact(small.NAME, is_l0=True))
    assert list(plan.sources) == files
    assert plan.target in stored(engine)
    assert engine.meta.deltas(small.found(engine).id, 0) == []
    assert [one.deleted for one in engine.meta.segments(small.found(engine).id)] == [1, 1, 1]


def test_a_compaction_that_failed_has_no_target(
    served: tuple[Engine, MilvusClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    engine, client = served
    monkeypatch.setattr(datanode.DataNode, "_merged", fail)
    before = stored(engine)
    plan = ended(client, client.compact(small.NAME))
    assert (sorted(plan.sources), plan.target) == (sorted(before), -1)
    assert "No space left" in getattr(plan, "failure_reason", "No space left")
    assert stored(engine) == before
