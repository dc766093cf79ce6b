"""What becomes of reads that the query nodes cannot take or that come too late, and which lines say so."""

from __future__ import annotations

import io
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from slowq.engine.config import Config, configure
from slowq.engine.events import Events, form_of
from slowq.engine.faults import REQUEST_LIMIT, UNEXPECTED, RequestFault
from slowq.engine.metrics import Metrics
from slowq.engine.querynode import QueryNode, Task
from slowq.engine.segment import Bools, Deleted, Segment, growing
from slowq.parsers import zap
from tests.engine import small

LATE = "context deadline exceeded"
FULL = "too many concurrent requests, queue is full"
A_USER = "queryNode.scheduler.scheduleReadPolicy.maxPendingTaskPerUser"


def warned(log: io.StringIO) -> list[tuple[str, str]]:
    """Message and error of each warning, but for those of a machine that is busy."""
    entries = [zap.parse(line.encode()) for line in log.getvalue().splitlines()]
    return [
        (one.message.decode(), one.fields.get(b"error", b"").decode())
        for one in entries
        if one is not None and one.level == b"WARN" and not one.message.startswith(b"rootcoord send tt")
    ]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (
            {"queryNode.scheduler.unsolvedQueueSize": 0},
            f"limit by queryNode.scheduler.unsolvedQueueSize: {FULL}[limit=0]",
        ),
        (
            {A_USER: 0, "queryNode.scheduler.scheduleReadPolicy.name": "user-task-polling"},
            f"limit by {A_USER}: {FULL}[limit=0]",
        ),
    ],
)
def test_a_full_queue_is_told_by_delegator_and_proxy_with_the_limit(
    tmp_path: Path, settings: dict[str, object], error: str
) -> None:
    log = io.StringIO()
    with small.opened(tmp_path, small.config(**settings), log=log) as engine:
        small.create(engine)
        small.insert(engine, {1: (0, 1)})
        for read in (lambda: small.answer(engine), lambda: small.nearest(engine, small.vector_of(1, 1), 1)):
            with pytest.raises(RequestFault) as fault:
                read()
            assert (fault.value.code, fault.value.message) == (REQUEST_LIMIT, error)
    assert warned(log) == [
        ("failed to query on delegator", error),
        ("Query failed to WaitToFinish", error),
        ("failed to search on delegator", error),
        ("Search failed to WaitToFinish", error),
    ]


def test_a_read_that_waits_for_tsafe_too_long_is_told_by_all_on_its_way(tmp_path: Path) -> None:
    log = io.StringIO()
    with small.opened(tmp_path, log=log) as engine:
        collection = small.create(engine)
        engine.pause_ticks()
        with pytest.raises(RequestFault, match=LATE):
            small.answer(engine, seconds=0.02)
    assert warned(log) == [
        ("delegator search failed to wait tsafe", LATE),
        ("failed to query on delegator", LATE),
        ("Query failed to WaitToFinish", LATE),
    ]
    channel = f"[channel=by-dev-rootcoord-dml_0_{collection.id}v0]"
    assert log.getvalue().count(f"[collectionID={collection.id}] {channel}") == 2


def test_a_reader_too_far_ahead_of_tsafe_is_refused_at_once_with_lag_and_limit(tmp_path: Path) -> None:
    log = io.StringIO()
    with small.opened(tmp_path, small.config(**{"queryNode.scheduler.maxTimestampLag": 0}), log=log) as engine:
        small.create(engine)
        engine.pause_ticks()
        time.sleep(0.02)
        with pytest.raises(RequestFault, match=r"^Timestamp lag too large lag\(\d+(\.\d+)?ms\) max\(0s\)$") as fault:
            small.answer(engine)
    messages = [message for message, _ in warned(log)]
    assert messages == [
        "guarantee and serviceable ts larger than MaxLag",
        "delegator search failed to wait tsafe",
        "failed to query on delegator",
        "Query failed to WaitToFinish",
    ]
    assert [error for _, error in warned(log)[1:]] == [fault.value.message] * 3
    (line,) = [one for one in log.getvalue().splitlines() if "MaxLag" in one]
    entry = zap.parse(line.encode())
    assert entry is not None
    assert f"lag({entry.fields[b'lag'].decode()})" in fault.value.message
    assert entry.fields[b"maxTsLag"] == b"0s"
    assert {b"traceID", b"collectionID", b"channel", b"guaranteeTime", b"serviceableTime"} <= entry.fields.keys()


class Gate(Deleted):
    """Deletes that are not known before the gate opens: who reads the segment waits. It notes the names of these threads."""

    def __init__(self, opened: threading.Event, threads: list[str] | None = None) -> None:
        self.opened, self.threads = opened, [] if threads is None else threads
        super().__init__(1)

    @property
    def mask(self) -> Bools | None:
        self.threads.append(threading.current_thread().name)
        self.opened.wait(20)
        return None

    @mask.setter
    def mask(self, mask: Bools | None) -> None:
        pass


def segment() -> Segment:
    return growing(1, "p", 0, "id", small.rows({1: (0, 1)}))


def test_a_task_that_nobody_waits_for_any_more_is_not_begun() -> None:
    log, gate = io.StringIO(), threading.Event()
    node = QueryNode(0, 1, Config(), Metrics(), Events(form_of("2.6"), log, time.time))
    try:
        busy = node.submit(Task(1, "default", ((0, replace(segment(), deleted=Gate(gate))),)))
        late = node.submit(Task(1, "default", ((0, segment()),), deadline_s=time.monotonic() + 0.02))
        time.sleep(0.03)
        in_time = node.submit(Task(1, "default", ((0, segment()),)))
        with pytest.raises(RequestFault) as fault:
            node.submit(Task(1, "default", ((0, segment()),), deadline_s=time.monotonic()))
        assert (fault.value.code, fault.value.message) == (UNEXPECTED, LATE)
        gate.set()
        assert str(late.done.exception(20)) == LATE
        assert in_time.done.exception(20) is None
        assert busy.done.exception(20) is None
        assert [one.trace.counts["segments"] for one in (busy, late, in_time)] == [1, 0, 1]
    finally:
        gate.set()
        node.close()
    assert warned(log) == [("task canceled before enqueue", LATE), ("task canceled before executing", LATE)]


def test_who_only_waits_does_the_work_itself_but_no_more_of_it_at_once_than_configured() -> None:
    gate, threads = threading.Event(), list[str]()
    node = QueryNode(0, 1, Config(), Metrics(), Events(form_of("2.6"), None, time.time))

    def asked(deadline_s: float = math.inf) -> Task:
        return Task(1, "default", ((0, replace(segment(), deleted=Gate(gate, threads))),), deadline_s=deadline_s)

    try:
        with ThreadPoolExecutor(2, "caller") as callers:
            first = callers.submit(node.submit, asked(), here=True)
            small.until(lambda: node.running == 1 and bool(threads))
            second = callers.submit(node.submit, asked(), here=True).result(20)  # there is one place: it waits
            assert (node.running, node.waiting, len(threads)) == (1, 1, 1)
            gate.set()
            assert first.result(20).done.exception(0) is None
            assert second.done.exception(20) is None
            in_a_hurry = node.submit(asked(time.monotonic() + 20), here=True)
            assert in_a_hurry.done.exception(20) is None
        small.until(lambda: node.running == 0)
        assert node.unsolved_nq == 0
    finally:
        gate.set()
        node.close()
    assert [name.split("-")[0].rstrip("_0123456789") for name in threads] == ["caller", "querynode", "querynode"]


@pytest.mark.parametrize(("policy", "order"), [("fifo", "cccs"), ("user-task-polling", "cscc")])
def test_users_take_turns_where_the_policy_says_so(policy: str, order: str) -> None:
    """A crowd of one user's tasks does not hold up the single one of another."""
    gate = threading.Event()
    config, _ = configure({"queryNode.scheduler.scheduleReadPolicy.name": policy})
    node = QueryNode(0, 1, config, Metrics(), Events(form_of("2.6"), None, time.time))
    try:
        node.submit(Task(1, "default", ((0, replace(segment(), deleted=Gate(gate))),)))
        tasks = [node.submit(Task(1, "default", ((0, segment()),), user=user)) for user in "cccs"]
        gate.set()
        assert [one.done.exception(20) for one in tasks] == [None] * 4
        assert "".join(one.user for one in sorted(tasks, key=lambda one: one.ended_s)) == order
    finally:
        gate.set()
        node.close()
