"""Normal forms (`shape`) read back: what a report says of a filter, without its values.

Values become templates, lists of a size class lists of its smallest size, repeated terms as many as their class has at
least. So the tree has the features of the filters that it stands for.
"""

from __future__ import annotations

import re

from slowq.filters.ast import Expression
from slowq.filters.parse import Trouble, try_parse
from slowq.filters.sizes import floor_of

_MASK = re.compile(r'"(?:[^"\\]|\\.)*"|\[\?(?:\u00d7([^\]]+))?\]|\{\?\}|\?|(and|or)\u00d7([0-9>-]+)\(')
_MOST = 200_000  # characters: chains within chains multiply


def from_shape(text: str) -> Expression | Trouble:
    """The tree of a normal form; Trouble where it was too long to be kept whole, or was never a filter."""
    return try_parse(_unmasked(text))


def _unmasked(text: str) -> str:
    """Chains from the right, so that those within others are written out first."""
    for found in reversed(list(_MASK.finditer(text))):
        if found[2] is not None:
            end = _closing(text, found.end())
            term = text[found.end() : end]
            chain = f" {found[2]} ".join([f"({term})"] * floor_of(found[3]))
            if end < len(text) and len(chain) < _MOST:
                text = f"{text[: found.start()]}({chain}){text[end + 1 :]}"
        else:
            text = text[: found.start()] + _value(found) + text[found.end() :]
    return text


def _value(found: re.Match[str]) -> str:
    whole = found[0]
    if whole.startswith("["):
        return f"[{', '.join(map(str, range(floor_of(found[1] or '1'))))}]"
    return whole if whole.startswith('"') else "{value}"


def _closing(text: str, start: int) -> int:
    """Where the parenthesis closes that opened before `start`; the end of the text where it does not."""
    depth = 1
    for found in re.compile(r'"(?:[^"\\]|\\.)*"|[()]').finditer(text, start):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0:
            return found.start()
    return len(text)
