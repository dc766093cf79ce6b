"""Does `slowq what-if` predict what the engine then does? Six changes, and none, each predicted from recorded runs, and then
made.

    python -m bench.engine.whatif [--rounds 3] [--seconds 12] [--told] [--json]

Requests are sent when they are due (open loop), however slow the answers are, so that all runs of a round get the same
arrivals; each round has others. The runs of a round follow one another, so what disturbs the machine for a while disturbs
all of them, and all rounds of a change are looked at together: a p99 of some hundred requests. The engine logs every
request; the model sees the recorded runs' log through `slowq analyze`, as it sees an incident's, and is asked for the p99 of
the changed ones. What those took is read from the engine's own log too; of requests in parts, which only
the client sees whole, from the client.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from slowq import triage
from slowq.gather import Only, gather
from slowq.report.document import document
from slowq.repro.data import queries
from slowq.repro.prepare import connect, prepare
from slowq.repro.requests import Clients, Load, send
from slowq.repro.scenario import Other, Setup
from slowq.repro.target import EngineTarget
from slowq.repro.whatif import Change, Requests, ask, model, percentiles, recorded

SMALL_NQ, LARGE_NQ, CAPPED_NQ = 20, 600, 100
# Merging makes one request of several that wait: the model knows nothing of it. All rows fit the cache: two threads that fill
# the way to the memory, which two nodes of a cluster would not share, take 1.4 times as long as one.
SETUP = Setup(
    rows=40_000,
    dim=64,
    columns=(),
    params={"nprobe": 128},
    cpus=1,
    config={"queryNode.grouping.enabled": False},
    nq=LARGE_NQ,
    vectors=LARGE_NQ,
    others=(Other("small", 0.9, nq=SMALL_NQ),),
    probes=0,
)
TARGET = 0.2
_LARGE, _SMALL = 0, 1
Due = tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Case:
    name: str
    nodes: int = 1
    at_once: int = 1  # requests on each node
    cap_nq: int | None = None
    keep_small: float = 1.0
    keep_large: float = 1.0

    def sent(self, due: Due) -> Due:
        """What it leaves of the arrivals: of half of them those that the model keeps, too."""
        kept = []
        for which, keep in ((_LARGE, self.keep_large), (_SMALL, self.keep_small)):
            own = [one for one in due if one[1] == which]
            kept += own if keep == 1.0 else own[1::2] if keep else []
        return tuple(sorted(kept))

    def change(self, patterns: Sequence[str], large: str, part_s: float) -> Change:
        rates = {one: self.keep_large if one == large else self.keep_small for one in patterns}
        return Change(
            cap_nq=self.cap_nq,
            part_s=part_s if self.cap_nq else 0.0,
            nodes=(self.nodes - 1, 1) if self.nodes > 1 else None,
            without=tuple(one for one, rate in rates.items() if not rate),
            rates={one: rate for one, rate in rates.items() if 0 < rate < 1},
            concurrency=self.at_once if self.at_once > 1 else None,
        )


CASES = (
    Case("nothing (how alike two runs are)"),
    Case("half the requests of everybody", keep_small=0.5, keep_large=0.5),
    Case(f"nq capped at {CAPPED_NQ}", cap_nq=CAPPED_NQ),
    Case("a second query node", nodes=2),
    Case("two requests at a time", at_once=2),
    Case("the culprit gone", keep_large=0.0),
    Case("the culprit at half its rate", keep_large=0.5),
)


def drawn(seconds: float, small_per_s: float, large_per_s: float, seed: int) -> Due:
    dice = np.random.default_rng(seed)
    due = []
    for which, rate in ((_LARGE, large_per_s), (_SMALL, small_per_s)):
        at = np.cumsum(dice.exponential(1 / rate, int(seconds * rate * 2) + 10))
        due += [(float(one), which) for one in at if one < seconds]
    return tuple(sorted(due))


@dataclass
class Seen:
    """What the runs of one case left, all rounds together."""

    log: bytes = b""
    took_s: list[float] = field(default_factory=list)  # as the client saw it


@dataclass
class Server:
    """An engine with the collection, ready."""

    target: EngineTarget
    setup: Setup
    part_s: float  # what each further part of a request costs beside its share of the work

    def run(self, clients: Clients, case: Case, due: Due, seconds: float, seen: Seen) -> None:
        before = len(self.target.log())
        setup = self.setup.changed({"nq": case.cap_nq or LARGE_NQ})
        answers = clients.run(Load(self.target.uri, "whatif", setup, seconds, 1, due))
        failed = [one.error for one in answers if one.error]
        if failed:
            raise SystemExit(f"{case.name}: {failed[0]}")
        seen.took_s += [one.took_s for one in answers]
        seen.log += self.target.log()[before:]


@contextmanager
def serving(nodes: int, at_once: int) -> Iterator[Server]:
    config = {**SETUP.config, "queryNode.scheduler.maxReadConcurrentRatio": at_once}
    setup = SETUP.changed({"nodes": nodes, "config": config})
    target = EngineTarget(setup, slow_s=0.0)
    try:
        milvus = connect(target.uri)
        prepare(milvus, "whatif", setup, 1)
        part_s = _part_cost(milvus, setup)
        milvus.close()
        yield Server(target, setup, part_s)
    finally:
        target.close()


def _part_cost(milvus: Any, setup: Setup) -> float:
    """From what a whole request and a part of it take when nothing else runs."""

    asked = queries(setup, 1)

    def alone(nq: int) -> float:
        took = []
        for _ in range(15):
            began = time.perf_counter()
            send(milvus, "whatif", setup, np.resize(asked, (nq, setup.dim)))
            took.append(time.perf_counter() - began)
        return float(np.median(took))

    parts = LARGE_NQ // CAPPED_NQ
    return max(0.0, (parts * alone(CAPPED_NQ) - alone(LARGE_NQ)) / (parts - 1))


def analyzed(log: bytes) -> Requests:
    """The requests of an engine's log, as what-if finds them in a report."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "milvus.log"
        path.write_bytes(log)
        case = gather([str(path)], only=Only(), jobs=1)
    return recorded(document(case, triage.diagnose(case)))


def run(rounds: int, seconds: float, small_per_s: float, large_per_s: float, *, told: bool) -> list[dict[str, Any]]:
    record, seen = Seen(), [Seen() for _ in CASES]
    clients = Clients()
    try:
        with ExitStack() as running:
            kinds = {(case.nodes, case.at_once) for case in CASES}
            servers = {kind: running.enter_context(serving(*kind)) for kind in sorted(kinds)}
            one = servers[1, 1]
            for number in range(rounds):
                due = drawn(seconds, small_per_s, large_per_s, number + 1)
                one.run(clients, CASES[0], due, seconds, record)
                for at in range(len(CASES)):
                    case = CASES[(at + number) % len(CASES)]
                    server = servers[case.nodes, case.at_once]
                    server.run(clients, case, case.sent(due), seconds, seen[CASES.index(case)])
    finally:
        clients.close()
    return judged(analyzed(record.log), seen, one.part_s, told=told)


def judged(requests: Requests, seen: Sequence[Seen], part_s: float, *, told: bool) -> list[dict[str, Any]]:
    built = model(requests, 1 if told else None)
    large = requests.patterns[int(np.nanargmax(requests.nq))]
    first = {"name": "the recorded runs", "requests": len(requests), "servers": built.servers}
    first |= {"part_s": part_s, "waited_share": built.waited_share, "replayed": dict(built.replayed)}
    results = [first | percentiles(requests.took_s)]
    for case, one in zip(CASES, seen, strict=True):
        answer = ask(requests, built, case.change(requests.patterns, large, part_s))
        whole = np.array(one.took_s) if case.cap_nq else analyzed(one.log).took_s
        now = percentiles(whole)
        off = answer.after["p99_s"] / now["p99_s"] - 1
        results.append({"name": case.name, "predicted": dict(answer.after), "measured": now, "p99_off": round(off, 3)})
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how many runs of each change")
    parser.add_argument("--seconds", type=float, default=12.0, help="how long requests are sent in each run")
    parser.add_argument("--small", type=float, default=10.0, help="small requests a second")
    parser.add_argument("--large", type=float, default=0.8, help="large requests a second")
    parser.add_argument("--told", action="store_true", help="tell the model that one request runs at a time")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    before = os.getloadavg()[0]
    results = run(given.rounds, given.seconds, given.small, given.large, told=given.told)
    if given.json:
        sys.stdout.write(json.dumps(results, indent=1) + "\n")
        return
    first, *others = results
    sys.stdout.write(
        f"load {before:.1f} to {os.getloadavg()[0]:.1f}; recorded: {first['requests']} requests, p99 "
        f"{first['p99_s'] * 1e3:.0f} ms, replayed {first['replayed']['p99_s'] * 1e3:.0f} ms, {first['servers']} at a time, "
        f"waiting {first['waited_share']:.0%}; a further part {first['part_s'] * 1e3:.1f} ms\n"
    )
    for one in others:
        mark = "" if abs(one["p99_off"]) <= TARGET else "  beyond 20 %"
        sys.stdout.write(
            f"{one['name']:<34} p99 predicted {one['predicted']['p99_s'] * 1e3:7.1f} ms, "
            f"measured {one['measured']['p99_s'] * 1e3:7.1f} ms, {one['p99_off']:+.0%}{mark}\n"
        )


if __name__ == "__main__":
    main()
