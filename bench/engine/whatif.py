"""Does `slowq what-if` predict what the engine then does? Five changes, and none, each predicted from one recorded run,
and then made.

    python bench/engine/whatif.py [--seconds 20] [--cpus 1] [--json]

Requests are sent when they are due (open loop), however slow the answers are, so that both runs get the same arrivals. The
engine logs every request; the model sees the first run's log and metrics through `slowq analyze`, as it sees an incident's,
and is asked for the p99 of the second. What both runs took is read from the engine's own log too.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from slowq import triage
from slowq.gather import Answers, Only, gather
from slowq.metrics import catalogue
from slowq.metrics.raw import raw
from slowq.report.document import document
from slowq.repro.prepare import connect, prepare
from slowq.repro.requests import send
from slowq.repro.scenario import Setup
from slowq.repro.target import EngineTarget
from slowq.repro.whatif import Change, ask, model, percentiles, recorded

SMALL_NQ, LARGE_NQ = 1, 400
TARGET = 0.2


@dataclass(frozen=True)
class Arrivals:
    """When (seconds from the start) requests of each kind come; the large ones are the culprit."""

    small: tuple[float, ...]
    large: tuple[float, ...]


@dataclass(frozen=True)
class Case:
    name: str
    change: str  # of the keys of `changes`
    nodes: int = 1
    cap_nq: int | None = None
    keep_small: float = 1.0
    keep_large: float = 1.0


CASES = (
    Case("nothing (how alike two runs are)", "nothing"),
    Case("half the requests of everybody", "all"),
    Case("nq capped at 50", "cap", cap_nq=50),
    Case("a second query node", "node", nodes=2),
    Case("the culprit gone", "without", keep_large=0.0),
    Case("the culprit at half its rate", "rate", keep_large=0.5),
)


def drawn(seconds: float, small_per_s: float, large_per_s: float, seed: int) -> Arrivals:
    dice = np.random.default_rng(seed)

    def poisson(rate: float) -> tuple[float, ...]:
        gaps = dice.exponential(1 / rate, int(seconds * rate * 2) + 10)
        return tuple(float(at) for at in np.cumsum(gaps) if at < seconds)

    return Arrivals(poisson(small_per_s), poisson(large_per_s))


def halved(moments: Sequence[float]) -> tuple[float, ...]:
    return tuple(moments[1::2])  # those that the model keeps


def client(pipe: Connection, uri: str, collection: str, setup: Setup, arrivals: Arrivals, cap_nq: int | None) -> None:
    """Sends each request when it is due; one in parts sends the next part when the last is answered."""
    from pymilvus import MilvusClient

    from slowq.repro.data import queries

    pool = queries(setup, 1)
    milvus = MilvusClient(uri=uri)
    took: list[tuple[str, float]] = []

    def one(kind: str, nq: int) -> None:
        step = min(nq, cap_nq or nq)
        began = time.perf_counter()
        for begin in range(0, nq, step):
            send(milvus, collection, setup, pool[np.arange(begin, begin + step) % len(pool)])
        took.append((kind, time.perf_counter() - began))

    due = sorted(
        [(at, "small", SMALL_NQ) for at in arrivals.small] + [(at, "large", LARGE_NQ) for at in arrivals.large]
    )
    threads = []
    began = time.perf_counter()
    for at, kind, nq in due:
        time.sleep(max(0.0, at - (time.perf_counter() - began)))
        threads.append(threading.Thread(target=one, args=(kind, nq)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    pipe.send(took)


def measured(
    setup: Setup, arrivals: Arrivals, cap_nq: int | None = None
) -> tuple[list[tuple[str, float]], dict[str, Any]]:
    """What the clients waited, and what slowq says of the engine's log and metrics."""
    target = EngineTarget(setup, slow_s=0.0)
    try:
        milvus = connect(target.uri)
        made = prepare(milvus, "whatif", setup, 1)
        for _ in range(20):
            send(milvus, "whatif", setup, np.zeros((1, setup.dim), np.float32))
        log = Path(str(target.log()))
        skip = log.stat().st_size
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=client, args=(theirs, target.uri, made.name, setup, arrivals, cap_nq)
        )
        with target.watching():
            process.start()
            while not ours.poll(0.2):
                if not process.is_alive():
                    raise SystemExit("the clients ended")
            took = ours.recv()
            process.join()
        milvus.close()
        return took, analyzed(log.read_bytes()[skip:], target.series())
    finally:
        target.close()


def analyzed(log: bytes, series: Mapping[str, Any] | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "milvus.log"
        path.write_bytes(log)

        def metrics(_: Any) -> Answers | None:
            if series is None:
                return None
            found = raw(series["series"], series["start"], series["end"], series["step"], catalogue.SERIES)
            return Answers(found, "the run")

        case = gather([str(path)], metrics=metrics, only=Only(), jobs=1)
    return document(case, triage.diagnose(case))


def changed(case: Case, patterns: Sequence[str], large: str) -> Change:
    match case.change:
        case "nothing":
            return Change()
        case "all":
            return Change(rates=dict.fromkeys(patterns, 0.5))
        case "cap":
            return Change(cap_nq=case.cap_nq)
        case "node":
            return Change(nodes=(1, 1))
        case "without":
            return Change(without=(large,))
        case _:
            return Change(rates={large: 0.5})


def run(seconds: float, cpus: int, small_per_s: float, large_per_s: float, *, told: bool) -> list[dict[str, Any]]:
    # Merging makes one request of several that wait: the model knows nothing of it.
    merging = {"queryNode.grouping.enabled": False}
    setup = Setup(rows=60_000, dim=64, columns=(), params={"nprobe": 16}, cpus=cpus, config=merging)
    arrivals = drawn(seconds, small_per_s, large_per_s, 1)
    _, said = measured(setup, arrivals)
    requests = recorded(said)
    built = model(requests, cpus if told else None)
    large = requests.patterns[int(np.nanargmax(requests.nq))]
    results = [
        {
            "name": "the recorded run",
            "requests": len(requests),
            "servers": built.servers,
            "waited_share": built.waited_share,
            "queue_share": requests.queue_share,
            **percentiles(requests.took_s),
        }
    ]
    for case in CASES:
        if case.change == "all":
            sent = Arrivals(halved(arrivals.small), halved(arrivals.large))
        elif case.change == "rate":
            sent = Arrivals(arrivals.small, halved(arrivals.large))
        else:
            sent = Arrivals(arrivals.small, arrivals.large if case.keep_large else ())
        answer = ask(requests, built, changed(case, requests.patterns, large))
        took, after = measured(replace(setup, nodes=case.nodes), sent, case.cap_nq)
        # Of requests in parts only the client sees the whole.
        whole = np.array([one for _, one in took]) if case.cap_nq else recorded(after).took_s
        now = percentiles(whole)
        off = answer.after["p99_s"] / now["p99_s"] - 1
        results.append({"name": case.name, "predicted": dict(answer.after), "measured": now, "p99_off": round(off, 3)})
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long requests are sent in each run")
    parser.add_argument("--cpus", type=int, default=1, help="how many requests a query node works on at a time")
    parser.add_argument("--small", type=float, default=25.0, help="small requests a second")
    parser.add_argument("--large", type=float, default=3.0, help="large requests a second")
    parser.add_argument("--told", action="store_true", help="tell the model how many requests run at a time")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = run(given.seconds, given.cpus, given.small, given.large, told=given.told)
    if given.json:
        sys.stdout.write(json.dumps(results, indent=1) + "\n")
        return
    first, *others = results
    sys.stdout.write(
        f"recorded: {first['requests']} requests, p99 {first['p99_s'] * 1e3:.0f} ms, {first['servers']} at a time, "
        f"waiting {first['waited_share']:.0%} (metrics: {first['queue_share']})\n"
    )
    for one in others:
        mark = "" if abs(one["p99_off"]) <= TARGET else "  beyond 20 %"
        sys.stdout.write(
            f"{one['name']:<32} p99 predicted {one['predicted']['p99_s'] * 1e3:7.0f} ms, "
            f"measured {one['measured']['p99_s'] * 1e3:7.0f} ms, {one['p99_off']:+.0%}{mark}\n"
        )


if __name__ == "__main__":
    main()
