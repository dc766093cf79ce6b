"""Asking a server: a fake one for everything that goes wrong, and the real ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from slowq import phases
from slowq.errors import ServerError, UsageError
from slowq.gather import Answers, gather
from slowq.metrics.prometheus import Login, Prometheus, Span, checked_selector, checked_url, shown_url
from tests import servers

SPAN = Span(1000.0, 1100.0, 10.0)
CPU = "process_cpu_seconds_total"

Asked = dict[str, str]
Answer = tuple[int, str | bytes]


def ok(*series: dict[str, Any], **more: Any) -> Answer:
    return 200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": list(series)}, **more})


def failed(status: int, error: str) -> Answer:
    return status, json.dumps({"status": "error", "errorType": "execution", "error": error})


def line(asked: Asked, name: str = CPU) -> dict[str, Any]:
    """A series that rises by one a second, over what was asked."""
    start, end, step = (float(asked[key]) for key in ("start", "end", "step"))
    moments = [start + i * step for i in range(round((end - start) / step) + 1)]
    return {"metric": {"__name__": name, "instance": "a"}, "values": [[at, str(at)] for at in moments]}


@contextmanager
def fake(answer: Callable[[Asked], Answer]) -> Iterator[tuple[str, list[Asked]]]:
    seen: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked = {key: values[0] for key, values in parse_qs(body).items()}
            asked["path"], asked["authorization"] = self.path, self.headers.get("Authorization", "")
            seen.append(asked)
            status, text = answer(asked)
            data = text if isinstance(text, bytes) else text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fetch(url: str, login: Login | None = None, **more: Any):
    return Prometheus(url, login or Login(), **more).fetch(SPAN)


def about_cpu(answer: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
    """The answer where the CPU is asked for, and no series elsewhere."""
    return lambda asked: answer(asked) if CPU in asked["query"] else ok()


def test_the_query_goes_into_the_body_and_the_path_prefix_stays() -> None:
    with fake(about_cpu(lambda asked: ok(line(asked)))) as (url, seen):
        fetch(url + "/thanos/")
    assert {one["path"] for one in seen} == {"/thanos/api/v1/query_range"}
    assert all(one["query"].startswith('{__name__=~"') for one in seen)


def test_the_selector_is_part_of_every_query() -> None:
    with fake(about_cpu(lambda asked: ok(line(asked)))) as (url, seen):
        fetch(url, selector='namespace="prod"')
    assert all(one["query"].endswith(', namespace="prod"}') for one in seen)


def test_a_token_and_a_password_are_sent_and_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    token = Login.of({"SLOWQ_PROMETHEUS_TOKEN_FILE": str(tmp_path / "token")})
    basic = Login.of({"SLOWQ_PROMETHEUS_USER": "me", "SLOWQ_PROMETHEUS_PASSWORD": "s3cret"})
    with fake(lambda asked: failed(401, "unauthorized")) as (url, seen):
        for login in (token, basic):
            with pytest.raises(ServerError) as error:
                fetch(url, login)
            assert "s3cret" not in f"{error.value.message}{error.value.hint}{login!r}"
    assert [one["authorization"] for one in seen] == ["Bearer s3cret", "Basic bWU6czNjcmV0"]


def test_warnings_of_a_half_answer_are_named() -> None:
    with fake(about_cpu(lambda asked: ok(line(asked), warnings=["store gateway a is down"]))) as (url, _):
        assert fetch(url).trouble == ("Prometheus warns: store gateway a is down.",)


def test_a_query_that_is_too_much_is_asked_in_parts_and_each_sample_counts_once() -> None:
    def answer(asked: Asked) -> Answer:
        if float(asked["end"]) - float(asked["start"]) > 50:
            return failed(422, "query processing would load too many samples into memory")
        return ok(line(asked))

    with fake(about_cpu(answer)) as (url, _):
        found = fetch(url)
    (series,) = found.series
    moments = [at for at, _ in series["values"]]
    assert moments == [1000.0 + 10 * i for i in range(11)]
    assert found.trouble == ()


def test_what_is_too_much_however_short_is_named_and_the_rest_is_used() -> None:
    def answer(asked: Asked) -> Answer:
        return ok(line(asked)) if CPU in asked["query"] else failed(422, "too many samples")

    with fake(answer) as (url, _):
        found = fetch(url)
    assert len(found.series) == 1
    assert any("could not be had: too many samples." in one for one in found.trouble)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, "<html>login</html>"), "its answer is not JSON"),
        ((404, "<html>not here</html>"), "HTTP 404"),
        ((200, "[1, 2"), "its answer is not JSON"),
        ((200, '{"status": "success", "data": {"result": 3}}'), "holds no series"),
        ((200, '{"status": "success"}'), "holds no series"),
        ((302, ""), "HTTP 302"),
        ((200, '{"status": "success", "data": {"result": [{"metric": 3}]}}'), "without labels"),
        ((200, '{"status": "success", "data": {"result": []}}'), "has no metrics of Milvus"),
        ((503, "busy"), "HTTP 503"),
    ],
)
def test_a_server_that_cannot_be_used_is_said(answer: Answer, said: str) -> None:
    with fake(lambda asked: answer) as (url, _), pytest.raises(ServerError, match=said):
        fetch(url)


def test_a_refused_port_is_said_at_once() -> None:
    with pytest.raises(ServerError, match="connection refused"):
        fetch("http://127.0.0.1:1")


def test_all_that_is_asked_has_one_bound() -> None:
    clock = iter(range(0, 10_000, 8))
    with fake(about_cpu(lambda asked: ok(line(asked)))) as (url, seen):
        server = Prometheus(url, Login(), timeout_s=30.0, now=lambda: float(next(clock)))
        with pytest.raises(ServerError):
            server.fetch(SPAN)
    assert len(seen) <= 4


@pytest.mark.parametrize(
    "url", ["prometheus:9090", "ftp://x", "http://", "http://x:99999", "http://[", "file:///etc/passwd"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        checked_url(url)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError) as error:
        checked_url("http://me:s3cret@prometheus:9090")
    assert "s3cret" not in error.value.message
    assert shown_url("http://me:s3cret@prometheus:9090/x?token=s3cret") == "http://prometheus:9090/x"


@pytest.mark.parametrize("good", ["", 'a="b"', 'a="b", c=~"d.*"', '{a!="x,y"}', None])
def test_label_matchers_are_taken(good: str | None) -> None:
    assert checked_selector(good) == (good or "").strip("{}")


@pytest.mark.parametrize("bad", ["a", "a=b", 'a="b"}', 'a="b" or vector(1)', 'a="b",,', 'a="b"} or {x="y"', 'a="\n"'])
def test_what_are_no_label_matchers_is_refused(bad: str) -> None:
    with pytest.raises(UsageError):
        checked_selector(bad)


def test_a_window_of_an_hour_has_an_hour_before_it_and_few_points() -> None:
    span = Span.around((7200.0, 10800.0))
    assert (span.start, span.step_s) == (3600.0, 60.0)
    assert span.end >= 10800.0


# ---------------------------------------------------------------------------------------------------------------------
# The real ones, holding a recorded incident.

INCIDENT = "json_filter"


def diagnosed(url: str, **more: Any) -> tuple[dict[str, float], Prometheus]:
    """The phases of the incident, as a server tells them, and the server that was asked."""
    server = Prometheus(url, Login(), **more)

    def ask(window: tuple[float, float] | None) -> Answers:
        assert window is not None
        found = server.fetch(Span.around(window))
        return Answers(found.raw(), url, found.trouble)

    case = gather([str(servers.SAMPLES / INCIDENT / "logs")], metrics=ask, jobs=1)
    assert case.metrics is not None
    assert case.metrics.trouble == ()
    return {one.name: one.share for one in phases.of(case)}, server


def as_in_the_file() -> dict[str, float]:
    found = json.loads((servers.SAMPLES / INCIDENT / "expected.json").read_text())
    shares: dict[str, float] = found["with_metrics"]["phases"]
    return shares


@pytest.mark.real
def test_a_real_prometheus_tells_the_phases_of_the_recorded_incident(tmp_path: Path) -> None:
    with servers.prometheus(tmp_path, servers.recorded(INCIDENT)) as url:
        found, server = diagnosed(url)
    assert found == pytest.approx(as_in_the_file(), abs=0.1)
    assert server.queries <= 30


@pytest.mark.real
def test_a_real_prometheus_under_a_path_prefix_is_asked_there(tmp_path: Path) -> None:
    with servers.prometheus(tmp_path, servers.recorded(INCIDENT), prefix="/monitoring") as url:
        found, _ = diagnosed(url, selector='job="milvus"')
        assert found
        with pytest.raises(ServerError, match="has no metrics of Milvus for this time and selector"):
            Prometheus(url, Login(), selector='job="other"').fetch(SPAN)


@pytest.mark.real
def test_a_real_victoria_metrics_tells_the_same(tmp_path: Path) -> None:
    with servers.victoria_metrics(tmp_path, servers.recorded(INCIDENT)) as url:
        found, _ = diagnosed(url)
    assert found == pytest.approx(as_in_the_file(), abs=0.1)
