"""Where the engine, which has the rules of Milvus 2.6, does not answer as Milvus 2.3.5 did: why, and what it says."""

from __future__ import annotations

from typing import Any

_ALL = list(range(24))

DIFFERS: dict[str, dict[str, Any]] = {
    "2.3.5 compares a list only with lists": {
        "JSON paths: `meta['k'] != [1, 2, 'a']`": [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23],
    },
    "2.3.5 computes only beside == and !=": {
        'arithmetic: `small + 1 > 2 + 1`': [8, 9, 10, 19, 20, 21],
        'arithmetic: `small / 2 > 1`': [9, 10, 20, 21],
        'arrays: `array_length(tags) > 2`': [3, 4, 8, 9, 13, 14, 18, 19, 23],
    },
    "2.3.5 computes with JSON numbers as doubles": {
        "JSON paths: `meta['k'] % 2 == 1`": [1, 2, 15, 17, 22],
    },
    "2.3.5 does not compute integers with floating numbers": {
        'arithmetic: `small * 1.5 == 3`': [7, 18],
        'arithmetic: `small / 2.0 == 1.5`': [8, 19],
    },
    "2.3.5 does not know _ as a pattern": {
        "patterns: `name like '_'`": [1, 10],
        "patterns: `name like '__'`": [2, 11, 21, 22, 23],
        "patterns: `name like '_b_'`": [3, 14],
        "patterns: `name like 'a_c'`": [3, 5, 6, 18, 19],
    },
    "2.3.5 does not parse an empty list": {
        "JSON paths: `meta['k'] == []`": [13],
        'arrays: `array_contains_all(tags, [])`': _ALL,
        'arrays: `array_contains_any(tags, [])`': [],
        'arrays: `tags == []`': [0, 5, 10, 15, 20],
    },
    "2.3.5 does not parse the smallest Int64": {
        'comparisons: `big == -9223372036854775808`': [5, 13, 21],
    },
    "2.3.5 ends a string at an unknown escape": {
        "strings: `name == 'back\\slash'`": [9],
    },
    "2.3.5 fails at values of two types in a list on JSON": {
        "JSON paths: `meta['k'] in [1, 'abc']`": [1, 2, 12],
        "JSON paths: `meta['k'] in [1, 2.5]`": [1, 2, 10],
        "dynamic fields: `loose in [1, 'red']`": [1, 2, 6, 7, 11, 12, 16, 17, 21, 22],
    },
    "2.3.5 has no code of its own for it there": {
        'query: unknown partition': {'error': 200},
        'search: unknown partition': {'error': 200},
    },
    "2.3.5 has no filter that is, or joins, a constant": {
        "comparisons: `'a' == 'a'`": _ALL,
        'comparisons: `0x1F == 31`': _ALL,
        'comparisons: `1 < 0`': [],
        'comparisons: `1 == 1`': _ALL,
        'comparisons: `TRUE`': _ALL,
        'comparisons: `true`': _ALL,
        'ranges and logic: `false or small > 3`': [9, 10, 20, 21],
        'ranges and logic: `true and small > 3`': [9, 10, 20, 21],
    },
    "2.3.5 has only a prefix followed by %": {
        "patterns: `name like '%.c'`": [18],
        "patterns: `name like '%b%'`": [2, 3, 9, 12, 14, 15, 16, 20],
        "patterns: `name like '%bc'`": [3, 15],
        "patterns: `name like 'a%c'`": [3, 5, 6, 18, 19],
    },
    "2.3.5 has these words in lower case only": {
        'membership: `small IN [1, 2]`': [6, 7, 17, 18],
        'membership: `small NOT IN [1]`': [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23],
        'ranges and logic: `NOT (small > 0)`': [0, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16, 22, 23],
        'ranges and logic: `small > 0 AND small < 3`': [6, 7, 17, 18],
    },
    "2.3.5 takes JSON null for a value that is there": {
        "JSON paths: `EXISTS meta['k']`": [1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23],
        "JSON paths: `exists meta['k']`": [1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23],
        "JSON paths: `not exists meta['k']`": [0, 5, 9],
    },
    "2.3.5 takes a backslash before the end of the pattern for no escape": {
        "patterns: `name like '100\\%'`": [13],
        "patterns: `name like '100\\\\%'`": [13],
        "patterns: `name like 'a\\%c'`": [5],
        "patterns: `name like 'a\\\\%c'`": [5],
        "patterns: `name like 'a\\_c'`": [6],
    },
    "2.3.5 takes a power for a floating number": {
        'arithmetic: `small == 2 ** 1`': [7, 18],
    },
    "2.3.5 takes an empty pattern for a prefix": {
        "patterns: `name like ''`": [0],
    },
    "2.3.5 takes what is no array for an empty one": {
        "arrays: `array_length(meta['k']) == 0`": [13],
    },
    "later versions compare a whole JSON value": {
        'JSON paths: `meta == 1`': [],
        'arrays: `json_contains(meta, 1)`': [],
    },
    "later versions refuse a range that nothing is in": {
        'ranges and logic: `5 < small < 1`': {'error': 1100},
    },
}  # fmt: skip
