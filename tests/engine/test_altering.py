"""What of a collection and its fields may be changed, and when, through pymilvus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymilvus import DataType, MilvusClient, MilvusException

from tests.engine import small

NAME = "texts"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[MilvusClient]:
    with small.opened(tmp_path) as engine, small.client_of(engine) as client:
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("text", DataType.VARCHAR, max_length=4)
        schema.add_field("tags", DataType.ARRAY, element_type=DataType.INT64, max_capacity=2)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
        index = client.prepare_index_params()
        index.add_index("v", index_type="FLAT", metric_type="L2")
        client.create_collection(NAME, schema=schema, index_params=index)
        yield client


def refused(client: MilvusClient, method: str, *args: Any, **more: Any) -> tuple[int, str]:
    with pytest.raises(MilvusException) as raised:
        getattr(client, method)(NAME, *args, **more)
    return int(raised.value.code), str(raised.value.message)


def field(client: MilvusClient, name: str) -> dict[str, Any]:
    return next(one for one in client.describe_collection(NAME)["fields"] if one["name"] == name)


def test_whether_a_loaded_collection_is_mapped_stays(client: MilvusClient) -> None:
    said = "can not {} mmap properties if collection loaded: collection already loaded[collection=texts]"
    mapped = {"mmap.enabled": True}
    assert refused(client, "alter_collection_properties", mapped) == (104, said.format("alter"))
    assert refused(client, "drop_collection_properties", ["mmap.enabled"]) == (104, said.format("delete"))
    client.alter_collection_properties(NAME, {"collection.ttl.seconds": 60})
    assert client.describe_collection(NAME)["properties"].get("mmap.enabled") is None
    client.release_collection(NAME)
    client.alter_collection_properties(NAME, mapped)
    assert client.describe_collection(NAME)["properties"]["mmap.enabled"] == "True"
    client.drop_collection_properties(NAME, ["mmap.enabled"])
    assert client.describe_collection(NAME)["properties"].get("mmap.enabled") is None


def test_whether_a_field_of_a_loaded_collection_is_mapped_stays(client: MilvusClient) -> None:
    code, said = refused(client, "alter_collection_field", "text", {"mmap.enabled": True})
    assert (code, said) == (
        104,
        "can not alter collection field properties if collection loaded: collection already loaded[collection=texts]",
    )
    client.release_collection(NAME)
    client.alter_collection_field(NAME, "text", {"mmap.enabled": True})
    assert field(client, "text")["params"]["mmap_enabled"] is True


def test_the_limit_of_a_text_is_raised_while_it_is_loaded(client: MilvusClient) -> None:
    row = {"id": 1, "text": "longer", "tags": [], "v": [1.0, 2.0]}
    assert refused(client, "insert", [row])[0] == 1100
    client.alter_collection_field(NAME, "text", {"max_length": 10})
    client.alter_collection_field(NAME, "tags", {"max_capacity": 3})
    assert client.insert(NAME, [row])["insert_count"] == 1
    assert (field(client, "text")["params"]["max_length"], field(client, "tags")["params"]["max_capacity"]) == (10, 3)


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("text", {"dim": 4}, "dim does not allow update in collection field param, field name = text"),
        ("tags", {"max_length": 9}, "tags can not modify the max_length for non-string types"),
        ("text", {"max_capacity": 9}, "text can not modify the max_capacity for non-array types"),
        ("text", {"max_length": 65536}, "the max_length of field text must be in (0, 65535], got 65536"),
        ("nope", {"max_length": 9}, "field nope does not exist in collection texts"),
    ],
)
def test_what_may_not_be_changed_is_named(client: MilvusClient, name: str, params: dict[str, Any], said: str) -> None:
    assert refused(client, "alter_collection_field", name, params) == (1100, f"invalid parameter: {said}")
