"""Random filters for property tests: trees, and their text in random spelling."""

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
    IsNull,
    JsonPath,
    Like,
    ListLiteral,
    Literal,
    Not,
    Or,
    Range,
    Template,
    Unary,
)

NAMES = st.sampled_from(["tag", "price", "user_id", "in_stock", "a1", "like_count", "nothing"])
TEXTS = st.text(alphabet="ab 5'\"\\%_[],?{}()=é\n", max_size=6)
NUMBERS = st.one_of(
    st.integers(0, 10**19),
    st.integers(-50, 50),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(float),
)
SCALARS = st.one_of(NUMBERS, TEXTS, st.booleans())
LITERALS = st.builds(Literal, SCALARS)
FIELDS = st.builds(Field, NAMES)
PATHS = st.builds(
    JsonPath,
    st.sampled_from(["meta", "$meta"]),
    st.lists(st.one_of(TEXTS, st.integers(0, 30)), min_size=1, max_size=3).map(tuple),
)
SUBJECTS = st.one_of(FIELDS, PATHS)
LISTS = st.builds(ListLiteral, st.lists(SCALARS, max_size=15).map(tuple))
TEMPLATES = st.builds(Template, NAMES)
COMPARED = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
COMPUTED = st.one_of(
    st.builds(
        Arithmetic, st.sampled_from(["+", "-", "*", "/", "%", "**", "&"]), SUBJECTS, st.one_of(SUBJECTS, LITERALS)
    ),
    st.builds(Unary, st.sampled_from("-~"), SUBJECTS),
)
BOUNDS = st.sampled_from(["<", "<="])


PREDICATES = st.one_of(
    st.builds(Comparison, COMPARED, SUBJECTS, LITERALS),
    st.builds(Comparison, COMPARED, st.one_of(LITERALS, TEMPLATES), SUBJECTS),
    st.builds(Comparison, COMPARED, SUBJECTS, SUBJECTS),
    st.builds(Comparison, COMPARED, COMPUTED, LITERALS),
    st.builds(Range, LITERALS, BOUNDS, SUBJECTS, BOUNDS, LITERALS),
    st.builds(In, SUBJECTS, st.booleans(), st.one_of(LISTS, TEMPLATES)),
    st.builds(Like, SUBJECTS, st.one_of(st.builds(Literal, TEXTS), TEMPLATES)),
    st.builds(IsNull, SUBJECTS, st.booleans()),
    st.builds(Exists, PATHS),
    st.builds(
        lambda name, subject, value: Call(name, (subject, value)),
        st.sampled_from(["json_contains", "array_contains_any", "text_match", "st_within", "empty"]),
        SUBJECTS,
        st.one_of(LITERALS, LISTS),
    ),
)


def _joined(operands: list[Expression], node: type[And | Or]) -> Expression:
    flat = [part for one in operands for part in (one.operands if isinstance(one, node) else (one,))]
    return node(tuple(flat))


EXPRESSIONS = st.recursive(
    PREDICATES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=4).map(lambda operands: _joined(operands, And)),
        st.lists(inner, min_size=2, max_size=4).map(lambda operands: _joined(operands, Or)),
    ),
    max_leaves=12,
)

# What lexers stumble over, put together at random.
_WORDS = (
    *(
        "a",
        "b1",
        "5",
        "07",
        "08",
        "0x1F",
        "7x",
        "1.5",
        ".5",
        "1e5",
        "true",
        "'x'",
        '"y%"',
        "'a_'",
        'r"y"',
        "{t}",
        "$",
        "$meta",
    ),
    *("[", "]", "(", ")", ",", "[1]", "[2, 3]", '["x", "y"]', 'm["k"]', "m['k'][0]", "s[x]", "f(", "text_match(", "x="),
    *(
        " and ",
        " or ",
        "not ",
        "!",
        " in ",
        " like ",
        "like(",
        "exists ",
        " is null",
        " is not null",
        "iso ",
        "interval ",
    ),
    *(
        " == ",
        "=",
        " < ",
        " >= ",
        "=~",
        "-",
        "+",
        "**",
        "~",
        "&",
        "?",
        "\\",
        "'",
        '"',
        "\n",
        "\r",
        "\x1b",
        "é",
        "\ud800",
        " ",
    ),
)
SOUP = st.lists(st.sampled_from(_WORDS), max_size=12).map("".join)


class Writer:
    """Writes trees; `draw` decides on every spelling."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def any_of(self, *spellings: str) -> str:
        return self.draw(st.sampled_from(spellings))

    def blank(self) -> str:
        return self.any_of("", " ", "  ", "\n", "\t")

    def op(self, symbol: str) -> str:
        return f"{self.blank()}{symbol}{self.blank()}"

    def word(self, *spellings: str) -> str:
        return f" {self.any_of(*spellings)} "

    def scalar(self, value: object) -> str:
        if isinstance(value, bool):
            return self.any_of("true", "True", "TRUE") if value else self.any_of("false", "False", "FALSE")
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, int) and value >= 0:
            return self.any_of(str(value), str(value), hex(value), bin(value), f"0{value:o}")
        return repr(value)

    def string(self, value: str) -> str:
        quote = self.any_of('"', "'")
        escaped = value.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\n")
        return f"{quote}{escaped}{quote}"

    def term(self, node: Expression) -> str:
        """In as many parentheses as it needs, or more."""
        text = self.write(node)
        needs = not isinstance(node, Literal | Template | Field | JsonPath | ListLiteral | Call)
        if isinstance(node, Literal) and text.startswith("-"):
            needs = True
        for _ in range(self.draw(st.integers(0, 1)) + needs):
            text = f"({self.blank()}{text}{self.blank()})"
        return text

    def write(self, node: Expression) -> str:
        match node:
            case Literal(value=value):
                return self.scalar(value)
            case Template(name=name):
                return f"{{{self.blank()}{name}{self.blank()}}}"
            case Field(name=name):
                return name
            case JsonPath(root=root, keys=keys):
                return root + "".join(f"[{key if isinstance(key, int) else self.string(key)}]" for key in keys)
            case ListLiteral(values=values):
                comma = self.any_of("", ",") if values else ""
                return f"[{self.blank()}{self.op(',').join(map(self.scalar, values))}{comma}{self.blank()}]"
            case Unary(op=op, operand=operand):
                return f"{op}{self.blank()}{self.term(operand)}"
            case Arithmetic(op=op, left=left, right=right) | Comparison(op=op, left=left, right=right):
                return f"{self.term(left)}{self.op(op)}{self.term(right)}"
            case Range():
                return self.range(node)
            case In(operand=operand, negated=negated, values=values):
                word = self.word("not in", "NOT IN", "not  IN") if negated else self.word("in", "IN")
                return f"{self.term(operand)}{word}{self.term(values)}"
            case Like(operand=operand, pattern=pattern):
                return f"{self.term(operand)}{self.word('like', 'LIKE')}{self.term(pattern)}"
            case IsNull(operand=operand, negated=negated):
                word = self.word("is not null", "IS NOT NULL") if negated else self.word("is null", "IS NULL")
                return f"{self.write(operand)}{word}"
            case Exists(operand=operand):
                return f"{self.word('exists', 'EXISTS')}{self.term(operand)}"
            case Call(name=name, args=args):
                name = name if name == "empty" else self.any_of(name, name.upper())
                return f"{name}{self.blank()}({self.op(',').join(map(self.term, args))})"
            case Not(operand=operand):
                return f"{self.any_of('not ', 'NOT ', '!')}{self.term(operand)}"
            case And(operands=operands) | Or(operands=operands):
                words = ("and", "AND", "&&") if isinstance(node, And) else ("or", "OR", "||")
                text = self.term(operands[0])
                for operand in operands[1:]:
                    text += f"{self.word(*words)}{self.term(operand)}"
                return text
            case _:
                raise AssertionError(node)

    def range(self, node: Range) -> str:
        low, middle, high = self.term(node.low), self.write(node.middle), self.term(node.high)
        if self.draw(st.booleans()):
            return f"{low}{self.op(node.low_op)}{middle}{self.op(node.high_op)}{high}"
        mirrored = {"<": ">", "<=": ">="}
        return f"{high}{self.op(mirrored[node.high_op])}{middle}{self.op(mirrored[node.low_op])}{low}"


@st.composite
def written(draw: st.DrawFn, tree: Expression) -> str:
    return Writer(draw).write(tree)
