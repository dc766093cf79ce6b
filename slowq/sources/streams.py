"""Files, archives and compressed streams as a flat row of readable members. Everything is streamed.

What a file is, its first bytes say, not its name. Compression and archives may nest (a `.log.gz` in a `.tar.zst` in a
`.zip`), up to MAX_NESTING deep. Links, devices and folders in an archive are passed over; a member's name is only ever
shown. A stream that unpacks to absurdly more than it holds is cut off: no log compresses like that.
"""

import bz2
import io
import lzma
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

import zstandard
from isal import igzip, isal_zlib

from slowq.sources.paths import STDIN, Source

MAX_NESTING = 4
# gzip cannot exceed 1032:1, and real logs stay below 100:1; above this ratio, and past the grace, it is a bomb.
MAX_RATIO = 2000
RATIO_GRACE_BYTES = 256 << 20
_HEAD = 512

_GZIP, _ZSTD, _BZIP2, _XZ, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00", b"PK\x03\x04"
_TAR_AT, _TAR = 257, b"ustar"


@dataclass(slots=True)
class Member:
    """One readable log. `plain` is set where it is an ordinary file that can be read in parts."""

    path: str
    stream: BinaryIO
    compressed_bytes: int | None = None
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that could not be read, and why; the rest is read all the same."""

    path: str
    reason: str


class BombError(Exception):
    """A stream that unpacks to absurdly more than it holds."""


# What reading a damaged, vanished or malicious input raises.
DAMAGE: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    BombError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    cast(type[Exception], isal_zlib.error),
)


def members(source: Source) -> Iterator[Member | Trouble]:
    """What is in one source, in order. A member's stream is good until the next one is asked for."""
    if source.path == STDIN:
        yield from _unpack(STDIN, cast(BinaryIO, sys.stdin.buffer), None, 0)
        return
    try:
        with open(source.path, "rb", buffering=0) as file:
            yield from _unpack(source.path, file, source.size, 0)
    except OSError as error:
        yield Trouble(source.path, error.strerror or str(error))


def _unpack(path: str, stream: BinaryIO, size: int | None, depth: int) -> Iterator[Member | Trouble]:
    head, stream = _peek(stream)
    if depth > MAX_NESTING:
        yield Trouble(path, f"packed more than {MAX_NESTING} times")
        return
    opened = _decompressed(head, stream, path)
    if opened is not None:
        yield from _unpack(path, opened, size, depth + 1)
    elif head[_TAR_AT : _TAR_AT + 5] == _TAR:
        yield from _untar(path, stream, depth)
    elif head.startswith(_ZIP):
        yield from _unzip(path, stream, depth)
    else:
        yield Member(path, stream, size if depth else None, plain=depth == 0 and path != STDIN and size is not None)


def _peek(stream: BinaryIO) -> tuple[bytes, BinaryIO]:
    """The first bytes, and a stream that still holds them."""
    if stream.seekable():
        at = stream.tell()
        head = stream.read(_HEAD) or b""
        stream.seek(at)
        return head, stream
    chunks: list[bytes] = []
    while (missing := _HEAD - sum(map(len, chunks))) > 0 and (chunk := stream.read(missing)):
        chunks.append(chunk)
    head = b"".join(chunks)
    return head, cast(BinaryIO, _Rewound(head, stream))


def _decompressed(head: bytes, stream: BinaryIO, path: str) -> BinaryIO | None:
    counted = _Counted(stream)
    if head.startswith(_GZIP):
        unpacked: IO[bytes] = cast(IO[bytes], igzip.IGzipFile(fileobj=counted, mode="rb"))
    elif head.startswith(_ZSTD):
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        unpacked = cast(
            IO[bytes], reader.stream_reader(cast(IO[bytes], counted), read_across_frames=True, closefd=False)
        )
    elif head.startswith(_BZIP2):
        unpacked = cast(IO[bytes], bz2.BZ2File(cast(IO[bytes], counted)))
    elif head.startswith(_XZ):
        unpacked = cast(IO[bytes], lzma.LZMAFile(cast(IO[bytes], counted)))  # noqa: SIM115 - it is handed on, not used up here
    else:
        return None
    return cast(BinaryIO, _Bounded(unpacked, counted, path))


def _untar(path: str, stream: BinaryIO, depth: int) -> Iterator[Member | Trouble]:
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for info in archive:
                if info.isreg():
                    content = archive.extractfile(info)
                    if content is not None:
                        yield from _unpack(f"{path}!{info.name}", _forward(content), info.size, depth + 1)
    except (tarfile.TarError, EOFError) as error:
        yield Trouble(path, f"the archive is damaged: {error}")


def _unzip(path: str, stream: BinaryIO, depth: int) -> Iterator[Member | Trouble]:
    if not stream.seekable():
        yield Trouble(path, "a zip inside another archive or on standard input cannot be read")
        return
    try:
        with zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                name = f"{path}!{info.filename}"
                if info.flag_bits & 1:
                    yield Trouble(name, "is encrypted")
                    continue
                with archive.open(info) as content:
                    bounded = _Bounded(content, _Sized(info.compress_size), name)
                    yield from _unpack(name, cast(BinaryIO, bounded), info.compress_size, depth + 1)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        yield Trouble(path, f"the archive is damaged or of an unknown kind: {error}")


def _forward(stream: IO[bytes]) -> BinaryIO:
    """A tar member as a stream that does not claim to seek: the archive under it is read once, front to back."""
    return cast(BinaryIO, _Rewound(b"", stream))


class _Rewound(io.RawIOBase):
    """Bytes that were read already, then the rest of the stream."""

    def __init__(self, head: bytes, rest: IO[bytes] | BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        if self._head:
            n = min(len(buffer), len(self._head))
            buffer[:n], self._head = self._head[:n], self._head[n:]
            return n
        chunk = self._rest.read(len(buffer)) or b""
        buffer[: len(chunk)] = chunk
        return len(chunk)


class _Sized:
    """The packed size of a zip member, which is known beforehand."""

    def __init__(self, taken: int) -> None:
        self.taken = taken


class _Counted(io.RawIOBase):
    """Passes bytes on and counts them."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.taken = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        chunk = self._stream.read(len(buffer)) or b""
        buffer[: len(chunk)] = chunk
        self.taken += len(chunk)
        return len(chunk)


class _Bounded(io.RawIOBase):
    """An unpacked stream that stops with BombError where it gives absurdly more than it took."""

    def __init__(self, stream: IO[bytes], source: "_Counted | _Sized", path: str) -> None:
        self._stream, self._source, self._path = stream, source, path
        self._given = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        chunk = self._stream.read(len(buffer)) or b""
        buffer[: len(chunk)] = chunk
        self._given += len(chunk)
        if self._given > RATIO_GRACE_BYTES and self._given > MAX_RATIO * max(1, self._source.taken):
            raise BombError(f"{self._path} unpacks to more than {MAX_RATIO} times its size")
        return len(chunk)
