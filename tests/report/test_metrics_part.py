from __future__ import annotations

from slowq import phases
from slowq.report.metrics import MOST_POINTS, MOST_SERIES, metrics_part, phases_part
from tests.builders import case, measured, search


def panels(**during) -> dict[str, dict]:
    part = metrics_part(case(search(), metrics=measured(during, before={})))
    assert part is not None
    return {one["id"]: one for one in part["panels"]}


def test_every_phase_is_a_key_and_an_unknown_one_is_null() -> None:
    part = phases_part(case(search(), metrics=measured({"search_latency": 1.0, "queue": 0.25})))
    assert part is not None
    assert tuple(part) == phases.NAMES
    assert part["requery"] is None
    assert part["queue"]["share"] == 0.25


def test_without_searches_there_are_no_phases() -> None:
    assert phases_part(case(search(), metrics=measured({"cpu": 1.0}))) is None


def test_only_panels_that_show_something_are_there() -> None:
    assert list(panels(search_latency=1.0, cpu=2.0)) == ["search_latency", "latency_by_phase", "cpu"]


def test_stacked_phases_make_up_the_latency_at_each_moment() -> None:
    panel = panels(search_latency=1.0, queue=0.25, wait_tsafe=0.25)["latency_by_phase"]
    sums = [sum(v or 0 for v in at) for at in zip(*(one["values"] for one in panel["series"]), strict=True)]
    assert {round(one, 6) for one in sums} == {0.0, 1.0}
    assert len(panel["times"]) == len(sums)


def test_many_nodes_are_capped_and_the_rest_adds_up() -> None:
    nodes = {f"qn-{i:02}": float(i) for i in range(30)}
    series = panels(cpu={"node": nodes})["cpu"]["series"]
    assert len(series) == MOST_SERIES
    assert series[0]["name"] == "qn-29"
    assert series[-1]["name"] == "other"
    last = [one["values"][-1] for one in series]
    assert abs(sum(last) - sum(nodes.values())) < 1e-6


def test_a_long_window_is_binned() -> None:
    part = metrics_part(case(search(), metrics=measured({"search_latency": 1.0}, window=(0.0, 7200.0))))
    assert part is not None
    assert all(len(one["times"]) <= MOST_POINTS for one in part["panels"])
