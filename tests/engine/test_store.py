"""A damaged, full, shared or read-only folder: a named error, and whatever can be read is read."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from slowq.engine import Engine
from slowq.engine import objects as objects_module
from slowq.engine.clock import hybrid
from slowq.engine.compaction import LEVEL_ZERO, MIX
from slowq.engine.faults import SEGMENT_NOT_LOADED, RequestFault, StoreError
from tests.engine import small

TWO = {1: (0, 1), 2: (0, 2)}
MORE = {100: (5, 1), 101: (5, 2)}


def stored(folder: Path, deleted: tuple[int, ...] = ()) -> list[int]:
    """Two flushed segments, and the numbers of them."""
    with small.opened(folder) as engine:
        small.create(engine)
        for values in (TWO, MORE):
            small.insert(engine, values)
            engine.coordinator.upkeep.flush(small.found(engine))
        small.settled(engine)
        if deleted:
            small.delete(engine, deleted)
            engine.coordinator.upkeep.flush(small.found(engine))
        return [one.id for one in engine.meta.segments(small.found(engine).id)]


def spoil(path: Path, at: int = -20) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("at", [-20, -50])  # of the vectors: the line at their end, the last row
@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("name", ["scalars.parquet", "v.vectors"])
def test_a_damaged_segment_is_named_and_the_others_are_read(tmp_path: Path, name: str, mapped: bool, at: int) -> None:
    first, _ = stored(tmp_path)
    path = next(tmp_path.glob(f"objects/*/{first}/{name}"))
    spoil(path, at)
    with small.opened(tmp_path, small.config(**{"queryNode.mmap.vectorField": mapped})) as engine:
        assert small.answer(engine, "id >= 50") == MORE
        with pytest.raises(RequestFault, match=str(path)) as fault:
            small.answer(engine)
        assert fault.value.code == SEGMENT_NOT_LOADED
        assert any(str(path) in one for one in engine.warnings)
        small.upsert(engine, {100: (7, 7)})
        engine.coordinator.upkeep.flush(small.found(engine))
        assert small.answer(engine, "id == 100") == {100: (7, 7)}


def test_a_damaged_file_of_deletes_is_named_and_no_deleted_row_is_back(tmp_path: Path) -> None:
    stored(tmp_path, deleted=(1,))
    path = next(tmp_path.glob("objects/*/*.delta"))
    spoil(path)
    with small.opened(tmp_path) as engine:
        small.compacted(engine, LEVEL_ZERO)
        with pytest.raises(RequestFault, match=str(path)):
            small.answer(engine, "id >= 50")
    assert path.exists()


def test_deletes_that_were_merged_into_a_segment_are_checked_too(tmp_path: Path) -> None:
    first, _ = stored(tmp_path, deleted=(1,))
    with small.opened(tmp_path) as engine:
        small.compacted(engine, LEVEL_ZERO)
        assert small.answer(engine) == {2: (0, 2)} | MORE
    assert not list(tmp_path.glob("objects/*/*.delta"))
    path = next(tmp_path.glob(f"objects/*/{first}/deleted.npy"))
    spoil(path, -50)
    with small.opened(tmp_path) as engine, pytest.raises(RequestFault, match=str(path)):
        small.answer(engine)


@pytest.mark.parametrize("mapped", [True, False])
def test_a_damaged_index_is_built_again(tmp_path: Path, mapped: bool) -> None:
    settings = small.config(**{"queryNode.mmap.vectorIndex": mapped})
    with small.opened(tmp_path, settings) as engine:
        small.create(engine, index="HNSW")
        small.insert(engine, dict.fromkeys(range(20), (0, 1)))
        engine.coordinator.upkeep.flush(small.found(engine))
        small.settled(engine)
    path = next(tmp_path.glob("objects/*/*/*.index/*.faiss"))
    spoil(path, 300)
    log = io.StringIO()
    with small.opened(tmp_path, settings, log=log) as engine:
        assert f"{path} is damaged" in log.getvalue()
        assert len(small.answer(engine)) == 20
        shard = engine.coordinator.catalog.shards_of(small.found(engine))[0]
        small.until(lambda: all(one.indexed for one in shard.view.sealed))


def test_a_meta_store_that_went_back_in_time_is_an_error(tmp_path: Path) -> None:
    with small.opened(tmp_path) as engine:
        small.create(engine)
        old = (tmp_path / "meta.db").read_bytes()
        small.insert(engine, TWO)
        engine.coordinator.upkeep.flush(small.found(engine))
    (tmp_path / "meta.db").write_bytes(old)
    with pytest.raises(StoreError, match="missing, though the meta store needs it"):
        small.opened(tmp_path)


def test_a_folder_that_cannot_be_opened_is_let_go_of(tmp_path: Path) -> None:
    stored(tmp_path)
    whole = (tmp_path / "meta.db").read_bytes()
    (tmp_path / "meta.db").write_bytes(b"no data base" * 100)
    with pytest.raises(StoreError, match=r"meta\.db"):
        small.opened(tmp_path)
    (tmp_path / "meta.db").write_bytes(whole)
    with small.opened(tmp_path) as engine:
        assert small.answer(engine) == TWO | MORE


def test_a_second_process_on_the_folder_is_refused(tmp_path: Path) -> None:
    code = "import sys; from slowq.engine import Engine; Engine(sys.argv[1])"
    with small.opened(tmp_path):
        other = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert other.returncode != 0
    assert f"The folder {tmp_path} is in use by another engine" in other.stderr


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StoreError, match=f"Cannot use the folder {tmp_path}: Read-only file system"):
        Engine(tmp_path)


def test_on_a_full_disk_writes_and_flushes_fail_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with small.opened(tmp_path) as engine:
        small.create(engine)
        small.insert(engine, TWO)
        small.delete(engine, [1])
        with monkeypatch.context() as disk:
            disk.setattr(os, "pwrite", full)
            with pytest.raises(StoreError, match="No space left on device"):
                small.insert(engine, MORE)
        with monkeypatch.context() as disk:
            disk.setattr(objects_module, "_write_table", full)
            with pytest.raises(StoreError, match="No space left on device"):
                engine.coordinator.upkeep.flush(small.found(engine))
        assert small.answer(engine) == {2: (0, 2)}
        assert list(tmp_path.glob("objects/*/*")) == []
        engine.coordinator.upkeep.flush(small.found(engine))
        assert small.answer(engine) == {2: (0, 2)}
    with small.opened(tmp_path) as engine:
        assert small.answer(engine) == {2: (0, 2)}


def test_after_a_restart_with_a_clock_that_went_back_deletes_still_come_after_the_rows(tmp_path: Path) -> None:
    with small.opened(tmp_path, now_s=lambda: 2_000_000_000.0) as engine:
        small.create(engine)
        small.insert(engine, TWO)
        engine.coordinator.upkeep.flush(small.found(engine))
        small.insert(engine, MORE)
    with small.opened(tmp_path, now_s=lambda: 1_000_000_000.0) as engine:
        assert engine.coordinator.oracle.next() > hybrid(2_000_000_000.0)
        small.delete(engine, [1, 100])
        assert small.answer(engine) == {2: (0, 2), 101: (5, 2)}


def test_what_a_restart_interrupted_is_indexed_afterwards(tmp_path: Path) -> None:
    first, second = stored(tmp_path)
    with sqlite3.connect(tmp_path / "meta.db") as base:
        base.execute("delete from indexed")
    base.close()
    with small.opened(tmp_path) as engine:
        index = small.found(engine).indexes[0].id
        small.until(lambda: {(first, index), (second, index)} <= set(engine.meta.indexed()))


def test_rows_of_a_dropped_partition_do_not_come_back(tmp_path: Path) -> None:
    with small.opened(tmp_path) as engine:
        small.create(engine, load=False)
        for values in (TWO, MORE):
            engine.coordinator.catalog.create_partition(small.found(engine), "part")
            small.insert(engine, values, "part")
            if values is TWO:
                engine.coordinator.drop_partition(small.found(engine), "part")
        small.loaded(engine)
        assert small.answer(engine) == MORE
    with small.opened(tmp_path) as engine:
        assert small.answer(engine) == MORE
        small.compacted(engine, MIX)
        assert engine.failures == []
