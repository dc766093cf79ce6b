"""Unpacking ahead of the scanner: by a process of its own where a core is free, else by a thread.

The thread and the scanner wait for one interpreter lock, a process waits for nobody: 1 GiB of `.gz` is read in 1.1 instead of
1.4 s. It puts what it unpacks into a ring of memory that both share, and tells over a pipe what is there.
"""

import signal
from collections.abc import Iterator
from contextlib import suppress
from mmap import mmap
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import Queue
from threading import Thread
from time import monotonic
from typing import Any, BinaryIO, cast

from slowq.sources import Member, Source, Trouble, members
from slowq.sources.streams import DAMAGE

_SLOTS, _SLOT = 8, 1 << 20
# Decompressors allocate what they give: so small, it is the same memory again and again. And no smaller than what is asked
# of a tar at once, since how much of one that is cut gets lost hangs on that.
_PIECE = 1 << 18


class UnpackingError(ValueError):
    """What went wrong where a member was unpacked, in the words of there."""


def reason(error: Exception) -> str:
    """What was wrong with an input, for people."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def members_aside(source: Source) -> Iterator[Member | Trouble]:
    """The same as `members(source)`, unpacked by a process of its own; for platforms that can fork.

    Each member is to be read to its end, or to where it is damaged, before the next one is asked for.
    """
    ring = mmap(-1, _SLOTS * _SLOT)
    mine, other = get_context("fork").Pipe()
    process = get_context("fork").Process(target=_unpack, args=(source, mine, other, memoryview(ring)), daemon=True)
    process.start()
    other.close()
    taker = _Taker(mine, memoryview(ring))
    try:
        while (said := taker.hear()) is not None:
            if isinstance(said, Trouble):
                yield said
            else:
                path, compressed_bytes = said
                yield Member(path, cast(BinaryIO, taker), compressed_bytes)
    finally:
        process.terminate()
        process.join()
        mine.close()


class _Taker:
    """Takes what the other process unpacks, one slot of the ring after another."""

    def __init__(self, pipe: Connection, ring: memoryview) -> None:
        self._pipe, self._ring = pipe, ring
        self._slot = 0
        self._rest = ring[:0]

    def hear(self) -> Any:
        """The next thing that the other process says. Raises what went wrong there."""
        try:
            said = self._pipe.recv()
        except EOFError:
            raise UnpackingError("the process that unpacked it has ended") from None
        if isinstance(said, Exception):
            raise said
        return said

    def readinto(self, buffer: memoryview) -> int:
        """The next bytes of the member, none at its end."""
        if not self._rest:
            filled: int = self.hear()
            first = self._slot * _SLOT
            self._rest = self._ring[first : first + filled]
            if not filled:
                return 0
        n = min(len(buffer), len(self._rest))
        buffer[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        if not self._rest:
            self._slot = (self._slot + 1) % _SLOTS
            self._pipe.send_bytes(b"")  # the slot is free again
        return n


def _unpack(source: Source, reader: Connection, pipe: Connection, ring: memoryview) -> None:
    """The other process: says what members there are, how much of a slot is filled, what goes wrong, None at the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the reader
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    reader.close()
    giver = _Giver(pipe, ring)
    with suppress(BrokenPipeError, ConnectionResetError, EOFError):  # the reader has gone
        for said in _told(source, giver):
            pipe.send(said)
        while True:  # until it has, since a pipe that closes before would take along what is still in it
            pipe.recv_bytes()


def _told(source: Source, giver: "_Giver") -> Iterator[Any]:
    try:
        for member in members(source):
            if isinstance(member, Trouble):
                yield member
            else:
                yield member.path, member.compressed_bytes
                yield from giver.fill(member.stream)
    except DAMAGE as error:
        yield UnpackingError(reason(error))
    except Exception as error:  # noqa: BLE001 - handed over to the reader, who raises it
        yield error
    yield None


class _Giver:
    """Fills slot after slot, as far as the reader has freed them."""

    def __init__(self, pipe: Connection, ring: memoryview) -> None:
        self._pipe, self._ring = pipe, ring
        self._slot, self._free = 0, _SLOTS

    def fill(self, stream: BinaryIO) -> Iterator[int | Exception]:
        """Put a whole member into the ring; gives how many bytes of the next slot count, and 0 or an error at its end."""
        while True:
            if not self._free:
                self._pipe.recv_bytes()
                self._free = 1
            filled, end = self._filled(stream)
            if filled:
                self._free -= 1
                self._slot = (self._slot + 1) % _SLOTS
                yield filled
            if end is not None:
                yield end
                return

    def _filled(self, stream: BinaryIO) -> tuple[int, int | Exception | None]:
        """Fill the next slot, as far as the member goes, or until it goes wrong."""
        first, filled = self._slot * _SLOT, 0
        try:
            while filled + _PIECE <= _SLOT:
                n: int = stream.readinto(self._ring[first + filled : first + filled + _PIECE])  # type: ignore[attr-defined]
                if not n:
                    return filled, 0
                filled += n
        except DAMAGE as error:
            return filled, UnpackingError(reason(error))
        return filled, None


class Ahead:
    """Unpacks in a thread of its own, a few blocks ahead: decompressors let go of the interpreter lock."""

    BLOCKS = 8
    # At a quarter of it both threads wait for the lock so often that 1 GiB of .gz takes 1.6 instead of 1.1 s.
    SIZE = 1 << 20

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._queue: Queue[bytes | Exception] = Queue(self.BLOCKS)
        self._rest = memoryview(b"")
        self._closed = self._is_over = False
        self._thread = Thread(target=self._unpack, daemon=True)
        self._thread.start()

    def _unpack(self) -> None:
        try:
            while not self._closed:
                chunk = self._stream.read(self.SIZE) or b""
                self._queue.put(chunk)
                if not chunk:
                    return
        except Exception as error:  # noqa: BLE001 - handed over to the reader, who raises it
            self._queue.put(error)

    def read_into(self, buffer: memoryview) -> int:
        if not self._rest and not self._is_over:
            chunk = self._queue.get()
            self._is_over = not chunk or isinstance(chunk, Exception)  # nothing more will come
            if isinstance(chunk, Exception):
                raise chunk
            self._rest = memoryview(chunk)
        n = min(len(buffer), len(self._rest))
        buffer[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        return n

    def close(self) -> None:
        self._closed = True
        # After an interrupt the thread may still wait for a pipe in which nothing comes.
        give_up = monotonic() + 1
        while self._thread.is_alive() and monotonic() < give_up:
            if not self._queue.empty():
                self._queue.get_nowait()
            self._thread.join(0.001)
