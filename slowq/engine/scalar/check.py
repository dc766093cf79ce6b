"""What Milvus' proxy asks of a filter before any row is read: fields, types, constants.

The result is the tree to run: names of dynamic fields are paths into `$meta`, constants are computed, the literal of a
comparison stands on the right. The rules and the words of the errors are those of `internal/parser/planparserv2`; where
Milvus names no field, it is added at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

from slowq.engine.faults import Unserved
from slowq.engine.scalar.constants import computed
from slowq.engine.scalar.fields import FLOATS, INTEGERS, META, NUMBERS, STRINGS, FilterError, ScalarField, shown
from slowq.engine.scalar.wanted import Wanted
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
    Unary,
    fold,
)
from slowq.filters.evaluate import evaluate
from slowq.filters.identity import with_children

_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_CONTAINS = frozenset(f"{family}_contains{how}" for family in ("json", "array") for how in ("", "_all", "_any"))
_TYPES = {bool: "BOOL", int: "INT64", float: "DOUBLE", str: "VARCHAR"}
_VALUES = {bool: "bool_val", int: "int64_val", float: "float_val", str: "string_val"}
_DIVISIONS = frozenset("/%")
_FUNCTIONS_ELSEWHERE = frozenset(
    (
        *("text_match", "phrase_match", "text_match_fuzzy", "random_sample", "element_filter"),
        *("match_all", "match_any", "match_least", "match_most", "match_exact"),
    )
)


@dataclass(frozen=True, slots=True)
class _Typed:
    """A checked part. `type` is that of its values, of an element where it is one; "" for a predicate."""

    node: Expression
    type: str = ""
    element: str | None = None

    @property
    def is_literal(self) -> bool:
        return isinstance(self.node, Literal | ListLiteral | ListOf)

    @property
    def is_predicate(self) -> bool:
        return not self.type or (isinstance(self.node, Literal) and isinstance(self.node.value, bool))


def checked(tree: Expression, fields: Mapping[str, ScalarField], *, dynamic: bool) -> Expression:
    """The tree to run. Raises FilterError; Unserved for what only Milvus has."""
    made = fold(tree, _Checker(fields, dynamic).of)
    if not made.is_predicate:
        raise FilterError(f"predicate is not a boolean expression: {_said(made)}, data type: {shown(made.type)}")
    return made.node


@dataclass(frozen=True, slots=True)
class _Checker:
    fields: Mapping[str, ScalarField]
    dynamic: bool

    def of(self, node: Expression, parts: list[_Typed]) -> _Typed:
        match node:
            case Literal() | ListLiteral() | ListOf():
                return _literal(node, parts)
            case Field(name=name):
                return self.subject(name, ())
            case JsonPath(root=root, keys=keys):
                return self.subject(root, keys)
            case And() | Or() | Not():
                return _logical(node, parts)
            case Comparison():
                return _comparison(node, *parts)
            case Range():
                return _range(node, *parts)
            case In():
                return _membership(node, *parts)
            case Arithmetic():
                return _arithmetic(node, *parts)
            case _:
                return _rare(node, parts)

    def subject(self, root: str, keys: tuple[str | int, ...]) -> _Typed:
        field = self.fields.get(root)
        if field is None and root == META and self.dynamic:
            if not keys:
                raise FilterError(f"can not comparisons jsonField directly (field {META})")
            return _Typed(JsonPath(META, keys), "JSON")
        if field is None:
            if not self.dynamic or root.startswith("$"):
                raise FilterError(f"field {root} not exist")
            return _Typed(JsonPath(META, (root, *keys)), "JSON")
        if not keys:
            return _Typed(Field(root), field.type, field.element_type)
        if field.type == "JSON":
            return _Typed(JsonPath(root, keys), "JSON")
        if field.type != "ARRAY":
            raise FilterError(f"{shown(field.type)} data type not supported accessed with []{_of(Field(root))}")
        if len(keys) != 1 or not isinstance(keys[0], int):
            raise FilterError(f"can only access array field with integer index{_of(Field(root))}")
        return _Typed(JsonPath(root, keys), field.element_type or "INT64")


def _literal(node: Expression, parts: list[_Typed]) -> _Typed:
    if isinstance(node, Literal):
        _known(node.value)
        return _Typed(node, _TYPES[type(node.value)])
    if isinstance(node, ListLiteral):
        for value in node.values:
            _known(value)
        return _Typed(ListLiteral(Wanted(node.values)), "ARRAY")
    for part in parts:
        if not part.is_literal:
            raise FilterError(f"array element type must be generic value, but got: {_said(part)}")
    scalars = [part.node.value for part in parts if isinstance(part.node, Literal)]
    if parts and len(scalars) == len(parts):
        return _Typed(ListLiteral(Wanted(scalars)), "ARRAY")
    return _Typed(with_children(node, [part.node for part in parts]) if parts else node, "ARRAY")


def _known(value: object) -> None:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise FilterError(f"the number {str(value)[:40]} is out of the range of Int64")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise FilterError(f"the string {value[:40]!r} is no valid UTF-8") from None


def _logical(node: And | Or | Not, parts: list[_Typed]) -> _Typed:
    for part in parts:
        if part.is_predicate:
            continue
        if isinstance(node, Not):
            raise FilterError(f"'not' op can only be applied on boolean expression, but got: {_said(part)}")
        word = "and" if isinstance(node, And) else "or"
        raise FilterError(f"'{word}' can only be used between boolean expressions, but got: {_said(part)}")
    return _Typed(with_children(node, [part.node for part in parts]))


def _comparison(node: Comparison, left: _Typed, right: _Typed) -> _Typed:
    if left.is_literal and right.is_literal:
        return _Typed(Literal(_constant_truth(node, left, right)), "BOOL")
    if left.is_literal:
        return _comparison(replace(node, op=_MIRRORED[node.op]), right, left)
    if not left.type or not right.type:
        raise FilterError(
            f"'{node.op}' can only be used between values, but got: {_said(left if not left.type else right)}"
        )
    if left.type == "ARRAY" and (node.op not in ("==", "!=") or not right.is_literal):
        raise FilterError(f"can not comparisons array fields directly{_of(left.node)}")
    if right.is_literal:
        if not _comparable(left.type, right.type):
            raise FilterError(
                f"comparisons between {shown(left.type)} and {shown(right.type)} are not supported{_of(left.node)}"
            )
        return _Typed(replace(node, left=left.node, right=_cast(left.type, right.node, left.node)))
    if not (isinstance(left.node, Field | JsonPath) and isinstance(right.node, Field | JsonPath)):
        raise FilterError("only comparison between two fields is supported")
    if "JSON" in (left.type, right.type):
        raise FilterError(f"two column comparison with JSON type is not supported{_of(left.node)}")
    if not _comparable(left.type, right.type):
        raise FilterError(
            f"comparisons between {shown(left.type)} and {shown(right.type)} are not supported{_of(left.node)}"
        )
    return _Typed(replace(node, left=left.node, right=right.node))


def _comparable(left: str, right: str) -> bool:
    if "JSON" in (left, right):
        return True
    return left == right or any({left, right} <= group for group in (NUMBERS, STRINGS))


def _constant_truth(node: Comparison, left: _Typed, right: _Typed) -> bool:
    ordered = node.op not in ("==", "!=")
    if not _comparable(left.type, right.type) or (ordered and left.type in ("BOOL", "ARRAY")):
        raise FilterError(
            f"comparison operations cannot be applied to two incompatible operands: {_said(left)} {node.op} {_said(right)}"
        )
    return evaluate(replace(node, left=left.node, right=right.node), [{}]) == [True]


def _cast(kind: str, literal: Expression, of: Expression) -> Expression:
    """The literal as a value of that type; what it says is kept."""
    if kind in ("JSON", "ARRAY"):
        return literal
    value = literal.value if isinstance(literal, Literal) else None
    if isinstance(value, bool):
        fits = kind == "BOOL"
    elif isinstance(value, int):
        fits = kind in NUMBERS
    elif isinstance(value, float):
        fits = kind in FLOATS
    else:
        fits = isinstance(value, str) and kind in STRINGS
    if not fits:
        raise FilterError(f"cannot cast value to {shown(kind)}, value: {_generic(literal)}{_of(of)}")
    return literal


def _range(node: Range, low: _Typed, middle: _Typed, high: _Typed) -> _Typed:
    if not isinstance(middle.node, Field | JsonPath):
        raise FilterError(f"range operations are only supported on single fields now, got: {_said(middle)}")
    for word, bound in (("lowerbound", low), ("upperbound", high)):
        if not bound.is_literal:
            raise FilterError(f"{word} cannot be a non-const expression: {_said(bound)}")
        if middle.type == "BOOL" or bound.type in ("BOOL", "ARRAY"):
            raise FilterError(f"invalid range operations on boolean or array expressions{_of(middle.node)}")
        _cast(middle.type, bound.node, middle.node)
    if middle.type == "ARRAY":
        raise FilterError(f"can not comparisons array fields directly{_of(middle.node)}")
    both = (low.node, high.node)
    if isinstance(both[0], Literal) and isinstance(both[1], Literal) and _comparable(low.type, high.type):
        op = ">" if node.low_op == node.high_op == "<=" else ">="
        if evaluate(Comparison(op, *both), [{}]) == [True]:
            raise FilterError(f"invalid range: lowerbound is greater than upperbound{_of(middle.node)}")
    return _Typed(replace(node, low=low.node, middle=middle.node, high=high.node))


def _membership(node: In, operand: _Typed, values: _Typed) -> _Typed:
    if not isinstance(operand.node, Field | JsonPath):
        raise FilterError(f"'term' can only be used on single field, but got: {_said(operand)}")
    if not isinstance(values.node, ListLiteral | ListOf):
        raise FilterError(f"the right-hand side of 'in' must be a list, but got: {_said(values)}{_of(operand.node)}")
    if isinstance(values.node, ListOf):
        if operand.type not in ("JSON", "ARRAY"):
            raise FilterError(f"value in list cannot be casted to {shown(operand.type)}{_of(operand.node)}")
    elif operand.type != "JSON":
        for kind in values.node.values.classes if isinstance(values.node.values, Wanted) else ():
            some = next(value for value in values.node.values if type(value) is kind)
            if operand.type == "ARRAY":
                raise FilterError(f"value '{some}' in list cannot be casted to Array{_of(operand.node)}")
            _cast(operand.type, Literal(some), operand.node)
    return _Typed(replace(node, operand=operand.node, values=values.node))


def _arithmetic(node: Arithmetic, left: _Typed, right: _Typed) -> _Typed:
    if node.op in ("&", "|", "^", "<<", ">>"):
        name = {"&": "BitAnd", "|": "BitOr", "^": "BitXor"}.get(node.op, "shift")
        raise FilterError(f"{name} is not supported: {_said(left)} {node.op} {_said(right)}")
    if isinstance(left.node, Literal) and isinstance(right.node, Literal):
        value = computed(node.op, left.node.value, right.node.value)
        return _literal(Literal(value), [])
    if node.op == "**":
        raise FilterError(f"power can only apply on constants: {_said(left)} ** {_said(right)}")
    for part in (left, right):
        if part.type not in NUMBERS and part.type != "JSON":
            raise FilterError(
                f"'{node.op}' can only be used between integer or floating or json field expressions, but got: {_said(part)}"
            )
    if isinstance(left.node, Literal):
        if node.op in ("+", "*"):
            return _arithmetic(node, right, left)
        raise FilterError(f"module field is not yet supported: {_said(left)} {node.op} {_said(right)}")
    if not isinstance(right.node, Literal):
        raise FilterError(f"not supported to do arithmetic operations between multiple fields{_of(left.node)}")
    if not isinstance(left.node, Field | JsonPath):
        raise FilterError("complicated arithmetic operations are not supported")
    if node.op == "%" and (left.type in FLOATS or right.type in FLOATS):
        raise FilterError(f"modulo can only apply on integer types{_of(left.node)}")
    if node.op in _DIVISIONS and right.node.value == 0:
        raise FilterError(f"division or modulus by zero{_of(left.node)}")
    whole = left.type in INTEGERS or left.type == "JSON"
    kind = "INT64" if whole and right.type == "INT64" else "DOUBLE"
    return _Typed(replace(node, left=left.node, right=right.node), kind)


def _rare(node: Expression, parts: list[_Typed]) -> _Typed:
    match node:
        case Like():
            return _like(node, parts[0], parts[1])
        case IsNull():
            return _Typed(replace(node, operand=parts[0].node))  # type: ignore[arg-type]
        case Exists():
            return _exists(node, parts[0])
        case Unary(op="+") if parts[0].type:
            return parts[0]
        case Unary(op="-") if isinstance(parts[0].node, Literal) and parts[0].type in NUMBERS:
            return _literal(Literal(-parts[0].node.value), [])  # type: ignore[operator]
        case Unary(op=op):
            raise FilterError(f"unexpected op: {op} before {_said(parts[0])}")
        case Call():
            return _call(node, parts)
        case Moment() | Interval():
            raise Unserved("timestamps in filters")
        case SubField():
            raise FilterError(f"field {node.text} not exist")  # there are no struct arrays
        case Regex():
            raise Unserved("regular expressions in filters")
        case _:
            raise FilterError(f"{type(node).__name__} is not supported in filters")


def _like(node: Like, operand: _Typed, pattern: _Typed) -> _Typed:
    if not isinstance(operand.node, Field | JsonPath):
        raise FilterError("like operation on complicated expr is unsupported")
    if operand.type not in STRINGS and operand.type != "JSON":
        raise FilterError(f"like operation on non-string or no-json field is unsupported{_of(operand.node)}")
    if not isinstance(pattern.node, Literal) or not isinstance(pattern.node.value, str):
        raise FilterError(f"the pattern of like must be a string, but got: {_said(pattern)}{_of(operand.node)}")
    return _Typed(replace(node, operand=operand.node, pattern=pattern.node))


def _exists(node: Exists, operand: _Typed) -> _Typed:
    if not isinstance(operand.node, Field | JsonPath):
        raise FilterError(f"exists operations are only supported on single fields now, got: {_said(operand)}")
    if operand.type != "JSON":
        raise FilterError(
            f"exists operations are only supportted on json field, got:{shown(operand.type)}{_of(operand.node)}"
        )
    if not isinstance(operand.node, JsonPath):
        raise FilterError(f"exists operations are only supportted on json key{_of(operand.node)}")
    return _Typed(replace(node, operand=operand.node))


def _call(node: Call, parts: list[_Typed]) -> _Typed:
    name = node.name.lower()
    if name not in _CONTAINS and name != "array_length":
        _refuse(name, parts)
    if len(parts) != (1 if name == "array_length" else 2) or node.keywords:
        raise FilterError(f"{name} does not take {len(parts)} arguments")
    word = "array_length" if name == "array_length" else name.partition("_")[2]
    container = parts[0]
    if not isinstance(container.node, Field | JsonPath) or container.type not in ("JSON", "ARRAY"):
        raise FilterError(f"{word} operation are only supported on json or array fields now, got: {_said(container)}")
    made = replace(node, name=name, args=tuple(part.node for part in parts))
    if name == "array_length":
        return _Typed(made, "INT64")
    wanted = parts[1]
    if not wanted.is_literal:
        raise FilterError(f"{word} operation are only supported explicitly specified element, got: {_said(wanted)}")
    if word != "contains" and wanted.type != "ARRAY":
        raise FilterError(f"{word} operation element must be an array{_of(container.node)}")
    if container.type == "ARRAY":
        _check_elements(container, wanted, word)
    return _Typed(made)


def _check_elements(container: _Typed, wanted: _Typed, word: str) -> None:
    element = container.element or "INT64"
    for one in (wanted.node,) if word == "contains" else wanted.node.children() or _members(wanted.node):
        kind = _TYPES.get(type(one.value)) if isinstance(one, Literal) else "ARRAY"
        if kind is None or not _comparable(element, kind):
            raise FilterError(
                f"{word} operation can't compare value {_generic(one)} with elements of {shown(element)}{_of(container.node)}"
            )


def _members(node: Expression) -> tuple[Literal, ...]:
    return tuple(map(Literal, node.values)) if isinstance(node, ListLiteral) else ()


def _refuse(function: str, parts: list[_Typed]) -> NoReturn:
    if function in _FUNCTIONS_ELSEWHERE or function.startswith("st_"):
        raise Unserved(
            f"{function} in filters", next((one.node.text for one in parts if isinstance(one.node, Field)), "")
        )
    raise FilterError(f"function {function} not found")


def _generic(literal: Expression) -> str:
    if not isinstance(literal, Literal):
        return "array_val"
    value = literal.value
    shown_value = f'"{value[:60]}"' if isinstance(value, str) else str(value).lower()
    return f"{_VALUES[type(value)]}:{shown_value}"


def _of(subject: Expression) -> str:
    node = subject.left if isinstance(subject, Arithmetic) else subject
    node = node.args[0] if isinstance(node, Call) and node.args else node
    return f" (field {node.text})" if isinstance(node, Field | JsonPath) else ""


def _said(part: _Typed) -> str:
    node = part.node
    if isinstance(node, Field | JsonPath):
        return node.text
    if isinstance(node, Literal):
        return repr(node.value)[:60]
    return {"ListLiteral": "a list", "ListOf": "a list"}.get(
        type(node).__name__, f"an expression of {type(node).__name__}"
    )
