"""A file is unpacked by a process beside the scanner: it is what it is without, whole or damaged."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from slowq.parsers import ahead
from slowq.parsers import read as reading
from slowq.parsers.scan import Batch
from slowq.sources import Member, Source, Trouble, find

LINES = b"".join(
    b"[2025/08/23 19:22:19.900 +00:00] [INFO] [a.go:1] [line] [number=%d]\n" % number for number in range(20_000)
)
LONG = LINES * 12  # more than the ring of slots holds


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def tarred(*entries: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number, data in enumerate(entries):
            info = tarfile.TarInfo(f"{number}.log")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(*entries: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(entries):
            archive.writestr(f"{number}.log", data)
    return out.getvalue()


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


PACKED: dict[str, Callable[[], bytes]] = {
    "gz": lambda: gzip.compress(LONG, 1),
    "zst": lambda: zst(LONG),
    "bz2": lambda: bz2.compress(LINES),
    "xz": lambda: lzma.compress(LINES, preset=0),
    "a cut gz": lambda: cut(gzip.compress(LONG, 1)),
    "a cut zst": lambda: cut(zst(LONG)),
    "one of nothing": lambda: gzip.compress(b""),
    "one that ends with a slot": lambda: gzip.compress(LONG[: 2 << 20], 1),
    "tar.gz": lambda: gzip.compress(tarred(LINES, b"", LONG), 1),
    "a cut tar.gz": lambda: cut(gzip.compress(tarred(LINES, LONG), 1)),
    "a tar with a cut gz": lambda: tarred(LINES, cut(gzip.compress(LINES)), LINES),
    "a tar of nothing": lambda: tarred(),
    "zip": lambda: zipped(LINES, b"", LONG),
    "a cut zip": lambda: cut(zipped(LINES, LONG)),
    "no gz": lambda: b"\x1f\x8b no more",
}


def read(path: Path, jobs: int) -> list[tuple[str, list[Batch], str | None]]:
    found = reading.read(find([str(path)]), jobs)
    return [(file.path, file.batches, file.trouble) for file in found]


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reading, "_WORTH_A_POOL", 0)
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(LINES, 1))
    return path


@pytest.mark.parametrize("what", PACKED)
def test_what_another_process_unpacks_is_what_one_process_reads(packed: Path, what: str) -> None:
    packed.write_bytes(PACKED[what]())
    assert read(packed, 2) == read(packed, 1)


def test_a_second_process_is_there_only_where_a_worker_is_to_spare(
    packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Source) -> Iterator[Member | Trouble]:
        raise ValueError("asked for")

    monkeypatch.setattr(reading, "members_aside", refuse)
    assert [trouble for *_, trouble in read(packed, 2)] == ["asked for"]
    (packed.parent / "plain").write_bytes(LINES)
    assert [trouble for *_, trouble in read(packed.parent, 2)] == [None, None]
    packed.unlink()
    assert [trouble for *_, trouble in read(packed.parent, 2)] == [None]


def test_an_unpacking_process_that_dies_is_trouble_of_its_file(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(source: Source) -> Iterator[Member | Trouble]:
        os._exit(9)

    monkeypatch.setattr(ahead, "members", die)
    assert read(packed, 2) == [(str(packed), [], "the process that unpacked it has ended")]


def test_a_bug_where_it_is_unpacked_is_a_bug_where_it_is_read(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Source) -> Iterator[Member | Trouble]:
        raise LookupError("a bug")

    monkeypatch.setattr(ahead, "members", fail)
    with pytest.raises(LookupError, match="a bug"):
        read(packed, 2)
