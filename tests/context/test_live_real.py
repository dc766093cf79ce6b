"""Asking the real Milvus 2.3.5, as its root and as a user who may see little."""

from __future__ import annotations

import pytest

from slowq.context import live
from slowq.errors import ServerError
from tests.servers import RealMilvus

pytestmark = pytest.mark.real

COLLECTIONS = """
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, Role, connections, utility
connections.connect(uri="http://127.0.0.1:19530", token="root:Milvus")
fields = [
    FieldSchema("id", DataType.INT64, is_primary=True),
    FieldSchema("tag", DataType.VARCHAR, max_length=20),
    FieldSchema("vec", DataType.FLOAT_VECTOR, dim=4),
]
made = Collection("live_products", CollectionSchema(fields), consistency_level="Strong")
made.insert([list(range(3000)), ["a"] * 3000, [[0.1, 0.2, 0.3, 0.4]] * 3000])
made.flush()
made.create_index("vec", {"index_type": "IVF_FLAT", "metric_type": "L2", "params": {"nlist": 16}})
made.load()
Collection("live_bare", CollectionSchema(fields))
utility.create_user("live_guest", "s3cret-guest")
role = Role("live_reader")
role.create()
role.add_user("live_guest")
role.grant("Collection", "live_products", "GetStatistics")
"""
NAMES = ("live_bare", "live_products")


@pytest.fixture(scope="module", autouse=True)
def collections(milvus: RealMilvus) -> None:
    milvus.once(COLLECTIONS)


def test_it_tells_its_collections(milvus: RealMilvus) -> None:
    asked = live.ask(milvus.uri, token=milvus.root, collections=NAMES)
    bare, products = asked.facts["collections"]
    assert asked.facts["milvus"]["version"].startswith("2.3.5")
    assert asked.facts["hardware"]["query_nodes"] == 1
    assert (products["rows"], products["consistency"], products["replicas"]) == (3000, "Strong", 1)
    assert products["fields"][2] == {
        "name": "vec",
        "type": "FLOAT_VECTOR",
        "dim": 4,
        "index": {"type": "IVF_FLAT", "metric": "L2", "params": {"nlist": 16}},
    }
    assert products["segments"]["sealed"] == 1
    assert [one["index"] for one in bare["fields"]] == [None, None, None]
    assert asked.trouble == []


def test_what_a_user_may_not_see_is_named_and_the_rest_is_told(milvus: RealMilvus) -> None:
    asked = live.ask(milvus.uri, token="live_guest:s3cret-guest", collections=NAMES)
    bare, products = asked.facts["collections"]
    assert ("rows" in bare, "partitions" in bare) == (False, False)
    assert (products["rows"], products["fields"][2]["index"]["type"]) == (3000, "IVF_FLAT")
    denied = [one for one in asked.trouble if "permission den" in one]
    assert denied == asked.trouble
    assert any("PrivilegeShowPartitions" in one for one in denied)
    assert "s3cret" not in str(asked)


@pytest.mark.parametrize("token", [None, "root:wrong", "nobody:at-all"])
def test_who_may_not_ask_at_all_is_told_so(milvus: RealMilvus, token: str | None) -> None:
    with pytest.raises(ServerError, match="auth"):
        live.ask(milvus.uri, token=token)
