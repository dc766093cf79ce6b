from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from slowq.repro.scrape import SCRAPE_S, Scraped, page, samples, watching

PAGE = """\
# HELP milvus_proxy_sq_latency latency of search
# TYPE milvus_proxy_sq_latency histogram
milvus_proxy_sq_latency_bucket{{node_id="1",query_type="search",le="10"}} {0}
milvus_proxy_sq_latency_bucket{{node_id="1",query_type="search",le="+Inf"}} {0}
milvus_proxy_sq_latency_sum{{node_id="1",query_type="search"}} {0}
milvus_proxy_sq_latency_count{{node_id="1",query_type="search"}} {0}
# TYPE milvus_querynode_segment_num gauge
milvus_querynode_segment_num{{node_id="1",segment_state="Growing"}} {1}
# TYPE go_threads gauge
go_threads 7
"""


def values(scraped: Scraped, name: str) -> list[tuple[float, str]]:
    document = scraped.document()
    assert document is not None
    (found,) = [one["values"] for one in document["series"] if one["metric"]["__name__"] == name]
    return list(found)


def test_only_series_that_slowq_knows_are_kept_and_whether_they_grow() -> None:
    found = {(dict(labels)["__name__"], grows, value) for labels, grows, value in samples(PAGE.format(3, 2))}
    assert found == {
        ("milvus_proxy_sq_latency_bucket", True, 3.0),
        ("milvus_proxy_sq_latency_sum", True, 3.0),
        ("milvus_proxy_sq_latency_count", True, 3.0),
        ("milvus_querynode_segment_num", False, 2.0),
    }


def test_what_a_counter_grows_by_between_two_turns_is_left_out() -> None:
    scraped = Scraped()
    for turn in ([(10.0, 5, 1), (10.5, 7, 1)], [(20.0, 107, 9), (20.5, 110, 9)]):
        scraped.begin()
        for at, count, growing in turn:
            scraped.add(at, PAGE.format(count, growing))
    expected = [(10.0, "5.0"), (10.5, "7.0"), (20.0, "7.0"), (20.5, "10.0")]
    assert values(scraped, "milvus_proxy_sq_latency_sum") == expected
    assert values(scraped, "milvus_querynode_segment_num") == [
        (10.0, "1.0"),
        (10.5, "1.0"),
        (20.0, "9.0"),
        (20.5, "9.0"),
    ]
    document = scraped.document()
    assert document is not None
    assert (document["start"], document["end"], document["step"]) == (10.0, 20.5, SCRAPE_S)


def test_two_looks_are_needed_to_compare() -> None:
    scraped = Scraped()
    assert scraped.document() is None
    scraped.begin()
    scraped.add(1.0, PAGE.format(1, 1))
    assert scraped.document() is None


@pytest.fixture
def served() -> Iterator[tuple[str, list[str]]]:
    """A page of metrics, and the answers that it still has to give; it is unwell when it has none."""
    answers: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if answers else 503)
            self.end_headers()
            self.wfile.write((answers.pop(0) if answers else "").encode())

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/metrics", answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_page_is_read_while_the_turn_lasts_and_a_page_that_fails_is_left_out(served: tuple[str, list[str]]) -> None:
    uri, answers = served
    answers += [PAGE.format(1, 1), PAGE.format(2, 1)]
    scraped = Scraped()
    with watching(uri, scraped):
        until = time.monotonic() + 20
        while answers and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(SCRAPE_S)  # one more, which is refused
    assert [value for _, value in values(scraped, "milvus_proxy_sq_latency_count")] == ["1.0", "2.0"]
    with pytest.raises(OSError, match="503"):
        page(uri)


def test_a_turn_ends_with_a_look(served: tuple[str, list[str]]) -> None:
    uri, answers = served
    answers += [PAGE.format(1, 1), PAGE.format(2, 1)]
    scraped = Scraped()
    with watching(uri, scraped):
        until = time.monotonic() + 20
        while len(answers) == 2 and time.monotonic() < until:
            time.sleep(0.001)
    assert [value for _, value in values(scraped, "milvus_proxy_sq_latency_count")] == ["1.0", "2.0"]
