"""Several causes at once: each is told as an answer that counts, the one that held the node longest first."""

from __future__ import annotations

import threading
from dataclasses import replace

from pymilvus import utility

from bench.incidents import datasets
from bench.incidents.datasets import CATALOG, EVENTS, ORDERS
from bench.incidents.lab import Lab
from bench.incidents.load import Clients, Request
from bench.incidents.scenarios.scenario import PLAIN, QUIET_S, Scenario, about, chain, many


def mixed_large_nq_and_filter(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    datasets.ready(EVENTS)
    return Scenario(
        "heavy_workload",
        "large_nq",
        "two causes at once: two clients send nq=5000 batches, four others a filter of 240 terms",
        "Two causes from two clients",
        f"Two clients send batches of nq=5000 with top_k=100 and ef=400 to an HNSW collection of 400,000 rows x "
        f"128 dimensions; four search a second collection "
        f"(4,000,000 rows x 16 dimensions) with a chain of {many(240, strength)} terms. 6 clients send small "
        f"searches to both and suffer from either. Both findings "
        "are right; the batches hold the node longer.",
        (
            Clients("batches", 2, replace(PLAIN, nq=5000, top_k=100, params={"ef": 400})),
            Clients("OR chain", 4, Request("events", dim=16, params={"nprobe": 16}, expr=chain(many(240, strength)))),
            Clients("small, catalog", 3, PLAIN, pause_s=0.3),
            Clients("small, events", 3, Request("events", dim=16, params={"nprobe": 16}), pause_s=0.3),
        ),
        seconds=60,
        accept=(("inefficient_filter", "complex_expression"), ("inefficient_filter", "unindexed_scalar_filter")),
    )


def ef_and_prefixes(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    datasets.ready(EVENTS)
    plain = Request("events", dim=16, params={"nprobe": 16})
    return Scenario(
        "wrong_index",
        "search_params",
        "two causes at once: searches with ef=16000 on one collection, LIKE without an index on another",
        "A wide ef here, a LIKE there",
        f"{many(80, strength)} clients search an HNSW collection of 400,000 rows x 128 dimensions with ef=16000 for "
        f"top_k=10; {many(60, strength)} search another of 4,000,000 rows x 16 dimensions with a LIKE on a VARCHAR "
        "without an index; 3 clients each send plain searches to both, with a pause. Both findings are right.",
        (
            Clients("ef=16000", many(80, strength), replace(PLAIN, params={"ef": 16_000}), from_s=QUIET_S),
            Clients("LIKE", many(60, strength), replace(plain, expr='tag like "tenant-2$N%"'), from_s=QUIET_S),
            Clients("plain, HNSW", 3, PLAIN, pause_s=0.2),
            Clients("plain, IVF", 3, plain, pause_s=0.2),
        ),
        seconds=52,
        accept=(("inefficient_filter", "pattern_filter"), ("inefficient_filter", "unindexed_scalar_filter")),
        begins_s=QUIET_S,
        context=about(CATALOG.describe(), EVENTS.describe()),
    )


def batches_and_json(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    datasets.ready(ORDERS)
    plain = Request("orders", dim=16, params={"nprobe": 16})
    nq = many(4000, strength)
    return Scenario(
        "heavy_workload",
        "large_nq",
        f"two causes at once: two clients send nq={nq} batches, twelve others filter on JSON paths",
        "Batches here, JSON predicates there",
        f"2 clients send batches of nq={nq} (top_k=50, ef=200) to an HNSW collection of 400,000 rows x 128 dimensions; "
        "12 search another of 1,200,000 rows x 16 dimensions with predicates on JSON paths; 3 clients each send plain "
        "searches to both, with a pause. Both findings are right.",
        (
            Clients("batches", 2, replace(PLAIN, nq=nq, top_k=50, params={"ef": 200})),
            Clients("JSON", 12, replace(plain, expr='meta["city"] == "city-$N" && meta["stock"] > 100')),
            Clients("plain, HNSW", 3, PLAIN, pause_s=0.2),
            Clients("plain, IVF", 3, plain, pause_s=0.2),
        ),
        seconds=50,
        accept=(("inefficient_filter", "json_filter"), ("inefficient_filter", "unindexed_scalar_filter")),
    )


def chain_while_building(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    spec = replace(CATALOG, name="manuals", rows=100_000, index="FLAT", params={})
    manuals = datasets.ready(spec, load=False)
    manuals.release()
    manuals.drop_index()

    def run(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(QUIET_S)
        params = {"M": 32, "efConstruction": 300}
        manuals.create_index("vec", {"index_type": "HNSW", "metric_type": "L2", "params": params}, sync=False)
        stop.wait(600)
        done = utility.index_building_progress(spec.name)
        happened.append(f"`create_index` was called; at the end {done['indexed_rows']:,} rows were indexed.")
        manuals.drop_index()

    terms = many(160, strength)
    plain = Request("events", dim=16, params={"nprobe": 16})
    return Scenario(
        "inefficient_filter",
        "complex_expression",
        f"two causes at once: an OR chain of {terms} terms, and an index build on the same node",
        "A long filter while an index is built",
        f"24 clients search an IVF_FLAT collection of 4,000,000 rows x 16 dimensions with an OR chain of {terms} terms, 5 "
        f"without, with a pause. After {QUIET_S:.0f} s an HNSW index is built on another collection as well. Either alone "
        "slows the searches; both findings are right.",
        (
            Clients("OR chain", 24, replace(plain, expr=chain(terms))),
            Clients("no filter", 5, plain, pause_s=0.2),
        ),
        seconds=60,
        fault=run,
        accept=(("inefficient_filter", "unindexed_scalar_filter"), ("runtime_contention", "index_build")),
        begins_s=QUIET_S,
    )
