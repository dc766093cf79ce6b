"""A log that was cut or changed at any byte gives its first entries, or an error that says where: never anything else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slowq.engine import wal
from slowq.engine.faults import StoreError
from slowq.engine.wal import WRITE, Entry, Log, path_of, replay

FIRST = [Entry(1, WRITE, b"one"), Entry(2, WRITE, b"")]
SECOND = [Entry(3, WRITE, b"three, with a mark \xf5Wa\xa1 in it")]
THIRD = [Entry(4, WRITE, b"four")]
WHOLE = [*FIRST, *SECOND, *THIRD]
PREFIXES = [[], FIRST, [*FIRST, *SECOND], WHOLE]


def written(folder: Path) -> bytes:
    log = Log(folder, 0)
    for entries in (FIRST, SECOND, THIRD):
        log.write(entries)
    log.close()
    return path_of(folder, 0).read_bytes()


def test_what_was_written_is_read_in_order_over_several_files(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    log.write(FIRST)
    assert log.roll() == 1
    log.write(SECOND)
    log.close()
    warnings: list[str] = []
    assert list(replay(tmp_path, 0, warnings.append)) == [*FIRST, *SECOND]
    assert list(replay(tmp_path, 1, warnings.append)) == SECOND
    assert warnings == []


def test_a_log_cut_at_any_byte_gives_whole_frames_and_can_be_written_on(tmp_path: Path) -> None:
    data = written(tmp_path)
    whole = {len(wal.MAGIC) + len(b"".join(map(wal.frame, part))) for part in ([], [FIRST], [FIRST, SECOND])}
    for size in range(len(data)):
        path_of(tmp_path, 0).write_bytes(data[:size])
        warnings: list[str] = []
        found = list(replay(tmp_path, 0, warnings.append))
        assert found in PREFIXES[:3]
        assert bool(warnings) == (size not in {0, *whole}) or size == 0
        log = Log(tmp_path, 0)
        log.write(THIRD)
        log.close()
        assert list(replay(tmp_path, 0, warnings.append)) == [*found, *THIRD]


def test_a_log_with_any_byte_changed_gives_first_frames_or_an_error_with_file_and_offset(tmp_path: Path) -> None:
    data = written(tmp_path)
    last = len(data) - len(wal.frame(THIRD))
    for at in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            path_of(tmp_path, 0).write_bytes(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
            try:
                assert list(replay(tmp_path, 0, lambda _: None)) == [*FIRST, *SECOND]
                assert at >= last  # as an append that was never finished
                continue
            except StoreError as error:
                said = str(error)
            assert at < last
            assert f"{path_of(tmp_path, 0)}: damaged at offset" in said


def test_damage_in_an_older_file_and_a_file_that_is_missing_are_errors(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    for entries in (FIRST, SECOND):
        log.write(entries)
        log.roll()
    log.close()
    path_of(tmp_path, 0).write_bytes(path_of(tmp_path, 0).read_bytes()[:-1])
    with pytest.raises(StoreError, match="damaged at offset 10, and newer files follow"):
        list(replay(tmp_path, 0, lambda _: None))
    path_of(tmp_path, 0).unlink()
    with pytest.raises(StoreError, match=r"0000000000\.log: missing"):
        list(replay(tmp_path, 0, lambda _: None))


def test_a_disk_that_takes_only_a_part_leaves_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path, 0)
    log.write(FIRST)
    pwrite = os.pwrite

    def short(file: int, data: bytes, at: int) -> int:
        if len(data) < 8:
            raise OSError(28, "No space left on device")
        return pwrite(file, data[: len(data) // 2], at)

    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", short)
        full.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(StoreError, match=r"Cannot write .*No space left on device"):
            log.write(SECOND)
        with pytest.raises(StoreError, match="Input/output error"):
            log.write(SECOND)
    log.write(THIRD)
    log.close()
    warnings: list[str] = []
    assert list(replay(tmp_path, 0, warnings.append)) == [*FIRST, *THIRD]
    assert warnings == []


def test_a_log_that_cannot_begin_its_next_file_goes_on_in_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path, 0)
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(StoreError, match="No space left on device"):
            log.roll()
    log.write(FIRST)
    log.close()
    assert list(replay(tmp_path, 0, lambda _: None)) == FIRST
