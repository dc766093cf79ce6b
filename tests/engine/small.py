"""A small collection in an engine in this process, and what a test asks of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from slowq.engine import Config, Engine, configure
from slowq.engine.requests import Caller, Freshness, Insert, Mutation, Query, Search
from slowq.engine.rows import Rows
from slowq.engine.schema import Collection, FieldSpec
from slowq.engine.vector import Vectors

if TYPE_CHECKING:
    from pymilvus import MilvusClient

NAME = "small"
DIM = 4
STRONG = Freshness("Strong", uses_default=False)
SMALL_SEGMENTS = {"indexCoord.segment.minSegmentNumRowsToEnableIndex": 4, "dataCoord.segment.maxSize": 1}

FIELDS = (
    FieldSpec(100, "id", "INT64", primary=True),
    FieldSpec(101, "group", "INT64", clustering_key=True),
    FieldSpec(102, "v", "FLOAT_VECTOR", params={"dim": str(DIM)}),
)


def config(**more: object) -> Config:
    return configure({**SMALL_SEGMENTS, **more})[0]


def opened(path: Path | str, settings: Config | None = None, **more: Any) -> Engine:
    return Engine(path, settings or config(), cpus=1, tick_interval_s=0.005, **more)


def create(engine: Engine, *, shards: int = 1, load: bool = True, index: str = "FLAT", **params: str) -> Collection:
    engine.coordinator.catalog.create(
        "default", NAME, FIELDS, dynamic=False, shards=shards, consistency="Strong", properties={}
    )
    engine.create_index(found(engine), "v", "v", {"index_type": index, "metric_type": "L2", **params})
    if load:
        loaded(engine)
    return found(engine)


def found(engine: Engine) -> Collection:
    return engine.coordinator.catalog.collection("default", NAME)


def loaded(engine: Engine) -> None:
    engine.coordinator.loading.load(found(engine), 1)
    until(lambda: engine.coordinator.loading.progress(found(engine)) == 1.0)


def until(true: Any, within_s: float = 20.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def vector_of(key: int, version: int) -> list[float]:
    """Another one for each version of a key, so that a search tells which it found."""
    return [float(key % 97), float(key // 97), float(version), 1.0]


def rows(values: Mapping[int, tuple[int, int]] | Iterable[tuple[int, tuple[int, int]]]) -> Rows:
    """Rows of key → (group, version)."""
    pairs = list(values.items() if isinstance(values, Mapping) else values)
    keys = np.array([key for key, _ in pairs], np.int64)
    vectors = np.array([vector_of(key, version) for key, (_, version) in pairs], np.float32).reshape(-1, DIM)
    columns = {"id": pa.array(keys), "group": pa.array([group for _, (group, _) in pairs], pa.int64())}
    return Rows(keys, np.zeros(len(keys), np.uint64), columns, {"v": Vectors.dense(vectors)})


def insert(engine: Engine, values: Mapping[int, tuple[int, int]], partition: str = "") -> Mutation:
    return insert_rows(engine, rows(values), partition)


def insert_rows(engine: Engine, made: Rows, partition: str = "") -> Mutation:
    return engine.writer.insert(Insert("default", NAME, partition, made))


def upsert(engine: Engine, values: Mapping[int, tuple[int, int]]) -> Mutation:
    return engine.writer.upsert(Insert("default", NAME, "", rows(values)))


def delete(engine: Engine, keys: Iterable[int]) -> Mutation:
    return engine.writer.delete(found(engine), np.array(sorted(keys), np.int64))


@contextmanager
def client_of(engine: Engine) -> Iterator[MilvusClient]:
    """An unmodified pymilvus that asks the engine over gRPC."""
    from pymilvus import MilvusClient  # 0.5 s, which most of those who want a small engine need not wait for

    server = engine.serve()
    client = MilvusClient(uri=f"http://127.0.0.1:{server.port}")
    try:
        yield client
    finally:
        client.close()
        server.stop()


def caller(seconds: float = 20.0) -> Caller:
    return Caller(deadline_s=time.monotonic() + seconds)


def answer(
    engine: Engine, text: str = "id >= 0", freshness: Freshness = STRONG, *, seconds: float = 20.0
) -> dict[int, tuple[int, int]]:
    """What a query finds, as key → (group, version)."""
    request = Query("default", NAME, text, output_fields=("id", "group", "v"), freshness=freshness)
    got, _ = engine.proxy.query(request, caller(seconds))
    keys, vectors, groups = (got.columns[name] for name in ("id", "v", "group"))
    if not isinstance(vectors, Vectors) or isinstance(groups, Vectors) or isinstance(keys, Vectors):
        return {}
    versions = vectors.floats()[:, 2].astype(int).tolist()
    return dict(zip(keys.to_pylist(), zip(groups.to_pylist(), versions, strict=True), strict=True))


def nearest(engine: Engine, query: list[float], limit: int, text: str = "") -> list[int]:
    request = Search(
        "default", NAME, "v", Vectors.dense(np.array([query], np.float32)), limit, filter=text, freshness=STRONG
    )
    got, _ = engine.proxy.search(request, caller())
    return [int(one) for one in got.keys]


def settled(engine: Engine) -> None:
    """When nothing is on its way: every new segment is indexed and handed off."""
    shards = engine.coordinator.catalog.shards_of(found(engine))
    until(lambda: not any(one.view.arriving or one.view.flushing for one in shards))


def interim_built(engine: Engine) -> None:
    """When every growing segment that is large enough has its interim index."""
    collection, interim = found(engine), engine.coordinator.interim
    shards = engine.coordinator.catalog.shards_of(collection)
    until(
        lambda: all(
            one.interim or not interim.closes(collection, one.rows) for shard in shards for one in shard.view.growing
        )
    )


def compacted(engine: Engine, kind: str) -> None:
    number = engine.coordinator.upkeep.compact(found(engine), kind)
    for plan in engine.coordinator.upkeep.by_hand[number]:
        plan.result(20)
