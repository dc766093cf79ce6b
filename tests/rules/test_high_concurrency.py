from slowq.findings import Finding
from slowq.rules.high_concurrency import HighConcurrency
from slowq.triage import diagnose
from tests.builders import case, cleared, event, fired, keys, many, measured, needs, remedy, says, search

CROWD = many(1200, search(60, 6.0), every=0.05)  # 20 a second, 120 at once
INDEXED = "collections: [{name: products, fields: [{name: vec, type: FLOAT_VECTOR, index: {type: HNSW}}]}]"


def test_many_small_requests_at_once_fill_the_queue() -> None:
    found = fired(HighConcurrency().check(case(CROWD, facts=INDEXED)))
    assert found.confidence >= 0.7
    assert found.explains_share == 1.0
    assert "slow requests ran at the same time" in says(found)
    assert "collection_name='products'" in remedy(found, "more_query_nodes")


def test_slow_requests_alone_do_not_tell_many_small_ones_from_many_that_are_much_work() -> None:
    assert fired(HighConcurrency().check(case(CROWD))).confidence < 0.5
    asked = diagnose(case(CROWD)).verdict.next
    assert asked is not None
    assert asked.asks == "how long searches wait in the queue, and how much work each of them is"


def test_a_full_queue_is_the_strongest_sign() -> None:
    full = many(3, event("queue_full", 70))
    alone = fired(HighConcurrency().check(case(CROWD)))
    found = fired(HighConcurrency().check(case(CROWD, beside=[full])))
    assert found.confidence > alone.confidence
    assert "3 requests found the queue of a query node full." in says(found)


LIGHT = {"search_latency": (6.0, 20.0), "queue": (5.0, 20.0), "core": (0.01, 20.0), "index_search": (0.01, 20.0)}


def measured_crowd(**more: object) -> Finding:
    return fired(HighConcurrency().check(case(CROWD, metrics=measured({**LIGHT, **more}, before={}))))


def test_more_reads_that_wait_than_run_are_told() -> None:
    short, long = measured_crowd(queued=3.0, running=8.0), measured_crowd(queued=90.0, running=8.0)
    assert "wait in the queues" not in says(short)
    assert "On average 90 reads wait in the queues of the query nodes, and 8 run." in says(long)
    assert short.confidence == long.confidence  # a queue is long whatever fills it


def test_who_never_got_a_turn_is_told() -> None:
    found = measured_crowd(expired=0.5, rejected=1 / 60, refused=2.0)
    assert "30 reads were dropped from the read queue, as the time given to a read was up." in says(found)
    assert "1 request was rejected or given up." in says(found)
    assert "120 requests were refused by a quota or a rate limit." in says(found)


def test_a_wait_for_a_thread_is_told_where_it_is_longer_than_the_work() -> None:
    assert "A call of segcore waits 400 ms for a thread; a search of a segment works 10 ms." in says(
        measured_crowd(thread_wait=(0.4, 5.0))
    )
    assert "for a thread" not in says(measured_crowd(thread_wait=(0.001, 5.0)))


def test_a_full_queue_without_slow_requests_is_told_without_a_number() -> None:
    found = fired(HighConcurrency().check(case(beside=[event("queue_full", 70)])))
    assert found.summary == "So many requests arrive that the queue of a query node is full."


def test_the_cores_of_the_context_file_are_the_measure() -> None:
    roomy = "hardware: {query_nodes: 4, cpus_per_node: 32}"
    assert "fewer than 256" in cleared(HighConcurrency().check(case(CROWD, facts=roomy)))


def test_a_few_requests_at_once_are_no_crowd() -> None:
    assert "fewer than 16" in cleared(HighConcurrency().check(case(many(5, search(), every=10))))


def test_requests_that_are_costly_by_themselves_cause_the_queue() -> None:
    costly = many(1200, search(60, 6.0, params={"topk": 5000}), every=0.05)
    assert "costly by themselves" in cleared(HighConcurrency().check(case(costly)))


def test_beside_a_build_over_all_the_slow_time_the_crowd_proves_little() -> None:
    build = [event("index_build", 40, "start", "7"), event("index_build", 130, "done", "7")]
    assert fired(HighConcurrency().check(case(CROWD, beside=build))).confidence < 0.5


def test_a_line_of_other_work_counts_less_than_work_all_the_time() -> None:
    found = fired(HighConcurrency().check(case(CROWD, beside=[event("insert", 70)], facts=INDEXED)))
    assert 0.5 < found.confidence < fired(HighConcurrency().check(case(CROWD, facts=INDEXED))).confidence


def test_what_others_observed_is_enough() -> None:
    found = fired(HighConcurrency().check(case(facts="observations: {concurrency: 400}")))
    assert "400 requests run at the same time." in says(found)


def test_without_a_number_of_requests_the_rule_cannot_judge() -> None:
    assert "how many requests arrive" in needs(HighConcurrency().check(case()))[0]


def test_advice_for_the_merge_limit_is_for_the_versions_that_have_it() -> None:
    of = {
        version: keys(fired(HighConcurrency().check(case(CROWD, version=version)))) for version in ("2.6.18", "2.6.20")
    }
    assert ["larger_groups" in one for one in of.values()] == [True, False]


def test_the_rate_of_requests_and_their_wait_in_the_queue_tell_how_many_there_are() -> None:
    facts = "observations: {qps: 3500, queue_s: 1.5}\nhardware: {query_nodes: 2, cpus_per_node: 8}"
    found = fired(HighConcurrency().check(case(facts=facts)))
    assert says(found) == "3,500 requests arrive each second, and each waits 1.5 s in the queue."
    assert found.confidence >= 0.6
    assert cleared(HighConcurrency().check(case(facts=facts.replace("3500", "3"))))


def test_a_node_that_is_set_to_read_more_at_once_holds_more() -> None:
    crowd = many(60, search(60, took=6.0), every=0.25)  # 24 at once
    cores = "hardware: {query_nodes: 1, cpus_per_node: 8}\n"
    assert fired(HighConcurrency().check(case(crowd, facts=cores)))
    four = cores + "config: {queryNode.scheduler.maxReadConcurrentRatio: 4}"
    assert "fewer than 64" in cleared(HighConcurrency().check(case(crowd, facts=four)))
