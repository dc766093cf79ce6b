"""Nothing is slow, though something looks as if it were."""

from __future__ import annotations

import threading
from dataclasses import replace

from bench.incidents import datasets
from bench.incidents.datasets import CATALOG, EVENTS, GALLERY
from bench.incidents.lab import Lab
from bench.incidents.load import Clients, Request
from bench.incidents.scenarios.scenario import PLAIN, Scenario, about, chain, many


def healthy_with_filters(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    return Scenario(
        None,
        None,
        "nothing slow in the server, though filters, a large top_k and Strong reads are there",
        "Nothing is slow, though the requests look suspicious",
        "10 clients search a collection of 400,000 rows x 128 dimensions (HNSW) with filters on fields without "
        "an index, with an IN list, with nq=50, with top_k=1000 and with consistency "
        "Strong; each pauses, and none takes longer than the threshold.",
        (
            Clients("filter", 3, replace(PLAIN, expr="price < 50.5 && user > $N"), pause_s=0.3),
            Clients("VARCHAR", 2, replace(PLAIN, expr='tag like "tenant-0%"', output_fields=("tag",)), pause_s=0.3),
            Clients("IN list", 1, replace(PLAIN, expr=f"user in {list(range(500))}"), pause_s=0.5),
            Clients("nq=50", 1, replace(PLAIN, nq=50), pause_s=0.5),
            Clients("top_k=1000", 1, replace(PLAIN, top_k=1000, params={"ef": 1000}), pause_s=0.5),
            Clients("Strong", 2, replace(PLAIN, consistency="Strong"), pause_s=0.3),
        ),
        seconds=50,
    )


def too_deep_expression(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    request = Request("events", dim=16, params={"nprobe": 16})
    return Scenario(
        None,
        None,
        "nothing is slow, but every search with a plain OR chain of 160 terms fails: it nests too deeply",
        "A filter that Milvus refuses",
        "2 clients search with 160 terms joined by `||` without parentheses between them, which fails at once; 3 "
        "search without a filter. No request is "
        "slow: the log is full of the failures' warnings and stack traces instead.",
        (
            Clients("OR chain", 2, replace(request, expr=chain(160, group=160)), pause_s=2),
            Clients("no filter", 3, request, pause_s=0.5),
        ),
        seconds=15,
    )


def restart(lab: Lab, strength: float) -> Scenario:
    """Meant as a cold cache, but on a local disk nothing is slow afterwards. Wants a Milvus that it started itself."""
    datasets.ready(EVENTS)
    datasets.ready(CATALOG)

    def kill_and_start(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(12)
        lab.restart_milvus()
        happened.append("Milvus was killed and started again after 12 s.")

    return Scenario(
        None,
        None,
        "Milvus restarts under load; searches fail until its segments are loaded again, then all are fast",
        "A restart, and nothing slow after it",
        "20 clients search two loaded collections (400,000 rows x 128 dimensions, HNSW; 4,000,000 rows x 16 "
        "dimensions, IVF_FLAT) with a pause of "
        "0.2 s. After 12 s Milvus is killed and started again. Requests fail until the segments are back in "
        "memory (`collection not loaded`), but "
        "none of them is logged as slow, and the first ones that succeed are fast: the files are in the cache of "
        "the operating system.",
        (
            Clients("catalog", 12, PLAIN, pause_s=0.2),
            Clients("events", 8, Request("events", dim=16, params={"nprobe": 16}), pause_s=0.2),
        ),
        seconds=100,
        fault=kill_and_start,
    )


def busy(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    clients = many(30, strength)
    return Scenario(
        None,
        None,
        f"{clients} clients search without a pause, the CPU is full, and every answer comes within a fraction of a second",
        "Busy and fast",
        f"{clients} clients search an HNSW collection of 400,000 rows x 128 dimensions without a pause, thousands of "
        "requests a second together.",
        (Clients("searches", clients, PLAIN),),
        seconds=35,
        context=about(CATALOG.describe()),
        observed=True,
    )


def writes(lab: Lab, strength: float) -> Scenario:
    spec = replace(CATALOG, name="feed", rows=100_000)
    datasets.drop(spec.name)
    feed = datasets.create(spec)
    feed.load()
    datasets.ready(CATALOG)

    def run(stop: threading.Event, happened: list[str]) -> None:
        inserted = 0
        for first in range(0, spec.rows, 1000):
            if stop.wait(0.5 / strength):
                break
            feed.insert(datasets.rows(spec, range(first, first + 1000)))
            if first % 10_000 == 9_000:
                feed.delete(f"id in {list(range(first, first + 500))}")
            inserted += 1000
        happened.append(f"{inserted:,} rows were inserted, and 500 of each 10,000 deleted.")

    return Scenario(
        None,
        None,
        "rows are inserted and deleted all the time and read with every level of consistency; nothing is slow",
        "Writes that harm nobody",
        "A client inserts 1,000 rows at a time into a collection, and deletes some, while 12 search it with Strong, "
        "Bounded and Eventually, and 6 search another one with a filter. The segments grow, and the reads wait for the "
        "time tick, but no request takes long.",
        (
            Clients("Strong", 4, replace(PLAIN, collection=spec.name, consistency="Strong"), pause_s=0.2),
            Clients("Bounded", 4, replace(PLAIN, collection=spec.name), pause_s=0.2),
            Clients("Eventually", 4, replace(PLAIN, collection=spec.name, consistency="Eventually"), pause_s=0.2),
            Clients("filter", 6, replace(PLAIN, expr="price < 50.5"), pause_s=0.2),
        ),
        seconds=45,
        fault=run,
    )


def suspicious(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    datasets.ready(GALLERY)
    plain = Request("events", dim=16, params={"nprobe": 16})
    return Scenario(
        None,
        None,
        "LIKE, an OR chain, a FLAT index, nprobe=nlist and top_k=5000 are all there, rarely, and none is slow",
        "Everything suspicious, and nothing slow",
        "One client each, with a pause of a second or more, sends what guides warn of: LIKE, an OR chain of "
        f"{many(40, strength)} terms, nprobe=1024, top_k=5000, a search in a FLAT index. Each takes a fraction of a "
        "second. 8 clients send plain searches.",
        (
            Clients("plain", 8, plain, pause_s=0.2),
            Clients("LIKE", 1, replace(plain, expr='tag like "tenant-1$N%"'), pause_s=1.0),
            Clients("OR chain", 1, replace(plain, expr=chain(many(40, strength))), pause_s=2.0),
            Clients("nprobe=1024", 1, replace(plain, params={"nprobe": 1024}), pause_s=1.0),
            Clients("top_k=5000", 1, replace(plain, top_k=5000), pause_s=1.0),
            Clients("FLAT", 1, Request("gallery", dim=64, metric="IP", params={}), pause_s=1.0),
        ),
        seconds=40,
        context=about(EVENTS.describe(), GALLERY.describe()),
    )


def housekeeping(lab: Lab, strength: float) -> Scenario:
    spec = replace(CATALOG, name="drawer", rows=30_000)
    drawer = datasets.fresh(spec)
    datasets.ready(CATALOG)

    def run(stop: threading.Event, happened: list[str]) -> None:
        rounds = 0
        while not stop.wait(3.0 / strength):
            drawer.release()
            drawer.delete(f"id in {list(range(rounds * 500, rounds * 500 + 500))}")
            drawer.flush()
            drawer.compact()
            drawer.load()
            rounds += 1
        happened.append(f"A small collection was released, flushed, compacted and loaded again {rounds} times.")

    return Scenario(
        None,
        None,
        "a small collection is loaded, released, flushed and compacted again and again, and nothing is slow",
        "Housekeeping in a corner",
        "10 clients search an HNSW collection of 400,000 rows x 128 dimensions with a pause of 0.1 s while another of "
        "30,000 rows is released, flushed, compacted, indexed and loaded in a loop.",
        (Clients("searches", 10, PLAIN, pause_s=0.1),),
        seconds=40,
        fault=run,
    )
