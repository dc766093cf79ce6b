from __future__ import annotations

import pytest

from tests.report.golden import FOLDER, reports

_REPORTS = dict(reports())


@pytest.mark.parametrize("name", _REPORTS)
def test_the_report_is_the_golden_one(name: str) -> None:
    assert _REPORTS[name] == (FOLDER / name).read_text(encoding="utf-8")


def test_no_golden_report_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(_REPORTS)
