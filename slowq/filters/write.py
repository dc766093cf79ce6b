"""From a tree back to the text of a filter, as every version of Milvus reads it.

`parse(write(tree))` is the tree again. Words are in lower case, strings in double quotes, every predicate in the order
of the tree; parentheses stand where they are needed or help to read. Nothing recurses; linear in the tree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TypeAlias

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
    Scalar,
    SubField,
    Template,
    Unary,
)

_ATOMS = (Literal, ListLiteral, ListOf, Template, Interval, Moment, Field, JsonPath, SubField, Call)
_SPECIAL = re.compile(r'["\\]|[^ -~\u00a0-\ud7ff\ue000-\U0010ffff]')
_SHORT = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
_LONG_NUMBER = 10**100  # more digits are shorter in hexadecimal, and Python refuses to write 4,300 of them
_Piece: TypeAlias = str | Expression


def write(expression: Expression, limit: int | None = None) -> str:
    """The text. With a `limit` no more than about so many characters are made, and an ellipsis says that more follow."""
    pending: list[_Piece] = [expression]
    written: list[str] = []
    room = math.inf if limit is None else limit
    while pending:
        piece = pending.pop()
        if not isinstance(piece, str):
            pending.extend(reversed(_pieces(piece, limit)))
            continue
        written.append(piece)
        room -= len(piece)
        if room < 0:
            return "".join(written)[:limit] + "…"
    return "".join(written)


def scalar(value: Scalar) -> str:
    """A literal value as a filter spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{_SPECIAL.sub(_escaped, value)}"'
    if isinstance(value, int):
        return str(value) if -_LONG_NUMBER < value < _LONG_NUMBER else hex(value)
    if math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    return repr(value)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\{code:03o}" if code < 0x100 else f"\\u{code:04x}")


def _pieces(node: Expression, limit: int | None) -> list[_Piece]:
    """What the node's text consists of: words, and nodes still to be written."""
    match node:
        case Literal(value=value):
            return [scalar(value)]
        case Field() | JsonPath() | SubField():
            return [node.text]
        case And(operands=operands):
            return _joined(" and ", [_part(one) for one in operands])
        case Or(operands=operands):
            return _joined(" or ", [_part(one) for one in operands])
        case Comparison(op=op, left=left, right=right):
            return [*_value(left), f" {op} ", *_value(right)]
        case Range():
            ends = f" {node.low_op} ", f" {node.high_op} "
            return [*_value(node.low), ends[0], *_value(node.middle), ends[1], *_value(node.high)]
        case In(operand=operand, negated=negated, values=values):
            return [*_value(operand), " not in " if negated else " in ", *_value(values)]
        case ListLiteral(values=members):
            shown = members if limit is None else members[: limit + 1]
            return [f"[{', '.join(map(scalar, shown))}]"]
        case ListOf(items=items):
            return ["[", *_joined(", ", [[one] for one in items]), "]"]
        case Not(operand=operand):
            return ["not ", *_wrapped(operand)]
        case _:
            return list(_rare_pieces(node))


def _rare_pieces(node: Expression) -> Iterator[_Piece]:
    match node:
        case Like(operand=operand, pattern=pattern):
            yield from (*_wrapped(operand), " like ", pattern)
        case Regex(operand=operand, negated=negated, pattern=pattern):
            yield from (*_wrapped(operand), " !~ " if negated else " =~ ", *_wrapped(pattern))
        case IsNull(operand=operand, negated=negated):
            yield from (operand, " is not null" if negated else " is null")
        case Exists(operand=operand):
            yield from ("exists ", *_wrapped(operand))
        case Call(name=name, args=args, keywords=keywords):
            members: list[list[_Piece]] = [[one] for one in args]
            members += [[f"{word}=", value] for word, value in keywords]
            yield from (f"{name}(", *_joined(", ", members), ")")
        case Unary(op=op, operand=operand):
            yield from (op, *_wrapped(operand))
        case Arithmetic(op=op, left=left, right=right):
            yield from (*_wrapped(left, signed=op == "**"), f" {op} ", *_wrapped(right))
        case Template(name=name):
            yield f"{{{name}}}"
        case Interval(text=text):
            yield f"interval {scalar(text)}"
        case Moment(text=text):
            yield f"iso {scalar(text)}"
        case _:
            raise AssertionError(f"no text for {type(node).__name__}")


def _joined(word: str, parts: list[list[_Piece]]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for part in parts:
        if pieces:
            pieces.append(word)
        pieces += part
    return pieces


def _part(node: Expression) -> list[_Piece]:
    """A term of a chain. To Milvus 2.3.5 `exists a and b` is `exists (a and b)`, which it refuses."""
    return ["(", node, ")"] if isinstance(node, And | Or | Exists) else [node]


def _wrapped(node: Expression, *, signed: bool = False) -> list[_Piece]:
    """`signed`: a sign would bind less tight than what follows, as in `-2 ** 2`."""
    if signed and isinstance(node, Literal) and scalar(node.value).startswith("-"):
        return ["(", node, ")"]
    return [node] if isinstance(node, _ATOMS) else ["(", node, ")"]


def _value(node: Expression) -> list[_Piece]:
    """A side of a comparison: arithmetic binds tighter than any of them."""
    if isinstance(node, Arithmetic | Unary) and getattr(node, "op", "") not in ("&", "|", "^", "<<", ">>"):
        return [node]
    return _wrapped(node)
