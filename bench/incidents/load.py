"""Clients that send one kind of request each, and what they saw.

A group of clients is spread over a few processes (Python's lock would otherwise be the bottleneck), one thread a
client; every client waits for its answer before it sends the next request, so `count` is also the number of
requests in flight.
"""

from __future__ import annotations

import multiprocessing
import random
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from pymilvus import Collection, MilvusException, connections, utility

CLIENTS_PER_PROCESS = 60
CLIENT_TIMEOUT_S = 150.0


@dataclass(frozen=True)
class Request:
    """One search or query; `$N` in the expression becomes a random number below 1,000 each time it is sent."""

    collection: str
    kind: str = "search"
    nq: int = 1
    top_k: int = 10
    dim: int = 128
    params: dict[str, float] = field(default_factory=lambda: {"ef": 64})
    metric: str = "L2"
    expr: str | None = None
    output_fields: tuple[str, ...] = ()
    consistency: str = "Bounded"
    timeout_s: float = CLIENT_TIMEOUT_S
    partitions: tuple[str, ...] = ()
    clock_ahead_s: float | None = None  # the guarantee is the client's own time, and its clock is this much ahead
    radius: float | None = None  # a range search
    batch: int = 1000  # rows a step of an iterator (kind "iterator")
    port: int = 19530


@dataclass(frozen=True)
class Clients:
    """`count` clients that send `request` from `from_s` to `until_s` of the load, with a pause after each answer."""

    name: str
    count: int
    request: Request
    pause_s: float = 0.0
    from_s: float = 0.0
    until_s: float | None = None
    work_s: float = (
        0.0  # what the client itself does with an answer, outside of Milvus but inside of what its user waits for
    )


@dataclass(frozen=True)
class Answer:
    clients: str
    took_s: float
    error: str | None
    at_s: float = 0.0  # when it was sent, from the beginning of the load


def drive(groups: Sequence[Clients], seconds: float) -> list[Answer]:
    """Run all the groups for `seconds`; returns when the last answer has come."""
    context = multiprocessing.get_context("spawn")
    answers: Any = context.Queue()
    parts = [(group, part) for group in groups for part in _parts(group.count)]
    ready, go = context.Semaphore(0), context.Event()
    workers = [
        context.Process(target=_work, args=(group, part, seconds, ready, go, answers), daemon=True)
        for group, part in parts
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        while not ready.acquire(timeout=1):
            if any(worker.exitcode for worker in workers):
                raise RuntimeError("a process of clients ended before the load began")
    go.set()
    seen = [answer for _ in workers for answer in answers.get()]
    for worker in workers:
        worker.join()
    return seen


def _parts(count: int) -> list[int]:
    processes = -(-count // CLIENTS_PER_PROCESS)
    return [count // processes + (i < count % processes) for i in range(processes)]


def _work(group: Clients, count: int, seconds: float, ready: Any, go: Any, answers: Any) -> None:
    connections.connect(host="127.0.0.1", port=str(group.request.port))
    collection = Collection(group.request.collection)
    seen: list[Answer] = []
    ready.release()
    go.wait()
    begin = time.monotonic()
    until = begin + (seconds if group.until_s is None else group.until_s)

    def client(number: int) -> None:
        dice = random.Random(f"{group.name}/{number}/{count}")
        data = vectors(dice, group.request)
        time.sleep(max(0.0, begin + group.from_s - time.monotonic()) + dice.random() * group.pause_s)
        while time.monotonic() < until:
            sent = time.monotonic()
            error = None
            try:
                send(collection, group.request, data, dice)
                time.sleep(group.work_s)
            except (MilvusException, grpc.RpcError) as failure:
                error = str(failure)[:300]
            seen.append(Answer(group.name, time.monotonic() - sent, error, sent - begin))
            time.sleep(group.pause_s if error is None else max(0.5, group.pause_s))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.put(seen)


def vectors(dice: random.Random, request: Request) -> list[Any]:
    if request.metric in ("JACCARD", "HAMMING"):
        return [dice.randbytes(request.dim // 8) for _ in range(request.nq)]
    return [[dice.random() for _ in range(request.dim)] for _ in range(request.nq)]


def alone(request: Request, times: int = 4) -> float:
    """The median of a few of these, one after another, to a server that has nothing else to do."""
    collection, dice = Collection(request.collection), random.Random(0)
    took = []
    for _ in range(times):
        data = vectors(dice, request)
        sent = time.monotonic()
        send(collection, request, data, dice)
        took.append(time.monotonic() - sent)
    return statistics.median(took)


def send(collection: Any, request: Request, data: list[Any], dice: random.Random) -> None:
    expr = request.expr.replace("$N", str(dice.randrange(1000))) if request.expr else request.expr
    common = {
        "output_fields": list(request.output_fields),
        "consistency_level": request.consistency,
        "timeout": request.timeout_s,
        "partition_names": list(request.partitions) or None,
    }
    if request.clock_ahead_s is not None:
        now = utility.mkts_from_unixtime(time.time() + request.clock_ahead_s)
        common |= {"consistency_level": "Customized", "guarantee_timestamp": now}
    if request.kind == "query":
        collection.query(expr, limit=request.top_k, **common)
        return
    params: dict[str, Any] = {"metric_type": request.metric, "params": dict(request.params)}
    if request.radius is not None:
        params["params"]["radius"] = request.radius
    if request.kind == "iterator":
        walk(collection.search_iterator(data, "vec", params, request.batch, limit=request.top_k, expr=expr, **common))
        return
    collection.search(data, "vec", params, request.top_k, expr=expr, **common)


def walk(iterator: Any) -> None:
    while iterator.next():
        pass
    iterator.close()
