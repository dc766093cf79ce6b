"""Asking a Milvus: a fake one for refusals, hangs and hostile names, and the real one."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from slowq.cli.context import yaml_of
from slowq.context import live, load
from slowq.errors import ServerError, UsageError

grpc = pytest.importorskip("grpc")
milvus_pb2 = pytest.importorskip("pymilvus.grpc_gen.milvus_pb2")
from pymilvus.grpc_gen import common_pb2, milvus_pb2_grpc, schema_pb2  # noqa: E402

Handler = Callable[[Any, Any], Any]
VECTOR, KEY = schema_pb2.DataType.FloatVector, schema_pb2.DataType.Int64


def refused(reason: str) -> common_pb2.Status:
    return common_pb2.Status(error_code=1, reason=reason)


def collection(name: str = "products", **more: Any) -> milvus_pb2.DescribeCollectionResponse:
    fields = [
        schema_pb2.FieldSchema(name="id", data_type=KEY, is_primary_key=True),
        schema_pb2.FieldSchema(
            name="vec", data_type=VECTOR, type_params=[common_pb2.KeyValuePair(key="dim", value="768")]
        ),
    ]
    return milvus_pb2.DescribeCollectionResponse(
        schema=schema_pb2.CollectionSchema(name=name, fields=fields), shards_num=2, consistency_level=2, **more
    )


def index(**params: str) -> milvus_pb2.DescribeIndexResponse:
    pairs = [common_pb2.KeyValuePair(key=key, value=value) for key, value in params.items()]
    return milvus_pb2.DescribeIndexResponse(
        index_descriptions=[milvus_pb2.IndexDescription(field_name="vec", params=pairs)]
    )


HNSW = index(index_type="HNSW", metric_type="COSINE", params='{"M": 16, "efConstruction": 200}')
GOOD: dict[str, Handler] = {
    "GetVersion": lambda request, of: milvus_pb2.GetVersionResponse(version="v2.4.5"),
    "ListDatabases": lambda request, of: milvus_pb2.ListDatabasesResponse(db_names=["default"]),
    "ShowCollections": lambda request, of: milvus_pb2.ShowCollectionsResponse(collection_names=["products"]),
    "DescribeCollection": lambda request, of: collection(),
    "DescribeIndex": lambda request, of: HNSW,
    "GetCollectionStatistics": lambda request, of: milvus_pb2.GetCollectionStatisticsResponse(
        stats=[common_pb2.KeyValuePair(key="row_count", value="12000000")]
    ),
}


@contextmanager
def fake(**changed: Handler) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that knows these calls; any other is UNIMPLEMENTED. What it was sent with is kept."""
    seen: list[dict[str, Any]] = []
    servicer = milvus_pb2_grpc.MilvusServiceServicer()
    for name, handler in {**GOOD, **changed}.items():

        def call(request: Any, of: Any, handler: Handler = handler) -> Any:
            seen.append(dict(of.invocation_metadata()))
            return handler(request, of)

        setattr(servicer, name, call)
    server = grpc.server(ThreadPoolExecutor(8))
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}", seen
    finally:
        server.stop(0).wait()


def test_the_facts_have_the_keys_of_the_contract(tmp_path: Path) -> None:
    with fake() as (uri, _):
        asked = live.ask(uri)
    path = tmp_path / "context.yaml"
    path.write_text(yaml_of(asked, uri))
    context = load(str(path))
    (one,) = context.collections
    assert (context.milvus["version"], one.rows, one.shards, one.consistency) == ("2.4.5", 12_000_000, 2, "Bounded")
    vector = one.fields[1]
    assert (vector.name, vector.type, vector.dim) == ("vec", "FLOAT_VECTOR", 768)
    assert vector.index is not None
    assert (vector.index.type, vector.index.metric, dict(vector.index.params)) == (
        "HNSW",
        "COSINE",
        {"M": 16, "efConstruction": 200},
    )


def test_what_a_version_does_not_know_or_a_user_may_not_see_is_named_and_left_out() -> None:
    denied = milvus_pb2.GetCollectionStatisticsResponse(status=refused("permission deny"))
    with fake(GetCollectionStatistics=lambda request, of: denied) as (uri, _):
        asked = live.ask(uri)
    assert "rows" not in asked.facts["collections"][0]
    assert "collection products: rows: permission deny" in asked.trouble
    assert any(one.startswith("the nodes: unimplemented") for one in asked.trouble)


def test_a_collection_without_an_index_is_said_to_have_none() -> None:
    none = milvus_pb2.DescribeIndexResponse(status=refused("index not found[collection=products]"))
    with fake(DescribeIndex=lambda request, of: none) as (uri, _):
        (one,) = live.ask(uri).facts["collections"]
    assert one["fields"][1]["index"] is None


def test_indexes_that_may_not_be_seen_are_unknown_and_not_none() -> None:
    denied = milvus_pb2.DescribeIndexResponse(status=refused("permission deny"))
    with fake(DescribeIndex=lambda request, of: denied) as (uri, _):
        (one,) = live.ask(uri).facts["collections"]
    assert "index" not in one["fields"][1]


def test_a_call_that_hangs_is_bounded_and_so_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CALL_S", 0.3)

    def hang(request: Any, of: Any) -> Any:
        time.sleep(1.0)
        return milvus_pb2.ShowPartitionsResponse()

    with fake(ShowPartitions=hang) as (uri, _):
        begin = time.monotonic()
        asked = live.ask(uri)
        assert time.monotonic() - begin < 5
    assert "collection products: partitions: deadline exceeded" in asked.trouble


def test_when_the_time_is_over_nothing_more_is_asked() -> None:
    clock = iter(range(0, 10_000, 10))
    with fake() as (uri, _):
        asked = live.ask(uri, timeout_s=25.0, now=lambda: float(next(clock)))
    assert any("the time for all questions was over" in one for one in asked.trouble)


def test_the_token_is_sent_as_pymilvus_sends_it_and_shown_nowhere() -> None:
    with fake() as (uri, seen):
        asked = live.ask(uri, token="root:s3cret")
    assert seen[0]["authorization"] == base64.b64encode(b"root:s3cret").decode()
    assert "s3cret" not in yaml_of(asked, uri)


def test_hostile_names_stay_values(tmp_path: Path) -> None:
    name = "x\n- evil: true # \u202e\x1b[31m: [}"
    with fake(
        ShowCollections=lambda request, of: milvus_pb2.ShowCollectionsResponse(collection_names=[name]),
        DescribeCollection=lambda request, of: collection(name),
        GetCollectionStatistics=lambda request, of: milvus_pb2.GetCollectionStatisticsResponse(status=refused(name)),
    ) as (uri, _):
        asked = live.ask(uri)
    text = yaml_of(asked, uri)
    assert yaml.safe_load(text)["collections"][0]["name"] == name
    assert all(line.startswith("#") for line in text.splitlines()[: 1 + len(asked.trouble)])
    assert "\x1b" not in text


def nodes(mode: str) -> Handler:
    """GetMetrics of one query node of 8 cores at half of its CPU and a quarter of its memory."""
    hardware = {"cpu_core_count": 8, "cpu_core_usage": 50.0, "memory": 32 << 30, "memory_usage": 8 << 30}
    infos = {"name": "qn-0", "type": "querynode", "hardware_infos": hardware, "system_info": {"deploy_mode": mode}}
    answer = json.dumps({"nodes_info": [{"infos": infos}]})
    return lambda request, of: milvus_pb2.GetMetricsResponse(response=answer)


def test_the_use_of_the_nodes_is_a_share_of_the_machine() -> None:
    with fake(GetMetrics=nodes("DISTRIBUTED")) as (uri, _):
        facts = live.ask(uri).facts
    assert facts["hardware"] == {"query_nodes": 1, "cpus_per_node": 8, "memory_gib_per_node": 32.0}
    assert facts["observations_per_node"] == [{"node": "qn-0", "cpu_share": 0.5, "memory_share": 0.25}]


def test_the_cpu_of_a_standalone_is_not_told_as_its_roles_measure_the_same_process() -> None:
    with fake(GetMetrics=nodes("STANDALONE")) as (uri, _):
        facts = live.ask(uri).facts
    assert facts["observations_per_node"] == [{"node": "qn-0", "memory_share": 0.25}]


def test_a_collection_that_is_mapped_says_nothing_of_its_index() -> None:
    mapped = collection(properties=[common_pb2.KeyValuePair(key="mmap.enabled", value="true")])
    with fake(DescribeCollection=lambda request, of: mapped) as (uri, _):
        (one,) = live.ask(uri).facts["collections"]
    assert "mmap" not in one["fields"][1]["index"]


def test_types_of_newer_servers_are_left_out() -> None:
    described = collection()
    described.schema.fields[1].data_type = 999  # type: ignore[assignment]
    with fake(DescribeCollection=lambda request, of: described) as (uri, _):
        (one,) = live.ask(uri).facts["collections"]
    assert "type" not in one["fields"][1]


def test_a_collection_that_is_not_there_is_said() -> None:
    with fake() as (uri, _):
        asked = live.ask(uri, collections=("gone", "products"))
    assert "there is no collection gone" in asked.trouble
    assert [one["name"] for one in asked.facts["collections"]] == ["products"]


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (lambda request, of: of.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure"), "auth check failure"),
        (lambda request, of: milvus_pb2.GetVersionResponse(status=refused("not ready")), "not ready"),
        (lambda request, of: of.abort(grpc.StatusCode.UNIMPLEMENTED, "unknown service"), "unimplemented"),
    ],
)
def test_a_server_that_does_not_answer_cannot_be_used(handler: Handler, said: str) -> None:
    with fake(GetVersion=handler) as (uri, _), pytest.raises(ServerError, match=said):
        live.ask(uri)


def test_a_refused_port_is_said_at_once() -> None:
    begin = time.monotonic()
    with pytest.raises(ServerError, match="connection refused"):
        live.ask("http://127.0.0.1:1")
    assert time.monotonic() - begin < 6


@pytest.mark.parametrize("uri", ["ftp://x", "http://", "http://x:99999", "http://me:s3cret@x"])
def test_what_is_no_uri_is_refused(uri: str) -> None:
    with pytest.raises(UsageError) as error:
        live.ask(uri)
    assert "s3cret" not in error.value.message
