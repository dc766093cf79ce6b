"""A filter like that of an incident, from the shape that a report keeps of it: the same operators on the same fields, with
made-up values, and rows in which each predicate passes the share that is known or assumed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slowq.filters import FilterSyntaxError, parse
from slowq.filters.ast import Call, Comparison, Expression, Field, In, JsonPath, Like, Range, Template, walk
from slowq.repro.scenario import Column

ASSUMED_SHARE = 0.1  # of the rows that pass one predicate, where nobody says
MOST_TERMS = 100
MOST_VALUES = 1000
TEMPLATE_VALUES = 10  # of a list that is a template, so that nobody knows how long it is

_MOST_TEXT = 40_000  # of a shape written out; chains within chains multiply

_SIZE = r"(>?\d{1,7}(?:-\d{1,7})?)"
_REPEATED = re.compile(r"\b(or|and)\u00d7" + _SIZE + r"\(")
_LIST = re.compile(r"\[\?\u00d7" + _SIZE + r"\]")
_PATTERN = re.compile(r'(?<=like )"([^"?]*\?[^"?]*)"', re.IGNORECASE)
_OURS = re.compile(r'(?<![\w"$])(id|vec)(?![\w"(])')  # names that every collection of ours has already
_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SCALARS = {"BOOL", "INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE", "VARCHAR", "JSON", "ARRAY"}


@dataclass(frozen=True, slots=True)
class Made:
    """`paths` are the JSON paths and `names` the plain fields that it asks for."""

    text: str
    columns: tuple[Column, ...]
    paths: tuple[str, ...]
    names: tuple[str, ...]
    assumed: tuple[str, ...]


def like(shape: str, types: Mapping[str, str], given: Sequence[Column] = ()) -> Made | None:
    """None where the shape cannot be read, or asks for what the rows of a reproduction do not have. `given` are columns
    that the rows have already, for other filters; those that are made hold them too."""
    if not shape:
        return Made("", tuple(given), (), (), ())
    types = {name: one for name, one in types.items() if one in _SCALARS}
    whole = _unfolded(_OURS.sub(r"own_\1", shape))
    if len(whole) > _MOST_TEXT or "{v" in whole:  # the second is how values are marked below
        return None
    marked, kinds = _marked(whole)
    try:
        tree = parse(marked)
    except FilterSyntaxError:
        return None
    if any(isinstance(node, Template) and node.name not in kinds for node in walk(tree)):
        return None  # a template of its own, whose value is not known
    columns = {one.name: one for one in given}
    values: dict[str, Any] = {}
    paths, names = set(), set()
    for node in walk(tree):
        subject = _subject(node)
        if subject is None:
            continue
        if isinstance(subject, JsonPath):
            paths.add(subject.text)
        else:
            names.add(subject.name)
            if not _suits(node, columns.get(subject.name)):
                return None
        _put(node, subject, kinds, types, columns, values)
    if not all(_PLAIN.fullmatch(name) for name in columns) or not all(_has(columns, node) for node in walk(tree)):
        return None
    if kinds.keys() != values.keys():
        return None  # a value whose place we do not understand
    text = re.sub(r"\{(v\d+)\}", lambda found: json.dumps(values[found[1]], ensure_ascii=False), marked)
    assumed = [f"each predicate passes {ASSUMED_SHARE:.0%} of the rows"]
    unknown = sorted(name for name in columns if name not in types)
    if unknown:
        assumed.append("types by their use: " + ", ".join(f"{name} {columns[name].type}" for name in unknown))
    return Made(text, tuple(columns.values()), tuple(sorted(paths)), tuple(sorted(names)), tuple(assumed))


def _has(columns: Mapping[str, Column], node: Expression) -> bool:
    """Whether the rows will have what is asked: a column of the same kind, and no place within a list."""
    match node:
        case Field():
            return node.name in columns and columns[node.name].type != "JSON"
        case JsonPath():
            of_keys = all(isinstance(one, str) and _PLAIN.fullmatch(one) for one in node.keys)
            return of_keys and node.root in columns and columns[node.root].type == "JSON"
        case Call():
            return node.name.lower().startswith(("array_contains", "json_contains"))
    return True


def _suits(node: Expression, column: Column | None) -> bool:
    """Whether a column that is there can be asked so: LIKE is for text, a call for lists."""
    if column is None or not isinstance(node, Like | Call):
        return True
    return column.type == ("VARCHAR" if isinstance(node, Like) else "ARRAY")


def _size(word: str, most: int) -> int:
    """A number within a size class such as "11-100": its geometric mean."""
    ends = [int(one) for one in re.findall(r"\d+", word)]
    middle = math.sqrt(ends[0] * ends[-1]) if len(ends) > 1 else ends[0] * 1.5
    return max(2, min(most, round(middle)))


def _unfolded(shape: str) -> str:
    """Chains that the shape has folded, such as `or\u00d72-10(a == ?)`, written out."""
    while True:
        found = _REPEATED.search(shape)
        if found is None or len(shape) > _MOST_TEXT:
            return shape
        depth, end = 1, found.end()
        while end < len(shape) and depth:
            depth += {"(": 1, ")": -1}.get(shape[end], 0)
            end += 1
        body = shape[found.end() : end - 1]
        terms = f" {found[1]} ".join([f"({body})"] * _size(found[2], MOST_TERMS))
        shape = f"{shape[: found.start()]}({terms}){shape[end:]}"


def _marked(shape: str) -> tuple[str, dict[str, tuple[str, int]]]:
    """Each masked value as a template `{vN}`, and what it is: ("value", 1), ("list", size), ("pattern %?%", 1)."""
    kinds: dict[str, tuple[str, int]] = {}

    def mark(kind: str, size: int = 1) -> str:
        name = f"v{len(kinds)}"
        kinds[name] = (kind, size)
        return "{" + name + "}"

    shape = _LIST.sub(lambda found: mark("list", _size(found[1], MOST_VALUES)), shape)
    shape = _PATTERN.sub(lambda found: mark(found[1]), shape)
    return re.sub(r"\{\?\}|-?\?", lambda _: mark("value"), shape), kinds


def _subject(node: Expression) -> Field | JsonPath | None:
    """The field or path of a predicate, where it has one by itself."""
    first: Expression | None = None
    match node:
        case Comparison():
            first = node.left if isinstance(node.left, Field | JsonPath) else node.right
        case Range():
            first = node.middle
        case In():
            first = node.operand
        case Like():
            first = node.operand
        case Call() if node.args:
            first = node.args[0]
    return first if isinstance(first, Field | JsonPath) else None


def _put(
    node: Expression,
    subject: Field | JsonPath,
    kinds: Mapping[str, tuple[str, int]],
    types: Mapping[str, str],
    columns: dict[str, Column],
    values: dict[str, Any],
) -> None:
    """Gives the predicate's templates their values, and its column rows that hold them."""
    given = [one.name for one in walk(node) if isinstance(one, Template)]
    root = subject.root if isinstance(subject, JsonPath) else subject.name
    whole = columns.get(root, Column(root, types.get(root, _type(node, subject))))
    inner = ".".join(str(one) for one in subject.keys if isinstance(one, str)) if isinstance(subject, JsonPath) else ""
    leaf = whole
    if whole.type == "JSON":
        leaf = next((one for one in whole.paths if one.name == inner), Column(inner or "value", _leaf_type(node)))
    for place, name in enumerate(given):
        values[name], leaf = _value(node, leaf, kinds[name], place)
    if whole.type == "JSON":
        others = tuple(one for one in whole.paths if one.name != leaf.name)
        whole = replace(whole, paths=(*others, leaf))
    else:
        whole = leaf
    columns[root] = whole


def _type(node: Expression, subject: Field | JsonPath) -> str:
    if isinstance(subject, JsonPath):
        return "JSON"
    if isinstance(node, Like):
        return "VARCHAR"
    if isinstance(node, Call):
        return "ARRAY"
    return (
        "FLOAT"
        if isinstance(node, Range) or (isinstance(node, Comparison) and node.op not in ("==", "!="))
        else "INT64"
    )


def _leaf_type(node: Expression) -> str:
    return "VARCHAR" if isinstance(node, Like) else "ARRAY" if isinstance(node, Call) else "INT64"


def _value(node: Expression, leaf: Column, kind: tuple[str, int], place: int) -> tuple[Any, Column]:
    word, size = kind
    if isinstance(node, In) and word == "value":  # a template in the place of the list
        word, size = "list", TEMPLATE_VALUES
    number = leaf.distinct + 1 + len(leaf.values)  # of no other row
    if word == "list":
        share = ASSUMED_SHARE / size
        made = [_named(leaf, number + one) for one in range(size)]
        return made, replace(leaf, values=(*leaf.values, *((_stored(leaf, one), share) for one in made)))
    if word != "value":
        wanted = word.replace("?", f"needle{len(leaf.values)}x")
        return wanted, replace(leaf, values=(*leaf.values, (wanted.replace("%", "x"), _room(leaf))))
    ordered = isinstance(node, Range) or (isinstance(node, Comparison) and node.op not in ("==", "!="))
    if ordered and leaf.type != "VARCHAR":
        low = isinstance(node, Range) and place == 0
        at = leaf.distinct * (0.45 if low else 0.55 if isinstance(node, Range) else _cut(node))
        return (at if leaf.type in ("FLOAT", "DOUBLE") else int(at)), leaf
    value = _named(leaf, number)
    return value, replace(leaf, values=(*leaf.values, (_stored(leaf, value), _room(leaf))))


def _room(leaf: Column) -> float:
    """The share of rows for one more value: as assumed, less where others hold most of the rows."""
    return max(0.001, min(ASSUMED_SHARE, (0.9 - sum(share for _, share in leaf.values)) / 4))


def _cut(node: Expression) -> float:
    """Where a one-sided comparison must cut a uniform column, so that the assumed share passes."""
    return ASSUMED_SHARE if isinstance(node, Comparison) and node.op in ("<", "<=") else 1 - ASSUMED_SHARE


def _named(leaf: Column, number: int) -> Any:
    if leaf.type == "VARCHAR":
        return f"{leaf.name}-{number:05d}"
    if leaf.type == "BOOL":
        return True
    return float(number) if leaf.type in ("FLOAT", "DOUBLE") else number


def _stored(leaf: Column, value: Any) -> Any:
    """What a row holds so that the predicate passes: of an array, a list with the value in it."""
    return [value, 1, 2] if leaf.type == "ARRAY" else value
