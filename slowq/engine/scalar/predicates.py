"""One predicate on the columns of a segment: which way of computing it fits its subject.

Numbers, booleans, strings and arrays are computed column by column (`typed`); JSON is parsed row by row along the path
(`json_predicates`). What is left, such as arithmetic on JSON or the equality of whole arrays, is asked of
`slowq.filters.evaluate`, one row after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from slowq.engine.scalar import arrays, columns, json_predicates, json_rows, typed
from slowq.engine.scalar.columns import Values
from slowq.engine.scalar.fields import META, FilterError, ScalarField
from slowq.engine.scalar.like import pattern_of
from slowq.engine.scalar.truth import Array, Mask, Positions, Truth, of_nullable
from slowq.filters.ast import (
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
    Range,
    walk,
)
from slowq.filters.evaluate import evaluate as evaluate_rows


class Predicates:
    """The predicates of one evaluation; `rows` long are all columns."""

    def __init__(self, columns: Mapping[str, pa.Array], types: Mapping[str, ScalarField], rows: int) -> None:
        self._columns = columns
        self._types = types
        self._rows = rows

    def truth(self, node: Expression, positions: Positions | None) -> Truth:
        """Of the rows at these positions, or of all."""
        answer = self._of_json(node, positions) if self._is_json(node) else self._of_typed(node, positions)
        return self._row_by_row(node, positions) if answer is None else answer

    def is_numeric(self, node: Expression) -> bool:
        """Whether it is so cheap that all rows are computed sooner than some are picked."""
        match node:
            case (
                Comparison(left=Field(name=name), right=Literal())
                | Range(middle=Field(name=name))
                | In(operand=Field(name=name))
            ):
                return not columns.is_text(self._columns[name].type) and self._types[name].type not in ("JSON", "ARRAY")
            case _:
                return False

    def _type(self, subject: Expression) -> str:
        if isinstance(subject, Field | JsonPath):
            name = subject.name if isinstance(subject, Field) else subject.root
            return self._types[name].type if name in self._types else "JSON"
        return ""

    def _is_json(self, node: Expression) -> bool:
        return any(self._type(part) == "JSON" for part in walk(node))

    def _column(self, name: str) -> pa.Array:
        column = self._columns.get(name)
        if column is None:
            raise FilterError(f"column {name} is not loaded")
        return column

    # Typed columns

    def _of_typed(self, node: Expression, positions: Positions | None) -> Truth | None:
        match node:
            case Literal(value=value):
                return Truth(np.full(self._rows if positions is None else len(positions), value is True))
            case Comparison(op=op, left=left, right=Literal(value=value)):
                subject = self._values(left, positions)
                return None if subject is None else typed.compared(op, subject, value)
            case Comparison(op=op, left=Field(name=one), right=Field(name=other)):
                return self._two_columns(op, one, other, positions)
            case Range(low=Literal() as low, middle=middle, high=Literal() as high):
                subject = self._values(middle, positions)
                return (
                    None
                    if subject is None
                    else typed.between(subject, low.value, node.low_op, node.high_op, high.value)
                )
            case In(operand=operand, negated=negated, values=ListLiteral(values=wanted)):
                subject = self._values(operand, positions)
                return None if subject is None else typed.among(subject, wanted, negated=negated)
            case Like(operand=operand, pattern=Literal(value=pattern)):
                subject = self._values(operand, positions)
                return None if subject is None else typed.like(subject, pattern_of(str(pattern)))
            case IsNull(operand=Field(name=name), negated=negated):
                return self._null_test(name, positions, negated=negated)
            case Call(name=name, args=(Field(name=column), (Literal() | ListLiteral()) as wanted)):
                return arrays.contains(columns.taken(self._column(column), positions), name, wanted)
            case _:
                return None

    def _values(self, subject: Expression, positions: Positions | None) -> Values | None:
        match subject:
            case Field(name=name) if self._type(subject) != "ARRAY":
                return columns.plain(self._column(name), positions)
            case JsonPath(root=root, keys=(int() as index,)):
                return columns.element(self._column(root), index, positions)
            case Call(name="array_length", args=(Field(name=name),)):
                return columns.lengths(self._column(name), positions)
            case Arithmetic(op=op, left=left, right=Literal(value=value)):
                values = self._values(left, positions)
                return None if values is None else typed.computed(values, op, value)
            case _:
                return None

    def _two_columns(self, op: str, one: str, other: str, positions: Positions | None) -> Truth | None:
        left, right = columns.plain(self._column(one), positions), columns.plain(self._column(other), positions)
        null = left.null if right.null is None else right.null if left.null is None else left.null | right.null
        if isinstance(left.values, np.ndarray) and {left.values.dtype.kind, right.values.dtype.kind} == {"i", "f"}:
            return None  # only row by row are integers beyond 2**53 told apart
        return typed.compared(op, Values(left.values, null), right.values)

    def _null_test(self, name: str, positions: Positions | None, *, negated: bool) -> Truth:
        null = columns.nulls(columns.taken(self._column(name), positions))
        if null is None:
            null = np.zeros(self._rows if positions is None else len(positions), dtype=np.bool_)
        return Truth(~null if negated else null)

    # JSON

    def _of_json(self, node: Expression, positions: Positions | None) -> Truth | None:
        subject = node.children()[1 if isinstance(node, Range) else 0]
        if not isinstance(subject, JsonPath):
            if isinstance(node, IsNull) and isinstance(subject, Field):
                return self._null_test(subject.name, positions, negated=node.negated)
            return None
        column = columns.taken(self._column(subject.root), positions)
        if subject.root == META and column.null_count:
            column = pc.fill_null(column, b"{}")
        null = columns.nulls(column)
        holds = _json_truth(node)
        if holds is None:
            return None
        found = json_rows.truths(column if null is None else column.drop_null(), subject.keys, holds)
        if null is None:
            return Truth(found)
        yes = np.zeros(len(null), dtype=np.bool_)
        yes[~null] = found
        if isinstance(node, IsNull):
            return Truth(yes if node.negated else yes | null)
        return Truth(yes) if isinstance(node, Exists) else of_nullable(yes, null)

    # Row by row

    def _row_by_row(self, node: Expression, positions: Positions | None) -> Truth:
        names = {
            part.root if isinstance(part, JsonPath) else part.name
            for part in walk(node)
            if isinstance(part, Field | JsonPath)
        }
        known = {name: self._objects(name, positions) for name in sorted(names)}
        rows: list[dict[str, Any]] = [dict(zip(known, row, strict=True)) for row in zip(*known.values(), strict=True)]
        truths = evaluate_rows(node, rows)
        unknown = np.array([truth is None for truth in truths], dtype=np.bool_)
        return Truth(np.array([truth is True for truth in truths], dtype=np.bool_), unknown if unknown.any() else None)

    def _objects(self, name: str, positions: Positions | None) -> list[Any]:
        column = columns.taken(self._column(name), positions)
        if name in self._types and self._types[name].type != "JSON":
            return list(column.to_pylist())
        rows = json_rows.parsed(column)
        return [{} if row is None else row for row in rows] if name == META else rows


def _json_truth(node: Expression) -> Callable[[Array | list[Any]], Mask] | None:
    """What the predicate says of the values at its path; None where they do not decide it."""
    match node:
        case Comparison(op=op, left=JsonPath(), right=Literal(value=value)):
            return lambda values: json_predicates.compared(op, values, value)
        case Range(low=Literal(value=low), low_op=low_op, high_op=high_op, high=Literal(value=high)):
            mirrored = {"<": ">", "<=": ">="}[low_op]
            return lambda values: (
                json_predicates.compared(mirrored, values, low) & json_predicates.compared(high_op, values, high)
            )
        case In(values=ListLiteral(values=wanted), negated=negated):
            return lambda values: json_predicates.among(values, wanted) ^ negated
        case Like(pattern=Literal(value=pattern)):
            return lambda values: json_predicates.like(values, str(pattern))
        case IsNull(negated=negated):
            return lambda values: json_predicates.there(values) ^ (not negated)
        case Exists():
            return json_predicates.there
        case _:
            return None
