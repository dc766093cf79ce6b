"""What a client gets for a request that is wrong: a status of Milvus, never an error of gRPC.

An error of gRPC would be asked again, 75 times, before a client gives up.
"""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pymilvus import AnnSearchRequest, DataType, MilvusClient, MilvusException, RRFRanker
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from slowq.engine import Engine
from slowq.engine.faults import RequestFault
from slowq.engine.schema import FieldSpec, check_collection
from slowq.engine.server.convert.rows import _vectors
from slowq.engine.server.data import _caller

DIM = 8
ROWS = 600


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.random.default_rng(1).random((ROWS, DIM), dtype=np.float32)


@pytest.fixture(scope="module", params=["HNSW", "IVF_FLAT"])
def rows(request: Any, client: MilvusClient, vectors: np.ndarray) -> str:
    """Twenty groups of thirty rows, in one sealed segment with an index."""
    name = f"rows_{request.param.lower()}"
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vec", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("team", DataType.INT64)
    index = client.prepare_index_params()
    params = {"HNSW": {"M": 16, "efConstruction": 100}, "IVF_FLAT": {"nlist": 8}}[request.param]
    index.add_index("vec", index_type=request.param, metric_type="L2", params=params)
    client.create_collection(name, schema=schema, index_params=index)
    client.insert(name, [{"id": n, "vec": vectors[n], "team": n % 20} for n in range(ROWS)])
    client.flush(name)
    return name


def best(distance: np.ndarray, groups: int, size: int) -> set[int]:
    """The nearest rows of the nearest groups, by comparing all."""
    order, kept = np.argsort(distance), {}
    for n in order.tolist():
        kept.setdefault(n % 20, []).append(n)
    return {n for team in list(kept)[:groups] for n in kept[team][:size]}


@pytest.mark.parametrize(("limit", "size"), [(4, 1), (10, 4), (20, 1)])
def test_groups_are_found_with_the_parameters_that_suit_the_limit(
    client: MilvusClient, rows: str, vectors: np.ndarray, limit: int, size: int
) -> None:
    """More hits than the limit are looked for, and `ef` is held against the limit alone."""
    params = {"ef": max(limit, 16)} if "hnsw" in rows else {"nprobe": 8}
    [hits] = client.search(
        rows,
        [vectors[3]],
        anns_field="vec",
        limit=limit,
        group_by_field="team",
        group_size=size,
        strict_group_size=True,
        search_params={"params": params},
    )
    found = {hit["id"] for hit in hits}
    wanted = best(((vectors - vectors[3]) ** 2).sum(axis=1), limit, size)
    assert len(found & wanted) >= 0.9 * len(wanted)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"radius": "abc"}, "radius"),
        ({"radius": "nan"}, "radius"),
        ({"radius": 1.0, "range_filter": "x"}, "range_filter"),
    ],
)
def test_a_parameter_that_is_no_number_is_named(
    client: MilvusClient, rows: str, vectors: np.ndarray, params: dict[str, Any], field: str
) -> None:
    with pytest.raises(MilvusException, match=field) as raised:
        client.search(rows, [vectors[0]], anns_field="vec", limit=5, search_params={"params": params})
    assert raised.value.code == 1100


@pytest.mark.parametrize(
    ("ranker", "named"),
    [({"k": "many"}, "k"), ({"k": -1}, "k"), ({"weights": [2.0]}, "weight"), ({"weights": 1}, "weights")],
)
def test_what_a_ranker_gets_is_checked(
    client: MilvusClient, rows: str, vectors: np.ndarray, ranker: dict[str, Any], named: str
) -> None:
    class Given(RRFRanker):
        def dict(self) -> dict[str, Any]:
            return {"strategy": "rrf" if "k" in ranker else "weighted", "params": ranker}

    parts = [AnnSearchRequest([vectors[0]], "vec", {"metric_type": "L2", "params": {}}, limit=5)]
    with pytest.raises(MilvusException, match=named) as raised:
        client.hybrid_search(rows, parts, Given(), limit=3)
    assert raised.value.code == 1100


def test_an_unknown_consistency_level_is_refused(engine: Engine, client: MilvusClient, rows: str) -> None:
    stub = milvus_pb2.CreateCollectionRequest(collection_name="other", consistency_level=9)
    found = client.describe_collection(rows)
    assert found["consistency_level"] < 5
    from slowq.engine.server.service import Service

    answer = Service(engine).CreateCollection(stub, None)
    assert (answer.code, "consistency level [9]" in answer.reason) == (1100, True)


def test_a_mistake_of_the_engine_is_a_status_and_is_kept(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from slowq.engine.server.service import Service

    def wrong(*_: object) -> None:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr(engine.coordinator, "drop", wrong)
    answer = Service(engine).DropCollection(milvus_pb2.DropCollectionRequest(collection_name="x"), None)
    assert (answer.code, answer.retriable) == (65535, False)
    assert "ZeroDivisionError" in answer.reason
    assert engine.failures[-1] == "DropCollection: ZeroDivisionError: float division by zero"


def caller(authorization: str) -> str:
    context = SimpleNamespace(
        time_remaining=lambda: None,
        invocation_metadata=lambda: [("authorization", authorization)],
        peer=lambda: "ipv4:127.0.0.1:1",
    )
    return _caller(context).user


def test_the_user_is_who_sends_the_password_and_nobody_where_there_is_none() -> None:
    assert caller(base64.b64encode(b"alice:pw").decode()) == "alice"
    assert [caller(base64.b64encode(b"token").decode()), caller("no base64!"), caller("")] == ["", "", ""]


@pytest.fixture(scope="module")
def kinds(client: MilvusClient) -> str:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("half", DataType.FLOAT16_VECTOR, dim=2)
    schema.add_field("brain", DataType.BFLOAT16_VECTOR, dim=2)
    schema.add_field("terms", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=4, max_length=5)
    schema.add_field("price", DataType.DOUBLE)
    schema.add_field("weight", DataType.FLOAT, nullable=True)
    client.create_collection("kinds", schema=schema)
    return "kinds"


def bits(*values: float) -> bytes:
    """The upper halves of float32 numbers: bfloat16."""
    return (np.array(values, np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()


GOOD = {
    "id": 1,
    "half": np.array([1, 2], np.float16),
    "brain": bits(1, 2),
    "terms": {3: 0.5, 9: 1.0},
    "tags": ["a", "bcdef"],
    "price": 1.5,
    "weight": None,
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("half", np.array([1, np.nan], np.float16)),
        ("brain", bits(1, np.inf)),
        ("terms", {3: -0.5}),
        ("price", float("nan")),
        ("price", float("inf")),
        ("weight", float("-inf")),
        ("tags", ["a", "longer than five"]),
    ],
)
def test_a_value_that_milvus_would_refuse_is_refused_with_its_field(
    client: MilvusClient, kinds: str, field: str, value: Any
) -> None:
    assert client.insert(kinds, [GOOD])["insert_count"] == 1
    with pytest.raises(MilvusException, match=field) as raised:
        client.insert(kinds, [{**GOOD, field: value}])
    assert raised.value.code == 1100


def grouped_by(client: MilvusClient, rows: str, vectors: np.ndarray, name: str, **more: Any) -> None:
    client.search(rows, [vectors[0]], anns_field="vec", limit=5, group_by_field=name, **more)


def test_what_cannot_be_grouped_by_is_named(client: MilvusClient, rows: str, kinds: str, vectors: np.ndarray) -> None:
    with pytest.raises(MilvusException, match=r"field not found\[field=nope\]") as raised:
        grouped_by(client, rows, vectors, "nope")
    assert raised.value.code == 1700
    with pytest.raises(MilvusException, match="unsupported data type FLOAT_VECTOR for group by, field vec") as raised:
        grouped_by(client, rows, vectors, "vec")
    assert raised.value.code == 1100
    with pytest.raises(MilvusException, match="Not allowed to do groupBy when doing iteration") as raised:
        grouped_by(client, rows, vectors, "team", iterator=True)
    assert raised.value.code == 1100


def test_the_parts_of_a_hybrid_search_have_the_same_number_of_vectors(
    client: MilvusClient, rows: str, vectors: np.ndarray
) -> None:
    parts = [AnnSearchRequest(list(vectors[:nq]), "vec", {"metric_type": "L2"}, limit=5) for nq in (2, 3)]
    with pytest.raises(MilvusException, match=r"nq should be the same\[expected=2\]\[actual=3\], field vec") as raised:
        client.hybrid_search(rows, parts, RRFRanker(), limit=3)
    assert raised.value.code == 1100


def test_a_hybrid_search_has_a_part(engine: Engine, rows: str) -> None:
    from slowq.engine.server.service import Service

    answer = Service(engine).HybridSearch(milvus_pb2.HybridSearchRequest(collection_name=rows), None)
    assert (answer.status.code, "1 to 1024 ann search requests, not 0" in answer.status.reason) == (1100, True)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (
            {"max_length": "65536"},
            "the maximum length specified for the field(text) should be in (0, 65535], but got 65536",
        ),
        ({"max_length": "0"}, "the maximum length specified for the field(text) should be in (0, 65535], but got 0"),
        ({"max_length": "long"}, "the value for max_length of field text must be an integer"),
        ({}, "type param(max_length) should be specified for the field(text) of collection other"),
    ],
)
def test_the_length_of_a_text_is_given_and_has_a_limit(params: dict[str, str], said: str) -> None:
    fields = (
        FieldSpec(100, "id", "INT64", primary=True),
        FieldSpec(101, "text", "VARCHAR", params=params),
        FieldSpec(102, "v", "FLOAT_VECTOR", params={"dim": "2"}),
    )
    with pytest.raises(RequestFault) as raised:
        check_collection("other", fields, 1)
    assert raised.value.code == 1100
    assert said in raised.value.message


def test_sparse_indices_rise_within_each_row_and_are_less_than_the_greatest_number() -> None:
    spec = FieldSpec(100, "terms", "SPARSE_FLOAT_VECTOR")
    entry = np.dtype([("index", "<u4"), ("value", "<f4")])

    def read(*rows: list[int]) -> Any:
        contents = [np.array([(one, 1.0) for one in row], entry).tobytes() for row in rows]
        data = schema_pb2.FieldData(vectors=schema_pb2.VectorField(sparse_float_vector={"contents": contents}))
        return _vectors(spec, data, len(rows))

    assert read([5, 9], [], [2, 3], [1]).rows == 4
    for wrong in ([9, 5], [5, 5], [5, 2**32 - 1]):
        with pytest.raises(RequestFault, match="terms"):
            read([1, 2], wrong)
