"""The values of a filter beside its text: `{name}` for each, and what they stand for.

The proxy then parses a few words instead of thousands of literals, and filters that differ only in their values have one
text. Milvus has templates from 2.4.14 and 2.5.0 on; for LIKE patterns from 2.6.17 on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from slowq.filters.ast import (
    Call,
    Comparison,
    Expression,
    In,
    Like,
    ListLiteral,
    Literal,
    Range,
    Scalar,
    Template,
    fold,
    walk,
)
from slowq.filters.identity import with_children
from slowq.filters.schema import Version

SINCE: Version = (2, 4, 14)
FILTER_PARAMS_SINCE: Version = (2, 5, 0)
LIKE_SINCE: Version = (2, 6, 17)
MOST = 64  # values; with more of them beside lists the call is longer than the filter
_CALLS = re.compile(r"(?:json|array)_contains(?:_all|_any)?")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Templated:
    """`keyword` is what pymilvus calls the values: filter_params, or expr_params before 2.5.0."""

    tree: Expression
    params: dict[str, Scalar | tuple[Scalar, ...]]
    keyword: str


def templated(tree: Expression, version: Version | None = None) -> Templated | None:
    """None where the version has no templates, or the filter no values, too many, or templates of its own."""
    if version is not None and version < SINCE:
        return None
    names = _Names()

    def combine(node: Expression, children: list[Expression]) -> Expression:
        return with_children(node, names.put(node, children, version))

    made = fold(tree, combine)
    if not names.params or len(names.params) > MOST or any(isinstance(one, Template) for one in walk(tree)):
        return None
    old = version is not None and version < FILTER_PARAMS_SINCE
    return Templated(made, names.params, "expr_params" if old else "filter_params")


class _Names:
    def __init__(self) -> None:
        self.params: dict[str, Scalar | tuple[Scalar, ...]] = {}
        self._used: dict[str, int] = {}

    def put(self, node: Expression, children: list[Expression], version: Version | None) -> Sequence[Expression]:
        """The children of a predicate, with templates for its values."""
        takes = isinstance(node, Comparison | Range | In) or (isinstance(node, Call) and _CALLS.fullmatch(node.name))
        if isinstance(node, Like):
            takes = version is None or version >= LIKE_SINCE
        subject = next((one.text for one in children if hasattr(one, "text")), None)
        if not takes or subject is None or len(self.params) > MOST:
            return children
        return [self.named(one, subject) if isinstance(one, Literal | ListLiteral) else one for one in children]

    def named(self, value: Literal | ListLiteral, subject: str) -> Expression:
        name = _NOT_IN_NAMES.sub("_", subject).strip("_").lower() or "value"
        name = f"v_{name}" if name[0].isdigit() else name
        self._used[name] = self._used.get(name, 0) + 1
        while (numbered := f"{name}_{self._used[name]}" if self._used[name] > 1 else name) in self.params:
            self._used[name] += 1
        self.params[numbered] = value.value if isinstance(value, Literal) else value.values
        return Template(numbered)
