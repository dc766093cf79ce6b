"""The shape of a filter: the same text for all filters that ask the same question with different values.

A normal form does not depend on values, spelling (`&&` or `and`), the order of operands, which side a literal is on, or
redundant parentheses; and it is the same in every run and on every machine. It is made for reading:

    tag == 5 || tag == 7 || (price >= 3)            or×2-10(tag == ?) or price >= ?
    'a' == meta["k"] AND id IN [4, 5, 6]            id in [?×2-10] and meta["k"] == ?
    title like "%milvus%" and not (n is null)       not (n is null) and title like "%?%"

It is one printable line of at most 300 characters. In a longer one a digest stands for the middle, so that different
shapes remain different.
"""  # noqa: RUF002

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

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
    fold,
    printable,
)
from slowq.filters.features import Features, features_of
from slowq.filters.parse import Trouble, try_parse
from slowq.filters.sizes import times
from slowq.filters.skeleton import LIKE_MASKS, skeleton

MAX_LENGTH = 300
_HEAD, _TAIL = 190, 90  # with the digest and two ellipses at most MAX_LENGTH

_CUT_LIST = re.compile(r"-?\?(?:\s*+,\s*+-?\?)++")
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_CONSTANTS = (Literal, ListLiteral, ListOf, Template, Interval, Moment)
# Written without parentheses inside others.
_ATOMS = (*_CONSTANTS, Field, JsonPath, SubField, Call)


@dataclass(frozen=True, slots=True)
class Shape:
    """`trouble` is set if and only if the filter could not be parsed: then `text` is the filter with its values masked.

    Of several filters with one skeleton, `trouble.position` is that of the one that was parsed.
    """

    text: str
    parsed: bool
    trouble: Trouble | None
    features: Features


class Shapes:
    """Remembers shapes by skeleton, so that one of all the filters that differ only in their values is parsed."""

    def __init__(self) -> None:
        self._known: dict[str, Shape] = {}

    def of(self, text: str) -> Shape:
        """Filters with equal skeletons get the same object."""
        key = skeleton(text)
        shape = self._known.get(key)
        if shape is None:
            shape = self._known[key] = shape_of(text)
        return shape


def shape_of(text: str) -> Shape:
    """Never raises. No filter at all, an empty or blank text, has the shape ""."""
    if not text.strip(" \t\r\n"):
        return Shape("", True, None, Features())
    expression = try_parse(text)
    if isinstance(expression, Trouble):
        return Shape(_masked(text), False, expression, Features())
    return Shape(normalise(expression), True, None, features_of(expression))


def _masked(text: str) -> str:
    """For what cannot be parsed. A list that was cut off counts the same wherever it was cut."""
    masked = _CUT_LIST.sub("?, ...", skeleton(text).replace('"?"', "?"))
    return _bounded(printable(" ".join(masked.split())))


def normalise(expression: Expression) -> str:
    return fold(expression, _bounded_text)


def _bounded(text: str) -> str:
    if len(text) <= MAX_LENGTH:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{text[:_HEAD]}…{digest}…{text[-_TAIL:]}"


def _bounded_text(node: Expression, parts: list[str]) -> str:
    """Bounded at every node: otherwise 20,000 nested parts would be copied 20,000 times."""
    return _bounded(_text(node, parts))


def _text(node: Expression, parts: list[str]) -> str:
    """The normal form of a node from those of its children."""
    match node:
        case Literal():
            return "?"
        case Field() | JsonPath() | SubField():
            return node.text
        case Comparison():
            return _comparison(node, *_wrapped(node, parts))
        case Or():
            return _chain("or", node, parts)
        case And():
            return _chain("and", node, parts)
        case In(negated=negated):
            operand, values = _wrapped(node, parts)
            return f"{operand} not in {values}" if negated else f"{operand} in {values}"
        case ListLiteral(values=values):
            return f"[?{times(len(values))}]" if values else "[]"
        case Like(kind=kind):
            operand, pattern = _wrapped(node, parts)
            return f"{operand} like {LIKE_MASKS[kind] if kind else pattern}"
        case Call():
            return _call(node, parts)
        case Not():
            return f"not {_wrapped(node, parts)[0]}"
        case Range(low_op=low_op, high_op=high_op):
            low, middle, high = _wrapped(node, parts)
            return f"{low} {low_op} {middle} {high_op} {high}"
        case _:
            return _rare_text(node, parts)


def _rare_text(node: Expression, parts: list[str]) -> str:
    match node:
        case Template():
            return "{?}"
        case Interval():
            return "interval ?"
        case Moment():
            return "iso ?"
        case ListOf():
            return f"[{', '.join(f'{text}{times(n)}' if n > 1 else text for text, n in _grouped(parts))}]"
        case Exists():
            return f"exists {_wrapped(node, parts)[0]}"
        case IsNull(negated=negated):
            return f"{parts[0]} is not null" if negated else f"{parts[0]} is null"
        case Regex(negated=negated):
            operand, pattern = _wrapped(node, parts)
            return f"{operand} {'!~' if negated else '=~'} {pattern}"
        case Unary(op=op):
            return f"{op}{_wrapped(node, parts)[0]}"
        case Arithmetic(op=op):
            return f" {op} ".join(_wrapped(node, parts))
        case _:
            raise AssertionError(f"no normal form for {type(node).__name__}")


def _wrapped(node: Expression, parts: list[str]) -> list[str]:
    return [
        part if isinstance(child, _ATOMS) else f"({part})" for child, part in zip(node.children(), parts, strict=True)
    ]


def _comparison(node: Comparison, left: str, right: str) -> str:
    """A constant goes to the right; two fields, or two constants, go in the order of their texts."""
    constant_left, constant_right = isinstance(node.left, _CONSTANTS), isinstance(node.right, _CONSTANTS)
    if (constant_left and not constant_right) or (constant_left == constant_right and right < left):
        return f"{right} {_MIRRORED[node.op]} {left}"
    return f"{left} {node.op} {right}"


def _chain(word: str, node: And | Or, parts: list[str]) -> str:
    """Operands in the order of their texts; equal ones once, with the size class of their number."""
    logic = {part for child, part in zip(node.operands, parts, strict=True) if isinstance(child, And | Or)}
    terms = [
        f"{word}{times(n)}({text})" if n > 1 else f"({text})" if text in logic else text for text, n in _grouped(parts)
    ]
    return f" {word} ".join(terms)


def _call(node: Call, parts: list[str]) -> str:
    count = len(node.args)
    keywords = sorted(f"{name}={part}" for (name, _), part in zip(node.keywords, parts[count:], strict=True))
    return f"{node.name}({', '.join([*parts[:count], *keywords])})"


def _grouped(parts: list[str]) -> Iterable[tuple[str, int]]:
    return sorted(Counter(parts).items())
