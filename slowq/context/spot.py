"""One value in a context file: where it stands, and how an error speaks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import yaml

from slowq.errors import UsageError
from slowq.facts import NOT_STATED

NULLS = {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True, slots=True)
class Spot:
    """A value in the file: its node, its dotted key, and the lines of the keys that were seen so far.

    `added` tells of a node that does not come from the file where it does come from, and `sources` of such keys.
    """

    path: str
    node: yaml.Node
    key: str = ""
    lines: dict[str, int] = field(default_factory=dict)
    added: Callable[[yaml.Node], str | None] | None = None
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    @property
    def text(self) -> str | None:
        """The text of a scalar, whatever its type; None for a mapping or a list."""
        return self.node.value if isinstance(self.node, yaml.ScalarNode) else None

    @property
    def plain(self) -> str | None:
        """The text of a scalar without quotes: the only kind that can be a number, a flag or null."""
        return self.text if isinstance(self.node, yaml.ScalarNode) and not self.node.style else None

    @property
    def is_null(self) -> bool:
        return self.plain in NULLS

    @property
    def is_unknown(self) -> bool:
        """Null, or the placeholder of reporters who know that there is a value but not which."""
        return self.is_null or (self.text or "").strip().casefold() == NOT_STATED

    def wrong(self, expected: str, hint: str | None = None) -> UsageError:
        kind = "a mapping" if isinstance(self.node, yaml.MappingNode) else "a list"
        got = kind if self.text is None else quoted(self.text)
        what = f"{quoted(self.key)}: " if self.key else ""
        return UsageError(f"{self.path}:{self.line}: {what}expected {expected}, got {got}", hint=hint)

    def at(self, key: str, node: yaml.Node, line: int) -> Spot:
        """A value inside this one."""
        self.lines[key] = line
        if self.added is not None and (source := self.added(node)):
            self.sources[key] = source
        return replace(self, key=key, node=node)

    def entries(self) -> Iterator[tuple[str, int, Spot]]:
        """The keys of a mapping, their lines and their values. A key that stands there twice is an error."""
        seen: dict[str, int] = {}
        for key_node, value in self.node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise UsageError(f"{self.path}:{line}: a key must be a word, not a mapping or a list")
            name = key_node.value
            dotted = f"{self.key}.{name}" if self.key else name
            if name in seen:
                raise given_twice(self.path, dotted, seen[name], line)
            seen[name] = line
            yield name, line, self.at(dotted, value, line)

    def items(self) -> Iterator[Spot]:
        """The items of a list."""
        for position, item in enumerate(self.node.value):
            yield self.at(f"{self.key}[{position}]", item, item.start_mark.line + 1)


def quoted(text: str) -> str:
    """Text of the file for a message: on one line, not longer than a line."""
    return repr(text if len(text) <= 60 else text[:59] + "…")


def given_twice(path: str, key: str, first: int, second: int) -> UsageError:
    message = f"{path}:{second}: {quoted(key)} is given twice, in line {first} and in line {second}"
    return UsageError(message, hint="keep one of them")
