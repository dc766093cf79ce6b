"""What the calls of the table work on: collections with rows of their own, and answers as plain values."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pymilvus
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, MilvusClient, connections, utility

from tests.engine.conformance.case import Version
from tests.engine.conformance.rows import NUMBERS, PLANE, Row

PREFIX = "conformance_"
FLAT = {"index_type": "FLAT", "metric_type": "L2", "params": {}}


def client_version() -> Version:
    major, minor = pymilvus.__version__.split(".")[:2]
    return int(major), int(minor)


def key(name: str = "id", kind: DataType = DataType.INT64, **how: Any) -> FieldSchema:
    return FieldSchema(name, kind, is_primary=True, **how)


def vector(name: str = "v", kind: DataType = DataType.FLOAT_VECTOR, dim: int = 4) -> FieldSchema:
    return FieldSchema(name, kind, dim=dim)


def number_fields() -> list[FieldSchema]:
    return [
        key(),
        FieldSchema("small", DataType.INT8),
        FieldSchema("mid", DataType.INT16),
        FieldSchema("whole", DataType.INT32),
        FieldSchema("big", DataType.INT64),
        FieldSchema("single", DataType.FLOAT),
        FieldSchema("price", DataType.DOUBLE),
        FieldSchema("name", DataType.VARCHAR, max_length=64),
        FieldSchema("flag", DataType.BOOL),
        FieldSchema("meta", DataType.JSON),
        FieldSchema("tags", DataType.ARRAY, element_type=DataType.INT64, max_capacity=8),
        FieldSchema("words", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=8, max_length=32),
        vector(),
    ]


class World:
    """One client of one server. `made` builds a collection once; a call that changes one makes its own."""

    def __init__(self, uri: str, token: str) -> None:
        self.uri, self.token = uri, token
        connections.connect(uri=uri, token=token)
        self.client = MilvusClient(uri=uri, token=token)
        self._made: dict[str, Collection] = {}

    def made(self, name: str, build: Callable[[World], Collection]) -> Collection:
        if name not in self._made:
            self._made[name] = build(self)
        return self._made[name]

    def collection(
        self,
        name: str,
        fields: Sequence[FieldSchema],
        rows: Iterable[Row] = (),
        *,
        index: dict[str, Any] | None = FLAT,
        dynamic: bool = False,
        load: bool = True,
        **how: Any,
    ) -> Collection:
        """A new one, with an index on each vector field; searches see all of its rows."""
        name = PREFIX + name
        utility.drop_collection(name)
        schema = CollectionSchema(list(fields), enable_dynamic_field=dynamic)
        made = Collection(name, schema, consistency_level="Strong", **how)
        given = list(rows)
        if given:
            made.insert(given)
        if index is not None:
            for field in fields:
                if field.dtype >= DataType.BINARY_VECTOR:
                    made.create_index(field.name, index, index_name=field.name, sync=False)
            if load:  # asked after every 50 ms, where pymilvus asks every half second
                made.load(_async=True)
                wait(lambda: utility.load_state(name).name == "Loaded")
        return made

    @property
    def numbers(self) -> Collection:
        return self.made("numbers", lambda w: w.collection("numbers", number_fields(), NUMBERS, dynamic=True))

    def plane(self, metric: str = "L2") -> Collection:
        """Points whose distances to any query differ."""
        fields = [key(), FieldSchema("colour", DataType.VARCHAR, max_length=16), vector(dim=2)]
        index = {**FLAT, "metric_type": metric}
        return self.made(metric, lambda w: w.collection(f"plane_{metric.lower()}", fields, PLANE, index=index))

    def close(self) -> None:
        for name in self.client.list_collections():
            if name.startswith(PREFIX):
                utility.drop_collection(name)


def hits(found: Any, *fields: str) -> list[list[list[Any]]]:
    """Per query and hit: primary key, score, and the fields."""
    return [
        [[one.id, round(one.distance, 4), *(plain(one.entity.get(name)) for name in fields)] for one in query]
        for query in found
    ]


def plain(value: Any) -> Any:
    """As JSON has it; floats as precise as all versions give them."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | int):
        return value
    return [plain(one) for one in value]


def ids(found: Iterable[dict[str, Any]]) -> list[Any]:
    return sorted(one["id"] for one in found)


def wait(ready: Callable[[], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)
