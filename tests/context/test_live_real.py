"""Asking the real Milvus 2.3.5, as its root and as a user who may see little."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

from slowq.context import live, loads
from slowq.context.live import Login, Question, text_of
from slowq.errors import ServerError
from tests.servers import SAMPLES, RealMilvus

pytestmark = pytest.mark.real

COLLECTIONS = """
import time
import grpc
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, MilvusException, Role, connections, db, utility
connections.connect(uri="http://127.0.0.1:19530", token="root:Milvus")
fields = [
    FieldSchema("id", DataType.INT64, is_primary=True),
    FieldSchema("tag", DataType.VARCHAR, max_length=20),
    FieldSchema("price", DataType.FLOAT),
    FieldSchema("tags", DataType.ARRAY, element_type=DataType.INT64, max_capacity=4),
    FieldSchema("meta", DataType.JSON),
    FieldSchema("shop", DataType.VARCHAR, max_length=20, is_partition_key=True),
    FieldSchema("vec", DataType.FLOAT_VECTOR, dim=4),
]
schema = CollectionSchema(fields, enable_dynamic_field=True)
made = Collection(
    "live_products", schema, num_shards=2, num_partitions=3, consistency_level="Strong", properties={"mmap.enabled": True}
)

def insert(count):
    made.insert([
        {"id": at, "tag": "a", "price": 1.0, "tags": [1], "meta": {"a": at}, "shop": str(at % 7), "vec": [0.1] * 4, "x": 1}
        for at in range(count)
    ])

insert(3000)
made.flush()
made.create_index("vec", {"index_type": "IVF_FLAT", "metric_type": "COSINE", "params": {"nlist": 8}})
made.create_index("tag")
made.create_index("price", {"index_type": "STL_SORT"})
made.load()
Collection("live_bare", CollectionSchema([fields[0], fields[-1]]))
db.create_database("live_other")
db.using_database("live_other")
Collection("live_products", CollectionSchema([fields[0], fields[-1]]), consistency_level="Eventually")
db.using_database("default")
utility.create_user("live_guest", "s3cret-guest")
role = Role("live_reader")
role.create()
role.add_user("live_guest")
role.grant("Collection", "live_products", "GetStatistics")

# The proxy learns of users, roles and rights some time after they were made, or never, where the word to it was lost: so the
# right is given anew from time to time.
def may_see(name):
    try:
        return Collection(name, using="guest").num_entities >= 0
    except (MilvusException, grpc.RpcError):
        return False

deadline = time.monotonic() + 60
again = time.monotonic() + 10
while True:
    try:
        connections.connect("guest", uri="http://127.0.0.1:19530", token="live_guest:s3cret-guest")
        if may_see("live_products"):
            break
    except (MilvusException, grpc.RpcError):
        pass
    assert time.monotonic() < deadline, "the guest's rights did not arrive"
    if time.monotonic() > again:
        role.revoke("Collection", "live_products", "GetStatistics")
        role.grant("Collection", "live_products", "GetStatistics")
        again = time.monotonic() + 10
    time.sleep(0.2)
"""
TOLD = """\
  - name: live_bare
    database: default
    rows: 0
    partitions: 1
    shards: 1
    loaded: false
    consistency: Bounded
    fields: [{name: id, type: INT64, primary: true, index: null}, {name: vec, type: FLOAT_VECTOR, dim: 4, index: null}]
    segments: {sealed: 0, growing: 0, small: 0, rows: 0, stored: 0}
  - name: live_products
    database: default
    rows: 3000
    partitions: 3
    shards: 2
    loaded: true
    replicas: 1
    consistency: Strong
    fields:
      - {name: id, type: INT64, primary: true, mmap: true, index: null}
      - {name: tag, type: VARCHAR, mmap: true, index: {type: AUTOINDEX}}
      - {name: price, type: FLOAT, mmap: true, index: {type: STL_SORT}}
      - {name: tags, type: ARRAY, element: INT64, mmap: true, index: null}
      - {name: meta, type: JSON, mmap: true, index: null}
      - {name: shop, type: VARCHAR, partition_key: true, mmap: true, index: null}
      - {name: vec, type: FLOAT_VECTOR, dim: 4, mmap: true, index: {type: IVF_FLAT, metric: COSINE, params: {nlist: 8}}}
"""
NAMES = Question(databases=("default",), collections=("live_bare", "live_products"))


@pytest.fixture(scope="module", autouse=True)
def collections(milvus: RealMilvus) -> None:
    milvus.once(COLLECTIONS)


def test_it_tells_its_collections(milvus: RealMilvus) -> None:
    asked = live.ask(milvus.uri, NAMES, Login(milvus.root))
    assert asked.trouble == ()
    text = text_of(asked)
    collections = yaml.safe_load(text)["collections"]
    del collections[1]["segments"]
    assert collections == yaml.safe_load(TOLD)
    context = loads(text, "milvus")
    assert context.milvus == {"version": "2.3.5-lite", "deployment": "standalone"}
    assert context.hardware["query_nodes"] == 1
    segments = context.collections[1].segments
    assert (segments.sealed, segments.indexed, segments.rows) == (segments.stored, segments.sealed, 3000)


def test_its_page_of_metrics_tells_the_cpu_and_the_memory(milvus: RealMilvus) -> None:
    context = loads(text_of(live.ask(milvus.uri, NAMES, Login(milvus.root))), "milvus")
    (load,) = context.observations_per_node
    assert load.keys() == {"node", "cpu_share", "memory_share"}
    assert load["node"] == "127.0.0.1:9091"
    assert 0 < load["memory_share"] < 1


def test_all_of_it_is_counted(milvus: RealMilvus) -> None:
    for _ in range(20):  # other tests make and drop collections beside this one
        asked = live.ask(milvus.uri, login=Login(milvus.root))
        totals = asked.facts["totals"]
        if totals["collections"] == len(asked.facts["collections"]):
            break
    assert totals["databases"] >= 2
    assert totals["collections"] == len(asked.facts["collections"]) >= 3
    assert totals["segments"] >= 2
    other = next(one for one in asked.facts["collections"] if one["database"] == "live_other")
    assert (other["name"], other["consistency"]) == ("live_products", "Eventually")


def test_what_a_user_may_not_see_is_named_and_the_rest_is_told(milvus: RealMilvus) -> None:
    asked = live.ask(milvus.uri, NAMES, Login("live_guest:s3cret-guest"))
    assert asked.trouble == (
        "the load state of live_bare, live_products: permission denied: PrivilegeLoad: permission deny to live_guest",
        "the resource groups: permission denied: PrivilegeListResourceGroups: permission deny to live_guest",
        "the rows of live_bare: permission denied: PrivilegeGetStatistics: permission deny to live_guest",
    )
    bare, products = asked.facts["collections"]
    assert "rows" not in bare
    assert (products["rows"], products["fields"][-1]["index"]["type"]) == (3000, "IVF_FLAT")


@pytest.mark.parametrize("token", [None, "root:wrong", "nobody:at-all"])
def test_who_may_not_ask_at_all_is_told_so(milvus: RealMilvus, token: str | None) -> None:
    with pytest.raises(ServerError, match="auth"):
        live.ask(milvus.uri, login=Login(token))


def test_other_ports_of_it_are_no_milvus(milvus: RealMilvus) -> None:
    with pytest.raises(ServerError, match="it speaks gRPC, but it is no Milvus"):
        live.ask("http://127.0.0.1:2379", login=Login(milvus.root))  # etcd
    with pytest.raises(ServerError, match="it speaks HTTP, which no gRPC port of Milvus does"):
        live.ask("http://127.0.0.1:9091", login=Login(milvus.root))


def test_analyze_asks_it_in_one_go(milvus: RealMilvus) -> None:
    log = SAMPLES / "formats" / "versions" / "2.3.5.log"
    done = subprocess.run(
        [sys.executable, "-m", "slowq", "analyze", str(log), "--uri", milvus.uri, "--format", "json"],
        env={**os.environ, "SLOWQ_MILVUS_TOKEN": milvus.root},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["milvus"] == {
        "version": "2.3.5-lite",
        "deployment": "standalone",
        "source": f"the Milvus at {milvus.uri}",
    }
