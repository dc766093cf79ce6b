"""Where a scenario runs: the bundled engine, one process a set-up, or a Milvus that is there.

Both are spoken to through pymilvus only; what differs is that an engine is started with the set-up's configuration, lets
its time tick be held back, and that its log and metrics can be read.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from slowq.errors import ServerError, UsageError
from slowq.facts import HEALTHY_S
from slowq.repro.scenario import Setup

PREFIX = "slowq_repro_"
START_S = 30.0
SCRAPE_S = 0.5
# Total times decide what is slow in this form, so that requests with many query vectors are logged (until 2.5.12).
LOG_VERSION = "2.4"


class Target(Protocol):
    """One server with one set-up's collections."""

    uri: str
    describes: str

    def pause_ticks(self, paused: bool) -> None: ...

    def log(self) -> Path | None:
        """Its log; None where it cannot be read."""

    def series(self) -> dict[str, Any] | None:
        """Its metrics so far, in the form of the contract's metrics file; None where they cannot be read."""

    def watching(self) -> Any:
        """A context in which its metrics are collected."""


@dataclass(slots=True)
class Scraped:
    """What /metrics said, every half second, as Prometheus would have kept it."""

    moments: list[float] = field(default_factory=list)
    values: dict[tuple[tuple[str, str], ...], list[tuple[float, str]]] = field(default_factory=dict)

    def add(self, at: float, text: str) -> None:
        from prometheus_client.parser import text_string_to_metric_families

        self.moments.append(at)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = (("__name__", sample.name), *sorted(sample.labels.items()))
                self.values.setdefault(labels, []).append((at, repr(float(sample.value))))

    def document(self) -> dict[str, Any] | None:
        if len(self.moments) < 2:
            return None
        start = self.moments[0]
        series = [{"metric": dict(labels), "values": list(pairs)} for labels, pairs in self.values.items()]
        return {"start": start, "end": self.moments[-1], "step": SCRAPE_S, "series": series}


class EngineTarget:
    """An engine in a process and a folder of its own; both are gone after `close`."""

    describes = "the bundled engine"

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
            port, metrics = self._answer()
        except BaseException:  # also an interrupt: nobody else knows yet that there is something to end
            self.close()
            raise
        self.uri, self._metrics_uri = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}/metrics"

    def _answer(self) -> tuple[int, int]:
        until = time.monotonic() + START_S
        while not self._pipe.poll(0.1):
            if not self._process.is_alive() or time.monotonic() > until:
                raise ServerError("the engine did not start")
        found = self._pipe.recv()
        if isinstance(found, str):
            raise ServerError(f"the engine did not start: {found}")
        port, metrics = found
        return port, metrics

    def pause_ticks(self, paused: bool) -> None:
        self._pipe.send(paused)

    def log(self) -> Path | None:
        return self._log

    def series(self) -> dict[str, Any] | None:
        return self._scraped.document()

    def memory_bytes(self) -> int:
        """Resident, now."""
        with open(f"/proc/{self._process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @contextmanager
    def watching(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._scrape, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _scrape(self, stop: threading.Event) -> None:
        while True:
            try:
                with urllib.request.urlopen(self._metrics_uri, timeout=5) as page:  # noqa: S310 - http of our own
                    self._scraped.add(round(time.time() / SCRAPE_S) * SCRAPE_S, page.read().decode())
            except OSError:
                pass  # the server is busy, or gone: the round itself says so
            if stop.wait(SCRAPE_S):
                return

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
    pipe.send((server.port, server.metrics_port))
    while True:
        try:
            engine.pause_ticks(pipe.recv())
        except EOFError:
            os._exit(0)  # the parent is gone; the folder holds nothing that is worth a clean end


class MilvusTarget:
    """A Milvus that somebody else runs. Only collections that carry our prefix are touched."""

    def __init__(self, uri: str, token: str = "", logs: Path | None = None) -> None:
        self.uri, self._token, self._logs = uri, token, logs
        self._from = logs.stat().st_size if logs is not None else 0
        self.describes = uri

    def pause_ticks(self, paused: bool) -> None:
        raise UsageError("a real Milvus does not let its time tick be held back", hint="--target engine does")

    def log(self) -> Path | None:
        return self._logs

    def series(self) -> dict[str, Any] | None:
        return None

    @contextmanager
    def watching(self) -> Iterator[None]:
        yield

    def close(self) -> None:
        """Nothing: it is not ours to end."""


def collection_name(scenario: str) -> str:
    return f"{PREFIX}{scenario}_{uuid.uuid4().hex[:8]}"
