"""What is written down of each search and query: metrics, slow log, access log; and how many may run at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType

from slowq.engine.access import AccessLog
from slowq.engine.config import Config
from slowq.engine.events import Events, Read
from slowq.engine.faults import UNEXPECTED, RequestFault, too_many
from slowq.engine.metrics import Metrics
from slowq.engine.requests import Caller, HybridSearch, Query, Search
from slowq.engine.schema import Collection
from slowq.engine.slowness import Slowness
from slowq.engine.trace import Trace

_FUNCTIONS = {"search": "Search", "query": "Query", "hybrid_search": "HybridSearch"}


class Books:
    def __init__(self, config: Config, metrics: Metrics, events: Events, access: AccessLog) -> None:
        self.metrics, self.events, self.access = metrics, events, access
        self.slowness = Slowness.of(events.form, config)
        self._most = int(config.number("proxy.maxTaskNum"))
        self._running = 0
        self._lock = threading.Lock()

    @property
    def running(self) -> int:
        """How many reads are in the proxy."""
        return self._running

    def reading(
        self, kind: str, parts: Sequence[Search | Query], request: Search | Query | HybridSearch, caller: Caller
    ) -> Reading:
        return Reading(self, kind, parts, request, caller)

    def enter(self) -> None:
        with self._lock:
            if self._running >= self._most:
                raise too_many(self._most)
            self._running += 1

    def leave(self) -> None:
        with self._lock:
            self._running -= 1


class Reading:
    """One search or query from entry to answer, as a context. `collection` and `guarantee` are set on the way."""

    def __init__(
        self,
        books: Books,
        kind: str,
        parts: Sequence[Search | Query],
        request: Search | Query | HybridSearch,
        caller: Caller,
    ) -> None:
        self._books, self.kind, self._parts, self._request, self.caller = books, kind, parts, request, caller
        self.trace = Trace()
        self.collection: Collection | None = None
        self.guarantee = 0
        self._began = 0.0

    @property
    def node_kind(self) -> str:
        """A query node knows only two kinds."""
        return "query" if self.kind == "query" else "search"

    def told(self, took_s: float, nodes: int) -> None:
        """The query nodes have answered."""
        metrics = self._books.metrics
        metrics.observe("milvus_proxy_sq_wait_result_latency", took_s * 1e3, self.kind)
        metrics.observe(
            "milvus_querynode_sq_req_latency",
            (took_s + self.trace.seconds["wait_tsafe"]) * 1e3,
            self.node_kind,
            "OnLeader",
        )
        for _ in range(nodes):
            metrics.observe("milvus_querynode_sq_req_latency", took_s * 1e3, self.node_kind, "FromLeader")

    def __enter__(self) -> Reading:
        self.trace.seconds["proxy_queue"] = self.caller.waited_s
        self._began = time.perf_counter() - self.caller.waited_s
        try:
            self._books.enter()
        except RequestFault as fault:
            self._refused(fault)
            raise
        return self

    def _refused(self, fault: RequestFault) -> None:
        """It never was in the proxy: nothing is measured of it, and only what was refused is written down."""
        took = time.perf_counter() - self._began
        self.trace.close(took)
        read = self._read(took, fault)
        self._books.events.refused(read)
        self._books.access.write(read, self.trace)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._books.leave()
        took = time.perf_counter() - self._began
        self.trace.close(took)
        read = self._read(took, error)
        if error is None:
            self._measure(took)
        else:
            self._books.events.failed(read)
        if self._books.slowness.is_logged(read):
            self._books.events.slow(read)
        if self._books.slowness.is_counted(read):
            self._books.metrics.add("milvus_proxy_slow_query_count", 1, self.kind)
        self._books.access.write(read, self.trace)

    @property
    def _labels(self) -> tuple[str, str]:
        part = self._parts[0]
        return part.database, part.collection

    @property
    def _nq(self) -> int:
        return sum(one.queries.rows for one in self._parts if isinstance(one, Search)) or 1

    def _measure(self, took_s: float) -> None:
        metrics, labels = self._books.metrics, self._labels
        metrics.observe("milvus_proxy_sq_latency", took_s * 1e3, self.kind, *labels)
        metrics.observe("milvus_proxy_collection_sq_latency", took_s * 1e3, self.kind, *labels)
        metrics.observe("milvus_proxy_req_latency", took_s * 1e3, _FUNCTIONS[self.kind])
        metrics.observe(
            "milvus_proxy_req_in_queue_latency", self.trace.seconds["proxy_queue"] * 1e3, _FUNCTIONS[self.kind]
        )
        if self.kind != "query":
            metrics.add("milvus_proxy_search_vectors_count", self._nq, *labels)
            metrics.add("milvus_proxy_received_nq", self._nq, self.kind, *labels)
            metrics.observe("milvus_querynode_search_nq", self._nq)
            metrics.observe("milvus_querynode_search_topk", self._request.limit or 0)
        if self.collection is not None:
            searched = self.trace.counts["segments"]
            metrics.observe(
                "milvus_querynode_search_hit_segment_num", searched, str(self.collection.id), self.node_kind
            )

    def _read(self, took_s: float, error: BaseException | None) -> Read:
        part, asked = self._parts[0], self._request.freshness
        failed = "" if error is None else str(error) or type(error).__name__
        level = asked.level
        if asked.uses_default and self.collection is not None:
            level = self.collection.consistency
        return Read(
            self.kind,
            part.database,
            part.collection,
            part.partitions,
            [one.filter for one in self._parts],
            part.placeholder_bytes if isinstance(part, Search) else 0,
            self._request.output_fields,
            part.raw_params if isinstance(part, Search) else {},
            asked.level,
            asked.uses_default,
            asked.guarantee,
            self.guarantee,
            self._nq,
            took_s,
            self.caller.trace_id,
            self.caller.user,
            self.caller.client,
            failed,
            error.code if isinstance(error, RequestFault) else UNEXPECTED if error is not None else 0,
            level=level,
        )
