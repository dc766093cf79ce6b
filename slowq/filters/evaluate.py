"""What a filter says of rows: true, false or unknown, as Milvus computes it.

`evaluate(tree, rows)` gives one answer a row; a row is returned by a search when the answer is `True`. Evaluation goes
node by node over columns of values, as segcore does, and never recurses.

Values of a row: `None` is NULL (of a nullable field, 2.5); a `dict` is a JSON field, `$meta` holds the dynamic fields,
so a bare name that is no key of the row is looked up there; a `list` is an array. What is asked of them:

- NULL makes a predicate unknown. And, or, not are Kleene's: `false and unknown` is false, `true or unknown` is true.
- A JSON path that is missing, JSON null, or of another type than the value it is compared with makes a predicate false,
  but `!=` and `not in` true (`UnaryRangeJSONCompareNotEqual` in segcore, all versions until 2026-06). Milvus issue
  #50699 makes it unknown instead: `missing_is_unknown`.
- An element behind the end of an array makes every comparison false, `!=` too; `not in` is not (in), and true.
- Integers are 64 bits wide and wrap around. `/` truncates toward zero and `%` has the sign of the dividend, as in C++;
  with a float on either side both are those of doubles. Division by zero compares like a missing path.
- Strings compare by code points, which is the order of their UTF-8 bytes. Booleans are no numbers.
- `exists` is "neither missing nor JSON null", and a number in an array is found by its value. (2.3.5, measured: there JSON
  null exists, and `json_contains(x, 2)` does not find 2.0.)
- LIKE: `%` is any text, `_` one character, a backslash takes either for itself; newlines are characters like others.

Text, geometry, time, regular expressions, struct arrays, samples and templates need more than rows: NotEvaluableError.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

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
    ListOf,
    Literal,
    Not,
    Or,
    Range,
    Unary,
    fold,
)

Row: TypeAlias = Mapping[str, Any]
Truth: TypeAlias = bool | None
Column: TypeAlias = list[Any]

META = "$meta"


class NotEvaluableError(Exception):
    """The filter asks for something that rows alone do not hold."""


class _Absent:
    """A value that is not there, though the row is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


MISSING: Final = _Absent("MISSING")  # a JSON path
BEYOND: Final = _Absent("BEYOND")  # an element behind the end of an array


def evaluate(tree: Expression, rows: Sequence[Row], *, missing_is_unknown: bool = False) -> list[Truth]:
    """The truth of the filter for each row. Raises NotEvaluableError."""
    column = fold(tree, _Columns(rows, missing_is_unknown).of)
    return [value if isinstance(value, bool) else None for value in column]


def like_pattern(pattern: str) -> re.Pattern[str]:
    """A LIKE pattern as a regular expression, to be matched with a whole text."""
    parts = []
    for piece in re.findall(r"\\.|%+|_|[^\\%_]+|\\", pattern, re.DOTALL):
        if piece[0] == "%":
            parts.append(".*")
        elif piece == "_":
            parts.append(".")
        else:
            parts.append(re.escape(piece[1:] if piece[0] == "\\" and len(piece) > 1 else piece))
    return re.compile("".join(parts), re.DOTALL)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class _Columns:
    """Makes the column of a node from those of its children."""

    rows: Sequence[Row]
    missing_is_unknown: bool

    def of(self, node: Expression, below: list[Column]) -> Column:
        match node:
            case Literal(value=value):
                return [value] * len(self.rows)
            case ListLiteral(values=values):
                return [values] * len(self.rows)
            case ListOf():
                return [list(members) for members in zip(*below, strict=True)]
            case Field(name=name):
                return [_field(row, name) for row in self.rows]
            case JsonPath(root=root, keys=keys):
                return [_path(_field(row, root), keys) for row in self.rows]
            case And():
                return [_all(truths) for truths in zip(*below, strict=True)]
            case Or():
                return [_any(truths) for truths in zip(*below, strict=True)]
            case Not():
                return [None if truth is None else not truth for truth in below[0]]
            case Comparison(op=op):
                return [self.compare(op, left, right) for left, right in zip(*below, strict=True)]
            case Range(low_op=low_op, high_op=high_op):
                return [
                    _all((self.compare(low_op, low, middle), self.compare(high_op, middle, high)))
                    for low, middle, high in zip(*below, strict=True)
                ]
            case _:
                return self.rare(node, below)

    def rare(self, node: Expression, below: list[Column]) -> Column:
        match node:
            case In(negated=negated):
                return self.membership(below[0], node.values, below[1], negated)
            case Like(pattern=Literal(value=pattern)):
                found = like_pattern(str(pattern)).fullmatch
                return [
                    found(value) is not None if isinstance(value, str) else self.failed(value) for value in below[0]
                ]
            case IsNull(negated=negated):
                return [(value is None or value is MISSING) != negated for value in below[0]]
            case Exists():
                return [value is not None and value is not MISSING for value in below[0]]
            case Arithmetic(op=op):
                return [_arithmetic(op, left, right) for left, right in zip(*below, strict=True)]
            case Unary(op="-"):
                return [_arithmetic("-", 0, value) for value in below[0]]
            case Call(name=name):
                return self.call(name, below)
            case _:
                raise NotEvaluableError(f"{type(node).__name__} needs more than the rows")

    def failed(self, value: object, *, negated: bool = False) -> Truth:
        """A predicate on a value that it cannot be asked of."""
        if value is None or self.missing_is_unknown:
            return None
        return negated and value is not BEYOND

    def compare(self, op: str, left: object, right: object) -> Truth:
        kind = _kind(left)
        if kind is None or kind != _kind(right):
            if left is None or right is None:
                return None
            return self.failed(BEYOND if BEYOND in (left, right) else MISSING, negated=op == "!=")
        if kind in ("array", "object") and op not in ("==", "!="):
            return self.failed(MISSING)
        if kind == "array":
            return _same(left, right) == (op == "==")
        return _COMPARE[op](left, right)

    def membership(self, values: Column, listed: Expression, lists: Column, negated: bool) -> Column:
        if isinstance(listed, ListLiteral):
            known = {_identity(one) for one in listed.values}
            sets: Iterable[set[Any]] = [known] * len(values)
        else:
            sets = [{_identity(one) for one in members} for members in lists]
        return [self.is_member(value, members, negated) for value, members in zip(values, sets, strict=True)]

    def is_member(self, value: object, members: set[Any], negated: bool) -> Truth:
        kind = _kind(value)
        if kind is None:
            return self.failed(MISSING if value is BEYOND else value, negated=negated)
        if _identity(value) in members:
            return not negated
        if self.missing_is_unknown and members and not any(kind == other for other, _ in members):
            return None
        return negated

    def call(self, name: str, below: list[Column]) -> Column:
        family, _, how = name.partition("_contains")
        if family in ("json", "array") and how in ("", "_all", "_any") and len(below) == 2:
            wanted = [[one] for one in below[1]] if how == "" else below[1]
            quantified = any if how == "_any" else all
            return [
                quantified(any(_same(element, one) for element in members) for one in ones)
                if isinstance(members, list)
                else self.failed(members)
                for members, ones in zip(below[0], wanted, strict=True)
            ]
        if name == "array_length" and len(below) == 1:
            return [len(one) if isinstance(one, list) else None if one is None else MISSING for one in below[0]]
        raise NotEvaluableError(f"{name} needs more than the rows")


def _field(row: Row, name: str) -> Any:
    if name in row:
        return row[name]
    meta = row.get(META)
    return _path(meta, (name,)) if isinstance(meta, dict) else MISSING


def _path(value: Any, keys: tuple[str | int, ...]) -> Any:
    if isinstance(value, list):  # an array field: NULL elements do not exist
        if len(keys) != 1 or not isinstance(keys[0], int):
            return MISSING
        return value[keys[0]] if keys[0] < len(value) else BEYOND
    if value is None:
        return None
    for key in keys:
        if isinstance(value, dict):
            value = value.get(str(key), MISSING)
        elif isinstance(value, list) and str(key).isdecimal():
            value = value[int(key)] if int(key) < len(value) else MISSING
        else:
            return MISSING
    return MISSING if value is None else value


def _all(truths: Iterable[object]) -> Truth:
    unknown = False
    for truth in truths:
        if truth is False:
            return False
        unknown |= truth is not True
    return None if unknown else True


def _any(truths: Iterable[object]) -> Truth:
    unknown = False
    for truth in truths:
        if truth is True:
            return True
        unknown |= truth is not False
    return None if unknown else False


def _kind(value: object) -> str | None:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list() | tuple():
            return "array"
        case dict():
            return "object"
        case _:
            return None


def _identity(value: object) -> Any:
    """What membership compares: 1 is 1.0, but not true."""
    if isinstance(value, list | tuple):
        return ("array", tuple(map(_identity, value)))
    return (_kind(value), value if not isinstance(value, dict) else None)


def _same(left: Any, right: Any) -> bool:
    return bool(_identity(left) == _identity(right))


def _arithmetic(op: str, left: object, right: object) -> Any:
    if left is None or right is None:
        return None
    if _kind(left) != "number" or _kind(right) != "number":
        return BEYOND if BEYOND in (left, right) else MISSING
    whole = isinstance(left, int) and isinstance(right, int)
    try:
        value = (_on_integers if whole else _on_doubles)(op, left, right)
    except (ZeroDivisionError, OverflowError, ValueError):
        return MISSING
    return (value + 2**63) % 2**64 - 2**63 if whole else value


def _on_integers(op: str, left: Any, right: Any) -> int:
    match op:
        case "+":
            return int(left + right)
        case "-":
            return int(left - right)
        case "*":
            return int(left * right)
        case "/":
            quotient = abs(left) // abs(right)
            return int(-quotient if (left < 0) != (right < 0) else quotient)
        case "%":
            remainder = abs(left) % abs(right)
            return int(-remainder if left < 0 else remainder)
        case _:
            raise NotEvaluableError(f"Milvus computes no {op} for rows")


def _on_doubles(op: str, left: Any, right: Any) -> float:
    match op:
        case "+":
            return float(left + right)
        case "-":
            return float(left - right)
        case "*":
            return float(left * right)
        case "/":
            return float(left / right)
        case "%":
            return math.fmod(left, right)
        case _:
            raise NotEvaluableError(f"Milvus computes no {op} for rows")
