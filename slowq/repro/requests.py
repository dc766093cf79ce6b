"""Sending the requests of a set-up through pymilvus, and the process that does it: clients of their own, so that what
they spend on Python is not taken for the server's."""

from __future__ import annotations

import gc
import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from slowq.errors import ServerError
from slowq.repro.data import queries
from slowq.repro.scenario import Setup

Way = Callable[[np.ndarray[Any, Any]], list[set[int]]]  # sends query vectors; the ids that it found for each

TIMEOUT_S = 60.0
PROBE_PAUSE_S = 0.05
MOST_AT_ONCE = 64  # connections of the open loop


@dataclass(frozen=True, slots=True)
class Answer:
    """Moments are of `time.time()`, so that they can be held against a log."""

    who: str  # clients, probes, or the name of another pattern
    sent_s: float
    took_s: float
    error: str


@dataclass(frozen=True, slots=True)
class Load:
    """What one round sends to one collection. With `due` (see `arrivals.Replay`) requests are sent when they are due, and
    not when a client has its answer."""

    uri: str
    collection: str
    setup: Setup
    seconds: float
    seed: int
    due: tuple[tuple[float, int], ...] | None = None
    token: str = field(default="", repr=False)


class Clients:
    """A process that runs loads, one after the other, until it is closed."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def run(self, load: Load) -> list[Answer]:
        self._ours.send(load)
        while not self._ours.poll(0.2):
            if not self._process.is_alive():
                raise ServerError("the process of the clients ended")
        found = self._ours.recv()
        if isinstance(found, str):
            raise ServerError(f"the clients could not run: {found}")
        answers: list[Answer] = found
        return answers

    def close(self) -> None:
        self._process.terminate()
        self._process.join()
        self._ours.close()


def _serve(pipe: Connection) -> None:
    import logging
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    logging.disable(logging.CRITICAL)  # pymilvus prints a traceback for each answer that is an error
    while True:
        try:
            load = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(_connected(load))
        except Exception as error:  # noqa: BLE001 - the other process must hear of it
            pipe.send(f"{type(error).__name__}: {error}"[:500])


def _connected(load: Load) -> list[Answer]:
    from pymilvus import MilvusClient

    client = MilvusClient(uri=load.uri, token=load.token)
    gc.freeze()  # a collection walks through what the imports made, for 50 ms, which would count as latency
    try:
        return answers_of(client, load)
    finally:
        client.close()


def answers_of(client: Any, load: Load) -> list[Answer]:
    """Runs one load with a client of pymilvus, to its end."""
    sender = _Sender(client, load)
    jobs = [partial(sender.wait_in_turn, number) for number in range(load.setup.clients)]
    if load.due is not None:
        coming = _Coming(load.due)
        jobs = [partial(sender.send_when_due, coming, number) for number in range(min(len(load.due), MOST_AT_ONCE))]
    jobs += [partial(sender.probe, number) for number in range(load.setup.probes)]
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sender.answers


def asked_by(setup: Setup, who: str) -> Setup:
    """The set-up whose request is the one that these send: clients, those of another pattern, or else probes."""
    if who == "clients":
        return setup
    for one in setup.others:
        if one.name == who:
            return setup.of(one)
    return Setup(
        dim=setup.dim, vector=setup.vector, metric=setup.metric, params=setup.params, level="Bounded", index=setup.index
    )


def guarantee_timestamp(setup: Setup, sent_s: float) -> int:
    """What a client whose clock is ahead asks for: a hybrid timestamp, milliseconds above 18 bits of a counter."""
    return int((sent_s + setup.guarantee_ahead_s) * 1000) << 18


class _Coming:
    """The requests that are due, in order, each for the first thread that asks."""

    def __init__(self, due: Sequence[tuple[float, int]]) -> None:
        self._left, self._lock = iter(due), threading.Lock()

    def next(self) -> tuple[float, int] | None:
        with self._lock:
            return next(self._left, None)


class _Sender:
    """What the threads of one round share."""

    def __init__(self, client: Any, load: Load) -> None:
        setup = load.setup
        self.answers: list[Answer] = []
        self._client, self._load, self._pool = client, load, queries(setup, load.seed)
        self._asked = [("clients", setup), *((one.name, setup.of(one)) for one in setup.others)]
        self._began_s, self._began = time.time(), time.perf_counter()
        self._until = self._began + load.seconds

    def wait_in_turn(self, number: int) -> None:
        """A client that waits for each answer before it sends the next request, of a pattern drawn by its share."""
        dice, setup = np.random.default_rng([self._load.seed, number, 7]), self._load.setup
        shares = [one.share for one in setup.others]
        chances = np.array([max(0.0, 1 - sum(shares)), *shares])
        own = self._patterns()
        while time.perf_counter() < self._until:
            which = int(dice.choice(len(chances), p=chances / chances.sum())) if shares else 0
            self._answer(*own[which], dice, time.perf_counter(), setup.pause_s)

    def send_when_due(self, coming: _Coming, number: int) -> None:
        """One of the open loop's connections. A request that finds all of them waiting is late, and its latency says so:
        it counts from when it was due."""
        dice = np.random.default_rng([self._load.seed, number, 8])
        own = self._patterns()
        while (one := coming.next()) is not None:
            due, which = self._began + one[0], one[1]
            time.sleep(max(0.0, due - time.perf_counter()))
            self._answer(*own[which], dice, due, 0.0)

    def probe(self, number: int) -> None:
        plain = asked_by(self._load.setup, "probes")
        dice, way = np.random.default_rng([self._load.seed, number, 6]), self._way(plain)
        while time.perf_counter() < self._until:
            self._answer("probes", plain, way, dice, time.perf_counter(), PROBE_PAUSE_S)

    def _patterns(self) -> list[tuple[str, Setup, Way]]:
        """What one connection sends: of each pattern its name, its request and the way it is asked."""
        return [(who, asked, self._way(asked)) for who, asked in self._asked]

    def _way(self, asked: Setup) -> Way:
        """How one connection asks: page by page of an iterator of its own, or each request by itself."""
        collection = self._load.collection
        return Pages(self._client, collection, asked) if asked.page else partial(send, self._client, collection, asked)

    def _answer(
        self, who: str, asked: Setup, way: Way, dice: np.random.Generator, since: float, pause_s: float
    ) -> None:
        """Sends one request, in parts where it has more vectors than are sent at a time; took counts from `since`."""
        error = ""
        picked = self._pool[dice.integers(0, len(self._pool), asked.vectors or asked.nq)]
        try:
            for begin in range(0, len(picked), asked.nq):
                way(picked[begin : begin + asked.nq])
        except Exception as fault:  # noqa: BLE001 - an answer that is an error is an answer
            error = str(fault)[:200]
        took = time.perf_counter() - since
        self.answers.append(Answer(who, self._began_s + since - self._began, took, error))
        if pause_s or error:
            time.sleep(max(pause_s, 0.2 if error else 0.0))


class Pages:
    """Reads a result page by page, one a call; behind the last page the next call begins with another vector."""

    def __init__(self, client: Any, collection: str, setup: Setup) -> None:
        self._client, self._collection, self._setup = client, collection, setup
        self._open: Any = None

    def __call__(self, vectors: np.ndarray[Any, Any]) -> list[set[int]]:
        setup = self._setup
        if self._open is None:
            self._open = self._client.search_iterator(
                self._collection,
                data=_wire(setup, vectors[:1]),
                batch_size=setup.page,
                limit=setup.top_k,
                anns_field="vec",
                filter=setup.filter,
                search_params={"metric_type": setup.metric, "params": dict(setup.params)},
                output_fields=list(setup.output_fields),
                timeout=TIMEOUT_S,
                consistency_level=setup.level,
            )
        found = self._open.next()
        if len(found) < setup.page:
            self._open.close()
            self._open = None
        return [{hit["id"] for hit in found}]


def send(client: Any, collection: str, setup: Setup, vectors: np.ndarray[Any, Any]) -> list[set[int]]:
    """One request, or the first page; the ids that each query got."""
    if setup.page:
        return Pages(client, collection, setup)(vectors)
    common: dict[str, Any] = {"timeout": TIMEOUT_S, "consistency_level": setup.level}
    if setup.guarantee_ahead_s:
        ahead = guarantee_timestamp(setup, time.time())
        common |= {"consistency_level": "Customized", "guarantee_timestamp": ahead}
    if setup.templates:
        common["filter_params"] = dict(setup.templates)
    if setup.kind == "query":
        found = client.query(
            collection,
            filter=setup.filter,
            output_fields=list(setup.output_fields) or ["id"],
            limit=setup.top_k,
            **common,
        )
        return [{row["id"] for row in found}]
    if setup.sub_requests:
        return _hybrid(client, collection, setup, vectors, common)
    params: dict[str, Any] = {"metric_type": setup.metric, "params": dict(setup.params)}
    if setup.radius is not None:
        params["params"]["radius"] = setup.radius
    if setup.group_by:
        common["group_by_field"] = setup.group_by
    found = client.search(
        collection,
        data=_wire(setup, vectors),
        anns_field="vec",
        limit=setup.top_k,
        filter=setup.filter,
        search_params=params,
        output_fields=list(setup.output_fields),
        **common,
    )
    return [{hit["id"] for hit in hits} for hits in found]


def _hybrid(
    client: Any, collection: str, setup: Setup, vectors: np.ndarray[Any, Any], common: dict[str, Any]
) -> list[set[int]]:
    from pymilvus import AnnSearchRequest, RRFRanker

    parts = [
        AnnSearchRequest(
            _wire(setup, vectors),
            "vec",
            {"metric_type": setup.metric, "params": dict(setup.params)},
            limit=setup.top_k,
            expr=setup.filter or None,
        )
        for _ in range(setup.sub_requests)
    ]
    found = client.hybrid_search(
        collection, parts, RRFRanker(), limit=setup.top_k, output_fields=list(setup.output_fields), **common
    )
    return [{hit["id"] for hit in hits} for hits in found]


def _wire(setup: Setup, vectors: np.ndarray[Any, Any]) -> Sequence[Any]:
    if setup.vector == "BINARY_VECTOR":
        return [one.tobytes() for one in vectors]
    return list(vectors)
