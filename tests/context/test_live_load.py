"""What nodes are busy with, as their pages of metrics and a Prometheus measure it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from slowq.context.live.load import Measured, Page
from slowq.errors import ServerError, UsageError
from slowq.metrics.prometheus import Answered, Prometheus, Span
from tests import servers

GIB = float(1 << 30)


@contextmanager
def serving(*pages: tuple[int, str]) -> Iterator[str]:
    """A server that answers with one of these after the other, and with the last from then on."""
    left = list(pages)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Location", "http://169.254.169.254/")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def page(cpu_s: float, memory: float = GIB) -> tuple[int, str]:
    return 200, f"# TYPE x gauge\nprocess_cpu_seconds_total {cpu_s}\nprocess_resident_memory_bytes {memory}\n"


def test_a_page_is_looked_at_twice() -> None:
    with serving(page(100.0), page(1e9)) as url:  # more than there are cores, so that the time between does not matter
        (load,) = Page.of(url).load(4.0, 4 * GIB)
    assert load == {"node": url.removeprefix("http://"), "cpu_share": 1.0, "memory_share": 0.25}


def test_a_process_that_was_restarted_between_tells_no_cpu() -> None:
    with serving(page(100.0), page(1.0)) as url:
        (load,) = Page.of(url).load(4.0, 4 * GIB)
    assert load.keys() == {"node", "memory_share"}


def test_a_page_of_a_node_of_unknown_size_tells_nothing() -> None:
    with serving(page(1.0)) as url:
        assert Page.of(url).load(None, None) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [((302, ""), "no metrics of a process"), ((403, ""), "HTTP 403"), ((200, "<html>"), "no metrics")],
)
def test_a_page_that_is_none_says_why(answer: tuple[int, str], said: str) -> None:
    with serving(answer) as url:
        found = Page.of(url)
        assert found.load(4.0, GIB) == []
        assert found.trouble is not None
        assert said in found.trouble


@pytest.mark.parametrize(
    ("more", "is_ours"),
    [
        ("milvus_proxy_req_count 7\n", True),
        ('milvus_build_info{built="today",version="2.4.5"} 1\n', True),
        ('milvus_build_info{version="v2.4.5",git_commit="a"} 1\n', True),
        ('milvus_build_info{version="2.6.10"} 1\nmilvus_proxy_req_count 7\n', False),
        ("etcd_server_version 3\n", False),
    ],
)
def test_the_page_of_another_program_is_not_taken_for_that_of_the_milvus(more: str, is_ours: bool) -> None:
    status, text = page(1.0)
    with serving((status, text + more)) as url:
        found = Page.of(url, "2.4.5")
        assert bool(found.load(4.0, 4 * GIB)) == is_ours
    assert found.trouble is None if is_ours else "not the metrics of this Milvus" in str(found.trouble)


@pytest.mark.parametrize("uri", ["querynode:9091", "ftp://querynode", "http://", "http://me:secret@querynode:9091"])
def test_what_is_no_address_of_a_page_is_refused(uri: str) -> None:
    with pytest.raises(UsageError) as error:
        Page.of(uri)
    assert "secret" not in str(error.value)


@dataclass
class Told:
    """A Prometheus that answers with these: name, pod, and what the series gains a second or is."""

    series: Sequence[tuple[str, str, float]]
    url: str = "http://prometheus:9090"

    def fetch(self, span: Span) -> Answered:
        if not self.series:
            raise ServerError(f"cannot use Prometheus at {self.url}: connection refused")
        moments = [span.start + at * span.step_s for at in range(round((span.end - span.start) / span.step_s) + 1)]
        return Answered(
            span,
            tuple(
                {
                    "metric": {"__name__": name, "pod": pod},
                    "values": [
                        [at, str(value * (at - span.start) if name.endswith("_total") else value)] for at in moments
                    ],
                }
                for name, pod, value in self.series
            ),
        )


def test_a_prometheus_tells_the_query_nodes_alone() -> None:
    server = Told(
        [
            ("milvus_querynode_segment_num", "qn-0", 7),
            ("process_cpu_seconds_total", "qn-0", 6),
            ("process_resident_memory_bytes", "qn-0", 8 * GIB),
            ("milvus_querynode_segment_num", "qn-1", 7),
            ("process_cpu_seconds_total", "qn-1", 2),
            ("process_cpu_seconds_total", "proxy-0", 8),
        ]
    )
    assert Measured(server).load(8.0, 16 * GIB) == [  # type: ignore[arg-type]
        {"node": "qn-0", "cpu_share": 0.75, "memory_share": 0.5},
        {"node": "qn-1", "cpu_share": 0.25},
    ]


def test_a_prometheus_that_cannot_be_used_or_knows_no_query_node_says_so() -> None:
    gone, other = Told([]), Told([("process_cpu_seconds_total", "proxy-0", 8)])
    for server, said in ((gone, "connection refused"), (other, "does not tell")):
        measured = Measured(server)  # type: ignore[arg-type]
        assert measured.load(8.0, GIB) == []
        assert measured.trouble is not None
        assert said in measured.trouble


def test_a_real_prometheus_tells_them(tmp_path: Path) -> None:
    metrics = servers.recorded("large_nq")
    later = time.time() - metrics["end"] - 10
    for one in metrics["series"]:
        one["values"] = [[at + later, value] for at, value in one["values"]]
    with servers.prometheus(tmp_path, metrics) as url:
        (load,) = Measured(Prometheus(url)).load(2.0, 8 * GIB)
    assert load["node"] == "127.0.0.1:9091"
    assert 0 < load["cpu_share"] <= 1
    assert 0 < load["memory_share"] < 1
