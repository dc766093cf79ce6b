"""What people told in public, most of it without one duration, shown in every form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slowq.context import load
from slowq.gather import gather
from slowq.report import html, markdown, saved
from slowq.report.document import document
from slowq.rules import ALL
from slowq.triage import diagnose
from tests.report.golden import screen

SHEETS = sorted(Path("bench/accuracy").glob("*reports/*/context.yaml"))


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.parent.name)
def test_is_shown_in_every_form(sheet: Path) -> None:
    told = gather([], load(str(sheet)))
    found = document(told, diagnose(told, ALL))
    shown = screen(found, 80)
    assert found["verdict"]["outcome"].split("_")[0].capitalize() in shown
    assert "explains unknown" not in shown + markdown.render(found)
    assert saved.load(html.render(found), "page") == json.loads(json.dumps(found))


def test_a_duration_that_nobody_told_is_null() -> None:
    told = gather([], load("bench/accuracy/reports/milvus-20502/context.yaml"))
    found = document(told, diagnose(told, ALL))
    assert found["requests"]["count"] == 1
    names = {"min", "p50", "p90", "p95", "p99", "max", "sum"}
    assert found["requests"]["duration_s"] == found["patterns"][0]["duration_s"] == dict.fromkeys(names)


def test_a_saved_report_that_left_it_out_is_read_as_one_that_says_null() -> None:
    told = gather([], load("bench/accuracy/reports/milvus-20502/context.yaml"))
    found = document(told, diagnose(told, ALL))
    earlier = json.loads(json.dumps(found))
    for one in (earlier["requests"], *earlier["patterns"]):
        one["duration_s"] = {}
    assert saved.load(json.dumps(earlier).encode(), "earlier.json") == json.loads(json.dumps(found))
