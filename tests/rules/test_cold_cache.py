from slowq.confidence import ENOUGH
from slowq.rules.cold_cache import ColdCache
from tests.builders import BEGIN, case, cleared, event, fired, keys, many, measured, needs, remedy, says, search

AFTER = "pattern: {only_first_searches: true, only_after: restart}\nevents: [{what: restart, subject: querynode-1}]"


def test_first_searches_after_a_restart_page_the_index_in() -> None:
    found = fired(ColdCache().check(case(search(), facts=AFTER, version="2.6.12")))
    assert says(found) == "Only the first searches are slow. Before them there was a restart."
    assert found.confidence == 0.8
    assert "Send typical searches to products" in remedy(found, "warm_up_requests")
    assert keys(found) == ["warm_up_requests", "warmup_collection", "warmup_26", "no_mmap_for_hot", "replica"]


def test_the_advice_is_for_the_version() -> None:
    found = fired(ColdCache().check(case(search(), facts=AFTER, version="2.3.12")))
    assert keys(found) == ["warm_up_requests", "warmup_25", "replica"]


def test_first_searches_without_a_known_cause_do_not_decide() -> None:
    first = "pattern: {only_first_searches: true}\n"
    assert fired(ColdCache().check(case(search(), facts=first))).confidence < ENOUGH
    found = fired(ColdCache().check(case(search(), facts=first + MAPPED)))
    assert found.confidence >= ENOUGH
    assert "is searched from disk: mapped" in says(found)


def test_it_is_not_this_when_later_searches_are_as_slow() -> None:
    because = cleared(ColdCache().check(case(search(), facts="pattern: {only_first_searches: false}")))
    assert because == "later searches are as slow as the first ones"


def test_without_a_word_on_first_searches_the_rule_cannot_judge() -> None:
    assert "restarted" in needs(ColdCache().check(case(search())))[0]


LOADED = event("load", at=-60.0, state="done", subject="449")
MAPPED = """\
collections: [{name: products, fields: [{name: vec, type: FLOAT_VECTOR, index: {type: IVF_FLAT, mmap: true}}]}]
"""


def test_slow_searches_that_come_only_first_after_a_load_are_seen_in_log_and_metrics() -> None:
    seconds = measured({"search_latency": 0.05}, before={"search_latency": 2.0}, window=(0.0, 180.0))
    first = many(4, search(at=-55.0, took=3.0))
    found = fired(ColdCache().check(case(first, beside=[LOADED], metrics=seconds, facts=MAPPED)))
    assert says(found) == (
        "1 load has ended before slow requests. "
        "100 % of the slow time lies in the first third of the time of searches after a load. "
        "Searches took 32.6 times as long there as later. "
        "vec of products is searched from disk: mapped."
    )
    assert found.explains_share == 1.0


def test_fast_requests_of_the_log_tell_that_searches_went_on() -> None:
    fast = many(60, search(at=0.0, took=0.01, slow=False))
    loads = [LOADED, event("load", at=30.0, state="done", subject="449")]
    slow = [search(at=-50.0, took=3.0), search(at=-48.0, took=3.0), search(at=34.0, took=3.0)]
    more = many(100, search(at=-40.0, took=0.01, slow=False), every=0.4)
    found = fired(ColdCache().check(case(slow, fast, more, beside=loads)))
    assert says(found) == (
        "2 loads have ended before slow requests. "
        "100 % of the slow time lies in the first third of the time of searches after a load."
    )


def test_it_is_not_this_when_requests_stay_slow_after_the_load() -> None:
    seconds = measured({"search_latency": 2.0}, before={"search_latency": 2.0}, window=(0.0, 180.0))
    slow = many(20, search(at=-50.0, took=3.0), every=10.0)
    because = cleared(ColdCache().check(case(slow, beside=[LOADED], metrics=seconds)))
    assert because == "65 % of the slow time is no first search after a load"


def test_it_is_not_this_when_requests_were_slow_before_any_load() -> None:
    seconds = measured({"search_latency": 2.0}, before={"search_latency": 2.0}, window=(0.0, 180.0))
    because = cleared(ColdCache().check(case(search(at=-70.0), beside=[LOADED], metrics=seconds)))
    assert because == "100 % of the slow time is no first search after a load"


def test_where_only_slow_searches_are_known_the_rule_cannot_judge() -> None:
    assert needs(ColdCache().check(case(many(4, search(at=-55.0, took=3.0)), beside=[LOADED])))


def test_it_is_not_this_when_the_metrics_show_that_later_searches_take_as_long() -> None:
    seconds = measured({"search_latency": 2.0}, before={"search_latency": 2.0}, window=(0.0, 180.0))
    because = cleared(ColdCache().check(case(many(4, search(at=-55.0, took=3.0)), beside=[LOADED], metrics=seconds)))
    assert because == "searches take hardly longer after a load than later"


COOLS = {"before": {"search_latency": 2.0}, "window": (0.0, 180.0)}
FIRST = many(4, search(at=-55.0, took=3.0))


def restarted(at: str, subject: str = "querynode-1") -> str:
    return f"events: [{{at: {at}, what: restart, subject: {subject}}}]"


def test_a_restart_that_the_context_file_tells_counts_as_a_line_of_the_log_does() -> None:
    seconds = measured({"search_latency": 0.05}, **COOLS)
    for at in ("2025-08-23T18:59:00Z", "2025-08-23T18:59:00", "2025-08-23T20:59:00+02:00"):
        found = fired(ColdCache().check(case(FIRST, metrics=seconds, facts=restarted(at))))
        assert says(found).startswith("There was a restart at 2025-08-23T18:59:00")
        assert "100 % of the slow time lies in the first third" in says(found)


def test_a_restart_of_what_milvus_depends_on_empties_no_cache() -> None:
    seconds = measured({"search_latency": 0.05}, **COOLS)
    assert needs(ColdCache().check(case(FIRST, metrics=seconds, facts=restarted("2025-08-23T18:59:00Z", "pulsar-0"))))


def test_a_restart_without_anything_about_later_searches_asks_for_that_alone() -> None:
    fast = search(at=-100.0, took=0.01, slow=False)
    (asked,) = needs(ColdCache().check(case(FIRST, beside=[event("load", at=-60.0, state="done")])))
    assert asked == "whether only the first searches are slow"
    (asked,) = needs(ColdCache().check(case(FIRST, fast)))
    assert asked == "when nodes were restarted or collections loaded"


def test_a_restart_of_another_day_tells_nothing() -> None:
    seconds = measured({"search_latency": 0.05}, **COOLS)
    for at in ("2025-08-22T18:59:00Z", "2025-08-23"):
        assert needs(ColdCache().check(case(FIRST, metrics=seconds, facts=restarted(at))))


def started(node: str, at: float, **more: object) -> object:
    when = BEGIN.timestamp() + at
    return measured(
        {"search_latency": 0.05, "core": {"node": {"q1": 0.05}}, "started": {"node": {node: when}}}, **COOLS
    )


def test_a_query_node_that_the_metrics_show_started_counts_too() -> None:
    found = fired(ColdCache().check(case(FIRST, metrics=started("q1", -60.0))))
    assert "A query node was started in the time of the metrics." in says(found)


def test_the_start_of_something_else_or_long_ago_is_none() -> None:
    for metrics in (started("prometheus", -60.0), started("q1", -3600.0)):
        assert "restarted" in needs(ColdCache().check(case(FIRST, metrics=metrics)))[0]


def test_what_searches_fetch_into_the_cache_makes_it_surer_and_is_a_sign_without_a_load() -> None:
    cold = {"cache_misses": 50e6, "cache_loads": 2.0}
    metrics = measured(
        {"search_latency": 0.05, **cold}, {"search_latency": 2.0, "cache_misses": 0.0, "cache_loads": 0.1}
    )
    found = fired(ColdCache().check(case(search(at=30.0), metrics=metrics)))
    assert says(found) == (
        "Searches fetch 50.0 MB a second into the cache, and before it was 0.0. "
        "Searches fetch 2.0 segments a second into the cache, and before it was 0.1."
    )
    assert found.confidence == 0.51


def test_what_fetching_costs_is_told_beside_it() -> None:
    tiered = {"search_latency": 2.0, "cache_misses": 50e6, "cache_evicted": 40e6, "cache_load": 0.08, "cache_wait": 0.9}
    metrics = measured(tiered, {"search_latency": 2.0, "cache_misses": 0.0, "cache_load": 0.08, "cache_wait": 0.9})
    assert says(fired(ColdCache().check(case(search(at=30.0), metrics=metrics)))) == (
        "Searches fetch 50.0 MB a second into the cache, and before it was 0.0. "
        "It drops 40.0 MB a second for that, which searches may have to fetch again. "
        "Fetching takes 80 ms each time. "
        "A search waits 900 ms for its segments to be fetched, all of them together."
    )


def test_a_cache_that_always_misses_is_not_cold() -> None:
    metrics = measured({"cache_misses": 50e6}, {"cache_misses": 40e6})
    assert needs(ColdCache().check(case(search(at=30.0), metrics=metrics)))
    few = measured({"cache_misses": 1e6}, {"cache_misses": 0.0})
    assert needs(ColdCache().check(case(search(at=30.0), metrics=few)))
