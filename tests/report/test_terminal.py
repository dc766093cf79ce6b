from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from slowq.report import markdown, terminal
from tests.golden import INCIDENTS, answer
from tests.report.documents import HOSTILE, SAMPLES, document, pattern
from tests.report.golden import screen
from tests.report.test_receipts import receipt

_NEVER = {
    *map(chr, [*range(0x0A), *range(0x0B, 0x20), *range(0x7F, 0xA0)]),
    *"\u200b\u200e\u200f\u202a\u202e\u2066\ufeff",
}


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("rows", [50, None])
@pytest.mark.parametrize("name", SAMPLES)
def test_no_line_is_wider_than_the_terminal_or_than_can_be_read(name: str, rows: int | None, width: int) -> None:
    for line in screen(SAMPLES[name], width, rows=rows).split("\n"):
        assert cell_len(line) <= min(width, 110)
        assert line == line.rstrip()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_hostile_text_stays_text(width: int) -> None:
    shown = screen(SAMPLES["hostile"], width, rows=None)
    assert not _NEVER & set(shown)
    joined = "".join(shown.split())
    for literal in ("<script>", "[/b]", "[red]x[/red]", r"\x1b[31mred", r"\u202etxt.exe", r"\u2066\u200b\u200f\ufeff"):
        assert literal in joined.replace("│", "")


def test_a_terminal_with_colour_gets_no_escape_but_our_own() -> None:
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=True, color_system="standard", legacy_windows=False)
    terminal.render(SAMPLES["hostile"], console)
    coloured = file.getvalue()
    assert "\x1b[" in coloured
    assert "\x1b]" not in coloured
    assert "\x1b[31mred" not in coloured


def test_a_pipe_gets_no_colour() -> None:
    file = io.StringIO()
    terminal.render(SAMPLES["json_filter"], Console(file=file, width=100))
    assert "\x1b" not in file.getvalue()


@pytest.mark.parametrize("name", ["large_nq", "json_filter", "nothing_slow", "undetermined"])
@pytest.mark.parametrize("width", [100, 120, 200])
def test_an_incident_fits_one_screen(name: str, width: int) -> None:
    assert screen(SAMPLES[name], width).count("\n") <= terminal.ROWS


@pytest.mark.parametrize("name", ["brute_force", "consistency_wait", "json_filter", "large_nq"])
def test_a_recorded_incident_with_receipts_fits_one_screen(name: str) -> None:
    (path,) = [one for one in INCIDENTS if one.name == name]
    document = json.loads(json.dumps(answer(path, with_metrics=True)))
    document["findings"][0]["remedies"][0]["receipt"] = receipt()
    document["findings"][0]["receipts"] = [receipt(remedy="a_second_node")]
    for width in (80, 120):
        shown = screen(document, width)
        assert shown.count("\n") <= terminal.ROWS, shown
        assert "Proven: p99 800.0" in shown
        assert "Also tried: an INVERTED index" in shown


def test_every_event_is_marked_under_the_strip_even_where_no_room_is_left_to_list_it() -> None:
    assert re.search(r"\n +▲ +▲ +▲  \+3 events\n", screen(SAMPLES["json_filter"], 100))
    assert re.search(r"\n +1 +2 +3\n +1 04:59:03 load", screen(SAMPLES["json_filter"], 100, rows=None))


def test_what_has_no_room_is_counted_and_the_reader_told_where_it_is() -> None:
    shown = screen(SAMPLES["json_filter"], 100)
    assert "+17 more patterns" in shown
    assert "+1 more finding: high_concurrency" in shown
    assert shown.endswith("shortened; --format json has everything\n")
    whole = screen(SAMPLES["json_filter"], 100, rows=None)
    assert "shortened" not in whole
    assert not re.search(r"\+\d+ more", whole)
    assert all(
        remedy["verify"] in " ".join(whole.split())
        for f in SAMPLES["json_filter"]["findings"]
        for remedy in f["remedies"]
    )


def test_the_saved_json_gives_the_same_report() -> None:
    for sample in SAMPLES.values():
        saved = json.loads(json.dumps(sample))
        assert screen(saved, 100) == screen(sample, 100)


def test_the_first_thing_read_is_the_verdict() -> None:
    first, second, *_ = screen(SAMPLES["large_nq"], 100).split("\n")
    assert first == "Diagnosed: large NQ (heavy workload), about 95 % sure"
    assert second.startswith("One search of catalog_hnsw carries 16,000 query vectors")


def test_an_undetermined_verdict_is_followed_by_what_would_decide_it() -> None:
    shown = screen(SAMPLES["undetermined"], 100)
    assert shown.index("cpu_saturation, disk_saturation") < shown.index("1  high_concurrency")


def test_a_broken_rule_is_never_hidden() -> None:
    assert "clock_skew could not run, a bug in slowq: KeyError: 'guarantee_lag_s'" in screen(
        SAMPLES["undetermined"], 100
    )


def test_malformed_lines_are_shown_with_place_and_reason() -> None:
    assert 'standalone.log.gz:1877  the duration is cut off: ["Search slow"]' in screen(SAMPLES["json_filter"], 100)


def test_culprits_and_victims_are_told_apart() -> None:
    rows = [line.split()[:2] for line in screen(SAMPLES["json_filter"], 100).split("\n")]
    assert ["culprit", "231"] in rows
    assert ["victim", "14"] in rows


@pytest.mark.parametrize(
    ("width", "kept"), [(40, "count p99 share filter"), (100, "count p50 p99 share kind collection filter")]
)
def test_a_narrow_table_drops_columns_and_never_breaks_a_row(width: int, kept: str) -> None:
    lines = screen(SAMPLES["large_nq"], width).split("\n")
    header = next(at for at, line in enumerate(lines) if line.startswith("Patterns"))
    assert lines[header].split() == ["Patterns", *kept.split()]
    assert [line.split()[0] for line in lines[header + 1 : header + 3]] == ["culprit", "victim"]


def test_a_console_without_utf8_gets_ascii_alone() -> None:
    for sample in SAMPLES.values():
        shown = screen(sample, 80, encoding="ascii")
        assert shown.isascii()
        assert all(len(line) <= 80 for line in shown.split("\n"))


def test_a_null_filter_was_not_logged_and_an_empty_one_not_sent() -> None:
    patterns = [pattern("p-1", None, [6.0]), pattern("p-2", "", [6.0])]
    requests: dict[str, Any] = {
        "count": 2,
        "by_kind": {},
        "duration_s": {"sum": 12.0, "p50": 6.0, "p99": 6.0},
        "nq": {},
    }
    shown = screen(document(patterns=patterns, requests=requests), 100)
    assert [line.split()[-1] for line in shown.split("\n") if "catalog_hnsw" in line] == ["unknown", "none"]


def test_additions_to_the_contract_may_be_absent() -> None:
    bare = {
        key: value for key, value in SAMPLES["json_filter"].items() if key not in ("series", "events", "blind_spots")
    }
    assert screen(bare, 100).startswith("Diagnosed: JSON filter")


def test_a_snippet_keeps_its_rows_and_its_indentation() -> None:
    lines = screen(SAMPLES["large_nq"], 100).split("\n")
    at = lines.index("         │ for at in range(0, len(vectors), 100):")
    assert lines[at + 1].startswith("         │     hits += client.search(")


def test_markup_in_every_place_is_literal() -> None:
    assert "[red]x[/red]" in HOSTILE
    assert "[red]x[/red]" in screen(SAMPLES["hostile"], 100)


def test_empty_texts_break_nothing() -> None:
    for sample in SAMPLES.values():
        emptied = json.loads(re.sub(r': "(?:[^"\\\\]|\\\\.)*"', ': ""', json.dumps(sample)))
        for width in (20, 40, 100):
            assert all(cell_len(line) <= width for line in screen(emptied, width).split("\n"))
        assert markdown.render(emptied)
