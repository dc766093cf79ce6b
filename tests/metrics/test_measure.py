from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from slowq.metrics.measure import increases, tracks, version_of
from slowq.metrics.raw import Family, Raw, raw

NAN = float("nan")
STEP_S = 10


def family(*rows: list[float], labels: Mapping[str, str] | None = None) -> Family:
    return Family(tuple({"instance": "a", **(labels or {})} for _ in rows), np.array(rows, dtype="float64"))


def added(row: list[float], begins: int = 0) -> list[float]:
    return [float(v) for v in increases(family(row), {"/a/": begins})[0]]


def test_a_counter_tells_what_was_added_since_its_last_sample() -> None:
    np.testing.assert_equal(added([5, 7, 7, 10]), [NAN, 2, 0, 3])


def test_after_a_restart_all_that_a_counter_shows_was_added() -> None:
    np.testing.assert_equal(added([50, 60, 4, 9]), [NAN, 10, 4, 5])


def test_what_was_added_over_a_gap_is_counted_once_where_the_gap_ends() -> None:
    np.testing.assert_equal(added([5, NAN, NAN, 11]), [NAN, NAN, NAN, 6])


def test_a_series_that_begins_while_its_target_is_scraped_counts_from_zero() -> None:
    np.testing.assert_equal(added([NAN, NAN, 3, 4]), [NAN, NAN, 3, 1])


def test_a_series_that_begins_with_its_target_has_an_unknown_past() -> None:
    np.testing.assert_equal(added([NAN, NAN, 3, 4], begins=2), [NAN, NAN, NAN, 1])


def prometheus(*series: tuple[str, Mapping[str, str], list[float]]) -> Raw:
    answer = [
        {
            "metric": {"__name__": name, "instance": "a", **labels},
            "values": [[at * STEP_S, str(v)] for at, v in enumerate(values) if v == v],
        }
        for name, labels, values in series
    ]
    return raw(answer, 0, STEP_S * (max(len(v) for _, _, v in series) - 1), STEP_S, frozenset(n for n, _, _ in series))


QUEUE = "milvus_querynode_sq_queue_latency"
SEARCH = {"query_type": "search"}
ALL = slice(None)


def test_a_histogram_in_milliseconds_is_read_in_seconds() -> None:
    found = tracks(
        prometheus(
            (QUEUE + "_sum", SEARCH, [0, 4000, 10000]),
            (QUEUE + "_count", SEARCH, [0, 2, 4]),
            (QUEUE + "_bucket", {**SEARCH, "le": "1024"}, [0, 1, 1]),
            (QUEUE + "_bucket", {**SEARCH, "le": "4096"}, [0, 2, 4]),
            (QUEUE + "_bucket", {**SEARCH, "le": "+Inf"}, [0, 2, 4]),
        )
    )["queue"]
    assert found.unit == "s"
    assert found.mean(ALL) == pytest.approx(2.5)
    assert found.rate(ALL) == pytest.approx(0.2)
    assert found.quantile(0.5, ALL) == pytest.approx(1.024 + (4.096 - 1.024) / 3)
    assert found.metric == QUEUE + '{query_type="search"}'


def test_a_quantile_in_the_last_bucket_is_the_highest_bound_and_known_to_lie_beyond_it() -> None:
    found = tracks(
        prometheus(
            (QUEUE + "_sum", SEARCH, [0, 1_000_000]),
            (QUEUE + "_count", SEARCH, [0, 10]),
            (QUEUE + "_bucket", {**SEARCH, "le": "65536"}, [0, 4]),
            (QUEUE + "_bucket", {**SEARCH, "le": "131072"}, [0, 6]),
            (QUEUE + "_bucket", {**SEARCH, "le": "+Inf"}, [0, 10]),
        )
    )["queue"]
    assert (found.quantile(0.99, ALL), found.is_beyond(0.99, ALL)) == (pytest.approx(131.072), True)
    assert (found.quantile(0.6, ALL), found.is_beyond(0.6, ALL)) == (pytest.approx(131.072), False)
    assert not found.is_beyond(0.99, np.zeros(len(found.value), dtype=bool))


def test_only_the_series_of_searches_count() -> None:
    found = tracks(
        prometheus(
            (QUEUE + "_sum", {"query_type": "query"}, [0, 4000]),
            (QUEUE + "_count", {"query_type": "query"}, [0, 2]),
        )
    )
    assert "queue" not in found


def test_nodes_add_up_and_stay_apart_as_parts() -> None:
    found = tracks(
        prometheus(
            (QUEUE + "_sum", {**SEARCH, "pod": "qn-0"}, [0, 1000]),
            (QUEUE + "_count", {**SEARCH, "pod": "qn-0"}, [0, 1]),
            (QUEUE + "_sum", {**SEARCH, "pod": "qn-1"}, [0, 9000]),
            (QUEUE + "_count", {**SEARCH, "pod": "qn-1"}, [0, 3]),
        )
    )["queue"]
    assert found.mean(ALL) == pytest.approx(2.5)
    assert {name: one.mean(ALL) for name, one in found.parts["node"].items()} == {"qn-0": 1.0, "qn-1": 3.0}


def test_of_histograms_with_different_buckets_the_common_bounds_count() -> None:
    def node(pod: str, *bounds: str) -> list[tuple[str, Mapping[str, str], list[float]]]:
        labels = {**SEARCH, "pod": pod}
        buckets = [(QUEUE + "_bucket", {**labels, "le": le}, [0.0, 4.0]) for le in (*bounds, "+Inf")]
        return [(QUEUE + "_sum", labels, [0, 4000]), (QUEUE + "_count", labels, [0, 4]), *buckets]

    found = tracks(prometheus(*node("old", "1", "1000"), *node("new", "5", "1000")))["queue"]
    assert found.bounds is not None
    assert list(found.bounds) == [1.0, float("inf")]


def test_a_gauge_of_lag_that_holds_unix_time_is_unknown() -> None:
    name = "milvus_querynode_msg_dispatcher_tt_lag_ms"
    found = tracks(
        prometheus((name, {"channel_name": "a"}, [1795236787466.0] * 2), (name, {"channel_name": "b"}, [250.0] * 2))
    )
    assert found["dispatcher_lag"].mean(ALL) == pytest.approx(0.25)


@pytest.mark.parametrize(("version", "seconds"), [((2, 3, 5), 4.0), ((2, 4, 5), 0.004), (None, 4.0)])
def test_the_unit_of_a_segment_load_depends_on_the_version(version, seconds: float) -> None:
    name = "milvus_querynode_load_segment_latency"
    found = tracks(prometheus((name + "_sum", {}, [0, 4]), (name + "_count", {}, [0, 1])), version)
    assert found["load_segment"].mean(ALL) == pytest.approx(seconds)


def test_the_version_is_what_all_processes_say() -> None:
    def said(*versions: str) -> str | None:
        return version_of(prometheus(*(("milvus_build_info", {"version": v, "pod": v}, [1, 1]) for v in versions)))

    assert said("v2.4.5") == "2.4.5"
    assert said("2.4.5", "2.4.6") is None


def test_disks_of_the_same_name_on_several_hosts_are_told_apart() -> None:
    name = "node_disk_io_time_seconds_total"
    hosts = [(name, {"instance": host, "device": "sda"}, [0.0, 4.0, 8.0]) for host in ("a", "b", "c")]
    (parts,) = tracks(prometheus(*hosts))["disk_busy"].parts.values()
    assert sorted(parts) == ["a sda", "b sda", "c sda"]
    assert [one.mean(ALL) for one in parts.values()] == [0.4, 0.4, 0.4]


def test_collections_of_the_same_name_in_several_databases_are_told_apart_where_the_metric_does() -> None:
    name, whole = "milvus_rootcoord_indexed_entity_num", {"is_vector_index": "true"}
    known = {"collection_name": "products", **whole}
    series = [(name, {"db_name": database, **known}, [5.0, 5.0]) for database in ("a", "b")]
    scalar = (name, {"db_name": "a", **known, "is_vector_index": "false"}, [9.0, 9.0])
    track = tracks(prometheus(*series, scalar))["rows_indexed"]
    assert {part: one.mean(ALL) for part, one in track.parts["collection"].items()} == {
        "a products": 5,
        "b products": 5,
    }
    assert list(tracks(prometheus((name, known, [5.0, 5.0])))["rows_indexed"].parts["collection"]) == ["products"]
