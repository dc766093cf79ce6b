from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slowq.report.receipts import is_receipt
from slowq.repro.scenario import Column, Remedy, Scenario, Setup, to_yaml
from slowq.repro.scenarios import catalogue
from tests.cli.conftest import SAMPLES, Slowq

SMALL = Scenario(
    "brute_force",
    "brute_force",
    "no index",
    Setup(rows=20_000, dim=64, columns=(Column("tag", "VARCHAR"),), segments=1, clients=6, probes=0),
    {"index": "FLAT", "index_params": {}, "params": {}},
    (
        Remedy(
            "ivf", "an IVF_FLAT index", {"index": "IVF_FLAT", "index_params": {"nlist": 64}, "params": {"nprobe": 4}}
        ),
    ),
    tuple(catalogue()),
)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(to_yaml(SMALL), encoding="utf-8")
    return path


def test_every_scenario_is_listed_with_its_remedies(slowq: Slowq) -> None:
    done = slowq("scenarios", "list")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[::2]] == sorted(catalogue())
    assert all(line.strip().startswith("remedies: ") for line in lines[1::2])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["reproduce", "{tmp}/missing.yaml"], 2, "cannot read the scenario"),
        (["reproduce", "{tmp}/missing.json"], 3, "missing.json"),
        (["reproduce", "{tmp}/missing"], 3, "missing"),
        (["reproduce", "{scenario}", "--remedy", "other"], 2, "has no remedy 'other'"),
        (["reproduce", "{scenario}", "--sweep", "ef"], 2, "expected NAME=FROM..TO"),
        (["reproduce", "{scenario}", "--sweep", "colour=1..2"], 2, "there is no 'colour' to change"),
        (["reproduce", "{scenario}", "--rounds", "1"], 2, "rounds"),
        (["reproduce", "{scenario}", "--seconds", "0"], 2, "seconds"),
        (["reproduce", "{scenario}", "--save", "{scenario}"], 2, "scenario.yaml"),
        (["reproduce", "{log}", "--finding", "9"], 2, "no finding 9"),
        (["reproduce", "{healthy}"], 2, "the report has no finding to reproduce"),
        (["reproduce", "{large}"], 2, "more than the limit of 2,000,000"),
        (["reproduce", "{log}", "--rows", "1"], 2, "rows"),
        (["reproduce", "{scenario}", "--yes", "--target", "http://127.0.0.1:1"], 4, "cannot reach http://127.0.0.1:1"),
        (["reproduce", "{scenario}", "--target", "http://user:secret@127.0.0.1:1"], 2, "must not carry a user"),
        (["reproduce", "{scenario}", "--target", "http://127.0.0.1:1"], 2, "Nobody is there to answer"),
        (["reproduce", "{scenario}", "--target", "ftp://a"], 2, "no URI of a Milvus"),
        (["reproduce", "{scenario}", "--target-log", "{tmp}"], 2, "--target-log is of a real Milvus"),
        (["scenarios", "run"], 2, "no scenario named"),
        (["scenarios", "run", "nothing"], 2, "there is no scenario 'nothing'"),
    ],
)
def test_what_cannot_be_run_says_why(
    slowq: Slowq, scenario: Path, log: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    large = tmp_path / "large.yaml"
    large.write_text(scenario.read_text().replace("rows: 20000", "rows: 3000000"))
    healthy = SAMPLES / "client_or_network" / "logs"  # without a context file nothing is seen there
    places: dict[str, Any] = {"tmp": tmp_path, "scenario": scenario, "log": log, "large": large, "healthy": healthy}
    done = slowq(*(one.format(**places) for one in arguments))
    assert (done.code, done.out) == (code, ""), done.err
    assert said in done.err
    assert "bug" not in done.err
    assert "secret" not in done.err


def _interruptible() -> None:
    """Tests that run in the background of a shell inherit that interrupts are ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def running(*arguments: str | Path, temp: Path) -> Iterator[subprocess.Popen[str]]:
    """A command as a process of its own, with a folder of its own for what it keeps for a while."""
    temp.mkdir()
    started = subprocess.Popen(
        [sys.executable, "-m", "slowq", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temp)},
        preexec_fn=_interruptible,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
            started.wait()


def processes_of(temp: Path) -> list[int]:
    """Processes that have that folder for theirs, which children inherit."""
    wanted, found = f"TMPDIR={temp}".encode(), []
    for one in Path("/proc").iterdir():
        try:
            if one.name.isdigit() and wanted in (one / "environ").read_bytes().split(b"\0"):
                found.append(int(one.name))
        except OSError:
            pass  # it ended meanwhile, or is not ours to look at
    return found


def left(temp: Path) -> tuple[list[int], list[Path]]:
    """Processes and files. Waits a little for what ends right after its parent."""
    until = time.monotonic() + 10
    while processes_of(temp) and time.monotonic() < until:
        time.sleep(0.05)
    return (processes_of(temp), list(temp.iterdir()))


def test_a_scenario_is_proven_on_the_engine_and_leaves_nothing(scenario: Path, tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    options = ("--rounds", "2", "--seconds", "0.5", "--json", "--seed", "3")
    with running("reproduce", scenario, *options, temp=temp) as started:
        out, err = started.communicate(timeout=120)
    assert err == ""
    (made,) = json.loads(out)
    assert is_receipt(made)
    assert (made["remedy"], made["rounds"], made["seed"], made["target"]) == ("ivf", 2, 3, "the bundled engine")
    assert made["before"]["recall"] == 1.0
    assert made["after"]["recall"] > 0.5
    assert made["before"]["requests"] > 0 < made["after"]["requests"]
    assert made["before"]["phases"].keys() == made["after"]["phases"].keys() >= {"queue", "vector_search"}
    assert made["before"]["memory_bytes"] > 0 == made["before"]["errors"]
    assert made["scale"] == {"rows": 20_000, "dim": 64, "clients": 6}
    assert made["command"] == "slowq reproduce scenario.yaml --remedy ivf --seed 3"
    # How large the effect is, is the machine's to say; that the exit code tells it, is ours.
    assert started.returncode == (0 if made["outcome"] == "confirmed" else 1)
    assert left(temp) == ([], [])


@pytest.mark.parametrize(("engines", "number"), [(1, signal.SIGINT), (2, signal.SIGINT), (2, signal.SIGKILL)])
def test_an_interrupt_in_the_middle_leaves_nothing(
    scenario: Path, tmp_path: Path, engines: int, number: signal.Signals
) -> None:
    temp = tmp_path / "temp"
    with running("reproduce", scenario, "--seconds", "30", temp=temp) as started:
        until = time.monotonic() + 60
        while len(list(temp.glob("slowq-repro-*"))) < engines and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.3)
        assert len(processes_of(temp)) > 1
        started.send_signal(number)
        out, err = started.communicate(timeout=60)
    assert started.returncode == (130 if number == signal.SIGINT else -number)
    assert (out, err) == ("", "")
    assert left(temp) == ([], [])
