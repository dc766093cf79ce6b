import pytest

from slowq.rules.unindexed_scalar_filter import UnindexedScalarFilter
from tests.builders import case, cleared, fired, ids, keys, many, needs, remedy, says, search

FILTERED = many(10, search(60, filter='tag == "a"'), every=5)
SCHEMA = """
collections:
  - name: products
    fields:
      - {{name: id, type: INT64, primary: true}}
      - {{name: tag, type: VARCHAR, index: {tag}}}
      - {{name: price, type: FLOAT, index: {price}}}
"""


def schema(tag: str = "null", price: str = "null") -> str:
    return SCHEMA.format(tag=tag, price=price)


def test_a_filter_on_a_field_without_an_index_is_to_blame() -> None:
    incident = case(FILTERED, facts=schema(), version="2.4.5")
    found = fired(UnindexedScalarFilter().check(incident))
    assert set(found.culprits) == ids(incident)
    assert "10 of 10 slow requests filter on scalar fields (100 % of the slow time): tag == ?" in says(found) + "."
    assert "The field tag has no index." in says(found)
    assert "The field price has no index." not in says(found)
    assert found.confidence >= 0.7
    assert "field_name='tag'" in remedy(found, "inverted_index")


def test_requests_that_wait_beside_filtered_ones_are_their_victims() -> None:
    incident = case(FILTERED, many(5, search(62), every=5))
    found = fired(UnindexedScalarFilter().check(incident))
    assert set(found.victims) == ids(incident, filter="")
    assert "5 requests without a filter are slow only beside them." in says(found)


def test_the_advice_is_about_the_field_that_is_scanned() -> None:
    both = many(5, search(filter='tag == "a" and price > 3'))
    found = fired(UnindexedScalarFilter().check(case(both, facts=schema(tag="{type: INVERTED}"), version="2.5.4")))
    assert "Create an INVERTED index on price." in remedy(found, "inverted_index")
    assert "bitmap_index" not in keys(found)  # not for floats


@pytest.mark.parametrize(("version", "key"), [("2.3.5", "sort_or_trie_index"), ("2.4.5", "inverted_index")])
def test_the_index_is_one_that_the_version_has(version: str, key: str) -> None:
    assert keys(fired(UnindexedScalarFilter().check(case(FILTERED, version=version))))[0] == key


def test_an_index_that_serves_the_filter_clears_it() -> None:
    indexed = case(FILTERED, facts=schema(tag="{type: INVERTED}"), version="2.4.5")
    assert "without an index" in cleared(UnindexedScalarFilter().check(indexed))


def test_an_index_that_cannot_serve_a_computed_value_does_not() -> None:
    computed = many(5, search(filter="price * 2 > 3"))
    found = fired(UnindexedScalarFilter().check(case(computed, facts=schema(price="{type: INVERTED}"))))
    assert "plain_predicate" in keys(found)


def test_the_primary_key_needs_no_index() -> None:
    assert cleared(UnindexedScalarFilter().check(case(search(filter="id in [1, 2]"), facts=schema())))


def test_it_is_not_this_when_unfiltered_searches_apart_from_them_make_up_the_slow_time() -> None:
    mixed = case(search(60, filter="tag == 1"), many(9, search(200), every=20))
    assert fired(UnindexedScalarFilter().check(mixed)).confidence < 0.3


@pytest.mark.parametrize("text", ['meta["a"] == 1', 'title like "%a%"'])
def test_json_and_patterns_are_left_to_their_own_rules(text: str) -> None:
    assert cleared(UnindexedScalarFilter().check(case(search(filter=text))))


def test_where_the_log_shows_no_filter_the_rule_cannot_judge() -> None:
    assert "which index the filtered field has" in needs(UnindexedScalarFilter().check(case(search(filter=None))))


TWO = """
collections:
  - {name: products, fields: [{name: tag, type: VARCHAR, index: {type: INVERTED}}]}
  - {name: orders, fields: [{name: tag, type: FLOAT, index: null}]}
"""


def test_an_index_of_another_collection_serves_nobody() -> None:
    both = [many(5, search(filter="tag == 1", collection=name)) for name in ("products", "orders")]
    incident = case(*both, facts=TWO, version="2.4.5")
    found = fired(UnindexedScalarFilter().check(incident))
    assert set(found.culprits) == ids(incident, collection="orders")
    assert says(found).count("The field tag has no index.") == 1
    assert "bitmap_index" not in keys(found)  # not for floats, which it is in orders


def test_of_a_request_on_an_unknown_collection_the_only_one_is_assumed() -> None:
    known = case(many(5, search(filter='tag == "a"', collection=None)), facts=schema(tag="{type: INVERTED}"))
    assert cleared(UnindexedScalarFilter().check(known))
    two = case(many(5, search(filter='tag == "a"', collection=None)), facts=TWO)
    assert fired(UnindexedScalarFilter().check(two))


def test_an_index_that_could_not_be_built_serves_nobody() -> None:
    failed = schema(tag="{type: INVERTED, state: failed}")
    assert fired(UnindexedScalarFilter().check(case(FILTERED, facts=failed, version="2.4.5")))


@pytest.mark.parametrize(
    ("observed", "sure"), [("{scalar_filter_s: 3.2, vector_search_s: 0.02}", True), ("{cpu_share: 0.5}", False)]
)
def test_the_schema_tells_where_only_filtered_searches_are_slow_and_no_filter_is_known(
    observed: str, sure: bool
) -> None:
    facts = f"""
pattern: {{only_with_filter: true}}
observations: {observed}
collections:
  - name: products
    fields: [{{name: tag, type: VARCHAR, index: null}}, {{name: n, type: INT64, index: {{type: INVERTED}}}}]
"""
    found = fired(UnindexedScalarFilter().check(case(facts=facts)))
    assert "The field tag has no index." in says(found)
    assert (found.confidence >= 0.6, "takes 3.2 s, its vectors 20 ms" in says(found)) == (sure, sure)


def test_a_filter_that_is_told_to_take_no_time_is_not_blamed() -> None:
    told = "observations: {scalar_filter_s: 0.01, vector_search_s: 3.0}"
    filtered = many(9, search(filter="price == 10"), every=10)
    assert fired(UnindexedScalarFilter().check(case(filtered, facts=told))).confidence < 0.5


def test_that_a_described_request_filters_says_little_by_itself() -> None:
    request = "requests: [{kind: search, filter: price == 10, duration_s: 3}]"
    schema = "collections: [{name: products, fields: [{name: price, type: INT64, index: null}]}]"
    alone, timed, without = (
        fired(UnindexedScalarFilter().check(case(facts=f"{request}\n{more}"))).confidence
        for more in ("", "observations: {scalar_filter_s: 2.8}", schema)
    )
    assert alone < 0.4 < without
    assert timed >= 0.5


def test_the_time_of_the_filter_is_held_against_that_of_the_request() -> None:
    facts = "requests: [{kind: search, filter: price == 10, duration_s: 4}]\nobservations: {scalar_filter_s: 3}"
    assert "The filter of a search takes 3.0 s, 75 % of its time." in says(
        fired(UnindexedScalarFilter().check(case(facts=facts)))
    )
