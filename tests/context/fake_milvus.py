"""A server that speaks Milvus' protocol and says what a test wants: refusals, hangs, newer versions, hostile names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

Handler = Callable[[Any, Any], Any]
Type = schema_pb2.DataType


@dataclass
class Fake:
    """Where it is, and what it was asked: the method and the metadata of each call."""

    uri: str
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def asked(self, method: str) -> int:
        return sum(name == method for name, _ in self.calls)


def refused(reason: str, code: int = 65535) -> common_pb2.Status:
    return common_pb2.Status(error_code=1, code=code, reason=reason)


def pairs(**values: str) -> list[common_pb2.KeyValuePair]:
    return [common_pb2.KeyValuePair(key=key.replace("__", "."), value=value) for key, value in values.items()]


def scalar(name: str, kind: int = Type.VarChar, **more: Any) -> schema_pb2.FieldSchema:
    return schema_pb2.FieldSchema(name=name, data_type=kind, **more)


def vector(name: str = "vec", dim: int = 768, kind: int = Type.FloatVector, **params: str) -> schema_pb2.FieldSchema:
    return schema_pb2.FieldSchema(name=name, data_type=kind, type_params=pairs(dim=str(dim), **params))


ID = scalar("id", Type.Int64, is_primary_key=True)


def collection(*fields: Any, name: str = "products", **more: Any) -> milvus_pb2.DescribeCollectionResponse:
    schema = schema_pb2.CollectionSchema(name=name, fields=fields or (ID, vector()))
    return milvus_pb2.DescribeCollectionResponse(
        **{"schema": schema, "shards_num": 2, "num_partitions": 4, "consistency_level": 2, **more}
    )


def index(name: str = "vec", of: str = "vec", **more: Any) -> milvus_pb2.IndexDescription:
    params = more.pop("params", {"index_type": "HNSW", "metric_type": "COSINE", "params": '{"M": 16}'})
    return milvus_pb2.IndexDescription(
        **{"index_name": name, "field_name": of, "state": 3, "params": pairs(**params), **more}
    )


def indexes(*found: milvus_pb2.IndexDescription) -> Handler:
    return lambda request, of: milvus_pb2.DescribeIndexResponse(index_descriptions=found)


def loaded(number: int, rows: int, state: int = 3, **more: Any) -> milvus_pb2.QuerySegmentInfo:
    return milvus_pb2.QuerySegmentInfo(
        **{"segmentID": number, "num_rows": rows, "state": state, "partitionID": 1, **more}
    )


def stored(number: int, rows: int, state: int = 4, **more: Any) -> milvus_pb2.PersistentSegmentInfo:
    return milvus_pb2.PersistentSegmentInfo(
        **{"segmentID": number, "num_rows": rows, "state": state, "partitionID": 1, **more}
    )


def segments(*found: Any) -> dict[str, Handler]:
    """What the calls for segments answer: the loaded and the stored ones."""
    of_kind = {milvus_pb2.QuerySegmentInfo: [], milvus_pb2.PersistentSegmentInfo: []}
    for one in found:
        of_kind[type(one)].append(one)
    read, kept = of_kind.values()
    return {
        "GetQuerySegmentInfo": lambda request, of: milvus_pb2.GetQuerySegmentInfoResponse(infos=read),
        "GetPersistentSegmentInfo": lambda request, of: milvus_pb2.GetPersistentSegmentInfoResponse(infos=kept),
    }


def node(kind: str, number: int = 1, mode: str = "DISTRIBUTED", **hardware: Any) -> dict[str, Any]:
    infos = {
        "name": f"{kind}{number}",
        "type": kind,
        "id": number,
        "hardware_infos": hardware,
        "system_info": {"deploy_mode": mode},
        "system_configurations": {"segment_max_size": 1024} if kind == "datacoord" else {},
    }
    return {"identifier": number, "infos": infos}


def system(*nodes: Mapping[str, Any] | Any) -> Handler:
    return system_text(json.dumps({"nodes_info": nodes}))


def system_text(text: str) -> Handler:
    return lambda request, of: milvus_pb2.GetMetricsResponse(response=text)


def answer(message: Any) -> Handler:
    return lambda request, of: message


GIB = 1 << 30
GOOD: dict[str, Handler] = {
    "GetVersion": answer(milvus_pb2.GetVersionResponse(version="v2.4.5")),
    "GetMetrics": system(
        node("querynode", 1, cpu_core_count=8, cpu_core_usage=97.5, memory=32 * GIB, memory_usage=16 * GIB),
        node("datacoord"),
    ),
    "ListDatabases": answer(milvus_pb2.ListDatabasesResponse(db_names=["default"])),
    "ShowCollections": answer(milvus_pb2.ShowCollectionsResponse(collection_names=["products"])),
    "DescribeCollection": answer(collection()),
    "DescribeIndex": indexes(index()),
    "GetCollectionStatistics": answer(milvus_pb2.GetCollectionStatisticsResponse(stats=pairs(row_count="12000000"))),
    "GetLoadState": answer(milvus_pb2.GetLoadStateResponse(state=3)),
    "GetReplicas": answer(milvus_pb2.GetReplicasResponse(replicas=[milvus_pb2.ReplicaInfo(replicaID=1)])),
    "ListResourceGroups": answer(milvus_pb2.ListResourceGroupsResponse(resource_groups=["__default_resource_group"])),
    **segments(),
}


@contextmanager
def fake(credentials: Any = None, **changed: Handler | None) -> Iterator[Fake]:
    """A server that answers these calls; one that is None, and any other, is UNIMPLEMENTED."""
    servicer = milvus_pb2_grpc.MilvusServiceServicer()
    server = grpc.server(ThreadPoolExecutor(8))
    if credentials is None:
        found = Fake(f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    else:
        found = Fake(f"https://localhost:{server.add_secure_port('127.0.0.1:0', credentials)}")
    for name, handler in {**GOOD, **changed}.items():

        def call(request: Any, of: Any, name: str = name, handler: Handler | None = handler) -> Any:
            found.calls.append((name, dict(of.invocation_metadata())))
            if handler is None:
                of.abort(grpc.StatusCode.UNIMPLEMENTED, f"unknown method {name}")
                return None
            return handler(request, of)

        setattr(servicer, name, call)
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(servicer, server)
    server.start()
    try:
        yield found
    finally:
        server.stop(0).wait()
