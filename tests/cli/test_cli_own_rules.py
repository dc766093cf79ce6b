"""Rules of the user's own on the command line: `slowq rules new`, and every command that asks or shows rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slowq.rules import ALL

POLICY = ("--policy", "slowq.toml")
TOML = '[rules]\nfolder = "house"\n'


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slowq: Any) -> Path:
    """A folder with a rule of one's own, named in the `slowq.toml` of the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slowq.toml").write_text(TOML)
    (tmp_path / "house").mkdir()
    done = slowq("rules", "new", "large-page")
    assert (done.code, done.out) == (0, "house/large_page.py\nhouse/test_large_page.py\n")
    assert done.err == "hint: change both to what you look for; they pass as they are: pytest house\n"
    return tmp_path / "house"


LARGE = """\
requests:
  - {kind: search, top_k: 5000, nq: 1, duration_s: 8}
"""


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    path = tmp_path / "facts.yaml"
    path.write_text(LARGE)
    return path


def test_own_rules_are_listed_and_explained(house: Path, slowq: Any) -> None:
    assert "  large_page   " in slowq("rules", *POLICY).out
    listed = json.loads(slowq("rules", *POLICY, "--format", "json").out)
    assert len(listed) == len(ALL) + 1
    assert [one for one in listed if one.get("own")] == [
        {
            "id": "large_page",
            "cause": "heavy_workload",
            "title": "A request asks for more results than we show to anybody.",
            "own": True,
        }
    ]
    assert "\n    most_results = 1,000\n" in slowq("explain", "large_page", *POLICY).out


def test_own_rules_are_asked_and_shown_in_every_format(house: Path, facts: Path, slowq: Any) -> None:
    done = slowq("analyze", *POLICY, "--context", facts, "--format", "json")
    assert done.code == 0
    assert ("heavy_workload", "large_page") in {
        (one["cause"], one["sub_cause"]) for one in json.loads(done.out)["findings"]
    }
    for form in ("text", "markdown", "html"):
        assert (
            "Slow requests ask for up to 5,000 results."
            in slowq("analyze", *POLICY, "--context", facts, "--format", form).out
        )


def test_own_rules_that_do_not_fire_say_so(house: Path, facts: Path, slowq: Any) -> None:
    facts.write_text(LARGE.replace("5000", "10"))
    document = json.loads(slowq("analyze", *POLICY, "--context", facts, "--format", "json").out)
    assert [one["because"] for one in document["ruled_out"] if one["sub_cause"] == "large_page"] == [
        "no slow request asks for more than 1,000 results"
    ]
    facts.write_text("requests: [{kind: query, duration_s: 8}]")
    document = json.loads(slowq("analyze", *POLICY, "--context", facts, "--format", "json").out)
    assert {"large_page"} <= {one["sub_cause"] for one in document["skipped"]}


def test_gates_and_allowances_take_their_names(house: Path, facts: Path, slowq: Any) -> None:
    assert slowq("analyze", *POLICY, "--context", facts, "--fail-on", "large_page").code == 1
    assert slowq("check", *POLICY, "--context", facts, "--fail-on", "large-page").code == 1
    (house.parent / "slowq.toml").write_text(
        TOML + '[check]\nfail_on = ["large_page"]\n[[check.allow]]\n'
        'cause = "large_page"\nowner = "me"\nreason = "known"\nuntil = 2999-01-01\n'
    )
    assert slowq("check", *POLICY, "--context", facts, "--sarif", "out.sarif").code == 0
    (rule,) = [
        one
        for one in json.loads(Path("out.sarif").read_text())["runs"][0]["tool"]["driver"]["rules"]
        if one["id"] == "large_page"
    ]
    assert rule["properties"] == {"tags": ["performance", "heavy workload"]}


def test_a_check_says_that_it_did_not_run_them(house: Path, facts: Path, slowq: Any) -> None:
    done = slowq("check", "--context", facts, "--max-count", "5")
    assert "large_page" not in done.out
    assert done.err == "hint: the rules of 'house' are programs, and run with --policy slowq.toml alone\n"


def test_without_the_file_that_names_them_there_are_none(house: Path, facts: Path, slowq: Any) -> None:
    document = json.loads(slowq("analyze", "--format", "json", "--context", facts).out)
    assert "large_page" not in {one["sub_cause"] for part in ("findings", "ruled_out") for one in document[part]}
    assert slowq("explain", "large_page").code == 2  # a slowq.toml that nobody named runs nothing


def test_a_broken_one_is_told_in_every_report_and_ends_nothing(house: Path, facts: Path, slowq: Any) -> None:
    (house / "bad.py").write_text("import nowhere_to_be_found\n")
    done = slowq("analyze", *POLICY, "--context", facts, "--format", "json")
    document = json.loads(done.out)
    said = "ModuleNotFoundError: No module named 'nowhere_to_be_found' (bad.py:1)"
    assert document["broken"] == [{"cause": None, "sub_cause": "bad", "error": said, "own": True}]
    assert "large_page" in {one["sub_cause"] for one in document["findings"]}
    assert (done.code, done.err) == (70, f"error: your own rule bad could not run: {said}\n")
    assert "bad could not run, your own rule: ModuleNotFoundError" in " ".join(
        slowq("analyze", *POLICY, "--context", facts).out.split()
    )
    assert "Broken rules of your own" in slowq("analyze", *POLICY, "--context", facts, "--format", "markdown").out
    Path("saved.json").write_text(done.out)
    assert "bad, your own rule: <code>ModuleNotFoundError" in slowq("show", "saved.json", "--format", "html").out
    listed = slowq("rules", *POLICY)
    assert (listed.code, listed.err) == (2, f"error: your own rule bad cannot be used: {said}\n")


def test_what_a_rule_prints_does_not_get_into_the_result(house: Path, facts: Path, slowq: Any) -> None:
    path = house / "large_page.py"
    text = path.read_text().replace(
        "        work = workload.of(case)\n", "        print('here')\n        work = workload.of(case)\n"
    )
    path.write_text(text + "\nprint('there')\n")
    done = slowq("analyze", *POLICY, "--context", facts, "--format", "json")
    assert json.loads(done.out)["schema"] == 1
    assert done.err == "there\nhere\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("large_nq", "slowq means something else by 'large_nq' already"),
        ("warning", "slowq means something else by 'warning' already"),
        ("../up", "'../up' cannot name a rule"),
        ("Large", "'Large' cannot name a rule"),
        ("class", "'class' cannot name a rule"),
    ],
)
def test_a_name_that_no_rule_can_have_exits_with_2(name: str, said: str, slowq: Any, tmp_path: Path) -> None:
    done = slowq("rules", "new", name, "--into", tmp_path)
    assert done.code == 2
    assert done.err.startswith(f"error: {said}\nhint: ")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unless_asked(house: Path, slowq: Any) -> None:
    (house / "test_large_page.py").write_text("mine")
    (house / "large_page.py").unlink()
    done = slowq("rules", "new", "large_page")
    assert (done.code, done.out) == (2, "")
    assert not (house / "large_page.py").exists()
    assert slowq("rules", "new", "large_page", "--force").code == 0
    assert (house / "test_large_page.py").read_text() != "mine"


def test_a_folder_that_is_not_named_yet_is_made_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slowq: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    done = slowq("rules", "new", "large_page", "--into", "a/b")
    assert done.code == 0
    assert 'hint: slowq.toml does not name the folder yet: [rules], and below it folder = "a/b"\n' in done.err
    assert (tmp_path / "a" / "b" / "large_page.py").exists()
