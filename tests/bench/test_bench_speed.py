"""The benchmark of reading runs to its end on inputs a thousandth the size, and notices a slowq that counts wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import peers, speed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the inputs lie, once for all parts."""
    return tmp_path_factory.mktemp("inputs")


@pytest.mark.parametrize("part", speed.PARTS)
def test_every_part_measures_what_it_is_to_judge(folder: Path, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    bench = speed.Bench(folder, speed.slowq_program(None), smaller=1024, most_rounds=1)
    speed.PARTS[part](bench)
    absent = {f"not measured: {peer.program} is missing (apt package {peer.package})" for peer in peers.PEERS}
    assert {*bench.missing.values()} <= absent
    assert bench.rows
    assert {row.what for row in bench.rows if row.ratio is None} <= {
        row.what for row in bench.rows if row.measured in absent
    }
    speed.show(bench, {"slowq": "this one"})
    told = capsys.readouterr().out
    assert all(row.what in told for row in bench.rows)


def test_a_slowq_that_counts_other_than_grep_fails_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "slowq"
    wrong.write_text('#!/bin/sh\necho \'{"coverage": {"slow_requests": 1}}\'\n')
    wrong.chmod(0o755)
    figures = tmp_path / "figures.json"
    given = ["--quick", "--only", "start-up", "--dir", str(tmp_path), "--slowq", str(wrong), "--json", str(figures)]
    assert speed.main(given) == 1
    assert "1 could not be measured: start: slowq analyze, 1 MiB" in capsys.readouterr().err
    found = json.loads(figures.read_text())
    assert found["missing"]["start: slowq analyze, 1 MiB"].startswith("FAILED: 1 slow requests found, where there are ")
    assert [len(one["wall_s"]) for one in found["timings"].values()] == [3, 3]


def test_a_program_that_is_not_there_or_ends_with_an_error_is_named() -> None:
    with pytest.raises(speed.CommandFailedError, match="cannot start no-such-program"):
        speed.run(speed.Command((["no-such-program"],)))
    with pytest.raises(speed.CommandFailedError, match="exit code 3: gone wrong"):
        speed.run(speed.Command((["sh", "-c", "echo gone wrong >&2; exit 3"],)))


def test_of_a_pipe_every_program_counts() -> None:
    seen: list[int] = []
    command = speed.Command((["sh", "-c", "sleep 0.2; echo a"], ["grep", "-c", "a"]))
    done = speed.run(command, seen.append)
    assert done.wall_s >= 0.2
    assert len({*seen}) == 1
