"""The write-ahead log of one shard: numbered files of frames, one frame a sync.

A file begins with `MAGIC`. A frame is `MARK, length, crc` (`_HEAD`, little endian) and a body of that length: entries, each
`length, timestamp, kind` (`_ENTRY`) and its payload. The CRC-32 covers the length and the body. A frame that was synced is
there after `kill -9`, and after the power went.

What is found broken at the end of the newest file is a frame that never was finished: it is cut off, and said. A frame is
written only after the one before it was synced; so broken bytes with an intact frame behind them, or in an older file, are
damage: `StoreError` names file and offset.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slowq.engine.durable import sync_folder
from slowq.engine.faults import StoreError

MAGIC = b"slowqwal\x02\n"
MARK = b"\xf5Wa\xa1"
_HEAD = struct.Struct("<4sII")
_ENTRY = struct.Struct("<IQB")

WRITE = 1  # the only kind so far; another one would be of a newer engine


@dataclass(frozen=True, slots=True)
class Entry:
    timestamp: int
    kind: int
    payload: bytes


def frame(entries: Sequence[Entry]) -> bytes:
    body = b"".join(_ENTRY.pack(len(one.payload), one.timestamp, one.kind) + one.payload for one in entries)
    return _HEAD.pack(MARK, len(body), _sum(body)) + body


def _sum(body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(len(body).to_bytes(4, "little")))


class Log:
    """Appends to the file of that number, which is the newest. One thread writes."""

    def __init__(self, folder: Path, number: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path, self._file, self._size = _opened(folder, number)
        self.number = number
        self._torn = False  # bytes behind `_size` that could not be cut off yet

    def write(self, entries: Sequence[Entry]) -> int:
        """Makes entries durable, all or none of them; bytes written. Raises StoreError, after which the log is as before."""
        data = frame(entries)
        try:
            self._cut()
            self._torn = True
            _write_all(self._file, data, self._size)
            os.fdatasync(self._file)
        except OSError as error:
            self._undo()
            raise StoreError(f"Cannot write {self._path}: {error.strerror}") from error
        self._torn = False
        self._size += len(data)
        return len(data)

    def roll(self) -> int:
        """Begins the next file and gives its number; what was written before is in files before it."""
        try:
            self._cut()
            opened = _opened(self._folder, self.number + 1)
        except OSError as error:
            raise StoreError(f"Cannot begin a log file in {self._folder}: {error.strerror}") from error
        os.close(self._file)
        self._path, self._file, self._size = opened
        self.number += 1
        return self.number

    def close(self) -> None:
        os.close(self._file)

    def _cut(self) -> None:
        if self._torn:
            os.ftruncate(self._file, self._size)
            self._torn = False

    def _undo(self) -> None:
        try:
            self._cut()
        except OSError:
            return  # `_torn` stays: nothing is written before it could be cut off


def path_of(folder: Path, number: int) -> Path:
    return folder / f"{number:010d}.log"


def drop_before(folder: Path, number: int) -> None:
    """Removes the files whose entries are all stored elsewhere."""
    for path in folder.glob("*.log"):
        if int(path.stem) < number:
            path.unlink(missing_ok=True)


def _opened(folder: Path, number: int) -> tuple[Path, int, int]:
    """Path, descriptor and size of a log file, made where it is not there."""
    path = path_of(folder, number)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    size = os.fstat(file).st_size
    if size:
        return path, file, size
    try:
        _write_all(file, MAGIC, 0)
        os.fdatasync(file)
        sync_folder(folder)
    except OSError:
        os.close(file)
        path.unlink(missing_ok=True)
        raise
    return path, file, len(MAGIC)


def _write_all(file: int, data: bytes, at: int) -> None:
    """A full disk may take only the first part and say so by the count alone."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest[: 1 << 30], at)
        rest, at = rest[written:], at + written


def replay(folder: Path, first: int, warn: Callable[[str], None]) -> Iterator[Entry]:
    """All entries of the files from `first` on, in order. A torn end is cut off the file and told to `warn`."""
    numbers = sorted(int(path.stem) for path in folder.glob("*.log") if int(path.stem) >= first)
    if numbers != list(range(first, first + len(numbers))):
        missing = min(set(range(first, numbers[-1])) - set(numbers))
        raise StoreError(f"{path_of(folder, missing)}: missing, though the meta store needs it and newer files follow")
    for number in numbers:
        yield from _read(path_of(folder, number), newest=number == numbers[-1], warn=warn)


def _read(path: Path, *, newest: bool, warn: Callable[[str], None]) -> Iterator[Entry]:
    data = path.read_bytes()
    if data[: len(MAGIC)] != MAGIC:
        if newest and len(data) < len(MAGIC) and MAGIC.startswith(data):
            warn(f"{path}: the file was just being made; begun anew")
            os.truncate(path, 0)
            return
        raise StoreError(f"{path}: damaged at offset 0: this is no write-ahead log of the engine")
    at = len(MAGIC)
    while at < len(data):
        body = _body(data, at)
        if body is None:
            _judge(path, data, at, newest=newest)
            warn(f"{path}: an unfinished frame of {len(data) - at} bytes at offset {at} was cut off")
            os.truncate(path, at)
            return
        yield from _entries(body)
        at += _HEAD.size + len(body)


def _body(data: bytes, at: int) -> bytes | None:
    """The body of the frame that begins there; None where no intact one does."""
    if at + _HEAD.size > len(data):
        return None
    mark, length, crc = _HEAD.unpack_from(data, at)
    body = data[at + _HEAD.size : at + _HEAD.size + length]
    return body if mark == MARK and len(body) == length and _sum(body) == crc else None


def _entries(body: bytes) -> Iterator[Entry]:
    at = 0
    while at < len(body):
        length, timestamp, kind = _ENTRY.unpack_from(body, at)
        at += _ENTRY.size
        yield Entry(timestamp, kind, body[at : at + length])
        at += length


def _judge(path: Path, data: bytes, at: int, *, newest: bool) -> None:
    """Raises where the broken bytes at `at` cannot be a frame that never was finished."""
    if not newest:
        raise StoreError(f"{path}: damaged at offset {at}, and newer files follow")
    later = data.find(MARK, at + 1)
    while later >= 0:
        if _body(data, later) is not None:
            raise StoreError(f"{path}: damaged at offset {at}: the next intact frame begins at {later}")
        later = data.find(MARK, later + 1)
