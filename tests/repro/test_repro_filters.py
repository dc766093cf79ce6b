from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowq.filters import parse
from slowq.filters.evaluate import evaluate
from slowq.filters.shape import shape_of
from slowq.filters.write import write
from slowq.repro.data import draw
from slowq.repro.filters import ASSUMED_SHARE, Made, like
from slowq.repro.scenario import Setup
from tests.filters.expressions import EXPRESSIONS


def made(shape: str, **types: str) -> Made:
    found = like(shape, types)
    assert found is not None, shape
    return found


def share(found: Made, text: str | None = None) -> float:
    """Of the rows that are drawn for it, how many pass."""
    rows = draw(replace(Setup(dim=8), columns=found.columns), 5_000, seed=1)
    names = list(rows.columns)
    table = [dict(zip(names, values, strict=True)) for values in zip(*rows.columns.values(), strict=True)]
    passed = evaluate(parse(text or found.text), table)
    return sum(one is True for one in passed) / len(table)


def test_no_filter_stays_none() -> None:
    assert like("", {}) == Made("", (), (), (), ())


@pytest.mark.parametrize(
    ("shape", "types"),
    [
        ("tag == ?", {}),
        ("tag == ?", {"tag": "VARCHAR"}),
        ("tag in [?\u00d711-100]", {}),
        ("tag in {?}", {}),
        ("price < ?", {}),
        ("price >= ?", {}),
        ("? < price <= ?", {}),
        ('title like "%?%"', {}),
        ('title like "?%"', {}),
        ('meta["kind"] == ?', {}),
        ('meta["shop"]["city"] == ?', {}),
        ("array_contains(sizes, ?)", {}),
        ('json_contains(meta["sizes"], ?)', {}),
        ('json_contains_any(meta["sizes"], [?\u00d72-10])', {}),
    ],
)
def test_one_predicate_passes_the_assumed_share_of_its_rows(shape: str, types: dict[str, str]) -> None:
    assert share(made(shape, **types)) == pytest.approx(ASSUMED_SHARE, abs=0.025)


def test_what_is_assumed_is_said() -> None:
    found = made('tag == ? and meta["k"] == ?', tag="VARCHAR")
    assert found.assumed == ("each predicate passes 10% of the rows", "types by their use: meta JSON")
    assert (found.names, found.paths) == (("tag",), ('meta["k"]',))


@pytest.mark.parametrize(
    ("shape", "terms"),
    [
        ("or\u00d711-100(tag == ?)", 33),
        ("or\u00d72-10(a == ? and b == ?)", 4),
        ("or\u00d7>1000(tag == ?)", 100),
        ("and\u00d72-10(or\u00d72-10(tag == ?))", 16),
    ],
)
def test_a_folded_chain_is_written_out_to_the_middle_of_its_size(shape: str, terms: int) -> None:
    text = made(shape).text
    assert text.count("tag ==") + text.count("a ==") == terms


@pytest.mark.parametrize(("size", "values"), [("2-10", 4), ("11-100", 33), ("101-1000", 318), (">10000", 1000)])
def test_a_folded_list_is_written_out_to_the_middle_of_its_size(size: str, values: int) -> None:
    assert made(f"tag in [?\u00d7{size}]").text.count(",") == values - 1


def test_the_values_of_a_chain_differ_so_that_it_is_no_single_predicate() -> None:
    found = made('or\u00d72-10(title like "?%")')
    patterns = set(found.text.split('"')[1::2])
    assert len(patterns) == 4
    assert share(found) < 0.95


def test_the_name_of_a_field_that_is_there_already_is_changed() -> None:
    assert made("id >= ?").names == ("own_id",)
    assert made('meta["id"] == ?').paths == ('meta["id"]',)


@pytest.mark.parametrize(
    "shape",
    [
        "a ==",
        "a == ?\u2026c5a1\u2026b == ?",
        "? == ?",
        "a % ? == ?",
        "a == b",
        "n is null",
        'exists meta["x"]',
        "text_match(title, ?)",
        'meta["a"][0] == ?',
        'meta["a.b"] == ?',
        '$meta["k"] == ?',
        "st_within(place, ?)",
        "or\u00d7(a == ?)",
        "or\u00d7101-1000(and\u00d7101-1000(or\u00d7101-1000(a == ?)))",
        "or\u00d72-10(a == ?",
    ],
)
def test_what_cannot_be_read_or_made_is_none(shape: str) -> None:
    assert like(shape, {}) is None


_PIECES = st.sampled_from(
    """or\u00d7 and\u00d7 2-10 >10000 999999999 ( ) [?\u00d7 ] ? {?} - like "%?%" == tag meta["k"] in and not < \u2026 {v0}
    \\ \x00 array_contains( , """.split(" ")  # noqa: SIM905
)
SHAPES = st.one_of(
    st.text(max_size=60), st.lists(_PIECES, max_size=25).map(" ".join), st.lists(_PIECES, max_size=25).map("".join)
)


def test_a_shape_with_a_template_that_is_none_of_ours_cannot_be_made() -> None:
    assert like("tag in {names}", {"tag": "VARCHAR"}) is None
    assert like("A!in[{A}]", {}) is None


@given(SHAPES)
def test_a_hostile_shape_is_none_or_a_filter_that_parses(shape: str) -> None:
    found = like(shape, {"tag": "VARCHAR", "meta": "JSON", "vec": "FLOAT_VECTOR"})
    if found is not None and found.text:
        parse(found.text)
        draw(replace(Setup(dim=8), columns=found.columns), 3, seed=1)


@given(EXPRESSIONS)
def test_any_filter_has_a_shape_that_is_none_or_a_filter_that_parses(expression: object) -> None:
    found = like(shape_of(write(expression)).text, {})  # type: ignore[arg-type]
    if found is not None and found.text:
        parse(found.text)
        draw(replace(Setup(dim=8), columns=found.columns), 3, seed=1)


@pytest.mark.parametrize(
    "shape", ["(" * 50_000, "?" * 20_000, "or\u00d7>10000(" * 200, "a == ? and " * 5_000, "not " * 30_000 + "a == ?"]
)
def test_a_long_shape_does_not_hang(shape: str) -> None:
    began = time.process_time()
    like(shape, {})
    assert time.process_time() - began < 10


def test_a_second_filter_finds_its_rows_beside_those_of_the_first() -> None:
    first = like("tag == ?", {"tag": "VARCHAR"})
    assert first is not None
    second = like("tag in [?\u00d72] and price > ?", {"tag": "VARCHAR"}, first.columns)
    assert second is not None
    tag, price = second.columns
    assert [value for value, _ in tag.values] == ["tag-01001", "tag-01002", "tag-01003", "tag-01004"]
    assert first.text == 'tag == "tag-01001"'
    assert (price.name, price.type) == ("price", "FLOAT")
    assert like("", {}, first.columns) == Made("", first.columns, (), (), ())


@pytest.mark.parametrize("shape", ['tag like "?%"', "array_contains(tag, ?)", 'tag["a"] == ?'])
def test_a_filter_that_needs_another_type_than_is_there_is_not_made(shape: str) -> None:
    first = like("tag == ?", {})
    assert first is not None
    assert like(shape, {}, first.columns) is None
