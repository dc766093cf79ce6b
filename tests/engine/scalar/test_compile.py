"""What the proxy says of a filter before any row is read."""

import pytest

from slowq.engine import scalar
from slowq.engine.faults import Unserved
from slowq.filters import FilterSyntaxError
from tests.engine.scalar.segments import FIELDS, columns

REFUSED = [
    ("nothing == 1", "field nothing not exist"),
    ("flag", "predicate is not a boolean expression: flag, data type: Bool"),
    ("small", "predicate is not a boolean expression: small, data type: Int8"),
    ("name == 1", "comparisons between VarChar and Int64 are not supported (field name)"),
    ("price > 'a'", "comparisons between Double and VarChar are not supported (field price)"),
    ("big == 1.5", "cannot cast value to Int64, value: float_val:1.5 (field big)"),
    ("big in [1, 'a']", 'cannot cast value to Int64, value: string_val:"a" (field big)'),
    ("3 < big < 1", "invalid range: lowerbound is greater than upperbound (field big)"),
    ("big / 0 == 1", "division or modulus by zero (field big)"),
    ("price % 2 == 0", "modulo can only apply on integer types (field price)"),
    ("big + small == 3", "not supported to do arithmetic operations between multiple fields (field big)"),
    ("2 - big == 3", "module field is not yet supported: 2 - big"),
    ("big ** 2 == 4", "power can only apply on constants: big ** 2"),
    ("flag and big == 1", "'and' can only be used between boolean expressions, but got: flag"),
    ("big & 1", "BitAnd is not supported: big & 1"),
    ("big like 'a%'", "like operation on non-string or no-json field is unsupported (field big)"),
    ("exists big", "exists operations are only supportted on json field, got:Int64 (field big)"),
    ("big['a'] == 1", "Int64 data type not supported accessed with [] (field big)"),
    ("tags['a'] == 1", "can only access array field with integer index (field tags)"),
    ("tags > 1", "can not comparisons array fields directly (field tags)"),
    ("meta['a'] == meta['b']", 'two column comparison with JSON type is not supported (field meta["a"])'),
    ("big == {x}", "the value of expression template variable name {x} is not found"),
    ("big == 9223372036854775808", "the number 9223372036854775808 is out of the range of Int64"),
    ("text_match(nope, 'a')", "field nope not exist"),
    ("big[part] == 1", "field big[part] not exist"),
    ("array_contains(tags, 'a')", None),
    ("name == '\\ud800'", None),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_a_filter_that_does_not_fit_the_fields_is_refused(text: str, message: str | None) -> None:
    with pytest.raises(scalar.FilterError) as error:
        scalar.compile(text, FIELDS, dynamic=False)
    assert message is None or str(error.value) == message


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("text_match(name, 'a')", "text_match in filters (field name)"),
        ("big > 1 and PHRASE_MATCH(name, 'a b', 1)", "phrase_match in filters (field name)"),
        ("random_sample(0.5)", "random_sample in filters"),
        ("st_within(name, 'POINT (1 1)')", "st_within in filters (field name)"),
        ("name =~ 'a.*'", "regular expressions in filters"),
        ("big > ISO '2025-01-01T00:00:00Z'", "timestamps in filters"),
    ],
)
def test_what_only_milvus_has_is_named(text: str, feature: str) -> None:
    with pytest.raises(Unserved) as error:
        scalar.compile(text, FIELDS, dynamic=False)
    assert error.value.message == f"The slowq reference engine does not have {feature}."


def test_a_text_that_is_no_filter_is_a_syntax_error() -> None:
    with pytest.raises(FilterSyntaxError):
        scalar.compile("big ==", FIELDS, dynamic=False)


def test_templates_are_filled_and_checked_like_literals() -> None:
    asked = scalar.compile("id in {ids} and name like {p}", FIELDS, dynamic=False, templates={"ids": [1, 2], "p": "a%"})
    assert asked.fields == {"id", "name"}
    with pytest.raises(scalar.FilterError, match="cannot cast value to Int64"):
        scalar.compile("id in {ids}", FIELDS, dynamic=False, templates={"ids": ["a"]})


def test_names_of_dynamic_fields_are_read_from_meta() -> None:
    assert scalar.compile("loose == 1 and loose_too['k'] == 2", FIELDS, dynamic=True).fields == {"$meta"}


def test_hostile_filters_do_not_overflow() -> None:
    deep = "not (" * 20_000 + "id == 0" + ")" * 20_000
    mixed = "(id == 0 or (id < 9 and " * 3_000 + "id == 0" + "))" * 3_000
    segment = columns([])
    for text in (deep, mixed):
        assert scalar.evaluate(scalar.compile(text, FIELDS, dynamic=False), segment, 0)[0].tolist() == []
