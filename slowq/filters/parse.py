"""From the text of a filter to its tree, as the grammar of Milvus reads it.

Guarantees: any text gives a tree or a `FilterSyntaxError`, never another exception. Time and memory are linear in the
text. Nothing recurses: 20,000 levels of parentheses or a million values in a list are ordinary input.

It reads what the grammar reads, not what a schema allows: whether a field exists, whether `5 in [1]` makes sense, and
how many arguments a function takes is not asked. Words that came with later versions (`iso`, `threshold`,
`text_match`…) remain names of fields where they are not used as such.

Precedence, loose to tight (the order of alternatives in `Plan.g4`, ANTLR): `or`, `and`, `|`, `^`, `&`, `== !=`,
`< <= > >=`, range, `in`, `<< >>`, `+ -`, `* / %`, unary `+ - ~ not`, `**`, `like =~ !~`, `exists`. So
`not a == 1` is `(not a) == 1`, and `a & 1 == 1` is `a & (1 == 1)`. `x is null` takes a bare field or JSON path and
exactly one blank between its words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from slowq.errors import InputError
from slowq.filters import tokens
from slowq.filters.ast import (
    And,
    Arithmetic,
    Call,
    Comparison,
    Exists,
    Expression,
    Field,
    In,
    Interval,
    IsNull,
    JsonPath,
    Like,
    ListLiteral,
    ListOf,
    Literal,
    Moment,
    Not,
    Or,
    Range,
    Regex,
    SubField,
    Template,
    Unary,
    printable,
)


class FilterSyntaxError(InputError):
    """A filter that Milvus' grammar does not accept. `position` is a 0-based character offset."""

    def __init__(self, expected: str, position: int, text: str) -> None:
        found = printable(text[position : position + 20])
        what = f'found "{found}"' if found else "found its end"
        super().__init__(f"cannot read the filter at character {position}: expected {expected}, {what}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a filter cannot be read, and where: a 0-based character offset."""

    position: int
    message: str


def parse(text: str) -> Expression:
    """The tree of the filter. Raises FilterSyntaxError; also for an empty text, which to Milvus is no filter."""
    return _Parser(text).parse()


def try_parse(text: str) -> Expression | Trouble:
    try:
        return parse(text)
    except FilterSyntaxError as error:
        return Trouble(error.position, error.message)


# How tight an operator binds. A group (parenthesis, list, call, or the whole text) ends every reduction.
_GROUP, _KEYWORD, _OR, _AND, _BIT_OR, _BIT_XOR, _BIT_AND, _EQUALITY, _RELATION, _RANGE = range(10)
_IN, _SHIFT, _SUM, _PRODUCT, _UNARY, _POWER, _LIKE, _EXISTS = range(10, 18)

_SP = tokens.SPACE
_ROOT = rf"(?:\$meta(?!\w)|{tokens.NAME})"
_PATHS = {
    "sub_field": rf"(?:\$|{tokens.NAME}(?:\[{tokens.INDEX}\])?+)\[{tokens.NAME}\]",
    "json_path": rf"{_ROOT}(?:{tokens.KEY})++",
    "name": rf"{_ROOT}|\$(?!\w)",
}

# `field op literal` between logical operators: most of what long filters consist of, in one match.
_SIMPLE = re.compile(
    rf"{_SP}({tokens.NAME}){_SP}([=!]=|[<>]=?){_SP}"
    rf"""(?:(-?{tokens.PLAIN_INTEGER})|("[^"\\\r\n]*+"|'[^'\\\r\n]*+'))"""
    rf"(?={_SP}(?:\Z|[),]|&&|\|\||(?:and|or|AND|OR)(?![\w\[])))",
    re.ASCII,
)
_OPERAND = re.compile(
    _SP
    + "(?:"
    + "|".join(
        f"(?P<{name}>{pattern})"
        for name, pattern in {
            "string": tokens.STRING,
            "sub_field": rf"(?:\$|{tokens.NAME}(?:\[{tokens.INDEX}\])?+)\[{tokens.NAME}\]",
            "json_path": rf"{_ROOT}(?:{tokens.KEY})++",
            "name": rf"{_ROOT}|\$(?!\w)",
            "hex_float": tokens.HEX_FLOAT,
            "float": tokens.FLOAT,
            "integer": tokens.INTEGER,
            "sign": "[-+~]|!(?![=~])",
            "template": tokens.TEMPLATE,
            "open": r"\(",
            "list": r"\[",
            "close": r"[)\]]",
        }.items()
    )
    + ")",
    re.ASCII,
)
# A word that runs on into `[key]` or `[name]` is a path to the longest-match lexer of Milvus, even `in["a"]`.
_OPERATOR = re.compile(
    rf"{_SP}((?:is null|IS NULL|is not null|IS NOT NULL)(?!\w)"
    rf"|{tokens.NAME}(?!{tokens.KEY}|\[{tokens.NAME}\]|\[{tokens.INDEX}\]\[)"
    r"|&&|\|\||[=!<>]=|[=!]~|<<|>>|\*\*|[<>+\-*/%&|^!,)\]=])",
    re.ASCII,
)
_RANGE_MIDDLE = re.compile(
    rf"{_SP}(?:(?P<sub_field>(?:\$|{tokens.NAME}(?:\[{tokens.INDEX}\])?+)\[{tokens.NAME}\])"
    rf"|(?P<json_path>{_ROOT}(?:{tokens.KEY})++)|(?P<name>{_ROOT}|\$(?!\w)))"
    rf"{_SP}(?P<op>[<>](?![<>])=?)",
    re.ASCII,
)
_FLAT_LIST = re.compile(tokens.FLAT_LIST, re.ASCII)
_CALL = re.compile(rf"{_SP}\(")
_KEYWORD_EQUALS = re.compile(rf"{_SP}=(?![=~])")
_NOT_IN = re.compile(rf"{_SP}(?:in|IN)(?!\w)", re.ASCII)
_NEXT_STRING = re.compile(rf"{_SP}({tokens.STRING})")
_PATH_PART = re.compile(rf"\[(?:({tokens.INDEX})|({tokens.STRING}))\]")
_SUB_FIELD = re.compile(rf"([^\[]+)(?:\[([0-9]+)\])?\[([^\]]+)\]")
_REST_OF_SPACE = re.compile(_SP)

# Not reserved: these are functions only where a parenthesis follows.
_FUNCTIONS = frozenset(
    f"{name}"
    for name in (
        "text_match phrase_match text_match_fuzzy random_sample element_filter match_all match_any match_least "
        "match_most match_exact json_contains json_contains_all json_contains_any array_contains array_contains_all "
        "array_contains_any array_length st_equals st_touches st_overlaps st_crosses st_contains st_intersects "
        "st_within st_dwithin st_isvalid"
    ).split()
)
_RESERVED = frozenset(("and", "AND", "or", "OR", "in", "IN", "like", "LIKE"))
_FLIPPED = {">": "<", ">=": "<="}
