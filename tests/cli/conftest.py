from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from slowq.cli import main

SAMPLES = Path(__file__).parents[2] / "sample_logs"
_NOT_INHERITED = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Slowq = Callable[..., Result]


@pytest.fixture
def slowq(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Slowq:
    """Run a command line within this process, where it is the same as a process of its own but for the time."""
    for name in _NOT_INHERITED:
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "argv", ["slowq", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        code = main()
        return Result(code, *capfd.readouterr())

    return run


@pytest.fixture
def process() -> Slowq:
    """Run a command line as a process of its own."""

    def run(*arguments: str | Path, stdin: bytes = b"", **environment: str) -> Result:
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        done = subprocess.run(
            [sys.executable, "-m", "slowq", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env={**inherited, **environment},
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def log() -> Path:
    """Slow searches that a JSON filter explains."""
    return SAMPLES / "json_filter" / "logs" / "standalone.log.gz"


@pytest.fixture
def small_log() -> Path:
    return SAMPLES / "formats" / "versions" / "2.4.5.log"
