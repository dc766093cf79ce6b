import pytest

from slowq.findings import Finding
from slowq.rules.complex_expression import ComplexExpression
from slowq.rules.unindexed_scalar_filter import UnindexedScalarFilter
from tests.builders import Row, case, cleared, fired, ids, keys, many, measured, needs, remedy, says, search

CHAIN = " or ".join(f"tag == {i}" for i in range(40))
UNINDEXED = "collections: [{name: products, fields: [{name: tag, type: VARCHAR, index: null}]}]"
LONG = many(9, search(filter=CHAIN), every=10)


def test_a_long_or_chain_is_to_blame_and_becomes_a_list() -> None:
    incident = case(LONG, version="2.4.5")
    found = fired(ComplexExpression().check(incident))
    assert set(found.culprits) == ids(incident)
    assert "9 of 9 slow requests filter with long OR chains" in says(found)
    assert found.confidence >= 0.6
    assert "Write the OR chain on tag as one IN list." in remedy(found, "in_for_or")
    assert keys(found) == ["in_for_or", "index_the_field", "upgrade"]


WORDS = many(9, search(filter=" or ".join(f'tag == "{i}"' for i in range(40))), every=10)


@pytest.mark.parametrize("rows", [WORDS, many(9, search(filter=" or ".join(f"tag == {i}" for i in range(151))))])
def test_from_2_6_8_milvus_makes_the_list_itself(rows: tuple[Row, ...]) -> None:
    merged = case(rows, version="2.6.8", facts=UNINDEXED)
    assert "no filter has" in cleared(ComplexExpression().check(merged))
    assert fired(UnindexedScalarFilter().check(merged)).confidence >= 0.6, (
        "the list still scans a field without an index"
    )
    assert fired(ComplexExpression().check(case(rows, version="2.6.7")))


def test_chains_of_up_to_150_numbers_are_merged_by_no_version() -> None:
    numbers = case(LONG, version="2.6.8", facts=UNINDEXED)
    assert "in_for_or" in keys(fired(ComplexExpression().check(numbers)))
    assert cleared(UnindexedScalarFilter().check(numbers))


def test_a_chain_over_different_fields_is_merged_by_no_version() -> None:
    chain = " or ".join(f"field_{i} == 1" for i in range(40))
    found = fired(ComplexExpression().check(case(many(5, search(filter=chain)), version="2.6.8")))
    assert keys(found) == ["index_the_field", "upgrade"]


@pytest.mark.parametrize("version", ["2.4.14", "2.5.4"])
def test_a_huge_list_is_to_blame(version: str) -> None:
    values = ", ".join(map(str, range(20_000)))
    found = fired(ComplexExpression().check(case(many(5, search(filter=f"owner in [{values}]")), version=version)))
    assert "index_the_field" in keys(found)
    assert "Give owner a scalar index." in remedy(found, "index_the_field")
    template = "filter_template_24" if version == "2.4.14" else "filter_template"
    assert "'owner' + \" in {values}\"" in remedy(found, template)


def test_filters_that_take_long_to_parse_are_a_sign() -> None:
    def parsed(took_s: float) -> Finding:
        levels = {"search_latency": 2.0, "parse_filter": took_s}
        return fired(ComplexExpression().check(case(LONG, version="2.5.6", metrics=measured(levels))))

    slow, fast = parsed(0.5), parsed(0.0005)
    assert "Parsing a filter takes 500 ms, 25 % of a search." in says(slow)
    assert "Parsing" not in says(fast)
    assert slow.confidence > fast.confidence


def test_how_many_rows_pass_the_filters_is_told_where_milvus_measures_it() -> None:
    levels = {"search_latency": 2.0, "filter_passes": 0.03}
    found = fired(ComplexExpression().check(case(LONG, version="2.5.11", metrics=measured(levels))))
    assert "On average 3 % of a segment's rows pass the filters." in says(found)


def test_a_filter_that_is_there_but_whose_requests_are_few_is_not_the_main_cause() -> None:
    mixed = case(search(60, filter=CHAIN), many(9, search(200), every=20))
    assert fired(ComplexExpression().check(mixed)).confidence < 0.5


def test_json_and_patterns_are_left_to_their_own_rules() -> None:
    of_json = " or ".join(f'meta["a"] == {i}' for i in range(40))
    assert cleared(ComplexExpression().check(case(search(filter=of_json))))


def test_the_context_file_can_tell_the_length_of_a_list() -> None:
    facts = "requests: [{kind: search, in_list_length: 20000, duration_s: 3.2}]"
    found = fired(ComplexExpression().check(case(facts=facts)))
    assert "A filter has a list of 20,000 values." in says(found)
    assert "shorter_list" in keys(found)


def test_a_short_filter_is_not_complex() -> None:
    assert "no filter has 10 alternatives" in cleared(ComplexExpression().check(case(search(filter="tag == 1"))))


def test_where_the_log_shows_no_filter_the_rule_cannot_judge() -> None:
    assert "the text of the filter" in needs(ComplexExpression().check(case(search(filter=None))))


@pytest.mark.parametrize("dots", ["OR …", "OR ... ", "...", "or a == 3..."])
def test_a_chain_that_is_cut_short_where_it_is_told_is_long(dots: str) -> None:
    facts = f"requests: [{{kind: query, filter: 'a == 1 OR a == 2 {dots} OR a == 4000', duration_s: 5}}]"
    found = fired(ComplexExpression().check(case(facts=facts)))
    assert "A chain of ORs is too long to be told in full." in says(found)
    assert "in_for_or" in keys(found)
    quoted = facts.replace(dots, 'OR a == "or ..."')
    assert cleared(ComplexExpression().check(case(facts=quoted)))


def test_what_is_left_out_of_a_told_filter_leaves_the_rest_readable() -> None:
    (shape,) = case(facts="requests: [{kind: query, filter: 'pk in [1, 2, ...] and s == \"...\"'}]").shapes
    assert shape.features is not None
    assert shape.features.fields == {"pk", "s"}


def test_many_conditions_joined_by_and_are_deep_and_a_few_are_not() -> None:
    def joined(conditions: int) -> str:
        return " and ".join(f"f{at} == {at}" for at in range(conditions))

    assert "or deep nesting" in says(fired(ComplexExpression().check(case(many(5, search(filter=joined(8)))))))
    assert cleared(ComplexExpression().check(case(many(5, search(filter=joined(7))))))
