"""Findings that weigh too little to stand beside the others are counted in every report, and kept in the JSON."""

from __future__ import annotations

from typing import Any

import pytest

from slowq.policy import Judgement
from slowq.report import gitlab, html, markdown, sarif
from slowq.report import text as say
from tests.report.documents import SAMPLES, document, pattern
from tests.report.golden import screen

SAID = "2 more findings, each unlikely or expected to explain less than 1 %: JSON filter, clock skew (in the JSON)"


def with_minor(*names: str) -> dict[str, Any]:
    """An incident of one finding, and these that weigh little."""
    found = dict(SAMPLES["large_nq"])
    first = found["findings"][0]
    small = [
        {**first, "sub_cause": name, "summary": f"About {name}.", "severity": "info", "minor": True} for name in names
    ]
    return {**found, "findings": [{**first, "minor": False}, *small]}


@pytest.mark.parametrize("rows", [None, 48])
def test_a_terminal_counts_them(rows: int | None) -> None:
    shown = screen(with_minor("json_filter", "clock_skew"), 120, rows=rows)
    assert f"   +{SAID}\n" in shown
    assert "About" not in shown


def test_markdown_and_html_count_them() -> None:
    found = with_minor("json_filter", "clock_skew")
    assert f"\n{SAID}.\n" in markdown.render(found)
    shown = html.render(found).decode()
    assert f'<p class="soft">{SAID}.</p>' in shown
    assert "finding-json_filter" not in shown


def test_where_there_is_none_nothing_is_said() -> None:
    assert say.minor(with_minor()) is None
    assert say.minor(with_minor("json_filter")) == (
        "1 more finding, unlikely or expected to explain less than 1 %: JSON filter (in the JSON)"
    )


def test_code_scanners_are_not_told_of_them() -> None:
    found, judged = with_minor("json_filter"), Judgement(())
    (run,) = sarif.render(found, judged)["runs"]
    assert [one["ruleId"] for one in run["results"]] == ["large_nq"]
    assert [one["check_name"] for one in gitlab.render(found, judged)] == ["large_nq"]


def test_no_pattern_is_called_a_culprit_for_their_sake() -> None:
    first = SAMPLES["large_nq"]["findings"][0]
    only = document(patterns=[pattern("p-1f0c", "", [9.0])], findings=[{**first, "minor": True}])
    assert say.roles(say.findings(only)) == {}


def test_a_report_of_an_older_slowq_shows_all_of_its_findings() -> None:
    assert len(say.findings(SAMPLES["json_filter"])) == len(SAMPLES["json_filter"]["findings"])
