import pytest

from slowq.rules.json_filter import JsonFilter
from tests.builders import case, cleared, fired, ids, keys, many, measured, needs, remedy, says, search

FILTERED = many(10, search(60, filter='meta["price"] > 3.5 and tag == "a"'), every=5)


def test_a_filter_on_a_json_path_is_to_blame() -> None:
    incident = case(FILTERED, many(4, search(62)), version="2.5.12")
    found = fired(JsonFilter().check(incident))
    assert set(found.culprits) == ids(incident) - ids(incident, filter="")
    assert "10 of 14 slow requests filter on JSON paths" in says(found)
    assert found.confidence >= 0.6
    assert found.explains_share == 1.0


def test_the_index_casts_to_the_type_of_the_value() -> None:
    found = fired(JsonFilter().check(case(FILTERED, version="2.5.12")))
    told = remedy(found, "path_index")
    assert """params={"json_path": 'meta["price"]', "json_cast_type": 'DOUBLE'}""" in told
    assert "field_name='meta'" in told


@pytest.mark.parametrize(("value", "cast"), [('"red"', "VARCHAR"), ("true", "BOOL"), ("[1, 2]", "DOUBLE")])
def test_the_cast_type_follows_the_literal(value: str, cast: str) -> None:
    operator = "in" if value.startswith("[") else "=="
    one = search(filter=f'meta["a"]["b"] {operator} {value}')
    assert f"'{cast}'" in remedy(fired(JsonFilter().check(case(one, version="2.6.1"))), "path_index")


def test_before_path_indexes_there_were_it_says_to_upgrade() -> None:
    found = fired(JsonFilter().check(case(FILTERED, version="2.3.5")))
    assert "path_index" not in keys(found)
    assert "Upgrade from 2.3.5 to at least 2.5.11" in remedy(found, "upgrade")


def test_a_path_with_an_index_of_its_own_is_not_to_blame() -> None:
    index = """{type: INVERTED, params: {json_path: "meta['price']", json_cast_type: double}}"""
    facts = f"collections: [{{name: products, fields: [{{name: meta, type: JSON, index: {index}}}]}}]"
    assert "have an index" in cleared(JsonFilter().check(case(FILTERED, facts=facts, version="2.5.12")))
    other = facts.replace("price", "colour")
    fired(JsonFilter().check(case(FILTERED, facts=other, version="2.5.12")))


def test_the_schema_is_a_hint_where_only_filtered_searches_are_slow() -> None:
    facts = (
        "pattern: {only_with_filter: true}\ncollections: [{name: p, fields: [{name: doc, type: JSON, index: null}]}]"
    )
    found = fired(JsonFilter().check(case(facts=facts)))
    assert "The field doc is JSON and has no index that is known." in says(found)


def test_it_is_not_this_when_searches_without_the_filter_are_as_slow() -> None:
    mixed = case(search(60, filter='meta["a"] == 1'), many(9, search(200), every=20))
    assert fired(JsonFilter().check(mixed)).confidence < 0.5


def test_a_plain_filter_is_not_json() -> None:
    assert cleared(JsonFilter().check(case(search(filter="a == 1")))) == "no slow request filters on a JSON path"


def test_where_the_log_shows_no_filter_the_rule_cannot_judge() -> None:
    assert needs(JsonFilter().check(case(search(filter=None))))


def test_each_path_may_have_an_index_of_its_own() -> None:
    def index(path: str) -> str:
        return f"""{{type: INVERTED, params: {{json_path: "meta['{path}']"}}}}"""

    field = f"{{name: meta, type: JSON, index: {index('a')}, more_indexes: [{index('b')}]}}"
    facts = f"collections: [{{name: products, fields: [{field}]}}]"
    served = case(many(5, search(filter='meta["b"] > 3')), facts=facts, version="2.5.12")
    assert "have an index" in cleared(JsonFilter().check(served))
    assert fired(JsonFilter().check(case(many(5, search(filter='meta["c"] > 3')), facts=facts, version="2.5.12")))


OFF, ON = "config: {common.enabledJSONShredding: false}", "config: {common.enabledJSONShredding: true}"


def test_where_json_is_shredded_by_default_a_path_says_little() -> None:
    before, since = (fired(JsonFilter().check(case(FILTERED, version=version))) for version in ("2.6.18", "2.6.19"))
    assert before.confidence >= 0.6
    assert since.confidence < 0.5
    assert "JSON shredding is on: only rare keys" in says(since)
    assert "has processed all segments" in remedy(since, "shredding")


def test_shredding_that_is_switched_off_is_told_and_to_be_switched_on() -> None:
    found = fired(JsonFilter().check(case(FILTERED, facts=OFF, version="2.6.20")))
    assert found.confidence >= 0.6
    assert "JSON shredding is switched off." in says(found)
    assert "enabledJSONShredding: true" in remedy(found, "shredding")


def test_shredding_can_be_on_before_it_is_the_default() -> None:
    assert fired(JsonFilter().check(case(FILTERED, facts=ON, version="2.6.5"))).confidence < 0.5
    too_early = fired(JsonFilter().check(case(FILTERED, facts=ON, version="2.5.12")))
    assert too_early.confidence >= 0.6
    assert "shredding" not in says(too_early)


def test_documents_that_are_parsed_in_spite_of_shredding_are_seen_in_the_metrics() -> None:
    parsed = measured({"json_filter": {"kind": {"bruteforce_latency": 2.0, "json_stats_latency": 0.1}}})
    found = fired(JsonFilter().check(case(FILTERED, version="2.6.20", metrics=parsed)))
    assert found.confidence >= 0.6
    assert "most of the time on JSON goes to parsing documents" in says(found)
    served = measured({"json_filter": {"kind": {"bruteforce_latency": 0.1, "json_stats_latency": 2.0}}})
    assert fired(JsonFilter().check(case(FILTERED, version="2.6.20", metrics=served))).confidence < 0.5


def test_the_schema_is_a_weaker_hint_where_json_is_shredded() -> None:
    facts = (
        "pattern: {only_with_filter: true}\ncollections: [{name: p, fields: [{name: doc, type: JSON, index: null}]}]"
    )
    older, newer = (fired(JsonFilter().check(case(facts=facts, version=one))) for one in ("2.6.18", "2.6.19"))
    assert newer.confidence < 0.5 < older.confidence
