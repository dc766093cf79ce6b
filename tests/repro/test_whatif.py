from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from slowq.errors import InputError, UsageError
from slowq.repro.whatif import Change, Requests, ask, chosen, model, percentiles, questions, recorded, simulate


def requests(
    at: list[float], took: list[float], pattern: list[int] | None = None, nq: tuple[float, ...] = (1.0, 1.0)
) -> Requests:
    return Requests(
        np.array(at, dtype=float),
        np.array(took, dtype=float),
        np.array(pattern or [0] * len(at)),
        ("aaa1", "abb2")[: len(nq)],
        np.array(nq),
        ("aaa1",),
    )


def queued(servers: int, number: int = 2_000, seed: int = 1, rate: float = 0.8) -> tuple[Requests, np.ndarray]:
    """Two patterns on a queue with that many places, and what each request's work was."""
    dice = np.random.default_rng(seed)
    pattern = (dice.random(number) < 0.1).astype(np.int64)
    work = np.where(pattern == 1, 0.5, 0.05) * dice.uniform(0.9, 1.1, number)
    at = np.cumsum(dice.exponential(work.mean() / servers / rate, number))
    took = simulate(at, work, servers, np.ones(number, dtype=np.int64))
    return Requests(at, took, pattern, ("aaa1", "abb2"), np.array([1.0, 500.0]), ("abb2",)), work


def test_a_queue_serves_first_come_first_served_in_as_many_places_as_it_has() -> None:
    at, work = np.array([0.0, 1.0, 2.0, 3.0]), np.array([10.0, 10.0, 1.0, 1.0])
    parts = np.ones(4, dtype=np.int64)
    assert simulate(at, work, 1, parts).tolist() == [10, 19, 19, 19]
    assert simulate(at, work, 2, parts).tolist() == [10, 10, 9, 9]
    assert simulate(at, work, 4, parts).tolist() == [10, 10, 1, 1]


def test_a_request_in_parts_lets_others_in_between() -> None:
    at, work = np.array([0.0, 1.0]), np.array([10.0, 1.0])
    assert simulate(at, work, 1, np.array([1, 1])).tolist() == [10, 10]
    assert simulate(at, work, 1, np.array([10, 1])).tolist() == [11, 2]


def test_the_mean_wait_is_that_of_the_formula_of_pollaczek_and_khinchine() -> None:
    dice = np.random.default_rng(3)
    number, rate = 200_000, 0.7
    work = dice.exponential(1.0, number)
    at = np.cumsum(dice.exponential(1 / rate, number))
    wait = simulate(at, work, 1, np.ones(number, dtype=np.int64)) - work
    assert wait.mean() == pytest.approx(rate / (1 - rate), rel=0.06)


@pytest.mark.parametrize("servers", [1, 2, 4])
def test_the_work_is_found_again_where_the_number_of_places_is_known(servers: int) -> None:
    found, work = queued(servers)
    built = model(found, servers)
    assert np.allclose(built.work_s, work)
    assert built.misfit_share == 0
    assert built.replayed == percentiles(found.took_s)
    assert built.waited_share == pytest.approx(1 - work.sum() / found.took_s.sum())


@pytest.mark.parametrize("servers", [1, 2, 4])
def test_the_number_of_places_is_the_one_with_which_a_patterns_requests_do_the_same_work(servers: int) -> None:
    found, _ = queued(servers)
    assert model(found).servers == servers


@pytest.mark.parametrize("servers", [1, 2, 4])
def test_the_number_of_places_is_the_one_that_gives_the_metrics_share_of_waiting(servers: int) -> None:
    found, work = queued(servers)
    measured = replace(found, queue_share=1 - work.sum() / found.took_s.sum())
    built = model(measured)
    assert built.servers == servers
    assert built.how.endswith("of the time in the metrics")


def test_nothing_changed_gives_what_was_recorded() -> None:
    found, _ = queued(2)
    answer = ask(found, model(found, 2), Change())
    assert answer.before == answer.after == percentiles(found.took_s)


def test_what_a_request_that_waited_lost_outside_the_queue_is_not_its_own_work() -> None:
    """As behind a large request on a machine with as many CPUs as it works on: the small one is slow in other ways too."""
    found, work = queued(1, rate=0.5)
    waited = (found.took_s > work + 1e-9) & (found.pattern == 0)
    lost = Requests(found.at_s, found.took_s + np.where(waited, 0.2, 0.0), found.pattern, found.patterns, found.nq)
    small = found.pattern == 0
    alone = percentiles(simulate(found.at_s[small], work[small], 1, np.ones(small.sum(), dtype=np.int64)))
    gone = ask(lost, model(lost, 1), Change(without=("abb2",)))
    assert gone.before["p99_s"] > 5 * alone["p99_s"]
    assert gone.after == pytest.approx(alone, rel=0.05)


def test_of_a_pattern_whose_requests_all_waited_the_work_is_what_is_left() -> None:
    found = requests([0.0, 0.1, 0.2], [1.0, 1.4, 1.8], [1, 0, 0])
    assert model(found, 1).work_s == pytest.approx([1.0, 0.5, 0.5])


def test_each_change_gives_what_a_queue_with_that_change_takes() -> None:
    found, work = queued(1)
    built = model(found, 1)
    ones = np.ones(len(found), dtype=np.int64)
    small = found.pattern == 0
    parts = np.where(small, 1, 10)
    for change, expected in [
        (Change(without=("abb2",)), simulate(found.at_s[small], work[small], 1, ones[small])),
        (Change(concurrency=3), simulate(found.at_s, work, 3, ones)),
        (Change(nodes=(1, 1)), simulate(found.at_s, work / 2, 1, ones)),
        (Change(nodes=(1, 3)), simulate(found.at_s, work * 0.75, 1, ones)),
        (Change(cap_nq=50), simulate(found.at_s, work, 1, parts)),
        (Change(cap_nq=50, part_s=0.01), simulate(found.at_s, work + np.where(small, 0, 0.09), 1, parts)),
    ]:
        assert ask(found, built, change).after == pytest.approx(percentiles(expected), abs=2e-4), change


@pytest.mark.parametrize(("factor", "number"), [(0.0, 0), (0.5, 50), (0.25, 25), (1.0, 100), (1.5, 150), (3.0, 300)])
def test_a_rate_is_a_share_of_the_requests_of_the_pattern(factor: float, number: int) -> None:
    found = requests([float(at) for at in range(200)], [0.5] * 200, [0, 1] * 100)
    answer = ask(found, model(found, 1), Change(rates={"aaa1": factor}))
    assert answer.requests == 100 + number
    assert [name for name, *_ in answer.by_pattern] == (["aaa1", "abb2"] if number else ["abb2"])


def test_what_was_assumed_is_said_with_the_change() -> None:
    found, _ = queued(1)
    built = model(found, 1)
    common = ask(found, built, Change()).assumed
    assert len(common) == 3
    assert ask(found, built, Change(cap_nq=10)).assumed[3].endswith("; none costs anything on top")
    assert ask(found, built, Change(cap_nq=10, part_s=0.004)).assumed[3].endswith("; each further one costs 4 ms")
    assert "2 nodes in the place of 1" in ask(found, built, Change(nodes=(1, 1))).assumed[3]
    assert "CPUs have room" in ask(found, built, Change(concurrency=2)).assumed[3]


def test_a_change_that_leaves_nothing_or_makes_too_much_is_refused() -> None:
    found = requests([0.0, 1.0], [1.0, 1.0], [0, 0], (1e7,))
    with pytest.raises(UsageError, match="no request is left"):
        ask(found, model(found), Change(without=("aaa1",)))
    with pytest.raises(UsageError, match="--cap-nq 1 makes 20,000,000 requests"):
        ask(found, model(found), Change(cap_nq=1))


def test_requests_that_this_queue_could_not_answer_so_soon_are_counted() -> None:
    found = requests([0.0, 1.0], [10.0, 2.0])
    assert model(found, 1).misfit_share == 0.5
    assert model(found, 2).misfit_share == 0


def test_patterns_are_named_by_their_beginning_or_by_what_they_did() -> None:
    found = requests([0.0], [1.0])
    assert chosen(found, ["aa", "abb2", "aaa1"]) == ("aaa1", "abb2")
    assert chosen(found, ["culprits"]) == ("aaa1",)
    assert chosen(found, ["all"]) == ("aaa1", "abb2")
    for word in ("a", "x", ""):
        with pytest.raises(UsageError, match=f"no single pattern {word!r}"):
            chosen(found, [word])
    with pytest.raises(UsageError, match="no culprit among its requests"):
        chosen(replace(found, culprits=()), ["culprits"])


def test_the_usual_questions_are_those_that_mean_something() -> None:
    found, _ = queued(1)
    assert [words for words, _ in questions(found)] == [
        "without the culprits",
        "half the rate of the culprits",
        "nq at most 100",
        "one query node more",
    ]
    alone = requests([0.0], [1.0], nq=(np.nan,))
    assert [words for words, _ in questions(replace(alone, culprits=()))] == ["one query node more"]


def entry(pattern: str, *lines: Any, nq: Any = 1.0) -> dict[str, Any]:
    return {"pattern": pattern, "nq": nq, "arrivals": {"from_s": 0, "seconds": 9, "kept": 3, "of": 30, "ms": [*lines]}}


def test_a_saved_reports_arrivals_come_back_in_order_of_time() -> None:
    found = recorded(
        {
            "workload": [entry("b", "100+5 50+7", "0+9"), entry("a", "120+1000", nq=None)],
            "findings": [{"culprits": ["a", "gone"]}],
            "phases": {"queue": {"share": 0.4}},
        }
    )
    assert found.at_s.tolist() == pytest.approx([0.1, 0.12, 0.15, 0.15])
    assert found.took_s.tolist() == pytest.approx([0.005, 1.0, 0.007, 0.009])
    assert found.pattern.tolist() == [0, 1, 0, 0]
    assert (found.patterns, found.culprits, found.queue_share, found.of) == (("b", "a"), ("a",), 0.4, 60)


@pytest.mark.parametrize(
    "document",
    [{}, *({"workload": one} for one in (None, [], [{}], [3], [{"arrivals": []}], [{"arrivals": {"ms": "1+1"}}]))],
)
def test_a_report_without_arrivals_is_an_error_that_says_so(document: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="does not hold when its requests came"):
        recorded(document)


@pytest.mark.parametrize("line", ["1", "1+", "-1+5", "1+5…", "1e3+4", "9" * 40 + "+1", None, [1]])
def test_arrivals_in_another_form_are_an_error(line: Any) -> None:
    with pytest.raises(InputError, match="arrivals cannot be read"):
        recorded({"workload": [entry("a", line)]})
