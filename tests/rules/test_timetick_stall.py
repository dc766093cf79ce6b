from slowq.rules.timetick_stall import TimetickStall
from tests.builders import case, cleared, event, fired, ids, many, needs, remedy, says, search

SLOW = many(10, search(60), every=5)


def test_a_lag_that_the_log_names_is_to_blame() -> None:
    incident = case(SLOW, beside=[event("tsafe_lag", 70), event("mq_slow", 71, took=8.0)], version="2.6.1")
    found = fired(TimetickStall().check(incident))
    assert "1 line says that a wait for tSafe failed or that it lags too far behind." in says(found)
    assert "1 line says that the queue or the time tick is slow, by up to 8.0 s." in says(found)
    assert found.confidence >= 0.7
    assert (set(found.victims), found.culprits) == (ids(incident), ())
    assert "Upgrade from 2.6.1 to 2.6.15 or later." in remedy(found, "upgrade")


def test_a_queue_that_is_known_to_lag_is_to_blame() -> None:
    found = fired(TimetickStall().check(case(facts="dependencies: {state: {message_queue: lagging}}")))
    assert "The message queue is lagging." in says(found)
    assert found.confidence >= 0.7


def test_it_is_not_this_when_strong_requests_wait_for_about_a_tick() -> None:
    strong = many(10, search(60, consistency="Strong"), every=5)
    beside = [event("insert", 70)]
    assert cleared(TimetickStall().check(case(strong, beside=beside, facts="observations: {wait_tsafe_s: 0.5}")))


def test_weak_requests_that_wait_are_a_sign() -> None:
    found = fired(TimetickStall().check(case(SLOW, facts="observations: {wait_tsafe_s: 12.0}")))
    assert "Searches wait 12.0 s for tSafe." in says(found)


def test_a_few_slow_writes_prove_little() -> None:
    assert fired(TimetickStall().check(case(SLOW, beside=[event("mq_slow", 70, took=0.3)]))).confidence < 0.3


def test_a_quiet_log_clears_it() -> None:
    assert "no line says" in cleared(TimetickStall().check(case(SLOW, beside=[event("insert", 70)])))


def test_without_any_other_line_the_rule_cannot_judge() -> None:
    assert len(needs(TimetickStall().check(case(SLOW)))) == 2
