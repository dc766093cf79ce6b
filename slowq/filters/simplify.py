"""Rewrites of one node, whose parts are rewritten already: the same rows for the same data, in fewer or cheaper terms.

Each is a small function, node in, other node or None out. They keep the answer for NULL, for JSON paths that are
missing or of another type, and for elements behind the end of an array, in both readings that `evaluate` knows. A
rewrite that gives up the difference between false and unknown asks `scene.is_positive`: only `and` and `or` stand
between that node and the whole filter, where neither selects the row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from slowq.filters.ast import (
    And,
    Arithmetic,
    Call,
    Comparison,
    Expression,
    Field,
    In,
    IsNull,
    JsonPath,
    Like,
    ListLiteral,
    Literal,
    Not,
    Or,
    Range,
    Unary,
    walk,
)
from slowq.filters.evaluate import NotEvaluableError, evaluate
from slowq.filters.identity import Identities
from slowq.filters.indexes import served
from slowq.filters.schema import Schema, Version
from slowq.filters.terms import (
    OPPOSITE,
    SAFE_INTEGER,
    Term,
    as_expression,
    between,
    distinct,
    holds,
    is_empty,
    terms_of,
    tightest,
    weakest,
)

FALSE, TRUE = Literal(False), Literal(True)
_FEWEST_FOR_RANGE = 10  # values of a list that a range replaces
_LIKE_SPECIAL = frozenset("%_\\")


@dataclass(frozen=True, slots=True)
class Scene:
    version: Version | None
    schema: Schema
    identities: Identities
    is_positive: bool = False


# Constants


def fold_constants(node: Expression, scene: Scene) -> Expression | None:
    """`60 * 60` is 3600, `1 == 2` is false."""
    if not isinstance(node, Arithmetic | Unary | Comparison | Range):
        return None
    literals = node.children()
    if not all(isinstance(one, Literal) for one in literals):
        return None
    if (
        isinstance(node, Comparison | Range)
        and len({type(one.value) for one in literals if isinstance(one, Literal)}) > 1
    ):
        return None
    try:
        value = _value(node) if isinstance(node, Arithmetic) else evaluate(node, [{}])[0]
    except NotEvaluableError:
        return None
    return None if value is None else Literal(value)


def _value(node: Arithmetic) -> int | float | None:
    """Only where every version computes the same: integers without overflow, doubles that remain finite."""
    left, right = (one.value for one in (node.left, node.right) if isinstance(one, Literal))
    if isinstance(left, bool | str) or isinstance(right, bool | str) or (node.op in "/%" and right == 0):
        return None
    whole = isinstance(left, int) and isinstance(right, int)
    match node.op:
        case "+":
            value: float = left + right
        case "-":
            value = left - right
        case "*":
            value = left * right
        case "/" if not whole:
            value = left / right
        case "/" if left % right == 0:
            value = left // right
        case "%" if whole and left >= 0 and right > 0:
            value = left % right
        case _:
            return None
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else None
    return value if math.isfinite(value) else None


def drop_constants(node: Expression, scene: Scene) -> Expression | None:
    """`true and a == 1` is `a == 1`, `false and a == 1` is false; for `or` the other way round; `not true` is false."""
    if isinstance(node, Not) and isinstance(node.operand, Literal) and isinstance(node.operand.value, bool):
        return FALSE if node.operand.value else TRUE
    if not isinstance(node, And | Or):
        return None
    neutral, deciding = (True, False) if isinstance(node, And) else (False, True)
    constants = [one.value for one in node.operands if isinstance(one, Literal)]
    if any(value is deciding for value in constants):
        return Literal(deciding)
    if not any(value is neutral for value in constants):
        return None
    kept = [one for one in node.operands if not (isinstance(one, Literal) and one.value is neutral)]
    return _chain(node, kept) if kept else Literal(neutral)


# Not


def double_negation(node: Expression, scene: Scene) -> Expression | None:
    """`not (not (a == 1))` is `a == 1`, and unknown remains unknown."""
    if isinstance(node, Not) and isinstance(node.operand, Not):
        inner = node.operand.operand
        return inner if isinstance(inner, And | Or | Not | Comparison | In | Range | Like | IsNull) else None
    return None


def negated_comparison(node: Expression, scene: Scene) -> Expression | None:
    """`not (a == 1)` is `a != 1`. `not (a < 1)` is `a >= 1` only for an integer or string field: a JSON path may be missing."""
    if not isinstance(node, Not):
        return None
    inner = node.operand
    if isinstance(inner, IsNull):
        return replace(inner, negated=not inner.negated)
    terms = () if isinstance(inner, Range) else terms_of(inner)
    if isinstance(inner, In) and isinstance(inner.operand, Field | JsonPath):
        return replace(inner, negated=not inner.negated)
    if not terms or not isinstance(inner, Comparison) or scene.schema.may_be_array_element(terms[0].subject):
        return None
    if inner.op in ("==", "!=") or scene.schema.is_ordered(terms[0].subject, terms[0].kind):
        return replace(inner, op=OPPOSITE[inner.op])
    return None


# Chains


def duplicate_terms(node: Expression, scene: Scene) -> Expression | None:
    """`a == 1 and a == 1` is `a == 1`."""
    if not isinstance(node, And | Or):
        return None
    kept: dict[int, Expression] = {}
    for one in node.operands:
        kept.setdefault(scene.identities.of(one), one)
    if len(kept) == len(node.operands) or _is_random(node):
        return None
    return _chain(node, list(kept.values()))


def absorbed_terms(node: Expression, scene: Scene) -> Expression | None:
    """`a == 1 or (a == 1 and b == 2)` is `a == 1`; so is `a == 1 and (a == 1 or b == 2)`."""
    if not isinstance(node, And | Or):
        return None
    other = Or if isinstance(node, And) else And
    if not any(isinstance(one, other) for one in node.operands):
        return None
    known = {scene.identities.of(one) for one in node.operands if not isinstance(one, other)}
    kept = [
        one
        for one in node.operands
        if not (isinstance(one, other) and any(scene.identities.of(part) in known for part in one.operands))
    ]
    return None if len(kept) == len(node.operands) or _is_random(node) else _chain(node, kept)


def or_to_in(node: Expression, scene: Scene) -> Expression | None:
    """`a == 1 or a == 2 or a in [3]` is `a in [1, 2, 3]`."""
    return _as_list(node, scene, "==", "in") if isinstance(node, Or) else None


def and_to_not_in(node: Expression, scene: Scene) -> Expression | None:
    """`a != 1 and a != 2` is `a not in [1, 2]`."""
    return _as_list(node, scene, "!=", "not in") if isinstance(node, And) else None


def _as_list(node: And | Or, scene: Scene, single: str, many: str) -> Expression | None:
    groups = {
        key: group
        for key, group in _by_subject(node.operands, (single, many)).items()
        if len(group) > 1
        and _may_be_listed(group[0][1], scene, many)
        and all(_is_exact(term, scene) for _, term in group)
    }
    made = {
        group[0][0]: as_expression(
            replace(group[0][1], op=many, values=distinct(value for _, term in group for value in term.values))
        )
        for group in groups.values()
    }
    return _replaced(node, made, {at for group in groups.values() for at, _ in group})


def _may_be_listed(term: Term, scene: Scene, op: str) -> bool:
    return term.kind != "bool" and not (op == "not in" and scene.schema.may_be_array_element(term.subject))


def _is_exact(term: Term, scene: Scene) -> bool:
    if term.kind != "int" or scene.schema.is_integer(term.subject):
        return True
    return all(abs(int(value)) <= SAFE_INTEGER for value in term.values)


def merged_bounds(node: Expression, scene: Scene) -> Expression | None:
    """`a > 1 and a > 3 and a < 9` is `3 < a < 9`; `a > 1 or a > 3` is `a > 1`."""
    if not isinstance(node, And | Or):
        return None
    made: dict[int, Expression] = {}
    gone: set[int] = set()
    for group in _by_subject(node.operands, ("<", "<=", ">", ">="), ranges=isinstance(node, And)).values():
        lower = [term for _, term in group if term.op[0] == ">"]
        upper = [term for _, term in group if term.op[0] == "<"]
        places = {at for at, _ in group}
        if isinstance(node, Or):
            for bounds in (lower, upper):
                if len(bounds) > 1:
                    chosen = weakest(bounds)
                    where = [at for at, term in group if term.op[0] == chosen.op[0]]
                    made[where[0]] = as_expression(chosen)
                    gone |= set(where)
            continue
        if len(places) < 2 or any(value != value for _, term in group for value in term.values):
            continue
        low, high = (tightest(bounds) if bounds else None for bounds in (lower, upper))
        if low and high and is_empty(low, high):
            continue
        only = low or high
        if only is not None:
            made[min(places)] = between(low, high) if low and high else as_expression(only)
            gone |= places
    return _replaced(node, made, gone)


def narrowed_list(node: Expression, scene: Scene) -> Expression | None:
    """`a in [1, 2, 9] and a < 5` is `a in [1, 2]`; what no value can satisfy is false."""
    if not isinstance(node, And):
        return None
    made: dict[int, Expression] = {}
    gone: set[int] = set()
    for group in _by_subject(node.operands, ("==", "in", "!=", "not in", "<", "<=", ">", ">="), ranges=True).values():
        places = {at for at, _ in group}
        lists = [term for _, term in group if term.op in ("==", "in")]
        if not lists or len(places) < 2 or not all(_is_exact(term, scene) for _, term in group):
            continue
        shortest = min(lists, key=lambda term: len(term.values))
        sets = [(term, frozenset(term.values)) for _, term in group if term is not shortest]
        left = [value for value in distinct(shortest.values) if all(_holds(term, known, value) for term, known in sets)]
        if not left:
            continue  # contradictions answers it, where it may
        made[min(places)] = as_expression(replace(shortest, op="in" if len(left) > 1 else "==", values=tuple(left)))
        gone |= places
    return _replaced(node, made, gone)


def _holds(term: Term, known: frozenset[object], value: object) -> bool:
    if term.op in ("==", "in", "!=", "not in"):
        return (value in known) == (term.op in ("==", "in"))
    return holds(term, value)  # type: ignore[arg-type]


def contradictions(node: Expression, scene: Scene) -> Expression | None:
    """`a == 1 and a == 2`, `a > 5 and a < 3`, `a in []`: no row is selected, whatever the data."""
    if not scene.is_positive:
        return None
    if isinstance(node, In):
        return FALSE if not node.negated and node.values == ListLiteral(()) else None
    terms = terms_of(node) if isinstance(node, Range) else ()
    if terms:
        return FALSE if is_empty(*terms) else None
    if not isinstance(node, And):
        return None
    if _denies_itself(node, scene):
        return FALSE
    for group in _by_subject(node.operands, ("==", "in", "!=", "not in", "<", "<=", ">", ">="), ranges=True).values():
        if _contradict([term for _, term in group]):
            return FALSE
    return None


def _denies_itself(node: And, scene: Scene) -> bool:
    negated = {scene.identities.of(one.operand) for one in node.operands if isinstance(one, Not)}
    return bool(negated) and not _is_random(node) and any(scene.identities.of(one) in negated for one in node.operands)


def _contradict(terms: list[Term]) -> bool:
    lower = [term for term in terms if term.op[0] == ">"]
    upper = [term for term in terms if term.op[0] == "<"]
    if lower and upper and is_empty(tightest(lower), tightest(upper)):
        return True
    lists = [term for term in terms if term.op in ("==", "in")]
    if not lists or len(terms) < 2:
        return False
    shortest = min(lists, key=lambda term: len(term.values))
    others = [(term, frozenset(term.values)) for term in terms if term is not shortest]
    return not any(all(_holds(term, known, value) for term, known in others) for value in shortest.values)


# Lists


def tidy_list(node: Expression, scene: Scene) -> Expression | None:
    """`a in [1, 1, 2]` is `a in [1, 2]`; `a in [1]` is `a == 1`."""
    terms = terms_of(node) if isinstance(node, In) else ()
    if not terms or not isinstance(node, In):
        return None
    values = distinct(terms[0].values)
    if len(values) == 1 and _is_exact(terms[0], scene):
        if node.negated and scene.schema.may_be_array_element(node.operand):
            return None
        return Comparison("!=" if node.negated else "==", node.operand, Literal(values[0]), node.at)
    return replace(node, values=ListLiteral(values)) if len(values) < len(terms[0].values) else None


def list_to_range(node: Expression, scene: Scene) -> Expression | None:
    """`a in [1, 2, …, 12]` is `1 <= a <= 12` for an integer field."""
    if not isinstance(node, In) or node.negated or not isinstance(node.values, ListLiteral):
        return None
    values = node.values.values
    info = scene.schema.of(node.operand)
    if len(values) < _FEWEST_FOR_RANGE or not scene.schema.is_integer(node.operand) or info.primary:
        return None
    if info.index and not served("range", info.index, scene.version):
        return None
    numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    low, high = (min(numbers), max(numbers)) if len(numbers) == len(values) else (0, 0)
    if high - low + 1 != len(set(numbers)) or len(numbers) != len(values):
        return None
    return Range(Literal(low), "<=", node.operand, "<=", Literal(high), node.at)


# Single predicates


def value_alone(node: Expression, scene: Scene) -> Expression | None:
    """`a + 1 == 5` is `a == 4`: integer fields only, and only where 64 bits cannot overflow or do not matter."""
    if not isinstance(node, Comparison) or not isinstance(node.left, Arithmetic) or not isinstance(node.right, Literal):
        return None
    op, field, by = node.left.op, node.left.left, node.left.right
    if op == "+" and isinstance(field, Literal):
        field, by = by, field
    if op not in ("+", "-") or not isinstance(by, Literal) or not scene.schema.is_integer(field):
        return None
    if type(by.value) is not int or type(node.right.value) is not int:
        return None
    if node.op not in ("==", "!=") and not (scene.schema.is_narrow_integer(field) and abs(by.value) < 2**62):
        return None
    value = node.right.value - by.value if op == "+" else node.right.value + by.value
    bits = int(scene.schema.of(field).type.removeprefix("INT"))
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        return None
    return replace(node, left=field, right=Literal(value))


def like_without_wildcard(node: Expression, scene: Scene) -> Expression | None:
    """`a like "abc"` is `a == "abc"`."""
    if not isinstance(node, Like) or not isinstance(node.pattern, Literal) or not isinstance(node.pattern.value, str):
        return None
    if _LIKE_SPECIAL & set(node.pattern.value):
        return None
    return Comparison("==", node.operand, node.pattern, node.at)


def like_to_range(node: Expression, scene: Scene) -> Expression | None:
    """`a like "abc%"` is `"abc" <= a < "abd"`, where the index of the field serves ranges and not prefixes."""
    if not isinstance(node, Like) or node.kind != "prefix" or not isinstance(node.pattern, Literal):
        return None
    index = scene.schema.of(node.operand).index
    prefix = str(node.pattern.value)[:-1]
    if not index or not prefix or "\\" in prefix or not scene.schema.is_ordered(node.operand, "string"):
        return None
    if served("like_prefix", index, scene.version) is not False or not served("range", index, scene.version):
        return None
    after = ord(prefix[-1]) + 1
    if after == 0xD800 or after > 0x10FFFF:
        return None
    return Range(Literal(prefix), "<=", node.operand, "<", Literal(prefix[:-1] + chr(after)), node.at)


# What they share


def _chain(node: And | Or, operands: list[Expression]) -> Expression:
    return operands[0] if len(operands) == 1 else replace(node, operands=tuple(operands))


def _by_subject(
    operands: Iterable[Expression], ops: tuple[str, ...], *, ranges: bool = False
) -> dict[tuple[str, str], list[tuple[int, Term]]]:
    """The terms with such operators, each with the place of its operand, by subject and kind of value."""
    found: dict[tuple[str, str], list[tuple[int, Term]]] = {}
    for at, operand in enumerate(operands):
        if isinstance(operand, Range) and not ranges:
            continue
        for term in terms_of(operand):
            if term.op in ops:
                found.setdefault((term.subject.text, term.kind), []).append((at, term))
    return found


def _replaced(node: And | Or, made: dict[int, Expression], gone: set[int]) -> Expression | None:
    if not made:
        return None
    operands = [made.get(at, one) for at, one in enumerate(node.operands) if at in made or at not in gone]
    return _chain(node, operands)


def _is_random(node: Expression) -> bool:
    return any(isinstance(one, Call) and one.name == "random_sample" for one in walk(node))
