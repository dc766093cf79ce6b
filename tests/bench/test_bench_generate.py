"""The logs that benchmarks read: the same ones every time, of the size that was asked for, and understood line by line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import generate, peers
from bench.fuzz import scan

SIZE = 1 << 20
DURATION = re.compile(rb"LOG:  duration: \d+\.\d{3} ms  statement: SELECT ")


def log(seed: int = 1, **more: object) -> bytes:
    return b"".join(generate.chunks(SIZE, seed=seed, **more))  # type: ignore[arg-type]


def test_a_seed_is_a_log() -> None:
    assert log() == log()
    assert log() != log(2)


def test_a_log_has_the_size_and_the_slow_lines_that_were_asked_for() -> None:
    text = log()
    assert SIZE <= len(text) < SIZE + 50_000  # up to the end of its last line
    text = b"".join(generate.chunks(8 * SIZE, 777))
    assert (text.count(b'slow"]'), text[-1:]) == (777, b"\n")
    assert 8 * SIZE <= len(text) < 11 * SIZE  # a piece more at most, with the last of them


@pytest.mark.parametrize("version", ["2.2.6", "2.3.5", "2.4.5", "2.5.16", "2.6.10", "3.0.0"])
def test_slowq_understands_every_line_of_every_version(version: str) -> None:
    text = log(slow_share=0.2, version=version)
    read = scan([text])
    assert read.lines == text.count(b"\n")
    assert read.slow_lines == text.count(b'slow"]') > 100
    assert (read.malformed, read.unrecognised) == (0, 0)


def test_times_never_go_back() -> None:
    stamps = [line[1:24] for line in generate.lines(5000)]
    assert stamps == sorted(stamps)


def test_filters_are_as_many_as_were_asked_for() -> None:
    texts = [re.search(rb'\[dsl="?(.*?)"?\] \[len', line) for line in generate.lines(4000, 1.0, distinct_filters=50)]
    assert len({found[1] for found in texts if found}) <= 50 + len(generate.PATTERNS)
    varied = [re.search(rb"user_id != (\d+)", line) for line in generate.lines(2000, 1.0, distinct_filters=0)]
    numbers = [found[1] for found in varied if found]
    assert len(numbers) == len({*numbers}) > 10


def test_peers_get_as_many_entries_of_their_own() -> None:
    assert len(DURATION.findall(b"".join(peers.postgres_log(300)))) == 300
    mysql = b"".join(peers.mysql_log(300))
    assert (mysql.count(b"# Time: 2025-11-03T"), mysql.count(b"# Query_time: ")) == (300, 300)


def test_the_command_writes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "slow.log"
    assert generate.main(["--slow-lines", "40", "--slow-share", "1", "--seed", "3", "--output", str(path)]) == 0
    assert path.read_bytes() == b"".join(generate.chunks(None, 40, 1.0, seed=3))


def test_a_version_that_logs_no_slow_requests_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--slow-lines", "4", "--version", "2.2.0", "--output", str(tmp_path / "none.log")]) == 2
    assert "the first that does is 2.2.6" in capsys.readouterr().err
