"""LIKE patterns: what Arrow can search for directly, and the regular expression for the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal as OneOf

_PIECES = re.compile(r"\\.|%|_|[^\\%_]+|\\", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pattern:
    """`kind` says which of Arrow's searches answers it; `text` is what it searches for."""

    kind: OneOf["exact", "prefix", "suffix", "infix", "regex"]
    text: str


def pattern_of(like: str) -> Pattern:
    pieces: list[str] = _PIECES.findall(like)
    if "_" not in pieces:
        lead = next((at for at, piece in enumerate(pieces) if piece != "%"), len(pieces))
        end = len(pieces) - next((at for at, piece in enumerate(reversed(pieces)) if piece != "%"), len(pieces) - lead)
        middle = pieces[lead:end]
        if "%" not in middle:
            kinds = {(0, 0): "exact", (0, 1): "prefix", (1, 0): "suffix", (1, 1): "infix"}
            kind = kinds[int(lead > 0), int(end < len(pieces) or (not middle and lead > 0))]
            return Pattern(kind, literal_text(middle))  # type: ignore[arg-type]
    return Pattern("regex", _regex(pieces))


def literals_of(like: str) -> list[str]:
    """The pieces of text that every match contains, in their order."""
    found: list[str] = []
    current: list[str] = []
    for piece in _PIECES.findall(like):
        if piece in ("%", "_"):
            found.append("".join(current))
            current = []
        else:
            current.append(_unescaped(piece))
    found.append("".join(current))
    return [one for one in found if one]


def literal_text(pieces: list[str]) -> str:
    return "".join(map(_unescaped, pieces))


def _unescaped(piece: str) -> str:
    return piece[1:] if piece[0] == "\\" and len(piece) > 1 else piece


def _regex(pieces: list[str]) -> str:
    """For RE2: any character but a letter or digit by its number, since RE2 and Python escape differently."""
    parts: list[str] = []
    for piece in pieces:
        if piece == "%":
            if not parts or parts[-1] != ".*":
                parts.append(".*")
        elif piece == "_":
            parts.append(".")
        else:
            parts.append("".join(one if one.isalnum() else f"\\x{{{ord(one):x}}}" for one in _unescaped(piece)))
    return r"\A(?s:" + "".join(parts) + r")\z"
