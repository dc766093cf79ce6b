"""What holds for every command: help, errors, exit codes, standard error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from slowq import __version__
from slowq.cli import app

COMMANDS = [
    *("analyze", "show", "check", "metrics", "context", "reproduce", "what-if", "requests", "filter", "explain"),
    *("scenarios", "engine", "config", "rules"),
]
HEAVY = {
    *("pandas", "numpy", "pyarrow", "plotly", "rich", "yaml", "regex", "pydantic"),
    *("faiss", "grpc", "pymilvus", "prometheus_api_client", "requests"),
}


def command(name: str) -> Any:
    return typer.main.get_command(app()).commands[name]  # type: ignore[attr-defined]


def test_help_names_every_command(slowq: Any) -> None:
    done = slowq("--help")
    assert (done.code, done.err) == (0, "")
    listed = done.out.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.strip().splitlines()] == COMMANDS


def test_no_summary_of_a_command_is_cut_short(slowq: Any) -> None:
    assert "..." not in slowq("--help").out.partition("Commands:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name: str, slowq: Any) -> None:
    undocumented = [param.name for param in command(name).params if not getattr(param, "help", None)]
    assert undocumented == []
    said = slowq(name, "--help").out
    for param in command(name).params:
        assert param.opts[0] in said or param.param_type_name == "argument"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['slowq', '--help']\n"
        "from slowq.cli import main; main()\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert HEAVY & set(done.stderr.decode().split()) == set()


@pytest.mark.parametrize(
    "left", ["atexit.register(print, 'tidied up')", "threading.Timer(0.2, print, ['tidied up']).start()"]
)
def test_the_process_ends_once_exit_handlers_and_threads_are_done(left: str) -> None:
    code = (
        f"import atexit, sys, threading\nfrom slowq.__main__ import run\n{left}\nsys.argv = ['slowq', 'bogus']\nrun()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"tidied up\n")
    assert done.stderr.startswith(b"error: no such command 'bogus'")


def test_version(slowq: Any) -> None:
    assert slowq("--version").out == f"slowq {__version__}\n"


def test_no_command_shows_the_help_on_standard_error(slowq: Any) -> None:
    done = slowq()
    assert (done.code, done.out) == (2, "")
    assert "Commands:" in done.err


@pytest.mark.parametrize(
    ("line", "error", "hint"),
    [
        (["bogus"], "error: no such command 'bogus'", "hint: slowq --help lists what it takes"),
        (["analyze", "x", "--frmat", "json"], "error: no such option: --frmat", "hint: slowq analyze --help"),
        (["analyze", "x", "--format", "xml"], "error: invalid value for '--format': 'xml' is not one of", "hint: "),
        (["analyze", "x", "--jobs", "0"], "error: invalid value for '--jobs'", "hint: slowq analyze --help"),
        (["explain"], "error: missing argument 'RULE'", "hint: slowq explain --help"),
    ],
)
def test_a_wrong_command_line_exits_with_2(line: list[str], error: str, hint: str, slowq: Any) -> None:
    done = slowq(*line)
    assert (done.code, done.out) == (2, "")
    first, second = done.err.splitlines()
    assert first.startswith(error)
    assert second.startswith(hint)


def failing(error: BaseException) -> Any:
    def gather(*given: Any, **named: Any) -> Any:
        raise error

    return gather


def test_an_unexpected_error_exits_with_70_and_asks_for_a_report(
    slowq: Any, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slowq.gather.gather", failing(ZeroDivisionError("division by zero")))
    done = slowq("analyze", log)
    assert (done.code, done.out) == (70, "")
    assert done.err.splitlines() == [
        "error: this is a bug in slowq, and nothing was concluded: ZeroDivisionError: division by zero",
        "hint: please report it, with what the same command with -v prints",
    ]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_verbose_shows_the_traceback_wherever_it_stands(
    place: int, slowq: Any, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slowq.gather.gather", failing(ZeroDivisionError("division by zero")))
    line: list[str | Path] = ["analyze", log]
    line.insert(place, "-v")
    done = slowq(*line)
    assert done.code == 70
    assert "Traceback (most recent call last)" in done.err


def test_an_interrupt_exits_with_130_and_says_nothing(slowq: Any, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slowq.gather.gather", failing(KeyboardInterrupt()))
    done = slowq("analyze", log)
    assert (done.code, done.out, done.err) == (130, "", "")


@pytest.mark.parametrize("line", [["--help"], ["rules"], ["analyze"], ["requests"], ["requests", "--format", "csv"]])
def test_a_closed_pipe_ends_it_quietly(line: list[str], log: Path) -> None:
    if line[0] in ("analyze", "requests"):
        line = [*line, str(log)]
    reads, writes = os.pipe()
    os.close(reads)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "slowq", *line], stdout=writes, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writes)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("line", [["--help"], ["rules"], ["analyze"], ["requests"]])
def test_a_full_disk_is_no_bug_of_ours(line: list[str], log: Path) -> None:
    if line[0] in ("analyze", "requests"):
        line = [*line, str(log)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "slowq", *line], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: cannot write")
    assert done.stderr.endswith(b"No space left on device\n")


@pytest.mark.parametrize(
    "secret",
    ["https://admin:hunter2@minio:9000/logs", "s3://key:hunter2@bucket/log", "token=hunter2", "password: hunter2"],
)
@pytest.mark.parametrize("verbose", [[], ["-v"]])
def test_credentials_are_never_shown(
    secret: str, verbose: list[str], slowq: Any, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "hunter2" not in slowq("analyze", secret, *verbose).err
    monkeypatch.setattr("slowq.gather.gather", failing(RuntimeError(f"could not open {secret}")))
    done = slowq("analyze", log, *verbose)
    assert "hunter2" not in done.err
    assert "could not open" in done.err


def test_a_message_cannot_move_the_cursor(slowq: Any) -> None:
    done = slowq("analyze", "a\x1b[2Jb\r")
    assert "\x1b" not in done.err
    assert r"a\x1b[2Jb\r" in done.err


def test_both_ways_to_start_it_are_the_same(process: Any) -> None:
    done = process("rules", "--format", "json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)


def test_shells_can_complete(process: Any) -> None:
    done = process(_SLOWQ_COMPLETE="complete_bash", COMP_WORDS="slowq explain large", COMP_CWORD="2")
    assert done.out.split() == ["large_nq", "large_result"]
