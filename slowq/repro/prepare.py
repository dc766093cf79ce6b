"""Making a set-up's collection through pymilvus."""

from __future__ import annotations

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
    fill(client, name, setup, rows)
    if setup.clustering_key:
        compact(client, name, is_clustering=True)  # sorts the rows into segments by the key
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
            delete_keys(made, begin, min(begin + DELETED_AT_ONCE, made.deleted))
    if setup.compacted:
        client.flush(name)  # a compaction takes the deletes that are stored
        compact(client, name, is_l0=True)
        compact(client, name)
        wait_indexed(client, name)
        make_cold(made)  # loads what the compaction has written
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


def fill(client: Any, name: str, setup: Setup, rows: Rows) -> None:
    """As many sealed segments as the set-up has, for each shard."""
    for part in np.array_split(np.arange(len(rows)), max(1, setup.segments)):
        if len(part):
            insert(client, name, setup, rows.part(int(part[0]), int(part[-1]) + 1))
            client.flush(name)


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


def compact(client: Any, name: str, *, is_clustering: bool = False, is_l0: bool = False) -> None:
    """Compacts one collection, and waits until it is done.

    pymilvus (from 2.5.2) only says the collection's name. A Milvus from before it knew that field (PR #38096, December 2024)
    takes the number that is missing for all collections there are, those of others too; hence both.
    """
    from pymilvus.grpc_gen import milvus_pb2

    handler = client._get_connection()
    request = milvus_pb2.ManualCompactionRequest(
        collectionID=client.describe_collection(name)["collection_id"],
        collection_name=name,
        majorCompaction=is_clustering,
        l0Compaction=is_l0,
    )
    begun = handler._stub.ManualCompaction(request, timeout=READY_S)
    if begun.status.error_code or begun.status.code:
        raise ServerError(f"{name} cannot be compacted: {begun.status.reason}")
    _wait(
        lambda: client.get_compaction_state(begun.compactionID) == "Completed", f"the compaction of {name} is not done"
    )


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


def make_cold(made: Prepared) -> None:
    made.client.release_collection(made.name)
    _load_all(made)


def delete_keys(made: Prepared, begin: int, end: int) -> None:
    made.client.delete(made.name, ids=list(range(begin, end)))
