"""Calls that Milvus 2.3.5 or its client does not have, with the answers that Milvus' documentation and rules give."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pymilvus
from pymilvus import DataType

from tests.engine.conformance.case import Case
from tests.engine.conformance.rows import Row
from tests.engine.conformance.world import PREFIX, World, hits, ids, wait

NEW = {"client": (2, 6), "server": (2, 6)}


def _made(
    w: World,
    name: str,
    fields: Iterable[tuple[str, Any, dict[str, Any]]],
    rows: list[Row],
    kind: str = "FLAT",
    metric: str = "L2",
) -> str:
    """A loaded collection with an index on each vector field; its name."""
    name = PREFIX + name
    w.client.drop_collection(name)
    schema = w.client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    indexes = w.client.prepare_index_params()
    for field, of, how in fields:
        schema.add_field(field, of, **how)
        if of >= DataType.BINARY_VECTOR:
            indexes.add_index(field, index_type=kind, metric_type=metric)
    w.client.create_collection(name, schema=schema, consistency_level="Strong")
    w.client.insert(name, rows)
    w.client.create_index(name, indexes, sync=False)
    w.client.load_collection(name, _async=True)
    wait(lambda: w.client.get_load_state(name)["state"].name == "Loaded")
    return name


_V = ("v", DataType.FLOAT_VECTOR, {"dim": 2})


def _hybrid(*ranker: Any, **how: Any) -> Callable[[World], Any]:
    """Nearest by the first field: 0 1 2 3, with squared distances 0 1 4 9; by the second: 2 0 3 1."""

    def call(w: World) -> Any:
        rows = [{"id": at, "v": [float(at), 0.0], "b": [float((1, 3, 0, 2)[at]), 0.0]} for at in range(4)]
        name = _made(w, "hybrid", [_V, ("b", DataType.FLOAT_VECTOR, {"dim": 2})], rows)
        asked = [pymilvus.AnnSearchRequest([[0.0, 0.0]], field, {"metric_type": "L2"}, 4) for field in ("v", "b")]
        kind, *values = ranker
        found = w.client.hybrid_search(name, asked, getattr(pymilvus, kind)(*values), limit=how.get("limit", 4))
        return hits(found)

    return call


def _nullable(text: str) -> Callable[[World], Any]:
    def build(w: World) -> str:
        rows = [{"id": at, "n": n, "v": [1.0, at]} for at, n in enumerate((5, None, 7, -1))]
        return _made(w, "nullable", [("n", DataType.INT64, {"nullable": True}), _V], rows)

    return lambda w: ids(w.client.query(w.made("nullable", build), filter=text, output_fields=["id"]))  # type: ignore[arg-type]


def _default(w: World) -> Any:
    fields = [("n", DataType.INT64, {"default_value": 9}), ("m", DataType.INT64, {"nullable": True}), _V]
    name = _made(w, "default", fields, [{"id": 1, "v": [1.0, 1.0]}, {"id": 2, "n": 3, "m": 4, "v": [1.0, 2.0]}])
    return [[one["n"], one["m"]] for one in w.client.query(name, filter="id > 0", output_fields=["n", "m"])]


def _vectors(
    kind: str, values: list[Any], query: Any, index: str = "FLAT", metric: str = "L2"
) -> Callable[[World], Any]:
    def call(w: World) -> Any:
        how = {} if kind == "SPARSE_FLOAT_VECTOR" else {"dim": 2}
        rows = [{"id": at, "v": value} for at, value in enumerate(values)]
        name = _made(w, kind.lower(), [("v", getattr(DataType, kind), how)], rows, index, metric)
        return hits(w.client.search(name, [query], limit=2))

    return call


def _grouped(w: World) -> Any:
    found = w.client.search(w.plane().name, [[1.5, 0.5]], limit=3, group_by_field="colour", output_fields=["colour"])
    return [[one["id"], one["entity"]["colour"]] for one in found[0]]


def _template(text: str, **values: Any) -> Callable[[World], Any]:
    return lambda w: ids(w.client.query(w.plane().name, filter=text, filter_params=values, output_fields=["id"]))


def _clustered(w: World) -> Any:
    name = _made(
        w, "clustered", [("n", DataType.INT64, {"is_clustering_key": True}), _V], [{"id": 1, "n": 1, "v": [1.0, 1.0]}]
    )
    return [one["name"] for one in w.client.describe_collection(name)["fields"] if one.get("is_clustering_key")]


def _plainly(w: World) -> Any:
    """A day of a client: MilvusClient's short forms."""
    name = PREFIX + "short"
    w.client.drop_collection(name)
    w.client.create_collection(name, dimension=2, metric_type="L2", consistency_level="Strong")
    inserted = w.client.insert(name, [{"id": at, "vector": [float(at), 0.0], "colour": "red"} for at in range(5)])
    deleted = w.client.delete(name, ids=[0])
    nearest = w.client.search(name, [[0.0, 0.0]], limit=2, output_fields=["colour"])[0]
    got = w.client.get(name, ids=[3], output_fields=["colour"])
    state = w.client.get_load_state(name)["state"].name
    return [inserted["insert_count"], deleted["delete_count"], [[one["id"], one["entity"]["colour"]] for one in nearest],
            got[0]["colour"], state, w.client.has_collection(name), w.client.list_indexes(name)]  # fmt: skip


RRF = [[[0, 0.0325], [2, 0.0323], [1, 0.0318], [3, 0.0315]]]
WEIGHTED = [[[0, 0.9], [1, 0.4141], [2, 0.3248], [3, 0.0875]]]
NEAR = [[[1, 0.0], [0, 1.0]]]

CASES = [
    Case("hybrid search: RRF", _hybrid("RRFRanker", 60), answer=RRF, **NEW),
    Case("hybrid search: weighted", _hybrid("WeightedRanker", 0.8, 0.2), answer=WEIGHTED, **NEW),
    Case("hybrid search: limit", _hybrid("RRFRanker", 60, limit=2), answer=[RRF[0][:2]], **NEW),
    Case("hybrid search: a weight too few", _hybrid("WeightedRanker", 0.8), answer={"error": 1100}, **NEW),
    *(
        Case(f"NULL: `{text}`", _nullable(text), answer=answer, **NEW)
        for text, answer in (
            ("n is null", [1]), ("n is not null", [0, 2, 3]), ("n == 5", [0]), ("n != 5", [2, 3]), ("not (n == 5)", [2, 3]),
            ("n in [5, 7]", [0, 2]), ("n not in [5]", [2, 3]), ("n > 0 or n is null", [0, 1, 2]), ("n + 1 == 6", [0]), ("-2 < n < 6", [0, 3]),
        )
    ),
    Case("default values", _default, answer=[[9, None], [3, 4]], **NEW),
    Case("FLOAT16_VECTOR", _vectors("FLOAT16_VECTOR", list(np.array([[1, 0], [2, 0], [4, 0]], np.float16)), np.array([2, 0], np.float16)), answer=NEAR, **NEW),
    Case("INT8_VECTOR", _vectors("INT8_VECTOR", list(np.array([[1, 0], [2, 0], [4, 0]], np.int8)), np.array([2, 0], np.int8), "HNSW"), answer=NEAR, **NEW),
    Case("SPARSE_FLOAT_VECTOR", _vectors("SPARSE_FLOAT_VECTOR", [{1: 0.5}, {2: 1.0}, {1: 1.0, 2: 1.0}], {1: 1.0}, "SPARSE_INVERTED_INDEX", "IP"), answer=[[[2, 1.0], [0, 0.5]]], **NEW),
    Case("grouping search", _grouped, answer=[[3, "red"], [4, "green"], [2, "blue"]], **NEW),
    Case("filter template", _template("id in {some}", some=[1, 2]), answer=[1, 2], **NEW),
    Case("filter template without its value", _template("id in {some}"), answer={"error": 1100}, **NEW),
    Case("clustering key", _clustered, answer=["n"], **NEW),
    Case("MilvusClient's short forms", _plainly, answer=[5, 1, [[1, "red"], [2, "red"]], "red", "Loaded", True, ["vector"]], **NEW),
    Case("functions of a newer Milvus", lambda w: w.client.create_privilege_group("x"), answer={"error": "StatusCode.UNIMPLEMENTED"}, **NEW),
]  # fmt: skip
