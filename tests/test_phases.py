from __future__ import annotations

import pytest

from slowq import phases
from tests.builders import case, in_buckets, measured, search


def shares(**during) -> dict[str, float]:
    return {one.name: round(one.share, 2) for one in phases.of(case(search(), metrics=measured(during)))}


def test_without_metrics_no_phase_is_known() -> None:
    assert phases.of(case(search())) == ()


def test_without_searches_no_phase_is_known() -> None:
    assert phases.of(case(search(), metrics=measured({"cpu": 1.0}))) == ()


def test_phases_are_shares_of_the_latency_and_other_is_the_rest() -> None:
    found = shares(search_latency=1.0, wait_tsafe=0.5, queue=0.2, reduce_segments=0.05, proxy_reduce=0.05)
    assert found == {"queue": 0.2, "wait_tsafe": 0.5, "reduce": 0.05, "proxy_reduce": 0.05, "other": 0.2}


def test_the_filter_and_the_vector_search_share_what_a_segment_takes() -> None:
    found = shares(search_latency=1.0, core=0.8, scalar=0.6, vector=0.2)
    assert (found["scalar_filter"], found["vector_search"]) == (0.6, 0.2)


def test_where_the_filter_has_no_metric_it_is_what_segcore_takes_longer_than_the_index() -> None:
    of = case(search(filter="a == 1"), metrics=measured({"search_latency": 1.0, "core": 0.8, "index_search": 0.2}))
    (found,) = [one for one in phases.of(of) if one.name == "scalar_filter"]
    assert found.share == pytest.approx(0.6)
    assert found.derived


def test_without_any_filter_in_the_log_nothing_is_put_down_to_filters() -> None:
    found = shares(search_latency=1.0, core=0.8, index_search=0.2)
    assert (found["scalar_filter"], found["vector_search"]) == (0, 0.8)


def test_where_few_segments_have_an_index_the_filter_is_unknown() -> None:
    of = case(
        search(filter="a == 1"),
        metrics=measured({"search_latency": 1.0, "core": (0.8, 10.0), "index_search": (0.2, 0.5)}),
    )
    assert "scalar_filter" not in [one.name for one in phases.of(of)]


def test_growing_segments_are_told_from_sealed_ones() -> None:
    found = shares(search_latency=1.0, core=0.8, segment={"state": {"Growing": 0.6, "Sealed": 0.2}})
    assert (found["vector_search_growing"], found["vector_search_sealed"]) == (0.6, 0.2)


def test_what_passes_on_the_query_node_while_nothing_runs_is_waiting() -> None:
    found = {
        one.name: one
        for one in phases.of(
            case(search(), metrics=measured({"search_latency": 1.0, "worker": 0.9, "queue": 0.1, "core": 0.2}))
        )
    }
    assert found["queue"].mean_s == pytest.approx(0.7)
    assert found["queue"].derived


def test_more_segments_than_cores_take_turns() -> None:
    found = {
        one.name: one
        for one in phases.of(
            case(
                search(),
                metrics=measured({"search_latency": 1.0, "core": (0.1, 8.0), "group_nq": (1.0, 1.0), "cpu": 2.0}),
            )
        )
    }
    assert found["vector_search"].mean_s == pytest.approx(0.4)


def test_the_baseline_stands_beside_each_phase() -> None:
    of = case(
        search(), metrics=measured({"search_latency": 1.0, "queue": 0.5}, before={"search_latency": 0.1, "queue": 0.01})
    )
    assert {one.name: one.baseline_mean_s for one in phases.of(of)}["queue"] == pytest.approx(0.01)


COLLECTIONS = {"collection": {"products": (3.0, 1.0), "orders": (0.5, 2.0)}}


def test_whole_searches_are_told_by_collection_and_the_one_that_takes_most_time_comes_first() -> None:
    before = {"collection_latency": {"collection": {"products": (0.1, 1.0)}}}
    of = case(search(), metrics=measured({"search_latency": 1.0, "collection_latency": COLLECTIONS}, before))
    products, orders = phases.by_collection(of)
    assert (products.collection, products.searches, products.mean_s) == ("products", 60, pytest.approx(3.0))
    assert (products.share, orders.share) == (pytest.approx(0.75), pytest.approx(0.25))
    assert (products.baseline_mean_s, orders.baseline_mean_s) == (pytest.approx(0.1), None)
    assert products.p99_s is None  # the test has no buckets


def test_without_such_a_metric_no_collection_is_told() -> None:
    assert phases.by_collection(case(search())) == ()
    assert phases.by_collection(case(search(), metrics=measured({"search_latency": 1.0}))) == ()


def test_a_phase_is_told_by_collection_where_its_metric_names_it() -> None:
    metrics = measured({"search_latency": 1.0, "requery": COLLECTIONS, "queue": 0.2})
    found = {one.name: dict(one.by_collection) for one in phases.of(case(search(), metrics=metrics))}
    assert found["requery"] == {"products": pytest.approx(3.0), "orders": pytest.approx(0.5)}
    assert found["queue"] == {}


def test_a_p99_above_all_bounds_says_that_it_is_more() -> None:
    metrics = in_buckets(
        measured({"search_latency": 1.0, "queue": 0.5, "collection_latency": COLLECTIONS}), "queue", 1, 1
    )
    of = case(search(), metrics=in_buckets(metrics, "collection_latency", 100, 0))
    (queue,) = [one for one in phases.of(of) if one.name == "queue"]
    assert (queue.p99_s, queue.p99_at_least) == (1.0, True)
    assert [(one.p99_s, one.p99_at_least) for one in phases.by_collection(of)] == [(pytest.approx(0.99), False)] * 2


def test_without_buckets_neither_the_p99_nor_whether_it_is_more_is_known() -> None:
    (queue, _) = phases.of(case(search(), metrics=measured({"search_latency": 1.0, "queue": 0.5})))
    assert (queue.p99_s, queue.p99_at_least) == (None, None)
