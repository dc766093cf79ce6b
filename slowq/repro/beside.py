"""What runs beside the requests of a set-up: writes, deletes, index builds, compactions, loads, and a stalled time tick."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from slowq.errors import ServerError
from slowq.repro.data import draw
from slowq.repro.prepare import Prepared, compact, create, delete_keys, fill, index, insert, said, wait_indexed
from slowq.repro.scenario import Setup


@contextmanager
def beside(made: Prepared, pause_ticks: Callable[[bool], None], seconds: float) -> Iterator[None]:
    """Everything of the set-up that runs beside the requests, until the context ends."""
    stop, setup = threading.Event(), made.setup
    jobs: list[Callable[[Prepared, threading.Event], None]] = []
    if setup.writes_per_s or setup.upserts_per_s:
        jobs.append(_write)
    if setup.deletes_per_s:
        jobs.append(_delete)
    jobs += [job for flag, job in ((setup.builds, _build), (setup.compacts, _compact), (setup.loads, _load)) if flag]
    failed: list[Exception] = []
    threads = [threading.Thread(target=_guarded, args=(job, made, stop, failed), daemon=True) for job in jobs]
    if setup.stall_s:
        threads.append(threading.Thread(target=_stall, args=(made, pause_ticks, seconds, stop), daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        if setup.stall_s:
            hold_ticks(made, pause_ticks)
    if failed:
        raise ServerError(f"what runs beside the requests failed: {said(failed[0])}") from failed[0]


def hold_ticks(made: Prepared, pause_ticks: Callable[[bool], None], held: bool = True) -> None:
    """Begins or ends a stall. One begins when a turn ends, so that the turns of others count as its time."""
    pause_ticks(held)
    made.stalled_since_s = time.monotonic() if held else None


def _guarded(
    job: Callable[[Prepared, threading.Event], None], made: Prepared, stop: threading.Event, failed: list[Exception]
) -> None:
    try:
        job(made, stop)
    except Exception as error:  # noqa: BLE001 - whoever waits for the thread must hear of it
        if not stop.is_set():
            failed.append(error)


def _write(made: Prepared, stop: threading.Event) -> None:
    setup = made.setup
    rate, upsert = (setup.upserts_per_s, True) if setup.upserts_per_s else (setup.writes_per_s, False)
    batch, number = setup.write_batch, 0
    due = time.monotonic()
    while not stop.is_set():
        first = (number * batch) % max(1, setup.rows) if upsert else setup.rows + 10_000_000 + number * batch
        insert(made.client, made.name, setup, draw(setup, batch, made.seed + number, first_id=first), upsert=upsert)
        number += 1
        due += batch / rate
        stop.wait(max(0.0, due - time.monotonic()))


def _delete(made: Prepared, stop: threading.Event) -> None:
    """A purge that sends the keys of the deleted rows again and again; where none was deleted, those of the older half."""
    setup, number, batch = made.setup, 0, made.setup.write_batch
    last = made.deleted if setup.purged else setup.rows // 2
    due = time.monotonic()
    while not stop.is_set():
        begin = (number * batch) % max(1, last)
        delete_keys(made, begin, min(begin + batch, last))
        made.deleted = max(made.deleted, min(begin + batch, last))
        number += 1
        due += batch / setup.deletes_per_s
        stop.wait(max(0.0, due - time.monotonic()))


def _other(made: Prepared, kind: str, setup: Setup, *, indexed: bool = False) -> str:
    """A second collection for work beside; made once."""
    name = f"{made.name}_{kind}"
    if name not in made.beside:
        made.beside.append(name)
        create(made.client, name, setup)
        fill(made.client, name, setup, draw(setup, setup.rows, made.seed))
        if indexed:
            index(made.client, name, setup)
            wait_indexed(made.client, name)
    return name


def _build(made: Prepared, stop: threading.Event) -> None:
    """One build a shard. The last ones are waited for: they would disturb whose turn is next."""
    graph = {"M": 30, "efConstruction": 360}
    setup = replace(Setup(), rows=8_000, dim=128, columns=(), segments=1, shards=4, index="HNSW", index_params=graph)
    name = _other(made, "build", setup)
    while not stop.is_set():
        index(made.client, name, setup)
        wait_indexed(made.client, name)
        made.client.drop_index(name, "vec")


def _compact(made: Prepared, stop: threading.Event) -> None:
    """Clustering compactions, which write the whole collection anew each time, one a shard. The last ones are waited for.

    It has an index, since Milvus before PR #36581 (2024) compacts no collection that has none.
    """
    setup = replace(
        Setup(), rows=80_000, dim=128, segments=1, shards=6, clustering_key="owner", index="FLAT", index_params={}
    )
    name = _other(made, "compact", setup, indexed=True)
    while not stop.is_set():
        compact(made.client, name, is_clustering=True)


def _load(made: Prepared, stop: threading.Event) -> None:
    name = _other(made, "load", replace(Setup(), rows=150_000, dim=128, segments=20), indexed=True)
    while not stop.is_set():
        made.client.load_collection(name)
        made.client.release_collection(name)


def _stall(made: Prepared, pause_ticks: Callable[[bool], None], whole: float, stop: threading.Event) -> None:
    """Lets the tick go on when it has stood still for long enough, and for half of the turn."""
    now = time.monotonic()
    if made.stalled_since_s is None:
        hold_ticks(made, pause_ticks)
    stop.wait(max(whole / 2, (made.stalled_since_s or now) + made.setup.stall_s - now))
    hold_ticks(made, pause_ticks, held=False)


def stand_still(made: Prepared, whole: float) -> None:
    """Waits until what is left of a stall is a turn of so many seconds: its requests wait from the first to the last."""
    if made.stalled_since_s is not None:
        time.sleep(max(0.0, made.stalled_since_s + made.setup.stall_s - whole - time.monotonic()))
