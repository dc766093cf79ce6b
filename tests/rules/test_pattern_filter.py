import pytest

from slowq.rules.pattern_filter import PatternFilter
from tests.builders import case, cleared, fired, ids, keys, many, measured, needs, remedy, says, search

INFIX = many(10, search(60, filter='title like "%cat%"'), every=5)
PREFIX = many(10, search(60, filter='title like "cat%"'), every=5)
TEXT = many(10, search(60, filter='text_match(title, "cat")'), every=5)


def test_an_infix_pattern_is_to_blame() -> None:
    incident = case(INFIX, version="2.6.1")
    found = fired(PatternFilter().check(incident))
    assert set(found.culprits) == ids(incident)
    assert "10 of 10 slow requests filter with LIKE or text predicates" in says(found)
    assert found.confidence >= 0.6
    assert keys(found) == ["ngram_index", "prefix_pattern", "text_match", "upgrade"]
    assert "field_name='title'" in remedy(found, "ngram_index")
    assert """filter='title like "text%"'""" in remedy(found, "prefix_pattern")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.3.5", ["upgrade"]),
        ("2.4.5", ["inverted_dictionary", "upgrade"]),
        ("2.5.12", ["inverted_for_prefix", "upgrade"]),
        ("2.6.20", ["ngram_index"]),
    ],
)
def test_the_advice_for_a_prefix_depends_on_the_version(version: str, expected: list[str]) -> None:
    assert keys(fired(PatternFilter().check(case(PREFIX, version=version)))) == expected


def test_a_field_with_an_ngram_index_is_not_to_blame() -> None:
    facts = "collections: [{name: products, fields: [{name: title, type: VARCHAR, index: {type: NGRAM}}]}]"
    assert "have an index that serves them" in cleared(PatternFilter().check(case(INFIX, facts=facts, version="2.6.1")))


def test_an_index_that_only_serves_prefixes_does_not_help_an_infix() -> None:
    facts = "collections: [{name: products, fields: [{name: title, type: VARCHAR, index: {type: INVERTED}}]}]"
    fired(PatternFilter().check(case(INFIX, facts=facts, version="2.6.1")))
    assert cleared(PatternFilter().check(case(PREFIX, facts=facts, version="2.6.1")))


def test_an_index_of_which_the_version_is_not_known_is_no_excuse_where_the_filter_takes_the_time() -> None:
    facts = "collections: [{name: products, fields: [{name: title, type: VARCHAR, index: {type: INVERTED}}]}]\n"
    assert cleared(PatternFilter().check(case(INFIX, facts=facts)))
    fired(PatternFilter().check(case(INFIX, facts=facts + "pattern: {only_with_filter: true}")))


def test_it_is_not_this_when_searches_without_the_pattern_are_as_slow() -> None:
    mixed = case(INFIX[0], many(9, search(200), every=20))
    assert fired(PatternFilter().check(mixed)).confidence < 0.5


def test_a_pattern_on_a_json_path_is_left_to_json_filter() -> None:
    assert cleared(PatternFilter().check(case(search(filter='meta["a"] like "%b%"'))))


def test_an_equality_is_no_pattern() -> None:
    assert "LIKE" in cleared(PatternFilter().check(case(search(filter='title == "cat"'))))


def test_where_the_log_shows_no_filter_the_rule_cannot_judge() -> None:
    assert needs(PatternFilter().check(case(search(filter=None))))


@pytest.mark.parametrize("version", ["2.6.19", "2.6.20", None])
def test_text_match_has_a_text_index_and_is_not_to_blame(version: str | None) -> None:
    assert "have an index that serves them" in cleared(PatternFilter().check(case(TEXT, version=version)))


def test_text_match_is_slow_where_compacted_segments_lack_the_text_index() -> None:
    found = fired(PatternFilter().check(case(TEXT, version="2.6.18")))
    assert "compacted segments lack their text index" in says(found)
    assert keys(found) == ["upgrade"]
    assert found.confidence < fired(PatternFilter().check(case(INFIX, version="2.6.18"))).confidence


def test_text_match_is_to_blame_where_the_filter_is_seen_to_take_the_time() -> None:
    told = fired(PatternFilter().check(case(TEXT, facts="pattern: {only_with_filter: true}", version="2.6.20")))
    metrics = measured({"search_latency": 6.0, "scalar": 5.0, "vector": 0.5, "core": 5.5})
    seen = fired(PatternFilter().check(case(TEXT, version="2.6.20", metrics=metrics)))
    assert min(told.confidence, seen.confidence) >= 0.5
    assert "compacted" not in says(told)


def test_phrase_match_can_become_text_match() -> None:
    phrase = many(10, search(60, filter='phrase_match(title, "big cat", 1)'), every=5)
    assert keys(fired(PatternFilter().check(case(phrase, version="2.6.3")))) == ["text_match", "upgrade"]


def test_a_pattern_beside_text_match_is_what_scans() -> None:
    both = many(10, search(60, filter='text_match(title, "cat") and body like "%dog%"'), every=5)
    found = fired(PatternFilter().check(case(both, version="2.6.20")))
    assert "field_name='body'" in remedy(found, "ngram_index")
