"""A Milvus standalone and a Prometheus on this machine: start them, read their log and their metrics, stop them.

Both are used when they already run (Milvus on 19530 with its metrics on 9091, Prometheus where `--prometheus`
says) and started otherwise; what was started here is stopped by `stop()`, nothing else is. All traffic is on
the loopback address.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.incidents import limits

SCRAPE_S = 2
# What no one asks a slow search about: half of a file, if it were kept.
LEFT_OUT = (
    "milvus_(rootcoord_ddl_req_latency.*|meta_kv_.*_bucket|flushed_segment_file_num.*|proxy_cache_update_latency_bucket"
    "|proxy_req_latency_bucket|datacoord_compacted_segment_size_bucket|proxy_apply_pk.*_bucket|proxy_assign_.*_bucket"
    "|proxy_sync_segment.*|datanode_encode_buffer.*_bucket|indexnode_(encode|save)_index.*_bucket)"
    "|knowhere_(ann_iterator|build).*_bucket"
)
SERIES = "milvus_.*|knowhere_.*|process_.*|go_gc_duration_seconds.*|go_goroutines|go_memstats_heap_inuse_bytes|up"
LOG_TIME = re.compile(r"^\[(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3}) \+00:00\]")
INDEX_BUILD = "index builder task schedule"  # datacoord/index_builder.go, a line a second while one waits or goes on
SLOW_LINE = re.compile(r'\["(?:Search|Query|HybridSearch) slow"\]')

PROMETHEUS_YML = f"""\
global: {{scrape_interval: {SCRAPE_S}s, scrape_timeout: {SCRAPE_S}s}}
scrape_configs:
  - job_name: milvus
    static_configs: [{{targets: ["127.0.0.1:9091"]}}]
"""


@dataclass
class Lab:
    data: Path
    prometheus_url: str = "http://127.0.0.1:9095"
    config: tuple[str, ...] = ()
    server: Path = Path(sys.executable).parent / "milvus-server"
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def wants(self, key: str) -> None:
        """End here where the setting was not given on which a scenario is built: its label and context would be wrong."""
        if not any(one.startswith(f"{key}=") for one in self.config):
            raise SystemExit(f"this scenario wants --config {key}=…; its docstring says more")

    def start(self) -> None:
        self.start_milvus()
        if not _answers(self.prometheus_url + "/-/ready"):
            self._start_prometheus()

    def start_milvus(self) -> None:
        """Start Milvus unless one answers; the server may take a minute on a full data directory."""
        if _answers("http://127.0.0.1:9091/healthz"):
            return
        self.started.append(self._launch())
        _wait_for("http://127.0.0.1:9091/healthz", 180, self.started[-1])

    def _launch(self) -> subprocess.Popen[bytes]:
        if (self.data / "configs" / "milvus.yaml").exists() and not self.config:
            return self._launch_again()
        _wait_until_free(9091)  # the launcher of the wheel moves the metrics to another port while this one lingers
        command = [str(self.server), "--data", str(self.data)]
        for setting in self.config:
            command += ["--extra-config", setting]
        return self._begun(command)

    def _launch_again(self) -> subprocess.Popen[bytes]:
        """Without the launcher, on the configuration that it wrote."""
        binary = self.data / "bin" / "milvus"
        there = {"DEPLOY_MODE": "STANDALONE", "METRICS_PORT": "9091", "MILVUS_RUN_DIR": str(self.data / "run")}
        surroundings = {**os.environ, **there, "LD_LIBRARY_PATH": str(binary.parent)}
        return self._begun([str(binary), "run", "standalone"], self.data, surroundings)

    def _begun(
        self, command: list[str], folder: Path | None = None, surroundings: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=surroundings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        group = limits.own_memory()
        if group is not None:
            (group / "cgroup.procs").write_text(str(process.pid))
        return process

    def _start_prometheus(self) -> None:
        home = self.data.parent / "milvus-prometheus"
        home.mkdir(parents=True, exist_ok=True)
        (home / "prometheus.yml").write_text(PROMETHEUS_YML)
        address = urllib.parse.urlparse(self.prometheus_url).netloc
        command = [
            "prometheus",
            f"--config.file={home}/prometheus.yml",
            f"--storage.tsdb.path={home}/tsdb",
            f"--web.listen-address={address}",
        ]
        self.started.append(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        )
        _wait_for(self.prometheus_url + "/-/ready", 30)

    def stop(self, patience_s: float = 20) -> None:
        """Stop what this object started: Milvus' launcher passes SIGINT on, Prometheus ends cleanly on it too."""
        for process in reversed(self.started):
            process.send_signal(signal.SIGINT)
        for process in self.started:
            with suppress(subprocess.TimeoutExpired):  # its graceful stop may take half an hour
                process.wait(timeout=patience_s)
            with suppress(ProcessLookupError):  # a launcher may be gone before the Milvus that it launched
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=20)
        self.started.clear()
        if self.config:  # the launcher wrote it; the next start is to have the defaults again
            (self.data / "configs" / "milvus.yaml").unlink()

    def restart_milvus(self) -> None:
        """Stop the Milvus that this object started, and start it again with the same configuration."""
        launcher = self.started.pop(0)
        os.killpg(launcher.pid, signal.SIGKILL)
        launcher.wait(timeout=20)
        self.started.insert(0, self._launch_again())
        _wait_for("http://127.0.0.1:9091/healthz", 180)

    @property
    def binary(self) -> Path:
        return self.data / "bin" / "milvus"

    def set_log_level(self, level: str) -> None:
        request = urllib.request.Request(
            "http://127.0.0.1:9091/log/level", json.dumps({"level": level}).encode(), method="PUT"
        )
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - our own loopback URL
            pass

    def settle(self, seconds: float = 400) -> None:
        """Wait until no index is built any more: what an earlier recording left behind must not become a cause."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(4)
            if INDEX_BUILD not in self.log_between(time.time() - 4, time.time()):
                return

    def log_between(self, start: float, end: float) -> str:
        """The log entries from `start` to `end` (unix seconds), continuation lines with the entry that they follow."""
        kept: list[str] = []
        for path in sorted((self.data / "logs").glob("standalone*.log"), key=lambda p: p.stat().st_mtime):
            inside = False
            with path.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    if stamp := LOG_TIME.match(line):
                        inside = start <= _unix(stamp[1]) <= end
                    if inside:
                        kept.append(line)
        return "".join(kept)

    def metrics_between(self, start: float, end: float) -> dict[str, object]:
        """Raw series as Prometheus scraped them, in the form of the contract's metrics file."""
        query = urllib.parse.urlencode(
            {"query": f'{{__name__=~"{SERIES}",__name__!~"{LEFT_OUT}"}}', "start": start, "end": end, "step": SCRAPE_S}
        )
        with urllib.request.urlopen(f"{self.prometheus_url}/api/v1/query_range?{query}", timeout=120) as answer:  # noqa: S310 - our own loopback URL
            result = json.load(answer)["data"]["result"]
        return {"start": start, "end": end, "step": SCRAPE_S, "series": result}

    def search_latency(self, start: float, end: float) -> dict[str, float | None]:
        """p50 and p99 of the searches as Milvus' proxy measured them."""
        figures: dict[str, float | None] = {}
        for share, name in ((0.5, "p50_s"), (0.99, "p99_s")):
            rate = f'rate(milvus_proxy_sq_latency_bucket{{query_type="search"}}[{max(10, int(end - start))}s])'
            query = urllib.parse.urlencode({"query": f"histogram_quantile({share}, sum by (le) ({rate}))", "time": end})
            with urllib.request.urlopen(f"{self.prometheus_url}/api/v1/query?{query}", timeout=30) as answer:  # noqa: S310 - our own loopback URL
                result = json.load(answer)["data"]["result"]
            figures[name] = round(float(result[0]["value"][1]) / 1000, 4) if result else None
        return figures


def write_log(folder: Path, text: str) -> Path:
    """`standalone.log`, or `.log.gz` from 200 kB on."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = text.encode()
    for old in folder.glob("standalone.log*"):
        old.unlink()
    if len(raw) < 200_000:
        path = folder / "standalone.log"
        path.write_bytes(raw)
    else:
        path = folder / "standalone.log.gz"
        path.write_bytes(gzip.compress(raw, 9, mtime=0))
    return path


def write_metrics(path: Path, metrics: dict[str, object]) -> None:
    path.write_bytes(gzip.compress(json.dumps(metrics).encode(), 9, mtime=0))


def _unix(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - our own loopback URL
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _wait_until_free(port: int, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                time.sleep(1)
            else:
                return


def _wait_for(url: str, seconds: float, process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + seconds
    while not _answers(url):
        if process is not None and process.poll() is not None:
            raise TimeoutError(f"{url} does not answer, since its process has ended")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{url} did not answer within {seconds:.0f} s")
        time.sleep(0.5)
