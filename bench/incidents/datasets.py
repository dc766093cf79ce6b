"""The collections that the scenarios search: built once in a data directory, then only loaded.

| name | rows x dim | index | scalar fields |
|---|---|---|---|
| `catalog` | 400,000 x 128 | HNSW M=16 efConstruction=100 | tag VARCHAR, price FLOAT, user INT64 |
| `events` | 4,000,000 x 16 | IVF_FLAT nlist=1024 | tag VARCHAR, price FLOAT, user INT64 |
| `fingerprints` | 2,000,000 x 512 bit | BIN_FLAT, JACCARD | none |
| `prints` | 1,500,000 x 256 bit | BIN_IVF_FLAT nlist=512, HAMMING | none |
| `orders` | 1,200,000 x 16 | IVF_FLAT nlist=256 | tag, price, user, meta JSON |
| `gallery` | 700,000 x 64 | FLAT, IP | tag, price, user |
| `shops` | 150,000 x 32 in 300 partitions | IVF_FLAT nlist=64 | tag, price, user |
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
    json: bool = False
    partitions: int = 0

    def describe(self, **more: object) -> dict[str, object]:
        """This collection in the words of the context file."""
        index = {"type": self.index, "metric": self.metric, "params": self.params}
        fields: list[dict[str, object]] = [{"name": "id", "type": "INT64", "primary": True}]
        if self.scalars:
            fields += [
                {"name": n, "type": t, "index": None}
                for n, t in (("tag", "VARCHAR"), ("price", "FLOAT"), ("user", "INT64"))
            ]
        if self.json:
            fields.append({"name": "meta", "type": "JSON", "index": None})
        fields.append(
            {"name": "vec", "type": "BINARY_VECTOR" if self.binary else "FLOAT_VECTOR", "dim": self.dim, "index": index}
        )
        return {
            "name": self.name,
            "database": "default",
            "rows": self.rows,
            **({"partitions": self.partitions} if self.partitions else {}),
            "shards": 2,
            "replicas": 1,
            "consistency": "Bounded",
            "fields": fields,
            **more,
        }


CATALOG = Spec("catalog", 400_000, 128, "HNSW", params={"M": 16, "efConstruction": 100})
EVENTS = Spec("events", 4_000_000, 16, "IVF_FLAT", params={"nlist": 1024})
FINGERPRINTS = Spec("fingerprints", 2_000_000, 512, "BIN_FLAT", metric="JACCARD", scalars=False, binary=True)
PRINTS = Spec(
    "prints", 1_500_000, 256, "BIN_IVF_FLAT", metric="HAMMING", params={"nlist": 512}, scalars=False, binary=True
)
ORDERS = Spec("orders", 1_200_000, 16, "IVF_FLAT", params={"nlist": 256}, json=True)
GALLERY = Spec("gallery", 700_000, 64, "FLAT", metric="IP")
SHOPS = Spec("shops", 150_000, 32, "IVF_FLAT", params={"nlist": 64}, partitions=300)


def ready(spec: Spec, load: bool = True) -> Collection:
    """The collection, filled, indexed and (unless asked otherwise) loaded."""
    collection = create(spec)
    if collection.num_entities == 0:
        if spec.partitions:
            _fill_partitions(collection, spec)
        else:
            fill(collection, spec, range(spec.rows))
        collection.flush(timeout=600)
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
    if spec.json:
        fields.append(FieldSchema("meta", DataType.JSON))
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
        collection.insert(rows(spec, range(first, min(ids.stop, first + batch))), timeout=300)
    return len(ids)


def _fill_partitions(collection: Collection, spec: Spec) -> None:
    size = spec.rows // spec.partitions
    for number in range(spec.partitions):
        name = f"part_{number:04d}"
        collection.create_partition(name)
        collection.insert(rows(spec, range(number * size, (number + 1) * size)), partition_name=name)


def rows(spec: Spec, ids: range) -> list[Any]:
    """Columns for these ids: 5,000 tenants, 100 kinds, prices 0…100, 100,000 users, seeded random vectors."""
    dice = np.random.default_rng(ids.start)
    columns: list[Any] = [list(ids)]
    if spec.scalars:
        columns.append([f"tenant-{i * 7919 % 5000:04d}/kind-{i % 100:02d}/item-{i:07d}" for i in ids])
        columns.append((dice.random(len(ids)) * 100).astype(np.float32))
        columns.append([i * 104729 % 100_000 for i in ids])
    if spec.json:
        columns.append(
            [{"city": f"city-{i % 977}", "stock": i % 5000, "owner": {"age": i % 90, "vip": i % 7 == 0}} for i in ids]
        )
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
