"""What metrics add to the rules: alone, beside the log, and against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from slowq.facts import Case
from slowq.findings import Finding
from slowq.measures import Metrics
from slowq.metrics import catalogue
from slowq.rules import by_id
from slowq.triage import diagnose
from tests.builders import case, cleared, event, fired, many, measured, needs, query, says, search

SLOW = many(40, search(took=6.0), every=1.0)
BUSY = {"search_latency": (6.0, 2.0), "core": (0.05, 2.0), "index_search": (0.05, 2.0), "nq": (1.0, 2.0)}


def with_metrics(during: dict[str, Any], *rows: Any, before: dict[str, Any] | None = None, **more: Any):
    return case(*rows, metrics=measured({**BUSY, **during}, before={**BUSY, **(before or {})}), **more)


def outcome(rule: str, of: Any) -> Any:
    return by_id(rule).check(of)


def confidence(rule: str, of: Any) -> float:
    return fired(outcome(rule, of)).confidence


GROWING = {"segment": {"state": {"Growing": (0.9, 2.0), "Sealed": (0.1, 2.0)}}}


def test_growing_segments_that_take_most_of_the_work_are_the_cause_without_any_log() -> None:
    found = diagnose(with_metrics(GROWING))
    assert (found.verdict.outcome, found.verdict.sub_cause) == ("diagnosed", "growing_segments")


def test_growing_segments_that_take_no_work_are_not_the_cause_whatever_is_written() -> None:
    writes = many(10, event("insert"))
    idle = {"segment": {"state": {"Growing": (0.01, 2.0), "Sealed": (0.99, 2.0)}}}
    assert confidence("growing_segments", with_metrics(idle, SLOW, beside=[writes])) < confidence(
        "growing_segments", case(SLOW, beside=[writes])
    )


def test_growing_segments_beside_which_searches_wait_for_tsafe_are_not_what_is_slow() -> None:
    """Writing makes segments grow, and Strong searches wait: the wait is what takes the time."""
    waiting = {**GROWING, "wait_tsafe": (5.8, 2.0)}
    facts = """
collections:
  - {name: products, segments: {sealed: 8, growing: 1, indexed: 8, small: 8}}
"""
    strong = many(40, search(took=6.0, consistency="Strong"), every=1.0)
    found = diagnose(with_metrics(waiting, strong, facts=facts))
    assert found.verdict.sub_cause == "consistency_wait"
    assert confidence("growing_segments", with_metrics(waiting, strong, facts=facts)) < confidence(
        "growing_segments", with_metrics(GROWING, strong, facts=facts)
    )


QUANTITIES = [one.name for one in catalogue.QUANTITIES]


@pytest.mark.parametrize(
    "still", [QUANTITIES, *(QUANTITIES[first::8] for first in range(8))], ids=lambda names: names[0]
)
def test_what_stands_still_breaks_no_rule(still: list[str]) -> None:
    """A limit that is not set is exported as zero, and a node that is not asked counts nothing."""
    levels = {name: ((0.0, 0.0) if name in still else (0.5, 2.0)) for name in QUANTITIES}
    for before in (levels, None):
        assert not diagnose(case(SLOW, metrics=measured(levels, before=before))).broken


EXPORTS = many(9, query(100.0, took=70.0, output_fields='"[id,vec]"'), every=2.0)


def test_large_answers_are_the_doing_of_those_who_ask_for_output_fields() -> None:
    small = {"sent_bytes": 4_000.0}
    found = fired(outcome("large_result", with_metrics({"sent_bytes": 4_000_000.0}, EXPORTS, SLOW, before=small)))
    assert (
        says(found)
        == "A query vector or a query gets 2,000 kB back on average, 2.0 kB before. 9 slow requests ask for output fields."
    )
    assert found.explains_share == 1.0
    assert found.culprit_rows.sum() == 9


def test_searches_that_fetch_vectors_have_large_answers_as_well() -> None:
    large = with_metrics({"sent_bytes": 4_000_000.0}, many(3, search(output_fields='["id", "vec"]')), SLOW)
    assert fired(outcome("large_result", large)).culprit_rows.sum() == 3


def test_answers_that_were_as_large_before_are_not_to_blame() -> None:
    large = {"sent_bytes": 4_000_000.0}
    assert "the answers are not large" in cleared(outcome("large_result", with_metrics(large, EXPORTS, before=large)))


def test_answers_to_many_query_vectors_are_not_large() -> None:
    batches = {"nq": (500.0, 2.0), "sent_bytes": 4_000_000.0}
    assert "the answers are not large" in cleared(outcome("large_result", with_metrics(batches, EXPORTS)))


def test_large_answers_are_named_from_metrics_alone() -> None:
    found = fired(outcome("large_result", with_metrics({"sent_bytes": 4_000_000.0})))
    assert says(found) == "A query vector or a query gets 2,000 kB back on average."


def test_a_full_cpu_that_large_answers_explain_is_no_cause() -> None:
    stretched = {"core": (0.5, 2.0), "sent_bytes": 4_000_000.0}
    assert "large answers" in cleared(
        outcome("cpu_saturation", with_metrics(stretched, EXPORTS, before={"core": (0.05, 2.0), "sent_bytes": 4e3}))
    )


def test_a_store_that_is_slow_where_the_cores_are_missing_is_a_symptom() -> None:
    slow, fast = {"meta": (0.5, 2.0)}, {"meta": (0.001, 2.0)}
    starved = {"core": (0.5, 2.0), "vector": (0.5, 2.0), "index_search": (0.5, 2.0)}
    assert confidence("storage_stall", with_metrics(slow | starved, SLOW, before=fast)) < 0.5
    assert confidence("storage_stall", with_metrics(slow, SLOW, before=fast)) > 0.6


FILTERED = many(40, search(took=6.0, filter="price == 10"), every=1.0)
COSTLY = {"core": (1.0, 2.0), "index_search": (0.1, 2.0)}


def test_a_filter_that_takes_most_of_the_work_is_surer() -> None:
    assert confidence("unindexed_scalar_filter", with_metrics(COSTLY, FILTERED)) > confidence(
        "unindexed_scalar_filter", case(FILTERED)
    )


def test_a_filter_that_costs_nothing_is_not_blamed() -> None:
    found = fired(outcome("unindexed_scalar_filter", with_metrics({}, FILTERED)))
    assert found.confidence < 0.3
    assert "Filters take 0 % of the work" in says(found)


def test_filters_are_named_from_metrics_alone_and_which_they_are_is_left_open() -> None:
    found = fired(outcome("unindexed_scalar_filter", with_metrics({"scalar": (0.9, 2.0), "vector": (0.1, 2.0)})))
    assert found.summary == "Filters take 90 % of the work on segments; the logs would tell which."


def test_a_wait_for_tsafe_is_seen_without_any_log() -> None:
    found = fired(outcome("consistency_wait", with_metrics({"wait_tsafe": (4.0, 2.0), "consume_lag": 0.3})))
    assert "for tSafe, 67 % of their time" in says(found)


def test_strong_requests_that_do_not_wait_are_not_blamed_for_waiting() -> None:
    strong = many(40, search(took=6.0, consistency="Strong"))
    assert confidence("consistency_wait", with_metrics({"wait_tsafe": (0.001, 2.0)}, strong)) < confidence(
        "consistency_wait", case(strong)
    )


def test_a_stream_that_lags_while_searches_wait_is_a_stall() -> None:
    lagging = with_metrics({"wait_tsafe": (4.0, 2.0), "consume_lag": 30.0})
    assert "lags by up to 30.0 s" in says(fired(outcome("timetick_stall", lagging)))
    idle = with_metrics({"wait_tsafe": (0.0, 2.0), "consume_lag": 30.0})
    assert cleared(outcome("timetick_stall", idle))


def test_segments_that_no_index_is_asked_for_are_scanned() -> None:
    scans = {"core": (3.0, 2.0), "index_search": (0.0, 0.0), "rows_without_index": {"collection": {"1": 2e6}}}
    found = fired(outcome("brute_force", with_metrics(scans, SLOW)))
    assert "2,000,000 rows are loaded without any index" in says(found)
    assert found.confidence >= 0.5


@pytest.mark.parametrize(("rows", "is_named"), [(40_000, False), (400_000, True)])
def test_segments_too_small_for_an_index_are_no_scan_worth_naming(rows: int, is_named: bool) -> None:
    scans = {"core": (3.0, 2.0), "index_search": (0.0, 0.0)}
    vector = "{name: vec, type: FLOAT_VECTOR, index: {type: IVF_FLAT}}"
    facts = f"collections: [{{name: products, rows: {rows}, fields: [{vector}]}}]"
    found = outcome("brute_force", with_metrics(scans, SLOW, facts=facts))
    assert isinstance(found, Finding) == is_named


def test_segments_whose_index_is_asked_are_not_scanned() -> None:
    assert needs(outcome("brute_force", with_metrics({}, SLOW)))


def test_binary_vectors_are_not_called_brute_force() -> None:
    binary = many(40, search(took=6.0, metric_type="JACCARD"))
    scans = {"core": (3.0, 2.0), "index_search": (0.0, 0.0)}
    assert confidence("binary_vector_index", with_metrics(scans, binary)) >= 0.7
    assert needs(outcome("brute_force", with_metrics(scans, binary)))


@pytest.mark.parametrize(
    ("rule", "activity"),
    [
        ("index_build", {"builds_running": {"collection": {"7": 1.0}}}),
        ("compaction", {"compaction": (4.0, 0.5)}),
        ("segment_load", {"load_segment": (4.0, 0.5)}),
    ],
)
def test_work_in_the_background_is_seen_by_what_it_does_to_the_same_search(rule: str, activity: dict[str, Any]) -> None:
    stretched = with_metrics({**activity, "core": (0.5, 2.0), "index_search": (0.5, 2.0)}, SLOW)
    found = fired(outcome(rule, stretched))
    assert "The same work took 10.0 times as long as before." in says(found)
    assert found.confidence > confidence(rule, with_metrics(activity, SLOW))


def test_a_crowd_of_small_searches_is_not_blamed_where_a_build_takes_the_machine() -> None:
    crowd = [many(20, search(at=60.0 + second, took=6.0), every=0.01) for second in range(30)]
    small = {"queue": (5.0, 2.0), "worker": (5.9, 2.0)}
    building = {**small, "builds_running": {"collection": {"7": 1.0}}}
    assert confidence("high_concurrency", with_metrics(small, *crowd)) > 0.6
    assert confidence("high_concurrency", with_metrics(building, *crowd)) < 0.5


def test_large_requests_are_seen_in_the_metrics_alone() -> None:
    found = fired(
        outcome("large_nq", with_metrics({"nq": (2000.0, 2.0), "core": (2.0, 2.0), "index_search": (2.0, 2.0)}))
    )
    assert "A search carries 2,000 query vectors on average." in says(found)


def in_sizes(counts: dict[float, float], searches: float = 1.0) -> Metrics:
    """Searches by their number of query vectors (as a bound of the histogram), a millisecond of work a vector."""
    vectors = sum(size * number for size, number in counts.items())
    made = measured(
        {
            **BUSY,
            "nq": (vectors, searches),
            "core": (vectors * 1e-3, searches),
            "index_search": (vectors * 1e-3, searches),
        }
    )
    nq = made.tracks["nq"]
    bounds = np.array([1.0, 64.0, 128.0, 4096.0, np.inf])
    each = np.array([counts.get(bound, 0.0) for bound in bounds])
    share = each / each.sum()
    with_buckets = replace(nq, bounds=bounds, buckets=(nq.count if nq.count is not None else 0.0)[:, None] * share)
    return replace(made, tracks={**made.tracks, "nq": with_buckets})


def test_a_few_batches_among_many_single_searches_are_seen_by_the_vectors_that_they_carry() -> None:
    found = fired(outcome("large_nq", case(metrics=in_sizes({1.0: 0.99, 4096.0: 0.01}))))
    assert "98 % of the query vectors come in searches of 100 or more." in says(found)
    # A bucket that may hold smaller requests counts as full of them.
    assert "on average" in cleared(outcome("large_nq", case(metrics=in_sizes({1.0: 0.9, 128.0: 0.1}))))
    assert "on average" in cleared(outcome("large_nq", case(metrics=in_sizes({1.0: 0.9999, 4096.0: 0.0001}))))


def test_cores_that_others_take_stretch_the_same_work() -> None:
    found = diagnose(with_metrics({"core": (0.5, 2.0), "index_search": (0.5, 2.0), "cpu": 0.2}, SLOW))
    (cpu,) = [one for one in found.findings if one.sub_cause == "cpu_saturation"]
    assert "A query vector takes 10 times the work that it took before" in says(cpu)


def test_a_full_cpu_is_no_cause_where_something_else_explains_it() -> None:
    assert "filters" in cleared(outcome("cpu_saturation", with_metrics({**COSTLY, "cpu": 2.0}, FILTERED)))


def test_a_slow_etcd_is_seen_by_what_it_took_before() -> None:
    found = fired(outcome("storage_stall", with_metrics({"meta": (0.8, 5.0)}, SLOW, before={"meta": (0.002, 5.0)})))
    assert "takes 800 ms, 2.0 ms before" in says(found)


def test_searches_that_are_fast_at_the_proxy_are_nothing_slow() -> None:
    quick = measured(
        {"search_latency": (0.005, 50.0), "core": (0.001, 50.0), "builds_running": {"collection": {"7": 1.0}}}
    )
    found = diagnose(case(metrics=quick))
    assert found.verdict.outcome == "nothing_slow"
    assert found.verdict.summary.startswith("Searches take 5.0 ms on average")


def test_a_client_that_waits_while_the_proxy_is_fast_looks_outside() -> None:
    quick = measured({"search_latency": (0.004, 50.0)})
    found = diagnose(case(facts="client: {p50_s: 2.0}", metrics=quick))
    assert (found.verdict.outcome, found.verdict.sub_cause) == ("diagnosed", "client_or_network")


@pytest.mark.parametrize(
    ("rule", "activity"),
    [
        ("index_build", {"build": (4.0, 0.5)}),
        ("compaction", {"compactions_running": {"kind": {"MixCompaction": 1.0}}}),
        ("segment_load", {"loads_running": {"kind": {"LoadSegment": 1.0}}}),
        ("segment_load", {"load_tasks": {"kind": {"segment_grow": 1.0}}}),
    ],
)
def test_work_in_the_background_is_seen_in_any_metric_of_it(rule: str, activity: dict[str, Any]) -> None:
    assert needs(outcome(rule, with_metrics({}, SLOW)))
    found = fired(outcome(rule, with_metrics(activity, SLOW)))
    assert "of the time" in says(found)
    none = {name: 0.0 if name != "build" else (4.0, 0.0) for name in activity}
    assert cleared(outcome(rule, with_metrics(none, SLOW)))


def test_a_compaction_that_has_not_ended_is_seen_though_none_ended() -> None:
    running = {"compaction": (4.0, 0.0), "compactions_running": {"kind": {"MixCompaction": 1.0}}}
    assert "For 100 % of the time" in says(fired(outcome("compaction", with_metrics(running, SLOW))))


def of_node(**levels: float) -> dict[str, Any]:
    return {"core": {"node": {"q1": (0.05, 2.0)}}, **{name: {"node": {"q1": level}} for name, level in levels.items()}}


def test_the_cores_that_milvus_uses_are_held_against_those_of_its_node() -> None:
    facts = "hardware: {cpus_per_node: 2}"
    found = fired(outcome("cpu_saturation", case(SLOW, metrics=measured(of_node(cpu=1.9)), facts=facts)))
    assert says(found) == "Milvus uses 95 % of the cores of its node."
    assert found.confidence < 0.5
    assert needs(outcome("cpu_saturation", case(SLOW, metrics=measured(of_node(cpu=0.9)), facts=facts)))
    assert needs(outcome("cpu_saturation", case(SLOW, metrics=measured(of_node(cpu=1.9)))))


def on_nodes(**core_s: float) -> Case:
    """Means of a segment's search by query node, and a streaming node that is told by its WAL."""
    nodes = {name: (level, 2.0) for name, level in core_s.items()}
    return case(SLOW, metrics=measured({"core": {"node": nodes}, "wal": {"node": {"streaming": (0.001, 5.0)}}}))


def test_a_node_that_takes_far_longer_than_the_others_for_a_segment_is_suspected() -> None:
    found = fired(outcome("cpu_saturation", on_nodes(q1=0.02, q2=0.025, q3=0.2)))
    assert found.subject == "q3"
    assert says(found) == "A segment takes 200 ms on q3, 9 times as long as on the other nodes."
    assert found.summary.startswith("The same work takes far longer on q3 than on the other nodes")
    assert found.confidence < 0.5  # its disk or its memory may be what is slow
    assert cleared(outcome("cpu_saturation", on_nodes(q1=0.02, q2=0.025, q3=0.05)))


def test_streaming_nodes_do_other_work_and_are_not_held_against_query_nodes() -> None:
    assert needs(outcome("cpu_saturation", on_nodes(q1=0.02, streaming=0.5)))
    assert cleared(outcome("cpu_saturation", on_nodes(q1=0.02, q2=0.02, streaming=0.5)))
