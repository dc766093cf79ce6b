"""What metrics cost: an hour of them from a real Prometheus, and `analyze` with metrics and context beside the log.

    python -m bench.metrics [--rounds 5]

The hour is made of a recorded incident again and again, its counters going on from round to round; each time is that of a
whole cold process. Needs the programs prometheus and promtool.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slowq.metrics.prometheus import Prometheus, Span
from tests import servers

HOUR_S = 3600.0
INCIDENT = servers.SAMPLES / "consistency_wait"
GOALS_S = {"fetch": 3.0, "analyze": 2.0}
MOST_QUERIES = 30


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    slowq = str(Path(sys.executable).parent / "slowq")
    hour = repeated(servers.recorded(INCIDENT.name), HOUR_S)
    start, end = hour["start"], hour["start"] + HOUR_S
    with tempfile.TemporaryDirectory() as folder, servers.prometheus(Path(folder), hour) as url:
        server = Prometheus(url)
        series = len(server.fetch(Span.around((start, end))).document()["series"])
        since, until = (datetime.fromtimestamp(moment, UTC).isoformat() for moment in (start, end))
        ask = [slowq, "metrics", "--prometheus", url, "--since", since, "--until", until, "--format", "json"]
        fetch_s = fastest(ask, rounds)
    read = [slowq, "analyze", str(INCIDENT / "logs"), "--metrics", str(INCIDENT / "prometheus_range.json.gz")]
    if (INCIDENT / "context.yaml").exists():
        read += ["--context", str(INCIDENT / "context.yaml")]
    analyze_s = fastest(read, rounds)
    print(f"load average {os.getloadavg()[0]:.1f}; the least of {rounds}")
    print(f"an hour from Prometheus: {fetch_s:.2f} s, {server.queries} queries, {series:,} series")
    print(f"analyze with metrics and context: {analyze_s:.2f} s")
    met = fetch_s <= GOALS_S["fetch"] and analyze_s <= GOALS_S["analyze"] and server.queries <= MOST_QUERIES
    return 0 if met else 1


def repeated(metrics: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The series again and again for so long. What only rises goes on from where it was."""
    length = metrics["end"] - metrics["start"] + metrics["step"]
    rounds = int(seconds // length) + 1
    return {**metrics, "series": [_on_and_on(one, length, rounds) for one in metrics["series"]]}


def _on_and_on(one: dict[str, Any], length_s: float, rounds: int) -> dict[str, Any]:
    values = [(at, float(value)) for at, value in one["values"]]
    counts = one["metric"]["__name__"].endswith(("_count", "_sum", "_bucket", "_total"))
    rise = values[-1][1] - values[0][1] if counts else 0.0
    more = [(at + n * length_s, str(value + n * rise)) for n in range(rounds) for at, value in values]
    return {**one, "values": more}


def fastest(command: list[str], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    return min(took)


if __name__ == "__main__":
    sys.exit(main())
