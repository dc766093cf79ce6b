"""Resource groups through pymilvus: there is one, and what would need another says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymilvus import MilvusClient, MilvusException
from pymilvus.client.types import ResourceGroupConfig
from pymilvus.grpc_gen import milvus_pb2

from slowq.engine import Engine
from slowq.engine.server.groups import GROUP
from slowq.engine.server.service import Service
from tests.engine import small


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with small.opened(tmp_path, nodes=2) as engine:
        yield engine


@pytest.fixture
def client(engine: Engine) -> Iterator[MilvusClient]:
    with small.client_of(engine) as client:
        yield client


def code(client: MilvusClient, method: str, *args: Any, **more: Any) -> int:
    with pytest.raises(MilvusException) as raised:
        getattr(client, method)(*args, **more)
    return int(raised.value.code)


def test_the_one_group_has_all_nodes_and_replicas(engine: Engine, client: MilvusClient) -> None:
    small.create(engine)
    assert client.list_resource_groups() == [GROUP]
    group = client.describe_resource_group(GROUP)
    assert (group.capacity, group.num_available_node, dict(group.num_loaded_replica)) == (2, 2, {small.NAME: 1})


def test_making_another_group_is_not_had(client: MilvusClient) -> None:
    client.create_resource_group(GROUP)
    with pytest.raises(grpc.RpcError) as raised:
        client.create_resource_group("fast")
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert raised.value.details() == (
        "The slowq reference engine does not have a resource group beside __default_resource_group, such as fast."
    )


def test_what_names_another_group_finds_none(engine: Engine, client: MilvusClient) -> None:
    small.create(engine, load=False)
    client.drop_resource_group("fast")
    codes = {
        "describe": code(client, "describe_resource_group", "fast"),
        "load": code(client, "load_collection", small.NAME, resource_groups=["fast"]),
        "configure": code(client, "update_resource_groups", {"fast": ResourceGroupConfig(requests={"node_num": 1})}),
    }
    assert set(codes.values()) == {300}, codes
    client.load_collection(small.NAME, resource_groups=[GROUP])


def test_nothing_moves_to_a_group_that_is_not_there_nor_to_its_own(engine: Engine) -> None:
    small.create(engine, load=False)
    service = Service(engine)
    codes = {
        target: [
            service.TransferNode(asked(milvus_pb2.TransferNodeRequest, target), None).code,
            service.TransferReplica(
                asked(milvus_pb2.TransferReplicaRequest, target, collection_name=small.NAME), None
            ).code,
        ]
        for target in ("fast", GROUP)
    }
    assert codes == {"fast": [300, 300], GROUP: [1100, 1100]}


def asked(kind: Any, target: str, **more: str) -> Any:
    return kind(source_resource_group=GROUP, target_resource_group=target, **more)


def test_the_default_group_stays(client: MilvusClient) -> None:
    assert code(client, "drop_resource_group", GROUP) == 1100
