from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests import servers
from tests.cli.conftest import SAMPLES, Slowq

SAVED = SAMPLES / "json_filter" / "prometheus_range.json.gz"


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SLOWQ_PROMETHEUS_URL", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_saved_file_gives_the_phase_table(slowq: Slowq) -> None:
    done = slowq("metrics", "--metrics", SAVED)
    assert done.code == 0
    rows = done.out.splitlines()
    assert rows[2].split() == ["phase", "share", "mean", "p99", "before"]
    assert rows[3].startswith("queue ")


def test_the_same_as_json(slowq: Slowq) -> None:
    found = json.loads(slowq("metrics", "--metrics", SAVED, "--format", "json").out)
    assert found["phases"]["queue"]["share"] > 0.5
    assert found["metrics"]["panels"]


def test_since_and_until_choose_the_time_of_a_saved_file(slowq: Slowq) -> None:
    """The sample's searches wait half a second in the queue before 04:59, and over two after it."""
    quiet = ("--since", "2026-11-21T04:58:32Z", "--until", "2026-11-21T04:58:52Z")
    for command in ("metrics", "analyze"):
        found = json.loads(slowq(command, "--metrics", SAVED, *quiet, "--format", "json").out)
        window = found["metrics"]["window"]
        assert (window["start"], window["end"]) == ("2026-11-21T04:58:32.000Z", "2026-11-21T04:58:52.000Z")
        assert found["phases"]["queue"]["mean_s"] < 1


def test_without_a_source_it_exits_with_2(slowq: Slowq) -> None:
    done = slowq("metrics")
    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize("line", [["metrics"], ["analyze"]])
def test_a_server_that_is_not_there_exits_with_4(slowq: Slowq, line: list[str]) -> None:
    done = slowq(*line, "--prometheus", "http://127.0.0.1:1")
    assert (done.code, done.out) == (4, "")
    assert done.err == "error: cannot use Prometheus at http://127.0.0.1:1: connection refused\n"


def test_the_logs_are_judged_all_the_same_and_the_exit_code_tells(slowq: Slowq, log: Path) -> None:
    done = slowq("analyze", log, "--prometheus", "http://127.0.0.1:1", "--format", "json")
    assert done.code == 4
    assert json.loads(done.out)["verdict"]["sub_cause"] == "json_filter"


def test_a_password_on_the_command_line_is_refused_and_not_repeated(slowq: Slowq, log: Path) -> None:
    done = slowq("analyze", log, "--prometheus", "http://me:s3cret@localhost:9090")
    assert done.code == 2
    assert "s3cret" not in done.err


def test_two_sources_are_refused(slowq: Slowq, log: Path) -> None:
    assert slowq("analyze", log, "--metrics", SAVED, "--prometheus", "http://x:1").code == 2


def test_a_file_that_is_no_metrics_file_exits_with_2(slowq: Slowq, log: Path) -> None:
    Path("m.json").write_text("[]")
    done = slowq("analyze", log, "--metrics", "m.json")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: m.json: no list of series\nhint: expected {")


@pytest.mark.real
def test_what_is_saved_gives_the_same_diagnosis(slowq: Slowq, log: Path, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with servers.prometheus(tmp_path / "server", servers.recorded("json_filter")) as url:
        time = ("--since", "2026-11-21T04:59:24Z", "--until", "2026-11-21T05:00:23Z")
        asked = slowq("metrics", "--prometheus", url, *time, "--save", "m.json.gz")
        assert asked.code == 0, asked.err
        live = json.loads(slowq("analyze", log, "--prometheus", url, "--format", "json").out)
    with gzip.open("m.json.gz") as stream:
        assert {"start", "end", "step", "series"} == json.load(stream).keys()
    saved = json.loads(slowq("analyze", log, "--metrics", "m.json.gz", "--format", "json").out)
    assert saved["verdict"] == live["verdict"]
    assert saved["phases"]["queue"]["share"] == pytest.approx(live["phases"]["queue"]["share"], abs=0.1)
