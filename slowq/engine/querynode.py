"""A query node: a queue of searches and queries with bounded concurrency, and the threads that work on them.

Concurrency is CPUs x `queryNode.scheduler.maxReadConcurrentRatio`. Waiting searches with the same plan over the same
segments are served as one (`queryNode.grouping.*`). A full queue refuses, and what nobody waits for any more is not begun.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from slowq.engine.config import Config
from slowq.engine.events import Events
from slowq.engine.faults import too_late, too_many
from slowq.engine.metrics import Metrics
from slowq.engine.scalar import Filter
from slowq.engine.search import Found, Ints, Plan, merge, nothing, retrieve, search_segment
from slowq.engine.segment import Segment
from slowq.engine.trace import Trace
from slowq.engine.vector import Vectors


@dataclass(slots=True)
class Task:
    """One request's part on one node: the segments with their places in the request's snapshot.

    All rows of the `whole` segments pass the filter, which is not evaluated there.

    A search has a plan and queries, its result is `Found`; a query has neither, its result is a list of (place, offsets).
    """

    collection: int
    database: str
    segments: tuple[tuple[int, Segment], ...]
    filter: Filter | None = None
    plan: Plan | None = None
    queries: Vectors | None = None
    k: int = 0
    user: str = ""
    whole: frozenset[int] = frozenset()
    deadline_s: float = math.inf  # on the monotonic clock
    trace: Trace = field(default_factory=Trace)
    done: Future[object] = field(default_factory=Future)
    queued_s: float = 0.0
    ended_s: float = 0.0

    @property
    def kind(self) -> str:
        return "query" if self.plan is None else "search"

    @property
    def nq(self) -> int:
        return self.queries.rows if self.queries is not None else 1

    def goes_with(self, other: Task) -> bool:
        same = self.plan is not None and self.plan == other.plan and self.collection == other.collection
        return same and len(self.segments) == len(other.segments) and all(map(_same, self.segments, other.segments))


def _same(one: tuple[int, Segment], other: tuple[int, Segment]) -> bool:
    """The same segment at the same moment: a later one may have lost rows."""
    return one[0] == other[0] and one[1] is other[1]


_PATIENT_S = 60.0  # who waits for less may have to be answered before the work is done, which takes a second thread
_ALL = "queryNode.scheduler.unsolvedQueueSize"
_A_USER = "queryNode.scheduler.scheduleReadPolicy.maxPendingTaskPerUser"


class _Waiting:
    """The queue. `fifo`, or `user-task-polling`: the users take turns."""

    def __init__(self, config: Config) -> None:
        self._polling = config.text("queryNode.scheduler.scheduleReadPolicy.name") == "user-task-polling"
        self._a_user = int(config.number(_A_USER))
        self._limit = int(config.number(_ALL))
        self._by_user: dict[str, deque[Task]] = {}
        self.size = 0

    def put(self, task: Task) -> None:
        own = self._by_user.setdefault(task.user if self._polling else "", deque())
        if self.size >= self._limit:
            raise too_many(self._limit, f"limit by {_ALL}: ")
        if self._polling and len(own) >= self._a_user:
            raise too_many(self._a_user, f"limit by {_A_USER}: ")
        own.append(task)
        self.size += 1

    def take(self) -> Task:
        user = next(name for name, own in self._by_user.items() if own)
        own = self._by_user.pop(user)
        task = own.popleft()
        if own:
            self._by_user[user] = own  # at the end: the others come first
        self.size -= 1
        return task

    def take_like(self, task: Task, max_nq: int, max_ratio: float) -> list[Task]:
        """Waiting searches that can be served with `task`: equal plans, and no much larger product of nq and top-k."""
        taken, nq, k, asked = [], task.nq, task.k, task.nq * task.k
        for own in self._by_user.values():
            for one in list(own):
                if not task.goes_with(one) or nq + one.nq > max_nq:
                    continue
                wide, total = max(k, one.k), asked + one.nq * one.k
                if (nq + one.nq) * wide > max_ratio * total:
                    continue
                own.remove(one)
                self.size -= 1
                taken.append(one)
                nq, k, asked = nq + one.nq, wide, total
        return taken


class QueryNode:
    def __init__(self, number: int, cpus: int, config: Config, metrics: Metrics, events: Events) -> None:
        self.number = number
        self.concurrency = max(1, int(cpus * config.number("queryNode.scheduler.maxReadConcurrentRatio")))
        self._merging = config.flag("queryNode.grouping.enabled")
        self._max_nq = int(config.number("queryNode.grouping.maxNQ"))
        self._max_ratio = config.number("queryNode.grouping.topKMergeRatio")
        self._metrics, self._events = metrics, events
        self._waiting = _Waiting(config)
        self._changed = threading.Condition()
        self._closing = False
        self.running = 0
        self.unsolved_nq = 0  # query vectors that wait or are worked on
        self._threads = [
            threading.Thread(target=self._work, name=f"querynode-{number}-{place}", daemon=True)
            for place in range(self.concurrency)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        return self._waiting.size

    def submit(self, task: Task, *, here: bool = False) -> Task:
        """Raises RequestFault where the queue is full, or nobody waits for the task any more.

        `here` where the caller has nothing to do but to wait: it does the work itself if that may begin at once. Two threads that
        wake each other take 0.1 to 0.3 ms, a tenth of a small search.
        """
        left_s = task.deadline_s - time.monotonic()
        if left_s <= 0:
            self._events.canceled("enqueue")
            raise too_late()
        task.queued_s = time.perf_counter()
        with self._changed:
            at_once = here and left_s > _PATIENT_S and not self._waiting.size and self.running < self.concurrency
            self._waiting.put(task)
            self.unsolved_nq += task.nq
            if at_once:
                self._waiting.take()
                self.running += 1
            else:
                self._changed.notify()
        if at_once:
            self._work_on([task])
        return task

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_due or self._closing)
                if not self._waiting.size:
                    return
                tasks = [self._waiting.take()]
                if self._merging and tasks[0].plan is not None and self._waiting.size:
                    tasks += self._waiting.take_like(tasks[0], self._max_nq, self._max_ratio)
                self.running += 1
            self._work_on(tasks)
            del tasks  # while it waits, the thread keeps no segment that may be released

    @property
    def _is_due(self) -> bool:
        """Whether something waits that may begin."""
        return bool(self._waiting.size) and self.running < self.concurrency

    def _work_on(self, tasks: list[Task]) -> None:
        nq = sum(one.nq for one in tasks)
        try:
            if left := self._in_time(tasks):
                self._serve(left)
        finally:
            with self._changed:
                self.running -= 1
                self.unsolved_nq -= nq
                if self._is_due:
                    self._changed.notify()

    def _in_time(self, tasks: list[Task]) -> list[Task]:
        """Those that somebody still waits for."""
        now_s = time.monotonic()
        for task in tasks:
            if task.deadline_s <= now_s:
                self._events.canceled("executing")
                task.done.set_exception(too_late())
        return [task for task in tasks if task.deadline_s > now_s]

    def _serve(self, tasks: list[Task]) -> None:
        began = time.perf_counter()
        shared = Trace()
        try:
            results = self._search(tasks, shared) if tasks[0].plan is not None else [self._query(tasks[0], shared)]
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to who waits for the result
            for task in tasks:
                task.done.set_exception(error)
            return
        ended = time.perf_counter()
        for task, result in zip(tasks, results, strict=True):
            task.trace.include(shared)
            task.trace.seconds["queue"] = began - task.queued_s
            task.trace.count("merged_tasks", len(tasks) - 1)
            task.ended_s = ended
            self._metrics.observe(
                "milvus_querynode_sq_queue_latency", (began - task.queued_s) * 1e3, task.kind, task.database, _GROUP
            )
            task.done.set_result(result)

    def _search(self, tasks: list[Task], trace: Trace) -> list[Found]:
        first = tasks[0]
        plan, k = first.plan, max(one.k for one in tasks)
        assert plan is not None  # noqa: S101 - a search has one
        queries = Vectors.concat([one.queries for one in tasks if one.queries is not None])
        self._metrics.observe("milvus_querynode_search_group_nq", queries.rows)
        self._metrics.observe("milvus_querynode_search_group_topk", k)
        self._metrics.observe("milvus_querynode_search_group_size", len(tasks))
        found = [one for one in self._each(tasks[0], trace, plan, queries, k) if one is not None]
        with trace.phase("reduce"):
            width = max((one.shape[1] for one in found), default=0) if plan.group_by else k
            dtype = first.segments[0][1].rows.keys.dtype
            best = (
                merge(found, width, larger_is_better=plan.larger_is_better)
                if found
                else nothing(queries.rows, plan, dtype)
            )
        self._metrics.observe(
            "milvus_querynode_sq_reduce_latency", trace.seconds["reduce"] * 1e3, "search", "segments", "batch_reduce"
        )
        return list(_shares(best, tasks, width))

    def _each(self, task: Task, trace: Trace, plan: Plan, queries: Vectors, k: int) -> Iterator[Found | None]:
        unfiltered = replace(plan, filter=None)
        for place, segment in task.segments:
            before, began = dict(trace.seconds), time.perf_counter()
            own = unfiltered if place in task.whole else plan
            yield search_segment(segment, place, own, queries, k, trace)
            self._told(segment, trace, before, began, task)

    def _query(self, task: Task, trace: Trace) -> list[tuple[int, Ints]]:
        result = []
        for place, segment in task.segments:
            before, began = dict(trace.seconds), time.perf_counter()
            result.append((place, retrieve(segment, None if place in task.whole else task.filter, trace)))
            self._told(segment, trace, before, began, task)
        return result

    def _told(self, segment: Segment, trace: Trace, before: dict[str, float], began: float, task: Task) -> None:
        """Writes down what one segment took."""
        took = time.perf_counter() - began
        spent = {name: trace.seconds[name] - before[name] for name in ("scalar_filter", "vector_search")}
        trace.seconds["segment"] += took - sum(spent.values())
        state = "Growing" if segment.state == "growing" else "Sealed"
        self._metrics.observe("milvus_querynode_sq_segment_latency", took * 1e3, task.kind, state)
        self._metrics.observe("milvus_querynode_sq_core_latency", took * 1e3, task.kind)
        if spent["scalar_filter"]:
            self._metrics.observe("internal_core_search_latency", spent["scalar_filter"] * 1e3, "scalar_latency")
        if task.plan is not None:
            self._metrics.observe("internal_core_search_latency", spent["vector_search"] * 1e3, "vector_latency")
            if task.plan.field in segment.vector_indexes or task.plan.field in segment.interim:
                self._metrics.observe("search_latency", spent["vector_search"] * 1e3, "knowhere")


_GROUP = "__default_resource_group"


def _shares(best: Found, tasks: list[Task], width: int) -> Iterator[Found]:
    begin = 0
    for task in tasks:
        own = width if task.plan is not None and task.plan.group_by else task.k
        yield best.rows(begin, begin + task.nq, own)
        begin += task.nq
