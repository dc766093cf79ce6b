from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Slowq


@pytest.fixture
def saved(slowq: Slowq, log: Path, tmp_path: Path) -> Path:
    """A folder with report.json and report.html of one analysis."""
    done = slowq("analyze", log, "--output", tmp_path / "report.json", "--html", tmp_path / "report.html")
    assert (done.code, done.out) == (0, "")
    return tmp_path


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
@pytest.mark.parametrize("name", ["report.json", "report.html"])
def test_a_saved_report_is_shown_as_it_was_made(slowq: Slowq, log: Path, saved: Path, name: str, form: str) -> None:
    shown = slowq("show", saved / name, "--format", form)
    assert shown.code == 0
    assert shown.out == slowq("analyze", log, "--format", form).out


def test_html_goes_beside_any_other_format(slowq: Slowq, log: Path, saved: Path, tmp_path: Path) -> None:
    done = slowq("analyze", log, "--format", "markdown", "--html", tmp_path / "second.html")
    assert done.out.startswith("# Diagnosed")
    assert (tmp_path / "second.html").read_bytes() == (saved / "report.html").read_bytes()


def test_the_name_of_the_output_tells_the_format(slowq: Slowq, saved: Path) -> None:
    assert slowq("show", saved / "report.json", "--output", saved / "again.html").code == 0
    assert (saved / "again.html").read_bytes() == (saved / "report.html").read_bytes()


def test_a_report_is_read_from_standard_input(slowq: Slowq, saved: Path) -> None:
    shown = slowq("show", "-", "--format", "json", stdin=(saved / "report.html").read_bytes())
    assert json.loads(shown.out) == json.loads((saved / "report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["report.json", "report.html"])
def test_a_report_that_exists_is_not_overwritten_without_force(slowq: Slowq, log: Path, saved: Path, name: str) -> None:
    before = (saved / name).read_bytes()
    assert slowq("analyze", log, "--html", saved / name).code == 2
    assert (saved / name).read_bytes() == before
    assert slowq("analyze", log, "--html", saved / name, "--force").code == 0


def test_two_reports_do_not_go_into_one_file(slowq: Slowq, log: Path, tmp_path: Path) -> None:
    done = slowq("analyze", log, "--output", tmp_path / "a", "--html", tmp_path / "b" / ".." / "a")
    assert done.code == 2
    both = slowq("analyze", log, "--html", "-")
    assert (both.code, both.out) == (2, "")
    assert "the other report goes there" in both.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read as a report"),
        ("no report", "cannot be read as a report"),
        ("[]", "is no report of slowq"),
        ('{"schema": 1', "cannot be read as a report"),
        ('{"schema": NaN}', "NaN is no number in JSON"),
        ('{"schema": 2}', "has schema 2, and this slowq reads 1"),
        ('{"schema": 1}', "slowq is missing"),
        ("<p>a page</p>", "is a page that holds no report of slowq"),
        ('<script type="application/gzip" id="slowq-document">H4s=</script>', "cannot be read as a report"),
        ("[" * 100_000, "cannot be read as a report"),
    ],
)
def test_what_is_no_report_is_named_with_the_reason(slowq: Slowq, tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content, encoding="utf-8")
    done = slowq("show", path)
    assert (done.code, done.out) == (3, "")
    assert str(path) in done.err
    assert said in done.err


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("patterns", [{"id": 1}], "patterns[0].id is '1'"),
        ("findings", {}, "findings is no list"),
        ("verdict", None, "verdict is no object"),
        ("window", {"start": None}, "window.end is missing"),
    ],
)
def test_a_report_that_is_not_whole_says_where(slowq: Slowq, saved: Path, key: str, value: object, said: str) -> None:
    document = json.loads((saved / "report.json").read_text(encoding="utf-8"))
    (saved / "report.json").write_text(json.dumps({**document, key: value}), encoding="utf-8")
    done = slowq("show", saved / "report.json", "--format", "html")
    assert (done.code, done.out) == (3, "")
    assert said in done.err


def test_a_report_of_an_older_version_without_later_parts_is_shown(slowq: Slowq, saved: Path) -> None:
    document = json.loads((saved / "report.json").read_text(encoding="utf-8"))
    later = ("blind_spots", "series", "distribution", "heat_map", "timelines", "collections", "events", "event_lanes")
    old = {name: part for name, part in document.items() if name not in (*later, "metrics", "notes")}
    (saved / "report.json").write_text(json.dumps(old), encoding="utf-8")
    for form in ("text", "markdown", "html"):
        assert slowq("show", saved / "report.json", "--format", form).code == 0


def test_a_report_that_is_not_there_is_named(slowq: Slowq, tmp_path: Path) -> None:
    done = slowq("show", tmp_path / "none.json")
    assert done.code == 3
    assert "No such file" in done.err
