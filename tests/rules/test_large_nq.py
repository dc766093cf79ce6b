from slowq.confidence import ENOUGH
from slowq.rules.large_nq import LargeNq
from tests.builders import case, cleared, fired, ids, keys, many, needs, query, remedy, search

LARGE = search(100, 70.0, nq=16_000)
SMALL = many(10, search(60, 20.0), every=4)


def test_a_large_request_is_the_culprit_and_what_ran_beside_it_its_victim() -> None:
    incident = case(LARGE, SMALL)
    found = fired(LargeNq().check(incident))
    assert set(found.culprits) == ids(incident, nq=16_000)
    assert set(found.victims) == ids(incident, nq=1)
    assert (found.explains_share, found.confidence, found.severity) == (1.0, 0.88, "critical")
    assert found.evidence[0].says == "1 request of nq=16,000 took 1 m 10 s, but only 4.4 ms for each query vector."
    assert (found.evidence[0].value, found.evidence[0].threshold) == (16_000, 100)
    assert found.evidence[0].cites[0].line == 1
    assert found.summary == "A request of nq=16,000 holds the query node, and 10 smaller requests waited for it."


def test_the_advice_names_the_collection_and_the_field() -> None:
    found = fired(LargeNq().check(case(LARGE, version="2.4.5")))
    told = remedy(found, "smaller_batches")
    assert "at most 100 instead of 16000" in told
    assert "collection_name='products'" in told
    assert "anns_field='vec'" in told
    assert "smaller_groups" in keys(found)


def test_merging_is_no_advice_from_the_version_that_bounds_it() -> None:
    assert "smaller_groups" not in keys(fired(LargeNq().check(case(LARGE, version="2.6.18"))))


def test_small_requests_apart_from_the_large_one_are_not_explained() -> None:
    incident = case(search(100, 10.0, nq=2_000), many(9, search(300, 10.0), every=20))
    found = fired(LargeNq().check(incident))
    assert found.victims == ()
    assert round(found.explains_share, 2) == 0.1
    assert found.confidence < 0.5


def test_a_large_request_that_is_slow_for_each_vector_is_not_large_nq() -> None:
    assert "for each vector" in cleared(LargeNq().check(case(many(5, search(took=60.0, nq=200)))))


def test_small_requests_are_not_large_nq() -> None:
    assert cleared(LargeNq().check(case(SMALL))) == "no slow request carries 100 query vectors; the most is 1"


def test_nq_is_told_from_the_vector_bytes_where_it_is_not_logged() -> None:
    small, large = (search(nq=None, took=8.0, vector_bytes=size) for size in (531.0, 531_000.0))
    found = fired(LargeNq().check(case(small, large)))
    assert found.evidence[0].value == 1000


def test_without_any_nq_the_rule_cannot_judge() -> None:
    assert "number of query vectors" in needs(LargeNq().check(case(query())))[0]


def test_a_described_request_without_a_duration_is_told_as_it_is() -> None:
    found = fired(LargeNq().check(case(facts="requests: [{kind: search, nq: 10000}]")))
    assert found.evidence[0].says == "1 request carries nq=10,000."
    assert found.explains_s is None


def test_several_large_requests_are_spoken_of_as_several() -> None:
    found = fired(LargeNq().check(case(LARGE, search(101, 70.0, nq=16_000), SMALL)))
    assert found.summary == "Requests of nq=16,000 hold the query node, and 10 smaller requests waited for them."


def test_a_large_request_that_takes_less_than_a_second_holds_nobody_up() -> None:
    facts = "requests: [{{kind: search, nq: 900, duration_s: {}}}]"
    brief, long = (fired(LargeNq().check(case(facts=facts.format(took_s)))).confidence for took_s in (0.9, 9))
    assert brief < ENOUGH <= long
