"""The log: lines in the text form of Milvus' zap encoder, with the messages and fields of a version that is a parameter.

A message, a key and a value stand in double quotes where they hold a byte up to 0x20 or one of `\\ " [ ] =`.
Messages and fields: Milvus' source, `internal/proxy/impl.go`, `indexnode`, `datanode`, `querycoordv2`, `rootcoord`.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from slowq.engine.callers import callers_of
from slowq.engine.schema import Collection
from slowq.errors import UsageError

_QUOTED = frozenset('\\"[]=')
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Form:
    """How a version writes its slow lines: the line of each call in `proxy/impl.go`, and which fields there are."""

    version: str
    search: int
    hybrid_search: int
    query: int
    has_level: bool  # ConsistencyLevel, useDefaultConsistency
    has_nq: bool
    per_nq: bool  # durationPerNq of a search, which then is what is compared with the threshold
    hybrid_nq: bool  # totalNq and durationPerNq of a hybrid search, which then is what is compared
    hybrid_filters: bool
    computed_guarantee: bool  # the timestamp that the proxy computed, not the one that the client sent
    only_successful: bool = False  # what failed is not slow
    counts_whole: bool = False  # the metric compares the whole time, whatever the log does

    @property
    def is_2_6(self) -> bool:
        return self.version.startswith("2.6.")

    def by_vector(self, kind: str) -> bool:
        """Whether the time of such a request is compared by its query vectors."""
        return {"search": self.per_nq, "hybrid_search": self.hybrid_nq}.get(kind, False)


FORMS = {
    one.version: one
    for one in (
        Form("2.3.5", 2578, 0, 2839, False, True, False, False, False, False),
        Form("2.4.15", 2977, 3164, 3434, True, True, False, False, False, True),
        Form("2.5.16", 3141, 3377, 3665, True, True, True, False, True, True, counts_whole=True),
        Form("2.6.10", 2986, 3223, 3666, True, True, True, True, True, True, only_successful=True),
    )
}


def form_of(version: str) -> Form:
    """The form of a version, or of the stored release of its line: "2.5" and "2.5.3" are written as 2.5.16."""
    wanted = version.removeprefix("v")
    if wanted in FORMS:
        return FORMS[wanted]
    line = ".".join(wanted.split(".")[:2])
    for known, form in FORMS.items():
        if known.startswith(line + "."):
            return form
    raise UsageError(f"The engine does not write logs of Milvus {version!r}", hint=f"one of {', '.join(FORMS)}")


@dataclass(frozen=True, slots=True)
class Read:
    """A finished search or query, with all that slow log and access log say of it. Times in seconds."""

    kind: str  # search, query, hybrid_search
    database: str
    collection: str
    partitions: Sequence[str]
    filters: Sequence[str]
    placeholder_bytes: int
    output_fields: Sequence[str]
    search_params: Mapping[str, str]
    level_sent: str
    uses_default: bool
    guarantee_sent: int
    guarantee: int
    nq: int
    took_s: float
    trace_id: str
    user: str
    client: str
    failed: str = ""
    code: int = 0
    label: str = "query"
    level: str = ""

    @property
    def per_nq_s(self) -> float:
        return self.took_s / max(1, self.nq)


@dataclass(frozen=True, slots=True)
class Delegator:
    """What leads the searches of a shard, as its lines name it, and the request that it serves."""

    trace_id: str
    collection: int
    channel: str

    def fields(self) -> dict[str, object]:
        return {"traceID": self.trace_id, "collectionID": self.collection, "channel": self.channel}


class Events:
    """Writes lines; every method is one message. A line is written whole, whoever else writes."""

    def __init__(self, form: Form, out: TextIO | None, now_s: Callable[[], float]) -> None:
        self.form = form
        self._callers = callers_of(form.version)
        self._out = out
        self._now_s = now_s
        self._lock = threading.Lock()
        self.failures: deque[str] = deque(maxlen=100)  # of background tasks, the latest

    def _note(self, level: str, event: str, message: str, **fields: object) -> None:
        """A line that Milvus writes beside the slow ones, with the caller that it has in this version."""
        self.write(level, self._callers[event], message, **fields)

    def write(self, level: str, caller: str, message: str, /, **fields: object) -> None:
        if self._out is None:
            return
        parts = [f"[{_moment(self._now_s())}] [{level}] [{caller}] [{_text(message)}]"]
        parts += [f"[{_text(key)}={_text(str(value))}]" for key, value in fields.items()]
        self._put(" ".join(parts) + "\n")

    def _put(self, text: str) -> None:
        if self._out is not None:
            with self._lock:
                self._out.write(text)
                self._out.flush()

    # requests

    def slow(self, read: Read) -> None:
        form = self.form
        fields: dict[str, object] = {"traceID": read.trace_id, "role": "proxy", "db": read.database}
        fields |= {"collection": read.collection, "partitions": _list(read.partitions)}
        fields |= _FIELDS[read.kind](form, read)
        fields["duration"] = go_duration(read.took_s)
        if form.by_vector(read.kind):
            fields["durationPerNq"] = go_duration(read.per_nq_s)
        name = {"search": "Search", "query": "Query", "hybrid_search": "HybridSearch"}[read.kind]
        self.write("INFO", f"proxy/impl.go:{getattr(form, read.kind)}", f"{name} slow", **fields)

    def failed(self, read: Read) -> None:
        self._failed_to(read, "WaitToFinish", "failed")

    def refused(self, read: Read) -> None:
        """The proxy had too many requests already."""
        self._failed_to(read, "enqueue", "refused")

    def _failed_to(self, read: Read, step: str, how: str) -> None:
        name = {"search": "Search", "query": "Query", "hybrid_search": "HybridSearch"}[read.kind]
        fields: dict[str, object] = {"traceID": read.trace_id, "role": "proxy", "db": read.database}
        fields |= {"collection": read.collection, "error": read.failed}
        self._note("WARN", f"{read.kind} {how}", f"{name} failed to {step}", **fields)

    def lag_too_large(self, where: Delegator, guarantee_s: float, safe_s: float, most_s: float) -> None:
        self._note(
            "WARN",
            "lag too large",
            "guarantee and serviceable ts larger than MaxLag",
            **where.fields(),
            guaranteeTime=_moment(guarantee_s),
            serviceableTime=_moment(safe_s),
            lag=go_duration(guarantee_s - safe_s),
            maxTsLag=go_duration(most_s),
        )

    def no_tsafe(self, where: Delegator, kind: str, error: str) -> None:
        word = "search" if self.form.is_2_6 else kind  # 2.6 says it of queries too
        message = f"delegator {word} failed to wait tsafe"
        self._note("WARN", f"{kind} without tsafe", message, **where.fields(), error=error)

    def canceled(self, before: str) -> None:
        """A task of the read queue whose time was over: before "enqueue" or "executing"."""
        self._note(
            "WARN", f"canceled before {before}", f"task canceled before {before}", error="context deadline exceeded"
        )

    def delegator_failed(self, where: Delegator, kind: str, error: str) -> None:
        message = f"failed to {kind} on delegator"
        self._note("WARN", f"{kind} failed on delegator", message, **where.fields(), scope="All", error=error)

    # what runs beside them

    def started(self, number: int) -> None:
        """The banner, which tells the version and is no line of the logger, and the sessions of the roles."""
        self._put(f"Welcome to use Milvus!\nVersion:   v{self.form.version}\n")
        coordinators = ("mixcoord",) if self.form.is_2_6 else ("rootcoord", "datacoord", "querycoord")
        for role in ("proxy", "querynode", "datanode", *coordinators):
            session = {"ServerID": number, "ServerName": role, "TriggerKill": True, "Version": self.form.version}
            key = f"by-dev/meta/session/{role}" + ("" if role in coordinators else f"-{number}")
            value = json.dumps(session, separators=(",", ":"))
            if self.form.is_2_6:
                message = "put session key into etcd, service registered successfully"
                self._note("INFO", "session put", message, role=role, serverID=number, key=key, value=value)
            else:
                self._note("INFO", "session put", "put session key into etcd", key=key, value=value)
                self._note("INFO", "session", "register session success", role=role, key=key)

    def index_asked(self, collection: Collection, field: str, params: Mapping[str, str]) -> None:
        extra = json.dumps([{"key": key, "value": value} for key, value in params.items()], separators=(",", ":"))
        for state in ("received", "done"):
            fields: dict[str, object] = {"role": "proxy", "db": collection.database, "collection": collection.name}
            self._note("INFO", f"index {state}", f"CreateIndex {state}", **fields, field=field, extra_params=extra)

    def index_begun(self, collection: Collection, build: int, segment: int) -> None:
        self._note(
            "INFO",
            "build begun",
            "Begin to prepare indexBuildTask",
            buildID=build,
            Collection=collection.id,
            SegmentID=segment,
        )

    def index_built(self, collection: Collection, segment: int, name: str, rows: int, took_s: float) -> None:
        self._note(
            "INFO",
            "built",
            "Successfully build index",
            buildID=segment,
            Collection=collection.id,
            SegmentID=segment,
            indexName=name,
            rows=rows,
            elapse=go_duration(took_s),
        )

    def build_failed(self, collection: Collection, segment: int, name: str, why: str) -> None:
        self._note(
            "WARN",
            "build failed",
            "failed to build index",
            Collection=collection.id,
            SegmentID=segment,
            indexName=name,
            error=why,
        )

    def flushed(self, collection: Collection, segment: int, rows: int, took_s: float) -> None:
        self._note(
            "INFO",
            "flushed",
            "flush segment complete",
            id=segment,
            collectionID=collection.id,
            rows=rows,
            elapse=go_duration(took_s),
        )

    def compacting(self, collection: Collection, kind: str, inputs: Sequence[int]) -> None:
        self._note(
            "INFO",
            "compaction begun",
            "start to execute compaction",
            planID=min(inputs, default=0),
            **{"collection" if self.form.is_2_6 else "Collection": collection.id},
            type=kind,
            segments=_list([str(one) for one in inputs]),
        )

    def compacted(
        self, collection: Collection, kind: str, inputs: Sequence[int], outputs: Sequence[int], took_s: float
    ) -> None:
        self._note(
            "INFO",
            "compacted",
            "end to execute compaction",
            planID=min(inputs, default=0),
            **{"collection" if self.form.is_2_6 else "Collection": collection.id},
            type=kind,
            compactedTo=_list([str(one) for one in outputs]),
            elapse=go_duration(took_s),
        )

    def task_failed(self, error: BaseException) -> None:
        """A task in the background ended with an error; whoever asked for it may have gone."""
        self.failures.append(f"{type(error).__name__}: {error}")
        self.write("ERROR", "datanode/task.go:1", "task failed", error=self.failures[-1])

    def answered_badly(self, call: str, error: BaseException) -> None:
        """A call met an error that is nobody's request: a mistake of the engine."""
        self.failures.append(f"{call}: {type(error).__name__}: {error}")
        self.write("ERROR", "proxy/impl.go:1", "call failed", method=call, error=self.failures[-1])

    def cannot_load(self, collection: Collection, segment: int, why: str) -> None:
        self._note(
            "WARN",
            "segment not loaded",
            "failed to load segment",
            collectionID=collection.id,
            segmentID=segment,
            error=why,
        )

    def load_asked(self, collection: Collection, replicas: int, partitions: Sequence[str]) -> None:
        """A load is asked for; 2.6 says at once that it is accepted, in words that sound like its end."""
        fields: dict[str, object] = {"collectionID": collection.id, "replicaNumber": max(1, replicas)}
        what = "partitions" if partitions else "collection"
        if partitions:
            fields["partitions"] = _list(partitions)
        message = "received load partitions request" if partitions else "load collection request received"
        self._note("INFO", f"{what} load received", message, **fields)
        if self.form.is_2_6:
            self._note("INFO", f"{what} load accepted", f"load {what} done", **fields)

    def loading(self, collection: Collection, segment: int) -> None:
        self._note(
            "INFO",
            "segment loading",
            "load segments...",
            taskID=segment,
            collectionID=collection.id,
            segmentID=segment,
        )

    def segment_loaded(self, collection: Collection, segment: int, took_s: float) -> None:
        self._note(
            "INFO",
            "segment loaded",
            "load segments done",
            taskID=segment,
            collectionID=collection.id,
            segmentID=segment,
            elapsed=go_duration(took_s),
        )

    def loaded(self, collection: Collection) -> None:
        fields = {"collectionID": collection.id, "collectionLoadPercentage": 100}
        by_partition = self.form.version in ("2.3.5", "2.4.15")
        message = "load status updated" if by_partition else "collection load status updated"
        self._note("INFO", "loaded", message, **fields)

    def released(self, collection: Collection, partitions: Sequence[str]) -> None:
        if partitions:
            fields: dict[str, object] = {"collectionID": collection.id, "partitions": _list(partitions)}
            self._note("INFO", "partitions release received", "release partitions", **fields)
            if self.form.is_2_6:
                self._note("INFO", "partitions released", "release partitions done", collectionReleased=False, **fields)
            return
        self._note("INFO", "release received", "release collection request received", collectionID=collection.id)
        message = "release collection done" if self.form.is_2_6 else "collection released"
        self._note("INFO", "released", message, collectionID=collection.id)

    def inserted(self, collection: Collection, rows: int) -> None:
        self._note(
            "INFO" if self.form.version == "2.3.5" else "DEBUG",
            "inserted",
            "pipeline fetch insert msg",
            collectionID=collection.id,
            insertRowNum=rows,
        )

    def tick_late(self, channels: int, span_s: float) -> None:
        self._note(
            "WARN",
            "tick late",
            "rootcoord send tt to all channels too slowly",
            chanNum=channels,
            span=int(span_s * 1e3),
        )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3] + " +00:00"


def go_duration(seconds: float) -> str:
    """As Go's `time.Duration.String()` prints it, to the nanosecond."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < 1000:
        return f"{nanoseconds}ns"
    if nanoseconds < 1_000_000:
        return f"{_trimmed(nanoseconds, 3)}\u00b5s"
    if nanoseconds < 1_000_000_000:
        return f"{_trimmed(nanoseconds, 6)}ms"
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    text = f"{_trimmed(rest, 9)}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return text


def _trimmed(value: int, places: int) -> str:
    whole, part = divmod(value, 10**places)
    return f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".")


def _search_fields(form: Form, read: Read) -> dict[str, object]:
    params = [{"key": key, "value": value} for key, value in read.search_params.items()]
    text = json.dumps(params, separators=(",", ":"), ensure_ascii=False)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    fields: dict[str, object] = {
        "dsl": read.filters[0],
        "len(PlaceholderGroup)": read.placeholder_bytes,
        "OutputFields": _list(read.output_fields),
        "search_params": text,
    }
    if form.has_level:
        fields |= _level(read)
    fields["guarantee_timestamp"] = _guarantee(form, read)
    if form.has_nq:
        fields["nq"] = read.nq
    return fields


def _query_fields(form: Form, read: Read) -> dict[str, object]:
    fields: dict[str, object] = _level(read) if form.has_level else {}
    return fields | {
        "expr": read.filters[0],
        "OutputFields": _list(read.output_fields),
        "travel_timestamp": 0,
        "guarantee_timestamp": _guarantee(form, read),
    }


def _hybrid_fields(form: Form, read: Read) -> dict[str, object]:
    fields: dict[str, object] = {"OutputFields": _list(read.output_fields)}
    if form.has_level:
        fields |= _level(read)
    if form.hybrid_filters:
        fields["dsls"] = "".join(f"[No.{place} req, expr: {text}]" for place, text in enumerate(read.filters))
    fields["guarantee_timestamp"] = _guarantee(form, read)
    if form.hybrid_nq:
        fields["totalNq"] = read.nq
    return fields


_FIELDS: Mapping[str, Callable[[Form, Read], dict[str, object]]] = {
    "search": _search_fields,
    "query": _query_fields,
    "hybrid_search": _hybrid_fields,
}


def _level(read: Read) -> dict[str, object]:
    level = "Strong" if read.uses_default else read.level_sent  # what the request's field holds
    return {"ConsistencyLevel": level, "useDefaultConsistency": str(read.uses_default).lower()}


def _guarantee(form: Form, read: Read) -> int:
    return read.guarantee if form.computed_guarantee else read.guarantee_sent


def _list(values: Sequence[str]) -> str:
    return "[" + ",".join(values) + "]"


def _text(text: str) -> str:
    if not any(character <= " " or character in _QUOTED for character in text):
        return text
    escaped = "".join(_ESCAPES.get(one) or (one if one >= " " else f"\\u{ord(one):04x}") for one in text)
    return f'"{escaped}"'
