"""A filter without its values, by one pass of a regular expression: what to look up before parsing.

A log holds 500,000 filters that differ only in their values. Texts with equal skeletons have equal normal forms and
equal features, so that one of them is parsed and stands for all. The reverse does not hold: the skeleton keeps
spelling, blanks and order. It also keeps what matters to the tree: which of number and string a value is, the wildcards
of a LIKE pattern, the size class of a list, the keys of a JSON path, the words true and false, numbers of unusual form.

A quote that is never closed makes the text unreadable to the parser too; everything from there on is cut.
`?` and `\\` outside of strings, which no filter has, are written with a backslash, so that no text can pose as masked.
"""

from __future__ import annotations

import re

from slowq.filters import tokens
from slowq.filters.ast import LikeKind, like_kind
from slowq.filters.sizes import times

# How a LIKE pattern of each kind looks in skeletons and in normal forms.
LIKE_MASKS: dict[LikeKind, str] = {
    "exact": '"?"',
    "prefix": '"?%"',
    "suffix": '"%?"',
    "infix": '"%?%"',
    "inner": '"?%?"',
    "single": '"?_?"',
}

# One character class first, then alternatives that look back at it: so the scan skips what cannot start a match.
# A bracket right after a name holds a key, which stays. A number stands alone: no letter, digit or dot touches it.
_MASKED = re.compile(
    r"""["'\[0-9lL?\\](?:"""
    rf"""(?<=")({tokens.DOUBLE_QUOTED})|(?<=')({tokens.SINGLE_QUOTED})"""
    r"|(?<=[0-9])(?<![\w.][0-9])("
    rf"(?:(?<=0)|(?<=[1-9])[0-9]{{0,99}}+)(?![\w.])|[0-9]{{0,98}}+{tokens.PLAIN_FRACTION})"
    rf"|(?<=[\w\]]\[)(?:{tokens.STRING}|{tokens.INDEX})\]"
    rf"|(?<=\[)({tokens.FLAT_LIST})"
    rf"|(?<=[lL])(?:ike|IKE)[ \t\r\n(]*+({tokens.STRING})"
    r"|(?<=[?\\])[\s\S]?"
    r"""|(?<=["'])([\s\S]*+)"""
    r")",
    re.ASCII,
)
_DOUBLE, _SINGLE, _NUMBER, _LIST, _PATTERN, _UNCLOSED = range(1, 7)


def skeleton(text: str) -> str:
    """The text with `?` for numbers, `"?"` for strings, size classes for lists; linear in any text."""
    return _MASKED.sub(_mask, text)


def longest_list(text: str) -> int:
    """The exact length of the longest list of literals, 0 without one: evidence has to be exact."""
    lengths = (tokens.list_length(match[0]) for match in _MASKED.finditer(text) if match.lastindex == _LIST)
    return max(lengths, default=0)


def _mask(match: re.Match[str]) -> str:
    group = match.lastindex
    if group == _NUMBER:
        return "?"
    if group in (_DOUBLE, _SINGLE):
        return '"?"'
    token = match[0]
    if group == _LIST:
        return f"[?{times(tokens.list_length(token))}]"
    if group == _PATTERN:
        prefix = token[: token.find(token[-1])]  # with the r of a raw string, or it would be lost from `liker"x"`
        return prefix + LIKE_MASKS[like_kind(tokens.string_value(match[5]))]
    if group == _UNCLOSED:
        return '"…'
    return token if token[0] == "[" else f"\\{token}"
