from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from rich.console import Console

from slowq.cli.progress import Bar, bar, total_bytes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def a_bar(total: int | None) -> tuple[Bar, Clock, io.StringIO]:
    screen, clock = io.StringIO(), Clock()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    return Bar(lambda: total, console, clock), clock, screen


def last(screen: io.StringIO) -> str:
    return screen.getvalue().rpartition("\x1b[2K")[2].strip()


def test_a_quick_reading_shows_nothing() -> None:
    shown, clock, screen = a_bar(100)
    with shown:
        clock.now = 0.6
        shown(100, 1)
    assert screen.getvalue() == ""


def test_a_long_reading_says_how_far_it_is() -> None:
    shown, clock, screen = a_bar(4_000_000)
    with shown:
        clock.now = 2.0
        shown(1_000_000, 1234)
        assert last(screen).startswith("reading ━━━━━")
        assert last(screen).endswith(" 1.0 MB of 4.0 MB, 500.0 kB/s, 1,234 slow requests")
        shown(4_000_000, 2000)  # at once: nothing comes after it
        assert last(screen).startswith("analyzing ")
    assert screen.getvalue().endswith("\x1b[1A\x1b[2K")  # gone without a trace


def test_logs_that_are_read_one_by_one_add_up() -> None:
    shown, clock, screen = a_bar(None)
    with shown:
        shown(2_000_000, 20)
        clock.now = 1.0
        shown(1_000_000, 3)
        assert last(screen).endswith(" 3.0 MB, 3.0 MB/s, 23 slow requests")


def test_it_draws_ten_times_a_second_at_most() -> None:
    shown, clock, screen = a_bar(None)
    with shown:
        for step in range(10_001):
            clock.now = 1 + step / 10_000
            shown(step, 0)
        assert screen.getvalue().count("reading") <= 12


def test_nobody_sees_a_bar_where_standard_error_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    assert bar([], hidden=False) is None


def test_the_total_is_known_of_plain_files_alone(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * 10)
    (tmp_path / "b.log").write_bytes(b"y" * 32)
    assert total_bytes([str(tmp_path)]) == 42
    (tmp_path / "c.log").write_bytes(gzip.compress(b"z"))
    assert total_bytes([str(tmp_path)]) is None
    assert total_bytes(["-"]) is None
