"""Which rows a filter selects, or that it is refused. Most of them are where one reading differs from another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.engine.conformance.case import Case
from tests.engine.conformance.world import World, ids

FILTERS: dict[str, tuple[str, ...]] = {
    "comparisons": (
        "small == 3", "small != 3", "small > -2", "3 < small", "small >= 127", "small < 1000", "mid == -1200", "whole <= -20",
        "big == 9007199254740993", "big == 9007199254740992", "big > 9007199254740992", "big == -9223372036854775808",
        "big == 9223372036854775807", "single == 0.5", "single > 1.25", "price == -8.75", "price == 0", "price >= 2",
        "price < -0.5", "flag == true", "flag != true", "flag == false", "id == 3", "id == -1", "small == mid",
        "small < whole", "whole > price", "single < price", "name == 'abc'", "name > 'abc'", "name <= 'ab'",
        "small == 3.0", "small > 2.5", "whole == 1e1", "price == 1e1", "flag", "not flag", "!flag", "TRUE", "true", "1 == 1",
        "1 < 0", "'a' == 'a'", "name == name", "name < words", "small == 'a'", "name == 3", "flag == 1", "flag > true",
        "small == true", "price == '1'", "0x1F == 31", "id == 0x3", "id == 07", "id == 1_0", "id = 3", "id === 3", "nothing ==",
    ),
    "ranges and logic": (
        "0 < small < 3", "-2 <= small <= 2", "3 > small > 0", "0 <= price < 5", "'a' < name < 'abd'", "5 < small < 1",
        "small > 0 and small < 3", "small > 0 && small < 3", "small == 1 or small == 2", "small == 1 || small == 2",
        "not (small > 0)", "not small > 0", "small > 0 and not flag or id == 2", "(small > 0 or id == 2) and flag",
        "small > 0 AND small < 3", "NOT (small > 0)", "small", "small and flag", "1", "'a'", "", "   ", "()", "(small > 0", "small > 0 and",
        "0 < small", "1 < 2 < small", "true and small > 3", "false or small > 3", "true < small < 3",
    ),
    "membership": (
        "small in [1, 2]", "small in []", "small not in [1, 2]", "not (small in [1, 2])", "not small in [1, 2]",
        "small in [1, 2.5]", "price in [0, 1.25]", "price in [-10, 2.5]", "name in ['a', 'abc']", "name in [\"it's\"]",
        "name not in ['a']", "flag in [true]", "small in ['a']", "name in [1]", "small in [1, 'a']", "small in 1", "small in (1, 2)",
        "id in [1, 1, 1]", "1 in [1, 2]", "small IN [1, 2]", "small in [1, 2,]", "small NOT IN [1]",
    ),
    "arithmetic": (
        "small + 1 == 3", "small - 1 == 3", "small * 2 == 6", "small / 2 == 1", "small / 2 == 2", "small / 2 == -1", "small / 2 == -2",
        "small % 2 == 1", "small % 2 == -1", "small % 3 == 0", "small / 2 > 1", "small / 2 != 1", "whole / 4 == 2", "whole % 7 == -3",
        "big + 1 == 8", "price * 2 == 5", "price / 2 == 1.25", "price + 0.5 == 3", "single * 2 == 1", "single / 2 == 0.25",
        "small / 2.0 == 1.5", "small * 1.5 == 3", "price % 2 == 0",
        "2 + small == 5", "2 * small == 6", "2 - small == 0", "6 / small == 3", "small + mid == 3", "-small == 3", "small == -3",
        "small == - 3", "small == 1 + 2", "small == 2 * 2 - 1", "small == 7 / 2", "small == -7 / 2", "small == 7 % 4", "small == -7 % 4",
        "price == 5 / 2", "price == 5 / 2.0", "small == 2 ** 1", "small ** 2 == 4", "small & 1 == 1", "small + 1", "small + 1 > 2 + 1",
        "small + 1 + 1 == 4", "(small + 1) * 2 == 6", "1 < small + 1 < 4", "small + 1 in [2, 3]", "name + 'a' == 'aa'",
        "flag + 1 == 2", "small / -2 == 1", "small + 125 == 130",
    ),
    "strings": (
        "name == ''", "name == \"it's\"", "name == 'it\\'s'", "name == 'say \"hi\"'", 'name == "say \\"hi\\""', "name == 'back\\\\slash'",
        "name == 'back\\slash'", "name == 'line\\nbreak'", "name == 'tab\\tbed'", "name == 'é'", "name == '\\u00e9'", "name == '日本'",
        "name == '\\x61'", "name == ' a'", "name == 'a '", "name == '[x]'", "name == 'ABC'", "name == abc", "name == 'abc", "name == `abc`",
    ),
    "patterns": (
        "name like 'ab%'", "name like '%bc'", "name like '%b%'", "name like 'abc'", "name like '%'", "name like ''", "name like 'a_c'",
        "name like 'a%c'", "name like 'a\\\\%c'", "name like 'a\\%c'", "name like 'a\\_c'", "name like '_b_'", "name like 'AB%'",
        "name like '%.c'", "name like 'a*%'", "name like '[x]%'", "name like '100\\\\%'", "name like '100\\%'", "name like '%%'", "not (name like 'ab%')",
        "name not like 'ab%'", "name LIKE 'ab%'", "small like '1%'", "name like 1", "name like 'é%'", "name like 'line%'", "meta['k'] like 'a%'",
        "loose like 're%'", "words[0] like 'a%'", "name like '_'", "name like '__'",
    ),
    "JSON paths": (
        "meta['k'] == 1", "meta['k'] == 1.0", "meta['k'] != 1", "meta['k'] > 1", "meta['k'] >= 1", "meta['k'] < 2", "meta['k'] == '1'",
        "meta['k'] == 'abc'", "meta['k'] != 'abc'", "meta['k'] > 'a'", "meta['k'] == true", "meta['k'] == false", "meta['k'] != true",
        "meta['k'] in [1, 2.5]", "meta['k'] in [1, 'abc']", "meta['k'] in [true]", "meta['k'] not in [1]", "not (meta['k'] in [1])",
        "meta['k'] in []", "not (meta['k'] == 1)", "not (meta['k'] > 1)", "meta['missing'] == 1", "meta['missing'] != 1", "meta['missing'] > 1",
        "not (meta['missing'] == 1)", "meta['missing'] not in [1]", "meta['k']['in'] == 3", "meta['k']['in']['deep'][1] == 20",
        "meta['k'][0] == 1", "meta['k'][2] == 'a'", "meta['k'][9] == 1", "meta['k'][-1] == 1", "meta['a b'] == 1", 'meta["k"] == 1', "meta[k] == 1",
        "meta == 1", "meta['k'] == [1, 2, 'a']", "meta['k'] != [1, 2, 'a']", "meta['k'] == []", "0 < meta['k'] < 3", "'a' < meta['k'] < 'b'",
        "meta['k'] + 1 == 2", "meta['k'] * 2 == 5", "meta['k'] / 2 == 0.5", "meta['k'] / 2 == 1.25", "meta['k'] % 2 == 1",
        "meta['k'] == 9007199254740993", "meta['k'] > 9007199254740992", "meta['k'] == small", "meta['k'] > meta['l']", "meta['k'] == -7",
        "exists meta['k']", "exists meta['missing']", "not exists meta['k']", "exists meta['k']['in']", "exists meta", "exists small",
        "exists loose", "EXISTS meta['k']", "small['k'] == 1",
    ),
    "dynamic fields": (
        "loose == 1", "loose != 1", "loose == 'red'", "loose > 0", "loose in [1, 'red']", "loose not in [1]", "other == true", "other[0] == 1",
        "missing == 1", "missing != 1", "not (missing == 1)", "$meta['loose'] == 1", "$meta['missing'] == 1", "loose + 1 == 2", "loose == 1.5",
        "json_contains(other, 1)", "$meta == 1",
    ),
    "arrays": (
        "tags[0] == 0", "tags[1] == 1", "tags[3] > 2", "tags[9] == 1", "tags[0] != 0", "tags[0] in [0]", "tags[0] not in [0]", "tags[-1] == 1",
        "tags['a'] == 1", "words[0] == 'a'", "words[0] > 'a'", "tags[0] == 'a'", "tags == [0, 1]", "tags != [0, 1]", "tags == []",
        "words == ['a', 'ab']", "array_contains(tags, 2)", "array_contains(tags, 9)", "not array_contains(tags, 2)", "ARRAY_CONTAINS(tags, 2)",
        "array_contains_all(tags, [1, 2])", "array_contains_any(tags, [3, 9])", "array_contains_all(tags, [])", "array_contains_any(tags, [])",
        "array_contains(tags, 'a')", "array_contains(words, 'abc')", "array_contains_any(tags, 3)", "array_length(tags) == 3", "array_length(tags) > 2",
        "array_length(words) == 0", "array_length(small) == 1", "tags[0] + 1 == 1", "1 < tags[2] < 5", "tags > 1", "tags in [1]",
        "json_contains(meta['k'], 1)", "json_contains(meta['k'], 'a')", "json_contains(meta['k'], [1, 2])", "json_contains(meta['k'], true)",
        "json_contains(meta['k'], 9)", "json_contains(meta, 1)", "json_contains_all(meta['k'], [1, 2])", "json_contains_any(meta['k'], [3, 'a'])",
        "json_contains_all(meta['k'], [1, 'a'])", "JSON_CONTAINS(meta['k'], 1)", "array_contains(meta['k'], 1)", "array_length(meta['k']) == 3",
        "array_length(meta['k']) == 0", "not json_contains(meta['k'], 1)", "json_contains(small, 1)",
    ),
}  # fmt: skip


def _selects(text: str) -> Callable[[World], Any]:
    return lambda w: ids(w.numbers.query(text, output_fields=["id"], consistency_level="Eventually", timeout=20))


CRASHING = (
    "small / 0 == 1",
    "small % 0 == 1",
    "1 / 0 == 1",
)  # the end of Milvus 2.3.5, whose proxy is in the same process

CASES = [
    *(Case(f"{group}: `{text}`", _selects(text)) for group, texts in FILTERS.items() for text in texts),
    *(Case(f"arithmetic: `{text}`", _selects(text), server=(2, 4), answer={"error": 1100}) for text in CRASHING),
]
