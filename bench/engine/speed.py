"""The reference engine beside the real Milvus 2.3.5 and milvus-lite 3.2.2: same data, same pymilvus program, one after the other.

    make .venv/.services                                 # .venv-milvus: Milvus 2.3.5 with its pymilvus
    python -m venv /tmp/slowq-milvus-lite
    /tmp/slowq-milvus-lite/bin/pip install milvus-lite==3.2.2 'pymilvus<3'
    unshare -n sh -c 'ip link set lo up; .venv/bin/python -m bench.engine.speed'

`unshare` gives it a network of its own: the ports of Milvus and its etcd are fixed. 200,000 rows of 128 dimensions, HNSW with
M=16 and efConstruction=200; about seven minutes a round on two cores; `--rows 20000 --rounds 1` to try. `--only` names servers.
Each round starts every server on an empty folder. Of each figure the median of the rounds; *x* is how many times better the
engine is. Searches use the least ef of a list with recall@10 of 0.95, and behind a filter the least with it behind `price < 10`,
which leaves a tenth of the rows; *first ef* is the one without a filter.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias

from bench.incidents.lab import Lab

PROJECT = Path(__file__).parents[2]
MILVUS = PROJECT / ".venv-milvus" / "bin"
LITE = Path("/tmp/slowq-milvus-lite/bin")  # noqa: S108 - made by hand, by the lines above
PORT, PAGES = 19530, 9091
CLIENT = Path(__file__).with_name("speed_client.py")
MORE_IS_BETTER = ("insert rows/s", "QPS, 1 client", "QPS, 8 clients")
NO_RATIO = ("ef", "recall")  # and what begins so


class Server:
    """A started server: its process group, the port of its clients, and the seconds until it was ready."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, ready_s: float) -> None:
        self.process, self.port, self.ready_s = process, port, ready_s

    @property
    def mib(self) -> float:
        """Resident memory of the processes of its session; files that it maps count with what of them is in memory."""
        pages = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                if int(stat[3]) == self.process.pid:
                    pages += int(stat[21])
            except OSError:
                continue
        return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)


Start: TypeAlias = Callable[[Path], AbstractContextManager[Server]]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in options.only}
    for number in range(options.rounds):
        for name in options.only:
            print(f"round {number + 1}, {name}: load average {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(prefix="slowq-speed-", dir=options.data) as folder:
                rounds[name].append(measured(SERVERS[name], Path(folder), options.rows, options.seed + number))
            print(json.dumps(rounds[name][-1]), file=sys.stderr, flush=True)
    print(
        f"{options.rows} rows, {options.rounds} round(s), {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}\n"
    )
    show({name: _medians(found) for name, found in rounds.items()})
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=list(SERVERS))
    parser.add_argument("--data", help="the folder for their data; a temporary one if not given")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    options.only = options.only or list(SERVERS)
    return options


def measured(start: Start, folder: Path, rows: int, seed: int, most_s: float = 20.0) -> dict[str, float]:
    """What the client measures of a fresh server; each figure takes no longer than `most_s`."""
    with start(folder) as server:
        time.sleep(2)
        empty = server.mib
        command = [str(MILVUS / "python"), str(CLIENT), str(server.port), str(rows), str(seed), str(most_s)]
        made = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        measured: dict[str, float] = json.loads(made.stdout)
        return {"start s": server.ready_s, "empty MiB": empty, **measured, "memory MiB": server.mib}


@contextmanager
def engine(folder: Path, port: int = PORT, pages: int = PAGES) -> Iterator[Server]:
    command = [sys.executable, "-m", "slowq", "engine", "serve", "--data", str(folder / "data"), "--log", os.devnull]
    command += ["--port", str(port), "--metrics-port", str(pages)]
    with _started(command, port, lambda: _answers(f"http://127.0.0.1:{pages}/healthz")) as server:
        yield server


@contextmanager
def _lite(folder: Path) -> Iterator[Server]:
    command = [str(LITE / "milvus-lite"), "server", "--data-dir", str(folder / "data"), "--port", str(PORT)]
    with _started(command, PORT, _listening) as server:
        yield server


@contextmanager
def _milvus(folder: Path) -> Iterator[Server]:
    lab = Lab(folder / "data", server=MILVUS / "milvus-server")
    began = time.perf_counter()
    lab.start_milvus()
    try:
        yield Server(lab.started[0], PORT, time.perf_counter() - began)
    finally:
        lab.stop(patience_s=5)


SERVERS: Mapping[str, Start] = {"engine": engine, "Milvus 2.3.5": _milvus, "milvus-lite": _lite}


@contextmanager
def _started(command: list[str], port: int, ready: Callable[[], bool]) -> Iterator[Server]:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while not ready():
            if process.poll() is not None or time.perf_counter() > began + 60:
                sys.exit(f"{shutil.which(command[0]) or command[0]} did not start")
            time.sleep(0.02)
        yield Server(process, port, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - a server of ours
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _listening() -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", PORT)) == 0


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def show(found: Mapping[str, Mapping[str, float]]) -> None:
    first, *others = found
    print(f"{'':24}" + "".join(f"{name:>24}" for name in found))
    for what, own in found[first].items():
        line = f"{what:24}{_shown(own):>24}"
        for name in others:
            ratio = found[name][what] / own if own else 0.0
            if what in MORE_IS_BETTER:
                ratio = own / found[name][what]
            line += f"{_shown(found[name][what]):>15} {'' if what.startswith(NO_RATIO) else f'x{ratio:.2f}':>8}"
        print(line)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
