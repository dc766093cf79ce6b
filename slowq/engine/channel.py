"""A channel: one thread, through which the writes of its shards go.

It takes many writes at a time: those of a shard are stamped, logged, synced once, applied. Between them the time tick
comes, each `proxy.timeTickInterval`.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from slowq.engine.faults import NOT_READY, RequestFault
from slowq.engine.shard import Shard
from slowq.engine.writes import Write


@dataclass(slots=True)
class _Job:
    """A write, or something that has to stand between the writes of a shard."""

    shard: Shard
    write: Write | None
    alone: Callable[[], object] | None
    done: Future[object]


class Channel:
    """One thread that commits the writes of its shards and gives them the time tick.

    A tick that is late because writes are many is late for its readers: that is what a stalled time tick is. `paused`
    holds the tick back on purpose.
    """

    def __init__(self, name: str, interval_s: float, late: Callable[[float], None]) -> None:
        self.name = name
        self.paused = threading.Event()
        self.last_tick_s = time.monotonic()
        self._interval_s = interval_s
        self._late = late  # told the seconds between two ticks that are far apart
        self._shards: tuple[Shard, ...] = ()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, shard: Shard) -> None:
        with self._lock:
            self._shards = (*self._shards, shard)

    def write(self, shard: Shard, write: Write) -> Future[object]:
        """A future of the write's timestamp; it is durable and seen by searches when the future has a result."""
        return self._put(shard, write, None)

    def roll(self, shard: Shard) -> Future[object]:
        return self._put(shard, None, shard.roll)

    def retire(self, shard: Shard) -> Future[object]:
        """Ends the shard behind the writes that wait already."""
        with self._lock:
            self._shards = tuple(one for one in self._shards if one is not shard)
        return self._put(shard, None, shard.retire)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        for shard in self._shards:
            shard.retire()

    def _put(self, shard: Shard, write: Write | None, alone: Callable[[], object] | None) -> Future[object]:
        job = _Job(shard, write, alone, Future())
        with self._lock:  # nothing is put behind the end
            if self._closed:
                raise RequestFault(NOT_READY, "the engine is closing")
            self._jobs.put(job)
        return job.done

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            jobs, closing = self._taken(due - time.monotonic())
            for shard, own in _by_shard(jobs):
                _work(shard, own)
            if closing:
                return
            if time.monotonic() >= due:
                if not self.paused.is_set():
                    for shard in self._shards:
                        shard.tick()
                    now = time.monotonic()
                    if now - self.last_tick_s > 2 * self._interval_s and self._shards:
                        self._late(now - self.last_tick_s)
                    self.last_tick_s = now
                due = time.monotonic() + self._interval_s

    def _taken(self, timeout_s: float) -> tuple[list[_Job], bool]:
        jobs: list[_Job] = []
        try:
            job = self._jobs.get(timeout=max(timeout_s, 0)) if timeout_s > 0 else self._jobs.get_nowait()
            while job is not None:
                jobs.append(job)
                job = self._jobs.get_nowait()
        except queue.Empty:
            return jobs, False
        return jobs, True


def _by_shard(jobs: Sequence[_Job]) -> list[tuple[Shard, list[_Job]]]:
    """Runs of writes of a shard, in order; what is no write stands alone."""
    runs: list[tuple[Shard, list[_Job]]] = []
    latest: dict[int, list[_Job]] = {}
    for job in jobs:
        run = None if job.alone else latest.get(id(job.shard))
        if run is not None:
            run.append(job)
            continue
        runs.append((job.shard, [job]))
        if job.alone:
            latest.pop(id(job.shard), None)
        else:
            latest[id(job.shard)] = runs[-1][1]
    return runs


def _work(shard: Shard, jobs: list[_Job]) -> None:
    """Whatever goes wrong belongs to who waits for the job: the thread goes on."""
    if jobs[0].alone is not None:
        _finish(jobs, jobs[0].alone)
        return
    good = []
    for job in jobs:
        try:
            if job.write is not None:
                shard.check(job.write)
                good.append(job)
        except RequestFault as error:
            job.done.set_exception(error)
    if good:
        _finish(good, lambda: shard.commit([job.write for job in good if job.write is not None]))


def _finish(jobs: Sequence[_Job], act: Callable[[], object]) -> None:
    try:
        found = act()
    except Exception as error:  # noqa: BLE001 - it is raised again where the result is asked for
        for job in jobs:
            job.done.set_exception(error)
        return
    results = found if isinstance(found, list) else [found]
    for job, result in zip(jobs, results, strict=True):
        job.done.set_result(result)
