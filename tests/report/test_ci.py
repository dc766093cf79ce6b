"""SARIF, JUnit, GitHub and GitLab: valid, stable, and no text of a log becomes anything else."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema

from slowq.policy import Judgement, Limits, Line, Policy, judge
from slowq.report import ci, github, gitlab, junit, sarif
from tests.report.documents import HOSTILE, hostile, json_filter, large_nq, nothing_slow

VENV = Path(__file__).parents[2] / ".venv"
STRICT = Policy(run=Limits(0.0, 0, 0.0), fail_on=("info", "critical"))
DOCUMENTS = [json_filter, large_nq, hostile, nothing_slow]

every_document = pytest.mark.parametrize("make", DOCUMENTS, ids=lambda make: make.__name__)


def judged(of: dict[str, Any]) -> Judgement:
    return judge(of, STRICT, None, date(2026, 6, 1))


@every_document
def test_sarif_keeps_to_its_schema(make) -> None:
    path = VENV / "sarif-2.1.0.json"
    if not path.exists():
        pytest.skip("the schema of SARIF is not installed (tests/services.sh)")
    of = make()
    jsonschema.validate(json.loads(json.dumps(sarif.render(of, judged(of)))), json.loads(path.read_text("utf-8-sig")))


def test_sarif_stays_within_what_github_takes() -> None:
    for make in DOCUMENTS:
        of = make()
        (run,) = sarif.render(of, judged(of))["runs"]
        assert len(run["results"]) <= 5000
        for result in run["results"]:
            assert len(result["locations"]) <= 100
            assert len(result["message"]["text"]) <= sarif.MOST_TEXT
        for rule in run["tool"]["driver"]["rules"]:
            assert len(rule.get("properties", {}).get("tags", [])) <= 20
            assert rule["help"]["text"]


def test_the_fingerprint_of_a_finding_stays_when_its_numbers_move() -> None:
    before, after = json_filter(), json_filter()
    for finding in after["findings"]:
        finding["summary"] += " And more."
        finding["confidence"] = 0.1
        for item in finding["evidence"]:
            for cite in item["cites"]:
                cite["line"] += 100
    prints = [
        [r["partialFingerprints"] for r in sarif.render(of, judged(of))["runs"][0]["results"]] for of in (before, after)
    ]
    assert prints[0] == prints[1]
    assert len({json.dumps(one) for one in prints[0]}) == len(prints[0])


@every_document
def test_junit_keeps_to_its_schema(make) -> None:
    schema = xmlschema.XMLSchema(str(Path(__file__).parent / "junit.xsd"))
    schema.validate(io.BytesIO(junit.render(judged(make()))))


def test_junit_has_a_case_for_each_thing_that_is_asked() -> None:
    of = json_filter()
    assert junit.render(judged(of)).count(b"<testcase ") == len(judged(of).lines)


def hostile_line() -> Line:
    return Line(HOSTILE, "fail", HOSTILE, ({"path": HOSTILE, "line": 3},), HOSTILE)


def test_a_hostile_text_is_no_workflow_command() -> None:
    said = list(github.commands(Judgement((hostile_line(), Line("a\n::set-env name=x::y", "fail", "\r\n::error::z")))))
    assert len(said) == 2
    for one in said:
        assert "\n" not in one
        assert "\r" not in one
        assert one.startswith("::error ")
        properties = one.removeprefix("::error ").partition("::")[0]
        assert properties.count(",") == properties.count("=") - 1 or "%3D" in properties or "," not in HOSTILE


def test_the_text_report_is_kept_from_the_runner() -> None:
    wrapped = github.without_commands(b"one\n::error::two\n").decode().splitlines()
    token = wrapped[0].removeprefix("::stop-commands::")
    assert wrapped == [f"::stop-commands::{token}", "one", "::error::two", f"::{token}::"]
    assert len(token) == 32


def test_at_most_ten_annotations_are_made() -> None:
    said = list(github.commands(Judgement(tuple(Line(f"l{i}", "fail", "x") for i in range(25)))))
    assert len(said) == github.MOST
    assert said[-1].endswith("::16 more failures are in the log of this step")


def test_a_percent_sign_is_read_back_as_one() -> None:
    (said,) = github.commands(Judgement((Line("a: b, c", "fail", "50 % of 100%"),)))
    assert said == "::error title=slowq check%3A a%3A b%2C c::50 %25 of 100%25"


@every_document
def test_gitlab_issues_have_what_gitlab_needs(make) -> None:
    of = make()
    issues = gitlab.render(of, judged(of))
    for one in issues:
        assert set(one) == {"check_name", "description", "severity", "fingerprint", "location"}
        assert one["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert one["location"]["lines"]["begin"] >= 1
    if make is not hostile:  # which holds the same finding twice
        assert len({one["fingerprint"] for one in issues}) == len(issues)


@pytest.mark.parametrize(
    ("cite", "place"),
    [
        ({"path": "./logs/a.log", "line": 7}, ("logs/a.log", 7)),
        ({"path": "logs.tar!a.log", "line": 7}, ("logs.tar", 1)),
        ({"path": "/var/log/a.log", "line": 0}, ("/var/log/a.log", 1)),
    ],
)
def test_a_cite_lies_in_a_file_on_disk(cite: dict[str, Any], place: tuple[str, int]) -> None:
    assert ci.file_and_line(cite) == place
