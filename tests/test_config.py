from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from slowq.config import KEYS, find, load, schema
from slowq.errors import UsageError
from slowq.policy import from_config
from tests import check_docs

WHOLE = """\
[check]
max_p99 = "2s"
max_count = 100
fail_on = ["critical"]
min_coverage = "95%"
max_share_of_time = 1.5

[check.collections."my products"]
max_p99 = 1

[check.patterns.p1]
max_count = 3

[[check.allow]]
cause = "compaction"
owner = "storage team"
reason = "nightly"
until = 2026-12-31

[[check.allow]]
cause = "index_build"
"""


def config(tmp_path: Path, text: str):
    path = tmp_path / "slowq.toml"
    path.write_text(text, encoding="utf-8")
    return load(str(path))


def test_every_value_is_read_with_its_line(tmp_path: Path) -> None:
    read = config(tmp_path, WHOLE)
    assert read.values == {
        "check.max_p99": 2.0,
        "check.max_count": 100,
        "check.fail_on": ("critical",),
        "check.min_coverage": 0.95,
        "check.max_share_of_time": 1.5,
        "check.collections.my products.max_p99": 1.0,
        "check.patterns.p1.max_count": 3,
        "check.allow[0].cause": "compaction",
        "check.allow[0].owner": "storage team",
        "check.allow[0].reason": "nightly",
        "check.allow[0].until": date(2026, 12, 31),
        "check.allow[1].cause": "index_build",
    }
    assert {name: read.lines[name] for name in read.values} == {
        "check.max_p99": 2,
        "check.max_count": 3,
        "check.fail_on": 4,
        "check.min_coverage": 5,
        "check.max_share_of_time": 6,
        "check.collections.my products.max_p99": 9,
        "check.patterns.p1.max_count": 12,
        "check.allow[0].cause": 15,
        "check.allow[0].owner": 16,
        "check.allow[0].reason": 17,
        "check.allow[0].until": 18,
        "check.allow[1].cause": 21,
    }
    assert read.children("check.collections") == ["my products"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[check]\nmax_p98 = 1", 2, "unknown key 'check.max_p98'"),
        ("\n[chek]\nmax_p99 = 1", 2, "unknown key 'chek'"),
        ('[check]\n\nmax_p99 = "soon"', 3, 'expected a duration such as "2.5s", or seconds'),
        ("[check]\nmax_count = -1", 2, "expected a number of 0 or more"),
        ("[check]\nmax_count = true", 2, "expected a number of 0 or more"),
        ("[check]\nmin_coverage = 95", 2, 'expected a share from 0 to 1, or "95%"'),
        ('[check]\nfail_on = "critical"', 2, "expected a list of texts"),
        ("[check]\ncollections = 3", 2, "expected a table, [check.collections]"),
        ("[check.collections]\nproducts = 3", 2, "expected a table, [check.collections.products]"),
        ("[[check.allow]]\nuntil = 'soon'", 2, "expected a day such as 2026-12-31"),
        ("check = 3", 1, "expected a table, [check]"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(UsageError) as error:
        config(tmp_path, text)
    assert error.value.message.startswith(f"{tmp_path}/slowq.toml:{line}: ")
    assert said in error.value.message


def test_a_key_that_is_nearly_right_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        config(tmp_path, "[check]\nmax_p98 = 1")
    assert error.value.hint == "did you mean max_p99?"


@pytest.mark.parametrize("text", ["[check", "a = ", "[check]\n[check]", "[" * 5000])
def test_what_is_no_toml_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="not TOML"):
        config(tmp_path, text)


def test_the_file_of_the_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find(None) is None
    (tmp_path / "slowq.toml").write_text("")
    assert find(None) == "slowq.toml"
    assert find("other.toml") == "other.toml"


def test_the_schema_is_one_and_says_of_the_whole_file_that_it_is_right() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    found = tomllib.loads(WHOLE.replace("2026-12-31", '"2026-12-31"'))
    jsonschema.validate(found, schema())


@pytest.mark.parametrize("text", ["[check]\nmax_p98 = 1", "[check]\nmax_count = -1", "[[check.allow]]\nwho = 'me'"])
def test_the_schema_refuses_what_the_reader_refuses(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), schema())


def test_every_default_is_a_value_that_the_reader_takes() -> None:
    for keys in KEYS.values():
        for key in keys.values():
            if key.default is not None:
                plain = list(key.default) if isinstance(key.default, tuple) else key.default
                assert key.kind.read(plain) == key.default


def test_the_page_on_the_policy_is_up_to_date() -> None:
    assert check_docs.PATH.read_text(encoding="utf-8") == check_docs.text()


def test_the_example_of_the_page_is_a_policy(tmp_path: Path) -> None:
    example = check_docs.HEAD.partition("```toml\n")[2].partition("```")[0]
    assert from_config(config(tmp_path, example)).collections["products"].max_p99 == 0.5
