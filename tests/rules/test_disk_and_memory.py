"""Rules that figures decide, of the context file or of metrics: a disk or a memory that is full."""

import pytest

from slowq.rules.disk_bound_index import DiskBoundIndex
from slowq.rules.disk_saturation import DiskSaturation
from slowq.rules.memory_pressure import MemoryPressure
from tests.builders import case, cleared, event, fired, keys, many, measured, needs, says, search

SLOW = many(10, search(60), every=5)
LISTED = many(10, search(60, params={"params": {"search_list": 200}}), every=5)
BUSY = "observations: {disk_util_share: 0.97, cpu_share: 0.2}"


def schema(index: str, more: str = "", **field: str) -> str:
    told = "".join(f", {key}: {value}" for key, value in field.items())
    vector = f"{{name: vec, type: FLOAT_VECTOR, index: {index}{told}}}"
    return f"collections: [{{name: products, rows: 2000000, fields: [{vector}]}}]\n{more}"


def disks(**share: float):
    """Metrics in which each disk is busy for a share of the time."""
    return measured({"disk_busy": {"disk": share}}, window=(0.0, 120.0))


@pytest.mark.parametrize(
    ("index", "said"),
    [("{type: DISKANN}", "DISKANN"), ("{type: AISAQ}", "AISAQ"), ("{type: HNSW, mmap: true}", "mapped")],
)
def test_an_index_on_a_busy_disk_is_bound_by_it(index: str, said: str) -> None:
    found = fired(DiskBoundIndex().check(case(SLOW, facts=schema(index, BUSY))))
    assert says(found) == (f"vec of products is searched from disk: {said}. The disk is busy for 97 % of the time.")
    assert found.confidence >= 0.7


@pytest.mark.parametrize(
    ("index", "advice"),
    [
        ("{type: DISKANN}", {"larger_cache", "smaller_search_list"}),
        ("{type: AISAQ}", {"smaller_search_list"}),
        ("{type: IVF_FLAT, mmap: true}", set()),
    ],
)
def test_node_cache_and_search_list_are_advice_for_indexes_that_have_them(index: str, advice: set[str]) -> None:
    slow = search(params={"params": {"search_list": 400}})
    found = fired(DiskBoundIndex().check(case(slow, facts=schema(index, BUSY), version="2.6.12")))
    assert {*keys(found)} & {"larger_cache", "smaller_search_list"} == advice


def test_how_busy_the_disk_is_can_be_read_from_metrics() -> None:
    facts = schema("{type: AISAQ}")
    found = fired(DiskBoundIndex().check(case(SLOW, facts=facts, metrics=disks(sda=0.1, nvme0n1=0.95))))
    assert "The busiest disk is busy for 95 % of the time." in says(found)
    assert found.confidence > fired(DiskBoundIndex().check(case(SLOW, facts=facts))).confidence
    idle = fired(DiskBoundIndex().check(case(SLOW, facts=facts, metrics=disks(sda=0.1))))
    assert idle.confidence < 0.3


def test_what_is_read_from_the_busiest_disk_is_told() -> None:
    both = {"sda": 0.1, "nvme0n1": 0.95}
    reads = measured({"disk_busy": {"disk": both}, "disk_read": {"disk": {"sda": 9e9, "nvme0n1": 250e6}}})
    found = fired(DiskSaturation().check(case(SLOW, facts="hardware: {disk: network}", metrics=reads)))
    assert "The busiest disk is busy for 95 % of the time. 250 MB a second are read from it." in says(found)


def test_search_list_beside_a_busy_disk_is_enough_without_a_context_file() -> None:
    found = fired(DiskBoundIndex().check(case(LISTED, metrics=disks(sda=0.95))))
    assert "10 slow requests carry search_list, a parameter of indexes on disk." in says(found)


def test_raw_vectors_that_are_mapped_are_searched_from_disk_where_there_is_no_index() -> None:
    found = fired(DiskBoundIndex().check(case(SLOW, facts=schema("null", BUSY, mmap="true"))))
    assert "vec of products has no index, and its raw vectors are mapped from disk." in says(found)


def test_from_2_6_raw_vectors_are_mapped_unless_told_otherwise() -> None:
    facts = schema("null", BUSY)
    found = fired(DiskBoundIndex().check(case(SLOW, facts=facts, version="2.6.0")))
    assert "its raw vectors are mapped from disk by default." in says(found)
    off = schema("null", f'{BUSY}\nconfig: {{"queryNode.mmap.vectorField": false}}')
    own = schema("null", BUSY, mmap="false")
    for text, version in ((facts, "2.5.24"), (off, "2.6.0"), (own, "2.6.0")):
        assert cleared(DiskBoundIndex().check(case(SLOW, facts=text, version=version)))
    on = schema("null", f'{BUSY}\nconfig: {{"queryNode.mmap.vectorField": true}}')
    assert "from disk." in says(fired(DiskBoundIndex().check(case(SLOW, facts=on, version="2.5.24"))))


def test_raw_vectors_beside_an_index_are_not_what_is_searched() -> None:
    facts = schema("{type: HNSW}", BUSY, mmap="true")
    assert cleared(DiskBoundIndex().check(case(SLOW, facts=facts, version="2.6.0"))) == (
        "no vector index of the context file is on disk or mapped"
    )


def test_without_the_index_or_the_disk_the_rule_cannot_judge() -> None:
    for incident in (case(SLOW), case(LISTED), case(SLOW, facts=schema("null"), version="2.6.0")):
        assert "the index type" in needs(DiskBoundIndex().check(incident))[0]


def test_a_busy_disk_that_nothing_explains_is_the_cause() -> None:
    found = fired(DiskSaturation().check(case(SLOW, facts=f"{BUSY}\nhardware: {{disk: hdd}}")))
    assert says(found) == ("The disk is busy for 97 % of the time. The CPU is at 20 %. The disk is of the kind hdd.")
    assert found.confidence >= 0.7


def test_the_busiest_disk_of_the_metrics_counts() -> None:
    found = fired(DiskSaturation().check(case(SLOW, metrics=disks(sda=0.2, sdb=0.96))))
    assert says(found) == "The busiest disk is busy for 96 % of the time."
    assert "busy for 40 %" in cleared(DiskSaturation().check(case(SLOW, metrics=disks(sda=0.4, sdb=0.4, sdc=0.4))))


def test_a_busy_disk_that_another_rule_explains_is_left_to_that() -> None:
    assert "disk_bound_index" in cleared(DiskSaturation().check(case(SLOW, facts=schema("{type: AISAQ}", BUSY))))
    costly = many(10, search(60, params={"params": {"ef": 32_000}}), every=5)
    assert "costly requests" in cleared(DiskSaturation().check(case(costly, facts=BUSY)))


def test_without_a_figure_of_the_disk_the_rule_cannot_judge() -> None:
    assert "how busy the disk is" in needs(DiskSaturation().check(case(SLOW)))[0]


GIB = 2.0**30


def containers(used: float, limit: float, **more: float):
    """Metrics of one query node's container, in GiB."""
    sizes = {"working_set": {"node": {"q1": used * GIB}}, "memory_limit": {"node": {"q1": limit * GIB}}}
    return measured({"core": {"node": {"q1": 0.1}}, **sizes, **more}, window=(0.0, 120.0))


def test_a_full_memory_is_to_blame() -> None:
    found = fired(MemoryPressure().check(case(SLOW, facts="observations: {memory_share: 0.96}", version="2.6.0")))
    assert says(found) == "Memory is 96 % full."
    assert found.confidence >= 0.5
    assert "mmap_cold_fields" in keys(found)
    facts = "observations_per_node: [{node: q1, memory_share: 0.95}, {node: q2, memory_share: 0.4}]"
    assert says(fired(MemoryPressure().check(case(SLOW, facts=facts)))) == "The memory of q1 is 95 % full."


def test_memory_is_held_against_the_limit_of_the_container() -> None:
    found = fired(MemoryPressure().check(case(SLOW, metrics=containers(30.4, 32.0))))
    assert says(found) == "The fullest container uses 95 % of its memory limit."
    assert cleared(MemoryPressure().check(case(SLOW, metrics=containers(16.0, 32.0)))) == "memory is 50 % full"


def test_one_full_node_among_others_is_seen_and_what_searches_nothing_is_not() -> None:
    used = {"q1": 31.0 * GIB, "q2": 8.0 * GIB, "etcd-0": 1.0 * GIB}
    limit = {"q1": 32.0 * GIB, "q2": 32.0 * GIB, "etcd-0": 1.0 * GIB}
    nodes = {"core": {"node": {"q1": 0.1, "q2": 0.1}}, "working_set": {"node": used}, "memory_limit": {"node": limit}}
    assert "uses 97 % of" in says(fired(MemoryPressure().check(case(SLOW, metrics=measured(nodes)))))
    idle = {**nodes, "core": {"node": {"q2": 0.1}}}
    assert cleared(MemoryPressure().check(case(SLOW, metrics=measured(idle)))) == "memory is 25 % full"


@pytest.mark.parametrize("limit", [0.0, 2.0**33])
def test_a_limit_that_is_not_set_is_unknown(limit: float) -> None:
    assert "how full" in needs(MemoryPressure().check(case(SLOW, metrics=containers(30.0, limit))))[0]


def test_the_process_is_held_against_the_memory_of_its_node_unless_it_maps_indexes() -> None:
    metrics = measured({"core": {"node": {"q1": 0.1}}, "memory": {"node": {"q1": 30.0 * GIB}}}, window=(0.0, 120.0))
    facts = "hardware: {memory_gib_per_node: 32}"
    found = fired(MemoryPressure().check(case(SLOW, facts=facts, metrics=metrics)))
    assert says(found) == "The process holds 94 % of the memory of its node."
    assert needs(MemoryPressure().check(case(SLOW, facts="hardware: {memory_gib_per_node: 64}", metrics=metrics)))
    mapped = schema("{type: HNSW, mmap: true}", facts)
    assert needs(MemoryPressure().check(case(SLOW, facts=mapped, metrics=metrics)))


def test_segments_that_are_refused_for_lack_of_memory_are_a_sign_by_themselves() -> None:
    found = fired(MemoryPressure().check(case(SLOW, beside=[many(2, event("memory", 70))])))
    assert says(found) == "2 lines say that a segment was not loaded for lack of memory."
    assert found.confidence >= 0.5


def test_a_node_that_was_killed_for_its_memory_is_a_sign() -> None:
    facts = "events: [{at: 2025-08-23T19:00:50Z, what: restart, subject: q1, detail: OOMKilled}]"
    found = fired(MemoryPressure().check(case(SLOW, beside=[event("gc_slow", 70)], facts=facts)))
    assert "1 line says that garbage collection is slow. A node was killed for its memory." in says(found)


def test_garbage_collection_that_stops_the_world_is_seen_in_the_metrics() -> None:
    found = fired(MemoryPressure().check(case(SLOW, metrics=containers(20.0, 32.0, gc=0.2))))
    assert says(found) == "Garbage collection stops the process for 20 % of the time."


def test_without_a_figure_of_memory_the_rule_cannot_judge() -> None:
    for beside in ([], [event("gc_slow", 70)]):
        assert "how full the memory" in needs(MemoryPressure().check(case(SLOW, beside=beside)))[0]


FULL = "observations: {memory_share: 0.92}"


def test_a_cache_that_drops_what_searches_fetch_again_makes_short_memory_surer() -> None:
    alone = fired(MemoryPressure().check(case(SLOW, facts=FULL)))
    dropping = measured({"cache_evicted": 60e6, "cache_misses": 50e6, "cache_evictions": 2.0, "cache_loads": 0.01})
    found = fired(MemoryPressure().check(case(SLOW, facts=FULL, metrics=dropping)))
    assert says(found) == f"{says(alone)} The cache drops 60.0 MB a second, and searches fetch 50.0."
    assert alone.confidence < found.confidence < alone.confidence + 0.1


def test_writes_that_milvus_denies_for_its_memory_are_told() -> None:
    denied = measured({"denied": {"kind": {"MemoryQuotaExhausted": 1.0, "TimeTickLongDelay": 0.0}}})
    found = fired(MemoryPressure().check(case(SLOW, facts=FULL, metrics=denied)))
    assert "Milvus denies writes because its memory quota is exhausted." in says(found)
