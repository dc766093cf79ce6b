"""What rules learn from a filter."""

import time

import pytest

from slowq.filters.features import Features, OrChain, Predicate, features_of
from slowq.filters.parse import parse


def test_an_or_chain_on_one_field_could_be_an_in() -> None:
    assert features_of(parse("tag == 1 or 2 == tag or tag == {x} or price > 3 or m['k'] == 1")) == Features(
        comparisons=5,
        depth=2,
        longest_or_chain=5,
        same_field_or_chain=OrChain("tag", 3),
        fields=frozenset({"tag", "price"}),
        json_paths=('m["k"]',),
        templates=("x",),
        literals=4,
        predicates=(Predicate('m["k"]', "json"), Predicate("price", "range"), Predicate("tag", "equality")),
    )


def test_a_mixed_filter_is_counted_whole() -> None:
    text = (
        "a in [1, 2, 3] and b not in ['x'] and not (c like '%y%' or c like 'y%') and d + 1 == 2 and e != f "
        "and exists m['k'] and json_contains(m['t'], 5) and array_length(g) > 2 and h is null"
    )
    assert features_of(parse(text)) == Features(
        comparisons=10,
        depth=4,
        longest_or_chain=2,
        longest_in_list=2,
        in_list_fields=("a", "b"),
        fields=frozenset("abcdefgh"),
        json_paths=('m["k"]', 'm["t"]'),
        json_functions=("exists", "json_contains"),
        array_functions=("array_length",),
        like_prefix=("c",),
        like_infix=("c",),
        arithmetic_on_field=("d",),
        field_to_field=1,
        negations=3,
        null_tests=1,
        literals=9,
        predicates=(
            Predicate("a", "in"),
            Predicate("b", "not_equal"),
            Predicate("c", "like_infix"),
            Predicate("c", "like_prefix"),
            Predicate("d", "arithmetic"),
            Predicate("e", "other"),
            Predicate("g", "array_length"),
            Predicate("h", "null"),
            Predicate('m["k"]', "json"),
            Predicate('m["t"]', "json_contains"),
        ),
    )


def test_functions_of_text_geometry_and_structs() -> None:
    text = (
        "TEXT_MATCH(t, 'x') and st_within(g, 'P') and element_filter(s, $[x] == 1 or $[x] == 2) and random_sample(0.1)"
    )
    assert features_of(parse(text)) == Features(
        comparisons=6,
        depth=4,
        longest_or_chain=2,
        same_field_or_chain=OrChain("$[x]", 2, of_numbers=True),
        fields=frozenset({"t", "g", "s"}),
        text_functions=("text_match",),
        geometry_functions=("st_within",),
        random_sample=True,
        literals=5,
        predicates=(
            Predicate("", "other"),
            Predicate("$[x]", "equality"),
            Predicate("g", "geometry"),
            Predicate("s", "other"),
            Predicate("t", "text"),
        ),
    )


KINDS = {
    "a == 1": Predicate("a", "equality"),
    "1 != a": Predicate("a", "not_equal"),
    "1 < a < 2": Predicate("a", "range"),
    "a in {x}": Predicate("a", "in"),
    'a like "x"': Predicate("a", "equality"),
    'a like "%x"': Predicate("a", "like_suffix"),
    'a like "x_"': Predicate("a", "like_infix"),
    'a like "x%y"': Predicate("a", "like_infix"),
    'm["k"] like "x%"': Predicate('m["k"]', "like_prefix"),
    'm["k"] in [1]': Predicate('m["k"]', "json"),
    'm["k"] is null': Predicate('m["k"]', "null"),
    "array_contains(a, 1)": Predicate("a", "array_contains"),
    "array_contains(a, 1) == true": Predicate("a", "array_contains"),
    "-a > 3": Predicate("a", "arithmetic"),
    "2 + 1 < a": Predicate("a", "range"),
    "ts + INTERVAL 'P1D' > ISO '2025'": Predicate("ts", "arithmetic"),
    "a =~ 'x'": Predicate("a", "other"),
    "a": Predicate("a", "other"),
    "1 == 1": Predicate("", "other"),
    "s[x] > 1": Predicate("s[x]", "range"),
}


@pytest.mark.parametrize("text", KINDS)
def test_every_predicate_has_a_kind(text: str) -> None:
    assert features_of(parse(text)).predicates == (KINDS[text],)


@pytest.mark.parametrize(("length", "floor"), [(0, 0), (1, 1), (10, 2), (11, 11), (1000, 101), (1001, 1001)])
def test_a_list_counts_with_the_floor_of_its_size_class(length: int, floor: int) -> None:
    features = features_of(parse(f"a in {list(range(length))}"))
    assert (features.longest_in_list, features.literals) == (floor, floor)


@pytest.mark.parametrize(
    "text",
    ["not " * 20_000 + "a", "(" * 20_000 + "a" + " == 1)" * 20_000, " + ".join(["a"] * 50_000)],
    ids=["nots", "comparisons", "sum"],
)
def test_deep_trees_are_surveyed_in_linear_time(text: str) -> None:
    tree = parse(text)
    started = time.process_time()
    features_of(tree)
    assert time.process_time() - started < 5
