"""What a predicate asks of an index of its subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from slowq.filters.ast import (
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
    Range,
    Scalar,
)

Subject: TypeAlias = Field | JsonPath


@dataclass(frozen=True, slots=True)
class OneOf:
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """None where the range is open; `low_in` and `high_in` say whether the bound itself belongs to it."""

    low: Scalar | None = None
    low_in: bool = True
    high: Scalar | None = None
    high_in: bool = True


@dataclass(frozen=True, slots=True)
class Matching:
    """A LIKE pattern."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Containing:
    """Arrays with all or with any of the values."""

    values: tuple[Scalar, ...]
    all: bool


@dataclass(frozen=True, slots=True)
class Existing:
    pass


Lookup: TypeAlias = OneOf | Between | Matching | Containing | Existing


@dataclass(frozen=True, slots=True)
class Question:
    """The predicate holds where the lookup finds the row, or where it does not if `negated`."""

    subject: Subject
    lookup: Lookup
    negated: bool = False


def question_of(node: Expression) -> Question | None:
    """None for what no index is asked, such as arithmetic."""
    match node:
        case Comparison(op=op, left=Field() | JsonPath() as subject, right=Literal(value=value)):
            return _compared(op, subject, value)
        case Range(low=Literal() as low, middle=Field() | JsonPath() as subject, high=Literal() as high):
            return Question(subject, Between(low.value, node.low_op == "<=", high.value, node.high_op == "<="))
        case In(operand=Field() | JsonPath() as subject, negated=negated, values=ListLiteral(values=values)):
            return Question(subject, OneOf(values), negated)
        case Like(operand=Field() | JsonPath() as subject, pattern=Literal(value=pattern)):
            return Question(subject, Matching(str(pattern)))
        case Exists(operand=JsonPath() as subject):
            return Question(subject, Existing())
        case IsNull(operand=JsonPath() as subject, negated=negated):
            return Question(subject, Existing(), not negated)
        case Call(name=name, args=(Field() | JsonPath() as subject, Literal() | ListLiteral() as wanted)):
            values = (wanted.value,) if isinstance(wanted, Literal) else wanted.values
            return Question(subject, Containing(values, all=not name.endswith("_any")))
        case _:
            return None


def _compared(op: str, subject: Subject, value: Scalar) -> Question:
    match op:
        case "==" | "!=":
            return Question(subject, OneOf((value,)), op == "!=")
        case "<" | "<=":
            return Question(subject, Between(high=value, high_in=op == "<="))
        case _:
            return Question(subject, Between(low=value, low_in=op == ">="))
