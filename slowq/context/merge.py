"""Two contexts in one: a file of the user, and what a Milvus told. Where both say something, the file counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import yaml

from slowq.context.spot import NULLS, quoted

Added = Callable[[yaml.Node], str | None]

# By what the items of these lists are told apart.
_KEYED = {"collections": ("database", "name"), "fields": ("name",), "observations_per_node": ("node",)}
_DEFAULTS = {"database": "default"}


@dataclass(slots=True)
class Merged:
    """Merges trees of nodes, so that each value keeps the line on which it stands. `name` is where the second comes from."""

    name: str
    differences: list[str] = field(default_factory=list)
    _of_second: set[int] = field(default_factory=set)  # ids of nodes, which live as long as their tree

    def added(self, node: yaml.Node) -> str | None:
        return self.name if id(node) in self._of_second else None

    def of(self, first: yaml.Node, second: yaml.Node, key: str = "") -> yaml.Node:
        """The first, completed in place from the second."""
        if isinstance(first, yaml.MappingNode) and isinstance(second, yaml.MappingNode):
            self._mappings(first, second, key)
        elif isinstance(first, yaml.SequenceNode) and isinstance(second, yaml.SequenceNode):
            self._lists(first, second, key)
        elif _text(first) != _text(second):
            said = [quoted(_text(one) or "…") for one in (first, second)]
            self.differences.append(f"{key}: the file says {said[0]}, Milvus {said[1]}")
        return first

    def _mappings(self, first: yaml.MappingNode, second: yaml.MappingNode, key: str) -> None:
        inside = {_text(name): (at, value) for at, (name, value) in enumerate(first.value)}
        for name, value in second.value:
            word = _text(name) or ""
            at, there = inside.get(word, (None, None))
            if there is None:
                first.value.append((name, self._marked(value)))
            elif word != "index" and _is_null(there):  # `index: null` says that there is none
                first.value[at] = (name, self._marked(value))
            else:
                self.of(there, value, f"{key}.{word}" if key else word)

    def _lists(self, first: yaml.SequenceNode, second: yaml.SequenceNode, key: str) -> None:
        names = _KEYED.get(key.rpartition(".")[2])
        if names is None:  # what has no name cannot be told apart: the file's alone
            return
        inside = {_identity(one, names): one for one in first.value}
        for one in second.value:
            identity = _identity(one, names)
            there = inside.get(identity)
            if there is None:
                first.value.append(self._marked(one))
            else:
                self.of(there, one, f"{key} {' '.join(filter(None, identity[-1:]))}")

    def _marked(self, node: yaml.Node) -> yaml.Node:
        self._of_second.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                self._marked(name)
                self._marked(value)
        elif isinstance(node, yaml.SequenceNode):
            for one in node.value:
                self._marked(one)
        return node


def _identity(node: yaml.Node, names: tuple[str, ...]) -> tuple[str | None, ...]:
    said = {_text(name): _text(value) for name, value in node.value} if isinstance(node, yaml.MappingNode) else {}
    return tuple(said.get(name) or _DEFAULTS.get(name) for name in names)


def _text(node: yaml.Node) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style and node.value in NULLS
