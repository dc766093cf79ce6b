"""dependency_stall: what Milvus waits for, or the clocks, are the cause."""

from __future__ import annotations

import threading
from dataclasses import replace

from bench.incidents import datasets, limits
from bench.incidents.datasets import CATALOG
from bench.incidents.lab import Lab
from bench.incidents.load import Clients
from bench.incidents.scenarios.scenario import PLAIN, QUIET_S, Scenario, about, many


def rare_ticks(lab: Lab, strength: float) -> Scenario:
    """Wants `--config proxy.timeTickInterval=…`, 9,000 ms at strength 1."""
    lab.wants("proxy.timeTickInterval")
    datasets.ready(CATALOG)
    every_ms = many(9_000, strength)
    return Scenario(
        "dependency_stall",
        "timetick_stall",
        f"the time tick comes every {every_ms / 1000:g} s only: consistent reads wait for it, others do not",
        "A time tick that hardly comes",
        f"20 clients search an HNSW collection of 400,000 rows x 128 dimensions with consistency Strong, 10 with Bounded "
        "and 10 with Eventually, all with a pause of 0.2 s. proxy.timeTickInterval is set to "
        f"{every_ms} ms (default 200), so that tSafe moves that rarely; nothing else is wrong and nothing is written.",
        (
            Clients("Strong", 20, replace(PLAIN, consistency="Strong"), pause_s=0.2),
            Clients("Bounded", 10, PLAIN, pause_s=0.2),
            Clients("Eventually", 10, replace(PLAIN, consistency="Eventually"), pause_s=0.2),
        ),
        seconds=60,
        accept=(("inefficient_filter", "consistency_wait"),),
        context=about(CATALOG.describe(), config={"proxy.timeTickInterval": every_ms}),
    )


def client_clock(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    ahead_s = round(7.0 * strength, 1)
    request = replace(PLAIN, clock_ahead_s=ahead_s)
    return Scenario(
        "dependency_stall",
        "clock_skew",
        f"clients take the guarantee timestamp from their own clock, which is {ahead_s:g} s ahead of the server's",
        f"A client's clock that is {ahead_s:g} s ahead",
        f"20 clients search an HNSW collection of 400,000 rows x 128 dimensions and give the time of their own clock as "
        f"guarantee_timestamp; that clock is {ahead_s:g} s ahead (the driver adds it), so that Milvus waits until its "
        "own time has come that far. 15 clients search with Bounded and 5 with Strong.",
        (
            Clients("clock ahead", 20, request, pause_s=0.2),
            Clients("Bounded", 15, PLAIN, pause_s=0.2),
            Clients("Strong", 5, replace(PLAIN, consistency="Strong"), pause_s=0.2),
        ),
        seconds=45,
        accept=(("inefficient_filter", "consistency_wait"),) if strength < 1 else (),
        context=about(CATALOG.describe()),
    )


def slow_meta(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    per_s = many(3, 1 / strength)

    def run(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(QUIET_S)
        with limits.disk_writes(lab.binary, per_s):
            stop.wait(600)
        happened.append(f"After {QUIET_S:.0f} s the disk took {per_s} synced writes a second from Milvus and its etcd.")

    return Scenario(
        "dependency_stall",
        "storage_stall",
        "the disk of etcd takes a few synced writes a second: timestamps are handed out late, and every request waits",
        "An etcd on a disk that hardly writes",
        "20 clients search an HNSW collection of 400,000 rows x 128 dimensions with Bounded, 10 with Strong, with a "
        "pause of 0.2 s. Nothing else changes.",
        (
            Clients("Bounded", 20, PLAIN, pause_s=0.2),
            Clients("Strong", 10, replace(PLAIN, consistency="Strong"), pause_s=0.2),
        ),
        seconds=60,
        fault=run,
        accept=(("dependency_stall", None),),
        begins_s=QUIET_S,
        context=about(CATALOG.describe(), dependencies={"message_queue": "rocksmq", "meta": "etcd"}),
    )
