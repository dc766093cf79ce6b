"""The engine as an unmodified pymilvus sees it, over gRPC."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymilvus import AnnSearchRequest, DataType, MilvusClient, MilvusException, RRFRanker, WeightedRanker

from slowq.engine import Engine, configure
from slowq.engine.querynode import Task
from slowq.units import go_duration_s
from tests.engine import small

ROWS = 400
DIM = 8


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.random.default_rng(1).random((ROWS, DIM), dtype=np.float32)


@pytest.fixture(scope="module")
def items(client: MilvusClient, vectors: np.ndarray) -> str:
    """400 rows with a field of each kind; the first 300 are stored, the others growing."""
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vec", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("bits", DataType.BINARY_VECTOR, dim=16)
    schema.add_field("price", DataType.INT32)
    schema.add_field("weight", DataType.DOUBLE, nullable=True)
    schema.add_field("color", DataType.VARCHAR, max_length=32, default_value="grey")
    schema.add_field("sold", DataType.BOOL)
    schema.add_field("meta", DataType.JSON)
    schema.add_field("sizes", DataType.ARRAY, element_type=DataType.INT64, max_capacity=8)
    client.create_collection("items", schema=schema, index_params=indexes(client))
    for begin, end in ((0, 300), (300, ROWS)):
        client.insert("items", [row(number, vectors[number]) for number in range(begin, end)])
        if end == 300:
            client.flush("items")
    return "items"


def indexes(client: MilvusClient) -> Any:
    made = client.prepare_index_params()
    made.add_index("vec", index_type="FLAT", metric_type="L2")
    made.add_index("bits", index_type="BIN_FLAT", metric_type="HAMMING")
    return made


def row(number: int, vector: np.ndarray) -> dict[str, Any]:
    made = {
        "id": number,
        "vec": vector,
        "bits": bytes([number % 256, number // 256]),
        "price": number % 50,
        "weight": None if number % 4 == 0 else number / 4,
        "sold": number % 2 == 0,
        "meta": {"shop": {"city": f"c{number % 5}"}, "kind": number % 3},
        "sizes": [number % 7, number % 7 + 1],
        "extra": number,
    }
    if number % 10:
        made["color"] = "red" if number % 3 == 0 else "blue"
    return made


def ids(client: MilvusClient, text: str, **more: Any) -> list[int]:
    found = client.query("items", filter=text, output_fields=["id"], consistency_level="Strong", **more)
    return [one["id"] for one in found]


FILTERS = {
    "price < 3": [n for n in range(ROWS) if n % 50 < 3],
    "weight is null and id < 20": [0, 4, 8, 12, 16],
    "weight > 97": [n for n in range(ROWS) if n % 4 and n / 4 > 97],
    'color == "grey" and id < 31': [0, 10, 20, 30],
    'color like "r%" and id < 10': [3, 6, 9],
    'meta["shop"]["city"] == "c2" and meta["kind"] == 1 and id < 40': [7, 22, 37],
    'meta["absent"] != 1 and id < 3': [0, 1, 2],
    "array_contains(sizes, 3) and id < 12": [2, 3, 9, 10],
    "sizes[1] == 7 and id < 15": [6, 13],
    "extra in [5, 7, 1000]": [5, 7],
    "price % 7 == 6 and id < 20": [6, 13],
    "not (sold == true) and id < 6": [1, 3, 5],
    "id in [399, 3, 5000]": [3, 399],
}


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_selects_the_rows_that_it_says(client: MilvusClient, items: str, text: str) -> None:
    assert ids(client, text) == FILTERS[text]


def test_rows_come_back_as_they_were_written(client: MilvusClient, items: str, vectors: np.ndarray) -> None:
    [found] = client.get("items", ids=[13], output_fields=["*"])
    assert np.array_equal(np.array(found.pop("vec"), np.float32), vectors[13])
    assert found.pop("bits") == [bytes([13, 0])]
    plain = {"id": 13, "price": 13, "weight": 3.25, "color": "blue", "sold": False, "sizes": [6, 7], "extra": 13}
    assert found == plain | {"meta": {"shop": {"city": "c3"}, "kind": 1}}


def test_an_exact_search_finds_the_nearest_of_what_passes(
    client: MilvusClient, items: str, vectors: np.ndarray
) -> None:
    query = np.full(DIM, 0.5, np.float32)
    distance = ((vectors - query) ** 2).sum(axis=1)
    wanted = [int(n) for n in np.argsort(distance) if n % 50 < 25][:5]
    [hits] = client.search(
        "items",
        [query],
        anns_field="vec",
        limit=5,
        filter="price < {most}",
        filter_params={"most": 25},
        output_fields=["price"],
    )
    assert [hit["id"] for hit in hits] == wanted
    assert [hit["entity"]["price"] for hit in hits] == [n % 50 for n in wanted]
    assert np.allclose([hit["distance"] for hit in hits], np.sort(distance[wanted]), rtol=1e-5)


def test_offset_range_and_grouping_narrow_a_search(client: MilvusClient, items: str, vectors: np.ndarray) -> None:
    query = [vectors[7]]
    whole = [hit["id"] for hit in client.search("items", query, anns_field="vec", limit=6)[0]]
    assert [hit["id"] for hit in client.search("items", query, anns_field="vec", limit=4, offset=2)[0]] == whole[2:]
    near = client.search("items", query, anns_field="vec", limit=ROWS, search_params={"params": {"radius": 0.3}})[0]
    distance = ((vectors - vectors[7]) ** 2).sum(axis=1)
    assert {hit["id"] for hit in near} == set(np.flatnonzero(distance < 0.3).tolist())
    groups = client.search("items", query, anns_field="vec", limit=3, group_by_field="color", output_fields=["color"])[
        0
    ]
    assert sorted(hit["entity"]["color"] for hit in groups) == ["blue", "grey", "red"]


def test_hybrid_searches_join_their_parts(client: MilvusClient, items: str, vectors: np.ndarray) -> None:
    parts = [
        AnnSearchRequest([vectors[7]], "vec", {"metric_type": "L2", "params": {}}, limit=10),
        AnnSearchRequest([bytes([7, 0])], "bits", {"metric_type": "HAMMING", "params": {}}, limit=10),
    ]
    [fused] = client.hybrid_search("items", parts, RRFRanker(), limit=3, output_fields=["price"])
    assert (fused[0]["id"], fused[0]["entity"]["price"]) == (7, 7)
    assert fused[0]["distance"] == pytest.approx(2 / 61, rel=1e-5)
    [weighted] = client.hybrid_search("items", parts, WeightedRanker(0.7, 0.3), limit=3)
    assert weighted[0]["id"] == 7
    assert weighted[0]["distance"] == pytest.approx(1.0, rel=1e-5)


def test_iterators_walk_through_everything_once(client: MilvusClient, items: str, vectors: np.ndarray) -> None:
    seen: list[int] = []
    walk = client.query_iterator("items", filter="price < 10", output_fields=["id"], batch_size=7)
    while batch := walk.next():
        seen += [one["id"] for one in batch]
    walk.close()
    assert seen == [n for n in range(ROWS) if n % 50 < 10]
    found: list[int] = []
    walk = client.search_iterator("items", [vectors[0]], batch_size=50, limit=200, anns_field="vec", search_params={})
    while batch := walk.next():
        found += [one["id"] for one in batch]
    walk.close()
    distance = ((vectors - vectors[0]) ** 2).sum(axis=1)
    assert found == np.argsort(distance)[:200].tolist()


def test_counts_deletes_and_upserts_are_seen_by_the_next_strong_read(client: MilvusClient) -> None:
    client.create_collection("written", dimension=4, consistency_level="Strong")
    client.insert("written", [{"id": n, "vector": [n, 0, 0, 1], "color": "old"} for n in range(20)])
    assert client.query("written", output_fields=["count(*)"]) == [{"count(*)": 20}]
    assert client.delete("written", ids=[3, 4])["delete_count"] == 2
    client.delete("written", filter="id >= 18")
    client.upsert("written", [{"id": 5, "vector": [5, 0, 0, 1], "color": "new"}])
    assert client.query("written", output_fields=["count(*)"]) == [{"count(*)": 16}]
    assert [one["id"] for one in client.query("written", filter='color == "new"', output_fields=["id"])] == [5]


@pytest.mark.parametrize(
    ("kind", "values", "index", "metric"),
    [
        ("FLOAT16_VECTOR", np.arange(8, dtype=np.float16), "FLAT", "L2"),
        ("INT8_VECTOR", np.arange(8, dtype=np.int8), "HNSW", "L2"),
        ("SPARSE_FLOAT_VECTOR", {1: 0.5, 70000: 2.0}, "SPARSE_INVERTED_INDEX", "IP"),
    ],
)
def test_every_kind_of_vector_is_stored_searched_and_given_back(
    client: MilvusClient, kind: str, values: Any, index: str, metric: str
) -> None:
    schema = client.create_schema(auto_id=True)
    schema.add_field("id", DataType.INT64, is_primary=True, auto_id=True)
    schema.add_field("vec", getattr(DataType, kind), **({} if isinstance(values, dict) else {"dim": 8}))
    made = client.prepare_index_params()
    made.add_index("vec", index_type=index, metric_type=metric)
    client.create_collection(kind, schema=schema, index_params=made)
    [number] = client.insert(kind, [{"vec": values}])["ids"]
    client.flush(kind)
    [[hit]] = client.search(kind, [values], limit=1, output_fields=["vec"], consistency_level="Strong")
    assert hit["id"] == number
    assert hit["distance"] == pytest.approx(4.25 if isinstance(values, dict) else 0.0)


def test_databases_aliases_partitions_and_names_are_kept(client: MilvusClient) -> None:
    client.create_database("shop")
    assert set(client.list_databases()) == {"default", "shop"}
    client.create_collection("first", dimension=4)
    client.create_alias("first", "front")
    assert client.describe_alias("front")["collection_name"] == "first"
    client.create_partition("first", "spring")
    client.insert("first", [{"id": 1, "vector": [1, 2, 3, 4]}], partition_name="spring")
    assert client.query(
        "front", filter="id == 1", partition_names=["spring"], output_fields=["id"], consistency_level="Strong"
    )
    assert not client.query("front", filter="id == 1", partition_names=["_default"], output_fields=["id"])
    client.rename_collection("first", "second")
    assert client.has_collection("second")
    assert not client.has_collection("first")
    client.drop_alias("front")
    client.drop_collection("second")
    client.drop_database("shop")
    client.drop_database("shop")
    assert client.list_databases() == ["default"]


def test_indexes_loads_and_compactions_tell_their_state(client: MilvusClient, items: str) -> None:
    assert client.describe_index("items", "vec")["index_type"] == "FLAT"
    assert "Loaded" in str(client.get_load_state("items")["state"])
    client.release_collection("items")
    with pytest.raises(MilvusException, match="not loaded"):
        client.query("items", filter="id == 1")
    client.load_collection("items")
    job = client.compact("items")
    assert client.get_compaction_state(job) in ("Completed", "Executing")
    assert client.get_collection_stats("items")["row_count"] == ROWS


REFUSED = {
    "price ==": "cannot parse expression",
    "nothing > 1 and": "cannot parse expression",
    'price == "text"': "price",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_filter_that_cannot_be_is_refused_with_the_reason(client: MilvusClient, items: str, text: str) -> None:
    with pytest.raises(MilvusException, match=REFUSED[text]) as caught:
        client.query("items", filter=text)
    assert caught.value.code == 1100


UPSIDE_DOWN = {"params": {"radius": 0.1, "range_filter": 0.5}}


def badly_named(client: MilvusClient) -> Any:
    schema = client.create_schema()
    schema.add_field("1st", DataType.INT64, is_primary=True)
    schema.add_field("vec", DataType.FLOAT_VECTOR, dim=4)
    return schema


def test_bad_requests_get_the_codes_of_milvus(client: MilvusClient, items: str, vectors: np.ndarray) -> None:
    for ask, code, words in (
        (lambda: client.query("nowhere", filter="id > 0"), 100, "can't find collection"),
        (lambda: client.search("items", [[0.5] * 9], anns_field="vec", limit=3), 1100, "dimension"),
        (lambda: client.search("items", [vectors[0]], anns_field="vec", limit=20_000), 1100, "topk"),
        (lambda: client.search("items", [vectors[0]], anns_field="nope", limit=3), 1100, "nope"),
        (lambda: client.insert("items", [row(1, vectors[0]) | {"color": "x" * 40}]), 1100, "color"),
        (
            lambda: client.search("items", [vectors[0]], anns_field="vec", limit=3, search_params=UPSIDE_DOWN),
            1100,
            "radius",
        ),
        (lambda: client.create_collection("bad", schema=badly_named(client)), 1701, "field name invalid"),
    ):
        with pytest.raises(MilvusException, match=words) as caught:
            ask()
        assert caught.value.code == code, words


def counted(engine: Engine, function: str) -> dict[tuple[str, ...], float]:
    """How often a call was counted: by its end, database and collection."""
    (family,) = [one for one in engine.metrics.registry.collect() if one.name == "milvus_proxy_req_count"]
    return {
        tuple(one.labels[name] for name in ("status", "db_name", "collection_name")): one.value
        for one in family.samples
        if one.labels["function_name"] == function
    }


def test_every_call_is_counted_once_by_its_name_and_its_end(tmp_path: Path, vectors: np.ndarray) -> None:
    with Engine(tmp_path, tick_interval_s=0.02) as engine:
        server = engine.serve()
        client = MilvusClient(uri=f"http://127.0.0.1:{server.port}")
        client.create_collection("shop", dimension=DIM)
        client.list_collections()
        client.list_collections()
        client.insert("shop", [{"id": n, "vector": vectors[n]} for n in range(10)])
        client.delete("shop", filter="id % 2 == 0")  # asks for the keys first, which is no call
        client.search("shop", [vectors[0]], limit=3)
        with pytest.raises(MilvusException, match="can't find collection"):
            client.release_collection("none")
        with pytest.raises(Exception, match="does not have CreatePrivilegeGroup"):
            client.create_privilege_group("some")
        client.close()
        server.stop()
        own = ("default", "shop")
        assert counted(engine, "ShowCollections") == {("total", "default", ""): 2, ("success", "default", ""): 2}
        for function in ("CreateCollection", "CreateIndex", "LoadCollection", "Insert", "Delete", "Search"):
            assert counted(engine, function) == {("total", *own): 1, ("success", *own): 1}, function
        assert counted(engine, "Query") == {}
        none = ("default", "none")
        assert counted(engine, "ReleaseCollection") == {("total", *none): 1, ("fail", *none): 1}
        assert counted(engine, "CreatePrivilegeGroup") == {("total", "", ""): 1, ("rejected", "", ""): 1}


def test_segments_are_spread_evenly_over_the_query_nodes(tmp_path: Path, vectors: np.ndarray) -> None:
    with Engine(tmp_path / "data", tick_interval_s=0.02, nodes=2) as engine:
        server = engine.serve()
        client = MilvusClient(uri=f"http://127.0.0.1:{server.port}")
        client.create_collection("spread", dimension=DIM)
        for begin in range(0, 40, 10):
            client.insert("spread", [{"id": n, "vector": vectors[n]} for n in range(begin, begin + 10)])
            client.flush("spread")
        (shard,) = engine.coordinator.catalog.shards_of(engine.coordinator.catalog.collection("default", "spread"))
        small.until(lambda: len(shard.view.sealed) == 4)
        client.search("spread", [vectors[0]], limit=3)
        loaded = client.list_loaded_segments("spread")
        client.close()
        server.stop()
    assert sorted(one.node_ids[0] for one in loaded) == [1, 1, 2, 2]


@pytest.mark.parametrize(("policy", "asked"), [("look_aside", {1}), ("round_robin", {0, 1})])
def test_of_two_replicas_the_one_with_less_to_do_is_asked(
    tmp_path: Path, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch, policy: str, asked: set[int]
) -> None:
    settings, _ = configure({"proxy.replicaSelectionPolicy": policy})
    with Engine(tmp_path / "data", settings, tick_interval_s=0.02, nodes=2) as engine:
        server = engine.serve()
        client = MilvusClient(uri=f"http://127.0.0.1:{server.port}")
        client.create_collection("twice", dimension=DIM)
        client.insert("twice", [{"id": n, "vector": vectors[n]} for n in range(10)])
        client.release_collection("twice")
        client.load_collection("twice", replica_number=2)
        found: list[int] = []
        for node in engine.coordinator.placement.nodes:
            monkeypatch.setattr(node, "submit", partial(noted, found, node.number, node.submit))
        engine.coordinator.placement.nodes[0].unsolved_nq += 1_000  # as if a large request was being worked on
        for one in vectors[:4]:
            client.search("twice", [one], limit=3)
        client.close()
        server.stop()
    assert set(found) == asked
    assert [one.unsolved_nq for one in engine.coordinator.placement.nodes] == [1_000, 0]


def noted(found: list[int], number: int, submit: Callable[..., Task], task: Task, *, here: bool) -> Task:
    found.append(number)
    return submit(task, here=here)


def test_the_phases_of_every_request_sum_up_to_its_duration(tmp_path: Path, vectors: np.ndarray) -> None:
    """Also where several run at once, and the parts of one beside each other."""
    path = tmp_path / "access.log"
    with path.open("w") as access, Engine(tmp_path / "data", access=access, tick_interval_s=0.02, nodes=2) as engine:
        server = engine.serve()
        client = MilvusClient(uri=f"http://127.0.0.1:{server.port}")
        client.create_collection("traced", dimension=DIM, num_shards=2)
        client.insert("traced", [{"id": n, "vector": vectors[n]} for n in range(100)])
        client.search("traced", [vectors[0]], limit=3, filter="id >= 50", consistency_level="Strong")
        parts = [AnnSearchRequest([vectors[n]], "vector", {}, 10) for n in range(3)]
        requests = [
            lambda: client.search("traced", list(vectors[:20]), limit=3, output_fields=["vector"]),
            lambda: client.hybrid_search("traced", parts, RRFRanker(), limit=5),
            lambda: client.query("traced", "id % 2 == 0", output_fields=["vector"]),
        ] * 4
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda ask: ask(), requests))
        client.close()
        server.stop()
    told = [one for one in path.read_text().splitlines() if re.search(r" (Search|HybridSearch|Query) ", one)]
    traces = [json.loads(line.partition("[trace: ")[2].partition("] [expr")[0]) for line in told]
    took_s = [go_duration_s(line.partition("[timeCost: ")[2].partition("]")[0].encode()) for line in told]
    assert len(told) == 13
    assert traces[0]["counts"]["rows_passed"] == 50
    for trace, took in zip(traces, took_s, strict=True):
        assert sum(trace["seconds"].values()) == pytest.approx(took, rel=0.05)
