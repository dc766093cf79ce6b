"""Every kind of known slowdown: what shows it, and what does not."""

from collections.abc import Mapping
from typing import Any

import pytest

from slowq import symptoms
from slowq.facts import Case
from slowq.regressions import REGRESSIONS
from tests.builders import case, event, many, measured, query, search


def facts(text: str) -> Mapping[str, Any]:
    return {"facts": text}


def metrics(**during: Any) -> Mapping[str, Any]:
    return {"metrics": measured(during)}


def collection(text: str, field: str = "") -> Mapping[str, Any]:
    fields = f", fields: [{field}]" if field else ""
    return facts(f"collections: [{{name: products, {text}{fields}}}]")


TRIE = "{name: title, type: VARCHAR, index: {type: Trie}}"
DISKANN = "{name: vec, type: FLOAT_VECTOR, index: {type: DISKANN}}"
SLOW = many(10, search(30, took=20.0))
VECTORS = search(output_fields='["id", "vec"]')
TSAFE = event("tsafe_wait", 35)
CORE = {"node": {"q1": 0.01, "q2": 0.01}}

# Kind → cases that show it, and cases that come close and do not.
SHOWN: dict[str, list[Case]] = {
    "balance": [
        case(search(), **facts("observations_per_node: [{segments: 90}, {segments: 30}, {segments: 20}]")),
        case(search(), **metrics(core=CORE, segments={"node": {"q1": 10.0, "q2": 31.0}})),
    ],
    "clock": [
        case(search(), **facts("dependencies: {clock_offset_s: -3}")),
        case(search(lag=-2.0)),
    ],
    "cold_start": [
        case(search(), **facts("pattern: {only_first_searches: true}")),
        case(search(), **facts("pattern: {only_after: restart}")),
    ],
    "collections": [
        case(search(), **facts("totals: {collections: 5000}")),
        case(search(), **metrics(all_collections=4500.0)),
    ],
    "cpu": [
        case(search(), **facts("observations: {cpu_share: 0.97}")),
        case(search(), **facts("observations_per_node: [{node: a, cpu_share: 0.2}, {node: b, cpu_share: 0.95}]")),
        case(search(), **metrics(throttled=4.0, periods=10.0)),
    ],
    "delegator": [case(search(), **metrics(leader=1.0, worker=0.2, wait_tsafe=0.1))],
    "delete": [
        case(search(), beside=[event("delete_backlog", 58)]),
        case(search(), **facts("observations: {deletes_per_s: 2000}")),
        case(search(), **metrics(upserted=3000.0)),
    ],
    "disk": [case(search(), **collection("rows: 9", DISKANN)), case(search(params={"search_list": 100}))],
    "disk_load": [
        case(
            SLOW,
            beside=[event("segment_load", 5, "start", "1"), event("segment_load", 60, "done", "1")],
            **collection("rows: 9", DISKANN),
        )
    ],
    "growing": [
        case(search(), **metrics(segment={"state": {"Growing": 0.9, "Sealed": 0.1}})),
        case(search(), **collection("segments: {growing: 12}")),
    ],
    "growing_mmap": [case(search(), **facts("config: {queryNode.mmap.growingMmapEnabled: true}"))],
    "half_precision": [case(search(), **collection("rows: 9", "{name: vec, type: FLOAT16_VECTOR}"))],
    "hybrid": [case(search(kind="hybrid_search", filter="[]"), beside=[event("insert", 58)])],
    "index_build": [
        case(SLOW, beside=[event("index_build", 5, "start", "1"), event("index_build", 60, "done", "1")]),
        case(search(), **metrics(builds_running=2.0)),
    ],
    "iterator": [case(search(params={"iterator": "True"}))],
    "json_contains": [case(search(filter='json_contains(meta["tags"], 1)'))],
    "load": [
        case(SLOW, beside=[event("segment_load", 5, "start", "1"), event("segment_load", 60, "done", "1")]),
        case(search(), **metrics(load_segment=(2.0, 0.5))),
    ],
    "memory": [
        case(VECTORS, **facts("observations: {memory_share: 0.95}")),
        case(VECTORS, beside=[event("memory", 58)]),
        case(VECTORS, **metrics(working_set=95.0, memory_limit=100.0)),
    ],
    "partition_output": [
        case(search(requery=4.0), **collection("partitions: 64")),
        case(search(requery=4.0, partitions='["p1"]')),
        case(search(partitions='["p1"]'), **metrics(search_latency=1.0, requery=0.8)),
    ],
    "prefix_like": [
        case(search(filter='title like "cat%"')),
        case(search(filter='title like "cat%"'), **collection("rows: 9", TRIE)),
    ],
    "proxy_cpu": [case(search(), **metrics(search_latency=1.0, wait_result=0.2))],
    "queue": [
        case(search(), **metrics(search_latency=1.0, queue=0.8, group_nq=4.0)),
        case(search(), **facts("observations: {queue_s: 0.8}")),
    ],
    "reduce": [
        case(search(), **metrics(search_latency=1.0, reduce_segments=0.8)),
        case(search(), **facts("observations: {reduce_s: 0.8}")),
    ],
    "replica": [case(search(), beside=[event("node_failed", 58)], **collection("replicas: 2"))],
    "replica_output": [case(search(requery=4.0), **collection("replicas: 2"))],
    "segments": [case(search(), **metrics(search_latency=1.0, core=(0.01, 100.0)))],
    "sparse": [
        case(search(params={"metric_type": "BM25"})),
        case(search(), **collection("rows: 9", "{name: vec, type: SPARSE_FLOAT_VECTOR}")),
        case(search(params={"drop_ratio_search": 0.2})),
    ],
    "text_index": [case(search(filter='text_match(title, "cat")'))],
    "tiered_output": [case(VECTORS, **facts("config: {queryNode.segcore.tieredStorage.evictionEnabled: true}"))],
    "topk": [case(search(params={"topk": 500}))],
    "trie_range": [case(search(filter='title > "cat"'), **collection("rows: 9", TRIE))],
    "tsafe_compaction": [
        case(
            SLOW,
            beside=[TSAFE, event("compaction", 5, "start", "1"), event("compaction", 60, "done", "1")],
        ),
        case(search(), **metrics(search_latency=1.0, wait_tsafe=0.9, compaction=(2.0, 1.0))),
    ],
    "tsafe_restart": [
        case(search(), beside=[event("tsafe_wait", 58), event("restart", 57)]),
        case(search(), **facts("observations: {wait_tsafe_s: 3}\nevents: [{what: restart}]")),
    ],
    "tsafe_writes": [
        case(search(), beside=[event("tsafe_wait", 58), event("insert", 57)]),
        case(search(), beside=[event("tsafe_wait", 58)], **facts("observations: {writes_per_s: 500}")),
    ],
}
NOT_SHOWN: dict[str, list[Case]] = {
    "balance": [
        case(search(), **facts("observations_per_node: [{segments: 30}, {segments: 31}]")),
        case(search(), **metrics(core=CORE, segments={"node": {"q1": 20.0, "q2": 31.0}})),
    ],
    "clock": [case(search(lag=5.0))],
    "collections": [case(search(), **facts("totals: {collections: 900}"))],
    "cpu": [
        case(search(), **facts("observations: {cpu_share: 0.5}")),
        case(many(10, search(params={"ef": 4096})), **facts("observations: {cpu_share: 0.97}")),  # costly requests
    ],
    "delegator": [case(search(), **metrics(leader=1.0, worker=0.9))],
    "delete": [case(search(), **facts("observations: {deletes_per_s: 5}"))],
    "disk_load": [case(search(), **collection("rows: 9", DISKANN))],
    "half_precision": [
        case(search(), **collection("rows: 9", "{name: vec, type: FLOAT_VECTOR}")),
        case(search(), **facts("collections: [{name: another, fields: [{name: vec, type: FLOAT16_VECTOR}]}]")),
    ],
    "hybrid": [case(search(kind="hybrid_search", filter="[]"))],
    "json_contains": [case(search(filter='meta["a"] == 1'))],
    "memory": [case(search(), **facts("observations: {memory_share: 0.95}")), case(VECTORS)],
    "partition_output": [case(search(requery=0.2, partitions='["p1"]')), case(search(requery=4.0)), case(query())],
    "prefix_like": [
        case(search(filter='title like "%cat%"')),
        case(search(filter='title like "cat%"'), **collection("rows: 9", TRIE.replace("Trie", "INVERTED"))),
    ],
    "proxy_cpu": [case(search(), **metrics(search_latency=1.0, wait_result=0.9))],
    "queue": [
        case(search(), **metrics(search_latency=1.0, queue=0.8, group_nq=400.0)),
        case(search(), **facts("observations: {queue_s: 0.8, cpu_share: 0.99}")),
    ],
    "replica": [case(search(), beside=[event("node_failed", 58)])],
    "tiered_output": [case(VECTORS)],
    "topk": [case(search())],
    "trie_range": [case(search(filter='title > "cat"'))],
    "tsafe_compaction": [case(search(), beside=[event("tsafe_wait", 58)])],
    "tsafe_restart": [case(search(), beside=[event("restart", 57)])],
    "tsafe_writes": [case(search(), beside=[event("insert", 57)])],
}


@pytest.mark.parametrize(("kind", "number"), [(kind, at) for kind, cases in SHOWN.items() for at in range(len(cases))])
def test_the_symptom_is_seen_and_cited(kind: str, number: int) -> None:
    found = symptoms.of(SHOWN[kind][number])
    assert kind in found
    for item in found[kind].evidence:
        assert item.cites
        assert item.says.endswith(".")
        assert "nan" not in item.says.split()


@pytest.mark.parametrize(
    ("kind", "number"), [(kind, at) for kind, cases in NOT_SHOWN.items() for at in range(len(cases))]
)
def test_what_only_resembles_it_is_no_symptom(kind: str, number: int) -> None:
    assert kind not in symptoms.of(NOT_SHOWN[kind][number])


def test_every_kind_that_accuses_a_version_can_be_seen_or_is_said_to_leave_no_trace() -> None:
    accusing = {one.kind for one in REGRESSIONS if one.nature != "improvement"}
    assert accusing <= set(symptoms.SEEN) | symptoms.UNSEEN
    assert not set(symptoms.SEEN) & symptoms.UNSEEN
    assert set(SHOWN) == set(symptoms.SEEN)


def test_an_ordinary_search_shows_nothing() -> None:
    assert symptoms.of(case(search())) == {}


def test_memory_mapped_growing_segments_are_unmistakable_where_growing_segments_are_searched() -> None:
    setting = "config: {queryNode.mmap.growingMmapEnabled: true}\n"
    alone = symptoms.of(case(search(), facts=setting))["growing_mmap"]
    both = symptoms.of(case(search(), facts=setting + "collections: [{segments: {growing: 20}}]"))["growing_mmap"]
    assert (alone.is_unique, both.is_unique) == (False, True)
