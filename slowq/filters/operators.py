"""The operators of filters: how tight each binds, and the node it makes of its operands.

An operator is built when its right side is complete: `build(operands, at)` takes its operands from the stack and puts
the node there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from slowq.filters.ast import (
    And,
    Arithmetic,
    Comparison,
    Exists,
    Expression,
    In,
    Like,
    Literal,
    Not,
    Or,
    Range,
    Regex,
    Template,
    Unary,
)

# How tight an operator binds. The bottom of a group (parenthesis, list, call, the whole text) stops every reduction.
BOTTOM, OR, AND, BIT_OR, BIT_XOR, BIT_AND, EQUALITY, RELATION, RANGE = range(9)
IN, SHIFT, SUM, PRODUCT, UNARY, POWER, LIKE, EXISTS = range(9, 17)

FORWARD = {"<": "<", "<=": "<=", ">": "<", ">=": "<="}


class Chain:
    """Operands of And or Or while more may come: in `(a or b) or c or d` all four end up in one node.

    A part may be a chain of the same kind. Flattening waits for the end, which keeps it linear.
    """

    __slots__ = ("node", "parts")

    def __init__(self, node: type[And | Or], parts: list[Expression | Chain]) -> None:
        self.node = node
        self.parts = parts

    def finished(self) -> Expression:
        flat: list[Expression] = []
        pending = [iter(self.parts)]
        while pending:
            for part in pending[-1]:
                if isinstance(part, Chain):
                    pending.append(iter(part.parts))
                    break
                flat.append(part)
            else:
                pending.pop()
        return self.node(tuple(flat))


class OperandError(Exception):
    """An operand that the operator at `at` does not take. It never leaves the parser."""

    def __init__(self, expected: str, at: int) -> None:
        super().__init__(expected)
        self.expected = expected
        self.at = at


Operands: TypeAlias = list[Expression | Chain]


def pop(operands: Operands) -> Expression:
    return _finished(operands.pop())


def take_from(operands: Operands, first: int) -> tuple[Expression, ...]:
    taken = operands[first:]
    del operands[first:]
    return tuple(_finished(operand) for operand in taken)


def _finished(operand: Expression | Chain) -> Expression:
    return operand.finished() if isinstance(operand, Chain) else operand


Build: TypeAlias = Callable[[Operands, int], None]


def never(operands: Operands, at: int) -> None:
    raise AssertionError("the bottom of a group is not reduced")


def _chain(node: type[And | Or]) -> Build:
    def build(operands: Operands, at: int) -> None:
        right = operands.pop()
        left = operands[-1]
        if isinstance(right, Chain) and right.node is not node:
            right = right.finished()
        if isinstance(left, Chain):
            if left.node is node:
                left.parts.append(right)
                return
            left = left.finished()
        operands[-1] = Chain(node, [left, right])

    return build


def _comparison(op: str) -> Build:
    def build(operands: Operands, at: int) -> None:
        right, left = pop(operands), pop(operands)
        operands.append(Comparison(op, left, right, at))

    return build


def _arithmetic(op: str) -> Build:
    def build(operands: Operands, at: int) -> None:
        right, left = pop(operands), pop(operands)
        operands.append(Arithmetic(op, left, right))

    return build


def range_of(first_op: str, second_op: str) -> Build:
    def build(operands: Operands, at: int) -> None:
        last, middle, first = pop(operands), pop(operands), pop(operands)
        if first_op in ("<", "<="):
            operands.append(Range(first, first_op, middle, second_op, last, at))
        else:
            operands.append(Range(last, FORWARD[second_op], middle, FORWARD[first_op], first, at))

    return build


def membership(*, negated: bool) -> Build:
    def build(operands: Operands, at: int) -> None:
        values, operand = pop(operands), pop(operands)
        operands.append(In(operand, negated, values, at))

    return build


def _like(operands: Operands, at: int) -> None:
    pattern, operand = pop(operands), pop(operands)
    if isinstance(pattern, Template) or (isinstance(pattern, Literal) and isinstance(pattern.value, str)):
        operands.append(Like(operand, pattern, at))
    else:
        raise OperandError("a string or a {template} on the right of like", at)


def _regex(*, negated: bool) -> Build:
    def build(operands: Operands, at: int) -> None:
        pattern, operand = pop(operands), pop(operands)
        operands.append(Regex(operand, negated, pattern, at))

    return build


def _sign(op: str) -> Build:
    def build(operands: Operands, at: int) -> None:
        operand = pop(operands)
        value = operand.value if isinstance(operand, Literal) else None
        if op != "~" and isinstance(value, int | float) and not isinstance(value, bool):
            operands.append(Literal(-value if op == "-" else value))
        else:
            operands.append(Unary(op, operand))

    return build


def negation(operands: Operands, at: int) -> None:
    operands.append(Not(pop(operands)))


def existence(operands: Operands, at: int) -> None:
    operands.append(Exists(pop(operands), at))


SIGNS = {op: _sign(op) for op in "+-~"}
BINARY: dict[str, tuple[int, Build]] = {
    **dict.fromkeys(("or", "OR", "||"), (OR, _chain(Or))),
    **dict.fromkeys(("and", "AND", "&&"), (AND, _chain(And))),
    "|": (BIT_OR, _arithmetic("|")),
    "^": (BIT_XOR, _arithmetic("^")),
    "&": (BIT_AND, _arithmetic("&")),
    **{op: (EQUALITY, _comparison(op)) for op in ("==", "!=")},
    **{op: (RELATION, _comparison(op)) for op in ("<", "<=", ">", ">=")},
    **dict.fromkeys(("in", "IN"), (IN, membership(negated=False))),
    **{op: (SHIFT, _arithmetic(op)) for op in ("<<", ">>")},
    **{op: (SUM, _arithmetic(op)) for op in ("+", "-")},
    **{op: (PRODUCT, _arithmetic(op)) for op in ("*", "/", "%")},
    "**": (POWER, _arithmetic("**")),
    **dict.fromkeys(("like", "LIKE"), (LIKE, _like)),
    "=~": (LIKE, _regex(negated=False)),
    "!~": (LIKE, _regex(negated=True)),
}
