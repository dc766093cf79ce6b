"""Real servers for tests: started on a free port of the loopback address, stopped at the end, skipped where not installed."""

from __future__ import annotations

import fcntl
import gzip
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[1] / "sample_logs"


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
        if how.get("start_new_session"):
            os.killpg(process.pid, signal.SIGTERM)
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
    (folder / "prometheus.yml").write_text("")
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={blocks}",
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


@contextmanager
def milvus(folder: Path) -> Iterator[str]:
    """A real Milvus 2.3.5 standalone; its URI. Its ports are its own, so that one test at a time has it."""
    server = Path(__file__).parents[1] / ".venv-milvus" / "bin" / "milvus-server"
    if not server.exists():
        pytest.skip("Milvus 2.3.5 is not installed (tests/services.sh)")
    with open(Path(tempfile.gettempdir()) / "slowq-milvus.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for port in (19530, 9091, 2379):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    pytest.skip(f"port {port} is taken, which a Milvus of our own needs")
        command = [str(server), "--data", str(folder)]
        with running(command, "http://127.0.0.1:9091/healthz", wait_s=120.0, start_new_session=True):
            yield "http://127.0.0.1:19530"


def in_milvus(script: str, *arguments: str) -> str:
    """Run a script with the pymilvus that goes with that Milvus; what it prints."""
    python = Path(__file__).parents[1] / ".venv-milvus" / "bin" / "python"
    done = subprocess.run(
        [str(python), "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
