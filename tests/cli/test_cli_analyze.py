from __future__ import annotations

import gzip
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.report.documents import document, large_nq

SAMPLES = Path(__file__).parents[2] / "sample_logs"
FOREIGN = b"2024-01-01 nginx: GET /\n\x1b[31mred\n10.0.0.1 POST /x\n"


def test_it_diagnoses_a_log(slowq: Any, log: Path) -> None:
    done = slowq("analyze", log)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Diagnosed: JSON filter")


def test_json_is_one_object_and_nothing_else(process: Any, log: Path) -> None:
    done = process("analyze", log, "--format", "json")
    assert (done.code, done.err) == (0, "")
    said = json.loads(done.out)
    assert (said["schema"], said["verdict"]["sub_cause"]) == (1, "json_filter")


def test_json_of_a_text_that_is_no_unicode_is_still_json(
    slowq: Any, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = document(blind_spots=["caf\xe9 \udcff"])
    monkeypatch.setattr("slowq.report.document.document", lambda case, diagnosis: given)
    done = slowq("analyze", log, "--format", "json")
    assert "caf\xe9" in done.out
    assert json.loads(done.out) == given


def test_markdown(slowq: Any, log: Path) -> None:
    assert slowq("analyze", log, "--format", "markdown").out.startswith("# Diagnosed: JSON filter")


def test_a_context_file_is_enough(slowq: Any) -> None:
    done = slowq("analyze", "--context", SAMPLES / "brute_force" / "context.yaml")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Diagnosed: brute force")


def test_neither_log_nor_context_exits_with_2(slowq: Any) -> None:
    done = slowq("analyze")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[0] == "error: nothing to analyze: no PATH, no --context and no metrics"
    assert done.err.splitlines()[1].startswith("hint: slowq analyze ")


def test_a_wrong_context_file_exits_with_2(slowq: Any, tmp_path: Path) -> None:
    facts = tmp_path / "facts.yaml"
    facts.write_text("colections: []\n")
    done = slowq("analyze", "--context", facts)
    assert (done.code, done.out) == (2, "")
    assert "colections" in done.err


@pytest.mark.parametrize("name", ["missing.log", "*.nothing"])
def test_a_missing_path_exits_with_3(name: str, slowq: Any, tmp_path: Path) -> None:
    done = slowq("analyze", tmp_path / name)
    assert (done.code, done.out) == (3, "")
    assert name in done.err
    assert "\nhint: " in done.err


def test_a_folder_without_files_exits_with_3(slowq: Any, tmp_path: Path) -> None:
    done = slowq("analyze", tmp_path)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: no files in the folder")


def test_an_empty_file_exits_with_3(slowq: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    done = slowq("analyze", tmp_path / "empty.log")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: nothing to read in 1 file")


def test_a_log_of_something_else_exits_with_3_and_quotes_how_it_begins(slowq: Any) -> None:
    done = slowq("analyze", "-", stdin=FOREIGN)
    assert (done.code, done.out) == (3, "")
    assert done.err.splitlines()[1:4] == [
        "    2024-01-01 nginx: GET /",
        r"    \x1b[31mred",
        "    10.0.0.1 POST /x",
    ]


def test_beside_a_context_file_a_log_of_something_else_exits_with_3_after_the_report(slowq: Any) -> None:
    done = slowq("analyze", "-", "--context", SAMPLES / "brute_force" / "context.yaml", stdin=FOREIGN)
    assert done.code == 3
    assert done.out.startswith("Diagnosed: brute force")
    assert "no log line" in done.out
    assert done.err.startswith("error: no line of Milvus in 3 lines of 1 file")
    assert "without these logs" in done.err


def test_a_log_without_a_slow_request_is_a_result(slowq: Any) -> None:
    done = slowq("analyze", "-", stdin=b'[2025/08/23 19:22:19.900 +00:00] [INFO] [proxy/impl.go:1] ["hello"]\n')
    assert (done.code, done.err) == (0, "")


def test_standard_input_is_read_as_a_file_is(slowq: Any, small_log: Path) -> None:
    named = json.loads(slowq("analyze", small_log, "--format", "json").out)
    piped = json.loads(slowq("analyze", "-", "--format", "json", stdin=small_log.read_bytes()).out)
    assert piped["requests"] == named["requests"]


def test_a_glob_that_the_shell_left_alone(slowq: Any, small_log: Path) -> None:
    done = slowq("analyze", small_log.parent / "2.4.*.log", "--format", "json")
    assert len(json.loads(done.out)["inputs"]) > 1


def test_what_cannot_be_read_to_its_end_is_a_warning(slowq: Any, log: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.log.gz"
    torn.write_bytes(log.read_bytes()[:-4000])
    done = slowq("analyze", torn)
    assert done.code == 0
    assert done.err.startswith("warning: ")


# ---------------------------------------------------------------------------------------------------------------------
# Filters


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        (["--since", "2026-11-21T05:00:00Z"], "at >= 05:00"),
        (["--until", "2026-11-21 05:00"], "at <= 05:00"),
        (["--collection", "catalog_hnsw"], "all"),
        (["--database", "default", "--kind", "search", "--kind", "query"], "all"),
        (["--min-duration", "8s"], "at least 8 s"),
        (["--min-duration", "8"], "at least 8 s"),
        (["--collection", "other"], "none"),
    ],
)
def test_filters_keep_what_they_name(filters: list[str], left: str, slowq: Any, log: Path) -> None:
    every = [json.loads(line) for line in slowq("requests", log).out.splitlines()]
    expected = {
        "all": every,
        "none": [],
        "at >= 05:00": [one for one in every if one["at"] >= "2026-11-21T05:00:00"],
        "at <= 05:00": [one for one in every if one["at"] <= "2026-11-21T05:00:00.000Z"],
        "at least 8 s": [one for one in every if one["duration_s"] >= 8],
    }[left]
    if left not in ("all", "none"):
        assert 0 < len(expected) < len(every)
    done = slowq("analyze", log, "--format", "json", *filters)
    assert done.code == 0
    assert json.loads(done.out)["requests"]["count"] == len(expected)


def test_a_relative_time_that_leaves_nothing_is_explained(slowq: Any, log: Path) -> None:
    ahead_s = int((datetime.now(UTC) + timedelta(days=1)).timestamp())
    done = slowq("analyze", log, "--since", str(ahead_s))
    assert "counts back from now" not in done.err
    assert "the newest request is of 2026-11-21T05:00:22" in done.err
    done = slowq("analyze", log, "--until", "20000d")
    assert done.code == 0
    assert done.err.startswith("hint: the filters leave none of 319 requests; the newest request is of 2026-11-21T05:")
    assert done.err.endswith("; a time such as 2h counts back from now\n")


def test_a_name_that_leaves_nothing_is_answered_with_those_there_are(slowq: Any, log: Path) -> None:
    done = slowq("analyze", log, "--collection", "catalogue", "--min-duration", "1h")
    assert done.code == 0
    assert "the log names 1 collection: catalog_hnsw; the longest took 16.2 s" in done.err


def test_filters_that_leave_nothing_are_explained_from_one_reading_of_standard_input(
    slowq: Any, small_log: Path
) -> None:
    done = slowq("analyze", "-", "--collection", "nobody", stdin=small_log.read_bytes())
    assert done.code == 0
    assert done.err.startswith("hint: the filters leave none of ")
    assert "the log names 1 collection: " in done.err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--since", "yesterday"),
        ("--until", "2025-13-01"),
        ("--min-duration", "soon"),
        ("--min-duration", "-1s"),
        ("--min-duration", "nan"),
        ("--min-coverage", "1.5"),
        ("--min-coverage", "nan"),
        ("--min-coverage", "high"),
    ],
)
def test_a_value_that_cannot_be_is_quoted_before_anything_is_read(option: str, value: str, slowq: Any) -> None:
    done = slowq("analyze", "missing.log", option, value)
    assert (done.code, done.out) == (2, "")
    assert repr(value) in done.err
    assert "\nhint: " in done.err


def test_until_before_since_exits_with_2(slowq: Any) -> None:
    done = slowq("analyze", "missing.log", "--since", "2025-02-01", "--until", "2025-01-01")
    assert done.code == 2
    assert done.err == "error: --until '2025-01-01' is before --since '2025-02-01'\nhint: swap them\n"


# ---------------------------------------------------------------------------------------------------------------------
# Gates


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ("large_nq", 1),
        ("large-nq", 1),
        ("heavy_workload", 1),
        ("critical", 1),
        ("warning", 1),
        ("info", 1),
        ("json_filter", 0),
        ("wrong_index", 0),
    ],
)
def test_a_gate_fails_on_the_finding_that_it_names(
    gate: str, code: int, slowq: Any, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {**large_nq(), "broken": []}
    found["findings"] = found["findings"][:1]
    monkeypatch.setattr("slowq.report.document.document", lambda case, diagnosis: found)
    done = slowq("analyze", log, "--fail-on", gate)
    assert done.code == code
    assert done.out.startswith("Diagnosed: large NQ")
    assert done.err == ("" if code == 0 else f"error: --fail-on {gate.replace('-', '_')}: found large_nq (critical)\n")


def test_a_gate_on_a_severity_lets_a_lesser_one_pass(slowq: Any, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = large_nq()
    found["findings"] = [{**found["findings"][0], "severity": "warning"}]
    monkeypatch.setattr("slowq.report.document.document", lambda case, diagnosis: found)
    assert slowq("analyze", log, "--fail-on", "critical").code == 0
    assert slowq("analyze", log, "--fail-on", "critical", "--fail-on", "warning").code == 1


def test_a_gate_that_nothing_is_called_exits_with_2(slowq: Any) -> None:
    done = slowq("analyze", "missing.log", "--fail-on", "jsn_filter")
    assert done.code == 2
    assert "hint: did you mean json_filter" in done.err


def test_too_little_understood_exits_with_3_after_the_report(slowq: Any, small_log: Path) -> None:
    mixed = small_log.read_bytes() + b"junk\n" * 100
    done = slowq("analyze", "-", "--min-coverage", "95%", "--format", "json", stdin=mixed)
    assert done.code == 3
    understood = json.loads(done.out)["coverage"]["share_understood"]
    assert done.err.startswith(f"error: --min-coverage 0.95: only {understood:.2f}")
    assert slowq("analyze", "-", "--min-coverage", "0.01", stdin=mixed).code == 0


def test_a_gate_that_fails_goes_before_too_little_understood(slowq: Any, log: Path) -> None:
    mixed = gzip.decompress(log.read_bytes()) + b"junk\n" * 1000
    done = slowq("analyze", "-", "--min-coverage", "0.99", "--fail-on", "json_filter", stdin=mixed)
    assert done.code == 1
    assert [line.split(":")[1] for line in done.err.splitlines()] == [" --min-coverage 0.99", " --fail-on json_filter"]


def test_a_broken_rule_exits_with_70_and_is_said(slowq: Any, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [{"cause": "heavy_workload", "sub_cause": "large_nq", "error": "KeyError: 'nq'"}]
    monkeypatch.setattr("slowq.report.document.document", lambda case, diagnosis: document(broken=broken))
    done = slowq("analyze", log, "--format", "json", "--fail-on", "info")
    assert done.code == 70
    assert json.loads(done.out)["broken"] == broken
    assert done.err.startswith("error: the rule large_nq failed, which is a bug in slowq: KeyError: 'nq'\nhint: ")


# ---------------------------------------------------------------------------------------------------------------------
# Width and colour


def test_a_pipe_gets_a_hundred_columns_and_no_colour(process: Any, log: Path) -> None:
    done = process("analyze", log)
    assert "\x1b" not in done.out
    assert 90 < max(map(len, done.out.splitlines())) <= 100


def test_columns_is_honoured(process: Any, log: Path) -> None:
    done = process("analyze", log, COLUMNS="60")
    assert 50 < max(map(len, done.out.splitlines())) <= 60


def test_no_terminal_encoding_is_too_small(process: Any, log: Path) -> None:
    done = process("analyze", log, PYTHONIOENCODING="ascii")
    assert done.code == 0
    assert done.out.isascii()


def on_a_terminal(log: Path, **environment: str) -> str:
    """What a terminal of that environment gets to see."""
    leader, follower = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    child = subprocess.Popen(
        [sys.executable, "-m", "slowq", "analyze", str(log)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**kept, "TERM": "xterm-256color", **environment},
    )
    os.close(follower)
    said = b"".join(iter(lambda: _read(leader), b""))
    os.close(leader)
    assert child.wait() == 0
    return said.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # what Linux says where the other end of a terminal is closed
        return b""


def test_a_terminal_gets_colour_and_one_screen(log: Path) -> None:
    said = on_a_terminal(log, COLUMNS="120", LINES="50")
    assert "\x1b[1;31m" in said
    assert said.count("\n") <= 48


def test_no_color_is_honoured_on_a_terminal(log: Path) -> None:
    said = on_a_terminal(log, NO_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*\b(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])\b", said)
