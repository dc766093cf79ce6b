"""What was observed: the words in which every other part of slowq speaks of an incident.

A `Case` is gathered once, is never changed, and is all that a rule may look at. Requests are a table (one pandas
DataFrame), because a busy cluster logs millions of them; everything that is few is a dataclass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from slowq.filters import Shape
    from slowq.measures import Metrics

Version = tuple[int, int, int]

# Column of `Case.requests` → what it holds. One row a request, ordered by `at`, then by file and line.
# Text columns are categorical: a log of a million requests holds few distinct values.
REQUEST_COLUMNS: Mapping[str, str] = {
    "at": "datetime64[ms, UTC]: when it was logged, which is when it ended",
    "started": "datetime64[ms, UTC]: at - duration_s",
    "kind": "category: search, query or hybrid_search",
    "status": "category: ok, failed, timeout, or null where no line tells",
    "slow": "bool: it stands in the slow log, or it took at least SLOW_S",
    "database": "category",
    "collection": "category",
    "partitions": "category of JSON lists",
    "filter": "category: as sent; of a hybrid search the JSON list of its parts",
    "shape": "int32: index into Case.shapes, -1 where the log does not show the filter",
    "nq": "float64, NaN where unknown (Milvus before 2.3.4 logs none, and 0 of a search that it gave up before it began; a query "
    "has none)",
    "top_k": "float64, NaN where unknown; the limit of a query is not logged",
    "output_fields": "category of JSON lists",
    "search_params": "category of JSON objects, numbers as numbers",
    "anns_field": "category",
    "metric_type": "category",
    "duration_s": "float64",
    "duration_per_nq_s": "float64: as logged, else duration_s / nq, NaN without nq",
    "consistency_logged": "category: as printed",
    "uses_default_consistency": "category: true, false or null",
    "consistency": "category: the effective level; null where it cannot be known",
    "filter_shape": "category: the text of the shape",
    "guarantee_timestamp": "string of digits, null where not logged (uint64 in Milvus)",
    "guarantee_lag_s": "float64: started - the physical part; NaN where the value is no timestamp",
    "requery_s": "float64: the second, internal query of the same trace; NaN where there was none",
    "vector_bytes": "float64: len(PlaceholderGroup); NaN where not logged",
    "trace_id": "string",
    "user": "category",
    "client": "category",
    "node": "category: pod or component, from a wrapper or the file's name",
    "pattern": "category: the pattern's id",
    "milvus_version": "category: a version, or a range such as 2.5.16-2.5.17",
    "milvus_version_source": "category: how it was learnt",
    "path": "category: file, or archive!member",
    "line": "int64: physical line in that file, from 1",
    "phases": "category of JSON objects: step → seconds, from the tr/ lines of a DEBUG log",
    "extra": "category of JSON objects: fields of a slow line that slowq does not know",
}

# Column of `Case.events` → what it holds: everything else in the logs that may carry evidence.
EVENT_COLUMNS: Mapping[str, str] = {
    "at": "datetime64[ms, UTC]",
    "what": "category: see parsers.messages",
    "state": "category: start, done or point",
    "subject": "string: build id, segment id, channel, topic, node: whatever pairs a start with its end",
    "collection": "category: name or id, null where the line has none",
    "duration_s": "float64: where the line states one; NaN otherwise",
    "detail": "category: the message, or the error that comes with it",
    "trace_id": "category, null where the line has none",
    "path": "category",
    "line": "int64",
}

# Of lines that say the same every second or more often, the first of this many seconds is kept.
STEADY_S = 10.0

# "Over 1 s slow": the rule of thumb of the guide *How to Debug Slow Search Requests in Milvus*; used for requests that
# come from the access log or a context file, which hold fast ones too.
SLOW_S = 1.0
# The same guide: under 30 ms healthy in most cases, over 100 ms worth a look.
HEALTHY_S = 0.03
WORTH_A_LOOK_S = 0.1
# A request that takes so many times as long as when all is well is slow, however short that was; less may be chance.
MUCH_LONGER = 3.0
# Fewer rows than these are compared one by one, or filtered, in a few tens of milliseconds.
FEW_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was read: a file (or archive!member) and its physical line, counted from 1."""

    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Input:
    """One file that was read. `format` names the layers from the outside in: "docker-json/milvus-text"."""

    path: str
    format: str
    compressed_bytes: int | None
    bytes: int
    lines: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that is a slow line and cannot be read: where, why, and how it begins."""

    place: Place
    reason: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Every physical line, counted exactly once."""

    slow_requests: int = 0
    other_milvus_lines: int = 0
    continuation_lines: int = 0
    unrecognised_lines: int = 0
    malformed_slow_lines: int = 0
    malformed: tuple[Malformed, ...] = ()  # the first of them
    unrecognised: tuple[Malformed, ...] = ()

    @property
    def lines(self) -> int:
        return (
            self.slow_requests
            + self.other_milvus_lines
            + self.continuation_lines
            + self.unrecognised_lines
            + self.malformed_slow_lines
        )

    def is_mostly(self, entries: int) -> bool:
        """Whether these are half of all entries or more, as in an excerpt that somebody quotes."""
        return 0 < self.lines - self.continuation_lines <= 2 * entries

    @property
    def share_understood(self) -> float | None:
        """1 - (unrecognised + malformed) / lines; None for no line at all."""
        if not self.lines:
            return None
        return 1 - (self.unrecognised_lines + self.malformed_slow_lines) / self.lines


@dataclass(frozen=True, slots=True)
class Milvus:
    """The Milvus that wrote the logs. `low` and `high` bound the version where only a range is known."""

    version: str | None = None
    low: Version | None = None
    high: Version | None = None
    deployment: str | None = None
    source: str | None = None

    def surely_before(self, version: Version) -> bool:
        return self.high is not None and self.high < version

    def surely_from(self, version: Version) -> bool:
        return self.low is not None and self.low >= version


# What is told of many durations, or of many nq: each is a number, or None where none is known.
SUMMARY = ("min", "p50", "p90", "p95", "p99", "max", "sum")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Requests of one fingerprint: kind, database, collection, filter shape, search params, output shape.

    `id` is a digest of those words alone, so it is the same on every machine and in every run.
    """

    id: str
    kind: str
    database: str | None
    collection: str | None
    filter: str | None
    shape: str
    count: int
    duration_s: Mapping[str, float | None]
    example: Place
    example_trace_id: str | None


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a rule could not do without, and how the user supplies it."""

    what: str
    how_to_supply: str


# --------------------------------------------------------------------------------------------------------------------
# The context file: what logs and metrics cannot show. Every value is optional; None is unknown, never zero.

# What reporters write for a parameter that was used with a value that they do not give. It stays in filters,
# search params and index params, where its presence tells something; anywhere else it reads as None.
NOT_STATED = "(not stated)"
# Stands in a filter for a name or a value that is not given.
UNNAMED = "not_stated"
# Stands in a filter for what whoever told of it left out; Milvus would take it for the name of a template.
LEFT_OUT = "{left_out}"


@dataclass(frozen=True, slots=True)
class IndexFacts:
    type: str | None = None
    metric: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    mmap: bool | None = None
    state: str | None = None
    pending_rows: int | None = None
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """`mmap` is of the raw values. `index` is None where the file does not say, and `NO_INDEX` where it says `index: null`.

    `more_indexes` are those on other paths of a JSON field.
    """

    name: str | None = None
    type: str | None = None
    element: str | None = None
    dim: int | None = None
    primary: bool | None = None
    partition_key: bool | None = None
    nullable: bool | None = None
    mmap: bool | None = None
    index: IndexFacts | None = None
    more_indexes: tuple[IndexFacts, ...] = ()

    @property
    def is_vector(self) -> bool:
        return self.type is not None and "VECTOR" in self.type.upper()


NO_INDEX = IndexFacts(type="")


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """`sealed` to `rows` are of what is searched where the collection is loaded, else of what is stored."""

    sealed: int | None = None
    growing: int | None = None
    indexed: int | None = None
    small: int | None = None
    rows: int | None = None
    loaded: int | None = None
    stored: int | None = None
    memory_gib: float | None = None


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    name: str | None = None
    database: str | None = None
    rows: int | None = None
    partitions: int | None = None
    shards: int | None = None
    loaded: bool | None = None
    replicas: int | None = None
    resource_groups: tuple[str, ...] = ()
    consistency: str | None = None
    fields: tuple[FieldFacts, ...] = ()
    segments: SegmentFacts = SegmentFacts()
    key: str = ""  # where it stands in the file, for Context.cite: "collections[0]"


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A request as a reporter describes it, when there is no log at hand."""

    kind: str | None = None
    nq: int | None = None
    top_k: int | None = None
    offset: int | None = None
    filter: str | None = None
    in_list_length: int | None = None
    consistency: str | None = None
    duration_s: float | None = None
    fast_duration_s: float | None = None
    search_params: Mapping[str, Any] = field(default_factory=dict)
    output_fields: tuple[str, ...] = ()
    sub_requests: int | None = None
    partitions: tuple[str, ...] = ()
    rows_returned: int | None = None
    timeout: bool | None = None
    key: str = ""

    @property
    def is_fast_otherwise(self) -> bool:
        """Whether it takes much longer than the same request when all is well. One that timed out takes a second at least."""
        took_s = SLOW_S if self.duration_s is None and self.timeout else self.duration_s
        if took_s is None or self.fast_duration_s is None:
            return False
        return took_s >= MUCH_LONGER * self.fast_duration_s


# How the subject of an event names what Milvus depends on: "my-release-pulsar-broker-0", "etcd".
_DEPENDENCIES = {
    "message_queue": ("pulsar", "kafka", "rocksmq", "nats", "woodpecker", "bookie", "bookkeeper", "zookeeper", "mq"),
    "object_storage": ("minio", "s3", "gcs", "oss", "ceph"),
    "meta": ("etcd", "tikv"),
}


@dataclass(frozen=True, slots=True)
class EventFacts:
    at: str | None = None
    what: str | None = None
    subject: str | None = None
    detail: str | None = None
    key: str = ""

    @property
    def at_s(self) -> float | None:
        """Unix seconds of a time with a zone; a time without one cannot be put beside the log's."""
        if self.at is None or not self.at.endswith("Z"):
            return None
        return datetime.fromisoformat(self.at.removesuffix("Z") + "+00:00").timestamp()

    @property
    def dependency(self) -> str | None:
        """What it happened to where that is no part of Milvus, in the context file's word for it."""
        words = re.findall(r"[a-z0-9]+", (self.subject or "").lower())
        named = (name for name, given in _DEPENDENCIES.items() if any(word.startswith(given) for word in words))
        return next(named, None)

    @property
    def words(self) -> frozenset[str]:
        """What it is, in the context file's word, and in the log's where that says more: a query node that restarts is down
        meanwhile, and its segments go to the others."""
        is_node_down = self.what == "restart" and re.search(r"query[ _-]?node", self.subject or "", re.IGNORECASE)
        return frozenset(word for word in (self.what, "node_down" if is_node_down else None) if word)


_CHANGES_OF_DATA = ("import", "delete", "flush")


@dataclass(frozen=True, slots=True)
class Context:
    """The facts of a context file. Sections that are plain keys stay mappings, with the contract's own names."""

    milvus: Mapping[str, Any] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    collections: tuple[CollectionFacts, ...] = ()
    totals: Mapping[str, Any] = field(default_factory=dict)
    resource_groups: tuple[Mapping[str, Any], ...] = ()
    dependencies: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    server: Mapping[str, Any] = field(default_factory=dict)
    observations: Mapping[str, Any] = field(default_factory=dict)
    observations_per_node: tuple[Mapping[str, Any], ...] = ()
    events: tuple[EventFacts, ...] = ()
    pattern: Mapping[str, Any] = field(default_factory=dict)
    requests: tuple[RequestFacts, ...] = ()
    notes: tuple[str, ...] = ()
    path: str | None = None
    lines: Mapping[str, int] = field(default_factory=dict)  # "collections[0].rows" → line in the file
    sources: Mapping[str, str] = field(default_factory=dict)  # keys that are not of the file → where they are from
    asked: str | None = None  # the Milvus that was asked, and when, in Unix seconds
    asked_at: float | None = None
    trouble: tuple[str, ...] = ()  # in sentences, what it did not tell, and where the file says otherwise

    def cite(self, key: str) -> Place:
        """The line of a key; of its nearest parent where the key itself has none."""
        at = key
        while at and at not in self.lines:
            at = at[: max(at.rfind("."), at.rfind("["), 0)]
        return Place(self.sources.get(at, self.path or "context"), self.lines.get(at, 1))

    @property
    def only_collection(self) -> CollectionFacts:
        """What goes without saying of requests that name no collection; nothing where there are several."""
        return self.collections[0] if len(self.collections) == 1 else CollectionFacts()

    @property
    def comes_and_goes(self) -> bool:
        """Whether the reporter saw it slow at times only. What is so all the time, as an index or a filter, does not explain
        that; after the data have changed it may."""
        return self.is_since_a_change or any(
            bool(self.pattern.get(key)) for key in ("only_first_searches", "only_while_writing", "periodic_s")
        )

    @property
    def is_since_a_change(self) -> bool:
        """Whether it is slow only after something that was done to Milvus, and not to its data."""
        return self.pattern.get("only_after") not in (None, *_CHANGES_OF_DATA)

    def happened_to(self, dependency: str) -> tuple[EventFacts, ...]:
        """What was done to the message queue, the object storage or the meta store."""
        return tuple(one for one in self.events if one.dependency == dependency)

    def is_only_after(self, events: Sequence[EventFacts]) -> bool:
        """Whether it is slow only after one of these."""
        after = self.pattern.get("only_after")
        return after is not None and any(one.what == after for one in events)

    @property
    def is_fast_otherwise(self) -> bool:
        """Whether a described request is known to be much faster when all is well."""
        return any(one.is_fast_otherwise for one in self.requests)

    @property
    def differs_by_request(self) -> bool:
        """The same where nothing is said of when, or of what happened: it is then by what the request asks."""
        return self.is_fast_otherwise and not self.comes_and_goes and not self.events

    @property
    def differs_by_time(self) -> bool:
        """The same where something is: what the request asks, it asked before as well."""
        return self.is_fast_otherwise and (self.comes_and_goes or bool(self.events))

    def is_told(self, key: str) -> bool:
        """Whether a key is what the Milvus said that was asked."""
        return self.asked is not None and self.cite(key).path.startswith(self.asked)

    def fields(self) -> Iterator[tuple[CollectionFacts, int, FieldFacts]]:
        """Every field of every collection, with its position in the collection."""
        for collection in self.collections:
            for position, one in enumerate(collection.fields):
                yield collection, position, one

    def collection(self, name: str | None) -> CollectionFacts | None:
        """The named collection, or the only one, or None."""
        named = [c for c in self.collections if c.name == name]
        if named:
            return named[0]
        nameless = [c for c in self.collections if c.name is None]
        return nameless[0] if len(self.collections) == 1 and nameless else None


@dataclass(frozen=True, eq=False)
class Case:
    """Everything that was gathered about one incident."""

    requests: pd.DataFrame
    events: pd.DataFrame
    shapes: tuple[Shape, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    coverage: Coverage = Coverage()
    inputs: tuple[Input, ...] = ()
    milvus: Milvus = Milvus()
    context: Context = Context()
    metrics: Metrics | None = None
