"""The proxy: says how new the answer to a request must be, sends its parts to the query nodes, joins what comes back.

    request ─► planner (limits, filter) ─► guarantee timestamp ─► tSafe of each shard ─► snapshot, pruned
            ─► query nodes ─► reduce ─► output fields

The phases of `Trace` follow each other without a gap on that path.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late

import numpy as np

from slowq.engine.answers import columns_at, gathered, hits_of, metric_of, output_names, reduced
from slowq.engine.clock import EVENTUALLY, hybrid, physical_s
from slowq.engine.config import Config
from slowq.engine.coordinator import Coordinator
from slowq.engine.coordinator.loading import partitions_to_search
from slowq.engine.events import Delegator, Events, go_duration
from slowq.engine.faults import SEGMENT_NOT_LOADED, UNEXPECTED, RequestFault, invalid, too_late
from slowq.engine.hybrid import joined
from slowq.engine.metrics import Metrics
from slowq.engine.mutation import partition_of
from slowq.engine.planner import Planner
from slowq.engine.pruner import Pruner
from slowq.engine.querynode import QueryNode, Task
from slowq.engine.reading import Books, Reading
from slowq.engine.requests import Caller, Freshness, HybridSearch, Query, QueryAnswer, Search, SearchAnswer
from slowq.engine.scalar import Filter, may_match
from slowq.engine.schema import Collection
from slowq.engine.search import Found, values_required
from slowq.engine.segment import Segment
from slowq.engine.shard import Shard, channel_name
from slowq.engine.trace import Trace

COUNT = "count(*)"


class Proxy:
    def __init__(
        self, coordinator: Coordinator, config: Config, metrics: Metrics, events: Events, books: Books
    ) -> None:
        self._catalog, self._loading = coordinator.catalog, coordinator.loading
        self._placement, self._losses = coordinator.placement, coordinator.losses
        self._config, self._metrics, self._events, self._books = config, metrics, events, books
        self._oracle = coordinator.oracle
        self.planner = Planner(config, metrics)
        self._pruner = Pruner()
        self._parts = ThreadPoolExecutor(32, "hybrid")

    def close(self) -> None:
        self._parts.shutdown(wait=True, cancel_futures=True)

    # reads

    @property
    def reads(self) -> int:
        """How many there are now."""
        return self._books.running

    def search(self, request: Search, caller: Caller) -> tuple[SearchAnswer, Trace]:
        with self._books.reading("search", [request], request, caller) as reading:
            answer = self._searched(request, reading, reading.trace)
        return answer, reading.trace

    def hybrid_search(self, request: HybridSearch, caller: Caller) -> tuple[SearchAnswer, Trace]:
        with self._books.reading("hybrid_search", request.parts, request, caller) as reading:
            collection = self._collection(request.parts[0], reading)
            names = output_names(collection, request.output_fields)
            answers = self._side_by_side(request, reading)
            with reading.trace.phase("proxy_reduce"):
                answer = joined(answers, request, [metric_of(collection, part) for part in request.parts])
            with reading.trace.phase("output_fields"):
                answer = self._filled(collection, answer, names, request.partitions)
        return answer, reading.trace

    def query(self, request: Query, caller: Caller) -> tuple[QueryAnswer, Trace]:
        with self._books.reading("query", [request], request, caller) as reading:
            answer = self._queried(request, reading, reading.trace)
        return answer, reading.trace

    def _searched(self, request: Search, reading: Reading, trace: Trace) -> SearchAnswer:
        collection = self._collection(request, reading)
        with trace.phase("parse"):
            plan = self.planner.plan(collection, request)
            names = output_names(collection, request.output_fields)
            wanted = partitions_to_search(collection, request.partitions)
        segments = self._snapshot(collection, request, plan.filter, wanted, reading, trace)
        width = (request.limit + request.offset) * (request.group_size if plan.group_by else 1)
        shares, whole = self._shares(collection, segments, plan.filter, trace)
        parts = [
            (
                node,
                Task(
                    collection.id,
                    collection.database,
                    own,
                    plan.filter,
                    plan,
                    request.queries,
                    width,
                    reading.caller.user,
                    whole,
                    reading.caller.deadline_s,
                ),
            )
            for node, own in shares
        ]
        found = [one for one in self._run(parts, reading, trace) if isinstance(one, Found)]
        with trace.phase("proxy_reduce"):
            best = reduced(found, request, plan, segments, collection)
        self._metrics.observe("milvus_proxy_sq_reduce_result_latency", trace.seconds["proxy_reduce"] * 1e3, "search")
        with trace.phase("output_fields"):
            return hits_of(collection, request, plan, best, segments, names, self._oracle.next())

    def _side_by_side(self, request: HybridSearch, reading: Reading) -> list[SearchAnswer]:
        """The searches of a hybrid search; its trace gets the phases of the slowest, and the work of all."""
        began = time.perf_counter()
        traces = [Trace() for _ in request.parts]
        running = [
            self._parts.submit(self._searched, part, reading, trace)
            for part, trace in zip(request.parts, traces, strict=True)
        ]
        answers = [one.result() for one in running]
        took = time.perf_counter() - began
        slowest = max(traces, key=lambda one: sum(one.seconds.values()))
        for trace in traces:
            (reading.trace.include if trace is slowest else reading.trace.include_counts)(trace)
        self._metrics.observe("milvus_proxy_sq_wait_result_latency", took * 1e3, "hybrid_search")
        return answers

    def _filled(
        self, collection: Collection, answer: SearchAnswer, names: Sequence[str], partitions: Sequence[str]
    ) -> SearchAnswer:
        """The joined hits with their output fields: Milvus' requery, by primary key."""
        if not names:
            return answer
        wanted = partitions_to_search(collection, partitions)
        segments = [one for one in self._segments(collection) if wanted is None or one.partition in wanted]
        places, offsets = np.full(len(answer.keys), -1), np.zeros(len(answer.keys), np.int64)
        for place, segment in enumerate(segments):
            found, which = segment.lookup.find(answer.keys)
            alive = segment.alive
            there = np.ones(len(found), np.bool_) if alive is None else alive[found]
            places[which[there]], offsets[which[there]] = place, found[there]
        there = places >= 0  # a hit that was deleted meanwhile is none
        ends = np.cumsum(answer.counts)
        counts = [int(there[end - count : end].sum()) for end, count in zip(ends, answer.counts, strict=True)]
        columns = columns_at(collection, names, segments, places[there], offsets[there])
        return SearchAnswer(
            answer.collection,
            answer.primary,
            answer.keys[there],
            answer.scores[there],
            counts,
            columns,
            None,
            answer.session_ts,
        )

    def _queried(self, request: Query, reading: Reading, trace: Trace) -> QueryAnswer:
        collection = self._collection(request, reading)
        counting = list(request.output_fields) == [COUNT]
        if not request.filter.strip() and request.limit is None and not counting:
            raise invalid("empty expression should be used with limit")
        if request.limit is not None:
            self.planner.check_window(request.limit, request.offset)
        with trace.phase("parse"):
            chosen = self.planner.filter(collection, request.filter, request.templates)
            names = [] if counting else output_names(collection, request.output_fields, query=True)
            wanted = partitions_to_search(collection, request.partitions)
        segments = self._snapshot(collection, request, chosen, wanted, reading, trace)
        shares, whole = self._shares(collection, segments, chosen, trace)
        caller = reading.caller
        parts = [
            (
                node,
                Task(
                    collection.id,
                    collection.database,
                    own,
                    chosen,
                    user=caller.user,
                    whole=whole,
                    deadline_s=caller.deadline_s,
                ),
            )
            for node, own in shares
        ]
        results = self._run(parts, reading, trace)
        with trace.phase("proxy_reduce"):
            places, offsets = gathered(segments, results)
            if counting:
                return QueryAnswer(collection.name, collection.primary.name, {}, len(places), self._oracle.next())
            asked = slice(request.offset, None if request.limit is None else request.offset + request.limit)
        with trace.phase("output_fields"):
            columns = columns_at(collection, names, segments, places[asked], offsets[asked])
            return QueryAnswer(collection.name, collection.primary.name, columns, None, self._oracle.next())

    # the steps of a read

    def _collection(self, request: Search | Query, reading: Reading) -> Collection:
        collection = self._catalog.collection(request.database, request.collection)
        reading.collection = collection
        self._loading.require_loaded(collection)
        return collection

    def _snapshot(
        self,
        collection: Collection,
        request: Search | Query,
        chosen: Filter | None,
        wanted: frozenset[str] | None,
        reading: Reading,
        trace: Trace,
    ) -> list[Segment]:
        """All segments that the request has to look at, after every shard is as new as it asks for."""
        reading.guarantee = self._guarantee(collection, request.freshness)
        with trace.phase("wait_tsafe"):
            for shard in self._catalog.shards_of(collection):
                self._wait(shard, reading)
        self._metrics.observe(
            "milvus_querynode_sq_wait_tsafe_latency", trace.seconds["wait_tsafe"] * 1e3, reading.node_kind
        )
        routed = self._routed(collection, chosen)
        if routed is not None:
            wanted = routed if wanted is None else wanted & routed
        found = [
            one
            for one in self._segments(collection)
            if (wanted is None or one.partition in wanted) and not (request.ignore_growing and one.state == "growing")
        ]
        self._loading.require_loaded(self._catalog.by_id(collection.id))  # not released meanwhile
        self._require_whole(collection, chosen, wanted)
        return found

    def _segments(self, collection: Collection) -> list[Segment]:
        return [one for shard in self._catalog.shards_of(collection) for one in shard.snapshot()]

    def _require_whole(self, collection: Collection, chosen: Filter | None, wanted: frozenset[str] | None) -> None:
        """Raises RequestFault where the request may need what could not be loaded."""
        for one in self._losses.of(collection.id):
            stored = one.segment
            if stored is not None:
                if wanted is not None and stored.partition not in wanted:
                    continue
                if chosen is not None and not all(may_match(chosen, key, *ends) for key, ends in stored.ranges.items()):
                    continue
            raise RequestFault(SEGMENT_NOT_LOADED, f"segment not loaded[segment={stored and stored.id}]: {one.why}")

    def _wait(self, shard: Shard, reading: Reading) -> None:
        guarantee, caller = reading.guarantee, reading.caller
        where = Delegator(caller.trace_id, shard.collection.id, shard.name)
        most_s = self._config.number("queryNode.scheduler.maxTimestampLag")
        wanted_s, safe_s = physical_s(guarantee), physical_s(shard.tsafe)
        if guarantee > EVENTUALLY and wanted_s - safe_s > most_s:
            self._events.lag_too_large(where, wanted_s, safe_s, most_s)
            lag = f"lag({go_duration(wanted_s - safe_s)}) max({go_duration(most_s)})"
            fault = RequestFault(UNEXPECTED, f"Timestamp lag too large {lag}")
        elif shard.wait_tsafe(guarantee, caller.deadline_s):
            return
        else:
            fault = too_late()
        self._events.no_tsafe(where, reading.node_kind, fault.message)
        self._events.delegator_failed(where, reading.node_kind, fault.message)
        raise fault

    def _guarantee(self, collection: Collection, asked: Freshness) -> int:
        """`parseGuaranteeTsFromConsistency` and `parseGuaranteeTs` of Milvus' `proxy/util.go`."""
        level = collection.consistency if asked.uses_default else asked.level
        now = self._oracle.next()
        graceful = hybrid(self._config.number("common.gracefulTime") / 1000)
        if level == "Strong" or (asked.guarantee == 0 and level == "Customized"):
            return now
        if level == "Bounded":
            return max(EVENTUALLY, now - graceful)
        if level == "Eventually":
            return EVENTUALLY
        if asked.guarantee == 2:
            return max(EVENTUALLY, now - graceful)
        return asked.guarantee or EVENTUALLY  # Session, Customized

    def _routed(self, collection: Collection, chosen: Filter | None) -> frozenset[str] | None:
        """The partitions that the filter's values of the partition key lead to; None where it does not say."""
        key = collection.partition_key
        if key is None or chosen is None:
            return None
        values = values_required(chosen.tree, key.name)
        return None if values is None else frozenset(partition_of(collection, one) for one in values)

    def _shares(
        self, collection: Collection, segments: Sequence[Segment], chosen: Filter | None, trace: Trace
    ) -> tuple[list[tuple[QueryNode, tuple[tuple[int, Segment], ...]]], frozenset[int]]:
        """The segments by query node of one replica, each with its place in the snapshot; and in which all rows pass."""
        places, whole = list(range(len(segments))), frozenset[int]()
        if self._config.flag("queryNode.enableSegmentPrune"):
            places, whole = self._pruner.prune(collection.id, segments, chosen)
            trace.count("segments_pruned", len(segments) - len(places))
        replica = self._placement.next_replica(collection.replicas)
        by_node: dict[int, list[tuple[int, Segment]]] = {}
        for place in places:
            node = self._placement.node_of(collection, segments[place], replica, collection.replicas)
            by_node.setdefault(node.number, []).append((place, segments[place]))
        return [(self._placement.nodes[number], tuple(own)) for number, own in by_node.items()], whole

    def _run(self, parts: Sequence[tuple[QueryNode, Task]], reading: Reading, trace: Trace) -> list[object]:
        """Results of all nodes. The trace gets the phases of the node that was waited for, and the work of all."""
        began = time.perf_counter()
        try:
            last_place = len(parts) - 1
            tasks = [node.submit(task, here=place == last_place) for place, (node, task) in enumerate(parts)]
            results = [_result(task) for task in tasks]
        except RequestFault as fault:
            first = parts[0][1]
            channel = channel_name(first.collection, first.segments[0][1].shard)
            where = Delegator(reading.caller.trace_id, first.collection, channel)
            self._events.delegator_failed(where, reading.node_kind, fault.message)
            raise
        last = max(tasks, key=lambda one: one.ended_s, default=None)
        for task in tasks:
            (trace.include if task is last else trace.include_counts)(task.trace)
        reading.told(time.perf_counter() - began, len(tasks))
        return results


def _result(task: Task) -> object:
    try:
        return task.done.result(max(0.0, task.deadline_s - time.monotonic()))
    except Late as error:
        raise too_late() from error
