"""Reads the lines of evidence that the log holds beside slow requests (see `messages`) into events and phases."""

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import repeat
from typing import NamedTuple

import numpy as np

from slowq.parsers import client, zap
from slowq.parsers.cutting import times
from slowq.parsers.messages import KNOWN, OF_PULSAR, PREFIXES, SPECS
from slowq.units import go_duration_s

_QUOTED = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_LONG_DETAILS = ("create_index", "load", "session")
_QUEUE_FULL, _NO_MEMORY, _LAG = b"queue is full", b"OOM if load", b"lag too large"
_TIMEOUTS = (
    b"deadline exceeded",
    b"DeadlineExceeded",
    b"DEADLINE_EXCEEDED",
    b"context canceled",
    b"timeout",
    b"timed out",
)


@dataclass(slots=True)
class Texts:
    """Byte strings one behind another: each takes its own bytes and eight more, where an object would take forty."""

    data: bytearray = field(default_factory=bytearray)
    ends: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]

    def append(self, text: bytes) -> None:
        self.data += text
        self.ends.append(len(self.data))

    def extend(self, texts: Sequence[bytes]) -> None:
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts))) + len(self.data)
        self.data += b"".join(texts)
        self.ends.frombytes(ends.tobytes())

    def __iter__(self) -> Iterator[bytes]:
        first = 0
        for end in self.ends:
            yield bytes(self.data[first:end])
            first = end


@dataclass(slots=True)
class Events:
    """What the log says beside requests, in columns. `spec` numbers into KNOWN; bytes as logged, empty where unknown.

    The few rows that have a collection, a detail or a trace are in `more_row`, and what they have in the columns beside
    it; the detail of all others is their message.
    """

    time_ms: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]
    line: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]
    spec: array = field(default_factory=lambda: array("H"))  # type: ignore[type-arg]
    duration_s: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    subject: Texts = field(default_factory=Texts)
    more_row: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]
    more_collection: Texts = field(default_factory=Texts)
    more_detail: Texts = field(default_factory=Texts)
    more_trace: Texts = field(default_factory=Texts)

    def __len__(self) -> int:
        return len(self.line)


class Phase(NamedTuple):
    """One `tr/` line of a DEBUG log: what a request of that trace was doing, and how long it took."""

    time_ms: int
    line: int
    trace: bytes
    phase: bytes
    duration_s: float


NAN = float("nan")
NO_TIME = np.iinfo(np.int64).min  # what a time that is not known is in milliseconds, as NumPy has it
_MAX_DETAIL = 400
_STALLED_S = 3.0  # Milvus 2.6.15 calls a tSafe stalled after so long (queryNode.waitTsafeStallTimeout)

_NUMBER = {message: number for number, (message, _) in enumerate(KNOWN)}
_TIMED_OUT, _FULL = _NUMBER[b"a request timed out"], _NUMBER[b"the queue is full"]
_LAGS = _NUMBER[b"tSafe is too far behind for a request"]
_TURNED_AWAY = _NUMBER[b"Pulsar turns a client away"]
# What any line may say in its error, whatever its message is.
_ERRORS = (
    (_QUEUE_FULL, _FULL),
    (_LAG, _LAGS),
    (b"channel tsafe stalled", _LAGS),  # from 2.6.15 on
    (_NO_MEMORY, _NUMBER[b"memory does not do for a load"]),
)


@cache
def _key(name: bytes) -> bytes:
    """How a field begins in a line; a name with a blank in it stands in quotes."""
    return b'["' + name + b'"=' if b" " in name else b"[" + name + b"="


# The numbers of messages of which a subject and a duration are all that is wanted: nearly all evidence of a busy log.
_PLAIN = frozenset(
    _NUMBER[message]
    for message, spec in SPECS.items()
    if not spec.detail and not spec.needs and spec.what not in ("tsafe_parked", "tsafe_wait", "tsafe_lag")
)
_BY_ITSELF, _NOTHING, _UNKNOWN = -1, -2, -3
_MAX_HEADS = 10_000
_OTHERS = (b"tr/", b"Slow ", b"loadBalance", b"[CGO", b"load segment")
Fields = Callable[[bytes], bytes]  # name → value, empty where the line lacks it


class EvidenceLines:
    """Reads lines of evidence into `events` and `phases`; one reader for one file, or for one part of it."""

    def __init__(self) -> None:
        self.events = Events()
        self.phases: list[Phase] = []
        # What stands between time stamp and fields (a level, a caller, a message) → the number of the message in KNOWN,
        # where that is all of it; _BY_ITSELF where it goes on; _NOTHING where it is no evidence.
        self._heads: dict[bytes, int] = {}

    def read(self, lines: Sequence[bytes], numbers: Sequence[int]) -> None:
        """Take zap text lines, those that are evidence.

        Only the few fields that a message is listed with are looked for, and those of one message together: a busy log
        holds hundreds of thousands of these lines, and parsing them whole would cost more than all the rest.
        """
        start = zap.STAMP_LENGTH
        heads = [line[start : line.find(b'"]', start) + 2] for line in lines]
        meanings = np.fromiter(map(self._heads.get, heads, repeat(_UNKNOWN)), np.int64, len(lines))
        for row in np.flatnonzero(meanings == _UNKNOWN).tolist():
            meanings[row] = self._meaning_of(lines[row], heads[row])
        time_ms, has_time = _times(lines)
        for meaning, rows in _groups(meanings):
            if meaning == _NOTHING:
                rows = [row for row in rows if any(sign in lines[row] for sign, _ in _ERRORS)]
            if meaning in _PLAIN:
                rows = [row for row in rows if has_time[row]]
                self._read_plain(meaning, [lines[row] for row in rows], [numbers[row] for row in rows], time_ms[rows])
                continue
            for row in rows:
                message = KNOWN[meaning][0] if meaning >= 0 else message_of(lines[row])
                if message is not None and has_time[row]:
                    self._read(message, int(time_ms[row]), numbers[row], partial(_field, lines[row]))

    def _meaning_of(self, line: bytes, head: bytes) -> int:
        known = self._heads.get(head)
        if known is not None:  # by now
            return known
        message = message_of(line[: zap.STAMP_LENGTH] + head)
        if message is None:
            return _BY_ITSELF  # the head is not all of it, so nothing is learnt
        elsewhere = _BY_ITSELF if message.startswith(_OTHERS) else _NOTHING
        meaning = _NUMBER[message] if message in SPECS else elsewhere
        if len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
        self._heads[head] = meaning
        return meaning

    def _read_plain(self, meaning: int, lines: list[bytes], numbers: list[int], time_ms: np.ndarray) -> None:
        """Lines of one message of which a subject and a duration are all that is wanted."""
        spec, events = KNOWN[meaning][1], self.events
        events.time_ms.frombytes(time_ms.tobytes())
        events.line.extend(numbers)
        events.spec.extend([meaning] * len(lines))
        events.subject.extend(_values(lines, _key(spec.subject)) if spec.subject else [b""] * len(lines))
        events.duration_s.extend(
            [_duration_s(text, spec.unit_s) for text in _values(lines, _key(spec.duration))]
            if spec.duration
            else [NAN] * len(lines)
        )

    def read_entry(self, entry: zap.Entry, number: int) -> None:
        """Take an entry that is parsed already, if it is evidence."""
        self._read(entry.message, entry.time_ms, number, lambda name: entry.fields.get(name, b""))

    def read_of_pulsar(self, entry: zap.Entry, number: int) -> None:
        """Take an entry of Pulsar's client, if it is evidence."""
        if entry.message in OF_PULSAR:
            subject = entry.fields.get(b"topic", entry.fields.get(b"remote_addr", b""))[:_MAX_DETAIL]
            error = entry.fields.get(b"error", entry.message)[:_MAX_DETAIL]
            self._add(_TURNED_AWAY, entry.time_ms, number, subject, NAN, (b"", error, b""))

    def read_of_client(self, failed: client.Failure, number: int) -> None:
        """Take what a client tells of a request that failed, if it is evidence: when it was is not known."""
        kind = next((kind for sign, kind in _ERRORS if sign in failed.text), None)
        if kind is None and failed.method in client.READS and any(sign in failed.text for sign in _TIMEOUTS):
            kind = _TIMED_OUT
        if kind is not None:
            self._add(kind, NO_TIME, number, b"", failed.duration_s, (b"", failed.text[:_MAX_DETAIL], b""))

    def read_quoted(self, text: bytes, number: int) -> bool:
        """Take a message that somebody quoted without the line around it; whether it was one that is known."""
        message = text.strip(b' \t"[].')
        if message not in SPECS:
            return False
        self._read(message, NO_TIME, number, lambda name: b"")
        return True

    def _read(self, message: bytes, time_ms: int, number: int, field: Fields) -> None:
        trace = field(b"traceID")
        if message.startswith(b"tr/"):
            duration_s = go_duration_s(field(b"duration"))
            if duration_s is not None:
                what = message[3:].split(b" ")[0] + b": " + field(b"msg").partition(b",")[0].strip()
                self.phases.append(Phase(time_ms, number, trace, what[:120], duration_s))
            return
        known = message if message in SPECS else next((p for p, _ in PREFIXES if message.startswith(p)), None)
        if known is None:
            error = field(b"error")
            kind = next((kind for sign, kind in _ERRORS if sign in message or sign in error), None)
            if kind is not None:
                self._add(kind, time_ms, number, b"", NAN, (field(b"collection"), message[:_MAX_DETAIL], trace))
            return
        spec = KNOWN[_NUMBER[known]][1]
        if spec.needs:
            value = next((value for name in spec.needs if (value := field(name))), b"")
            if not value or (spec.value and value != spec.value):
                return
        detail = next((value for name in spec.detail if (value := field(name))), b"") or message
        kind = _NUMBER[known]
        if spec.what in ("request_failed", "node_failed") and _QUEUE_FULL in detail:
            kind = _FULL
        elif spec.what in ("request_failed", "node_failed") and _LAG in detail:
            kind = _LAGS
        elif spec.what == "request_failed" and any(sign in detail for sign in _TIMEOUTS):
            kind = _TIMED_OUT
        if spec.what == "tsafe_parked" and (behind_s := _behind_s(time_ms, field)) >= _STALLED_S:
            kind, duration_s = _LAGS, behind_s  # a request waits for a tick; this one comes no more
        elif spec.what == "tsafe_parked" and spec.state == "point":
            duration_s = _parked_s(field)
        else:
            duration_s = _duration_s(field(spec.duration), spec.unit_s) if spec.duration else NAN
        subject = field(spec.subject)[:_MAX_DETAIL] if spec.subject else b""
        if spec.what not in _LONG_DETAILS:
            detail = detail[:_MAX_DETAIL]
        self._add(kind, time_ms, number, subject, duration_s, (field(spec.collection), detail, trace))
        if spec.also:
            also = _NUMBER[spec.also]
            self._add(also, time_ms, number, field(KNOWN[also][1].subject), NAN, (b"", message[:_MAX_DETAIL], trace))

    def _add(
        self, spec: int, time_ms: int, number: int, subject: bytes, duration_s: float, more: tuple[bytes, bytes, bytes]
    ) -> None:
        events, (collection, detail, trace) = self.events, more
        events.more_row.append(len(events))
        events.more_collection.append(collection)
        events.more_detail.append(detail)
        events.more_trace.append(trace)
        events.time_ms.append(time_ms)
        events.line.append(number)
        events.spec.append(spec)
        events.subject.append(subject)
        events.duration_s.append(duration_s)


def _field(line: bytes, name: bytes) -> bytes:
    """The value of a field in a text line."""
    return _value(line, _key(name))


def _value(line: bytes, key: bytes) -> bytes:
    """What follows a key such as `[taskID=`; empty where the line lacks it."""
    at = line.find(key, zap.STAMP_LENGTH)
    if at < 0:
        return b""
    at += len(key)
    if line.startswith(b'"', at):
        quoted = _QUOTED.match(line, at)
        return zap.unescape(quoted[1]) if quoted else line[at + 1 :]
    end = line.find(b"]", at)
    return line[at:end] if end > 0 else b""


def _groups(meanings: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    """Each meaning with its rows."""
    order = np.argsort(meanings, kind="stable")
    sorted_ = meanings[order]
    firsts = np.flatnonzero(np.append(True, sorted_[1:] != sorted_[:-1])) if len(order) else order
    for first, end in zip(firsts.tolist(), [*firsts[1:].tolist(), len(order)], strict=False):
        yield int(sorted_[first]), order[first:end].tolist()


def _times(lines: Sequence[bytes]) -> tuple[np.ndarray, list[bool]]:
    """Unix milliseconds of each line, and whether it has a time."""
    lengths = np.fromiter(map(len, lines), np.int64, len(lines))
    text = b"".join((*lines, bytes(zap.STAMP_LENGTH)))
    time_ms, has_time = times(text, np.cumsum(lengths) - lengths)
    return time_ms, (has_time & (lengths >= zap.STAMP_LENGTH)).tolist()


def _values(lines: list[bytes], key: bytes) -> list[bytes]:
    """The same for many lines, at most so much of each as is kept."""
    length, start = len(key), zap.STAMP_LENGTH
    found = [
        (line[at + length : end] if (end := line.find(b"]", at)) >= 0 else b'"')
        if (at := line.find(key, start)) >= 0
        else b""
        for line in lines
    ]
    if b'"' in b"".join(found):  # where a value is quoted or does not end
        found = [
            _value(line, key) if value.startswith(b'"') else value for line, value in zip(lines, found, strict=True)
        ]
    return [value[:_MAX_DETAIL] for value in found] if max(map(len, found), default=0) > _MAX_DETAIL else found


def message_of(line: bytes) -> bytes | None:
    """The message of a text line, without parsing what follows; None where there is none, or not all of it."""
    caller = line.find(b"] [", zap.STAMP_LENGTH)
    start = line.find(b"] [", caller + 3) + 3
    if caller < 0 or start < 3:
        return None
    if not line[start - 4 : start - 3].isdigit():  # a caller ends with the number of a line; this was a logger's name
        start = line.find(b"] [", start) + 3
        if start < 3:
            return None
    if line[start : start + 1] == b'"':
        end = line.find(b'"]', start + 1)
        return zap.unescape(line[start + 1 : end]) if end > 0 else None
    end = line.find(b"]", start)
    return line[start:end] if end > 0 else None


def _duration_s(text: bytes, unit_s: float) -> float:
    """A Go duration, or a bare number in the message's own unit; for a count the number itself (unit 1)."""
    if text.isdigit() and len(text) < 16:
        return int(text) * unit_s
    duration_s = go_duration_s(text)
    return NAN if duration_s is None else duration_s


def _behind_s(time_ms: int, field: Fields) -> float:
    """How far the node's service time lies behind the clock (Milvus 2.0)."""
    service = field(b"serviceTime") or field(b"serviceTime_p")
    behind = zap.stamp_ms(b"[" + service + b"]")
    return NAN if behind is None else (time_ms - behind) / 1e3


def _parked_s(field: Fields) -> float:
    """How far a request's guarantee timestamp lies ahead of the node's service time (Milvus 2.0)."""
    guarantee = field(b"sm.GuaranteeTimestamp") or field(b"sm.BeginTs")
    ahead, behind = zap.stamp_ms(b"[" + guarantee + b"]"), zap.stamp_ms(b"[" + field(b"serviceTime") + b"]")
    return NAN if ahead is None or behind is None else (ahead - behind) / 1e3
