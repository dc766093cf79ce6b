"""Every construct of Milvus' grammar, its precedence, and where the trouble is."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowq.filters.ast import (
    And,
    Arithmetic,
    Call,
    Comparison,
    Exists,
    Expression,
    Field,
    In,
    Interval,
    IsNull,
    JsonPath,
    Like,
    ListLiteral,
    ListOf,
    Literal,
    Moment,
    Not,
    Or,
    Range,
    Regex,
    SubField,
    Template,
    Unary,
)
from slowq.filters.parse import FilterSyntaxError, Trouble, parse, try_parse
from tests.filters.expressions import EXPRESSIONS, SOUP, written

A, B, C = Field("a"), Field("b"), Field("c")
ONE, TWO = Literal(1), Literal(2)


def equal(left: Expression, right: Expression) -> Comparison:
    return Comparison("==", left, right)


CONSTRUCTS = {
    "a == 1": equal(A, ONE),
    "a != 1": Comparison("!=", A, ONE),
    "a<1": Comparison("<", A, ONE),
    "a <= 1": Comparison("<=", A, ONE),
    "1 > a": Comparison(">", ONE, A),
    "a >= -1": Comparison(">=", A, Literal(-1)),
    "1 < a <= 2": Range(ONE, "<", A, "<=", Literal(2)),
    "b > a >= 1": Range(ONE, "<=", A, "<", B),
    '1 < m["k"] < 2': Range(ONE, "<", JsonPath("m", ("k",)), "<", TWO),
    "a + 1 - 2 == b": equal(Arithmetic("-", Arithmetic("+", A, ONE), TWO), B),
    "a * 2 / b % 2 == 1": equal(Arithmetic("%", Arithmetic("/", Arithmetic("*", A, TWO), B), TWO), ONE),
    "a ** 2 == 1": equal(Arithmetic("**", A, TWO), ONE),
    "a << 1 >> 2 == 1": equal(Arithmetic(">>", Arithmetic("<<", A, ONE), TWO), ONE),
    "~a == 1": equal(Unary("~", A), ONE),
    "-a == + b": equal(Unary("-", A), Unary("+", B)),
    "a && b": And((A, B)),
    "a AND b and c": And((A, B, C)),
    "a || b": Or((A, B)),
    "a OR b or c": Or((A, B, C)),
    "!a": Not(A),
    "NOT a": Not(A),
    "not not a": Not(Not(A)),
    "a in [1, 2]": In(A, False, ListLiteral((1, 2))),
    "a IN[1,2,]": In(A, False, ListLiteral((1, 2))),
    "a not in []": In(A, True, ListLiteral(())),
    "a NOT IN [ ]": In(A, True, ListLiteral(())),
    "a ! in [1,2]": In(A, True, ListLiteral((1, 2))),
    "a in {ids}": In(A, False, Template("ids")),
    "a in [{x}, 1]": In(A, False, ListOf((Template("x"), ONE))),
    "a in ['x', \"y\", true, -1.5, - 2, 0x10]": In(A, False, ListLiteral(("x", "y", True, -1.5, -2, 16))),
    'a like "abc%"': Like(A, Literal("abc%")),
    "a LIKE '%x'": Like(A, Literal("%x")),
    "a like {p}": Like(A, Template("p")),
    'a =~ "x+"': Regex(A, False, Literal("x+")),
    'a !~ r"\\d"': Regex(A, True, Literal("\\d")),
    "a == 0x1F": equal(A, Literal(31)),
    "a == 017": equal(A, Literal(15)),
    "a == 0b101": equal(A, Literal(5)),
    "a == 1.5e3": equal(A, Literal(1500.0)),
    "a == .5": equal(A, Literal(0.5)),
    "a == 5.": equal(A, Literal(5.0)),
    "a == 0x1.8p1": equal(A, Literal(3.0)),
    "a == True": equal(A, Literal(True)),
    "FALSE == a": equal(Literal(False), A),
    r"a == 'it\'s\t\x41\u00e9\101\q'": equal(A, Literal("it's\tAéA\\q")),
    'a == u8"x"': equal(A, Literal("x")),
    'm["a"]["b"][0] == 1': equal(JsonPath("m", ("a", "b", 0)), ONE),
    "$meta['k'] == 1": equal(JsonPath("$meta", ("k",)), ONE),
    "$meta == 1": equal(Field("$meta"), ONE),
    "a[0] == 1": equal(JsonPath("a", (0,)), ONE),
    'exists m["k"]': Exists(JsonPath("m", ("k",))),
    'EXISTS m["k"] && a': And((Exists(JsonPath("m", ("k",))), A)),
    "json_contains(a, 1)": Call("json_contains", (A, ONE)),
    "JSON_CONTAINS_ALL(a, [1])": Call("json_contains_all", (A, ListLiteral((1,)))),
    "json_contains_any(a, [[1, 2], [3]])": Call(
        "json_contains_any", (A, ListOf((ListLiteral((1, 2)), ListLiteral((3,)))))
    ),
    "ARRAY_CONTAINS(a, 1)": Call("array_contains", (A, ONE)),
    "array_contains_all(a, [1])": Call("array_contains_all", (A, ListLiteral((1,)))),
    "array_contains_any(a, [1])": Call("array_contains_any", (A, ListLiteral((1,)))),
    "array_length(a) == 1": equal(Call("array_length", (A,)), ONE),
    "a == {name}": equal(A, Template("name")),
    'TEXT_MATCH(a, "x y")': Call("text_match", (A, Literal("x y"))),
    'text_match(a, "x", minimum_should_match=2)': Call(
        "text_match", (A, Literal("x")), (("minimum_should_match", TWO),)
    ),
    'text_match_fuzzy(a, "x", max_edit_distance = 1)': Call(
        "text_match_fuzzy", (A, Literal("x")), (("max_edit_distance", ONE),)
    ),
    'phrase_match(a, "x y", 2)': Call("phrase_match", (A, Literal("x y"), TWO)),
    "empty(a)": Call("empty", (A,)),
    "Empty (a, 1,)": Call("Empty", (A, ONE)),
    "now()": Call("now", ()),
    "a is null": IsNull(A, False),
    "a IS NOT NULL": IsNull(A, True),
    'm["k"] is null': IsNull(JsonPath("m", ("k",)), False),
    "random_sample(0.01)": Call("random_sample", (Literal(0.01),)),
    "ST_WITHIN(a, 'POINT(1 2)')": Call("st_within", (A, Literal("POINT(1 2)"))),
    "st_dwithin(a, 'POINT(1 2)', 5)": Call("st_dwithin", (A, Literal("POINT(1 2)"), Literal(5))),
    "st_isvalid(a)": Call("st_isvalid", (A,)),
    "a + INTERVAL 'P1D' >= ISO '2025-01-01'": Comparison(
        ">=", Arithmetic("+", A, Interval("P1D")), Moment("2025-01-01")
    ),
    'iso "2025-01-01" < a': Comparison("<", Moment("2025-01-01"), A),
    "element_filter(a, $[x] == 1)": Call("element_filter", (A, equal(SubField("$", None, "x"), ONE))),
    "match_least(a, $ == 1, threshold=2)": Call("match_least", (A, equal(Field("$"), ONE)), (("threshold", TWO),)),
    "a[x] == 1": equal(SubField("a", None, "x"), ONE),
    "1 < a[0][x] < 2": Range(ONE, "<", SubField("a", 0, "x"), "<", TWO),
}


@pytest.mark.parametrize("text", CONSTRUCTS, ids=str)
def test_every_construct_of_the_grammar_is_read(text: str) -> None:
    assert parse(text) == CONSTRUCTS[text]


PRECEDENCE = {
    "not a == 1": equal(Not(A), ONE),
    "!a in [1]": In(Not(A), False, ListLiteral((1,))),
    'not a like "x"': Not(Like(A, Literal("x"))),
    "not a is null": Not(IsNull(A, False)),
    "a == 1 && b is null": And((equal(A, ONE), IsNull(B, False))),
    "a & 1 == 1": Arithmetic("&", A, equal(ONE, ONE)),
    "a | b ^ c & 1": Arithmetic("|", A, Arithmetic("^", B, Arithmetic("&", C, ONE))),
    "a or b and c": Or((A, And((B, C)))),
    "a and b or c": Or((And((A, B)), C)),
    "(a or b) and c": And((Or((A, B)), C)),
    "(a or b) or (c or (a or b))": Or((A, B, C, A, B)),
    "a == 1 or b == 2 and c == 1": Or((equal(A, ONE), And((equal(B, TWO), equal(C, ONE))))),
    "a and b == 1 or c == 2": Or((And((A, equal(B, ONE))), equal(C, TWO))),
    "a == b < c": equal(A, Comparison("<", B, C)),
    "a < b == c": equal(Comparison("<", A, B), C),
    "1 < a > 2": Comparison(">", Comparison("<", ONE, A), TWO),
    "1 < a + b < 2": Comparison("<", Comparison("<", ONE, Arithmetic("+", A, B)), TWO),
    "1 < true < 2": Comparison("<", Comparison("<", ONE, Literal(True)), TWO),
    "a + 1 in [1] == b": equal(In(Arithmetic("+", A, ONE), False, ListLiteral((1,))), B),
    "-a ** 2": Unary("-", Arithmetic("**", A, TWO)),
    "a ** -b * c": Arithmetic("*", Arithmetic("**", A, Unary("-", B)), C),
    "a + b * c": Arithmetic("+", A, Arithmetic("*", B, C)),
    "a << 1 + 2": Arithmetic("<<", A, Arithmetic("+", ONE, TWO)),
    "exists a == 1": equal(Exists(A), ONE),
}


@pytest.mark.parametrize("text", PRECEDENCE, ids=str)
def test_operators_bind_as_in_milvus(text: str) -> None:
    assert parse(text) == PRECEDENCE[text]


@pytest.mark.parametrize("word", ["iso", "interval", "threshold", "text_match", "match_all", "minimum_should_match"])
def test_words_of_later_versions_are_names_of_fields_elsewhere(word: str) -> None:
    assert parse(f"{word} == 1") == equal(Field(word), ONE)


def test_predicates_know_where_they_stand() -> None:
    tree = parse("a == 1 and b in [1] or (c like 'x' and f(a))")
    assert isinstance(tree, Or)
    first, second = tree.operands
    assert isinstance(first, And)
    assert isinstance(second, And)
    assert [node.at for node in (*first.operands, *second.operands) if not isinstance(node, Field)] == [2, 13, 26, 39]


EXPECTED_OPERAND = "expected a field, a value, not or ("
TROUBLE = {
    "": (0, f"{EXPECTED_OPERAND}, found its end"),
    "a = 1": (2, 'expected ==, for there is no single =, found "= 1"'),
    "a ==": (4, f"{EXPECTED_OPERAND}, found its end"),
    "a == and b": (5, f'{EXPECTED_OPERAND}, found "and b"'),
    "a == 1 And b == 2": (7, 'expected an operator, found "And b == 2"'),
    "(a == 1": (7, "expected ) for what opens at character 0, found its end"),
    "a == 1)": (6, 'expected an operator or the end, found ")"'),
    "a in [1, {x}": (12, "expected ] for what opens at character 5, found its end"),
    "a in [1, {x})": (12, 'expected ], found ")"'),
    "f(a, , b)": (5, f'{EXPECTED_OPERAND}, found ", b)"'),
    "a, b": (1, 'expected an operator, found ", b"'),
    "(a, b)": (2, 'expected an operator or ), found ", b)"'),
    "()": (1, f'{EXPECTED_OPERAND}, found ")"'),
    "a not like 'x'": (6, "expected in after not, found \"like 'x'\""),
    "a like 5": (2, 'expected a string or a {template} on the right of like, found "like 5"'),
    "a == 'open": (5, f'{EXPECTED_OPERAND}, found "\'open"'),
    "(a) is null": (4, 'expected is null only after a field or a JSON path, found "is null"'),
    "a is  null": (2, 'expected an operator, found "is  null"'),
    "a + 1 == 1 is null": (11, 'expected is null only after a field or a JSON path, found "is null"'),
    'a in["x"]': (2, 'expected an operator, found "in["x"]"'),
    'a not in["x"]': (6, 'expected in after not, found "in["x"]"'),
    "a == 08": (6, 'expected an operator, found "8"'),
    "a == \x1b[31m": (5, f'{EXPECTED_OPERAND}, found "\\x1b[31m"'),
    f"a == {'9' * 5000}": (5, f'expected a number of fewer digits, found "{"9" * 20}"'),
}


@pytest.mark.parametrize("text", TROUBLE, ids=lambda text: text[:30] or "nothing")
def test_trouble_says_where_and_what_was_expected(text: str) -> None:
    position, expected = TROUBLE[text]
    trouble = try_parse(text)
    assert trouble == Trouble(position, f"cannot read the filter at character {position}: {expected}")


def test_parse_raises_what_try_parse_returns() -> None:
    with pytest.raises(FilterSyntaxError, match="no single =") as caught:
        parse("a = 1")
    assert (caught.value.position, caught.value.exit_code) == (2, 3)


@given(st.data())
def test_a_tree_written_in_any_spelling_is_read_back(data: st.DataObject) -> None:
    tree = data.draw(EXPRESSIONS)
    assert parse(data.draw(written(tree))) == tree


@given(st.one_of(st.text(), SOUP))
def test_any_text_gives_a_tree_or_trouble_inside_the_text(text: str) -> None:
    result = try_parse(text)
    if isinstance(result, Trouble):
        assert 0 <= result.position <= len(text)
        assert result.message.isprintable()


LARGE = {
    "parentheses": "(" * 20_000 + "a == 1" + ")" * 20_000,
    "nots": "not " * 20_000 + "a",
    "calls": "f(" * 20_000 + "1" + ")" * 20_000,
    "lists": "[" * 20_000 + "1" + "]" * 20_000,
    "or to the right": "(a == 1 or " * 20_000 + "b" + ")" * 20_000,
    "or to the left": "(" * 20_000 + "a" + " or b == 1)" * 20_000,
    "or and and by turns": "(" * 20_000 + "a" + " or b) and c)" * 10_000,
    "an or of many": " or ".join(f"a == {i}" for i in range(100_000)),
    "a sum of many": " + ".join(["a"] * 50_000),
    "keywords": f"f({','.join(['a=1'] * 50_000)})",
    "unclosed": "(" * 100_000,
    "unclosed lists": '["[",' * 50_000,
    "unclosed quotes": '"\\' * 100_000,
    "ranges": "1 < a < " * 20_000 + "b",
    "blanks": "a" + " " * 300_000,
    "integers": f"a in [{','.join(map(str, range(1_000_000)))}]",
    "strings": "a in [" + ",".join(f"'{i}'" for i in range(200_000)) + "]",
}


@pytest.mark.parametrize("name", LARGE)
def test_deep_and_long_filters_are_read_in_linear_time(name: str) -> None:
    started = time.process_time()
    try_parse(LARGE[name])
    assert time.process_time() - started < 5


def test_a_million_values_are_all_there() -> None:
    tree = parse(LARGE["integers"])
    assert isinstance(tree, In)
    assert tree.values == ListLiteral(tuple(range(1_000_000)))


def test_nested_ors_become_one_node() -> None:
    tree = parse(LARGE["or to the right"])
    assert isinstance(tree, Or)
    assert len(tree.operands) == 20_001
