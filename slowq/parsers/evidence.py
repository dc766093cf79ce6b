"""Lines beside the slow ones that say what else went on: failures, waits, loads, builds, compactions, restarts.

A line is known by its message. `SPECS` says for each message what it means, which field names the thing it is about (so
that a start finds its end), and which field holds a duration. Messages and fields are those of Milvus 2.0 to 3.0; a line
that is not listed is no evidence, and is merely counted.

    [2026/11/21 05:03:27.428 +00:00] [INFO] [indexnode/task.go:363] ["Successfully build index"] [buildID=470610545674767827]
"""

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from slowq.parsers import zap
from slowq.parsers.cutting import times
from slowq.units import go_duration_s


@dataclass(frozen=True, slots=True)
class Spec:
    """What a message means. `unit_s` is the seconds that one unit of a bare number in `duration` stands for."""

    what: str
    state: str = "point"
    subject: bytes = b""
    collection: bytes = b"collectionID"
    duration: bytes = b""
    unit_s: float = 1.0
    detail: tuple[bytes, ...] = ()


def _failed(what: str = "request_failed") -> Spec:
    return Spec(what, "point", b"collection", b"collection", detail=(b"error", b"err"))


_TSAFE = Spec("tsafe_wait", subject=b"channel", detail=(b"error",))

SPECS: dict[bytes, Spec] = {
    # Requests that failed (internal/proxy/impl.go).
    **{
        method + b" failed to " + step: _failed()
        for method in (b"Search", b"Query", b"HybridSearch")
        for step in (b"WaitToFinish", b"enqueue")
    },
    b"failed to search on delegator": _failed("node_failed"),
    b"failed to query on delegator": _failed("node_failed"),
    # Waiting for tSafe (querynodev2/delegator; querynode in 2.2; query_collection.go in 2.0).
    b"delegator search failed to wait tsafe": _TSAFE,
    b"delegator query failed to wait tsafe": _TSAFE,
    b"guarantee and serviceable ts larger than MaxLag": Spec("tsafe_lag", subject=b"channel", duration=b"lag"),
    b"tsafe stall detected, fast-fail to allow proxy failover": Spec("tsafe_lag", subject=b"channel", duration=b"lag"),
    b"downgrade tsafe": Spec("tsafe_lag", subject=b"channel"),
    b"readable growing segment lost, consume from dml seems too slow": Spec("tsafe_lag", subject=b"segmentID"),
    b"query node::receiveQueryMsg: add to unsolvedMsg": Spec("tsafe_parked", subject=b"msgID"),
    b"query node::doUnsolvedMsg: add to unsolvedMsg": Spec("tsafe_parked", subject=b"msgID"),
    b"get query message from unsolvedMsg": Spec("tsafe_parked", "done", b"msgID"),
    # The message queue, the time tick, the WAL.
    b"rootcoord send tt to all channels too slowly": Spec("timetick_slow", duration=b"span", unit_s=1e-3),
    b"rocksmq produce too slowly": Spec("mq_slow", subject=b"topic", duration=b"produce total elapse", unit_s=1e-3),
    b"rocksmq consume too slowly": Spec("mq_slow", subject=b"topic", duration=b"total consume elapse", unit_s=1e-3),
    b"consume msg failed": Spec("mq_slow", subject=b"topic", detail=(b"error",)),
    b"append message into wal too slow": Spec("mq_slow", subject=b"channel", duration=b"duration"),
    b"session idle for long time": Spec("timetick_idle", subject=b"idle list", duration=b"idle time", unit_s=1e-3),
    b"clock offset is huge, check network latency and clock skew": Spec("clock_jump", duration=b"jet-lag"),
    # Search without an index.
    b"search growing/sealed segments without indexes": Spec("no_index_search", subject=b"segmentIDs"),
    b"there are no indexes on this segment": Spec("no_index_search"),
    # The machine under it.
    b"lock takes too long": Spec("lock_slow", subject=b"lockName"),
    b"GC Tune done, and the gc is slow": Spec("gc_slow", duration=b"gc-pause"),
    b"Balance check too slow": Spec("balance", duration=b"duration"),
    # Index building.
    b"index builder task schedule": Spec("index_queue", duration=b"task num"),
    b"task scheduler": Spec("index_queue", duration=b"task num"),
    b"query task index info successfully": Spec("index_build", "start", b"taskID"),
    b"IndexNode building index ...": Spec("index_build", "start", b"indexBuildID"),
    b"Begin to prepare indexBuildTask": Spec("index_build", "start", b"buildID", b"Collection"),
    b"Successfully build index": Spec("index_build", "done", b"buildID", b"Collection"),
    b"finish index task success": Spec("index_build", "done", b"buildID"),
    b"CreateIndex received": Spec("create_index", "point", b"field", b"collection", detail=(b"extra_params",)),
    b"CreateIndex done": Spec("create_index", "point", b"field", b"collection", detail=(b"extra_params",)),
    b"DropIndex received": Spec("drop_index", "point", b"field", b"collection"),
    # Compaction.
    b"start compaction": Spec("compaction", "start", b"planID"),
    b"compaction completed": Spec("compaction", "done", b"planID"),
    b"start to execute compaction": Spec("compaction", "start", b"planID", b"Collection"),
    b"end to execute compaction": Spec("compaction", "done", b"planID", b"Collection"),
    b"compact overall elapse": Spec("compaction", "done", b"planID", b"collectionID", b"elapse"),
    # Load, release, balance.
    b"load collection request received": Spec("load", "start", b"collectionID", detail=(b"schema",)),
    b"load partitions request received": Spec("load", "start", b"collectionID"),
    b"load collection done": Spec("load", "done", b"collectionID"),
    b"release collection request received": Spec("release", "start", b"collectionID"),
    b"collection released": Spec("release", "done", b"collectionID"),
    b"load segments...": Spec("segment_load", "start", b"taskID"),
    b"load segments done": Spec("segment_load", "done", b"taskID", b"collectionID", b"elapsed"),
    b"release segment...": Spec("segment_release", "start", b"taskID"),
    b"release segment done": Spec("segment_release", "done", b"taskID", b"collectionID", b"time taken"),
    # Writes and deletes, as the query node sees them.
    b"pipeline fetch insert msg": Spec("insert", duration=b"insertRowNum"),
    b"pipeline fetch delete msg": Spec("delete", duration=b"insertRowNum"),
    b"flush segment with meta": Spec("flush", subject=b"segmentID"),
    b"found redundant growing segments": Spec("growing_redundant", subject=b"growingSegments"),
    b"total delete entities is too much, trigger compaction": Spec("delete_backlog"),
    # Start, stop, version.
    b"register session success": Spec("restart", "point", b"role"),
    b"put session key into etcd": Spec("session", "point", b"key", detail=(b"value",)),
    b"there are too few available query nodes to balance": Spec("node_down"),
    b"unhealthy node exist, node up will be delayed": Spec("node_down"),
    b"load segment failed, OOM if load": Spec("memory", detail=(b"error",)),
    # What a DEBUG log says of one request.
    b"search PreExecute done.": Spec("consistency", detail=(b"consistency level",), duration=b""),
}
# Messages that go on after a fixed beginning.
_PREFIXES: tuple[tuple[bytes, Spec], ...] = (
    (b"Slow etcd operation", Spec("meta_slow", subject=b"key", duration=b"time spent")),
    (b"Slow txnTiKV", Spec("meta_slow", subject=b"key", duration=b"time spent")),
    (b"loadBalanceSegmentLoop: there are too few available", Spec("node_down")),
    (b"[CGO Call] slow function", Spec("cgo_slow")),
    (b"load segment failed, OOM", Spec("memory")),
)
_QUOTED = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_LONG_DETAILS = ("create_index", "load", "session")
_QUEUE_FULL = b"queue is full"
_TIMEOUTS = (b"deadline exceeded", b"DeadlineExceeded", b"context canceled", b"timeout", b"timed out")

KINDS = frozenset(
    [spec.what for spec in SPECS.values()] + [spec.what for _, spec in _PREFIXES] + ["request_timeout", "queue_full"]
)

# Messages that come once a second or more often, and say the same: the first of every ten seconds is enough.
STEADY = (
    b" task schedule",
    b"task scheduler",
    b"task index info succ",
    b"h insert msg",
    b"h delete msg",
    b"ant growing seg",
    b"idle for long",
    b"t with meta",
    b"ch, trigger",
)
STEADY_KINDS = frozenset(
    ("index_queue", "insert", "delete", "growing_redundant", "timetick_idle", "flush", "delete_backlog")
)

# What the scanner looks for: each message above holds one of these, and hardly any other line does. None holds a quote
# or a backslash, so that they are found inside JSON as well. Each begins with letters that are rare in Milvus logs: the
# finder looks at the first few bytes with SIMD, and what it finds there is what it spends its time on.
NEEDLES: tuple[bytes, ...] = (
    b" WaitToFinish",
    b"y failed to ",
    b"arch failed ",
    b" on delegator",
    b"ee and serviceable",
    b", fast-fail to",
    b"ngrade tsafe",
    b"e growing segment lost",
    b"o unsolvedMsg",
    b"m unsolvedMsg",
    b" tt to all",
    b"q produce too",
    b"q consume too",
    b"sg failed",
    b"wal too slow",
    b" huge, check",
    b"s without indexes",
    b" on this segment",
    b"kes too long",
    b" gc is slow",
    b"Balance check",
    b"lding index ...",
    b"Begin to prepare indexB",
    b"y build index",
    b"x task success",
    b"CreateIndex ",
    b"opIndex received",
    b"t compaction",
    b"n completed",
    b"t to execute c",
    b"d to execute c",
    b" overall elapse",
    b"n request received",
    b"d partitions r",
    b"d collection done",
    b"n released",
    b"ad segments.",
    b"ad segments done",
    b"ase segment d",
    b"ase segment.",
    b"gister session succ",
    b" key into etcd",
    b"few available",
    b"hy node exist",
    b", OOM",
    b" PreExecute done",
    b" etcd operation",
    b" txnTiKV",
    b" Call] slow",
    b"ue is full",
    b"[tr/",
    b"tr/proxy execute",
    *STEADY,
)


@dataclass(slots=True)
class Events:
    """What the log says beside requests, in columns. `spec` numbers into KNOWN; bytes as logged, empty where unknown.

    `more` holds (collection, detail, trace) of the few rows that have any of these; the detail of all others is their
    message.
    """

    time_ms: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]
    line: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]
    spec: array = field(default_factory=lambda: array("H"))  # type: ignore[type-arg]
    duration_s: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    subject: list[bytes] = field(default_factory=list)
    more: dict[int, tuple[bytes, bytes, bytes]] = field(default_factory=dict)

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
_MAX_DETAIL = 400

# Message and meaning of everything that can be an event, so that a row needs no more than a number.
KNOWN: tuple[tuple[bytes, Spec], ...] = (
    *SPECS.items(),
    *_PREFIXES,
    (b"a request timed out", Spec("request_timeout", subject=b"collection", collection=b"collection")),
    (b"the queue is full", Spec("queue_full", collection=b"collection")),
)
_NUMBER = {message: number for number, (message, _) in enumerate(KNOWN)}
_TIMED_OUT, _FULL = _NUMBER[b"a request timed out"], _NUMBER[b"the queue is full"]


def _key(name: bytes) -> bytes:
    """How a field begins in a line; a name with a blank in it stands in quotes."""
    return b'["' + name + b'"=' if b" " in name else b"[" + name + b"="


# Messages of which a subject and a duration are all that is wanted: nearly all evidence of a busy log.
_PLAIN = {
    message: (_NUMBER[message], _key(spec.subject) if spec.subject else b"", _key(spec.duration), spec.unit_s)
    if spec.duration
    else (_NUMBER[message], _key(spec.subject) if spec.subject else b"", b"", 1.0)
    for message, spec in SPECS.items()
    if not spec.detail and spec.what not in ("tsafe_parked", "tsafe_wait", "tsafe_lag")
}
_BY_ITSELF, _NOTHING = -1, -2
_MAX_HEADS = 10_000
_OTHERS = (b"tr/", b"Slow ", b"loadBalance", b"[CGO", b"load segment")
Fields = Callable[[bytes], bytes]  # name → value, empty where the line lacks it


class EvidenceLines:
    """Reads lines of evidence into `events` and `phases`; one reader for one file, or for one part of it."""

    def __init__(self) -> None:
        self.events = Events()
        self.phases: list[Phase] = []
        # What stands between time stamp and fields (a level, a caller, a message) → what the message means.
        self._heads: dict[bytes, int] = {}

    def read(self, lines: Sequence[bytes], numbers: Sequence[int]) -> None:
        """Take zap text lines, those that are evidence.

        Only the few fields that a message is listed with are looked for, and those of one message together: a busy log
        holds hundreds of thousands of these lines, and parsing them whole would cost more than all the rest.
        """
        of_message: dict[int, list[int]] = {}
        known = self._heads
        for row, line in enumerate(lines):
            head = line[zap.STAMP_LENGTH : line.find(b'"]', zap.STAMP_LENGTH) + 2]
            meaning = known.get(head)
            if meaning is None:
                meaning = self._learn(line, head)
            if meaning >= 0:
                of_message.setdefault(meaning, []).append(row)
            elif meaning == _BY_ITSELF or _QUEUE_FULL in line:
                self._read_one(line, numbers[row])
        if of_message:
            time_ms, has_time = _times(lines)
            for meaning, rows in of_message.items():
                rows = [row for row in rows if has_time[row]]
                self._read_plain(meaning, [lines[row] for row in rows], [numbers[row] for row in rows], time_ms[rows])

    def _learn(self, line: bytes, head: bytes) -> int:
        """What a line means that begins so: the number of a plain message, _BY_ITSELF or _NOTHING."""
        message = message_of(line[: zap.STAMP_LENGTH] + head)
        if message is None:
            return _BY_ITSELF  # the head is not all of it, so nothing is learnt
        if message in _PLAIN:
            meaning = _NUMBER[message]
        else:
            meaning = _BY_ITSELF if message in SPECS or message.startswith(_OTHERS) else _NOTHING
        if len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
        self._heads[head] = meaning
        return meaning

    def _read_plain(self, meaning: int, lines: list[bytes], numbers: list[int], time_ms: np.ndarray) -> None:
        """Lines of one message of which a subject and a duration are all that is wanted."""
        _, subject, duration, unit_s = _PLAIN[KNOWN[meaning][0]]
        events = self.events
        events.time_ms.frombytes(time_ms.tobytes())
        events.line.extend(numbers)
        events.spec.extend([meaning] * len(lines))
        events.subject += _values(lines, subject) if subject else [b""] * len(lines)
        events.duration_s.extend(
            [_duration_s(text, unit_s) for text in _values(lines, duration)] if duration else [NAN] * len(lines)
        )

    def _read_one(self, line: bytes, number: int) -> None:
        message, time_ms = message_of(line), zap.stamp_ms(line)
        if message is None or time_ms is None:
            return
        if message in _PLAIN:
            self._read_plain(_NUMBER[message], [line], [number], np.array([time_ms]))
        elif message in SPECS or message.startswith(_OTHERS) or _QUEUE_FULL in line:
            self._read(message, time_ms, number, partial(_field, line))

    def read_entry(self, entry: zap.Entry, number: int) -> None:
        """Take an entry that is parsed already, if it is evidence."""
        self._read(entry.message, entry.time_ms, number, lambda name: entry.fields.get(name, b""))

    def _read(self, message: bytes, time_ms: int, number: int, field: Fields) -> None:
        trace = field(b"traceID")
        if message.startswith(b"tr/"):
            duration_s = go_duration_s(field(b"duration"))
            if duration_s is not None:
                what = message[3:].split(b" ")[0] + b": " + field(b"msg").partition(b",")[0].strip()
                self.phases.append(Phase(time_ms, number, trace, what[:120], duration_s))
            return
        known = message if message in SPECS else next((p for p, _ in _PREFIXES if message.startswith(p)), None)
        if known is None:
            if _QUEUE_FULL in message or _QUEUE_FULL in field(b"error"):
                self._add(_FULL, time_ms, number, b"", NAN, (field(b"collection"), message[:_MAX_DETAIL], trace))
            return
        spec = KNOWN[_NUMBER[known]][1]
        detail = next((value for name in spec.detail if (value := field(name))), b"") or message
        kind = _NUMBER[known]
        if spec.what in ("request_failed", "node_failed") and _QUEUE_FULL in detail:
            kind = _FULL
        elif spec.what == "request_failed" and any(sign in detail for sign in _TIMEOUTS):
            kind = _TIMED_OUT
        if spec.what == "tsafe_parked" and spec.state == "point":
            duration_s = _parked_s(field)
        else:
            duration_s = _duration_s(field(spec.duration), spec.unit_s) if spec.duration else NAN
        subject = field(spec.subject)[:_MAX_DETAIL] if spec.subject else b""
        if spec.what not in _LONG_DETAILS:
            detail = detail[:_MAX_DETAIL]
        self._add(kind, time_ms, number, subject, duration_s, (field(spec.collection), detail, trace))

    def _add(
        self, spec: int, time_ms: int, number: int, subject: bytes, duration_s: float, more: tuple[bytes, bytes, bytes]
    ) -> None:
        events = self.events
        events.more[len(events)] = more
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


def _times(lines: Sequence[bytes]) -> tuple[np.ndarray, list[bool]]:
    """Unix milliseconds of each line, and whether it has a time."""
    stamps = b"".join([line[: zap.STAMP_LENGTH].ljust(zap.STAMP_LENGTH) for line in lines])
    time_ms, has_time = times(stamps, np.arange(0, len(stamps), zap.STAMP_LENGTH))
    return time_ms, has_time.tolist()


def _values(lines: list[bytes], key: bytes) -> list[bytes]:
    """The same for many lines, at most so much of each as is kept."""
    found, length, start = [], len(key), zap.STAMP_LENGTH
    for line in lines:
        at = line.find(key, start)
        if at < 0 or line.startswith(b'"', at + length):
            found.append(_value(line, key)[:_MAX_DETAIL])
        else:
            end = line.find(b"]", at)
            found.append(line[at + length : end][:_MAX_DETAIL] if end > 0 else b"")
    return found


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


def _parked_s(field: Fields) -> float:
    """How far a request's guarantee timestamp lies ahead of the node's service time (Milvus 2.0)."""
    guarantee = field(b"sm.GuaranteeTimestamp") or field(b"sm.BeginTs")
    ahead, behind = zap.stamp_ms(b"[" + guarantee + b"]"), zap.stamp_ms(b"[" + field(b"serviceTime") + b"]")
    return NAN if ahead is None or behind is None else (ahead - behind) / 1e3
