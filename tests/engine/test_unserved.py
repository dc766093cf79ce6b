"""What Milvus has and the engine has not: UNIMPLEMENTED at once, in a sentence that names the feature and the field."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc
import pytest
from pymilvus import AnnSearchRequest, CollectionSchema, DataType, Function, FunctionType, MilvusClient
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from slowq.engine import Engine
from slowq.engine.server.service import Service

AT_ONCE_S = 2.0  # the first repetitions of a call would take as long, all 75 minutes


@pytest.fixture(scope="module")
def rows(client: MilvusClient) -> str:
    schema = _schema(client)
    schema.add_field("name", DataType.VARCHAR, max_length=64, enable_analyzer=True, enable_match=True)
    schema.add_field("meta", DataType.JSON)
    index = client.prepare_index_params()
    index.add_index("vec", index_type="FLAT", metric_type="L2")
    client.create_collection("rows", schema=schema, index_params=index)
    client.insert("rows", [{"id": 1, "vec": [1.0, 2.0], "name": "a b", "meta": {}}])
    return "rows"


def _schema(client: MilvusClient) -> CollectionSchema:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vec", DataType.FLOAT_VECTOR, dim=2)
    return schema


def refused(call: Callable[[], object]) -> str:
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert time.monotonic() - began < AT_ONCE_S
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    sentence = "The slowq reference engine does not have "
    assert raised.value.details().startswith(sentence)
    return str(raised.value.details()).removeprefix(sentence)


@pytest.mark.parametrize("kind", ["GEOMETRY", "TIMESTAMPTZ"])
def test_a_field_of_a_type_that_only_milvus_has(client: MilvusClient, kind: str) -> None:
    schema = _schema(client)
    schema.add_field("place", getattr(DataType, kind))
    said = refused(lambda: client.create_collection("other", schema=schema))
    assert said == f"fields of the type {kind.capitalize()} (field place)."


def test_a_function_of_a_schema(client: MilvusClient) -> None:
    schema = _schema(client)
    schema.add_field("text", DataType.VARCHAR, max_length=64, enable_analyzer=True)
    schema.add_field("terms", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(Function("words", FunctionType.BM25, ["text"], ["terms"]))
    said = refused(lambda: client.create_collection("other", schema=schema))
    assert said == "functions such as words, of the type BM25 (field terms)."


def test_a_struct_array(client: MilvusClient) -> None:
    schema, parts = _schema(client), client.create_struct_field_schema()
    parts.add_field("n", DataType.INT64)
    schema.add_field("parts", DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=parts, max_capacity=4)
    assert refused(lambda: client.create_collection("other", schema=schema)) == "struct arrays (field parts)."


@pytest.mark.parametrize("kind", ["HNSW_PRQ", "IVF_RABITQ", "GPU_CAGRA"])
def test_an_index_that_only_milvus_builds(client: MilvusClient, rows: str, kind: str) -> None:
    index = client.prepare_index_params()
    index.add_index("vec", index_type=kind, metric_type="L2")
    assert refused(lambda: client.create_index(rows, index)) == f"the index {kind} (field vec)."


def test_a_metric_that_only_milvus_computes(client: MilvusClient, rows: str) -> None:
    index = client.prepare_index_params()
    index.add_index("vec", index_type="HNSW", metric_type="MAX_SIM_COSINE")
    assert refused(lambda: client.create_index(rows, index)) == "the metric MAX_SIM_COSINE (field vec)."


def test_a_cast_of_a_json_index(client: MilvusClient, rows: str) -> None:
    index = client.prepare_index_params()
    params = {"json_path": "meta['a']", "json_cast_type": "DOUBLE", "json_cast_function": "STRING_TO_DOUBLE"}
    index.add_index("meta", index_type="INVERTED", params=params)
    assert refused(lambda: client.create_index(rows, index)) == "json_cast_function (field meta)."


def test_a_function_in_a_filter(client: MilvusClient, rows: str) -> None:
    said = refused(lambda: client.query(rows, "text_match(name, 'a')"))
    assert said == "text_match in filters (field name)."
    said = refused(lambda: client.search(rows, [[1.0, 2.0]], filter="random_sample(0.1)", limit=1))
    assert said == "random_sample in filters."
    assert refused(lambda: client.delete(rows, filter="text_match(name, 'a')"))


def test_scores_of_a_function(client: MilvusClient, rows: str) -> None:
    decay = Function("decay", FunctionType.RERANK, ["id"], params={"reranker": "decay", "function": "gauss"})
    said = refused(lambda: client.search(rows, [[1.0, 2.0]], anns_field="vec", limit=5, ranker=decay))
    assert said == "a function_score of a plain search."
    parts = [AnnSearchRequest([[1.0, 2.0]], "vec", {"metric_type": "L2"}, limit=5)]
    said = refused(lambda: client.hybrid_search(rows, parts, decay, limit=3))
    assert said == "the reranker decay."


def test_a_search_by_text(client: MilvusClient, rows: str) -> None:
    said = refused(lambda: client.search(rows, ["some words"], anns_field="vec", limit=5))
    assert said == "searches by text (field vec)."


def test_an_upsert_of_some_fields(client: MilvusClient, rows: str) -> None:
    said = refused(lambda: client.upsert(rows, [{"id": 1, "name": "b"}], partial_update=True))
    assert said == "partial updates."


def test_an_order_and_groups_of_several_fields(client: MilvusClient, rows: str) -> None:
    ordered = {"order_by_fields": [{"field": "name", "order": "asc"}]}
    assert refused(lambda: client.search(rows, [[1.0, 2.0]], limit=5, **ordered)) == "order_by_fields (field name:asc)."
    grouped = {"group_by_field": "meta"}
    said = refused(lambda: client.search(rows, [[1.0, 2.0]], limit=5, **grouped))
    assert said == "group_by_field of JSON and of dynamic fields (field meta)."


def test_a_call_that_only_milvus_has(client: MilvusClient) -> None:
    assert refused(lambda: client.create_privilege_group("some")) == "CreatePrivilegeGroup."


def test_a_type_that_no_milvus_has_is_the_clients_fault(engine: Engine) -> None:
    field = schema_pb2.FieldSchema(name="word", data_type=schema_pb2.DataType.String)
    schema = schema_pb2.CollectionSchema(name="other", fields=[field])
    request = milvus_pb2.CreateCollectionRequest(collection_name="other", schema=schema.SerializeToString())
    answer: common_pb2.Status = Service(engine).CreateCollection(request, None)
    assert (answer.code, "data type String of field word is not supported" in answer.reason) == (1100, True)
