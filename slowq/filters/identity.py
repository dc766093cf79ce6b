"""Which parts of a tree say the same, and trees made anew from changed parts: both without recursion."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

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
    ListOf,
    Literal,
    Not,
    Or,
    Range,
    Regex,
    Template,
    Unary,
)


class Identities:
    """Numbers for trees: equal trees have the same. A part that was numbered before is not walked again."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._known: dict[int, tuple[Expression, int]] = {}  # by id; holding the node keeps its id from being reused

    def of(self, tree: Expression) -> int:
        pending = [tree]
        while pending:
            node = pending[-1]
            unknown = [child for child in node.children() if id(child) not in self._known]
            if unknown:
                pending.extend(unknown)
                continue
            pending.pop()
            if id(node) not in self._known:
                key = (type(node), _own(node), tuple(self._known[id(child)][1] for child in node.children()))
                self._known[id(node)] = (node, self._numbers.setdefault(key, len(self._numbers)))
        return self._known[id(tree)][1]


def _own(node: Expression) -> Any:
    """What a node says beside its children; with types, for 1, 1.0 and true are equal to Python."""
    if isinstance(node, Literal):
        return (type(node.value), node.value)
    if isinstance(node, Call):
        return (node.name, tuple(word for word, _ in node.keywords))
    values = [
        value
        for one in dataclasses.fields(node)
        if one.compare and isinstance(value := getattr(node, one.name), str | bool | int | tuple | None)
    ]
    return tuple(_typed(value) if isinstance(value, tuple) else value for value in values)


def _typed(values: tuple[Any, ...]) -> Any:
    """Of a tuple of plain values; the children of a node are numbered by themselves."""
    if values and dataclasses.is_dataclass(values[0]):
        return None
    return (values, tuple(map(type, values)))


def with_children(node: Expression, children: Sequence[Expression]) -> Expression:
    """The node with other children, in the order of `children()`; the node itself where they are the same."""
    if all(new is old for new, old in zip(children, node.children(), strict=True)):
        return node
    match node:
        case And() | Or():
            return replace(node, operands=tuple(children))
        case Not() | Unary() | Exists():
            return replace(node, operand=children[0])
        case IsNull():
            return replace(node, operand=cast(Field | JsonPath, children[0]))
        case Comparison() | Arithmetic():
            return replace(node, left=children[0], right=children[1])
        case Range():
            return replace(node, low=children[0], middle=children[1], high=children[2])
        case In():
            return replace(node, operand=children[0], values=children[1])
        case Like():
            return replace(node, operand=children[0], pattern=cast(Literal | Template, children[1]))
        case Regex():
            return replace(node, operand=children[0], pattern=children[1])
        case ListOf():
            return ListOf(tuple(children))
        case Call():
            count = len(node.args)
            words = [word for word, _ in node.keywords]
            keywords = tuple(zip(words, children[count:], strict=True))
            return replace(node, args=tuple(children[:count]), keywords=keywords)
        case _:
            raise AssertionError(f"{type(node).__name__} has no children")
