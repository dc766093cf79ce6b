from slowq.rules.search_fanout import SearchFanout
from tests.builders import case, cleared, fired, ids, keys, many, measured, needs, remedy, says, search

HYBRID = many(6, search(60, 12.0, kind="hybrid_search", filter='["", ""]'), every=20)
PLAIN = many(6, search(400, 5.1), every=20)


def test_hybrid_searches_that_take_several_times_as_long_as_plain_ones_are_to_blame() -> None:
    incident = case(HYBRID, PLAIN, version="2.5.4")
    found = fired(SearchFanout().check(incident))
    assert set(found.culprits) == ids(incident, kind="hybrid_search")
    assert "Of 12 slow requests 6 are hybrid searches." in says(found)
    assert "Plain searches that ran apart from them took 1/2 of the time." in says(found)
    assert found.confidence >= 0.7
    assert keys(found) == ["fewer_sub_requests", "name_partitions", "clustering_key", "upgrade"]
    assert "collection_name='products'" in remedy(found, "fewer_sub_requests")


def test_plain_searches_that_are_as_slow_speak_against_it() -> None:
    as_slow = many(6, search(400, 12.0), every=20)
    assert fired(SearchFanout().check(case(HYBRID, as_slow))).confidence < 0.4


def test_a_grouping_search_is_told_its_field() -> None:
    found = fired(SearchFanout().check(case(search(params={"group_by_field": "author"}), version="2.5.4")))
    assert "Of 1 slow request 1 is a group-by search." in says(found)
    assert "group_by_field='author'" in remedy(found, "loose_groups")


def test_what_grouping_takes_is_told_where_milvus_measures_it() -> None:
    grouped = search(params={"group_by_field": "author"})
    levels = {"search_latency": 2.0, "core": (0.1, 10.0), "grouping": (0.06, 10.0)}
    found = fired(SearchFanout().check(case(grouped, version="2.5.4", metrics=measured(levels))))
    assert "Grouping takes 60 % of the work on segments." in says(found)


def test_a_radius_of_zero_is_a_range_search() -> None:
    found = fired(SearchFanout().check(case(search(params={"params": {"radius": 0}}))))
    assert "a range search" in says(found)
    assert keys(found) == ["narrow_range", "name_partitions", "clustering_key"]


def test_an_iterator_that_is_off_is_none() -> None:
    off = search(params={"iterator": "False"})
    assert "no slow request is a hybrid" in cleared(SearchFanout().check(case(off)))


def test_the_number_of_sub_requests_is_evidence() -> None:
    facts = "requests: [{kind: hybrid_search, sub_requests: 5, duration_s: 3}]"
    found = fired(SearchFanout().check(case(facts=facts)))
    assert "A hybrid search has 5 sub-requests." in says(found)
    assert found.confidence >= 0.5


def test_that_a_described_request_is_hybrid_says_less_than_that_it_is_a_range_search() -> None:
    hybrid, ranged = (
        fired(SearchFanout().check(case(facts=f"requests: [{{{asked}, duration_s: 3}}]"))).confidence
        for asked in ("kind: hybrid_search", "kind: search, search_params: {radius: 0.4}")
    )
    assert hybrid < 0.4 <= ranged


def test_what_is_slow_at_times_only_is_hardly_slow_by_its_kind() -> None:
    facts = "requests: [{kind: hybrid_search, sub_requests: 10, duration_s: 3}]"
    always = fired(SearchFanout().check(case(facts=facts)))
    at_times = fired(SearchFanout().check(case(facts=facts + "\npattern: {only_after: restart}")))
    assert at_times.confidence < 0.4 < always.confidence


def test_without_a_slow_request_the_rule_cannot_judge() -> None:
    assert needs(SearchFanout().check(case()))
