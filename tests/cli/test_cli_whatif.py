from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import SAMPLES, Slowq


@pytest.fixture
def report(slowq: Slowq, tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    logs = SAMPLES / "mixed_large_nq_and_filter" / "logs"
    assert slowq("analyze", logs, "--output", path, "--html", tmp_path / "report.html").code == 0
    return path


def test_without_a_question_the_usual_ones_are_answered_with_what_was_assumed(slowq: Slowq, report: Path) -> None:
    done = slowq("what-if", report)
    assert (done.code, done.err) == (0, "")
    asked = [line for line in done.out.splitlines() if line.startswith("What if: ")]
    assert asked == [
        "What if: without the culprits",
        "What if: half the rate of the culprits",
        "What if: nq at most 100",
        "What if: one query node more",
    ]
    assert "through a queue that serves" in done.out.splitlines()[0]
    assert done.out.count("assumed: ") == 5


def test_a_page_gives_the_same_answers_as_the_json(slowq: Slowq, report: Path) -> None:
    assert slowq("what-if", report.with_suffix(".html")).out == slowq("what-if", report).out
    assert slowq("what-if", "-", stdin=report.read_bytes()).out == slowq("what-if", report).out


def test_several_options_are_one_change(slowq: Slowq, report: Path) -> None:
    done = slowq(
        *(
            "what-if",
            report,
            "--cap-nq",
            "10",
            "--nodes",
            "+1",
            "--rate",
            "culprits=0.5",
            "--concurrency",
            "8",
            "--json",
        )
    )
    assert done.code == 0
    (answer,) = json.loads(done.out)["answers"]
    assert answer["what_if"].startswith("nq at most 10, 2 query nodes in the place of 1, ")
    assert answer["what_if"].endswith(" at 0.5 times its rate, 8 requests at a time")
    assert answer.keys() == {"what_if", "requests", "before", "after", "patterns", "assumed"}
    assert answer["before"].keys() == answer["after"].keys() == {"p50_s", "p95_s", "p99_s"}


def test_the_number_of_places_can_be_told(slowq: Slowq, report: Path) -> None:
    found = json.loads(slowq("what-if", report, "--servers", "3", "--json").out)["model"]
    assert (found["servers"], found["servers_because"]) == (3, "as given")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--nodes", "+0"], "expected how many are added"),
        (["--nodes", "-1"], "expected how many are added"),
        (["--nodes", "many"], "expected how many are added"),
        (["--rate", "0.5"], "expected PATTERN=FACTOR"),
        (["--rate", "culprits=much"], "expected PATTERN=FACTOR"),
        (["--rate", "culprits=nan"], "expected PATTERN=FACTOR"),
        (["--rate", "culprits=11"], "expected PATTERN=FACTOR"),
        (["--without", "nothing"], "no single pattern 'nothing'"),
        (["--without", "all"], "no request is left"),
        (["--cap-nq", "0"], "cap-nq"),
        (["--part-cost", "5"], "of the parts that --cap-nq makes"),
        (["--servers", "0"], "servers"),
    ],
)
def test_a_question_that_means_nothing_is_refused(slowq: Slowq, report: Path, options: list[str], said: str) -> None:
    done = slowq("what-if", report, *options)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_what_is_no_report_or_holds_no_arrivals_is_named(slowq: Slowq, report: Path, tmp_path: Path) -> None:
    assert slowq("what-if", tmp_path / "missing.json").code == 3
    old = json.loads(report.read_text(encoding="utf-8"))
    del old["workload"]
    report.write_text(json.dumps(old), encoding="utf-8")
    done = slowq("what-if", report)
    assert (done.code, done.out) == (3, "")
    assert "does not hold when its requests came" in done.err
