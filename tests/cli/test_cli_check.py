from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import SAMPLES, Slowq

HEALTHY = SAMPLES / "healthy" / "logs"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def test_what_keeps_to_the_limits_exits_with_0(slowq: Slowq) -> None:
    done = slowq("check", HEALTHY, "--max-count", "0", "--fail-on", "info")
    assert done.code == 0
    assert done.out.startswith("Passed: 2 checks\n")


def test_what_breaks_a_limit_exits_with_1_and_says_by_how_much_and_where(slowq: Slowq, log: Path) -> None:
    done = slowq("check", log, "--max-p99", "5s")
    assert done.code == 1
    assert done.out.startswith("Failed: 1 of 1 check\n")
    assert "max_p99: the p99 is 16.2 s, the limit 5 s" in done.out
    assert "standalone.log.gz:" in done.out


def test_a_policy_of_the_folder_is_in_force_and_flags_stand_before_it(slowq: Slowq, log: Path) -> None:
    Path("slowq.toml").write_text('[check]\nmax_p99 = "1s"\nfail_on = ["json_filter"]\n')
    assert slowq("check", log).code == 1
    Path("slowq.toml").write_text('[check]\nmax_p99 = "1s"\n')
    assert slowq("check", log, "--max-p99", "60s").code == 0


def test_a_wrong_policy_exits_with_2_and_names_the_line(slowq: Slowq, log: Path) -> None:
    Path("p.toml").write_text("[check]\nmax_p98 = 1\n")
    done = slowq("check", log, "--policy", "p.toml")
    assert (done.code, done.err) == (2, "error: p.toml:2: unknown key 'check.max_p98'\nhint: did you mean max_p99?\n")


def test_an_input_that_was_not_understood_never_passes(slowq: Slowq) -> None:
    Path("a.log").write_text("nothing of Milvus\n" * 5)
    assert slowq("check", "a.log").code == 3
    Path("b.log").write_text("nothing of Milvus\n" * 500 + (SAMPLES / "formats/versions/2.4.5.log").read_text())
    done = slowq("check", "b.log")
    assert done.code == 3
    assert "of the lines were understood, less than 0.5" in done.err


def test_a_saved_report_is_judged_as_the_logs_are(slowq: Slowq, log: Path) -> None:
    assert slowq("analyze", log, "--output", "r.json").code == 0
    assert (
        slowq("check", "r.json", "--fail-on", "json_filter").out == slowq("check", log, "--fail-on", "json_filter").out
    )
    assert slowq("check", "r.json", "--since", "1h").code == 2


def test_a_baseline_is_made_shrinks_and_holds_what_is_new(slowq: Slowq, log: Path) -> None:
    done = slowq("check", log, "--baseline", "b.json")
    assert (done.code, "--accept-new" in done.err) == (2, True)
    take = ("--baseline", "b.json", "--update-baseline", "--accept-new", "--fail-on", "critical")
    made = slowq("check", log, *take)
    assert (made.code, "none of" in made.out) == (0, True)  # what is taken in fails no more
    before = json.loads(Path("b.json").read_text())
    assert slowq("check", log, "--baseline", "b.json", "--fail-on", "critical", "--max-p99", "1s").code == 0
    assert slowq("check", HEALTHY, "--baseline", "b.json", "--update-baseline").code == 0
    assert before["patterns"]
    assert json.loads(Path("b.json").read_text())["patterns"] == {}
    assert slowq("check", log, "--baseline", "b.json").code == 1
    assert slowq("check", log, "--baseline", "b.json", "--update-baseline").code == 1
    assert json.loads(Path("b.json").read_text())["patterns"] == {}


def test_all_formats_are_written_in_one_run(slowq: Slowq, log: Path) -> None:
    files = {
        "--sarif": "o.sarif",
        "--junit": "o.xml",
        "--gitlab": "o.gl.json",
        "--json": "o.json",
        "--markdown": "o.md",
    }
    done = slowq("check", log, "--max-count", "1", *(word for pair in files.items() for word in pair))
    assert done.code == 1
    assert json.loads(Path("o.sarif").read_text())["version"] == "2.1.0"
    assert Path("o.xml").read_text().startswith("<?xml")
    assert json.loads(Path("o.gl.json").read_text())
    found: dict[str, Any] = json.loads(Path("o.json").read_text())
    assert (found["check"]["passed"], found["verdict"]["sub_cause"]) == (False, "json_filter")
    assert Path("o.md").read_text().startswith("# slowq check: failed\n")
    assert slowq("check", log, "--sarif", "o.sarif").code == 2  # it exists


def test_github_gets_annotations_and_a_summary(slowq: Slowq, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    done = slowq("check", log, "--max-count", "1", "--github")
    assert done.out.startswith("::stop-commands::")
    assert "\n::error file=" in done.out
    assert Path("summary.md").read_text().startswith("# slowq check: failed\n")


def test_config_show_says_where_each_value_comes_from(slowq: Slowq) -> None:
    Path("slowq.toml").write_text('[check]\nmax_p99 = "2s"\n')
    rows = [line.split() for line in slowq("config", "show").out.splitlines()]
    assert ["check.max_p99", "2.0", "slowq.toml:2"] in rows
    assert ["check.min_coverage", "0.5", "default"] in rows


def test_config_schema_is_json(slowq: Slowq) -> None:
    assert json.loads(slowq("config", "schema").out)["title"] == "slowq.toml"


def commands_of_readme() -> list[str]:
    """The `slowq check` command lines of the README's section on CI, without the comments behind them."""
    section = (SAMPLES.parent / "README.md").read_text(encoding="utf-8").partition("## In CI")[2].partition("\n## ")[0]
    found = re.findall(r"^(?:- run: |    - )?(slowq check logs/[^#\n]*)", section, re.MULTILINE)
    return [one.strip() for one in found]


def test_the_readme_shows_complete_commands() -> None:
    assert len(commands_of_readme()) == 5


@pytest.mark.parametrize("line", commands_of_readme())
def test_the_commands_of_the_readme_run(slowq: Slowq, line: str, log: Path) -> None:
    Path("logs").mkdir()
    Path("logs/proxy.log.gz").write_bytes(log.read_bytes())
    Path("slowq.toml").write_text('[check]\nmax_p99 = "60s"\n')
    Path("slowq-baseline.json").write_text('{"slowq_baseline": 1, "patterns": {}}')
    done = slowq(*shlex.split(line)[1:])
    assert done.code in (0, 1), done.err
    assert done.out
