"""All inputs into batches: in parts, in parallel, in order.

Plain files are cut into parts of PART bytes, whatever the number of workers, so that any number of them gives the same
batches in the same order. Compressed files and archives are read front to back, one worker a file; where there are more
workers than files, each has a process beside it that unpacks.
"""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, BinaryIO

from slowq.parsers.ahead import Ahead, members_aside, reason
from slowq.parsers.envelopes import unwrap
from slowq.parsers.scan import BLOCK, MAX_LINE, Batch, Scanner
from slowq.parsers.zap import is_stamp_alone
from slowq.sources import Member, Source, Trouble, members
from slowq.sources.paths import STDIN
from slowq.sources.streams import DAMAGE

PART = 32 << 20
_WORTH_A_POOL = 24 << 20  # below this, starting workers costs more than it saves
ReadInto = Callable[[memoryview], int]
Progress = Callable[[int, int], None]  # bytes read, slow requests so far


@dataclass(slots=True)
class File:
    """One log as it was read: a file, or a member of an archive."""

    path: str
    compressed_bytes: int | None
    batches: list[Batch] = field(default_factory=list)
    trouble: str | None = None


def read(
    sources: Sequence[Source], jobs: int, progress: Progress | None = None, meanwhile: Callable[[], None] | None = None
) -> Iterator[File]:
    """Every log in the sources, in their order. What cannot be read comes with its trouble, never as an exception.

    `meanwhile` is called once while workers read: there is time for something that has to be done anyway.
    """
    total = sum(source.size or 0 for source in sources)
    if jobs > 1 and total >= _WORTH_A_POOL and hasattr(os, "fork"):
        files = _read_in_parallel(sources, jobs, progress, meanwhile)
    else:
        files = (file for source in sources for file in _read_source(source, progress))
    names: set[str] = set()
    for file in files:
        file.path = _shown(file.path, names)
        yield file


def _shown(path: str, names: set[str]) -> str:
    """A path as text that no other file has: an archive may hold two members of one name, and any bytes in a name."""
    text = unique = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    number = 1
    while unique in names:
        number += 1
        unique = f"{text} ({number})"
    names.add(unique)
    return unique


# ---------------------------------------------------------------------------------------------------------------------
# In parallel: tasks are (source, part), results come back in that order.


def _read_in_parallel(
    sources: Sequence[Source], jobs: int, progress: Progress | None, meanwhile: Callable[[], None] | None
) -> Iterator[File]:
    # Files are opened before the workers are forked, so that a log rotated away meanwhile is still the one we saw.
    opened = {i: _open_for_parts(source) for i, source in enumerate(sources)}
    done_bytes = done_slow = 0
    known: dict[Any, Any] = {}
    # Workers make no cycles and end soon: looking for some would take them a twentieth of their time.
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork"), initializer=gc.disable) as pool:
        tasks: list[tuple[int, list[Future[list[File]]]]] = []
        for i, source in enumerate(sources):
            descriptor = opened[i]
            if descriptor is None:
                tasks.append((i, [pool.submit(_source_task, source, len(sources) < jobs)]))
            else:
                size = os.fstat(descriptor).st_size
                parts = [(at, min(at + PART, size)) for at in range(0, size or 1, PART)]
                tasks.append((i, [pool.submit(_part_task, descriptor, source.path, *part) for part in parts]))
        if meanwhile is not None:
            meanwhile()
        for i, futures in tasks:
            whole: list[File] = []
            for future in futures:
                for piece in future.result():
                    for batch in piece.batches:
                        _share(batch, known)
                    done_bytes += sum(batch.size_bytes for batch in piece.batches)
                    done_slow += sum(batch.slow_lines for batch in piece.batches)
                    if progress is not None:
                        progress(done_bytes, done_slow)
                    if opened[i] is not None and whole:
                        whole[0].batches += piece.batches
                        whole[0].trouble = whole[0].trouble or piece.trouble
                    else:
                        whole.append(piece)
            futures.clear()
            yield from whole
            descriptor = opened[i]
            if descriptor is not None:
                os.close(descriptor)


def _share(batch: Batch, known: dict[Any, Any]) -> None:
    """Replace what equals something of another part by that: every part names the same filters."""
    rows = batch.rows
    rows.forms = [known.setdefault(form, form) for form in rows.forms]
    rows.filters = [known.setdefault(text, text) for text in rows.filters]


def _open_for_parts(source: Source) -> int | None:
    """A descriptor of a plain file that is worth cutting into parts; None for every other source."""
    if source.size is None or source.size <= PART:
        return None
    try:
        opened = members(source)  # kept, since its stream lives as long as it does
        first = next(opened, None)
        if not isinstance(first, Member) or not first.plain or _is_in_pieces(first.stream):
            return None
        return os.open(source.path, os.O_RDONLY)
    except DAMAGE:  # the worker that reads it front to back will say what it is
        return None


def _is_in_pieces(stream: BinaryIO) -> bool:
    """Whether entries may be cut into pieces, by the log's wrapper or by who copied it, which parts could tear apart."""
    head = (stream.read(1 << 16) or b"").split(b"\n")
    layers = {layer for line in head for layer in unwrap(line).layers}
    return not layers.isdisjoint(("cri", "docker-json", "csv")) or any(map(is_stamp_alone, head))


def _source_task(source: Source, aside: bool) -> list[File]:
    return list(_read_source(source, None, aside=aside and _is_packed(source)))


def _is_packed(source: Source) -> bool:
    """Whether it is a file with something to unpack; what is no file can be read but once."""
    if source.size is None:
        return False
    try:
        first = next(members(source), None)
        return not (isinstance(first, Member) and first.plain)
    except DAMAGE:  # whoever reads it will say what it is
        return False


def _part_task(descriptor: int, path: str, start: int, end: int) -> list[File]:
    """Every line that begins in [start, end)."""
    file, scanner = File(path, None), Scanner(from_start=start == 0)
    try:
        at, stop = _line_start(descriptor, start), _line_start(descriptor, end)

        def read_into(buffer: memoryview) -> int:
            nonlocal at
            # The descriptor is shared with other workers, so it is never moved: pread only.
            n = os.preadv(descriptor, [buffer[: max(0, stop - at)]], at) if at < stop else 0
            at += n
            return n

        _scan(read_into, scanner, None)
    except OSError as error:
        file.trouble = error.strerror or str(error)
    file.batches.append(scanner.finish())
    return [file]


def _line_start(descriptor: int, at: int) -> int:
    """Where the first line at or after a position begins."""
    at -= 1
    while at >= 0:
        chunk = os.pread(descriptor, 1 << 16, at)
        line_end = chunk.find(b"\n")
        if line_end >= 0:
            return at + line_end + 1
        if not chunk:
            return at
        at += len(chunk)
    return 0


# ---------------------------------------------------------------------------------------------------------------------
# One source, front to back.


def _read_source(source: Source, progress: Progress | None, *, aside: bool = False) -> Iterator[File]:
    """Its logs in order; `aside` leaves the unpacking to a process of its own."""
    path, is_empty = source.path, True
    try:
        for member in members_aside(source) if aside else members(source):
            is_empty = False
            if isinstance(member, Trouble):
                yield File(member.path, None, trouble=member.reason)
            else:
                path = member.path
                yield _read_member(member, progress, unpacked=aside)
    except DAMAGE as error:
        # Between two members: the archive itself is damaged.
        is_empty = False
        yield File(path, None, trouble=reason(error))
    if is_empty:  # an archive of nothing
        yield File(path, source.size)


def _read_member(member: Member, progress: Progress | None, *, unpacked: bool) -> File:
    file = File(member.path, member.compressed_bytes)
    scanner = Scanner()
    ahead = None if member.plain or unpacked or member.path == STDIN else Ahead(member.stream)
    try:
        _scan(ahead.read_into if ahead else member.stream.readinto, scanner, progress)  # type: ignore[attr-defined]
    except DAMAGE as error:
        # What came before the damage is kept.
        file.trouble = reason(error)
    finally:
        if ahead:
            ahead.close()
    file.batches.append(scanner.finish())
    return file


def _scan(read_into: ReadInto, scanner: Scanner, progress: Progress | None) -> None:
    """Hand the scanner blocks of whole lines until the stream ends."""
    buffer = bytearray(2 * BLOCK)
    filled = 0
    while True:
        if filled + BLOCK > len(buffer):
            buffer.extend(bytes(len(buffer)))
        try:
            n = read_into(memoryview(buffer)[filled : filled + BLOCK])
        except DAMAGE:
            scanner.feed(buffer, filled)  # a last line that is cut
            raise
        filled += n
        line_end = buffer.rfind(b"\n", filled - n, filled) + 1 if n else filled
        if line_end:
            scanner.feed(buffer, line_end)
            buffer[: filled - line_end] = buffer[line_end:filled]
            filled -= line_end
        elif filled >= MAX_LINE:
            scanner.feed(buffer, MAX_LINE)
            scanner.batch.size_bytes += filled - MAX_LINE
            filled = _pass_over_line(read_into, buffer, scanner)
        if progress is not None:
            progress(scanner.batch.size_bytes, scanner.batch.slow_lines)
        if not n:
            return


def _pass_over_line(read_into: ReadInto, buffer: bytearray, scanner: Scanner) -> int:
    """Read on to the end of a line that was counted already; what follows it is left at the buffer's start."""
    while True:
        n = read_into(memoryview(buffer)[:BLOCK])
        line_end = buffer.find(b"\n", 0, n) + 1
        if line_end or not n:
            scanner.batch.size_bytes += line_end
            buffer[: n - line_end] = buffer[line_end:n]
            return n - line_end
        scanner.batch.size_bytes += n
