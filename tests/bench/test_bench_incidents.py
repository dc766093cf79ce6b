"""What records incidents, tried on the engine in the place of a Milvus 2.3.5."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.accuracy.cases import RECORDED
from bench.incidents.lab import Lab
from bench.incidents.slow_link import SlowLink
from slowq.context import file as context_file
from slowq.engine import Engine
from tests.servers import PROJECT, free_port

PYTHON = PROJECT / ".venv-milvus" / "bin" / "python"


def seen_on_the_engine(folder: Path) -> dict[str, Any]:
    """What `incident_driver` saw."""
    if not PYTHON.exists():
        pytest.skip("pymilvus 2.3.7 is not installed (tests/services.sh)")
    with Engine(folder) as engine:
        server = engine.serve()
        try:
            command = [str(PYTHON), "-m", "tests.bench.incident_driver", str(server.port)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT, timeout=120)
        finally:
            server.stop()
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_collection_is_filled_clients_of_each_kind_are_answered_and_it_is_told(tmp_path: Path) -> None:
    seen = seen_on_the_engine(tmp_path / "engine")
    assert (seen["rows"], seen["partitions"]) == (600, 1 + 3)
    assert (seen["answered"], seen["refused"]) == (["searches"], ["refused"])
    assert seen["alone_s"] > 0
    # Rows are the same each time, and one column a field.
    assert [one["name"] for one in seen["described"]["fields"]] == ["id", "tag", "price", "user", "meta", "vec"]
    assert (seen["columns"], seen["same_rows"]) == ([50] * 6, True)
    # What is written about an incident is a context file.
    path = tmp_path / "context.yaml"
    path.write_text(seen["context"])
    assert yaml.safe_load(seen["context"])["collections"][0] == seen["described"]
    assert [one.name for one in context_file.load(str(path)).collections] == ["small", "prints"]
    # Every recording can be made again.
    recorded = {path.parent.name.rpartition("-")[0] for path in RECORDED.glob("*/truth.json")}
    assert recorded - {*seen["scenarios"]} == set()


def test_a_slow_link_carries_every_byte() -> None:
    sent = bytes(range(256)) * 400
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(sent)

        threading.Thread(target=serve, daemon=True).start()
        port = free_port()
        with SlowLink(port, server.getsockname()[1], 2_000_000), socket.create_connection(("127.0.0.1", port)) as one:
            got = b""
            while piece := one.recv(1 << 16):
                got += piece
    assert got == sent


def test_a_scenario_is_not_recorded_without_the_setting_that_it_wants() -> None:
    Lab(Path("data"), config=("queryNode.mmapDirPath=/mmap",)).wants("queryNode.mmapDirPath")
    with pytest.raises(SystemExit, match="wants --config queryNode"):
        Lab(Path("data"), config=("queryNode.mmap=/mmap",)).wants("queryNode.mmapDirPath")
