"""The metrics of each version: by what a real Milvus 2.3.5 exposed, and by the catalogue that slowq reads metrics with."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from slowq.engine import Engine
from slowq.engine.gauges import measure
from slowq.engine.metrics import Metrics
from slowq.metrics import catalogue
from tests.engine import small
from tests.servers import PROJECT

VERSIONS = ("2.3.5", "2.4.15", "2.5.16", "2.6.10")
RECORDED = PROJECT / "sample_logs" / "heavy_delete" / "prometheus_range.json.gz"
OF_ALL_PROGRAMS = ("process_", "python_")

Series = dict[str, list[dict[str, str]]]


def series(text: bytes) -> Series:
    """The labels of each series by the name of its metric; a histogram's without the bounds."""
    found: Series = defaultdict(list)
    for family in text_string_to_metric_families(text.decode()):
        if not family.name.startswith(OF_ALL_PROGRAMS):
            for sample in family.samples:
                if "le" not in sample.labels:
                    found[family.name].append(dict(sample.labels))
    return found


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Series]:
    """What an engine of each version shows after writes, reads, a flush, deletes and an index build."""
    return {version: used(tmp_path_factory.mktemp(version), version) for version in VERSIONS}


def used(folder: Path, version: str) -> Series:
    config = small.config(**{"proxy.slowQuerySpanInSeconds": 0.0})
    with Engine(folder, config, cpus=1, tick_interval_s=0.005, version=version) as engine:
        small.create(engine, index="HNSW", M="4", efConstruction="16")
        small.insert(engine, {key: (key % 3, 1) for key in range(200)})
        engine.coordinator.upkeep.flush(small.found(engine))
        small.settled(engine)
        small.upsert(engine, {7: (1, 2)})
        small.delete(engine, [1, 2])
        small.nearest(engine, small.vector_of(5, 1), 3, "group == 2")
        small.answer(engine)
        measure(engine)
        return series(engine.metrics.text())


def test_of_2_3_each_metric_has_the_labels_that_a_real_2_3_5_gave_it(exposed: dict[str, Series]) -> None:
    real: dict[str, set[frozenset[str]]] = defaultdict(set)
    for one in json.loads(gzip.decompress(RECORDED.read_bytes()))["series"]:
        labels = dict(one["metric"])
        name = labels.pop("__name__")
        labels = {key: value for key, value in labels.items() if key not in ("instance", "job", "le")}
        for ending in ("_bucket", "_sum", "_count"):
            real[name.removesuffix(ending)].add(frozenset(labels))
        real[name].add(frozenset(labels))
    ours = {name: {frozenset(one) for one in some} for name, some in exposed["2.3.5"].items()}
    # A Milvus with local disks has no object store.
    assert set(ours) - set(real) == {"milvus_storage_request_latency"}
    assert {name: labels for name, labels in ours.items() if name in real and not labels <= real[name]} == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_slowq_s_own_catalogue_knows_each_metric_in_its_version_by_its_labels(
    version: str, exposed: dict[str, Series]
) -> None:
    number = tuple(map(int, version.split(".")))
    sources = [(one, source) for one in catalogue.QUANTITIES for source in one.sources]
    for name, shown in exposed[version].items():
        of_it = [(one, source) for one, source in sources if source.metric == name]
        now = [
            (one, source)
            for one, source in of_it
            if (source.since is None or number >= source.since) and (source.before is None or number < source.before)
        ]
        assert now or not of_it, f"{version} has no {name}"
        labels = {label for one in shown for label in one}
        for _, source in now:
            assert set(source.where) <= labels, (version, source.text)


def read(version: str, exposed: dict[str, Series]) -> set[str]:
    """The quantities that slowq finds in what a version shows."""
    found = set()
    for one in catalogue.QUANTITIES:
        for source in one.sources:
            shown = exposed[version].get(source.metric, [])
            if any(all(labels.get(key) in values for key, values in source.where.items()) for labels in shown):
                found.add(one.name)
    return found


def test_what_can_be_read_of_a_search_is_what_the_version_tells_of_it(exposed: dict[str, Series]) -> None:
    every = {
        "search_latency",
        "leader",
        "wait_tsafe",
        "queue",
        "segment",
        "core",
        "index_search",
        "nq",
        "segments",
        "rows",
    }
    by_version = {version: read(version, exposed) for version in VERSIONS}
    for version, found in by_version.items():
        assert every - found == set(), version
        assert ({"scalar", "vector", "proxy_queue"} <= found) is (version != "2.3.5"), version
        assert ("parse_filter" in found) is (version in ("2.5.16", "2.6.10")), version
        assert "deletes_consumed" in found, version
        assert ("deleted" in found) is (version != "2.3.5"), version
        assert ("slow_queries" in found) is (version != "2.3.5"), version


def test_a_load_is_seconds_in_2_3_and_milliseconds_later() -> None:
    for version, shown in (
        ("2.3.5", b'milvus_querynode_load_segment_latency_sum{node_id="1"} 1.5'),
        ("2.4.15", b'milvus_querynode_load_segment_latency_sum{node_id="1"} 1500.0'),
    ):
        metrics = Metrics(version)
        metrics.observe("milvus_querynode_load_segment_latency", 1500.0)
        assert shown in metrics.text()


def test_what_differs_in_a_label_that_a_version_lacks_is_added_up() -> None:
    rows = {("db", "c", "7", "70", "Sealed", "1"): 5.0, ("db", "c", "7", "71", "Sealed", "0"): 3.0}
    by_version = {}
    for version in VERSIONS:
        metrics = Metrics(version)
        metrics.set_all("milvus_querynode_entity_num", {("db", "c", "7", "72", "Growing", "0"): 1.0})
        metrics.set_all("milvus_querynode_entity_num", rows)
        lines = metrics.text().decode().splitlines()
        by_version[version] = sorted(line for line in lines if line.startswith("milvus_querynode_entity_num{"))
    assert by_version["2.6.10"] == [
        'milvus_querynode_entity_num{collection_id="7",collection_name="c",db_name="db",node_id="1",segment_state="Sealed"} 8.0'
    ]
    assert [line.rpartition(" ")[2] for line in by_version["2.3.5"]] == ["3.0", "5.0"]
    assert all('indexed_field_count="' in line and "db_name" not in line for line in by_version["2.3.5"])
