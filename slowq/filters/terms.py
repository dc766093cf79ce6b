"""The terms that rewrites reason about: one subject, an operator, literal values of one kind."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from slowq.filters.ast import (
    Comparison,
    Expression,
    Field,
    In,
    JsonPath,
    ListLiteral,
    Literal,
    LiteralKind,
    Range,
    Scalar,
    SubField,
    Subject,
)

MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
SAFE_INTEGER = 2**53  # beyond it JSON numbers may be compared as doubles in one operator and as integers in another


@dataclass(frozen=True, slots=True)
class Term:
    """`subject op value`; for `in` and `not in` all the values."""

    subject: Subject
    op: str
    values: tuple[Scalar, ...]
    kind: LiteralKind
    at: int

    @property
    def value(self) -> Scalar:
        return self.values[0]


def terms_of(node: Expression) -> tuple[Term, ...]:
    """The term that the node is, the two bounds of a range, or none where it is something else."""
    match node:
        case Comparison(op=op, left=left, right=right, at=at):
            if isinstance(left, Field | JsonPath | SubField) and isinstance(right, Literal):
                return (Term(left, op, (right.value,), right.kind, at),)
            if isinstance(right, Field | JsonPath | SubField) and isinstance(left, Literal):
                return (Term(right, MIRRORED[op], (left.value,), left.kind, at),)
        case In(operand=Field() | JsonPath() | SubField() as subject, values=ListLiteral(values=values), at=at):
            kind = kind_of(values)
            if kind is not None:
                return (Term(subject, "not in" if node.negated else "in", values, kind, at),)
        case Range(low=Literal() as low, middle=Field() | JsonPath() | SubField() as middle, high=Literal() as high):
            if low.kind == high.kind:
                return (
                    Term(middle, MIRRORED[node.low_op], (low.value,), low.kind, node.at),
                    Term(middle, node.high_op, (high.value,), high.kind, node.at),
                )
    return ()


def kind_of(values: Sequence[Scalar]) -> LiteralKind | None:
    """The kind that all values have; None for mixed or no values."""
    if not values or len(set(map(type, values))) > 1:
        return None
    return Literal(values[0]).kind


def distinct(values: Iterable[Scalar]) -> tuple[Scalar, ...]:
    """Values of one kind, each once, in the order in which they came."""
    return tuple(dict.fromkeys(values))


def holds(term: Term, value: Scalar) -> bool:
    """Whether a value of the same kind satisfies the term."""
    match term.op:
        case "==" | "in":
            return value in term.values
        case "!=" | "not in":
            return value not in term.values
        case _:
            return ORDER[term.op](value, term.value)


def tightest(terms: Iterable[Term]) -> Term:
    """Of bounds in one direction the one that implies the others."""
    return _last(terms, tight=True)


def weakest(terms: Iterable[Term]) -> Term:
    return _last(terms, tight=False)


def _last(terms: Iterable[Term], *, tight: bool) -> Term:
    ordered = sorted(terms, key=lambda term: (term.value, (term.op in ("<", ">")) == (term.op[0] == ">")))
    return ordered[-1] if (ordered[0].op[0] == ">") == tight else ordered[0]


def as_expression(term: Term) -> Expression:
    if term.op in ("in", "not in"):
        return In(term.subject, term.op == "not in", ListLiteral(term.values), term.at)
    return Comparison(term.op, term.subject, Literal(term.value), term.at)


def between(low: Term, high: Term) -> Range:
    """The range of a lower bound (`>`, `>=`) and an upper one."""
    return Range(Literal(low.value), MIRRORED[low.op], low.subject, high.op, Literal(high.value), min(low.at, high.at))


def is_empty(low: Term, high: Term) -> bool:
    """Whether no value of their kind lies between two bounds."""
    low_value: Any = low.value
    high_value: Any = high.value
    return bool(low_value > high_value or (low_value == high_value and (low.op == ">" or high.op == "<")))
