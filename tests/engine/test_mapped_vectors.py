"""Vector fields and indexes that are mapped from their files: where that is said, and what it changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pymilvus import MilvusClient, MilvusException

from slowq.engine import Engine
from slowq.engine.segment import Segment
from tests.engine import small

ROWS = {key: (key % 7, 1) for key in range(500)}
SAID = {"mmap.enabled": "true"}


def stored(folder: Path, **params: str) -> None:
    """One flushed segment with an HNSW."""
    with small.opened(folder) as engine:
        small.create(engine, index="HNSW", **params)
        small.insert(engine, ROWS)
        engine.coordinator.upkeep.flush(small.found(engine))
        small.settled(engine)


def segment(engine: Engine) -> Segment:
    (shard,) = engine.coordinator.catalog.shards_of(small.found(engine))
    (one,) = shard.view.sealed
    return one


def is_mapped(engine: Engine) -> bool:
    return segment(engine).vector_indexes["v"].warm() > 0


@pytest.mark.parametrize(
    ("configured", "params", "mapped"),
    [(False, {}, False), (True, {}, True), (False, SAID, True), (True, {"mmap.enabled": "False"}, False)],
)
def test_an_index_is_mapped_where_it_or_the_configuration_says_so(
    tmp_path: Path, configured: bool, params: dict[str, str], mapped: bool
) -> None:
    stored(tmp_path, **params)
    with small.opened(tmp_path, small.config(**{"queryNode.mmap.vectorIndex": configured})) as engine:
        assert is_mapped(engine) is mapped
        assert small.nearest(engine, small.vector_of(40, 1), 1) == [40]


@pytest.mark.parametrize("configured", [True, False])
def test_a_vector_field_is_mapped_where_the_configuration_says_so(tmp_path: Path, configured: bool) -> None:
    stored(tmp_path)
    with small.opened(tmp_path, small.config(**{"queryNode.mmap.vectorField": configured})) as engine:
        assert bool(segment(engine).rows.vectors["v"].mapped) is configured
        assert small.answer(engine) == ROWS


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Engine, MilvusClient]]:
    stored(tmp_path)
    with small.opened(tmp_path) as engine, small.client_of(engine) as client:
        yield engine, client


def test_mmap_of_an_index_is_changed_between_two_loads(served: tuple[Engine, MilvusClient]) -> None:
    engine, client = served
    for change, mapped in (
        (lambda: client.alter_index_properties(small.NAME, "v", {"mmap.enabled": True}), True),
        (lambda: client.drop_index_properties(small.NAME, "v", ["mmap.enabled"]), False),
    ):
        client.release_collection(small.NAME)
        change()
        assert client.describe_index(small.NAME, "v").get("mmap.enabled") == ("True" if mapped else None)
        client.load_collection(small.NAME)
        assert is_mapped(engine) is mapped
        assert small.nearest(engine, small.vector_of(40, 1), 1) == [40]
        engine.create_index(small.found(engine), "v", "v", {"index_type": "HNSW", "metric_type": "L2"})  # is the same


def test_an_index_of_a_loaded_collection_cannot_be_changed(served: tuple[Engine, MilvusClient]) -> None:
    _, client = served
    with pytest.raises(MilvusException, match="can't alter index on loaded collection, please release") as fault:
        client.alter_index_properties(small.NAME, "v", {"mmap.enabled": True})
    assert fault.value.code == 104


@pytest.mark.parametrize(
    ("index", "properties", "words"),
    [
        ("v", {"M": 8}, "M is not a configable index property"),
        ("v", {"mmap.enabled": "maybe"}, "invalid mmap.enabled value: maybe"),
        ("other", {"mmap.enabled": True}, r"index not found\[indexName=other\]"),
    ],
)
def test_what_cannot_be_changed_of_an_index_is_named(
    served: tuple[Engine, MilvusClient], index: str, properties: dict[str, object], words: str
) -> None:
    _, client = served
    client.release_collection(small.NAME)
    with pytest.raises(MilvusException, match=words):
        client.alter_index_properties(small.NAME, index, properties)
