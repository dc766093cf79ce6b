"""The words of Milvus' filter grammar: regular expressions for them, and what literals are worth.

Source: `internal/parser/planparserv2/Plan.g4` of Milvus 2.2 to 3.0. The parser and the skeleton share these pieces,
so that they always agree where a string or a number ends. Every repetition is possessive or cannot overlap with what
follows it: matching is linear in the text, whatever the text.

More lenient than Milvus in one point: a line may be continued inside a raw string.
"""

import re

from slowq.filters.ast import Field, JsonPath, Scalar, SubField, Subject

SPACE = r"[ \t\r\n]*+"
NAME = r"[A-Za-z_]\w*+"
# What follows an opening quote.
DOUBLE_QUOTED = r'[^"\\\r\n]*+(?:\\(?:\r\n|[^\r])[^"\\\r\n]*+)*+"'
SINGLE_QUOTED = r"[^'\\\r\n]*+(?:\\(?:\r\n|[^\r])[^'\\\r\n]*+)*+'"
STRING = rf"""(?:u8|[uULrR])?+(?:"{DOUBLE_QUOTED}|'{SINGLE_QUOTED})"""
INDEX = r"(?:0|[1-9][0-9]*+)"
KEY = rf"\[(?:{STRING}|{INDEX})\]"
TEMPLATE = rf"\{{{SPACE}{NAME}{SPACE}\}}"
ROOT = rf"(?:\$meta(?!\w)|{NAME})"
# Longest first: `a[0][sub]` is no JSON path followed by a list.
SUBJECTS = {
    "sub_field": rf"(?:\$|{NAME}(?:\[{INDEX}\])?+)\[{NAME}\]",
    "json_path": rf"{ROOT}(?:{KEY})++",
    "name": rf"{ROOT}|\$(?!\w)",
}

_EXPONENT = r"[eE][+-]?[0-9]++"
FLOAT = rf"(?:[0-9]++\.[0-9]*+(?:{_EXPONENT})?+|\.[0-9]++(?:{_EXPONENT})?+|[0-9]++{_EXPONENT})"
HEX_FLOAT = r"0[xX](?:[0-9a-fA-F]++(?:\.[0-9a-fA-F]*+)?+|\.[0-9a-fA-F]++)[pP][+-]?[0-9]++"
INTEGER = r"(?:0[xX][0-9a-fA-F]++|0[bB][01]++|0[0-7]*+|[1-9][0-9]*+)"
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

# Numbers whose end no neighbour can move and whose value always fits: what the fast paths and the skeleton take.
PLAIN_INTEGER = r"(?:0|[1-9][0-9]{0,99}+)(?![\w.])"
_PLAIN_EXPONENT = r"[eE][+-]?[0-9]{1,4}+"
PLAIN_FRACTION = rf"(?:\.[0-9]{{0,99}}+(?:{_PLAIN_EXPONENT})?+|{_PLAIN_EXPONENT})(?![\w.])"
_PLAIN_NUMBER = rf"(?:{PLAIN_INTEGER}|[0-9]{{1,99}}+{PLAIN_FRACTION})"
_MEMBER = rf"(?:-?{_PLAIN_NUMBER}|{STRING}|(?:[tT]rue|TRUE|[fF]alse|FALSE)(?!\w))"
# A list of nothing but literals, from behind the opening bracket.
FLAT_LIST = rf"{SPACE}(?:{_MEMBER}{SPACE}(?:,{SPACE}{_MEMBER}{SPACE})*+(?:,{SPACE})?+)?+\]"

_MEMBERS = re.compile(rf"({STRING})|([^,\s]++)", re.ASCII)
_KEYS = re.compile(rf"\[(?:({STRING})|({INDEX}))\]", re.ASCII)
_SUB_FIELD_PARTS = re.compile(r"([^\[]+)(?:\[([0-9]+)\])?\[([^\]]+)\]")
_BLANKS = " \t\r\n"
_MAX_DIGITS = 4_000  # CPython refuses to convert more than 4300
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]+)|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|(\r\n|.))",
    re.DOTALL,
)
_ESCAPED = {
    **{character: character for character in "'\"?\\"},
    **dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)),
    "\n": "",
    "\r\n": "",
}


def string_value(token: str) -> str:
    """What a string stands for. Unknown escapes stay as they are, since `\\%` means something to LIKE."""
    quote = token.find(token[-1])
    body = token[quote + 1 : -1]
    if "\\" not in body or token[0] in "rR":
        return body
    return _ESCAPE.sub(_unescaped, body)


def integer_value(token: str) -> int:
    """Decimal, 0x, 0b and C's octal. Raises ValueError for more digits than any number has."""
    if len(token) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(token)} digits")
    if token[0] != "0" or len(token) == 1:
        return int(token)
    return int(token, 0) if token[1] in "xXbB" else int(token, 8)


def float_value(token: str) -> float:
    """Decimal and hexadecimal; beyond the range of a double it is infinite."""
    if token[:2] not in ("0x", "0X"):
        return float(token)
    try:
        return float.fromhex(token)
    except OverflowError:
        return float("inf")


def list_values(token: str) -> tuple[Scalar, ...]:
    """The members of a `FLAT_LIST`, given with both brackets."""
    body = token[1:-1].rstrip(_BLANKS).removesuffix(",")
    try:
        return tuple(map(int, body.split(",")))
    except ValueError:
        return tuple(
            string_value(string) if string else _plain_value(other) for string, other in _MEMBERS.findall(body)
        )


def list_length(token: str) -> int:
    """How many members a `FLAT_LIST` has, without reading them. Given with both brackets."""
    if '"' in token or "'" in token:
        return len(_MEMBERS.findall(token[1:-1]))
    body = token[1:-1].strip(_BLANKS).removesuffix(",")
    return body.count(",") + 1 if body else 0


def subject(kind: str, token: str) -> Subject:
    """The node of a token that the `SUBJECTS` pattern named `kind` has matched."""
    if kind == "name":
        return Field(token)
    if kind == "json_path":
        root, _, _ = token.partition("[")
        return JsonPath(root, tuple(string_value(key) if key else int(index) for key, index in _KEYS.findall(token)))
    struct, index, name = _SUB_FIELD_PARTS.findall(token)[0]
    return SubField(struct, int(index) if index else None, name)


def _plain_value(token: str) -> Scalar:
    if token in BOOLEANS:
        return BOOLEANS[token]
    try:
        return int(token)
    except ValueError:
        return float(token)


def _unescaped(match: re.Match[str]) -> str:
    hexadecimal = match[1] or match[2] or match[3]
    if hexadecimal or match[4]:
        code = int(hexadecimal[-8:], 16) if hexadecimal else int(match[4], 8)
        return chr(code) if code < 0x110000 else match[0]
    return _ESCAPED.get(match[5], match[0])
