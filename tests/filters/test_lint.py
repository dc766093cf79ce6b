import pytest

from slowq.filters import parse
from slowq.filters.lint import LINTS, lint
from slowq.filters.schema import FieldInfo, Schema, Version

SCHEMA = Schema(
    {
        "bare": FieldInfo("VARCHAR", ""),
        "trie": FieldInfo("VARCHAR", "Trie"),
        "gram": FieldInfo("VARCHAR", "NGRAM"),
        "num": FieldInfo("INT64", "STL_SORT"),
        "id": FieldInfo("INT64", "", primary=True),
        "meta": FieldInfo("JSON"),
    },
    "things",
)
TWELVE = " or ".join(f"num == {at}" for at in range(12))
FOUND: list[tuple[str, str, Version | None]] = [
    ("not_in_version", "num in {x}", (2, 4, 13)),
    ("not_in_version", "num is null", (2, 5, 3)),
    ("not_in_version", "trie like '%x'", (2, 3, 5)),
    ("not_in_version", "text_match(trie, 'x')", (2, 4, 0)),
    ("or_chain", TWELVE, (2, 6, 7)),
    ("or_chain", TWELVE, (2, 6, 8)),
    ("long_list", f"num in {list(range(1_001))}", None),
    ("huge_list", f"num in {list(range(10_001))}", None),
    ("deep", "not (" * 8 + "num == 1" + ")" * 8, None),
    ("like_anywhere", "bare like '%x%'", (2, 6, 0)),
    ("json_path", "meta['k'] == 1", None),
    ("json_contains", "json_contains(meta['k'], 1)", None),
    ("arithmetic", "num % 2 == 0", None),
    ("array_length", "array_length(tags) > 1", None),
    ("field_to_field", "num < id", None),
    ("negation", "num != 1", None),
    ("no_index", "bare == 'x'", None),
    ("wrong_index", "trie > 'x'", (2, 5, 0)),
    ("wrong_index", "trie like 'x%'", (2, 5, 12)),
    ("unknown_field", "other == 1", None),
]
NOT_FOUND: list[tuple[str, str, Version | None]] = [
    ("not_in_version", "num in {x}", (2, 4, 14)),
    ("or_chain", " or ".join(f"bare == '{at}'" for at in range(12)), (2, 6, 8)),
    ("or_chain", " or ".join(f"num == {at}" for at in range(151)), (2, 6, 8)),
    ("long_list", f"num in {list(range(1_000))}", None),
    ("like_anywhere", "gram like '%x%'", (2, 6, 0)),
    ("no_index", "id == 1", None),
    ("no_index", "num == 1", None),
    ("wrong_index", "num > 1", (2, 5, 0)),
    ("wrong_index", "trie like 'x%'", (2, 6, 15)),
]


@pytest.mark.parametrize(("name", "text", "version"), FOUND)
def test_it_is_found(name: str, text: str, version: Version | None) -> None:
    assert name in [one.lint for one in lint(parse(text), version, SCHEMA)]


@pytest.mark.parametrize(("name", "text", "version"), NOT_FOUND)
def test_it_is_not_found(name: str, text: str, version: Version | None) -> None:
    assert name not in [one.lint for one in lint(parse(text), version, SCHEMA)]


def test_every_lint_has_an_example() -> None:
    of_results = {"selects_nothing", "selects_everything"}
    assert {name for name, _, _ in FOUND} | of_results == {one.name for one in LINTS}


def test_a_path_index_is_cast_to_the_type_of_the_values() -> None:
    casts = {"1": "DOUBLE", "'x'": "VARCHAR", "true": "BOOL"}
    for value, cast in casts.items():
        (found,) = lint(parse(f"meta['k'] == {value}"), (2, 5, 12), SCHEMA)
        assert found.index is not None
        assert f'params={{"json_path": "meta[\\"k\\"]", "json_cast_type": "{cast}"}}' in found.index.call
    (found,) = lint(parse("json_contains(meta['k'], 'x')"), (2, 5, 12), SCHEMA)
    assert found.index is not None
    assert '"json_cast_type": "ARRAY_VARCHAR"' in found.index.call


def test_the_worst_comes_first() -> None:
    found = lint(parse(f"num != 1 and meta['k'] == 1 and num in {list(range(10_001))}"), None, SCHEMA)
    assert [one.severity for one in found] == ["critical", "warning", "info"]
