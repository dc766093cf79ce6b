"""Etcd or object storage that is slow, as the log tells of it."""

from __future__ import annotations

from slowq.rules.storage_stall import StorageStall
from slowq.triage import diagnose
from tests.builders import case, event, fired, keys, many, measured, needs, says, search

CHECK = StorageStall().check
STALL = [event("meta_slow", at=200.0 + 5 * i, took=4.9) for i in range(4)]  # from 195.1 to 215
BESIDE = many(20, search(at=206.0, took=7.0), every=0.5)


def test_slow_requests_that_come_and_go_with_a_slow_etcd_have_it_as_their_cause() -> None:
    found = fired(CHECK(case(search(at=20.0), BESIDE, beside=STALL)))
    assert says(found) == "4 operations of the meta store took over 2 s, the longest 4.9 s."
    assert found.confidence >= 0.6
    assert [cite.line for cite in found.evidence[0].cites] == [1, 2, 3]


def test_slow_meta_operations_among_requests_that_are_always_slow_are_a_hint() -> None:
    """As on a machine that lacks cores, where etcd is slow like all the rest."""
    found = fired(CHECK(case(many(100, search(at=20.0), every=4.0), beside=STALL)))
    assert found.confidence < 0.5


def test_an_operation_that_does_not_tell_how_long_it_took_is_told_without_a_duration() -> None:
    found = fired(CHECK(case(BESIDE, beside=[event("meta_slow", at=210.0)])))
    assert says(found) == "1 operation of the meta store took over 2 s."


def test_slow_meta_operations_at_another_time_say_nothing() -> None:
    early = [event("meta_slow", at=5.0, took=3.0)]
    assert needs(CHECK(case(BESIDE, beside=early)))


def test_the_advice_is_for_the_store_that_is_slow() -> None:
    meta, storage, both = (
        fired(CHECK(case(BESIDE, facts=f"dependencies: {{state: {{{state}}}}}", version="2.4.5")))
        for state in ("meta: lagging", "object_storage: lagging", "meta: lagging, object_storage: lagging")
    )
    assert (keys(meta), meta.summary) == (["etcd_disk"], "The meta store is slow, and what needs it waits.")
    assert keys(storage) == ["repair_storage", "fewer_output_fields"]
    assert both.summary == "Object storage and the meta store are slow, and what needs them waits."


def test_a_store_that_is_told_to_be_well_is_cleared_only_by_figures() -> None:
    assert needs(CHECK(case(BESIDE, facts="dependencies: {meta: etcd, state: {meta: null}}")))
    assert fired(CHECK(case(BESIDE, facts="dependencies: {state: {meta: lagging}}"))).confidence >= 0.6


FAILED = many(5, event("meta_failed", at=200.0), every=3.0)
STRONG = many(20, search(at=206.0, took=7.0, consistency="Strong"), every=0.5)


def test_strong_reads_that_wait_while_no_timestamp_can_be_saved_have_the_meta_store_as_their_cause() -> None:
    found = diagnose(case(STRONG, beside=[FAILED, event("tsafe_lag", at=204.0)]))
    assert (found.verdict.outcome, found.verdict.sub_cause) == ("diagnosed", "storage_stall")
    assert "5 times the meta store did not save a timestamp or keep a lease." in says(found.findings[0])


def test_without_failures_of_the_meta_store_the_same_is_a_lag_of_the_stream() -> None:
    assert diagnose(case(STRONG, beside=[event("tsafe_lag", at=204.0)])).findings[0].sub_cause == "timetick_stall"


def test_reads_that_wait_for_no_time_tick_are_not_slow_by_the_meta_store() -> None:
    assert fired(CHECK(case(BESIDE, beside=[FAILED]))).confidence < 0.5


def test_who_waits_for_the_slow_store_is_told() -> None:
    slow = {"search_latency": 6.0, "meta": 0.5, "storage": 2.0, "timestamp": 0.4, "storage_queue": 12.0}
    found = fired(CHECK(case(BESIDE, metrics=measured(slow))))
    assert "A request waits 400 ms for its timestamp, and the coordinator for the meta store to save it." in says(found)
    assert "On average 12 reads of object storage wait for a thread." in says(found)
    storage_alone = fired(CHECK(case(BESIDE, metrics=measured({**slow, "meta": 0.001}))))
    assert "timestamp" not in says(storage_alone)


def test_a_store_is_slow_as_well_where_searches_queue_for_the_cores() -> None:
    slow = {"search_latency": 6.0, "meta": 0.5}
    queued, idle = (
        fired(CHECK(case(BESIDE, metrics=measured({**slow, "queue": queue_s})))).confidence for queue_s in (4.0, 0.1)
    )
    assert queued <= 0.5 * idle + 0.01


def test_a_slow_operation_that_is_nearly_all_that_was_quoted_is_to_blame() -> None:
    facts = "requests: [{kind: search, timeout: true}]"
    slow = event("meta_slow", took=5.2)
    quoted, whole = (fired(CHECK(case(beside=[slow], facts=facts, lines=lines))).confidence for lines in (2, 1000))
    assert whole < 0.5 < quoted
