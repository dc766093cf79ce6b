"""Where a scenario runs: the bundled engine, one process a set-up, or a Milvus that is there (`milvus.py`).

Both are spoken to through pymilvus only; what differs is that an engine is started with the set-up's configuration, and
lets its time tick be held back.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from slowq.errors import ServerError
from slowq.facts import HEALTHY_S
from slowq.repro import scrape
from slowq.repro.scenario import Setup
from slowq.repro.scrape import Scraped

START_S = 30.0
# Total times decide what is slow in this form, so that requests with many query vectors are logged (until 2.5.12).
LOG_VERSION = "2.4"


class Target(Protocol):
    """One server with one set-up's collections."""

    @property
    def uri(self) -> str: ...

    @property
    def memory_bytes(self) -> int | None:
        """Resident, now; None where it is not the set-up's alone."""

    def pause_ticks(self, paused: bool) -> None: ...

    def log(self) -> bytes:
        """What it wrote about this set-up; empty where that cannot be read."""

    def series(self) -> dict[str, Any] | None:
        """Its metrics so far, in the form of the contract's metrics file; None where they cannot be read."""

    def watching(self) -> AbstractContextManager[None]:
        """A context, the turn of the set-up, in which its log and metrics are collected."""

    def alive(self) -> bool: ...

    def close(self) -> None: ...


class EngineTarget:
    """An engine in a process and a folder of its own; both are gone after `close`. It starts while others do."""

    def __init__(self, setup: Setup, *, slow_s: float = HEALTHY_S) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="slowq-repro-"))
        self._log = self._folder / "milvus.log"
        config = {
            "dataCoord.compaction.enableAutoCompaction": False,  # what runs beside is the scenario's to say
            "proxy.slowQuerySpanInSeconds": slow_s,
            **setup.config,
        }
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_engine,
            args=(theirs, str(self._folder), str(self._log), config, setup.nodes, setup.cpus),
            daemon=True,
        )
        self._scraped = Scraped()
        try:
            self._process.start()
            theirs.close()
        except BaseException:  # also an interrupt: nobody else knows yet that there is something to end
            self.close()
            raise

    @cached_property
    def _ports(self) -> tuple[int, int]:
        """Of requests and of metrics; waits until the engine is up. Raises ServerError where it does not come up."""
        until = time.monotonic() + START_S
        while not self._pipe.poll(0.1):
            if not self._process.is_alive() or time.monotonic() > until:
                raise ServerError("the engine did not start")
        found = self._pipe.recv()
        if isinstance(found, str):
            raise ServerError(f"the engine did not start: {found}")
        port, metrics = found
        return port, metrics

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    def pause_ticks(self, paused: bool) -> None:
        self._pipe.send(paused)

    def log(self) -> bytes:
        return self._log.read_bytes()

    def series(self) -> dict[str, Any] | None:
        return self._scraped.document()

    @property
    def memory_bytes(self) -> int:
        with open(f"/proc/{self._process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def watching(self) -> AbstractContextManager[None]:
        return scrape.watching(f"http://127.0.0.1:{self._ports[1]}/metrics", self._scraped)

    def alive(self) -> bool:
        return self._process.is_alive()

    def close(self) -> None:
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join(10)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
        self._pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _engine(pipe: Connection, folder: str, log: str, config: Mapping[str, Any], nodes: int, cpus: int) -> None:
    """The other process: serves until the pipe is closed; True and False hold the time tick back and let it go on."""
    import signal
    import sys

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        from slowq.engine import Engine, configure

        settings, _ = configure(config)
        out = open(log, "a", encoding="utf-8")  # noqa: SIM115 - open as long as the process lives
        engine = Engine(Path(folder) / "data", settings, nodes=nodes, cpus=cpus, version=LOG_VERSION, log=out)
        server = engine.serve()
    except Exception as error:  # noqa: BLE001 - the parent must hear of it
        pipe.send(str(error))
        return
    try:
        pipe.send((server.port, server.metrics_port))
        while True:
            engine.pause_ticks(pipe.recv())
    except (EOFError, OSError):  # the parent was killed: nobody else removes the folder, which needs no clean end
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)
