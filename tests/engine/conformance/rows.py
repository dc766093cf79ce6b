"""Rows that tell one reading of a filter from another: every type, edges of numbers, JSON of mixed types, odd strings."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

NAMES = (
    "", "a", "ab", "abc", "ABC", "a%c", "a_c", "it's", 'say "hi"', "back\\slash", "é", "日本", "line\nbreak", "100%",
    "abd", "xabc", "abcx", "[x]", "a.c", "a*c", "tab\tbed", " a", "a ", "zz",
)  # fmt: skip
METAS: tuple[Row, ...] = (
    {},
    {"k": 1},
    {"k": 1.0},
    {"k": "1"},
    {"k": True},
    {"k": None},
    {"k": [1, 2, "a"]},
    {"k": {"in": 3}},
    {"k": -7, "l": "x"},
    {"l": "abc"},
    {"k": 2.5},
    {"k": False},
    {"k": "abc"},
    {"k": []},
    {"k": [[1, 2], [3]]},
    {"a b": 1, "k": 7},
    {"k": "a%c"},
    {"k": 2**53 + 1},
    {"k": [True, None, 1.5]},
    {"k": {"in": {"deep": [10, 20, 30]}}},
    {"k": 0},
    {"k": ""},
    {"k": 3, "l": ["x", "y"]},
    {"k": [1, 3, 5, 7]},
)
BIG = (0, 1, -1, 2**53, 2**53 + 1, -(2**63), 2**63 - 1, 7)
DYNAMIC: tuple[Row, ...] = ({}, {"loose": 1}, {"loose": "red"}, {"loose": 1.5, "other": True}, {"other": [1, 2]})

NUMBERS: tuple[Row, ...] = tuple(
    {
        "id": at,
        "small": at % 11 - 5,
        "mid": at * 100 - 1200,
        "whole": at * 37 % 50 - 20,
        "big": BIG[at % len(BIG)],
        "single": at * 0.5 - 3,
        "price": at * 1.25 - 10,
        "name": NAMES[at],
        "flag": at % 3 == 0,
        "meta": METAS[at],
        "tags": list(range(at % 5)),
        "words": [NAMES[(at + step) % 24] for step in range(at % 4)],
        "v": [float(at), at * 0.5, 1.0, -float(at)],
        **DYNAMIC[at % len(DYNAMIC)],
    }
    for at in range(24)
)

COLOURS = ("red", "green", "blue")
PLANE: tuple[Row, ...] = tuple(
    {"id": at, "colour": COLOURS[at % 3], "v": [1.0 + at * 0.37, 2.0 - at * at * 0.11]} for at in range(20)
)
