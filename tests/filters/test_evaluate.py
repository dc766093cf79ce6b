from typing import Any

import pytest

from slowq.filters import parse
from slowq.filters.evaluate import NotEvaluableError, evaluate

ROW: dict[str, Any] = {
    "a": 7,
    "neg": -7,
    "f": 7.0,
    "s": "ab\ncé",
    "null": None,
    "flag": True,
    "tags": [1, 2],
    "meta": {"n": 1, "f": 1.0, "s": "x", "b": True, "z": None, "l": [1, "a", [2]], "o": {"k": 5}},
    "nothing": None,
    "$meta": {"loose": 3},
}

TRUTHS = [
    ("a == 7 and a != 8 and a < 8 and a >= 7 and 6 < a <= 7", True),
    ("a in [1, 7] and a not in [1, 2]", True),
    ("a / 2 == 3 and neg / 2 == -3 and neg % 2 == -1 and f / 2 == 3.5", True),
    ("a + 9223372036854775807 == -9223372036854775802", True),
    ("a / 0 == 1", False),
    ("s like 'ab%' and s like '%c%' and s like 'ab_c_' and s like 'a%c_'", True),
    (r"s like 'a\\%'", False),
    ("s < 'b' and s > 'ab'", True),
    ("null == 1", None),
    ("null != 1", None),
    ("not (null == 1)", None),
    ("null == 1 and a == 1", False),
    ("null == 1 or a == 7", True),
    ("null == 1 or a == 1", None),
    ("null in [1]", None),
    ("null is null and a is not null", True),
    ("null + 1 == 2", None),
    ("meta['n'] == 1 and meta['n'] == 1.0 and meta['f'] in [1]", True),
    ("meta['b'] == 1", False),
    ("meta['gone'] == 1 or meta['gone'] < 1 or meta['gone'] in [1]", False),
    ("meta['gone'] != 1 and meta['gone'] not in [1]", True),
    ("meta['s'] > 0 or meta['s'] == 0", False),
    ("meta['s'] != 0", True),
    ("not (meta['gone'] < 1)", True),
    ("exists meta['n']", True),
    ("exists meta['z']", False),
    ("exists meta['gone']", False),
    ("nothing['k'] == 1", None),
    ("meta['o']['k'] == 5 and meta['l'][1] == 'a'", True),
    ("json_contains(meta['l'], 1) and json_contains_any(meta['l'], [9, 'a'])", True),
    ("json_contains(meta['l'], true)", False),
    ("json_contains_all(meta['l'], [1, 9])", False),
    ("array_contains(tags, 2) and array_length(tags) == 2", True),
    ("tags[0] == 1", True),
    ("tags[5] == 1 or tags[5] != 1", False),
    ("loose == 3 and $meta['loose'] == 3", True),
    ("flag == true", True),
    ("a == 7.0 and a in [7.0]", True),
    ("flag == 1 or flag in [1]", False),
]
UNKNOWN = [
    "meta['gone'] == 1",
    "meta['gone'] != 1",
    "meta['s'] > 0",
    "meta['s'] in [0]",
    "meta['n'] not in ['a']",
    "gone == 1",
]


@pytest.mark.parametrize(("text", "truth"), TRUTHS)
def test_what_a_filter_says_of_a_row(text: str, truth: bool | None) -> None:
    assert evaluate(parse(text), [ROW]) == [truth]


@pytest.mark.parametrize("text", UNKNOWN)
def test_where_a_missing_path_is_unknown_so_is_its_opposite(text: str) -> None:
    for tree in (parse(text), parse(f"not ({text})")):
        assert evaluate(tree, [ROW], missing_is_unknown=True) == [None]


@pytest.mark.parametrize("text", ["text_match(s, 'x')", "random_sample(0.1)", "a == {x}", "s =~ 'x'", "a ** 2 == 1"])
def test_what_rows_cannot_answer_is_refused(text: str) -> None:
    with pytest.raises(NotEvaluableError):
        evaluate(parse(text), [ROW])


def test_deep_filters_do_not_overflow() -> None:
    assert evaluate(parse("not (" * 20_000 + "a == 7" + ")" * 20_000), [ROW, {"a": 1}]) == [True, False]
