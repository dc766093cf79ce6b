"""From the text of a filter to its tree, as the grammar of Milvus reads it.

Guarantees: any text gives a tree or a `FilterSyntaxError`, never another exception. Time and memory are linear in the
text. Nothing recurses: 20,000 levels of parentheses or a million values in a list are ordinary input.

It reads what the grammar reads, not what a schema allows: whether a field exists, whether `5 in [1]` makes sense, and
how many arguments a function takes is not asked. Words that came with later versions (`iso`, `threshold`,
`text_match`…) remain names of fields where they are not used as such.

Precedence, loose to tight (the order of alternatives in `Plan.g4`, ANTLR): `or`, `and`, `|`, `^`, `&`, `== !=`,
`< <= > >=`, range, `in`, `<< >>`, `+ -`, `* / %`, unary `+ - ~ not`, `**`, `like =~ !~`, `exists`. So
`not a == 1` is `(not a) == 1`, and `a & 1 == 1` is `a & (1 == 1)`. `x is null` takes a bare field or JSON path and
exactly one blank between its words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from slowq.errors import InputError
from slowq.filters import operators, tokens
from slowq.filters.ast import (
    Call,
    Comparison,
    Expression,
    Field,
    Interval,
    IsNull,
    JsonPath,
    ListLiteral,
    ListOf,
    Literal,
    Moment,
    Subject,
    Template,
    printable,
)


class FilterSyntaxError(InputError):
    """A filter that Milvus' grammar does not accept. `position` is a 0-based character offset."""

    def __init__(self, expected: str, position: int, text: str) -> None:
        found = printable(text[position : position + 20])
        what = f'found "{found}"' if found else "found its end"
        super().__init__(f"cannot read the filter at character {position}: expected {expected}, {what}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a filter cannot be read, and where: a 0-based character offset."""

    position: int
    message: str


def parse(text: str) -> Expression:
    """The tree of the filter. Raises FilterSyntaxError; also for an empty text, which to Milvus is no filter."""
    return _Parser(text).parse()


def try_parse(text: str) -> Expression | Trouble:
    try:
        return parse(text)
    except FilterSyntaxError as error:
        return Trouble(error.position, error.message)


_SP = tokens.SPACE
_OPERANDS = {
    "string": tokens.STRING,
    **tokens.SUBJECTS,
    "hex_float": tokens.HEX_FLOAT,
    "float": tokens.FLOAT,
    "integer": tokens.INTEGER,
    "sign": "[-+~]|!(?![=~])",
    "template": tokens.TEMPLATE,
    "open": r"\(",
    "list": r"\[",
    "close": r"[)\]]",
}
_OPERAND = re.compile(f"{_SP}(?:{'|'.join(f'(?P<{kind}>{word})' for kind, word in _OPERANDS.items())})", re.ASCII)
# A word that runs on into `[key]` or `[name]` is a path to the longest-match lexer of Milvus, even `in["a"]`.
_WORD_ENDS = rf"(?!\w|{tokens.KEY}|\[{tokens.NAME}\])"
_OPERATOR = re.compile(
    rf"{_SP}((?:is null|IS NULL|is not null|IS NOT NULL)(?!\w)"
    rf"|{tokens.NAME}{_WORD_ENDS}"
    r"|&&|\|\||[=!<>]=|[=!]~|<<|>>|\*\*|[<>+\-*/%&|^!,)\]=])",
    re.ASCII,
)
# `subject op literal` between logical operators, with the one that follows: most of what long filters consist of.
_SIMPLE = re.compile(
    rf"{_SP}({tokens.ROOT}(?:{tokens.KEY})*+){_SP}([=!]=|[<>]=?){_SP}"
    rf"""(?:(-?{tokens.PLAIN_INTEGER})|("[^"\\\r\n]*+"|'[^'\\\r\n]*+'))"""
    rf"{_SP}(?:(&&|\|\||(?:and|or|AND|OR)(?![\w\[]))|(?=\Z|[),\]]))",
    re.ASCII,
)
_RANGE_MIDDLE = re.compile(
    f"{_SP}(?:{'|'.join(f'(?P<{kind}>{word})' for kind, word in tokens.SUBJECTS.items())})"
    rf"{_SP}(?:<(?!<)|>(?!>))=?",
    re.ASCII,
)
_FLAT_LIST = re.compile(rf"\[{tokens.FLAT_LIST}", re.ASCII)
_BLANKS = re.compile(_SP)
_IN_WORD = re.compile(rf"{_SP}(?:in|IN){_WORD_ENDS}", re.ASCII)
_NEXT_STRING = re.compile(_SP + tokens.STRING)

# Those that Milvus also takes in upper case.
_FUNCTIONS = frozenset(
    (
        *("text_match", "phrase_match", "text_match_fuzzy", "random_sample", "element_filter"),
        *("match_all", "match_any", "match_least", "match_most", "match_exact"),
        *("json_contains", "json_contains_all", "json_contains_any"),
        *("array_contains", "array_contains_all", "array_contains_any", "array_length"),
        *("st_equals", "st_touches", "st_overlaps", "st_crosses", "st_contains", "st_intersects", "st_within"),
        *("st_dwithin", "st_isvalid"),
    )
)
_NOT = frozenset(("not", "NOT", "!"))
_EXISTS_WORDS = frozenset(("exists", "EXISTS"))
_MOMENT_WORDS = frozenset(("iso", "ISO"))
_INTERVAL_WORDS = frozenset(("interval", "INTERVAL"))
_NEVER_OPERANDS = frozenset(("and", "AND", "or", "OR", "in", "IN", "like", "LIKE"))
_RESERVED = _NEVER_OPERANDS | _EXISTS_WORDS | _NOT | tokens.BOOLEANS.keys()


@dataclass(slots=True)
class _Group:
    """Something opened and not yet closed. `opener` is "" for the whole text, `(`, `[`, or a function's name."""

    opener: str
    at: int
    first: int  # index of its first operand
    keyword: str | None = None
    keywords: list[tuple[str, Expression]] = field(default_factory=list)

    @property
    def closer(self) -> str:
        return "]" if self.opener == "[" else ")"

    @property
    def is_call(self) -> bool:
        return self.opener not in ("", "(", "[")


class _Parser:
    """A shunting yard: operands on one stack, operators that wait for their right side on the other."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.operands: operators.Operands = []
        self.waiting: list[tuple[int, operators.Build, int]] = []
        self.groups: list[_Group] = []
        self.needs_operand = True
        self.subjects: dict[str, Subject] = {}  # long chains name the same few
        self.open("", 0)

    def parse(self) -> Expression:
        while True:
            if self.needs_operand:
                self.read_operand()
            elif not self.read_operator():
                return operators.pop(self.operands)

    def fail(self, expected: str, position: int | None = None) -> NoReturn:
        at = self.position if position is None else position
        blanks = _BLANKS.match(self.text, at)
        raise FilterSyntaxError(expected, blanks.end() if blanks else at, self.text)

    def push(self, operand: Expression) -> None:
        self.operands.append(operand)
        self.needs_operand = False

    def wait(self, precedence: int, build: operators.Build, at: int) -> None:
        """Leave an operator until its right side is complete."""
        self.waiting.append((precedence, build, at))
        self.needs_operand = True

    def reduce(self, precedence: int) -> None:
        """Complete the waiting operators that bind at least as tight."""
        while self.waiting[-1][0] >= precedence:
            _, build, at = self.waiting.pop()
            try:
                build(self.operands, at)
            except operators.OperandError as error:
                self.fail(error.expected, error.at)

    # Operands

    def read_operand(self) -> None:
        if self.waiting[-1][0] <= operators.AND:
            self.read_simple_comparisons()
            if not self.needs_operand:
                return
        match = _OPERAND.match(self.text, self.position)
        if match is None or match.lastgroup is None:
            self.fail("a field, a value, not or (")
        kind, word = match.lastgroup, match[match.lastgroup]
        start, self.position = match.start(kind), match.end()
        if kind == "name":
            self.read_name(word, start)
        elif kind in ("json_path", "sub_field"):
            self.push(tokens.subject(kind, word))
        elif kind == "open":
            self.open("(", start)
        elif kind == "list":
            self.read_list(start)
        elif kind == "close":
            self.close_without_operand(word, start)
        elif kind == "sign":
            self.wait(operators.UNARY, operators.negation if word == "!" else operators.SIGNS[word], start)
        elif kind == "template":
            self.push(Template(word[1:-1].strip()))
        else:
            self.read_literal(kind, word, start)

    def read_simple_comparisons(self) -> None:
        """What `read_operand` and `read_operator` do, in one step for each `subject op literal and`."""
        while match := _SIMPLE.match(self.text, self.position):
            name, op, integer, string, connective = match.groups()
            if name in _RESERVED:
                return
            subject = self.subjects.get(name)
            if subject is None:
                subject = self.subjects[name] = tokens.subject("json_path" if "[" in name else "name", name)
            literal = Literal(int(integer) if integer else string[1:-1])
            self.operands.append(Comparison(op, subject, literal, match.start(2)))
            self.position = match.end()
            if connective is None:
                self.needs_operand = False
                return
            precedence, build = operators.BINARY[connective]
            self.reduce(precedence)
            self.waiting.append((precedence, build, match.start(5)))

    def read_literal(self, kind: str, word: str, start: int) -> None:
        try:
            self.push(Literal(_VALUES[kind](word)))
        except ValueError:
            self.fail("a number of fewer digits", start)

    def read_name(self, name: str, start: int) -> None:
        following = _BLANKS.match(self.text, self.position)
        ahead = following.end() if following else self.position
        if name in _NOT:
            self.wait(operators.UNARY, operators.negation, start)
        elif name in tokens.BOOLEANS:
            self.push(Literal(tokens.BOOLEANS[name]))
        elif name in _EXISTS_WORDS:
            self.wait(operators.EXISTS, operators.existence, start)
        elif name in _NEVER_OPERANDS:
            self.fail("a field, a value, not or (", start)
        elif self.text.startswith("(", ahead) and name[0] != "$":
            self.position = ahead + 1
            self.open(name.lower() if name.isupper() and name.lower() in _FUNCTIONS else name, start)
        elif self.starts_keyword(ahead):
            self.groups[-1].keyword = name.lower()
            self.position = ahead + 1
        elif name in _MOMENT_WORDS or name in _INTERVAL_WORDS:
            self.read_time(name)
        else:
            self.push(Field(name))

    def starts_keyword(self, ahead: int) -> bool:
        return (
            self.text.startswith("=", ahead)
            and not self.text.startswith(("==", "=~"), ahead)
            and self.groups[-1].is_call
            and self.groups[-1].keyword is None
            and self.waiting[-1][0] == operators.BOTTOM
        )

    def read_time(self, word: str) -> None:
        string = _NEXT_STRING.match(self.text, self.position)
        if string is None:
            self.push(Field(word))
            return
        self.position = string.end()
        text = tokens.string_value(string[0].strip())
        self.push(Moment(text) if word in _MOMENT_WORDS else Interval(text))

    def read_list(self, start: int) -> None:
        flat = _FLAT_LIST.match(self.text, start)
        if flat is None:
            self.open("[", start)
        else:
            self.position = flat.end()
            self.push(ListLiteral(tokens.list_values(flat[0])))

    # Operators

    def read_operator(self) -> bool:
        """False at the end of the text."""
        match = _OPERATOR.match(self.text, self.position)
        if match is None:
            return self.end()
        word, at = match[1], match.start(1)
        binary = operators.BINARY.get(word)
        if binary is not None:
            self.position = match.end()
            if word not in operators.FORWARD or not self.read_range(word, at):
                precedence, build = binary
                self.reduce(precedence)
                self.wait(precedence, build, at)
        elif word in _NOT:
            self.read_not_in(match.end(), at)
        elif word in ("]", ")"):
            self.position = match.end()
            self.end_member()
            self.close(word, at)
        elif word == ",":
            self.position = match.end()
            self.end_member()
            if self.groups[-1].opener in ("", "("):
                self.fail(f"an operator or {self.groups[-1].closer}" if self.groups[-1].opener else "an operator", at)
            self.needs_operand = True
        elif word.startswith(("is ", "IS ")):
            self.read_null_test(word, at)
            self.position = match.end()
        elif word == "=":
            self.fail("==, for there is no single =", at)
        else:
            self.fail("an operator", at)
        return True

    def read_range(self, first_op: str, at: int) -> bool:
        match = _RANGE_MIDDLE.match(self.text, self.position)
        if match is None or match.lastgroup is None:
            return False
        kind = match.lastgroup
        second_op = self.text[match.end(kind) : match.end()].strip()
        if second_op[0] != first_op[0] or match[kind] in _RESERVED:
            return False
        self.reduce(operators.RANGE)
        self.operands.append(tokens.subject(kind, match[kind]))
        self.position = match.end()
        self.wait(operators.RANGE, operators.range_of(first_op, second_op), at)
        return True

    def read_not_in(self, after: int, at: int) -> None:
        word = _IN_WORD.match(self.text, after)
        if word is None:
            self.fail("in after not", after)
        self.position = word.end()
        self.reduce(operators.IN)
        self.wait(operators.IN, operators.membership(negated=True), at)

    def read_null_test(self, word: str, at: int) -> None:
        """`x is null` is a word of its own in the grammar, not an operator: its operand is the name right before it."""
        operand = self.operands[-1]
        if not isinstance(operand, Field | JsonPath) or self.text[self.position - 1] == ")":
            self.fail("is null only after a field or a JSON path", at)
        self.operands[-1] = IsNull(operand, "not" in word.lower(), at)

    # Groups

    def open(self, opener: str, at: int) -> None:
        self.groups.append(_Group(opener, at, len(self.operands)))
        self.wait(operators.BOTTOM, operators.never, at)

    def end_member(self) -> None:
        self.reduce(operators.OR)
        group = self.groups[-1]
        if group.keyword is not None:
            group.keywords.append((group.keyword, operators.pop(self.operands)))
            group.keyword = None

    def close_without_operand(self, word: str, at: int) -> None:
        """`f()` and the comma before a closing `)` or `]`."""
        group = self.groups[-1]
        waits = self.waiting[-1][0] != operators.BOTTOM or group.keyword is not None
        if waits or group.opener in ("", "("):
            self.fail("a field, a value, not or (", at)
        self.close(word, at)

    def close(self, word: str, at: int) -> None:
        group = self.groups[-1]
        if group.opener == "" or word != group.closer:
            self.fail(group.closer if group.opener else "an operator or the end", at)
        self.groups.pop()
        self.waiting.pop()
        self.needs_operand = False
        if group.opener != "(":
            members = operators.take_from(self.operands, group.first)
            self.push(_list(members) if word == "]" else Call(group.opener, members, tuple(group.keywords), group.at))

    def end(self) -> bool:
        blanks = _BLANKS.match(self.text, self.position)
        if blanks is None or blanks.end() != len(self.text):
            self.fail("an operator")
        self.reduce(operators.OR)
        group = self.groups[-1]
        if group.opener:
            self.fail(f"{group.closer} for what opens at character {group.at}", len(self.text))
        return False


def _list(members: tuple[Expression, ...]) -> Expression:
    literals = [member for member in members if isinstance(member, Literal)]
    if len(literals) == len(members):
        return ListLiteral(tuple(literal.value for literal in literals))
    return ListOf(members)


_VALUES: dict[str, Callable[[str], int | float | str]] = {
    "string": tokens.string_value,
    "integer": tokens.integer_value,
    "float": tokens.float_value,
    "hex_float": tokens.float_value,
}
