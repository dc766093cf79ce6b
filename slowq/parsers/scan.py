"""Bytes in, a `Batch` out: every line of a log counted once, and the few that matter taken apart.

A log is nearly all lines that nobody needs, so the scanner never splits it into lines. For each block it finds the line
feeds, makes sure that each line begins like zap text, and looks for all needles at once (Aho-Corasick with SIMD
prefilters); only lines that hold a needle, or that do not begin like zap text, are looked at one by one.

The class of a line depends on its own bytes, and a line is never cut at a block's edge, so the outcome is the same for
any block size, and, but for entries that a wrapper or a copy cut into pieces, for any way to cut the file.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress

import numpy as np

from slowq.parsers import access, client, envelopes, evidence, foreign, needles, slow, zap
from slowq.parsers.access import Access
from slowq.parsers.blocks import all_begin_with, line_feeds
from slowq.parsers.evidence import Events, Phase

BLOCK = 1 << 20  # smaller ones cost more calls, larger ones more memory
MAX_LINE = 16 << 20  # of a longer line the rest is passed over; Milvus itself cuts at 1 MiB from 2.6.7
MAX_KEPT = 50  # malformed and unrecognised lines that are quoted, out of all that are counted
_EXCERPT = 160

_DENSE = 0.8
_DENSE_IN = 1 << 14
_ACCESS = access.MARK[1:]
_TAKEN_BYTES = 1 << 20  # of lines that wait to be read together
# A slow message as a group of its own, whole or cut at the end of its line. Inside a quoted value its quotes would stand
# behind backslashes, so where it is found in a line that cannot be read as slow, a slow line is lost.
_SLOW_MESSAGE = re.compile(rb'\] \["(?:Search|Query|HybridSearch) slow(?:"\]|"?\r?\Z)')
# The same in any wrapper: JSON and CSV put backslashes or further quotes before each quote.
_SLOW_WRAPPED = re.compile(rb'(?:\[|message[\\"]{1,31}:\s?)[\\"]{1,31}(?:Search|Query|HybridSearch) slow(?:[\\"]|\Z)')
_BOM = b"\xef\xbb\xbf"
_BROKEN = "broken"  # the stream of an entry that was broken at each field


@dataclass(slots=True)
class Batch:
    """What one file, or one part of one, holds. Line numbers count from 1 within it."""

    size_bytes: int = 0
    lines: int = 0
    slow_lines: int = 0
    milvus: int = 0
    continuation: int = 0
    unrecognised: int = 0
    malformed: int = 0
    rows: slow.Rows = field(default_factory=slow.Rows)
    events: Events = field(default_factory=Events)
    phases: list[Phase] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)
    access_lines: int = 0  # of any method; they are among `milvus`
    malformed_lines: list[tuple[int, str, bytes]] = field(default_factory=list)
    unrecognised_lines: list[tuple[int, bytes]] = field(default_factory=list)
    formats: Counter[tuple[str, ...]] = field(default_factory=Counter)
    nodes: dict[int, str] = field(default_factory=dict)  # line → pod or container that a wrapper names
    version: str | None = None
    first_lines: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Unfinished:
    """An entry that a wrapper cut into pieces, as far as it was read."""

    number: int
    layers: tuple[str, ...]
    node: str | None
    size_bytes: int = 0
    pieces: list[bytes] = field(default_factory=list)


class Scanner:
    """Feed it the bytes of one log in order; `finish` gives the batch.

    `from_start` is False for a part that does not begin where the log begins.
    """

    def __init__(self, *, from_start: bool = True) -> None:
        self.batch = Batch()
        self._slow = slow.SlowLines()
        self._evidence = evidence.EvidenceLines()
        self.batch.rows = self._slow.rows
        self.batch.events, self.batch.phases = self._evidence.events, self._evidence.phases
        self._zap_start = b"[2025/"  # bracket and year; learnt from each block's first line
        self._from_start = from_start
        self._pieces: dict[str, _Unfinished] = {}
        self._finder = needles.Finder()
        self._slow_lines: list[bytes] = []
        self._slow_numbers: list[int] = []
        self._evidence_lines: list[bytes] = []
        self._evidence_numbers: list[int] = []
        self._taken_bytes = 0
        self._csv_header: tuple[int, bytes] | None = None

    def feed(self, block: bytearray | bytes, end: int) -> None:
        """Take `block[:end]`, which ends with a line feed or with the log."""
        if not end:
            return
        view = memoryview(block)[:end]
        batch = self.batch
        if not batch.lines:
            self._look_at_the_beginning(bytes(view[: 1 << 16]))
        start = bytes(view[:6])
        if zap.TEXT_PREFIX.match(start):
            self._zap_start = start
        octets = np.frombuffer(view, dtype=np.uint8)
        feeds = line_feeds(octets)
        lines = len(feeds) + (view[end - 1] != 10)
        # A time stamp alone, at the end, may be the head of an entry that goes on in the next block.
        is_plain = all_begin_with(view, feeds, self._zap_start) and block.find(b"\x1b", 0, end) < 0
        if is_plain and _BROKEN not in self._pieces and not zap.is_stamp_alone(_last_line(block, end)):
            batch.milvus += lines
            batch.formats[("milvus-text",)] += lines
            # Whether nearly all are slow, the beginning of a block tells well enough.
            if block.count(b'slow"] [', 0, min(end, _DENSE_IN)) > _DENSE * (np.searchsorted(feeds, _DENSE_IN) or 1):
                self._read_all(view, lines, feeds)
            else:
                self._read_hits(view, octets, feeds)
        else:
            self._read_line_by_line(bytes(view), batch.lines + 1)
        batch.lines += lines
        batch.size_bytes += end

    def finish(self) -> Batch:
        """Close what is still open, and hand over."""
        batch = self.batch
        for stream in list(self._pieces):
            self._close(stream)  # the end of the entry never came; what there is of it is read as it is
        self._read_taken()
        self._read_taken()  # what looked slow and is not
        if self._csv_header is not None:
            if any("csv" in layers for layers in batch.formats):
                batch.continuation += 1
            else:
                self._unrecognised(*self._csv_header)
            self._csv_header = None
        # Some were told as malformed, or as no slow request, later than others.
        batch.malformed_lines.sort()
        batch.accesses.sort(key=lambda found: found.line)
        return batch

    def _look_at_the_beginning(self, text: bytes) -> None:
        lines = text.split(b"\n", 5)
        self.batch.first_lines = [line[:_EXCERPT] for line in lines[:5] if line.strip()][:3]

    # ----------------------------------------------------------------------------------------------------------------
    # A block of zap text only: nothing but the hits is looked at.

    def _read_all(self, view: memoryview, lines: int, feeds: np.ndarray) -> None:
        """Take every line for a slow one, where nearly all of them are: that is cheaper than to search."""
        self._read_taken()
        ends = feeds if len(feeds) == lines else np.append(feeds, len(view))
        starts = np.append(0, ends[:-1] + 1)
        numbers = np.arange(self.batch.lines + 1, self.batch.lines + 1 + lines)
        self._count_slow(lines, self._slow.read_text(view, starts, ends, numbers))

    def _read_hits(self, view: memoryview, octets: np.ndarray, feeds: np.ndarray) -> None:
        hits = self._finder.hits(view, feeds)
        ends = hits.end - (octets[hits.end - 1] == ord("\r"))
        lines = [view[start:end].tobytes() for start, end in zip(hits.start.tolist(), ends.tolist(), strict=True)]
        numbers = (hits.row + (self.batch.lines + 1)).tolist()
        is_slow, is_evidence = hits.is_slow, ~hits.is_slow
        for row in np.flatnonzero(hits.may_be_slow).tolist():
            is_slow[row] = _is_slow(lines[row])
        for row in np.flatnonzero(hits.may_be_access).tolist():
            self._take_evidence(lines[row], numbers[row])
            is_evidence[row] = False
        self._slow_lines += compress(lines, is_slow)
        self._slow_numbers += compress(numbers, is_slow)
        self._evidence_lines += compress(lines, is_evidence)
        self._evidence_numbers += compress(numbers, is_evidence)
        self._taken_bytes += int((ends - hits.start).sum())
        if self._taken_bytes > _TAKEN_BYTES:
            self._read_taken()

    # ----------------------------------------------------------------------------------------------------------------
    # Lines that matter are taken, and read many at a time. They are all counted as Milvus' already.

    def _take_slow(self, line: bytes, number: int) -> None:
        """A line with a slow message, or with something that looks like one."""
        self._slow_lines.append(line)
        self._slow_numbers.append(number)
        self._taken_bytes += len(line)
        if self._taken_bytes > _TAKEN_BYTES:
            self._read_taken()

    def _take_evidence(self, line: bytes, number: int) -> None:
        if line.startswith(_ACCESS, zap.STAMP_LENGTH):
            self.batch.access_lines += 1
            found = access.parse(line, number)
            if found is not None:
                self.batch.accesses.append(found)
        else:
            self._evidence_lines.append(line)
            self._evidence_numbers.append(number)
            self._taken_bytes += len(line)
            if self._taken_bytes > _TAKEN_BYTES:
                self._read_taken()

    def _read_taken(self) -> None:
        lines, numbers = self._slow_lines, self._slow_numbers
        self._slow_lines, self._slow_numbers = [], []
        if lines:
            self._count_slow(len(lines), self._slow.read(lines, numbers))
        self._evidence.read(self._evidence_lines, self._evidence_numbers)
        self._evidence_lines, self._evidence_numbers = [], []
        self._taken_bytes = 0

    def _count_slow(self, lines: int, refused: list[tuple[int, bytes, str]]) -> None:
        self.batch.milvus -= lines
        self.batch.slow_lines += lines - len(refused)
        for number, line, reason in refused:
            if _is_slow(line):
                self._malformed(number, reason, line)
            else:
                self.batch.milvus += 1
                self._take_evidence(line, number)

    # ----------------------------------------------------------------------------------------------------------------
    # A block with other lines in it: each line is classed by itself.

    def _read_line_by_line(self, block: bytes, first: int) -> None:
        batch = self.batch
        found, at_hit = needles.find(block)
        is_slow, places = needles.is_slow(found).tolist(), at_hit.tolist()
        zap_start, text_lines = self._zap_start, 0
        at, number, hit = 0, first - 1, 0
        for line in _lines(block):
            number += 1
            at += len(line) + 1
            has_hit = has_slow_hit = False
            while hit < len(is_slow) and places[hit] < at:
                has_slow_hit = has_slow_hit or is_slow[hit]
                hit += 1
                has_hit = True
            if b"\x1b[" in line:  # a colour may stand inside a needle
                line = envelopes.without_colours(line)
                has_hit, has_slow_hit = True, b" slow" in line
            if self._is_of_broken(line, number):
                continue
            if line.startswith(zap_start) or zap.TEXT_PREFIX.match(line):
                batch.milvus += 1
                text_lines += 1
                if has_slow_hit:
                    self._take_slow(line, number)
                elif has_hit:
                    self._take_evidence(_without_return(line), number)
            else:
                self._read_other(line, number, has_hit)
        if text_lines:
            batch.formats[("milvus-text",)] += text_lines

    def _is_of_broken(self, line: bytes, number: int) -> bool:
        """Take a line of an entry that somebody broke at each field: the time stamp alone, and then one field a line."""
        is_stamp = zap.is_stamp_alone(line)
        if not is_stamp and not (self._pieces and _BROKEN in self._pieces):
            return False
        goes_on = not is_stamp and line.startswith(b"[") and not zap.TEXT_PREFIX.match(line)
        if not goes_on and _BROKEN in self._pieces:
            self._close(_BROKEN)
        if is_stamp or goes_on:
            self._join(envelopes.Inner(_without_return(line) + b" ", stream=_BROKEN, partial=True), number)
        return is_stamp or goes_on

    def _read_other(self, line: bytes, number: int, has_hit: bool) -> None:
        """A line that is not plain zap text: wrapped, the C++ core's, a continuation, or unrecognised."""
        if not line or line == b"\r":  # told at once: there may be millions
            self.batch.continuation += 1
            return
        line = line[:MAX_LINE].removeprefix(_BOM)
        if not has_hit and (layers := _plainly_wrapped(line)) is not None and not self._pieces:
            self.batch.milvus += 1
            self.batch.formats[layers] += 1
            return
        inner = envelopes.unwrap(_without_return(line), self._pieces)
        if inner.stream in self._pieces and zap.stamp_ms(inner.text) is not None:
            # A new entry: what wrote the one before was stopped in the middle of it.
            self._close(inner.stream)
        if inner.partial or inner.stream in self._pieces:
            self._join(inner, number)
        else:
            self._read_inner(inner, line, number)

    def _read_inner(self, inner: envelopes.Inner, line: bytes, number: int) -> None:
        """What is inside a wrapper. `line` is what is shown of it."""
        if inner.entry is not None:
            self.batch.formats[(*inner.layers, "milvus-json")] += 1
            self._read_json(inner.entry, line, number, inner.node)
        elif zap.TEXT_PREFIX.match(inner.text):
            self.batch.formats[(*inner.layers, "milvus-text")] += 1
            self._read_entry(inner.text, number, inner.node)
        else:
            self._read_unknown(inner, line, number)

    def _join(self, inner: envelopes.Inner, number: int) -> None:
        """A piece of an entry that a wrapper cut: the first piece counts as the entry, the others as continuation."""
        entry = self._pieces.get(inner.stream)
        if entry is None:
            entry = self._pieces[inner.stream] = _Unfinished(number, inner.layers, inner.node)
        else:
            self.batch.continuation += 1
        entry.pieces.append(inner.text)
        entry.size_bytes += len(inner.text)
        if not inner.partial or entry.size_bytes > MAX_LINE:
            self._close(inner.stream)

    def _close(self, stream: str) -> None:
        """Read an entry of which all pieces that there are have come."""
        entry = self._pieces.pop(stream)
        whole = b"".join(entry.pieces)
        inner = envelopes.unwrap(whole)
        layers, node = (*entry.layers, *inner.layers), entry.node or inner.node
        self._read_inner(envelopes.Inner(inner.text, layers, node, entry=inner.entry), whole, entry.number)

    def _read_entry(self, text: bytes, number: int, node: str | None) -> None:
        """One whole zap text entry from inside a wrapper."""
        self.batch.milvus += 1
        if node is not None:
            self.batch.nodes[number] = node
        if b" slow" in text:
            self._take_slow(text, number)
        else:
            self._take_evidence(text, number)

    def _read_json(self, entry: zap.Entry, line: bytes, number: int, node: str | None) -> None:
        batch = self.batch
        if node is not None:
            batch.nodes[number] = node
        if entry.message not in slow.KINDS:
            batch.milvus += 1
            self._evidence.read_entry(entry, number)
            return
        reason = self._slow.read_entry(entry, number)
        if reason is None:
            batch.slow_lines += 1
        else:
            self._malformed(number, reason, line)

    def _read_unknown(self, inner: envelopes.Inner, line: bytes, number: int) -> None:
        batch = self.batch
        if b" slow" in line and _SLOW_WRAPPED.search(line):
            self._malformed(number, "a slow line in a wrapper that is cut or unknown", line)
            return
        # A line of nothing but NUL bytes, as a log leaves that was truncated while it was written, is not a blank one.
        kind = foreign.class_of(inner.text) if inner.text or not line.startswith(b"\0") else "unrecognised"
        if version := foreign.BANNER_VERSION.match(inner.text) or foreign.IMAGE_VERSION.search(inner.text):
            batch.version = batch.version or version[1].decode()
        if layers := _plainly_wrapped(line):  # in spite of something wrong inside
            batch.milvus += 1
            batch.formats[layers] += 1
        elif kind == "milvus":
            batch.milvus += 1
            batch.formats[(*inner.layers, "milvus-core")] += 1
            if (entry := foreign.of_pulsar(inner.text)) is not None:
                self._evidence.read_of_pulsar(entry, number)
        elif self._evidence.read_quoted(inner.text, number):
            batch.milvus += 1
            batch.formats[(*inner.layers, "milvus-text")] += 1
        elif (failed := client.failure_of(inner.text)) is not None:
            batch.milvus += 1
            batch.formats[(*inner.layers, "milvus-client")] += 1
            self._evidence.read_of_client(failed, number)
        elif kind == "continuation":
            batch.continuation += 1
            if (attempt := client.attempt_of(inner.text)) is not None:
                self._evidence.read_of_client(attempt, number)
        elif number == 1 and self._from_start and b"," in line and b"{" not in line:
            self._csv_header = (number, line)
        else:
            self._unrecognised(number, line)

    def _malformed(self, number: int, reason: str, line: bytes) -> None:
        self.batch.malformed += 1
        if len(self.batch.malformed_lines) < MAX_KEPT:
            self.batch.malformed_lines.append((number, reason, _without_return(line[:_EXCERPT])))

    def _unrecognised(self, number: int, line: bytes) -> None:
        self.batch.unrecognised += 1
        if len(self.batch.unrecognised_lines) < MAX_KEPT:
            self.batch.unrecognised_lines.append((number, line[:_EXCERPT]))


def _last_line(block: bytearray | bytes, end: int) -> bytearray | bytes:
    """The last line of `block[:end]`, without its line feed."""
    end -= block[end - 1] == 10
    return block[block.rfind(b"\n", 0, end) + 1 : end]


def _is_slow(line: bytes) -> bool:
    """Whether a message, not some field, says so: that of the line, or of one that begins in the middle of it."""
    return not line.startswith(_ACCESS, zap.STAMP_LENGTH) and _SLOW_MESSAGE.search(line) is not None


def _without_return(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line


def _lines(block: bytes) -> Iterator[bytes]:
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return iter(lines)


def _plainly_wrapped(line: bytes) -> tuple[str, ...] | None:
    """The layers of the commonest wrapped lines, told by a look at their beginning and end; None for all others."""
    if line.startswith(b'{"log":"[20') and _DOCKER_BEGIN.match(line) and _DOCKER_END.search(line, len(line) - 120):
        return ("docker-json", "milvus-text")
    if line.startswith(b'{"level":"') and _JSON_BEGIN.match(line) and line.endswith((b"}", b"}\r")):
        return ("milvus-json",)
    return None


_DOCKER_BEGIN = re.compile(rb'\{"log":"\[20\d\d/')
_DOCKER_END = re.compile(rb'[^\\]\\n","stream":"std(?:out|err)","time":"[^"\\]*+"\}\r?\Z')
_JSON_BEGIN = re.compile(
    rb'\{"level":"(?:DEBUG|INFO|WARN|ERROR|DPANIC|PANIC|FATAL)",'
    rb'"time":"20\d\d/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d",'
    rb'(?:"name":"[^"\\]{0,99}",)?"caller":"[^"\\]{1,299}","message":"'
)
