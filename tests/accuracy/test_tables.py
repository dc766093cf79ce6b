from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from bench.accuracy import reliability, run, tables
from tests.accuracy.builders import LARGE_NQ, case, row


def test_a_share_is_told_with_its_count_and_interval() -> None:
    assert tables.percent({"right": 41, "n": 44, "share": 41 / 44, "interval": [0.817, 0.977]}) == (
        "41 of 44 (93 %, 82 % to 98 %)"
    )
    assert tables.percent({"right": 0, "n": 0, "share": None, "interval": [0.0, 1.0]}) == "-"


def test_the_readme_tells_the_figures_of_the_results_file() -> None:
    results = json.loads(run.RESULTS.read_text(encoding="utf-8"))
    text = run.README.read_text(encoding="utf-8")
    assert tables.placed(text, run.readme(results)) == text


def test_the_results_file_is_of_the_cases_that_are_there() -> None:
    results = json.loads(run.RESULTS.read_text(encoding="utf-8"))
    assert sorted(one["case"] for one in results["answers"]) == sorted(one.id for one in run.find())


def test_a_readme_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="the README has no"):
        tables.placed("# slowq\n", "| a |")


def test_the_drawing_is_well_formed_and_shows_each_bin_with_its_count() -> None:
    some = reliability.bins([row(case(), LARGE_NQ)] * 12)
    drawn = ElementTree.fromstring(reliability.drawing([("tuned on", some)]))  # noqa: S314 - our own
    texts = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "12" in texts
    assert "tuned on" in texts
