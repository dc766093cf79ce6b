"""The order in which the parts of an and / or are asked, cheap ones first (Milvus 2.5.6: `common.enabledOptimizeExpr`)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from slowq.engine.scalar.fields import STRINGS, ScalarField
from slowq.filters.ast import And, Expression, Field, JsonPath, Like, Not, Or, fold, walk
from slowq.filters.identity import with_children


class Cost(IntEnum):
    """Milvus' classes, from cheap to dear."""

    NUMBER = 0
    INDEXED = 1
    STRING = 2
    ARRAY = 3
    STRING_LIKE = 4
    ARRAY_LIKE = 5
    JSON = 6
    JSON_LIKE = 7
    OTHER = 8
    TWO_FIELDS = 9


def cheapest_first(tree: Expression, fields: Mapping[str, ScalarField]) -> Expression:
    """The tree with the operands of every and / or in the order of their cost, else as they were."""

    def combine(node: Expression, parts: list[Expression]) -> Expression:
        if isinstance(node, And | Or):
            parts = sorted(parts, key=lambda part: cost(part, fields))
        return with_children(node, parts) if parts else node

    return fold(tree, combine, lambda node: node.children() if isinstance(node, And | Or | Not) else ())


def cost(node: Expression, fields: Mapping[str, ScalarField]) -> Cost:
    while isinstance(node, Not):
        node = node.operand
    if isinstance(node, And | Or):
        return Cost.OTHER
    subjects = [part for part in walk(node) if isinstance(part, Field | JsonPath)]
    if not subjects:
        return Cost.NUMBER
    if len(subjects) > 1:
        return Cost.TWO_FIELDS
    name = subjects[0].root if isinstance(subjects[0], JsonPath) else subjects[0].name
    kind = fields[name].type if name in fields else "JSON"
    like = isinstance(node, Like)
    if kind == "JSON":
        return Cost.JSON_LIKE if like else Cost.JSON
    if kind == "ARRAY":
        return Cost.ARRAY_LIKE if like else Cost.ARRAY
    if kind in STRINGS:
        return Cost.STRING_LIKE if like else Cost.STRING
    return Cost.NUMBER
