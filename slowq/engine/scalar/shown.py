"""A predicate as text, in one short line."""

from __future__ import annotations

from dataclasses import replace

from slowq.filters.ast import Expression, In, ListLiteral, printable
from slowq.filters.write import write

_MEMBERS = 5
_WIDTH = 200


def shown(node: Expression) -> str:
    if isinstance(node, In) and isinstance(node.values, ListLiteral) and len(node.values.values) > _MEMBERS:
        some = write(replace(node, values=ListLiteral(node.values.values[:_MEMBERS])))
        return f"{_cut(some[:-1])}, … {len(node.values.values)} values]"
    return _cut(write(node))


def _cut(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
