from __future__ import annotations

from slowq import phases
from slowq.report import html, markdown
from slowq.report.metrics import MOST_COLLECTIONS, MOST_POINTS, MOST_SERIES, metrics_part, phases_part
from tests.builders import case, in_buckets, measured, search
from tests.report.documents import SAMPLES
from tests.report.golden import screen


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


def by_collection(**collections: tuple[float, float]) -> dict:
    levels = {"search_latency": 1.0, "collection_latency": {"collection": collections}}
    part = metrics_part(case(search(), metrics=measured(levels, before={})))
    assert part is not None
    return part


def test_several_collections_are_told_and_drawn_and_one_is_told_alone() -> None:
    two = by_collection(products=(3.0, 1.0), orders=(0.5, 2.0))
    assert [(one["collection"], round(one["share"], 2)) for one in two["by_collection"]] == [
        ("products", 0.75),
        ("orders", 0.25),
    ]
    assert "latency_by_collection" in [one["id"] for one in two["panels"]]
    one = by_collection(products=(3.0, 1.0))
    assert len(one["by_collection"]) == 1
    assert "latency_by_collection" not in [panel["id"] for panel in one["panels"]]


def test_of_very_many_collections_those_that_take_most_time_are_told() -> None:
    many = by_collection(**{f"c{number}": (float(number), 1.0) for number in range(1, 80)})
    assert (len(many["by_collection"]), many["by_collection"][0]["collection"]) == (MOST_COLLECTIONS, "c79")


def test_without_such_a_metric_it_is_null() -> None:
    part = metrics_part(case(search(), metrics=measured({"search_latency": 1.0})))
    assert part is not None
    assert part["by_collection"] is None


def test_reports_show_collections_where_there_are_several() -> None:
    told = {**SAMPLES["large_nq"], "metrics": by_collection(products=(3.0, 1.0), orders=(0.5, 2.0))}
    assert "by collection: products 75 % (3.0 s) · orders 25 % (500 ms)" in screen(told, 100, rows=None)
    assert "| `products` | 75 % | 60 | 3.0 s |" in markdown.render(told)
    assert '<th scope="row">products</th><td class="n">75 %</td>' in html.render(told).decode()
    alone = {**told, "metrics": by_collection(products=(3.0, 1.0))}
    assert "by collection" not in screen(alone, 100, rows=None) + markdown.render(alone)


def test_reports_say_over_of_a_p99_in_the_last_bucket() -> None:
    metrics = in_buckets(measured({"search_latency": 200.0, "queue": 150.0}, before={}), "queue", 1, 0, 0, 9)
    of = case(search(), metrics=metrics)
    part, panels = phases_part(of), metrics_part(of)
    assert part is not None
    assert panels is not None
    assert (part["queue"]["p99_s"], part["queue"]["p99_at_least"]) == (4.0, True)
    (queue,) = [one for one in panels["panels"] if one["id"] == "queue"]
    assert [one.get("at_least") for one in queue["series"]] == [None, list(range(len(queue["times"])))]
    told = {**SAMPLES["large_nq"], "phases": part, "metrics": panels}
    assert "| `queue` | 75 % | 2 m 30 s | over 4.0 s |" in markdown.render(told)
    page = html.render(told).decode()
    assert '<td class="n">over 4.0 s</td>' in page
    assert "%{customdata}%{y}" in page
