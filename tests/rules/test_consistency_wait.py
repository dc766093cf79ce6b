from slowq.rules.consistency_wait import ConsistencyWait
from tests.builders import case, cleared, event, fired, ids, many, needs, remedy, says, search

STRONG = many(10, search(60, consistency="Strong"), every=5)


def test_strong_reads_while_the_time_tick_lags_wait_for_it() -> None:
    beside = [event("mq_slow", 70, took=0.5), event("insert", 71)]
    incident = case(STRONG, search(61, consistency="Bounded", took=5.1), beside=beside)
    found = fired(ConsistencyWait().check(incident))
    assert set(found.culprits) == ids(incident, consistency="Strong")
    assert "10 of 11 slow requests ran with Strong or a fresh session guarantee" in says(found)
    assert "1 line of the same time says that the time tick or the queue lags." in says(found)
    assert found.confidence >= 0.7
    assert 'consistency_level="Bounded"' in remedy(found, "bounded")


def test_a_session_guarantee_of_now_waits_like_strong() -> None:
    fresh, old = (many(5, search(60, consistency="Session", lag=lag)) for lag in (0.1, 60.0))
    assert fired(ConsistencyWait().check(case(fresh)))
    assert cleared(ConsistencyWait().check(case(old)))


def test_parked_requests_are_the_proof() -> None:
    found = fired(ConsistencyWait().check(case(STRONG, beside=[event("tsafe_parked", 70, took=4.8)])))
    assert "Requests were parked until the node's time passed their guarantee, up to 4.8 s." in says(found)
    assert found.confidence >= 0.8


def test_a_wait_that_was_measured_is_told_as_one() -> None:
    found = fired(ConsistencyWait().check(case(facts="observations: {wait_tsafe_s: 4.5}")))
    assert found.summary.endswith("they wait 4.5 s for tSafe.")


def test_a_request_that_is_fast_at_other_times_is_a_contrast() -> None:
    facts = "requests: [{kind: search, consistency: Strong, duration_s: 4.8, fast_duration_s: 0.05}]"
    found = fired(ConsistencyWait().check(case(facts=facts)))
    assert "takes 50 ms at other times and 4.8 s here" in says(found)
    assert found.confidence >= 0.7


def test_it_is_not_this_when_strong_reads_are_few_among_the_slow() -> None:
    mixed = case(search(60, consistency="Strong"), many(9, search(200), every=20))
    assert fired(ConsistencyWait().check(mixed)).confidence < 0.3


def test_strong_alone_proves_nothing() -> None:
    assert fired(ConsistencyWait().check(case(STRONG))).confidence < 0.5


def test_weaker_levels_do_not_wait() -> None:
    assert "Strong" in cleared(ConsistencyWait().check(case(search(consistency="Eventually"))))


def test_where_no_level_is_known_the_rule_cannot_judge() -> None:
    assert "effective consistency level" in needs(ConsistencyWait().check(case(search(consistency=None))))[0]


def test_requests_that_the_context_file_describes_have_the_level_of_the_only_collection() -> None:
    facts = """
observations: {writes_per_s: 100}
collections: [{name: p, rows: 100000, consistency: Strong}]
requests: [{kind: search, nq: 1, top_k: 10, duration_s: 1.5, fast_duration_s: 0.02}]
"""
    found = fired(ConsistencyWait().check(case(facts=facts)))
    assert "1 of 1 slow request ran with Strong" in says(found)
    assert found.confidence >= 0.6
