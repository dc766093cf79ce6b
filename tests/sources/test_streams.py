"""What is inside files, archives and compressed streams; damaged, hostile and huge ones too. Nothing is ever written."""

import bz2
import gzip
import io
import itertools
import lzma
import os
import random
import stat
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
import zstandard

from slowq.parsers import read as reading
from slowq.parsers.read import File, read
from slowq.sources import Source, find, members
from slowq.sources import streams as opening
from slowq.sources.streams import Trouble

LINES = b"".join(b"line %d of a log\n" % number for number in range(2_000))
LINES_LONG = LINES * 40
UNLIKE = b"".join(b"%x\n" % random.Random(number).getrandbits(400) for number in range(10_000))  # 1 MB, hard to pack


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zst,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def tar(*entries: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                archive.addfile(info, io.BytesIO(entry[1]))
    return out.getvalue()


def zipped(*entries: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def log(tmp_path: Path) -> Callable[[bytes], Path]:
    numbers = itertools.count()

    def written(data: bytes) -> Path:
        path = tmp_path / f"input{next(numbers)}"
        path.write_bytes(data)
        return path

    return written


def contents(path: Path) -> dict[str, bytes | str]:
    """Name of each member → its bytes, or why it cannot be read."""
    found: dict[str, bytes | str] = {}
    for one in members(find([str(path)])[0]):
        name = one.path.removeprefix(str(path))
        found[name] = one.reason if isinstance(one, Trouble) else one.stream.read()
    return found


def files(path: Path) -> list[tuple[str, int, str | None]]:
    """(name, lines, trouble) of each log."""
    return [_described(file, path) for file in read(find([str(path)]), 1)]


def _described(file: File, path: Path) -> tuple[str, int, str | None]:
    return file.path.removeprefix(str(path)), sum(batch.lines for batch in file.batches), file.trouble


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_compressed_log_is_the_log(log: Callable[[bytes], Path], kind: str) -> None:
    packed = COMPRESS[kind](LINES)
    assert contents(log(packed)) == {"": LINES}
    assert contents(log(packed + COMPRESS[kind](b"more\n"))) == {"": LINES + b"more\n"}
    assert contents(log(COMPRESS[kind](b""))) == {"": b""}


@pytest.mark.parametrize(("inner", "outer"), [*itertools.product(["", *COMPRESS], ["", *COMPRESS])])
def test_a_tar_of_compressed_logs_is_the_logs(log: Callable[[bytes], Path], inner: str, outer: str) -> None:
    member = COMPRESS.get(inner, bytes)(LINES)
    archive = COMPRESS.get(outer, bytes)(tar(("a.log", member), ("dir/b.log", b"b\n")))
    assert contents(log(archive)) == {"!a.log": LINES, "!dir/b.log": b"b\n"}


def test_packing_may_nest_four_deep_and_no_deeper(log: Callable[[bytes], Path]) -> None:
    three = zst(tar(("a.log.gz", gzip.compress(LINES))))
    assert contents(log(zipped(("logs.tar.zst", three)))) == {"!logs.tar.zst!a.log.gz": LINES}
    five = zipped(("logs.tar.zst.xz", lzma.compress(three)))
    assert contents(log(five)) == {"!logs.tar.zst.xz!a.log.gz": "packed more than 4 times"}


def test_a_zip_is_its_members(log: Callable[[bytes], Path]) -> None:
    archive = zipped(("dir/", b""), ("dir/a.log", LINES), ("b.log.gz", gzip.compress(b"b\n")), ("empty", b""))
    assert contents(log(archive)) == {"!dir/a.log": LINES, "!b.log.gz": b"b\n", "!empty": b""}


def test_what_a_file_is_its_bytes_say_and_not_its_name(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(LINES)
    (tmp_path / "packed.log").write_bytes(gzip.compress(LINES))
    assert contents(tmp_path / "plain.gz") == contents(tmp_path / "packed.log") == {"": LINES}


@pytest.mark.parametrize("data", [zipped(), gzip.compress(b""), zst(b""), b""], ids=["zip", "gz", "zst", "file"])
def test_an_empty_file_or_archive_holds_no_line(log: Callable[[bytes], Path], data: bytes) -> None:
    assert sum(lines for _, lines, _ in files(log(data))) == 0


def test_a_zip_on_a_pipe_and_a_zip_in_an_archive_are_trouble_and_not_text(log: Callable[[bytes], Path]) -> None:
    reason = "a zip inside another archive or on standard input cannot be read"
    assert contents(log(tar(("a.zip", zipped(("a.log", LINES))), ("b.log", b"b\n")))) == {
        "!a.zip": reason,
        "!b.log": b"b\n",
    }


# Damage: what came before it is kept.


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("data", [LINES, LINES_LONG, UNLIKE, b"short\n" * 9], ids=["some", "many", "unlike", "few"])
def test_a_compressed_log_that_is_cut_says_so_wherever_it_is_cut(
    log: Callable[[bytes], Path], kind: str, data: bytes
) -> None:
    rng = random.Random(1)
    packed = COMPRESS[kind](data)
    for end in {len(packed) - 1, len(packed) - 9, *(rng.randrange(7, len(packed)) for _ in range(5))}:
        ((_, lines, trouble),) = files(log(packed[:end]))
        assert trouble is not None, end
        assert lines <= data.count(b"\n") + 1


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_compressed_log_that_is_cut_keeps_what_came_before(log: Callable[[bytes], Path], kind: str) -> None:
    packed = COMPRESS[kind](UNLIKE)
    ((_, lines, trouble),) = files(log(packed[: len(packed) * 9 // 10]))
    assert trouble == "ends in the middle of its compressed data"
    # bz2 unpacks blocks of 900 kB, zstd of 128 kB, only when they are whole.
    assert lines >= {"gz": 8_990, "zst": 7_500, "bz2": 8_800, "xz": 8_900}[kind]


def test_a_tar_that_is_cut_keeps_the_lines_before_the_cut(log: Callable[[bytes], Path]) -> None:
    other = UNLIKE.translate(bytes.maketrans(b"0123456789abcdef", b"123456789abcdef0"))
    archive = tar(("a.log", UNLIKE), ("b.log", other))
    for packed in (archive, gzip.compress(archive), zst(archive), lzma.compress(archive)):
        found = files(log(packed[: len(packed) * 3 // 4]))
        assert found[0] == ("!a.log", 10_000, None)
        assert sum(lines for _, lines, _ in found) > 12_000
        assert any(trouble for _, _, trouble in found)


def test_a_zip_member_with_wrong_bytes_does_not_hide_the_others(log: Callable[[bytes], Path]) -> None:
    archive = bytearray(zipped(("a.log", LINES), ("b.log", b"b\n"), how=zipfile.ZIP_STORED))
    archive[archive.index(b"line 1999")] ^= 1
    found = files(log(bytes(archive)))
    assert found[1] == ("!b.log", 1, None)
    assert found[0][1] > 1_000
    assert "CRC" in str(found[0][2])


def test_a_zip_member_that_is_encrypted_or_packed_in_an_unknown_way_does_not_hide_the_others(
    log: Callable[[bytes], Path],
) -> None:
    archive = bytearray(zipped(("a.log", LINES), ("b.log", LINES), ("c.log", b"c\n")))
    first, second, _ = _central(archive)
    archive[first + 8] |= 1
    archive[second + 10] = 98
    found = files(log(bytes(archive)))
    assert [name for name, _, _ in found] == ["!a.log", "!b.log", "!c.log"]
    assert [lines for _, lines, _ in found] == [0, 0, 1]
    assert [trouble for _, _, trouble in found] == [
        "is encrypted",
        "is packed by PPMd, which is not read in a zip",
        None,
    ]


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_member_that_would_be_unpacked_at_once_is_not(log: Callable[[bytes], Path], how: int) -> None:
    ((_, lines, trouble),) = files(log(zipped(("a.log", LINES), how=how)))
    assert lines == 0
    assert str(trouble).endswith("which is not read in a zip")


def _central(archive: bytes | bytearray) -> list[int]:
    """Where the entries of a zip's directory begin."""
    places, at = [], archive.find(b"PK\x01\x02")
    while at >= 0:
        places.append(at)
        at = archive.find(b"PK\x01\x02", at + 1)
    return places


@pytest.mark.parametrize("make", [*COMPRESS, "tar", "tar.gz", "zip"])
def test_an_input_with_any_wrong_byte_raises_nothing(log: Callable[[bytes], Path], make: str) -> None:
    rng = random.Random(make)
    entries = ("a.log", LINES[:900]), ("sub/b.log", LINES[:300]), ("c.log.gz", gzip.compress(LINES[:900]))
    archive = {"zip": zipped(*entries), "tar": tar(*entries), "tar.gz": gzip.compress(tar(*entries))}.get(make)
    packed = archive if archive is not None else COMPRESS[make](LINES)
    path = log(b"")
    for _ in range(60):
        bad = bytearray(packed)
        for _ in range(rng.choice((1, 1, 3, 30))):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        path.write_bytes(bad[: rng.choice((len(bad), rng.randrange(len(bad))))])
        for name, lines, trouble in files(path):
            assert isinstance(name, str)
            assert lines >= 0
            assert trouble is None or trouble


def test_garbage_behind_a_compressed_log_is_said(log: Callable[[bytes], Path]) -> None:
    for kind, compress in COMPRESS.items():
        ((_, lines, trouble),) = files(log(compress(LINES) + b"garbage that is no such stream"))
        assert (lines, trouble is not None) == (2_000, True), kind
    assert files(log(gzip.compress(LINES) + bytes(512))) == [("", 2_000, None)]


# Hostile names: nothing is written.


def _tree(folder: Path) -> dict[str, tuple[int, float]]:
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


def test_links_devices_and_names_that_lead_out_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    archive = tar(
        ("../outside.log", b"1\n"),
        (f"{tmp_path}/absolute.log", b"2\n"),
        ("a/../../b.log", b"3\n"),
        special("link.log", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard.log", tarfile.LNKTYPE, "../outside.log"),
        special("device", tarfile.CHRTYPE),
        special("block", tarfile.BLKTYPE),
        special("pipe", tarfile.FIFOTYPE),
        special("folder", tarfile.DIRTYPE),
        ("name with \n and \x1b[31m", b"4\n"),
    )
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("../up.log", b"5\n")
        made.writestr("/etc/cron.d/x", b"6\n")
        made.writestr(link, b"/etc/passwd")
    (work / "a.tar").write_bytes(archive)
    (work / "b.tar.gz").write_bytes(gzip.compress(archive))
    (work / "c.zip").write_bytes(out.getvalue())
    before = _tree(tmp_path)
    names = ["../outside.log", f"{tmp_path}/absolute.log", "a/../../b.log", "name with \n and \x1b[31m"]
    assert contents(work / "a.tar") == {f"!{name}": b"%d\n" % number for number, name in enumerate(names, 1)}
    assert contents(work / "b.tar.gz") == contents(work / "a.tar")
    assert contents(work / "c.zip") == {"!../up.log": b"5\n", "!/etc/cron.d/x": b"6\n"}
    assert [lines for _, lines, _ in files(work)] == [1] * 10
    assert _tree(tmp_path) == before


def test_members_of_one_name_are_told_apart(log: Callable[[bytes], Path]) -> None:
    found = files(log(tar(("a.log", b"1\n"), ("a.log", b"1\n2\n"), ("a.log (2)", b"1\n"))))
    assert found == [("!a.log", 1, None), ("!a.log (2)", 2, None), ("!a.log (2) (2)", 1, None)]


def test_names_that_are_no_text_are_shown_as_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.log")
    try:
        path.write_bytes(b"x\n")
    except OSError:
        pytest.skip("this file system takes only text")
    assert [(file.path, file.trouble) for file in read(find([str(tmp_path)]), 1)] == [(f"{tmp_path}/\ufffd.log", None)]


# Bombs.


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "zst": zst,
    "bz2": bz2.compress,
    "xz": lambda zeros: lzma.compress(zeros, preset=0),
    "tar.zst": lambda zeros: zst(tar(("zeros", zeros))),
    "zip": lambda zeros: zipped(("a", bz2.compress(zeros))),
    "gz.gz": lambda zeros: gzip.compress(gzip.compress(zeros)),
    "many": lambda zeros: zipped(*((f"{n}.bz2", bz2.compress(zeros[: 1 << 24])) for n in range(16))),
}


@pytest.mark.parametrize("make", BOMBS)
def test_a_bomb_is_cut_off_in_little_time_and_memory(
    log: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch, make: str
) -> None:
    monkeypatch.setattr(opening, "RATIO_GRACE_BYTES", 32 << 20)
    path = log(BOMBS[make](bytes(256 << 20)))
    tracemalloc.start()
    begun = time.monotonic()
    found = files(path)
    took_s = time.monotonic() - begun
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert any("unpacks to more than 2000 times its size" in str(trouble) for _, _, trouble in found)
    assert took_s < 10
    assert peak < 160 << 20


def test_a_log_that_compresses_very_well_is_no_bomb(
    log: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "RATIO_GRACE_BYTES", 1 << 20)
    ((_, lines, trouble),) = files(log(gzip.compress(b"the same line again and again\n" * 200_000)))
    assert (lines, trouble) == (200_000, None)


def test_a_line_of_a_hundred_megabytes_is_one_line_in_bounded_memory(log: Callable[[bytes], Path]) -> None:
    path = log(b"")
    with path.open("wb") as out:
        out.write(b"[2025/08/23 19:22:19.900 +00:00] [INFO] [a.go:1] [first]\n")
        for _ in range(100):
            out.write(b"x" * (1 << 20))
        out.write(b"\n[2025/08/23 19:22:19.900 +00:00] [INFO] [a.go:1] [last]\n")
    tracemalloc.start()
    begun = time.monotonic()
    (file,) = read(find([str(path)]), 1)
    took_s = time.monotonic() - begun
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (batch,) = file.batches
    assert (batch.lines, batch.milvus, batch.unrecognised, batch.size_bytes) == (3, 2, 1, path.stat().st_size)
    assert took_s < 10
    assert peak < 128 << 20


# Files that change, vanish, or are none.


def test_a_file_that_vanishes_before_it_is_read_is_trouble(tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_bytes(LINES)
    sources = find([str(tmp_path)])
    (tmp_path / "a.log").unlink()
    found = [_described(file, tmp_path) for file in read(sources, 1)]
    assert found == [("/a.log", 0, "No such file or directory"), ("/b.log", 2_000, None)]


def test_a_file_that_becomes_a_folder_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LINES)
    sources = find([str(tmp_path)])
    (tmp_path / "a.log").unlink()
    (tmp_path / "a.log").mkdir()
    assert [_described(file, tmp_path) for file in read(sources, 1)] == [("/a.log", 0, "Is a directory")]


def test_a_file_that_is_cut_or_rotated_away_between_two_workers_is_read_as_it_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PART", 4096)
    monkeypatch.setattr(reading, "_WORTH_A_POOL", 0)
    path = tmp_path / "a.log"
    path.write_bytes(LINES)
    found = read(find([str(path)]), 2, None, path.unlink)
    assert [_described(file, path) for file in found] == [("", 2_000, None)]
    path.write_bytes(LINES)
    sources = find([str(path)])
    path.write_bytes(b"")
    assert [_described(file, path) for file in read(sources, 2)] == [("", 0, None)]
    path.unlink()
    assert [_described(file, path) for file in read(sources, 2)] == [("", 0, "No such file or directory")]


def test_a_file_that_grows_while_it_is_read_is_read_in_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(LINES_LONG)
    grown = iter(range(3))

    def grow(done: int, slow: int) -> None:
        if next(grown, None) is not None:
            with path.open("ab") as out:
                out.write(LINES)

    ((_, lines, trouble),) = [_described(file, path) for file in read(find([str(path)]), 1, grow)]
    assert (lines, trouble) == (80_000 + 6_000, None)


def test_a_pipe_is_read_to_its_end_and_the_null_device_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for data in (LINES, gzip.compress(LINES), b""):
        writer = Thread(target=path.write_bytes, args=(data,))
        writer.start()
        assert files(path) == [("", 2_000 if data else 0, None)]
        writer.join()
    assert contents(Path("/dev/null")) == {"": b""}


def test_trouble_in_the_middle_of_reading_keeps_what_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(LINES)

    class Failing(io.FileIO):
        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            if self.tell() > 20_000:
                raise OSError(5, "Input/output error")
            return super().readinto(memoryview(buffer)[:7_000]) or 0

    monkeypatch.setattr("builtins.open", lambda name, *_, **__: Failing(name))
    ((_, lines, trouble),) = [_described(file, path) for file in read([Source(str(path), len(LINES))], 1)]
    assert trouble == "Input/output error"
    assert 1_000 < lines < 1_400


def test_a_closed_standard_input_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert [*members(Source("-"))] == [Trouble("-", "standard input is closed")]


def _frames() -> Iterator[bytes]:
    yield zstandard.ZstdCompressor(write_content_size=False).compress(LINES)
    yield zstandard.ZstdCompressor(write_checksum=True).compress(LINES_LONG)
    yield zstandard.ZstdCompressor(level=19).compress(b"")
    yield zstandard.ZstdCompressor().compress(b"a" * 300_000)
    yield b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    out = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(out, closefd=False) as writer:
        for start in range(0, len(LINES), 999):
            writer.write(LINES[start : start + 999])
            writer.flush()
    yield out.getvalue()


def test_the_end_of_zstd_frames_is_known_at_every_byte() -> None:
    whole = b"".join(_frames())
    ends = {0, *itertools.accumulate(map(len, _frames()))}
    frames = opening._ZstdFrames(io.BytesIO(whole))
    rng = random.Random(3)
    at = 0
    while at < len(whole):
        assert frames.at_an_end == (at in ends), at
        at += len(frames.read(rng.choice((1, 1, 2, 3, 100))))
    assert frames.at_an_end
