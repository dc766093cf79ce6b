from slowq.rules.heavy_delete import HeavyDelete
from tests.builders import case, cleared, event, fired, ids, keys, many, measured, needs, remedy, says, search

SLOW = many(10, search(60), every=5)  # from 54 to 105 s
ALL_THE_TIME = many(6, event("delete", 54, took=25_000.0), every=10)  # one line tells of ten seconds


def test_mass_deletes_with_a_backlog_are_to_blame() -> None:
    incident = case(SLOW, beside=[ALL_THE_TIME, event("delete_backlog", 70)], version="2.4.24")
    found = fired(HeavyDelete().check(incident))
    assert "The query node took in deletes of 25,000 rows at a time." in says(found)
    assert "Once a segment had gathered so many deletes that it had to be compacted." in says(found)
    assert found.confidence >= 0.7
    assert (set(found.victims), found.culprits) == (ids(incident), ())
    assert "Compact products off peak" in remedy(found, "compact")
    assert "l0_limit" in keys(found)


def test_a_backlog_that_comes_again_is_counted() -> None:
    backlog = many(3, event("delete_backlog"))
    assert "3 times a segment" in says(fired(HeavyDelete().check(case(SLOW, beside=[ALL_THE_TIME, backlog]))))


def test_the_rate_of_the_context_file_is_enough() -> None:
    found = fired(HeavyDelete().check(case(facts="observations: {deletes_per_s: 5000}")))
    assert "5,000 rows are deleted each second." in says(found)
    assert found.confidence >= 0.6


def test_the_limit_of_a_delete_backlog_is_for_versions_that_have_it() -> None:
    for version in ("2.3.5", "2.6.16"):
        found = fired(HeavyDelete().check(case(SLOW, beside=[ALL_THE_TIME, event("delete_backlog")], version=version)))
        assert "l0_limit" not in keys(found)


def test_few_deletes_are_not_to_blame() -> None:
    assert "few rows were deleted" in cleared(HeavyDelete().check(case(SLOW, beside=[event("delete", took=10.0)])))


def test_it_is_not_this_when_rows_are_only_inserted() -> None:
    assert needs(HeavyDelete().check(case(SLOW, beside=[event("insert", took=5000.0)])))


def test_costly_requests_speak_against_it() -> None:
    costly = many(10, search(60, params={"topk": 5000}), every=5)
    beside = [ALL_THE_TIME, event("delete_backlog", 70)]
    one, other = (fired(HeavyDelete().check(case(rows, beside=beside))).confidence for rows in (SLOW, costly))
    assert other < one


SPIKE = many(5, search(100, took=6.0), every=1)  # from 94 to 104 s
DURING = event("delete", 95, took=25_000.0)


def test_what_it_explains_is_the_slow_time_beside_the_deletes_that_is_slower_than_the_rest() -> None:
    usual = many(10, search(20, took=5.0), every=7)  # until 83 s
    found = fired(HeavyDelete().check(case(usual, SPIKE, beside=[DURING])))
    assert (found.explains_s, found.explains_share) == (30.0, 30 / 80)
    assert "38 % of the slow time lies beside them, and is slower or denser than the rest." in says(found)


def test_requests_that_are_no_slower_beside_the_deletes_are_not_explained_by_them() -> None:
    as_ever = many(20, search(20, took=6.0), every=7)
    assert "no request was slower" in cleared(HeavyDelete().check(case(as_ever, beside=[DURING])))


def test_requests_are_held_against_those_of_their_own_pattern() -> None:
    usual = many(10, search(20, took=9.0, filter="a > 1"), every=7)
    known = many(3, search(30, took=5.0), every=20)
    found = fired(HeavyDelete().check(case(usual, known, SPIKE, beside=[DURING])))
    assert found.explains_s == 30.0


def test_many_slow_requests_beside_deletes_are_explained_though_a_straggler_elsewhere_took_longer() -> None:
    straggler = search(40, took=20.0)
    found = fired(HeavyDelete().check(case(straggler, SPIKE, beside=[DURING])))
    assert found.explains_s == 30.0


def test_deletes_that_metrics_count_have_their_time_too() -> None:
    usual = many(10, search(-60, took=5.0), every=7)
    metrics = measured({"upserted": 2500.0}, {"upserted": 0.0}, window=(90.0, 110.0))
    found = fired(HeavyDelete().check(case(usual, SPIKE, metrics=metrics)))
    assert found.explains_s == 30.0


def test_what_the_context_file_tells_is_told_of_all_the_time() -> None:
    found = fired(HeavyDelete().check(case(SLOW, facts="observations: {deletes_per_s: 5000}")))
    assert found.explains_share == 1.0


def test_deletes_that_wait_for_compaction_make_it_surer() -> None:
    slow = many(20, search(10, took=5.0), every=2)
    rates = {"deleted": 2500.0, "rows": 100_000.0}
    some = fired(HeavyDelete().check(case(slow, metrics=measured({**rates, "delete_backlog": 19_000.0}))))
    many_more = fired(HeavyDelete().check(case(slow, metrics=measured({**rates, "delete_backlog": 90_000.0}))))
    assert (some.confidence, many_more.confidence) == (0.36, 0.55)
    assert "wait to be compacted" not in says(some)
    assert "90,000 deletes wait to be compacted, beside 100,000 rows that are loaded." in says(many_more)


def test_deletes_are_counted_by_the_data_nodes_where_the_proxy_does_not_and_never_twice() -> None:
    usual = many(10, search(-60, took=5.0), every=7)
    rates, before = {"deletes_consumed": 2500.0}, {"deletes_consumed": 0.0}
    found = fired(HeavyDelete().check(case(usual, SPIKE, metrics=measured(rates, before, window=(90.0, 110.0)))))
    assert found.explains_s == 30.0
    assert "2,500 rows are deleted or replaced each second." in says(found)
    rates, before = {"deleted": 2500.0, **rates}, {"deleted": 0.0, **before}
    both = fired(HeavyDelete().check(case(usual, SPIKE, metrics=measured(rates, before, window=(90.0, 110.0)))))
    assert says(both).count("2,500 rows are") == 1
    few = {"deleted": 600.0, "deletes_consumed": 600.0}
    assert "few rows were deleted" in cleared(HeavyDelete().check(case(SLOW, metrics=measured(few))))


def test_l0_segments_that_hold_more_than_a_compaction_takes_make_it_surer() -> None:
    slow = many(20, search(10, took=5.0), every=2)
    few, much = (
        fired(HeavyDelete().check(case(slow, metrics=measured({"deleted": 2500.0, "level_zero": size * 2.0**20}))))
        for size in (60.0, 300.0)
    )
    assert "L0" not in says(few)
    assert "The L0 segments of a channel hold 300 MiB of deletes." in says(much)
    assert much.confidence > few.confidence


def test_query_nodes_that_do_not_keep_up_with_deletes_are_told() -> None:
    slow = many(20, search(10, took=5.0), every=2)
    fast = {"deleted": 2500.0, "apply_writes": {"kind": {"delete": 0.01, "insert": 0.9}}, "pending_messages": 0.2}
    late = {"apply_writes": {"kind": {"delete": 0.7}}, "pending_messages": {"kind": {"delete": 40.0}}}
    usual = fired(HeavyDelete().check(case(slow, metrics=measured(fast))))
    found = fired(HeavyDelete().check(case(slow, metrics=measured({**fast, **late}))))
    assert "apply" not in says(usual)
    assert "A query node takes 700 ms to apply the deletes of one message." in says(found)
    assert "On average 40 messages of deletes wait for the query nodes to apply them." in says(found)
    assert usual.confidence == found.confidence
