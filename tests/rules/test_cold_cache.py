from slowq.rules.cold_cache import ColdCache
from tests.builders import case, cleared, fired, keys, needs, remedy, says, search

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


def test_first_searches_without_a_known_cause_are_less_sure() -> None:
    assert fired(ColdCache().check(case(search(), facts="pattern: {only_first_searches: true}"))).confidence == 0.5


def test_it_is_not_this_when_later_searches_are_as_slow() -> None:
    because = cleared(ColdCache().check(case(search(), facts="pattern: {only_first_searches: false}")))
    assert because == "later searches are as slow as the first ones"


def test_without_a_word_on_first_searches_the_rule_cannot_judge() -> None:
    assert "restarted" in needs(ColdCache().check(case(search())))[0]
