from __future__ import annotations

import re
from typing import Any

import pytest

from slowq.repro.scenarios import catalogue
from tests.scenario_docs import ENGINE, MILVUS, PAGE, Table, short, table, table_of

RESULT: dict[str, Any] = {
    "scenario": "large_nq",
    "load": [2.04, 1.96],
    "base_p99_s": 0.01234,
    "fault_p99_s": 0.5,
    "fault_times": 40.5,
    "first": "large_nq",
    "green": True,
    "receipts": [
        {
            "remedy": "smaller_batches",
            "outcome": "confirmed",
            "against_base": 1.337,
            "after": {"recall": 0.9987},
            "target": "the bundled engine",
        },
        {
            "remedy": "more_replicas",
            "outcome": "no effect",
            "against_base": None,
            "after": {"recall": None},
            "target": "the bundled engine",
        },
    ],
}


@pytest.mark.parametrize("where", [ENGINE, MILVUS])
def test_the_table_of_the_page_is_what_was_measured(where: Table) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == where.placed(page, table(where.kept()))
    assert set(where.kept()) <= set(catalogue())


def test_what_was_measured_on_a_milvus_stands_apart() -> None:
    there = [one | {"target": "http://milvus:19530"} for one in RESULT["receipts"]]
    assert table_of(RESULT) is ENGINE
    assert table_of(RESULT | {"receipts": there}) is MILVUS


def test_what_was_measured_is_a_row() -> None:
    (row,) = table({"large_nq": short(RESULT)}).splitlines()[2:]
    assert row == (
        "| large_nq | 2.0 to 2.0 | 12.3 | 500.0 | 40.5 | large_nq | smaller_batches: confirmed, 1.34 times the base, "
        "recall 1.00; more_replicas: no effect | yes |"
    )


def test_rows_stand_in_the_order_of_their_names() -> None:
    rows = table({"large_nq": short(RESULT), "brute_force": short(RESULT | {"green": False, "first": None})})
    assert [line.split(" | ")[0] for line in rows.splitlines()[2:]] == ["| brute_force", "| large_nq"]
    assert "| none |" in rows.splitlines()[2]
    assert rows.splitlines()[2].endswith("| no |")


def test_every_piece_of_advice_names_remedies_that_there_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    _, *rows = re.findall(r"^\| .+ \| (\w+: .+) \|$", page[page.index("## The remedies of") :], re.MULTILINE)
    named = [
        (one.split(": ")[0], key) for row in rows for one in row.split("; ") for key in one.split(": ")[1].split(", ")
    ]
    known = {(name, remedy.key) for name, one in catalogue().items() for remedy in one.remedies}
    assert len(named) > 20
    assert set(named) <= known


def test_a_page_without_the_marks_is_refused() -> None:
    begin, end = ENGINE.begin, ENGINE.end
    assert ENGINE.placed(f"a\n{begin}\nold\n{end}\nb", "new") == f"a\n{begin}\n\nnew\n\n{end}\nb"
    with pytest.raises(ValueError, match="the page has no"):
        ENGINE.placed("nothing", "new")
