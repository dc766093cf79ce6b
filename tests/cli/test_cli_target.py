"""`--target` on a Milvus that is somebody else's: an engine that is served on its own, and a real one."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pymilvus import MilvusClient

from slowq.report.receipts import is_receipt
from slowq.repro.scenario import Remedy, Setup, to_yaml
from tests.cli.conftest import Slowq
from tests.cli.test_cli_reproduce import SMALL, left, running
from tests.servers import RealMilvus, free_port

OTHER = "products"  # somebody's own


@dataclass(frozen=True)
class Served:
    """A server that is not the reproduction's own."""

    uri: str
    metrics: str
    process: subprocess.Popen[bytes]

    def client(self) -> Any:
        return MilvusClient(uri=self.uri)

    def collections(self) -> list[str]:
        client = self.client()
        try:
            return sorted(client.list_collections())
        finally:
            client.close()

    @property
    def options(self) -> tuple[str, ...]:
        return ("--target", self.uri, "--target-metrics", self.metrics, "--yes")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    port, metrics_port = free_port(), free_port()
    command = [sys.executable, "-m", "slowq", "engine", "serve", "--data", str(tmp_path / "data")]
    command += ["--port", str(port), "--metrics-port", str(metrics_port), "--log", str(tmp_path / "milvus.log")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    there = Served(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics_port}/metrics", process)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                client = there.client()
                break
            except Exception:  # noqa: BLE001 - it is still starting
                time.sleep(0.1)
        client.create_collection(OTHER, dimension=4)
        client.close()
        yield there
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.yaml"
    two = Remedy("nodes", "a second node", {"nodes": 2})
    path.write_text(to_yaml(replace(SMALL, remedies=(two, *SMALL.remedies))), encoding="utf-8")
    return path


def wait_until_filled(served: Served, started: subprocess.Popen[str], collections: int = 1) -> None:
    """Until so many collections of the reproduction have rows."""
    client, until = served.client(), time.monotonic() + 60
    try:
        while time.monotonic() < until:
            assert started.poll() is None, started.communicate()
            ours = [one for one in client.list_collections() if one.startswith("slowq_repro_")]
            if sum(client.get_collection_stats(one)["row_count"] > 0 for one in ours) >= collections:
                return
            time.sleep(0.05)
        raise AssertionError(f"nothing was inserted into {ours}")
    finally:
        client.close()


def test_a_scenario_runs_there_and_leaves_everything_as_it_was(served: Served, scenario: Path, tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    log = ("--target-log", tmp_path / "milvus.log")
    with running(
        "reproduce", scenario, *served.options, *log, "--rounds", "2", "--seconds", "0.5", "--json", temp=temp
    ) as started:
        out, err = started.communicate(timeout=120)
    assert err == (
        "warning: the remedy nodes was not tried: it changes query nodes, which slowq does not touch on a Milvus that is "
        "not its own\n"
    )
    (made,) = json.loads(out)
    assert is_receipt(made)
    assert (made["remedy"], made["rounds"], made["target"], made["trouble"]) == ("ivf", 2, served.uri, None)
    assert made["before"]["recall"] == 1.0
    assert made["before"]["requests"] > 0 == made["before"]["errors"]
    assert made["before"]["phases"].keys() >= {"queue", "vector_search"}
    assert made["before"]["memory_bytes"] is None
    assert made["rule"]["seen_in"][1:] in (["metrics", "facts"], [])
    assert made["versions"]["milvus"].startswith("2.")
    assert started.returncode == (0 if made["outcome"] == "confirmed" else 1)
    assert served.collections() == [OTHER]
    assert left(temp) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["inserting", "in a round"])
def test_an_interrupt_leaves_nothing_there(served: Served, tmp_path: Path, number: signal.Signals, moment: str) -> None:
    scenario, temp = tmp_path / "scenario.yaml", tmp_path / "temp"
    large = moment == "inserting"
    base = SMALL.base.changed({"rows": 400_000 if large else 5_000})
    scenario.write_text(to_yaml(replace(SMALL, base=base)))
    with running("reproduce", scenario, *served.options, "--seconds", "30", temp=temp) as started:
        wait_until_filled(served, started, 1 if large else 2)
        time.sleep(0.0 if large else 2.0)
        started.send_signal(number)
        out, err = started.communicate(timeout=60)
    assert (started.returncode, out, err) == (130, "", "")
    assert served.collections() == [OTHER]
    assert left(temp) == ([], [])


def test_a_target_that_dies_leaves_what_was_measured_and_names_what_is_left(served: Served, tmp_path: Path) -> None:
    scenario, temp = tmp_path / "scenario.yaml", tmp_path / "temp"
    scenario.write_text(to_yaml(replace(SMALL, base=SMALL.base.changed({"rows": 3_000}))))
    options = ("--rounds", "200", "--seconds", "0.3", "--json")
    with running("reproduce", scenario, *served.options, *options, temp=temp) as started:
        wait_until_filled(served, started, 2)
        time.sleep(5.0)
        served.process.kill()
        out, err = started.communicate(timeout=120)
    assert started.returncode == 4, err
    assert "slowq_repro_brute_force_" in err
    assert f"{served.uri} " in err
    assert "bug" not in err
    assert "Traceback" not in err
    if out:
        (made,) = json.loads(out)
        assert is_receipt(made)
        assert made["trouble"]
    assert left(temp) == ([], [])


def test_a_server_with_other_traffic_is_refused_unless_that_is_wanted(
    served: Served, scenario: Path, slowq: Slowq
) -> None:
    client, stop = served.client(), threading.Event()

    def search() -> None:
        while not stop.wait(0.05):
            client.query(OTHER, filter="id > 0", limit=1)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        refused = slowq("reproduce", scenario, *served.options)
        wanted = slowq(
            "reproduce",
            scenario,
            *served.options,
            "--beside-traffic",
            "--rounds",
            "2",
            "--seconds",
            "0.2",
            "--rows",
            "500",
        )
    finally:
        stop.set()
        thread.join()
        client.close()
    assert (refused.code, refused.out) == (2, "")
    assert "others use this Milvus: " in refused.err
    assert "Query in 2 s" in refused.err
    assert "--beside-traffic" in refused.err
    assert wanted.code in (0, 1), wanted.err
    assert served.collections() == [OTHER]


def test_without_metrics_a_loaded_collection_of_others_is_a_reason_to_refuse(
    served: Served, scenario: Path, slowq: Slowq
) -> None:
    done = slowq("reproduce", scenario, "--target", served.uri, "--yes")
    assert (done.code, done.out) == (2, "")
    assert f"whether others use this Milvus is not known: {OTHER} is loaded" in done.err
    wrong = slowq("reproduce", scenario, *served.options[:2], "--target-metrics", "http://127.0.0.1:1", "--yes")
    assert wrong.code == 4
    assert "cannot read the metrics of http://127.0.0.1:1/metrics" in wrong.err


def test_nobody_there_to_be_asked_is_a_no_and_so_is_a_no(served: Served, scenario: Path, process: Slowq) -> None:
    silent = process("reproduce", scenario, "--target", served.uri, stdin=b"y\n")
    assert (silent.code, silent.out) == (2, "")
    assert "Nobody is there to answer" in silent.err
    assert "hint: --yes says yes" in silent.err
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "slowq", "reproduce", str(scenario), "--target", served.uri]
    asked = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.write(ours, b"n\n")
    out, err = asked.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert (asked.returncode, out.strip()) == (130, "")
    assert "drop them? [y/N]" in err
    assert served.collections() == [OTHER]


@pytest.mark.real
def test_a_scenario_runs_on_a_real_milvus_and_leaves_nothing(
    milvus: RealMilvus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = Setup(
        rows=2_000, dim=16, columns=SMALL.base.columns, segments=1, clients=2, probes=0, index_params={"nlist": 16}
    )
    path, temp = tmp_path / "scenario.yaml", tmp_path / "temp"
    path.write_text(to_yaml(replace(SMALL, name="real_target", base=base)), encoding="utf-8")
    monkeypatch.setenv("SLOWQ_MILVUS_TOKEN", milvus.root)
    options = ("--target", milvus.uri, "--yes", "--beside-traffic", "--target-log", milvus.folder / "milvus" / "logs")
    with running("reproduce", path, *options, "--rounds", "2", "--seconds", "0.3", "--json", temp=temp) as started:
        out, err = started.communicate(timeout=180)
    assert err == ""
    (made,) = json.loads(out)
    assert is_receipt(made)
    assert (made["target"], made["rounds"], made["trouble"]) == (milvus.uri, 2, None)
    assert made["versions"]["milvus"].startswith("2.3.5")
    assert made["before"]["requests"] > 0 < made["after"]["requests"]
    assert made["before"]["errors"] == 0 == made["after"]["errors"]
    assert made["before"]["recall"] == 1.0
    assert made["before"]["phases"].keys() >= {"queue", "wait_tsafe", "segments"}
    assert made["rule"]["seen_in"] == ["clients", "metrics", "facts"]
    assert started.returncode == (0 if made["outcome"] == "confirmed" else 1)
    client = MilvusClient(uri=milvus.uri, token=milvus.root)
    assert [one for one in client.list_collections() if "real_target" in one] == []
    client.close()
    assert left(temp) == ([], [])
