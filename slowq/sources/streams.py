"""Files, archives and compressed streams as a flat row of readable members. Everything is streamed.

What a file is, its first bytes say, not its name. Compression and archives may nest (a `.log.gz` in a `.tar.zst` in a
`.zip`), up to MAX_NESTING deep. Links, devices and folders in an archive are passed over; a member's name is only ever
shown. A stream that unpacks to absurdly more than it holds is cut off: no log compresses like that.
"""

import bz2
import io
import lzma
import os
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO, Protocol, cast

import zstandard
from isal import igzip_lib, isal_zlib

from slowq.sources import documents
from slowq.sources.paths import STDIN, Source

MAX_NESTING = 4
# gzip cannot exceed 1032:1, and real logs stay below 100:1; above this ratio, and past the grace, it is a bomb.
MAX_RATIO = 2000
RATIO_GRACE_BYTES = 256 << 20
_HEAD = 512
_TAKEN_AT_ONCE = 1 << 20

_GZIP, _ZSTD, _BZIP2, _XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00"
_ZIP, _EMPTY_ZIP = b"PK\x03\x04", b"PK\x05\x06"
_ZIP_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
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
    cast(type[Exception], igzip_lib.error),
    tarfile.TarError,
    zipfile.BadZipFile,
    NotImplementedError,
)
_CUT = "ends in the middle of its compressed data"


@dataclass(slots=True)
class _Flow:
    """How many bytes came from the disk, and how many were unpacked from them, in all layers together."""

    taken: int = 0
    given: int = 0

    def give(self, n: int, path: str) -> None:
        self.given += n
        if self.given > RATIO_GRACE_BYTES and self.given > MAX_RATIO * max(1, self.taken):
            raise BombError(f"{path} unpacks to more than {MAX_RATIO} times its size")


def members(source: Source) -> Iterator[Member | Trouble]:
    """What is in one source, in order. A member's stream is good until the next one is asked for."""
    if source.trouble is not None:
        yield Trouble(source.path, source.trouble)
    elif source.path == STDIN:
        if sys.stdin is None:
            yield Trouble(STDIN, "standard input is closed")
        else:
            yield from _unpack(STDIN, cast(BinaryIO, sys.stdin.buffer), None, 0, _Flow())
    else:
        try:
            with open(source.path, "rb", buffering=0) as file:
                yield from _unpack(source.path, file, source.size, 0, _Flow())
        except OSError as error:
            yield Trouble(source.path, error.strerror or str(error))


def _unpack(path: str, stream: BinaryIO, size: int | None, depth: int, flow: _Flow) -> Iterator[Member | Trouble]:
    head, stream = _peek(stream)
    packed = _DECOMPRESSORS.get(next((magic for magic in _DECOMPRESSORS if head.startswith(magic)), b""))
    is_tar, is_zip = head[_TAR_AT : _TAR_AT + 5] == _TAR, head.startswith((_ZIP, _EMPTY_ZIP))
    if depth >= MAX_NESTING and (packed or is_tar or is_zip):
        yield Trouble(path, f"packed more than {MAX_NESTING} times")
    elif is_zip:
        yield from _unzip(path, stream, depth, flow)
    elif packed or is_tar:
        if depth == 0:
            stream = cast(BinaryIO, _Counted(stream, flow))
        if packed:
            yield from _unpack(
                path, cast(BinaryIO, _Bounded(cast(BinaryIO, packed(stream)), flow, path)), size, depth + 1, flow
            )
        else:
            yield from _untar(path, stream, depth, flow)
    elif documents.begins(head):
        yield Member(path, cast(BinaryIO, _Entries(stream)), size if depth else None)
    else:
        yield Member(path, stream, size if depth else None, plain=depth == 0 and path != STDIN and size is not None)


def _peek(stream: BinaryIO) -> tuple[bytes, BinaryIO]:
    """The first bytes, and a stream that still holds them. What goes wrong on the way goes wrong again after them."""
    if stream.seekable():
        at = stream.tell()
        head = stream.read(_HEAD) or b""
        stream.seek(at)
        return head, stream
    head, trouble = _take(stream, _HEAD)
    if trouble is not None and not head:
        raise trouble
    return head, cast(BinaryIO, _Rewound(head, stream, trouble))


def _take(stream: BinaryIO, most: int) -> tuple[bytes, Exception | None]:
    """The next bytes, as many as there are up to `most`, and what went wrong before there were so many."""
    read, taken = _read_of(stream), bytearray()
    try:
        while (missing := most - len(taken)) > 0 and (chunk := read(min(missing, _TAKEN_AT_ONCE))):
            taken += chunk
    except DAMAGE as error:
        return bytes(taken), error
    return bytes(taken), None


def _untar(path: str, stream: BinaryIO, depth: int, flow: _Flow) -> Iterator[Member | Trouble]:
    # To tarfile damage below looks like the end: so it hands on what came before.
    until_damage = _UntilDamage(stream)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], until_damage), mode="r|") as archive:
            for info in archive:
                if info.isreg():
                    content = archive.extractfile(info)
                    if content is not None:
                        yield from _unpack(f"{path}!{info.name}", _forward(content), info.size, depth + 1, flow)
    except DAMAGE as error:
        yield Trouble(path, f"the archive is damaged: {until_damage.trouble or error}")
    else:
        if until_damage.trouble is not None:
            yield Trouble(path, f"the archive is damaged: {until_damage.trouble}")


def _unzip(path: str, stream: BinaryIO, depth: int, flow: _Flow) -> Iterator[Member | Trouble]:
    if not stream.seekable():
        yield Trouble(path, "a zip inside another archive or on standard input cannot be read")
        return
    flow.taken += stream.seek(0, os.SEEK_END)
    try:
        with zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                is_link = stat.S_ISLNK(info.external_attr >> 16)
                if not info.is_dir() and not is_link:
                    yield from _unzip_one(f"{path}!{info.filename}", archive, info, depth, flow)
    except DAMAGE as error:
        yield Trouble(path, f"the archive is damaged or of an unknown kind: {error}")


def _unzip_one(
    path: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, depth: int, flow: _Flow
) -> Iterator[Member | Trouble]:
    if info.flag_bits & 1:
        yield Trouble(path, "is encrypted")
        return
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Of these zipfile unpacks whatever it is given at once, however much that becomes.
        how = _ZIP_METHODS.get(info.compress_type, f"method {info.compress_type}")
        yield Trouble(path, f"is packed by {how}, which is not read in a zip")
        return
    try:
        with archive.open(info) as content:
            # What zipfile read together with the end of a member whose checksum is wrong is lost: so little at a time.
            bounded = cast(BinaryIO, _Bounded(content, flow, path, most=1 << 13))
            yield from _unpack(path, bounded, info.compress_size, depth + 1, flow)
    except BombError:
        raise
    except DAMAGE as error:
        yield Trouble(path, f"is damaged or of an unknown kind: {error}")


def _forward(stream: IO[bytes]) -> BinaryIO:
    """A tar member as a stream that does not claim to seek: the archive under it is read once, front to back."""
    # What tarfile read together with the cut end of an archive is lost: so little at a time.
    return cast(BinaryIO, _Rewound(b"", stream, most=1 << 18))


class _Stream(io.RawIOBase):
    """A stream that is read once, front to back; `_next` gives at least one byte of it, or none at its end."""

    def _next(self, most: int) -> bytes:
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        chunk = self._next(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def read(self, size: int = -1) -> bytes:
        # What RawIOBase does instead is to fill a fresh buffer of that size for every chunk.
        return self.readall() if size < 0 else self._next(size)


class _Rewound(_Stream):
    """Bytes that were read already, then the rest of the stream, or what went wrong there."""

    def __init__(
        self, head: bytes, rest: IO[bytes] | BinaryIO, trouble: Exception | None = None, most: int = sys.maxsize
    ) -> None:
        self._head, self._trouble, self._most = head, trouble, most
        self._read = _read_of(rest)

    def _next(self, most: int) -> bytes:
        if self._head:
            chunk, self._head = self._head[:most], self._head[most:]
            return chunk
        if self._trouble is not None:
            raise self._trouble
        return self._read(min(most, self._most)) or b""


def _read_of(stream: IO[bytes] | BinaryIO) -> Callable[[int], bytes]:
    """How to read so that damage costs nothing of what was read before it: `read` of a buffered stream drops that."""
    found: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    return found


class _Entries(_Stream):
    """The entries of a JSON document, a line each; what is none after all, or too large for one, as it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._given: _Rewound | None = None

    def _next(self, most: int) -> bytes:
        if self._given is None:
            content, trouble = _take(self._stream, documents.MAX_BYTES + 1)
            lines = documents.lines(content) if len(content) <= documents.MAX_BYTES else None
            self._given = _Rewound(content if lines is None else lines, self._stream, trouble)
        return self._given.read(most)


class _Counted(_Stream):
    """Passes bytes on and counts them."""

    def __init__(self, stream: BinaryIO, flow: _Flow) -> None:
        self._stream, self._flow = stream, flow

    def _next(self, most: int) -> bytes:
        chunk = self._stream.read(most) or b""
        self._flow.taken += len(chunk)
        return chunk


class _UntilDamage(_Stream):
    """A stream that ends where reading it goes wrong; `trouble` says why."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.trouble: Exception | None = None

    def _next(self, most: int) -> bytes:
        if self.trouble is not None:
            return b""
        try:
            return self._stream.read(most) or b""
        except DAMAGE as error:
            self.trouble = error
            return b""


class _Bounded(_Stream):
    """An unpacked stream that stops with BombError where all that is unpacked is absurdly more than was taken."""

    def __init__(self, stream: IO[bytes] | BinaryIO, flow: _Flow, path: str, most: int = sys.maxsize) -> None:
        self._read, self._flow, self._path, self._most = _read_of(stream), flow, path, most

    def _next(self, most: int) -> bytes:
        chunk = self._read(min(most, self._most)) or b""
        self._flow.give(len(chunk), self._path)
        return chunk


class _Decompressor(Protocol):
    """What bz2, lzma and isal have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Unpacked(_Stream):
    """What one or more compressed streams in a row hold, up to the very byte at which the last one is cut."""

    _TAKE, _GIVE = 1 << 17, 1 << 20

    def __init__(self, new: Callable[[], _Decompressor], stream: BinaryIO) -> None:
        self._new, self._stream = new, stream
        self._current = new()
        self._waiting = b""

    def _next(self, most: int) -> bytes:
        while True:
            if self._current.eof and not self._begin_next():
                return b""
            data = b""
            if self._current.needs_input:
                data, self._waiting = self._waiting or self._stream.read(self._TAKE) or b"", b""
                if not data:
                    raise EOFError(_CUT)
            chunk = self._current.decompress(data, min(most, self._GIVE))
            if chunk:
                return chunk

    def _begin_next(self) -> bool:
        """Go on to the next compressed stream, past the zeros that may pad the one before."""
        self._waiting = self._current.unused_data.lstrip(b"\0")
        while not self._waiting:
            data = self._stream.read(self._TAKE) or b""
            if not data:
                return False
            self._waiting = data.lstrip(b"\0")
        self._current = self._new()
        return True


class _Unzstd(_Stream):
    """What zstd frames hold. The library takes a frame that is cut for one that ends, so their lengths are followed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._frames = _ZstdFrames(stream)
        # Frames whose window is larger would take more memory than a log is worth.
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        self._reader = reader.stream_reader(cast(IO[bytes], self._frames), read_across_frames=True, closefd=False)

    def _next(self, most: int) -> bytes:
        chunk = self._reader.read1(most)
        if not chunk and not self._frames.at_an_end:
            raise EOFError(_CUT)
        return chunk


class _ZstdFrames(_Stream):
    """Passes bytes on and follows the headers of frames and blocks in them (RFC 8878, section 3.1)."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._header, self._wanted, self._skip = b"", 4, 0
        self._then: Callable[[bytes], None] = self._magic
        self._has_checksum = False

    @property
    def at_an_end(self) -> bool:
        """Whether what was passed on so far ends with a frame."""
        return self._then == self._magic and not self._header and not self._skip

    def _next(self, most: int) -> bytes:
        chunk = self._stream.read(most) or b""
        at = 0
        while at < len(chunk):
            if self._skip:
                n = min(self._skip, len(chunk) - at)
                self._skip -= n
            else:
                n = min(self._wanted - len(self._header), len(chunk) - at)
                self._header += chunk[at : at + n]
                if len(self._header) == self._wanted:
                    header, self._header = self._header, b""
                    self._then(header)
            at += n
        return chunk

    def _magic(self, header: bytes) -> None:
        if header == _ZSTD:
            self._wanted, self._then = 1, self._descriptor
        elif header[1:] == b"\x2a\x4d\x18" and header[0] >> 4 == 5:
            self._wanted, self._then = 4, self._skippable
        else:  # no frame: the reader will say so
            self._skip = sys.maxsize

    def _skippable(self, header: bytes) -> None:
        self._skip, self._wanted, self._then = int.from_bytes(header, "little"), 4, self._magic

    def _descriptor(self, header: bytes) -> None:
        flags = header[0]
        is_single, self._has_checksum = bool(flags & 0x20), bool(flags & 0x04)
        window, dictionary = 0 if is_single else 1, (0, 1, 2, 4)[flags & 3]
        self._skip = window + dictionary + (1 if is_single else 0, 2, 4, 8)[flags >> 6]
        self._wanted, self._then = 3, self._block

    def _block(self, header: bytes) -> None:
        number = int.from_bytes(header, "little")
        is_last, is_repeated = number & 1, number >> 1 & 3 == 1
        self._skip = 1 if is_repeated else number >> 3
        if is_last:
            self._skip += 4 if self._has_checksum else 0
            self._wanted, self._then = 4, self._magic


_DECOMPRESSORS: dict[bytes, Callable[[BinaryIO], io.RawIOBase]] = {
    _GZIP: lambda stream: _Unpacked(
        lambda: cast(_Decompressor, igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)), stream
    ),
    _BZIP2: lambda stream: _Unpacked(bz2.BZ2Decompressor, stream),
    _XZ: lambda stream: _Unpacked(lzma.LZMADecompressor, stream),
    _ZSTD: _Unzstd,
}
