"""Real servers for tests: started on the loopback address, stopped at the end, skipped where they are not installed."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import math
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from bench.incidents.lab import Lab

PROJECT = Path(__file__).parents[1]
SAMPLES = PROJECT / "sample_logs"


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (tests/services.sh)")
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(command: list[str], ready: str, wait_s: float = 30.0, **how: Any) -> Iterator[None]:
    """A process that answers under an URL; it is stopped whatever happens."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
    try:
        deadline = time.monotonic() + wait_s
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"{command[0]} did not start")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - an address of ours
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def recorded(incident: str) -> dict[str, Any]:
    """The metrics of a sample incident."""
    with gzip.open(SAMPLES / incident / "prometheus_range.json.gz", "rt") as stream:
        found: dict[str, Any] = json.load(stream)
    return found


def exposition(metrics: dict[str, Any], *, milliseconds: bool) -> str:
    """The series in the text format, with timestamps; OpenMetrics counts them in seconds, Prometheus' own in milliseconds."""
    lines = []
    for one in metrics["series"]:
        labels = ",".join(f'{key}="{value}"' for key, value in one["metric"].items() if key != "__name__")
        for at, value in one["values"]:
            if math.isfinite(float(value)):
                when = f"{at * 1000:.0f}" if milliseconds else f"{at:.3f}"
                lines.append(f"{one['metric']['__name__']}{{{labels}}} {value} {when}")
    return "\n".join(lines) + "\n"


@contextmanager
def prometheus(folder: Path, metrics: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """A real Prometheus that holds the series; its URL."""
    text, blocks = folder / "metrics.txt", folder / "data"
    text.write_text(exposition(metrics, milliseconds=False) + "# EOF\n")
    made = subprocess.run(
        [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(text), str(blocks)],
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    with _prometheus(folder, "", prefix) as url:
        yield url


@contextmanager
def scraping(folder: Path, port: int) -> Iterator[str]:
    """A real Prometheus that scrapes a port here each second; its URL."""
    scrape = {"job_name": "milvus", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    settings = {"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}
    with _prometheus(folder, json.dumps(settings)) as url:
        yield url


@contextmanager
def _prometheus(folder: Path, settings: str, prefix: str = "") -> Iterator[str]:
    (folder / "prometheus.yml").write_text(settings)
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={url.removeprefix('http://')}",
        f"--web.external-url={url}{prefix}",
    ]
    with running(command, f"{url}{prefix}/-/ready"):
        yield url + prefix


@contextmanager
def victoria_metrics(folder: Path, metrics: dict[str, Any]) -> Iterator[str]:
    """A real VictoriaMetrics that holds the series; its URL."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        program("victoria-metrics"),
        f"-storageDataPath={folder}",
        f"-httpListenAddr={url.removeprefix('http://')}",
        "-retentionPeriod=100y",
    ]
    with running(command, f"{url}/health"):
        data = exposition(metrics, milliseconds=True).encode()
        request = urllib.request.Request(f"{url}/api/v1/import/prometheus", data=data, method="POST")  # noqa: S310
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310
        urllib.request.urlopen(f"{url}/internal/force_flush", timeout=60).close()  # noqa: S310
        yield url


@dataclass(frozen=True)
class RealMilvus:
    """A Milvus 2.3.5 with users and rights that all workers of a run share, each with collections of names of its own."""

    folder: Path
    uri: str = "http://127.0.0.1:19530"
    root: str = "root:Milvus"  # the token of its first user

    def run(self, script: str, *arguments: str) -> str:
        """Run a script with the pymilvus that goes with this Milvus; what it prints."""
        python = PROJECT / ".venv-milvus" / "bin" / "python"
        done = subprocess.run(
            [str(python), "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def once(self, script: str) -> None:
        """Run a script with the pymilvus that goes with this Milvus, unless another worker already did."""
        name = hashlib.sha256(script.encode()).hexdigest()[:16]
        with open(self.folder / f"{name}.lock", "a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.seek(0)
            if not lock.read():
                self.run(script)
                lock.write("done")


_MILVUS_PORTS = (19530, 9091, 2379, 2380)  # some of them are the same for every Milvus of this package


@contextmanager
def milvus(shared: Path) -> Iterator[RealMilvus]:
    """The one of this run. `shared` is a folder of all workers: the first that needs the server starts it there, and stops
    it when the others have left it."""
    with open(shared / "milvus.lock", "w") as lock:
        lab = _started(lock, shared / "milvus")
        try:
            yield RealMilvus(shared)
        finally:
            if lab is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)  # once no one else is left
                lab.stop(patience_s=1)
                shutil.rmtree(lab.data)


def _started(lock: IO[str], data: Path) -> Lab | None:
    """Hold the lock as one of those who use the server; the server where it was started here."""
    while True:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if data.exists():
            return None
        fcntl.flock(lock, fcntl.LOCK_EX)  # which lets go in between, so that another may have been faster
        if not data.exists():
            break
    server = PROJECT / ".venv-milvus" / "bin" / "milvus-server"
    if not server.exists():
        pytest.skip("Milvus 2.3.5 is not installed (tests/services.sh)")
    for port in _MILVUS_PORTS:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"port {port} is taken, which a Milvus of our own needs")
    lab = Lab(data, config=("common.security.authorizationEnabled=true",), server=server)
    try:
        lab.start_milvus()
    except TimeoutError as error:
        lab.stop(patience_s=1)
        shutil.rmtree(data, ignore_errors=True)
        pytest.skip(f"Milvus 2.3.5 did not start: {error}")
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lab
