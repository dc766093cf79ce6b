"""From the text of a filter to what runs: parsed, its templates filled, checked against the fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from slowq.engine.scalar.check import checked
from slowq.engine.scalar.fields import FilterError, ScalarField
from slowq.engine.scalar.order import cheapest_first
from slowq.filters.ast import Expression, Field, JsonPath, ListLiteral, ListOf, Literal, Template, fold, walk
from slowq.filters.identity import with_children
from slowq.filters.parse import parse


@dataclass(frozen=True, slots=True)
class Filter:
    """`tree` is what runs, cheap conjuncts first; `fields` are the columns it reads, `$meta` for dynamic names."""

    text: str
    tree: Expression
    fields: frozenset[str]
    types: Mapping[str, ScalarField] = field(repr=False)
    texts: dict[int, str] = field(default_factory=dict, repr=False, compare=False)  # of predicates, by id, once asked


def compile(  # noqa: A001 - the word for it
    text: str, fields: Mapping[str, ScalarField], *, dynamic: bool, templates: Mapping[str, object] = {}
) -> Filter:
    """Raises FilterSyntaxError for what the grammar does not know, FilterError for what does not fit the fields."""
    tree = checked(filled(parse(text), templates), fields, dynamic=dynamic)
    tree = cheapest_first(tree, fields)
    names = frozenset(
        node.root if isinstance(node, JsonPath) else node.name
        for node in walk(tree)
        if isinstance(node, Field | JsonPath)
    )
    return Filter(text, tree, names, fields)


def filled(tree: Expression, templates: Mapping[str, object]) -> Expression:
    """The tree with the values of its templates. Raises FilterError where one is missing or no value."""

    def combine(node: Expression, parts: list[Expression]) -> Expression:
        if isinstance(node, Template):
            if node.name not in templates:
                raise FilterError(f"the value of expression template variable name {{{node.name}}} is not found")
            return _value(node.name, templates[node.name])
        return with_children(node, parts) if parts else node

    return fold(tree, combine)


def _value(name: str, value: object) -> Expression:
    if isinstance(value, bool | int | float | str):
        return Literal(value)
    if isinstance(value, list | tuple):
        if all(isinstance(one, bool | int | float | str) for one in value):
            return ListLiteral(tuple(value))
        return ListOf(tuple(_value(name, one) for one in value))
    raise FilterError(
        f"the value of expression template variable name {{{name}}} is a {type(value).__name__}, which no filter takes"
    )
