from slowq.findings import Finding
from slowq.rules.timetick_stall import TimetickStall
from tests.builders import case, cleared, event, fired, ids, many, measured, needs, remedy, says, search

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


def test_a_consumer_to_which_nothing_comes_at_all_is_a_sign() -> None:
    silent = event("mq_slow", 70, detail="Local: Timed out")
    quiet = [event("insert", 70)] * 20
    once, twice, other = (
        fired(TimetickStall().check(case(SLOW, beside=[*beside, *quiet])))
        for beside in ([silent], [silent, silent], [event("mq_slow", 70)] * 2)
    )
    assert "not even a time tick" in says(once)
    assert "not even a time tick" not in says(other)
    assert other.confidence == once.confidence < twice.confidence


def test_a_quiet_log_clears_it() -> None:
    assert "no line says" in cleared(TimetickStall().check(case(SLOW, beside=[event("insert", 70)])))


def test_without_any_other_line_the_rule_cannot_judge() -> None:
    assert len(needs(TimetickStall().check(case(SLOW)))) == 2


WAITING = {"search_latency": 6.0, "wait_tsafe": 5.0}


def lagging(**more: object) -> Finding:
    return fired(TimetickStall().check(case(SLOW, metrics=measured({**WAITING, **more}))))


def test_whichever_gauge_shows_the_lag_is_cited() -> None:
    found = lagging(dispatcher_lag=9.0, consume_lag=0.1)
    assert says(found) == "The stream lags by up to 9.0 s, and searches wait for it."
    assert "dispatcher_tt_lag" in found.evidence[0].cites[0].metric


def test_who_is_slow_to_send_is_told_and_weighs_a_little() -> None:
    alone = lagging(consume_lag=9.0)
    slow = lagging(consume_lag=9.0, stream={"kind": {"produce": 0.8, "create_consumer": 0.1}}, wal=0.3)
    assert "Sending a message to the message queue takes 800 ms. Appending a message to the WAL takes 300 ms." in says(
        slow
    )
    assert alone.confidence < slow.confidence < alone.confidence + 0.1
    assert "Sending" not in says(lagging(consume_lag=9.0, stream={"kind": {"produce": 0.01, "create_consumer": 5.0}}))


def test_what_milvus_does_about_the_lag_is_told() -> None:
    found = lagging(consume_lag=900.0, proxy_lag=800.0, denied={"kind": {"TimeTickLongDelay": 1.0}})
    assert "The time tick is 13 m 20 s behind at the proxies already, before it is sent." in says(found)
    assert "Milvus denies writes because the time tick lags too far." in says(found)


def test_a_queue_that_is_slow_to_take_messages_is_no_stall_by_itself() -> None:
    still = case(SLOW, metrics=measured({**WAITING, "consume_lag": 0.1, "stream": {"kind": {"produce": 0.8}}}))
    assert cleared(TimetickStall().check(still))


def test_ticks_that_the_coordinator_drops_count_from_more_than_a_node_that_comes_or_goes() -> None:
    lost = event("timetick_lost", 70)
    assert cleared(TimetickStall().check(case(SLOW, beside=[lost, lost])))
    found = fired(TimetickStall().check(case(SLOW, beside=[lost] * 3)))
    assert "3 lines say that the queue or the time tick is slow, or not taken." in says(found)


def test_a_pulsar_that_turns_milvus_away_is_told_and_weighs_more_than_once() -> None:
    refused = event("mq_failed", 70, detail="server error: ProducerBlockedQuotaExceededException")
    once, twice = (
        fired(TimetickStall().check(case(SLOW, beside=[*beside, *[event("insert", 70)] * 20])))
        for beside in ([refused], [refused, refused])
    )
    assert "1 time Pulsar turned away who wanted to send or to receive." in says(once)
    assert once.confidence < twice.confidence
