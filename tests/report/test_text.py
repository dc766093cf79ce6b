from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from slowq.report import text as say
from tests.report.documents import series

_TEXT = st.text(st.characters() | st.sampled_from("\x1b\u202e\u2066\u200b\ufe0f\u3164\ud800名\n\\"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('meta["a"] == "x\\n"', 'meta["a"] == "x\\n"'),
        ("名前 été", "名前 été"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\u202etxt\u2066\u2069\u200e\u200f", r"\u202etxt\u2066\u2069\u200e\u200f"),
        ("\u200b\u200d\ufeff\u00ad\u2028", r"\u200b\u200d\ufeff\xad\u2028"),
        ("\x7f\x9b\udc80", r"\x7f\x9b\udc80"),
        ("a\ufe0f\u3164\U000e0041", r"a\ufe0f\u3164\U000e0041"),
        ("", ""),
    ],
)
def test_what_is_not_plainly_printable_is_written_out(text: str, shown: str) -> None:
    assert say.visible(text) == shown


@given(_TEXT)
def test_visible_text_holds_no_control_and_stays_what_it_is(text: str) -> None:
    shown = say.visible(text)
    assert not [one for one in shown if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert say.visible(shown) == shown
    assert shown.encode("utf-8").decode("utf-8") == shown


@given(_TEXT, st.integers(0, 40))
def test_an_elided_text_fits_and_keeps_both_ends(text: str, width: int) -> None:
    shown = say.visible(text)
    cut = say.elide(shown, width)
    assert cell_len(cut) <= width
    if cell_len(shown) <= width:
        assert cut == shown


def test_elision_is_in_the_middle() -> None:
    assert say.elide("collection_of_the_year", 11) == "colle…_year"
    assert say.elide("collection_of_the_year", 11, "...") == "coll...year"
    assert say.elide("名前テーブル", 8) == "名前…ル"


@pytest.mark.parametrize(
    ("confidence", "said"),
    [(0.01, "under 5 %"), (0.3, "about 30 %"), (0.83, "about 85 %"), (0.85, "about 85 %"), (1, "over 95 %")],
)
def test_confidence_is_said_to_the_nearest_five_percent(confidence: float, said: str) -> None:
    assert say.sureness(confidence) == f"{said} sure"


def test_a_window_names_the_second_day_only_where_it_differs() -> None:
    one_day = say.span("2026-11-21T04:58:58.524Z", "2026-11-21T05:00:26Z")
    assert one_day == "2026-11-21 04:58:58 to 05:00:26 UTC (1 m 27 s)"
    two_days = say.span("2026-03-04T23:10:00+00:00", "2026-03-05T02:40:12+00:00")
    assert two_days == "2026-03-04 23:10:00 to 2026-03-05 02:40:12 UTC (3 h 30 m)"


def test_cites_of_one_file_stand_together_without_the_folder_of_all_inputs() -> None:
    folder = say.folder([{"path": "incident/logs/proxy.log"}, {"path": "incident/logs/old/query.log"}])
    assert folder == "incident/logs/"
    cites: list[dict[str, Any]] = [
        {"path": "incident/logs/proxy.log", "line": 7},
        {"path": "facts.yaml", "line": 3},
        {"path": "incident/logs/proxy.log", "line": 9},
        {"metric": "milvus_proxy_sq_latency", "window": ["2026-11-21T04:55:14Z", "2026-11-21T04:56:04Z"]},
        {"path": "incident/logs/proxy.log", "line": 11},
    ]
    said = ["proxy.log:7, 9", "facts.yaml:3", "milvus_proxy_sq_latency (04:55:14 to 04:56:04)"]
    assert say.places(cites, 4, folder) == (said, 1)


@pytest.mark.parametrize(
    ("paths", "folder"),
    [([], ""), (["a.log"], ""), (["/x/a", "/x/b"], "/x/"), (["x/a", "y/a"], ""), (["a/b", "b"], "")],
)
def test_the_folder_is_what_all_inputs_share(paths: list[str], folder: str) -> None:
    assert say.folder([{"path": path} for path in paths]) == folder


def test_rules_that_need_the_same_thing_stand_together_and_the_most_helpful_first() -> None:
    skipped = [{"sub_cause": s, "how_to_supply": how} for s, how in (("a", "x"), ("b", "y"), ("c", "y"))]
    assert say.wanted(skipped) == [("y", ["b", "c"]), ("x", ["a"])]


def test_coverage_says_all_only_of_a_log_that_was_understood_to_the_last_line() -> None:
    counts = {"unrecognised_lines": 1, "malformed_slow_lines": 0}
    nearly = {"lines": 10**9, "share_understood": 1 - 1e-9, **counts}
    assert say.understood(nearly, [{"path": "x.log"}]) == [
        "1,000,000,000 lines, 99.99 % understood (1 unrecognised)",
        "x.log",
    ]


def test_a_strip_fills_the_width_and_keeps_every_peak() -> None:
    slowest: list[float | None] = [None] * 120
    slowest[77] = 31.0
    slowest[3] = 2.0
    for width in range(1, 300):
        strip = say.strip(series("2026-11-21T04:00:00Z", 1.0, slowest), width)
        assert strip is not None
        assert len(strip.cells) <= width
        assert strip.peak_s == 31.0
        assert len(strip.axis()) <= max(len(strip.cells), 20)


def test_a_strip_marks_events_where_they_happened() -> None:
    strip = say.strip(series("2026-11-21T04:00:00Z", 1.0, [1.0] * 100), 100)
    assert strip is not None
    times = ("04:00:10", "04:00:10", "04:00:50", "03:00:00", "09:00:00")
    marked = say.marks(strip, [{"at": f"2026-11-21T{at}Z"} for at in times] + [{"at": None}], 4, "^")
    assert {at: mark for at, mark in enumerate(marked) if mark != " "} == {0: "4", 10: "+", 50: "3", 99: "^"}


def test_the_tallest_bar_is_the_slowest_and_an_empty_bucket_has_none() -> None:
    strip = say.strip(series("2026-11-21T04:00:00Z", 1.0, [8.0, None, 1.0, 4.0]), 4)
    assert strip is not None
    assert strip.bars("12345678", " ") == "8 25"


def test_there_is_no_strip_of_nothing() -> None:
    assert say.strip(None, 80) is None
    assert say.strip(series("2026-11-21T04:00:00Z", 1.0, []), 80) is None
    assert say.strip(series("2026-11-21T04:00:00Z", 1.0, [None, None]), 80) is None
