from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest


def test_one_row_a_request_in_every_format(slowq: Any, small_log: Path, tmp_path: Path) -> None:
    import pandas as pd

    rows = [json.loads(line) for line in slowq("requests", small_log).out.splitlines()]
    table = list(csv.DictReader(io.StringIO(slowq("requests", small_log, "--format", "csv").out)))
    assert slowq("requests", small_log, "--output", tmp_path / "r.parquet").code == 0
    frame = pd.read_parquet(tmp_path / "r.parquet")
    assert rows
    assert [row["trace_id"] for row in rows] == [row["trace_id"] or None for row in table]
    assert len(frame) == len(rows)
    assert list(frame.columns) == list(table[0])


def test_parquet_goes_into_a_pipe_as_bytes(small_log: Path) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "slowq", "requests", str(small_log), "--format", "parquet"],
        capture_output=True,
        check=True,
    )
    assert done.stdout[:4] == done.stdout[-4:] == b"PAR1"


def test_parquet_is_refused_on_a_terminal(slowq: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slowq.cli.requests.is_terminal", lambda: True)
    done = slowq("requests", "missing.log", "--format", "parquet")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: parquet is binary")


def test_no_path_exits_with_2(slowq: Any) -> None:
    done = slowq("requests")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: no PATH\nhint: ")


def test_a_missing_path_exits_with_3_and_leaves_no_file(slowq: Any, tmp_path: Path) -> None:
    assert slowq("requests", "missing.log", "--output", tmp_path / "r.csv").code == 3
    assert os.listdir(tmp_path) == []


def test_filters_hold_here_too(slowq: Any, log: Path) -> None:
    every = slowq("requests", log).out.splitlines()
    slow = slowq("requests", log, "--min-duration", "8s").out.splitlines()
    assert slow == [line for line in every if json.loads(line)["duration_s"] >= 8]
    done = slowq("requests", log, "--collection", "other")
    assert (done.code, done.out) == (0, "")
    assert "the log names 1 collection: catalog_hnsw" in done.err
