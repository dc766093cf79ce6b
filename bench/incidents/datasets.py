"""The collections that the scenarios search: built once in a data directory, then only loaded.

| name | rows x dim | index | scalar fields |
|---|---|---|---|
| `catalog` | 400,000 x 128 | HNSW M=16 efConstruction=100 | tag VARCHAR, price FLOAT, user INT64 |
| `events` | 4,000,000 x 16 | IVF_FLAT nlist=1024 | tag VARCHAR, price FLOAT, user INT64 |
| `fingerprints` | 2,000,000 x 512 bit | BIN_FLAT, JACCARD | none |
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, MilvusException, utility

BATCH_BYTES = 12_000_000


@dataclass(frozen=True)
class Spec:
    name: str
    rows: int
    dim: int
    index: str
    metric: str = "L2"
    params: dict[str, int] = field(default_factory=dict)
    scalars: bool = True
    binary: bool = False

    def describe(self, **more: object) -> dict[str, object]:
        """This collection in the words of the context file."""
        index = {"type": self.index, "metric": self.metric, "params": self.params}
        fields: list[dict[str, object]] = [{"name": "id", "type": "INT64", "primary": True}]
        if self.scalars:
            fields += [
                {"name": n, "type": t, "index": None}
                for n, t in (("tag", "VARCHAR"), ("price", "FLOAT"), ("user", "INT64"))
            ]
        fields.append(
            {"name": "vec", "type": "BINARY_VECTOR" if self.binary else "FLOAT_VECTOR", "dim": self.dim, "index": index}
        )
        return {
            "name": self.name,
            "database": "default",
            "rows": self.rows,
            "shards": 2,
            "replicas": 1,
            "consistency": "Bounded",
            "fields": fields,
            **more,
        }


CATALOG = Spec("catalog", 400_000, 128, "HNSW", params={"M": 16, "efConstruction": 100})
EVENTS = Spec("events", 4_000_000, 16, "IVF_FLAT", params={"nlist": 1024})
FINGERPRINTS = Spec("fingerprints", 2_000_000, 512, "BIN_FLAT", metric="JACCARD", scalars=False, binary=True)


def ready(spec: Spec, load: bool = True) -> Collection:
    """The collection, filled, indexed and (unless asked otherwise) loaded."""
    collection = create(spec)
    if collection.num_entities == 0:
        fill(collection, spec, range(spec.rows))
        collection.flush()
    utility.wait_for_index_building_complete(spec.name, timeout=1800)
    if load:
        _load(collection)
    return collection


def _load(collection: Collection, attempts: int = 12) -> None:
    """Load it. This may fail (`unrecoverable error`) for half a minute after a start: the last run lingers."""
    for _ in range(attempts):
        try:
            collection.load()
        except MilvusException:
            time.sleep(5)
        else:
            return
    collection.load()


def fresh(spec: Spec) -> Collection:
    """Like `ready`, but built anew: for scenarios that spoil their collection."""
    drop(spec.name)
    return ready(spec)


def create(spec: Spec) -> Collection:
    fields = [FieldSchema("id", DataType.INT64, is_primary=True)]
    if spec.scalars:
        fields += [
            FieldSchema("tag", DataType.VARCHAR, max_length=64),
            FieldSchema("price", DataType.FLOAT),
            FieldSchema("user", DataType.INT64),
        ]
    fields.append(FieldSchema("vec", DataType.BINARY_VECTOR if spec.binary else DataType.FLOAT_VECTOR, dim=spec.dim))
    known = utility.has_collection(spec.name)
    collection = Collection(spec.name, CollectionSchema(fields), num_shards=2, consistency_level="Bounded")
    if not known:
        collection.create_index("vec", {"index_type": spec.index, "metric_type": spec.metric, "params": spec.params})
    return collection


def fill(collection: Collection, spec: Spec, ids: range, go_on: Callable[[], bool] = lambda: True) -> int:
    """Insert rows with these ids in batches, until done or told to stop; says how many."""
    batch = min(50_000, BATCH_BYTES // (spec.dim * (1 if spec.binary else 4) + 40))
    for first in range(ids.start, ids.stop, batch):
        if not go_on():
            return first - ids.start
        collection.insert(rows(spec, range(first, min(ids.stop, first + batch))))
    return len(ids)


def rows(spec: Spec, ids: range) -> list[Any]:
    """Columns for these ids: 5,000 tenants, 100 kinds, prices 0…100, 100,000 users, seeded random vectors."""
    dice = np.random.default_rng(ids.start)
    columns: list[Any] = [list(ids)]
    if spec.scalars:
        columns.append([f"tenant-{i * 7919 % 5000:04d}/kind-{i % 100:02d}/item-{i:07d}" for i in ids])
        columns.append((dice.random(len(ids)) * 100).astype(np.float32))
        columns.append([i * 104729 % 100_000 for i in ids])
    if spec.binary:
        raw = dice.bytes(len(ids) * spec.dim // 8)
        columns.append([raw[k : k + spec.dim // 8] for k in range(0, len(raw), spec.dim // 8)])
    else:
        columns.append(dice.random((len(ids), spec.dim), dtype=np.float32))
    return columns


def as_lists(columns: list[Any]) -> list[Any]:
    """The columns without arrays: pymilvus 2.3.7 takes arrays in `insert`, but not in `upsert`."""
    return [column.tolist() if isinstance(column, np.ndarray) else column for column in columns]


def drop(name: str) -> None:
    if utility.has_collection(name):
        utility.drop_collection(name)
        time.sleep(1)
