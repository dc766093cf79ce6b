import pytest

from slowq.rules.pattern_filter import PatternFilter
from tests.builders import case, cleared, fired, ids, keys, many, needs, remedy, says, search

INFIX = many(10, search(60, filter='title like "%cat%"'), every=5)
PREFIX = many(10, search(60, filter='title like "cat%"'), every=5)


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


def test_it_is_not_this_when_searches_without_the_pattern_are_as_slow() -> None:
    mixed = case(INFIX[0], many(9, search(200), every=20))
    assert fired(PatternFilter().check(mixed)).confidence < 0.5


def test_a_pattern_on_a_json_path_is_left_to_json_filter() -> None:
    assert cleared(PatternFilter().check(case(search(filter='meta["a"] like "%b%"'))))


def test_an_equality_is_no_pattern() -> None:
    assert "LIKE" in cleared(PatternFilter().check(case(search(filter='title == "cat"'))))


def test_where_the_log_shows_no_filter_the_rule_cannot_judge() -> None:
    assert needs(PatternFilter().check(case(search(filter=None))))
