"""A meta store that was cut or changed anywhere opens whole, or not at all with an error that names it: nothing in between.

`python -m bench.engine.crash --meta` changes every byte, which takes an hour.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slowq.engine.faults import StoreError
from tests.engine import small

PLACES = 200
ROWS = {1: (0, 1), 2: (1, 2), 3: (0, 3)}


def stored(folder: Path) -> Path:
    """Segments, deletes, an alias, and rows that are only in the log."""
    with small.opened(folder) as engine:
        small.create(engine, index="HNSW")
        engine.coordinator.catalog.put_alias("default", "other", small.NAME, new=True)
        small.insert(engine, {1: (0, 1), 2: (1, 1), 9: (0, 1)})
        engine.coordinator.upkeep.flush(small.found(engine))
        small.upsert(engine, {2: (1, 2)})
        small.delete(engine, [9])
        engine.coordinator.upkeep.flush(small.found(engine))
        small.settled(engine)
        small.insert(engine, {3: (0, 3)})
    return folder / "meta.db"


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that can be had: an engine that opens waits for the disk, and here are hundreds."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def cut(data: bytes, at: int) -> bytes:
    return data[:at]


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


@pytest.mark.parametrize(("damage", "least"), [(cut, PLACES // 2), (flipped, 1)])  # most of a page is unused
def test_a_meta_store_opens_whole_or_names_itself(
    folder: Path, damage: Callable[[bytes, int], bytes], least: int
) -> None:
    path = stored(folder)
    data = path.read_bytes()
    refused = []
    for step in range(PLACES):
        at = step * len(data) // PLACES
        path.write_bytes(damage(data, at))
        try:
            with small.opened(folder) as engine:
                assert small.answer(engine) == ROWS, at
                assert engine.coordinator.catalog.collection("default", "other").name == small.NAME, at
        except StoreError as error:
            refused.append(str(error))
        path.write_bytes(data)
    assert len(refused) >= least
    assert [one for one in refused if str(path) not in one] == []
    with small.opened(folder) as engine:  # none of them has lost anything
        assert small.answer(engine) == ROWS


@pytest.mark.parametrize("flushed", [True, False])
def test_without_its_meta_store_a_folder_is_refused_and_nothing_is_removed(tmp_path: Path, flushed: bool) -> None:
    with small.opened(tmp_path) as engine:
        small.create(engine)
        small.insert(engine, ROWS)
        if flushed:
            engine.coordinator.upkeep.flush(small.found(engine))
            small.settled(engine)
    (tmp_path / "meta.db").rename(tmp_path / "away")
    with pytest.raises(StoreError, match=rf"{tmp_path / 'meta.db'}: the meta store is empty"):
        small.opened(tmp_path)
    (tmp_path / "away").rename(tmp_path / "meta.db")
    with small.opened(tmp_path) as engine:
        assert small.answer(engine) == ROWS
