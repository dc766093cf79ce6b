import pytest

from slowq.rules.large_result import LargeResult
from tests.builders import case, cleared, fired, ids, keys, many, needs, query, remedy, says, search

LARGE = many(6, search(params={"topk": 16_384}), every=10)


def test_a_large_top_k_is_the_culprit() -> None:
    incident = case(LARGE, version="2.3.5")
    found = fired(LargeResult().check(incident))
    assert set(found.culprits) == ids(incident)
    assert says(found) == "6 slow searches ask for a top-k of 16,384 (100 % of the slow time)."
    assert (found.explains_share, found.confidence > 0.7) == (1.0, True)
    assert "instead of 16384" in remedy(found, "lower_limit")
    assert "limit=100" in remedy(found, "lower_limit")
    assert keys(found) == ["lower_limit", "fewer_output_fields", "upgrade"]
    assert remedy(found, "upgrade") == "Upgrade from 2.3.5 to 2.6.18 or later.\n"


def test_one_search_asks_and_does_not_ask_twice() -> None:
    assert "1 slow search asks for" in says(fired(LargeResult().check(case(search(params={"topk": 2000})))))


def test_a_second_query_for_the_output_fields_is_to_blame() -> None:
    found = fired(LargeResult().check(case(many(5, search(requery=5.0), every=10), version="2.6.12")))
    assert "5 searches spent 5.0 s on a second query for their output fields." in says(found)
    assert keys(found) == ["fewer_output_fields", "warm_vectors", "upgrade"]


def test_a_short_second_query_is_not() -> None:
    assert "none spent long" in cleared(LargeResult().check(case(search(requery=0.5))))


def test_it_is_not_the_result_where_small_results_are_as_slow_apart_from_large_ones() -> None:
    mixed = case(search(60, params={"topk": 2000}), many(9, search(200), every=20))
    assert fired(LargeResult().check(mixed)).confidence < 0.4


def test_rows_returned_are_told_by_the_context_file() -> None:
    found = fired(LargeResult().check(case(facts="requests: [{kind: query, rows_returned: 20000, duration_s: 9}]")))
    assert "A request returns 20,000 rows." in says(found)
    assert "lower_limit" not in keys(found)  # its top-k is not known


def test_queries_alone_do_not_show_their_limit() -> None:
    assert "no slow search asks for 1,000 rows" in cleared(LargeResult().check(case(query())))


def test_without_a_slow_request_the_rule_cannot_judge() -> None:
    assert "top-k and output fields" in needs(LargeResult().check(case()))[0]


@pytest.mark.parametrize("param", ["iterator: true", "radius: 0.4"])
def test_a_limit_that_is_told_of_an_iterator_or_a_range_search_is_not_what_each_call_brings(param: str) -> None:
    facts = "requests: [{kind: search, top_k: 10000, search_params: {ef: 64}, duration_s: 9}]"
    assert fired(LargeResult().check(case(facts=facts)))
    assert cleared(LargeResult().check(case(facts=facts.replace("ef: 64", param))))


def test_the_rows_that_an_iterator_brings_in_all_are_not_those_of_a_call() -> None:
    facts = (
        "requests: [{kind: search, top_k: 10, rows_returned: 20000, search_params: {iterator: true}, duration_s: 9}]"
    )
    assert cleared(LargeResult().check(case(facts=facts)))
