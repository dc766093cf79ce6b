from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

CONTEXT = Path(__file__).parents[1] / "data" / "filter" / "context.yaml"
OR = 'tag == "a" or tag == "b"'


def objects(done: Any) -> list[dict[str, Any]]:
    said = json.loads(done.out)
    assert said["schema"] == 1
    return list(said["filters"])


def test_it_writes_a_filter_that_costs_less(slowq: Any) -> None:
    done = slowq("filter", OR)
    assert (done.code, done.err) == (0, "")
    assert '\nWrite instead\n  tag in ["a", "b"]\n' in done.out


def test_json_says_all_of_it(slowq: Any) -> None:
    done = slowq("filter", OR, "--format", "json", "--milvus-version", "2.5.0")
    (said,) = objects(done)
    assert said == {
        "filter": OR,
        "line": None,
        "pattern": None,
        "error": None,
        "normalised": "or\u00d72-10(tag == ?)",
        "costly": [],
        "rewritten": 'tag in ["a", "b"]',
        "selects": None,
        "steps": [
            {
                "rewrite": "or_to_in",
                "because": "One lookup for all values replaces one pass over the rows for each.",
                "holds": "all versions",
                "moot": None,
                "count": 1,
                "changes": [{"before": OR, "after": 'tag in ["a", "b"]'}],
            }
        ],
        "template": {
            "filter": "tag in {tag}",
            "filter_params": {"tag": ["a", "b"]},
            "call": "client.search(\n    …,\n    filter='tag in {tag}',\n    filter_params={\"tag\": ['a', 'b']},\n)",
        },
    }


def test_advice_that_the_proxy_follows_by_itself_is_called_moot(slowq: Any) -> None:
    done = slowq("filter", OR, "--milvus-version", "2.6.8")
    assert "Moot: From 2.6.8 on the proxy does so itself" in done.out


@pytest.mark.parametrize(("version", "word"), [("2.4.13", None), ("2.4.14", "expr_params"), ("2.5.0", "filter_params")])
def test_templates_are_for_versions_that_have_them(slowq: Any, version: str, word: str | None) -> None:
    (said,) = objects(slowq("filter", "a == 1", "--format", "json", "--milvus-version", version))
    assert (said["template"] or {}).get(word or "", None) == ({"a": 1} if word else None)


def test_the_schema_names_fields_without_an_index_and_how_to_make_one(slowq: Any) -> None:
    done = slowq(
        "filter", 'tag == "a" and price < 5 and title like "x%"', "--schema", CONTEXT, "--milvus-version", "2.5.12"
    )
    assert "warning no_index tag at character 4" in done.out
    assert 'index_params.add_index(field_name="tag", index_type="INVERTED")' in done.out
    assert 'collection_name="products"' in done.out
    assert "warning wrong_index title" in done.out
    assert "no_index price" not in done.out


@pytest.mark.parametrize(("fail_on", "code"), [("any", 1), ("info", 1), ("warning", 1), ("critical", 0), (None, 0)])
def test_fail_on_is_a_gate(slowq: Any, fail_on: str | None, code: int) -> None:
    gate = ["--fail-on", fail_on] if fail_on else []
    assert slowq("filter", "a % 2 == 0", *gate).code == code


def test_what_cannot_be_read_exits_with_3_and_a_caret_shows_the_place(slowq: Any) -> None:
    done = slowq("filter", 'tag = "a"', "--fail-on", "any")
    assert done.code == 3
    assert '  tag = "a"\n      ^\n' in done.out
    assert done.err.startswith("error: cannot read the filter at character 4: expected ==")


def test_many_expressions_are_read_from_standard_input(slowq: Any) -> None:
    done = slowq("filter", "-", "--format", "json", stdin=b"# mine\na == 1\n\nb ==\n")
    assert done.code == 3
    assert [(one["line"], one["error"] is None) for one in objects(done)] == [(2, True), (4, False)]
    assert done.err.startswith("error: standard input:4: cannot read the filter")


def test_a_file_of_expressions(slowq: Any, tmp_path: Path) -> None:
    (tmp_path / "filters.txt").write_text("a == 1\nb == 2\n")
    assert len(objects(slowq("filter", "--file", tmp_path / "filters.txt", "--format", "json"))) == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("a == 1", "--file", "x"), 2),
        (("a == 1", "--milvus-version", "new"), 2),
        (("a == 1", "--schema", "missing.yaml"), 2),
        (("a == 1", "--collection", "c"), 2),
        (("a == 1", "--fail-on", "never"), 2),
        (("a == 1", "--schema", CONTEXT, "--collection", "c"), 2),
        (("--file", "missing.txt"), 3),
        (("--report", CONTEXT), 3),
        ((" ",), 3),
    ],
)
def test_wrong_options_and_input(slowq: Any, arguments: tuple[Any, ...], code: int) -> None:
    done = slowq("filter", *arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")


def test_a_report_without_any_filter_says_so(slowq: Any, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"patterns": []}))
    for more, written in (((), ""), (("--format", "json"), '"filters": []')):
        ran = slowq("filter", "--report", tmp_path / "report.json", *more)
        assert ran.code == 0
        assert written in ran.out
        assert "has a filter" in ran.err


def test_the_patterns_of_a_report(slowq: Any, log: Path, tmp_path: Path) -> None:
    slowq("analyze", log, "--format", "json", "--output", tmp_path / "report.json")
    found = objects(slowq("filter", "--report", tmp_path / "report.json", "--format", "json"))
    assert any(costly["lint"] == "json_path" for one in found for costly in one["costly"])
    assert all(one["rewritten"] is None and one["pattern"]["count"] > 0 for one in found)


def test_hostile_text_stays_text(slowq: Any) -> None:
    done = slowq("filter", 'a == "[bold red]x[/x]\x1b[31m" or a == "\u202e"')
    assert done.code == 0
    assert "[bold red]x[/x]" in done.out
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out


@pytest.mark.parametrize("columns", [60, 110])
def test_lines_fit_the_terminal_but_for_calls_to_copy(process: Any, columns: int) -> None:
    done = process("filter", " or ".join(f'tag == "value {at}"' for at in range(30)), COLUMNS=str(columns))
    before_call = done.out.partition("With the values beside the text")[0]
    assert max(map(len, before_call.splitlines())) <= columns


def test_no_pandas_is_imported() -> None:
    code = (
        "from slowq.cli import main; main(); import sys; assert not {'pandas', 'plotly', 'pyarrow'} & set(sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code, "filter", "a == 1"], capture_output=True, check=False).returncode
        == 0
    )


def test_a_chain_of_fifty_terms_takes_milliseconds() -> None:
    from slowq.filters.judge import judge

    text = " or ".join(f'tag == "v{at}"' for at in range(50))
    begin = perf_counter()
    assert judge(text).steps[0].name == "or_to_in"
    assert perf_counter() - begin < 0.1


def test_deep_filters_and_long_lists_answer_in_seconds(slowq: Any) -> None:
    begin = perf_counter()
    deep = "not (" * 20_000 + "a == 1" + ")" * 20_000
    assert "\nWrite instead\n  a == 1\n" in slowq("filter", "-", stdin=deep.encode()).out
    million = f"a in [{', '.join(map(str, range(0, 2_000_000, 2)))}]"
    assert "critical huge_list a" in slowq("filter", "-", stdin=million.encode()).out
    assert perf_counter() - begin < 30
