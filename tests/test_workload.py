from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slowq import workload
from slowq.facts import STEADY_S, Place
from slowq.filters import Features
from slowq.workload import VICTIM_SHARE, Workload, covered_s, spans
from tests.builders import BEGIN, LOG, Row, case, event, many, query, search

BEGIN_S = BEGIN.timestamp()

# Whole tenths of a second: milliseconds hold them exactly.
moment = st.integers(0, 600).map(lambda tenths: tenths / 10)
length = st.integers(1, 300).map(lambda tenths: tenths / 10)
interval = st.tuples(moment, length)


def work_of(*rows: Row) -> Workload:
    return workload.of(case(*rows))


def of_intervals(intervals: list[tuple[float, float]]) -> Workload:
    return work_of(*(search(at=start + took, took=took) for start, took in intervals))


def covered_by_counting(one: tuple[float, float], others: list[tuple[float, float]]) -> float:
    """The same answer, tenth by tenth."""
    tenths = [one[0] + (i + 0.5) / 10 for i in range(round(one[1] * 10))]
    inside = [any(start <= at <= start + took for start, took in others) for at in tenths]
    return sum(inside) / len(inside)


# ---------------------------------------------------------------------------------------------------------------------
# Who ran beside whom.


@settings(max_examples=60, deadline=None)
@given(st.lists(interval, min_size=1, max_size=6), st.lists(interval, max_size=6))
def test_the_covered_share_is_that_of_counting(
    requests: list[tuple[float, float]], others: list[tuple[float, float]]
) -> None:
    work = of_intervals(requests)
    starts, lengths = np.array([one[0] for one in others]), np.array([one[1] for one in others])
    found = work.covered_share(BEGIN_S + starts, BEGIN_S + starts + lengths)
    in_order = sorted(enumerate(requests), key=lambda one: (round(sum(one[1]), 3), one[0]))
    expected = [covered_by_counting(one, others) for _, one in in_order]
    assert found == pytest.approx(expected, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.lists(interval, min_size=2, max_size=8), st.integers(0, 255))
def test_victims_are_no_culprits_and_ran_beside_them(requests: list[tuple[float, float]], bits: int) -> None:
    work = of_intervals(requests)
    culprits = np.array([bool(bits >> i & 1) for i in range(len(requests))])
    victims = work.victims(culprits)
    assert not (victims & culprits).any()
    of_culprits = [
        (start - BEGIN_S, end - start)
        for start, end in zip(work.started_s[culprits], work.ended_s[culprits], strict=True)
    ]
    for i in np.flatnonzero(~culprits):
        share = covered_by_counting((work.started_s[i] - BEGIN_S, work.ended_s[i] - work.started_s[i]), of_culprits)
        if abs(share - VICTIM_SHARE) > 0.01:
            assert victims[i] == (share >= VICTIM_SHARE)


def test_without_culprits_there_are_no_victims() -> None:
    work = work_of(search(), search(62))
    assert not work.victims(np.zeros(2, dtype=bool)).any()


def test_nothing_is_covered_by_no_interval() -> None:
    assert work_of(search()).covered_share(np.array([]), np.array([])).tolist() == [0.0]


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([], 0.0),
        ([(0, 10)], 10.0),
        ([(0, 10), (5, 15)], 15.0),
        ([(0, 5), (10, 15)], 10.0),
        ([(-50, 5), (95, 500)], 10.0),
    ],
)
def test_time_that_is_covered_twice_counts_once(intervals: list[tuple[float, float]], expected: float) -> None:
    starts, ends = (np.array([one[i] for one in intervals], dtype=float) for i in (0, 1))
    assert covered_s(starts, ends, 0.0, 100.0) == expected


# ---------------------------------------------------------------------------------------------------------------------
# When something ran, from the lines that begin and end it.


def seconds(found: tuple[np.ndarray, np.ndarray]) -> list[tuple[float, float]]:
    return sorted((round(start - BEGIN_S, 3), round(end - BEGIN_S, 3)) for start, end in zip(*found, strict=True))


def ran(*rows: Row) -> list[tuple[float, float]]:
    return seconds(spans(case(search(), beside=[*rows, event("gc_slow", 0), event("gc_slow", 900)]), "compaction"))


def start(at: float, subject: str = "1") -> Row:
    return event("compaction", at, "start", subject)


def done(at: float, subject: str = "1", **more: float) -> Row:
    return event("compaction", at, "done", subject, **more)


def test_a_start_and_its_end_are_found_by_their_subject() -> None:
    assert ran(start(10, "a"), start(20, "b"), done(30, "b"), done(50, "a")) == [(10, 50), (20, 30)]


def test_a_start_without_an_end_is_a_moment_and_does_not_last_to_the_end_of_the_log() -> None:
    assert ran(start(10)) == [(10, 10 + STEADY_S)]


def test_an_end_without_a_start_is_a_moment_and_does_not_begin_with_the_log() -> None:
    assert ran(done(300)) == [(300 - STEADY_S, 300)]


def test_an_end_tells_when_it_began_if_it_states_how_long_it_took() -> None:
    assert ran(done(300, took=120.0)) == [(180, 300)]


def test_a_start_in_the_log_tells_more_than_a_stated_duration() -> None:
    assert ran(start(10), done(300, took=120.0)) == [(10, 300)]


def test_two_components_that_say_the_same_make_one_run() -> None:
    assert ran(start(10), start(11), done(40), done(41)) == [(10, 41)]


def test_what_runs_again_and_again_is_not_one_long_run() -> None:
    assert ran(start(10), done(20), start(110), done(130), start(400)) == [(10, 20), (110, 130), (400, 400 + STEADY_S)]


def test_an_end_before_its_start_belongs_to_a_run_before_the_log() -> None:
    assert ran(done(5), start(100), done(110)) == [(5 - STEADY_S, 5), (100, 110)]


def test_other_kinds_are_other_work() -> None:
    assert ran(event("index_build", 10, "start", "1"), event("index_build", 50, "done", "1")) == []


# ---------------------------------------------------------------------------------------------------------------------
# Arithmetic and columns.


def test_a_request_of_unknown_duration_weighs_as_much_as_a_usual_one() -> None:
    assert work_of(search(took=4.0), search(took=None), search(took=8.0)).weight_s.tolist() == [4.0, 6.0, 8.0]


def test_fast_requests_of_an_access_log_are_no_part_of_the_slow_ones() -> None:
    assert work_of(search(), search(61, 0.01, slow=False)).count == 1


def test_the_slowest_are_cited_first() -> None:
    work = work_of(search(10, 5.0), search(20, 9.0), search(30, 7.0), search(40, 6.0))
    assert work.cites(np.ones(4, dtype=bool)) == (Place(LOG, 2), Place(LOG, 3), Place(LOG, 4))


def test_patterns_are_told_dearest_first() -> None:
    work = work_of(
        search(60, 5.0, filter="a == 1"), search(61, 50.0, filter="b == 1"), search(62, 6.0, filter="a == 2")
    )
    ids = list(work.slow["pattern"].astype(str))
    assert work.patterns(np.ones(3, dtype=bool)) == (ids[1], ids[0])


def test_how_many_run_at_once_is_seconds_over_the_time_they_take() -> None:
    work = work_of(*many(10, search(60, 10.0), every=1.0))  # from 50 to 69
    assert (work.window_s, round(work.at_once, 2), round(work.per_second, 2)) == (19.0, 5.26, 0.53)


def test_the_quiet_between_two_bursts_does_not_make_them_smaller() -> None:
    burst = many(10, search(60, 10.0), every=1.0)
    work = work_of(*burst, *many(10, search(3660, 10.0), every=1.0))
    assert (work.window_s, work.busy_s) == (3619.0, 38.0)
    assert (round(work.at_once, 2), round(work.per_second, 2)) == (5.26, 0.53)


def test_nq_that_is_not_logged_is_told_from_the_size_of_the_vectors() -> None:
    sizes = [search(nq=None, vector_bytes=size) for size in (516.0, 5_160.0, 516_000.0)]
    assert work_of(*sizes).nq.tolist() == [1.0, 10.0, 1000.0]


def test_params_are_found_beside_and_inside_params() -> None:
    work = work_of(search(params={"params": {"ef": 64}}), search(params={"ef": "128"}), query())
    assert work.param("ef")[:2].tolist() == [64.0, 128.0]
    assert np.isnan(work.param("ef")[2])


def test_the_names_of_an_incident_come_from_its_requests_and_then_from_the_context_file() -> None:
    facts = "collections: [{name: products, fields: [{name: emb, type: FLOAT_VECTOR, dim: 8, index: {metric: IP}}]}]"
    of_query = workload.of(case(query(), facts=facts, version="2.4.5"))
    assert of_query.names(np.ones(1, dtype=bool)) == {
        "collection": "products",
        "database": "default",
        "vector_field": "emb",
        "dim": 8,
        "metric_type": "IP",
        "version": "2.4.5",
        "replicas": 2,
    }
    of_search = workload.of(case(search(), facts=facts)).names(np.ones(1, dtype=bool))
    assert (of_search["vector_field"], of_search["metric_type"], "dim" in of_search) == ("vec", "L2", False)
    more = workload.of(case(search(), facts="collections: [{name: products, replicas: 2}]"))
    assert more.names(np.ones(1, dtype=bool))["replicas"] == 3  # one more than there are


def test_a_filter_may_be_asked_together_with_its_collection() -> None:
    work = work_of(
        search(filter="a > 1", collection="x"),
        search(filter="a > 2", collection="y"),
        search(filter="a > 3", collection=None),
        search(filter=None, collection="y"),
        search(filter="b > 3", collection="y"),
    )
    asked = []

    def question(features: Features, collection: str | None) -> bool:
        asked.append((sorted(features.fields), collection))
        return collection == "y"

    of_y = work.of_filter_on(question)
    assert of_y.tolist() == [False, True, False, False, True]
    assert sorted(asked, key=str) == [(["a"], "x"), (["a"], "y"), (["a"], None), (["b"], "y")]
    assert sorted(sorted(features.fields) for features, _ in work.filters(of_y)) == [["a"], ["b"]]


def test_a_case_without_requests_has_no_filters() -> None:
    work = workload.of(case(beside=[event("insert")]))
    assert work.of_filter_on(lambda features, collection: True).tolist() == []
