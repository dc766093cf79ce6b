"""Sending the requests of a set-up through pymilvus, and the process that does it: clients of their own, so that what
they spend on Python is not taken for the server's."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from slowq.errors import ServerError
from slowq.repro.data import queries
from slowq.repro.scenario import Setup

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Moments are of `time.time()`, so that they can be held against a log."""

    who: str  # clients or probes
    sent_s: float
    took_s: float
    error: str


@dataclass(frozen=True, slots=True)
class Load:
    """What one round sends to one collection."""

    uri: str
    collection: str
    setup: Setup
    seconds: float
    seed: int


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
            pipe.send(_run(load))
        except Exception as error:  # noqa: BLE001 - the other process must hear of it
            pipe.send(f"{type(error).__name__}: {error}"[:500])


def _run(load: Load) -> list[Answer]:
    from pymilvus import MilvusClient

    client = MilvusClient(uri=load.uri)
    setup, vectors = load.setup, queries(load.setup, load.seed)
    probe = Setup(
        dim=setup.dim, vector=setup.vector, metric=setup.metric, params=setup.params, level="Bounded", index=setup.index
    )
    groups = [("clients", setup, setup.clients, setup.pause_s), ("probes", probe, setup.probes, 0.05)]
    answers: list[Answer] = []
    until = time.time() + load.seconds

    def one(who: str, asked: Setup, number: int, pause_s: float) -> None:
        dice = np.random.default_rng([load.seed, number, len(who)])
        ask = Pages(client, load.collection, asked) if asked.page else partial(send, client, load.collection, asked)
        own = []
        while time.time() < until:
            picked = vectors[dice.integers(0, len(vectors), asked.nq)]
            sent, began, error = time.time(), time.perf_counter(), ""
            try:
                ask(picked)
            except Exception as fault:  # noqa: BLE001 - an answer that is an error is an answer
                error = str(fault)[:200]
            own.append(Answer(who, sent, time.perf_counter() - began, error))
            if pause_s or error:
                time.sleep(max(pause_s, 0.2 if error else 0.0))
        answers.extend(own)

    threads = [
        threading.Thread(target=one, args=(who, asked, number, pause_s))
        for who, asked, count, pause_s in groups
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    return answers


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
        ahead = int((time.time() + setup.guarantee_ahead_s) * 1000) << 18
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
