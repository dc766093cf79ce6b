from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from pymilvus.grpc_gen import milvus_pb2

from slowq.context import load
from tests.cli.conftest import Slowq
from tests.context.fake_milvus import GOOD, answer, fake, index, indexes, refused

NOBODY = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("SLOWQ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_file_is_written_and_read_again(slowq: Slowq) -> None:
    with fake() as milvus:
        done = slowq("context", "--uri", milvus.uri, "--output", "context.yaml")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert Path("context.yaml").read_text().startswith(f"# Asked of {milvus.uri} at 2")
    assert load("context.yaml").collections[0].name == "products"


def test_what_was_refused_is_a_warning_and_a_comment(slowq: Slowq) -> None:
    denied = milvus_pb2.GetReplicasResponse(status=refused("permission deny"))
    with fake(GetReplicas=answer(denied)) as milvus:
        done = slowq("context", "--uri", milvus.uri)
    assert (done.code, done.err) == (0, "warning: the replicas of products: permission deny\n")
    assert done.out.splitlines()[1] == "# Not known: the replicas of products: permission deny."


def test_a_file_that_is_there_is_kept_and_nobody_asked(slowq: Slowq) -> None:
    Path("context.yaml").write_text("mine")
    with fake() as milvus:
        done = slowq("context", "--uri", milvus.uri, "-o", "context.yaml")
    assert (done.code, milvus.calls, Path("context.yaml").read_text()) == (2, [], "mine")


@pytest.mark.parametrize("line", [["context"], ["analyze"]])
def test_a_server_that_is_not_there_exits_with_4(slowq: Slowq, line: list[str]) -> None:
    done = slowq(*line, "--uri", NOBODY)
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith(f"error: cannot use the Milvus at {NOBODY}: connection refused\nhint: ")


def test_without_a_uri_it_exits_with_2(slowq: Slowq) -> None:
    assert slowq("context").code == 2


@pytest.mark.parametrize("line", [["context"], ["analyze"]])
def test_a_password_on_the_command_line_is_refused_and_not_repeated(slowq: Slowq, line: list[str]) -> None:
    done = slowq(*line, "--uri", "http://root:s3cret@localhost:19530")
    assert done.code == 2
    assert "s3cret" not in done.err


def test_the_token_is_in_no_output_and_no_error(slowq: Slowq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "root:s3cret")
    with fake(GetVersion=lambda request, of: of.abort(grpc.StatusCode.UNAUTHENTICATED, "no root:s3cret")) as milvus:
        done = slowq("context", "--uri", milvus.uri, "--token-env", "MINE", "-v")
    assert done.code == 4
    assert "s3cret" not in done.out + done.err
    assert slowq("context", "--uri", NOBODY, "--token-env", "THEIRS").code == 2


def test_the_logs_are_judged_without_the_milvus_and_the_exit_code_tells(slowq: Slowq, log: Path) -> None:
    done = slowq("analyze", log, "--uri", NOBODY, "--format", "json")
    document = json.loads(done.out)
    assert done.code == 4
    assert document["requests"]["count"] > 0
    reason = f"Nothing is known from Milvus itself: cannot use the Milvus at {NOBODY}: connection refused."
    assert document["blind_spots"][0] == reason


def test_a_file_counts_where_the_milvus_cannot_be_asked(slowq: Slowq) -> None:
    Path("facts.yaml").write_text("milvus: {version: 2.4.4}\n")
    done = slowq("analyze", "--context", "facts.yaml", "--uri", NOBODY, "--format", "json")
    assert (done.code, json.loads(done.out)["milvus"]["version"]) == (4, "2.4.4")


def test_analyze_asks_and_completes_a_file_which_counts(slowq: Slowq) -> None:
    Path("facts.yaml").write_text("milvus: {version: 2.4.4}\nobservations: {cpu_share: 0.5}\n")
    with fake() as milvus:
        done = slowq("analyze", "--uri", milvus.uri, "--context", "facts.yaml", "--format", "markdown")
    assert done.code == 0
    said = "warning: milvus.version: the file says '2.4.4', Milvus '2.4.5'; the file counts\n"
    assert done.err == said
    assert "2.4.4" in done.out
    assert "`milvus.version`: the file says '2.4.4', Milvus '2.4.5'; the file counts." in done.out


def test_what_was_refused_is_in_the_report_too(slowq: Slowq) -> None:
    denied = milvus_pb2.GetReplicasResponse(status=refused("permission deny"))
    with fake(GetReplicas=answer(denied)) as milvus:
        document = json.loads(slowq("analyze", "--uri", milvus.uri, "--format", "json").out)
    assert document["blind_spots"] == ["Not known from Milvus: the replicas of products: permission deny."]


def test_the_version_that_milvus_told_is_said_to_be_its_own(slowq: Slowq) -> None:
    with fake() as milvus:
        found = json.loads(slowq("analyze", "--uri", milvus.uri, "--format", "json").out)["milvus"]
    assert found == {"version": "2.4.5", "deployment": "cluster", "source": f"the Milvus at {milvus.uri}"}


def test_what_milvus_told_is_cited_as_that(slowq: Slowq, log: Path) -> None:
    names = milvus_pb2.ShowCollectionsResponse(collection_names=["catalog_hnsw"])
    flat = indexes(index(params={"index_type": "FLAT", "metric_type": "L2"}))
    with fake(ShowCollections=answer(names), DescribeIndex=flat) as milvus:
        document = json.loads(slowq("analyze", log, "--uri", milvus.uri, "--format", "json").out)
    (found,) = [one for one in document["findings"] if one["sub_cause"] == "brute_force"]
    cited = [cite["path"] for item in found["evidence"] for cite in item["cites"]]
    assert f"{milvus.uri} (slowq context)" in cited


def test_of_many_collections_only_those_of_the_log_are_asked(slowq: Slowq, log: Path) -> None:
    listed = ["catalog_hnsw", *(f"c{at}" for at in range(500))]
    with fake(ShowCollections=answer(milvus_pb2.ShowCollectionsResponse(collection_names=listed))) as milvus:
        slowq("analyze", log, "--uri", milvus.uri)
    assert milvus.asked("DescribeCollection") == 1


def test_pymilvus_is_imported_by_nothing_else(process: Slowq, log: Path) -> None:
    watched = "import sys; from slowq.cli import main; main(); sys.exit(any('pymilvus' in one for one in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", watched, "analyze", str(log), "--output", "out.txt"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_how_far_it_is_shows_on_a_terminal() -> None:
    names = milvus_pb2.ShowCollectionsResponse(collection_names=[f"c{number}" for number in range(400)])

    def slowly(request: object, of: object) -> object:
        time.sleep(0.05)
        return GOOD["DescribeCollection"](request, of)

    with fake(ShowCollections=answer(names), DescribeCollection=slowly) as milvus:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "slowq", "context", "--uri", milvus.uri, "--output", "context.yaml"]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
        process = subprocess.Popen(command, stderr=theirs, env=environment)
        os.close(theirs)
        seen = b""
        while select.select([ours], [], [], 30)[0]:
            try:
                more = os.read(ours, 65536)
            except OSError:
                break
            seen += more
        os.close(ours)
        assert process.wait(30) == 0
    assert b" of 400 collections" in seen
