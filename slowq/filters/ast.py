"""The tree of a Milvus boolean expression.

Nodes are values: frozen, compared without their positions. Spelling is gone: `&&` and `AND` are the same `And`, a
reverse range is the range it means, built-in functions have their lower-case names, parentheses are only structure,
`-5` is one literal. What is kept is what the filter says, in the order in which it says it.

`at` is the 0-based character offset of the predicate's operator or function name in the text that was parsed.

Hostile filters nest 20,000 levels deep. Walk a tree with `walk` or `fold`, which never recurse; `==`, `repr` and `hash`
of a node recurse like those of nested tuples and are for small trees.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal as OneOf
from typing import TypeAlias, TypeVar

Scalar: TypeAlias = int | float | str | bool
LiteralKind = OneOf["int", "float", "string", "bool"]
LikeKind = OneOf["exact", "prefix", "suffix", "infix", "inner", "single"]

_KINDS: dict[type, LiteralKind] = {int: "int", float: "float", str: "string", bool: "bool"}
_LIKE_WILDCARD = re.compile(r"\\.|[%_]", re.DOTALL)

T = TypeVar("T")


def printable(text: str) -> str:
    """The text on one line, with control characters and lone surrogates written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode()
        for character in text
    )


@dataclass(frozen=True, slots=True)
class Literal:
    value: Scalar

    @property
    def kind(self) -> LiteralKind:
        return _KINDS[type(self.value)]

    def children(self) -> tuple[Expression, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class ListLiteral:
    """`[1, 2, "x"]`: a list of nothing but literals, kept as plain values because some hold a million."""

    values: tuple[Scalar, ...]

    def children(self) -> tuple[Expression, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list with a member that is no literal: a template, a nested list, arithmetic."""

    items: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        return self.items


@dataclass(frozen=True, slots=True)
class Interval:
    """`INTERVAL 'P1D'`, an ISO 8601 duration (2.6.3)."""

    text: str

    def children(self) -> tuple[Expression, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Moment:
    """`ISO '2025-08-23T19:22:19Z'` (2.6.3)."""

    text: str

    def children(self) -> tuple[Expression, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Template:
    """`{name}`, whose value travels beside the filter and is in no log."""

    name: str

    def children(self) -> tuple[Expression, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Field:
    """A field or a dynamic field by its bare name; `$meta`; `$`, the element itself inside element_filter."""

    name: str

    @property
    def text(self) -> str:
        return self.name

    def children(self) -> tuple[Expression, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class JsonPath:
    """`root["key"][0]`: into a JSON field, the dynamic field, or one element of an array field."""

    root: str
    keys: tuple[str | int, ...]

    @property
    def text(self) -> str:
        return self.root + "".join(_bracket(key) for key in self.keys)

    def children(self) -> tuple[Expression, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class SubField:
    """A field of a struct array (3.0): `struct[sub]`, `struct[0][sub]`, or `$[sub]` of the element at hand."""

    struct: str
    index: int | None
    name: str

    @property
    def text(self) -> str:
        index = "" if self.index is None else f"[{self.index}]"
        return f"{self.struct}{index}[{self.name}]"

    def children(self) -> tuple[Expression, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x`, `+x`, `~x`; a sign before a number is part of the literal instead."""

    op: str
    operand: Expression

    def children(self) -> tuple[Expression, ...]:
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`+ - * / % **`, and `<< >> & | ^`, which are in Milvus' grammar although it then rejects them."""

    op: str
    left: Expression
    right: Expression

    def children(self) -> tuple[Expression, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`== != < <= > >=` between two operands, in the order of the text."""

    op: str
    left: Expression
    right: Expression
    at: int = field(default=0, compare=False)

    def children(self) -> tuple[Expression, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class Range:
    """`low < middle <= high`; `high >= middle > low` gives the same. The operators are `<` or `<=`."""

    low: Expression
    low_op: str
    middle: Expression
    high_op: str
    high: Expression
    at: int = field(default=0, compare=False)

    def children(self) -> tuple[Expression, ...]:
        return (self.low, self.middle, self.high)


@dataclass(frozen=True, slots=True)
class In:
    operand: Expression
    negated: bool
    values: Expression
    at: int = field(default=0, compare=False)

    def children(self) -> tuple[Expression, ...]:
        return (self.operand, self.values)


@dataclass(frozen=True, slots=True)
class Like:
    """`operand like "pattern"`; the pattern is a string or a template."""

    operand: Expression
    pattern: Literal | Template
    at: int = field(default=0, compare=False)

    @property
    def kind(self) -> LikeKind | None:
        """What the wildcards ask for; None where a template hides them."""
        return like_kind(str(self.pattern.value)) if isinstance(self.pattern, Literal) else None

    def children(self) -> tuple[Expression, ...]:
        return (self.operand, self.pattern)


@dataclass(frozen=True, slots=True)
class Regex:
    """`operand =~ "regex"` and `operand !~ "regex"` (3.0)."""

    operand: Expression
    negated: bool
    pattern: Expression
    at: int = field(default=0, compare=False)

    def children(self) -> tuple[Expression, ...]:
        return (self.operand, self.pattern)


@dataclass(frozen=True, slots=True)
class IsNull:
    operand: Field | JsonPath
    negated: bool
    at: int = field(default=0, compare=False)

    def children(self) -> tuple[Expression, ...]:
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Exists:
    operand: Expression
    at: int = field(default=0, compare=False)

    def children(self) -> tuple[Expression, ...]:
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; `keywords` are such as `minimum_should_match=2` and `threshold=3`."""

    name: str
    args: tuple[Expression, ...]
    keywords: tuple[tuple[str, Expression], ...] = ()
    at: int = field(default=0, compare=False)

    def children(self) -> tuple[Expression, ...]:
        return (*self.args, *(value for _, value in self.keywords))


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression

    def children(self) -> tuple[Expression, ...]:
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more operands, none of which is an And itself."""

    operands: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        return self.operands


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more operands, none of which is an Or itself."""

    operands: tuple[Expression, ...]

    def children(self) -> tuple[Expression, ...]:
        return self.operands


Subject: TypeAlias = Field | JsonPath | SubField
Expression: TypeAlias = (
    Literal
    | ListLiteral
    | ListOf
    | Interval
    | Moment
    | Template
    | Subject
    | Unary
    | Arithmetic
    | Comparison
    | Range
    | In
    | Like
    | Regex
    | IsNull
    | Exists
    | Call
    | Not
    | And
    | Or
)


def like_kind(pattern: str) -> LikeKind:
    """Which wildcards a LIKE pattern has: `%` any text, `_` one character, a backslash before them for themselves.

    exact `abc`, prefix `abc%`, suffix `%abc`, infix `%abc%`, inner `a%c` (also beside others), single where any `_`.
    """
    wildcards = [match for match in _LIKE_WILDCARD.finditer(pattern) if match[0] in "%_"]
    if any(match[0] == "_" for match in wildcards):
        return "single"
    places = [match.start() for match in wildcards]
    if not places:
        return "exact"
    if places == [len(pattern) - 1]:
        return "prefix"
    if places == [0]:
        return "suffix"
    return "infix" if places == [0, len(pattern) - 1] else "inner"


def walk(expression: Expression) -> Iterator[Expression]:
    """Every node, parents before children, left before right."""
    pending = [expression]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.children()))


def _children(node: Expression) -> tuple[Expression, ...]:
    return node.children()


def fold(
    expression: Expression,
    combine: Callable[[Expression, list[T]], T],
    parts: Callable[[Expression], tuple[Expression, ...]] = _children,
) -> T:
    """The result of the root, where the result of a node is `combine(node, results of its parts)`."""
    pending: list[tuple[Expression, int]] = [(expression, -1)]
    results: list[T] = []
    while pending:
        node, count = pending.pop()
        if count < 0:
            children = parts(node)
            if children:
                pending.append((node, len(children)))
                pending.extend([(child, -1) for child in reversed(children)])
                continue
            count = 0
        first = len(results) - count
        below = results[first:]
        del results[first:]
        results.append(combine(node, below))
    return results[0]


def _bracket(key: str | int) -> str:
    return f"[{key}]" if isinstance(key, int) else f"[{printable(json.dumps(key, ensure_ascii=False))}]"
