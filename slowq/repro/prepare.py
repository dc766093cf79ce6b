"""Making a set-up's collection through pymilvus, and what runs beside the requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from slowq.errors import ServerError, SlowqError
from slowq.repro.data import Rows, draw, nearest, queries
from slowq.repro.requests import send
from slowq.repro.scenario import Setup

INSERT_BYTES = 8 << 20
CONNECT_S = 20.0
READY_S = 300.0
DELETED_AT_ONCE = 20_000
RECALL_QUERIES = 50


@dataclass(slots=True)
class Prepared:
    """A collection that is ready to be searched, and its rows, which are needed to know the exact answers."""

    client: Any
    name: str
    setup: Setup
    seed: int
    rows: list[Rows]
    beside: list[str]  # other collections that were made for it
    deleted: int = 0  # rows with a lower id are gone
    stalled_since_s: float | None = None  # monotonic clock; the time tick is held back

    def recall(self) -> float | None:
        """recall@k of the set-up's requests against exact search; None where it cannot be known."""
        if self.setup.kind == "query" or self.setup.group_by or self.setup.radius is not None:
            return None
        wanted = queries(self.setup, self.seed)[:RECALL_QUERIES]
        there = [one.part(min(len(one), max(0, self.deleted - one.first_id)), len(one)) for one in self.rows]
        exact = nearest(self.setup, there, wanted, self.setup.page or self.setup.top_k)
        if exact is None:
            return None
        asked = replace(self.setup, level="Bounded", guarantee_ahead_s=0.0, output_fields=(), sub_requests=0)
        found: list[set[int]] = []
        at_once = 1 if asked.page else 10
        for begin in range(0, len(wanted), at_once):
            found += send(self.client, self.name, asked, wanted[begin : begin + at_once])
        shares = [len(one & two) / len(two) for one, two in zip(found, exact, strict=True) if two]
        return float(np.mean(shares)) if shares else None


@contextmanager
def asking(uri: str, doing: str) -> Iterator[None]:
    """What the server or its client library says is an error of the server, not of slowq."""
    try:
        yield
    except SlowqError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith(("pymilvus", "grpc")):
            raise
        raise ServerError(f"{uri} failed while {doing}: {said(error)}") from error


def said(error: Exception) -> str:
    """One line of what pymilvus or gRPC wraps in several."""
    text = getattr(error, "message", "") or getattr(error, "details", lambda: "")() or str(error)
    return str(text).strip().partition("\n")[0][:300]


def connect(uri: str, token: str = "") -> Any:
    from pymilvus import MilvusClient

    try:
        return MilvusClient(uri=uri, token=token, timeout=CONNECT_S)
    except Exception as error:
        raise ServerError(f"cannot reach {uri}: {said(error)}") from error


def server_version(uri: str, token: str = "") -> str:
    """As the Milvus says it, such as "v2.3.5". Raises ServerError where it does not answer."""
    client = connect(uri, token)
    try:
        with asking(uri, "its version was asked"):
            return str(client.get_server_version(timeout=CONNECT_S))
    finally:
        client.close()


def prepare(client: Any, name: str, setup: Setup, seed: int) -> Prepared:
    """The collection: made, filled, indexed, loaded."""
    made = Prepared(client, name, setup, seed, [], [])
    create(client, name, setup)
    rows = draw(setup, setup.rows, seed)
    made.rows.append(rows)
    for part in np.array_split(np.arange(len(rows)), max(1, setup.segments)):
        if len(part):
            insert(client, name, setup, rows.part(int(part[0]), int(part[-1]) + 1))
            client.flush(name)
    if setup.clustering_key:
        _cluster(client, name)
    index(client, name, setup)
    wait_indexed(client, name)
    _load_all(made)
    if setup.growing_rows:
        late = draw(setup, setup.growing_rows, seed, first_id=setup.rows)
        made.rows.append(late)
        insert(client, name, setup, late)
    if setup.purged:
        made.deleted = int(setup.rows * setup.purged)
        for begin in range(0, made.deleted, DELETED_AT_ONCE):
            _delete_keys(made, begin, min(begin + DELETED_AT_ONCE, made.deleted))
    if setup.compacted:
        _wait_compacted(client, client.compact(name, is_l0=True))
        _wait_compacted(client, client.compact(name))
    _prepare_others(made)
    return made


def _load_all(made: Prepared) -> None:
    """Every segment, by each replica; it can be searched then."""
    made.client.load_collection(made.name, timeout=READY_S, replica_number=made.setup.replicas)


def _prepare_others(made: Prepared) -> None:
    """Small collections, loaded and searched by nobody."""
    small = replace(made.setup, rows=8, dim=8, scalar_indexes={}, clustering_key="")
    others = [f"{made.name}_beside_{number}" for number in range(made.setup.other_collections)]
    for other in others:
        made.beside.append(other)
        create(made.client, other, small)
        insert(made.client, other, small, draw(small, small.rows, made.seed))
        index(made.client, other, small)
        made.client.load_collection(other, _async=True)  # to wait for one at a time would take half a second each
    for other in others:
        _wait(partial(_is_loaded, made.client, other), f"{other} is not loaded")


def _is_loaded(client: Any, name: str) -> bool:
    return str(client.get_load_state(name)["state"]) == "Loaded"


def create(client: Any, name: str, setup: Setup) -> None:
    from pymilvus import DataType

    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vec", getattr(DataType, setup.vector), dim=setup.dim)
    for column in setup.columns:
        more: dict[str, Any] = {"max_length": 4096} if column.type == "VARCHAR" else {}
        if column.type == "ARRAY":
            more = {"element_type": DataType.INT64, "max_capacity": 64}
        if column.name == setup.clustering_key:
            more["is_clustering_key"] = True
        if column.name == setup.partition_key:
            more["is_partition_key"] = True
        schema.add_field(column.name, getattr(DataType, column.type), **more)
    given: dict[str, Any] = {"properties": {"mmap.enabled": "true"}} if setup.mmap else {}
    if setup.partition_key:
        given["num_partitions"] = max(1, setup.partitions)
    client.create_collection(name, schema=schema, num_shards=setup.shards, consistency_level="Bounded", **given)
    for number in range(0 if setup.partition_key else setup.partitions):
        client.create_partition(name, f"part_{number}")


def insert(client: Any, name: str, setup: Setup, rows: Rows, *, upsert: bool = False) -> None:
    width = rows.vectors.nbytes // max(1, len(rows)) + 200
    step = max(1, INSERT_BYTES // width)
    binary = setup.vector == "BINARY_VECTOR"
    for begin in range(0, len(rows), step):
        part = rows.part(begin, min(begin + step, len(rows)))
        data = [
            {
                "id": number,
                "vec": vector.tobytes() if binary else vector,
                **dict(zip(part.columns, values, strict=True)),
            }
            for number, vector, values in zip(part.ids, part.vectors, _by_row(part), strict=True)
        ]
        named = setup.partitions and not setup.partition_key
        place = {"partition_name": f"part_{(begin // step) % setup.partitions}"} if named else {}
        (client.upsert if upsert else client.insert)(name, data, **place)


def _by_row(rows: Rows) -> Iterator[tuple[Any, ...]]:
    return zip(*rows.columns.values(), strict=True) if rows.columns else iter([()] * len(rows))


def _cluster(client: Any, name: str) -> None:
    """Sorts the rows into segments by the clustering key."""
    job = client.compact(name, is_clustering=True)
    _wait(lambda: client.get_compaction_state(job) == "Completed", f"the clustering compaction of {name} is not done")


def _wait(done: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + READY_S
    while not done():
        if time.monotonic() > until:
            raise ServerError(f"{otherwise} after {READY_S:.0f} s")
        time.sleep(0.05)


def index(client: Any, name: str, setup: Setup) -> None:
    params = client.prepare_index_params()
    more = {"mmap.enabled": "true"} if setup.mmap else {}
    params.add_index("vec", index_type=setup.index, metric_type=setup.metric, params={**setup.index_params, **more})
    for key, given in setup.scalar_indexes.items():
        own = dict(given)
        kind = own.pop("index_type", "INVERTED")
        field = key.partition("[")[0]
        extra = {"json_path": key, **own} if field != key else own
        params.add_index(field, index_type=kind, index_name=f"of_{len(params)}", params=extra)
    client.create_index(name, params, sync=False)  # pymilvus would look half a second later


def wait_indexed(client: Any, name: str) -> None:
    until = time.monotonic() + READY_S
    for one in client.list_indexes(name):
        while True:
            found = client.describe_index(name, one)
            if found.get("state") == "Failed":
                raise ServerError(f"the index {one} of {name} failed: {found.get('index_state_fail_reason')}")
            if found.get("pending_index_rows", 0) == 0 and found.get("indexed_rows", 0) >= found.get("total_rows", 0):
                break
            if time.monotonic() > until:
                raise ServerError(f"the index {one} of {name} is not built after {READY_S:.0f} s")
            time.sleep(0.05)


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
        _delete_keys(made, begin, min(begin + batch, last))
        made.deleted = max(made.deleted, min(begin + batch, last))
        number += 1
        due += batch / setup.deletes_per_s
        stop.wait(max(0.0, due - time.monotonic()))


def _delete_keys(made: Prepared, begin: int, end: int) -> None:
    made.client.delete(made.name, ids=list(range(begin, end)))


def _other(made: Prepared, kind: str, setup: Setup) -> str:
    """A second collection for work beside; made once."""
    name = f"{made.name}_{kind}"
    if name not in made.beside:
        made.beside.append(name)
        create(made.client, name, setup)
        insert(made.client, name, setup, draw(setup, setup.rows, made.seed))
        made.client.flush(name)
    return name


def _build(made: Prepared, stop: threading.Event) -> None:
    """One build a shard. The last ones are waited for: they would disturb whose turn is next."""
    graph = {"M": 30, "efConstruction": 360}
    setup = replace(Setup(), rows=8_000, dim=128, columns=(), shards=4, index="HNSW", index_params=graph)
    name = _other(made, "build", setup)
    while not stop.is_set():
        index(made.client, name, setup)
        wait_indexed(made.client, name)
        made.client.drop_index(name, "vec")


def _compact(made: Prepared, stop: threading.Event) -> None:
    """Clustering compactions, which write the whole collection anew each time, one a shard. The last ones are waited for."""
    setup = replace(Setup(), rows=80_000, dim=128, shards=6, clustering_key="owner")
    name = _other(made, "compact", setup)
    while not stop.is_set():
        _wait_compacted(made.client, made.client.compact(name, is_clustering=True))


def _wait_compacted(client: Any, job: int) -> None:
    until = time.monotonic() + READY_S
    while client.get_compaction_state(job) != "Completed":
        if time.monotonic() > until:
            raise ServerError(f"the compaction {job} has not ended after {READY_S:.0f} s")
        time.sleep(0.05)


def _load(made: Prepared, stop: threading.Event) -> None:
    setup = replace(Setup(), rows=150_000, dim=128, segments=20)
    name = f"{made.name}_load"
    if name not in made.beside:
        made.beside.append(name)
        create(made.client, name, setup)
        rows = draw(setup, setup.rows, made.seed)
        for part in np.array_split(np.arange(len(rows)), setup.segments):
            insert(made.client, name, setup, rows.part(int(part[0]), int(part[-1]) + 1))
            made.client.flush(name)
        index(made.client, name, setup)
        wait_indexed(made.client, name)
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


def make_cold(made: Prepared) -> None:
    made.client.release_collection(made.name)
    _load_all(made)
