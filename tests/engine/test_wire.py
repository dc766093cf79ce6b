"""What goes over gRPC beside the answers, and in forms that no other test sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

from slowq.engine import Engine
from tests.engine import small

DIM = 4


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Engine, int]]:
    with small.opened(tmp_path) as engine:
        small.create(engine)
        small.insert(engine, {key: (key % 2, 1) for key in range(10)})
        server = engine.serve()
        yield engine, server.port
        server.stop()


def test_a_read_says_what_it_cost_in_the_trailing_metadata(served: tuple[Engine, int]) -> None:
    _, port = served
    request = milvus_pb2.QueryRequest(
        collection_name=small.NAME, expr="group == 1", output_fields=["id"], use_default_consistency=True
    )
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer, call = milvus_pb2_grpc.MilvusServiceStub(channel).Query.with_call(request)
        trace = json.loads(dict(call.trailing_metadata())["slowq-trace"])
    assert len(answer.fields_data[0].scalars.long_data.data) == 5
    assert trace["counts"] == {"segments": 1, "rows_filtered": 10, "rows_passed": 5}
    assert trace["seconds"]["scalar_filter"] > 0


def test_a_read_that_fails_has_no_trace(served: tuple[Engine, int]) -> None:
    _, port = served
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = milvus_pb2_grpc.MilvusServiceStub(channel)
        answer, call = stub.Query.with_call(milvus_pb2.QueryRequest(collection_name="none", expr="id > 1"))
    assert answer.status.code == 100
    assert "slowq-trace" not in dict(call.trailing_metadata())


@pytest.mark.parametrize("flushed", [False, True])
def test_bfloat16_vectors_are_written_searched_and_read(served: tuple[Engine, int], flushed: bool) -> None:
    _, port = served
    client = MilvusClient(uri=f"http://127.0.0.1:{port}")
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.BFLOAT16_VECTOR, dim=DIM)
    params: Any = client.prepare_index_params()
    params.add_index("v", index_type="HNSW", metric_type="L2", M=8, efConstruction=40)
    client.create_collection("halves", schema=schema, index_params=params, consistency_level="Strong")
    rows = [(np.full(DIM, number, np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes() for number in range(9)]
    client.insert("halves", [{"id": number, "v": row} for number, row in enumerate(rows)])
    if flushed:
        client.flush("halves")
    (hits,) = client.search("halves", [rows[5]], anns_field="v", limit=3, output_fields=["v"])
    assert [(hit["id"], hit["distance"]) for hit in hits[:1]] == [(5, 0.0)]
    assert {hit["id"] for hit in hits} == {4, 5, 6}
    (got,) = client.query("halves", ids=[5], output_fields=["v"])
    assert b"".join(got["v"]) == rows[5]
    client.close()
