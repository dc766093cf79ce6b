from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from slowq.repro.requests import Answer, Load, answers_of
from slowq.repro.scenario import Other, Setup


@dataclass
class Server:
    """Answers at once, and keeps what it was asked."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def search(self, collection: str, **request: Any) -> list[list[Any]]:
        with self.lock:
            self.asked.append({"collection": collection, **request})
        return []

    def query(self, collection: str, **request: Any) -> list[Any]:
        with self.lock:
            self.asked.append({"collection": collection, "query": True, **request})
        return []


OTHER = Other("busy one", 0.5, nq=3, top_k=7, filter="a == 1", level="Strong")
QUIET = Setup(dim=8, clients=2, probes=0, others=(OTHER,), output_fields=("tag",))


def sent(setup: Setup, due: tuple[tuple[float, int], ...] | None = None) -> tuple[list[Answer], Server]:
    server = Server()
    return answers_of(server, Load("", "made", setup, 0.05, 1, due)), server


def test_requests_are_sent_when_they_are_due_each_of_its_own_pattern() -> None:
    answers, server = sent(QUIET, ((0.0, 0), (0.001, 1), (0.002, 1)))
    assert sorted(one.who for one in answers) == ["busy one", "busy one", "clients"]
    shapes = Counter(
        (one["filter"], one["limit"], len(one["data"]), one["consistency_level"], tuple(one["output_fields"]))
        for one in server.asked
    )
    assert shapes == {("", 10, 1, "Bounded", ("tag",)): 1, ("a == 1", 7, 3, "Strong", ()): 2}


def test_a_latency_counts_from_when_the_request_was_due_and_not_from_when_it_was_sent() -> None:
    answers, _ = sent(QUIET, ((-5.0, 0), (0.0, 0)))
    late, other = sorted(answers, key=lambda one: -one.took_s)
    assert late.took_s >= 5.0
    assert late.sent_s == pytest.approx(other.sent_s - 5.0)


def test_every_request_is_sent_however_late_the_round_is() -> None:
    answers, _ = sent(QUIET, tuple((number / 100_000 - 9.0, 0) for number in range(300)))
    assert len(answers) == 300
    assert all(one.took_s >= 8.9 for one in answers)


def test_clients_that_wait_in_turn_send_each_pattern_by_its_share() -> None:
    answers, _ = sent(QUIET)
    counts = Counter(one.who for one in answers)
    assert counts.keys() == {"clients", "busy one"}
    assert all(count > len(answers) / 5 for count in counts.values())


def test_a_request_in_parts_is_one_answer_and_sends_every_vector() -> None:
    answers, server = sent(QUIET.changed({"nq": 4, "vectors": 10, "others": ()}), ((0.0, 0),))
    assert len(answers) == 1
    assert [len(one["data"]) for one in server.asked] == [4, 4, 2]


def test_a_query_of_another_pattern_is_a_query() -> None:
    _, server = sent(QUIET.changed({"others": (Other("q", 1.0, kind="query", filter="a == 1"),)}), ((0.0, 1),))
    assert [one.get("query") for one in server.asked] == [True]
