"""A real Prometheus scrapes the engine, and slowq reads it as it reads one that scrapes Milvus."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pymilvus import MilvusClient

from slowq.engine import Engine
from tests import servers


def phases(url: str) -> Any:
    line = [sys.executable, "-m", "slowq", "metrics", "--prometheus", url, "--since", "8s", "--format", "json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)["phases"] if done.returncode == 0 else None


@pytest.mark.real
def test_the_phases_of_searches_are_read_through_a_prometheus_that_scrapes_the_engine(tmp_path: Path) -> None:
    (tmp_path / "prometheus").mkdir()
    with Engine(tmp_path / "engine", tick_interval_s=0.02) as engine:
        server = engine.serve()
        client = MilvusClient(uri=f"http://127.0.0.1:{server.port}")
        client.create_collection("shop", dimension=8)
        client.insert("shop", [{"id": number, "vector": [float(number)] * 8} for number in range(100)])
        found = None
        with servers.scraping(tmp_path / "prometheus", server.metrics_port) as url:
            deadline = time.monotonic() + 60
            while found is None and time.monotonic() < deadline:
                until = time.monotonic() + 8
                while time.monotonic() < until:
                    client.search("shop", [[1.0] * 8], limit=3)
                    time.sleep(0.02)
                found = phases(url)
        client.close()
        server.stop()
    assert found is not None
    assert found["vector_search"]["mean_s"] > 0
    assert found["queue"]["mean_s"] >= 0
    assert sum(one["share"] for name, one in found.items() if one and not name.startswith("vector_search_")) <= 1.01
