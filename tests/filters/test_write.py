from time import perf_counter

import pytest
from hypothesis import given

from slowq.filters import parse
from slowq.filters.ast import Arithmetic, Comparison, Expression, Field, ListLiteral, Literal, walk
from slowq.filters.write import write
from tests.filters.expressions import EXPRESSIONS


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a==1&&b>2||!(c in [1,2,])", "(a == 1 and b > 2) or not (c in [1, 2])"),
        ("10 > a >= -5", "-5 <= a < 10"),
        ("a % 2 == 0", "a % 2 == 0"),
        ("(a + 1) * 2 == 0x10", "(a + 1) * 2 == 16"),
        ("(-2) ** 2 == b", "(-2) ** 2 == b"),
        ("name like 'a\\\\%b%'", r'name like "a\\%b%"'),
        ("name == 'say \"hi\"\\n'", r'name == "say \"hi\"\n"'),
        ("exists meta['k']", 'exists meta["k"]'),
        ('JSON_CONTAINS(meta["k"], 1) and a IS NULL', 'json_contains(meta["k"], 1) and a is null'),
        ("text_match(a, 'x', minimum_should_match=2)", 'text_match(a, "x", minimum_should_match=2)'),
        ("ts + INTERVAL 'P1D' > ISO '2025-08-23'", 'ts + interval "P1D" > iso "2025-08-23"'),
        ("a in [{x}, 1] and b == {y}", "a in [{x}, 1] and b == {y}"),
        ("1e999 > a", "1e999 > a"),
    ],
)
def test_the_text_of_a_tree(text: str, written: str) -> None:
    assert write(parse(text)) == written
    assert parse(written) == parse(text)


@given(EXPRESSIONS)
def test_what_is_written_reads_as_the_same_tree(tree: Expression) -> None:
    again = parse(write(tree))
    assert write(again) == write(tree)
    if not any(isinstance(one, Arithmetic) for one in walk(tree)):
        assert again == tree


def test_deep_trees_and_long_lists_are_written_in_linear_time() -> None:
    begin = perf_counter()
    deep = "(" * 20_000 + "a == 1" + ")" * 20_000
    assert write(parse(deep)) == "a == 1"
    nested = "not (" * 20_000 + "a == 1" + ")" * 20_000
    assert write(parse(nested)) == nested
    million = ListLiteral(tuple(range(1_000_000)))
    assert len(write(million)) > 6_000_000
    assert perf_counter() - begin < 10


def test_a_limit_stops_early() -> None:
    assert write(Comparison("==", Field("a" * 10), Literal("b" * 50)), 20) == 'aaaaaaaaaa == "bbbbb…'
