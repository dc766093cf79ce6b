"""Rows of tests/filters as the columns of a segment."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from slowq.engine import scalar
from slowq.engine.scalar import ScalarField
from slowq.filters.ast import Comparison, Expression, Range, fold
from slowq.filters.evaluate import evaluate
from slowq.filters.identity import with_children
from slowq.filters.write import write
from tests.filters.rows import Filters

FIELDS = {
    field.name: field
    for field in (
        ScalarField("id", "INT64"),
        ScalarField("small", "INT8", nullable=True),
        ScalarField("big", "INT64", nullable=True),
        ScalarField("price", "DOUBLE", nullable=True),
        ScalarField("name", "VARCHAR", nullable=True),
        ScalarField("flag", "BOOL", nullable=True),
        ScalarField("meta", "JSON", nullable=True),
        ScalarField("tags", "ARRAY", "INT64", nullable=True),
    )
}
_ARROW = {
    "INT8": pa.int8(),
    "INT16": pa.int16(),
    "INT32": pa.int32(),
    "INT64": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BOOL": pa.bool_(),
    "JSON": pa.binary(),
}


def column(field: ScalarField, values: Sequence[Any]) -> pa.Array:
    if field.type == "JSON":
        values = [None if one is None else json.dumps(one).encode() for one in values]
    if field.type == "ARRAY":
        return pa.array(values, pa.list_(_ARROW[field.element_type or "INT64"]))
    return pa.array(values, _ARROW[field.type])


def columns(rows: Sequence[dict[str, Any]]) -> dict[str, pa.Array]:
    """With `$meta`, and each column a slice: its first row lies in the middle of a buffer."""
    fields = (*FIELDS.values(), ScalarField("$meta", "JSON"))
    whole = {field.name: column(field, [None, *(row[field.name] for row in rows)]) for field in fields}
    return {name: one.slice(1) for name, one in whole.items()}


def accepted(rng: random.Random, count: int) -> list[Expression]:
    """Random filters that Milvus takes for these fields; bounds of ranges in their order, for it takes no others."""
    found: list[Expression] = []
    while len(found) < count:
        tree = fold(Filters(rng).filter(2), _in_order)
        try:
            scalar.compile(write(tree), FIELDS, dynamic=True)
        except scalar.FilterError:
            continue
        found.append(tree)
    return found


def _in_order(node: Expression, parts: list[Expression]) -> Expression:
    if isinstance(node, Range) and evaluate(Comparison(">", node.low, node.high), [{}]) == [True]:
        return replace(node, low=node.high, high=node.low)
    return with_children(node, parts) if parts else node
