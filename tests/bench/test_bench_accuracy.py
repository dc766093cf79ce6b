"""The scorer asks slowq itself, and tells what it said; its parts are tested in tests/accuracy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.accuracy import run
from bench.accuracy.conditions import CONDITIONS


def test_a_case_is_asked_about_with_all_its_evidence_and_with_each_part_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    assert run.main(["--only", "or_chain-1", "--verbose", "--jobs", "1", "--json", str(figures)]) == 0
    asked = [line.split()[1:3] for line in capsys.readouterr().out.splitlines() if "or_chain-1" in line]
    assert len(asked) == len(CONDITIONS)
    found = json.loads(figures.read_text())
    [answer] = found["answers"]
    assert (answer["truth"], answer["exact"]) == (["inefficient_filter", "complex_expression"], True)
    assert found["scenarios"]["answers"] == []


def test_cases_of_the_engine_are_counted_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "figures.json"
    only = ["--only", "large_nq-fault", "--only", "large_nq"]
    assert run.main([*only, "--quick", "--jobs", "1", "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert ([one["case"] for one in found["answers"]], [one["case"] for one in found["scenarios"]["answers"]]) == (
        ["large_nq"],
        ["large_nq-fault"],
    )
    assert "made on the bundled engine: the catalogue's faults" in capsys.readouterr().out
