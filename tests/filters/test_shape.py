"""Filters that ask the same have the same text, on every machine and at any length."""

import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowq.filters.ast import And, Or
from slowq.filters.features import Features
from slowq.filters.parse import Trouble, parse
from slowq.filters.shape import MAX_LENGTH, Shape, Shapes, normalise, shape_of
from tests.filters.expressions import EXPRESSIONS, SOUP, written

NORMAL_FORMS = {
    "tag == 5": "tag == ?",
    "5 == tag": "tag == ?",
    "5 < tag": "tag > ?",
    "a == {x}": "a == {?}",
    "b > a": "a < b",
    "tag == 5 || tag == 7 || (price >= 3)": "price >= ? or or\u00d72-10(tag == ?)",
    "a != 1 and a != 2": "and\u00d72-10(a != ?)",
    "b == 1 AND (a == 1 or c == 1)": "(a == ? or c == ?) and b == ?",
    "not (a == 1) and !b": "not (a == ?) and not b",
    "'a' == meta[\"k\"] AND id IN [4, 5, 6]": 'id in [?\u00d72-10] and meta["k"] == ?',
    "id not in [4]": "id not in [?\u00d71]",
    "id in []": "id in []",
    f"id in {list(range(20_000))}": "id in [?\u00d7>10000]",
    "id in {ids}": "id in {?}",
    "id in [{a}, 1, 2]": "id in [?\u00d72-10, {?}]",
    'title like "%milvus%"': 'title like "%?%"',
    'title like "milvus%"': 'title like "?%"',
    'title like "%milvus"': 'title like "%?"',
    'title like "milvus"': 'title like "?"',
    'title like "mil_us%"': 'title like "?_?"',
    'title like "mil%us"': 'title like "?%?"',
    "title like {p}": "title like {?}",
    "2 > a >= 1": "? <= a < ?",
    "a + 1 == b * 2": "(a + ?) == (b * ?)",
    "ts + INTERVAL 'P1D' >= ISO '2025'": "(ts + interval ?) >= iso ?",
    'exists m["a"][0] or n is not null': 'exists m["a"][0] or n is not null',
    'TEXT_MATCH(t, "x", minimum_should_match=2)': "text_match(t, ?, minimum_should_match=?)",
    "json_contains_any(a, [[1, 2], [3, 4]])": "json_contains_any(a, [[?\u00d72-10]\u00d72-10])",
    'm["\\n\\x1b\\ud800é"] == 1': 'm["\\n\\u001b\\ud800é"] == ?',
    "a !~ 'x'": "a !~ ?",
}


@pytest.mark.parametrize("text", NORMAL_FORMS, ids=lambda text: text[:40])
def test_the_normal_form_is_readable(text: str) -> None:
    assert normalise(parse(text)) == NORMAL_FORMS[text]


@given(st.data())
def test_spelling_order_and_values_do_not_matter(data: st.DataObject) -> None:
    tree = data.draw(EXPRESSIONS)
    shuffled = tree
    if isinstance(tree, And | Or):
        shuffled = type(tree)(tuple(data.draw(st.permutations(tree.operands))))
    assert shape_of(data.draw(written(tree))).text == shape_of(data.draw(written(shuffled))).text == normalise(tree)


@given(st.one_of(st.text(), SOUP))
def test_every_text_has_a_short_printable_shape(text: str) -> None:
    shape = shape_of(text)
    assert shape.text.isprintable()
    assert len(shape.text) <= MAX_LENGTH
    assert shape.parsed == (shape.trouble is None)


def test_long_forms_are_cut_but_stay_apart() -> None:
    names = [f"field_{number}" for number in range(60)]
    forms = {shape_of(" or ".join(f"{name} == 1" for name in names if name != left_out)).text for left_out in names}
    assert len(forms) == 60
    assert max(map(len, forms)) == 298


def test_order_does_not_matter_in_what_was_cut() -> None:
    terms = [f"field_{number} == 1" for number in range(60)]
    expected = shape_of(" or ".join(terms)).text
    random.Random(1).shuffle(terms)
    assert shape_of(" or ".join(terms)).text == expected


def test_a_shape_is_the_same_in_every_process() -> None:
    text = " or ".join(f"(f{number % 40} == {number} and m['k'] in [1, 2])" for number in range(90))
    program = f"from slowq.filters import shape_of; shape = shape_of({text!r}); print(ascii(shape.text))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {f"{shape_of(text).text!a}\n".encode()}


def test_no_filter_is_a_shape_of_its_own() -> None:
    assert shape_of(" \n") == Shape("", True, None, Features())


def test_what_cannot_be_parsed_is_masked_and_says_why() -> None:
    message = (
        "cannot read the filter at character 2: expected ==, for there is no single =, found \"= 17 and\\n b == 'x'\""
    )
    assert shape_of("a = 17 and\n b == 'x'") == Shape("a = ? and b == ?", False, Trouble(2, message), Features())


def test_a_filter_cut_off_inside_a_list_is_grouped_wherever_it_was_cut() -> None:
    whole = "os_target in [0, 1] and install in [0, -1541605643, 1376719985, -1663826425, 1008635701]"
    assert {shape_of(whole[:length]).text for length in (57, 69, 82)} == {
        "os_target in [?\u00d72-10] and install in [?, ..."
    }


def test_the_memo_parses_one_of_the_filters_that_differ_in_values() -> None:
    shapes = Shapes()
    first = shapes.of("a == 1 and b in ['x', 'y']")
    assert shapes.of("a == 77 and b in ['z', 'u', 'v']") is first
    assert shapes.of("a == 77 and b in ['z']") is not first


MANY_JSON_TERMS = " || ".join(
    f'(meta["a"]["b"] == {n} && meta["s"] == "s{n}" && json_contains(meta["t"], {n}))' for n in range(40, 70)
)
LOGGED = {
    'user == "milvus-io" && repo == "proxy.slowQuerySpanInSeconds"': "repo == ? and user == ?",
    MANY_JSON_TERMS: 'or\u00d711-100(json_contains(meta["t"], ?) and meta["a"]["b"] == ? and meta["s"] == ?)',
    (
        "ARRAY_CONTAINS_ANY(ad_type, [0, 9]) and ARRAY_CONTAINS_ANY(geo_target, [0, 370000, 370200]) and "
        "os_target in [0, 1] and ARRAY_CONTAINS_ANY(network_target, [0, 5]) and "
        "ARRAY_CONTAINS_ANY(vendor_target, [0, 4]) and ARRAY_CONTAINS_ANY(traffic_source, [0, 1, 2331]) and "
        "install in [0, -1541605643, 1376719985, -1663826425, 1008635701, 1985010028, -173767701, 348892443, "
        "-999952024, -524118334, 763832479, 461961301, 159298053, 1076435471, 231222787, -1565431646, -75786098]"
    ): (
        "array_contains_any(ad_type, [?\u00d72-10]) and array_contains_any(geo_target, [?\u00d72-10]) and "
        "array_contains_any(network_target, [?\u00d72-10]) and array_contains_any(traffic_source, [?\u00d72-10]) and "
        "array_contains_any(vendor_target, [?\u00d72-10]) and install in [?\u00d711-100] and os_target in [?\u00d72-10]"
    ),
}


@pytest.mark.parametrize("text", LOGGED, ids=lambda text: text[:40])
def test_filters_from_real_logs_have_readable_shapes(text: str) -> None:
    shape = shape_of(text)
    expected = LOGGED[text]
    if len(expected) > MAX_LENGTH:
        expected = f"{expected[:190]}\u2026{shape.text[191:207]}\u2026{expected[-90:]}"
    assert (shape.text, shape.parsed) == (expected, True)
