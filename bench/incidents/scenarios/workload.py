"""heavy_workload: what the requests ask for is the cause."""

from __future__ import annotations

from dataclasses import replace

from bench.incidents import datasets
from bench.incidents.datasets import CATALOG, EVENTS
from bench.incidents.lab import Lab
from bench.incidents.load import Clients, Request
from bench.incidents.scenarios.scenario import PLAIN, QUIET_S, Contrast, Scenario, about, many


def high_concurrency(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    request = replace(PLAIN, nq=4, top_k=100, params={"ef": 200})
    return Scenario(
        "heavy_workload",
        "high_concurrency",
        "hundreds of clients send small searches without a pause; the queue grows",
        "Too many small searches at once",
        f"{many(700, strength)} clients send searches with nq=4, top_k=100 and ef=200 to an HNSW collection of "
        f"400,000 rows x 128 dimensions, each the "
        "next one as soon as it has its answer. No request is large; all of them wait in the queue of the query "
        "node. In the first 15 s only 8 of them "
        "are active, and nothing is slow.",
        (Clients("early clients", 8, request), Clients("crowd", many(700, strength), request, from_s=15)),
        seconds=50,
        accept=(("runtime_contention", "cpu_saturation"),),
    )


def large_result(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    export = replace(PLAIN, top_k=16384, params={"ef": 16384}, nq=2, output_fields=("tag", "price", "user", "vec"))
    page = Request(
        "catalog", kind="query", expr="id >= 0", top_k=16384, output_fields=("id", "tag", "price", "user", "vec")
    )
    return Scenario(
        "heavy_workload",
        "large_result",
        "searches with top_k=16384 and queries with limit=16384 return all the fields, vectors included",
        "Results of 16,384 rows with their vectors",
        f"{many(6, strength)} clients search with nq=2, top_k=16384 and output_fields tag, price, user and vec, "
        f"{many(6, strength)} query the same fields with "
        "limit=16384 (more than 9 MB an answer), and 4 send ordinary searches (nq=1, top_k=10, no output fields) "
        "with a pause of 0.2 s. The collection has "
        "400,000 rows x 128 dimensions and an HNSW index.",
        (
            Clients("large searches", many(6, strength), export),
            Clients("large queries", many(6, strength), page),
            Clients("ordinary searches", 4, PLAIN, pause_s=0.2),
        ),
        seconds=70,
        accept=(("wrong_index", "search_params"),),
    )


def large_nq_debug(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    return Scenario(
        "heavy_workload",
        "large_nq",
        "two clients send nq=6000 batches; small requests queue behind them; the log level is DEBUG",
        "Oversized batches, logged at DEBUG",
        "Two clients send batches of nq=6000 with top_k=100 and ef=400 to an HNSW collection of 400,000 rows x 128 "
        "dimensions; 3 clients send single searches with a pause of a second. The log level was raised to DEBUG while "
        "the server ran (`/log/level`), so that the log also holds the steps of each request.",
        (
            Clients("batches", 2, replace(PLAIN, nq=6000, top_k=100, params={"ef": 400})),
            Clients("small", 3, PLAIN, pause_s=1),
        ),
        seconds=25,
        log_level="debug",
    )


def batches(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    nq, senders = many(6000, strength), 2
    request = replace(PLAIN, nq=nq, top_k=50, params={"ef": 200})
    return Scenario(
        "heavy_workload",
        "large_nq",
        f"{senders} clients begin to send nq={nq} batches beside single searches",
        "Batches beside single searches",
        f"10 clients send single searches with a pause of 0.1 s to an HNSW collection of 400,000 rows x 128 dimensions. "
        f"After {QUIET_S:.0f} s {senders} clients send batches of nq={nq} with top_k=50 and ef=200 as well.",
        (
            Clients("batches", senders, request, from_s=QUIET_S),
            Clients("single searches", 10, PLAIN, pause_s=0.1),
        ),
        seconds=50,
        contrast=Contrast(f"nq={nq} against nq=1, nothing else changed", request, replace(request, nq=1)),
        begins_s=QUIET_S,
    )


def batches_beside_filters(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    plain = Request("events", dim=16, params={"nprobe": 16})
    nq = many(8000, strength)
    request = replace(plain, nq=nq, params={"nprobe": 64}, top_k=20)
    return Scenario(
        "heavy_workload",
        "large_nq",
        f"3 clients send nq={nq} batches; small requests with cheap filters, an IN list and Strong reads are bystanders",
        "Batches beside innocent filters",
        f"3 clients send batches of nq={nq} (nprobe=64, top_k=20) to an IVF_FLAT collection of 4,000,000 rows x 16 "
        "dimensions. Beside them, with pauses, small searches with a filter on price, an IN list of 20 numbers, and "
        "consistency Strong, each of which is fast alone.",
        (
            Clients("batches", 3, request),
            Clients("filter on price", 3, replace(plain, expr="price > 5.5"), pause_s=0.5),
            Clients("short IN list", 2, replace(plain, expr=f"user in {list(range(20))}"), pause_s=0.5),
            Clients("Strong", 2, replace(plain, consistency="Strong"), pause_s=0.5),
        ),
        seconds=45,
        contrast=Contrast(f"nq={nq} against nq=1, nothing else changed", request, replace(request, nq=1)),
    )


def crowd(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    request, clients = replace(PLAIN, nq=5, top_k=20, params={"ef": 320}), many(700, strength)
    return Scenario(
        "heavy_workload",
        "high_concurrency",
        f"{clients} clients send small searches without a pause; the queue grows",
        "More small searches than two cores can serve",
        f"6 clients search an HNSW collection of 400,000 rows x 128 dimensions with nq=5, top_k=20 and ef=320. After "
        f"{QUIET_S:.0f} s {clients} more send the same, each the next one as soon as it has its answer.",
        (Clients("first clients", 6, request, pause_s=0.1), Clients("crowd", clients, request, from_s=QUIET_S)),
        seconds=48,
        accept=(("runtime_contention", "cpu_saturation"),),
        begins_s=QUIET_S,
    )


def crowd_with_filters(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    clients = many(700, strength)
    request = replace(PLAIN, nq=5, top_k=20, params={"ef": 320})
    filtered = replace(request, expr="user > $N")
    return Scenario(
        "heavy_workload",
        "high_concurrency",
        f"{clients} clients send small searches without a pause, half of them with a filter that costs next to nothing",
        "A crowd, half of it with a filter",
        f"{clients} clients search an HNSW collection of 400,000 rows x 128 dimensions with nq=5, top_k=20 and ef=320 "
        "as fast as they can; every second one with `user > N`, which nearly all the rows pass.",
        (
            Clients("with the filter", clients // 2, filtered),
            Clients("without", clients - clients // 2, request),
        ),
        seconds=42,
        accept=(("runtime_contention", "cpu_saturation"),),
        contrast=Contrast("the search with the filter against the search without: innocent", filtered, request),
        context=about(CATALOG.describe(), observations={"concurrency": clients}),
    )


def top_k(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    few, clients = Request("events", dim=16, params={"nprobe": 24}), many(60, strength)
    request = replace(few, top_k=16384, nq=4, output_fields=("tag", "price"))
    return Scenario(
        "heavy_workload",
        "large_result",
        f"{clients} clients ask for top_k=16384 with two output fields; the same search with top_k=10 is fast",
        "top_k=16384",
        f"{clients} clients search an IVF_FLAT collection (4,000,000 rows x 16 dimensions) with nq=4, nprobe=24, "
        "top_k=16384 and two scalar output fields; 5 ask with top_k=10 and a pause of 0.3 s.",
        (
            Clients("top_k=16384", clients, request, from_s=QUIET_S),
            Clients("top_k=10", 5, few, pause_s=0.3),
        ),
        seconds=50,
        contrast=Contrast("top_k=16384 against top_k=10, nothing else changed", request, replace(request, top_k=10)),
        begins_s=QUIET_S,
    )


def exports(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    clients = many(24, strength)
    request = Request("catalog", kind="query", expr="id >= 0", top_k=16384, output_fields=("id", "tag", "user", "vec"))
    return Scenario(
        "heavy_workload",
        "large_result",
        f"{clients} clients page through the collection with limit=16384 and the vectors as output",
        "Queries that return 16,384 vectors each",
        f"{clients} clients query an HNSW collection of 400,000 rows x 128 dimensions with `id >= 0`, limit=16384 and "
        "output_fields id, tag, user and vec (9 MB an answer); 6 send ordinary searches with a pause of 0.2 s.",
        (
            Clients("queries", clients, request, from_s=QUIET_S),
            Clients("ordinary searches", 6, PLAIN, pause_s=0.2),
        ),
        seconds=50,
        contrast=Contrast("limit=16384 against limit=10, nothing else changed", request, replace(request, top_k=10)),
        begins_s=QUIET_S,
    )


def range_searches(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    plain, clients = Request("events", dim=16, params={"nprobe": 16}), many(60, strength)
    request = replace(plain, radius=1.2, top_k=200)
    return Scenario(
        "heavy_workload",
        "search_fanout",
        f"{clients} clients send range searches; the same search without a radius is fast",
        "Range searches",
        f"{clients} clients send range searches (radius 1.2, limit 200, nprobe=16) to an IVF_FLAT collection of "
        "4,000,000 rows x 16 dimensions; 5 send the same without a radius, with a pause of 0.3 s.",
        (
            Clients("range searches", clients, request, from_s=QUIET_S),
            Clients("plain searches", 5, replace(plain, top_k=200), pause_s=0.3),
        ),
        seconds=50,
        contrast=Contrast("with the radius against without", request, replace(request, radius=None)),
        begins_s=QUIET_S,
        context=about(EVENTS.describe()),
    )


def iterators(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    plain, clients = Request("events", dim=16, params={"nprobe": 16}), many(80, strength)
    request = replace(plain, kind="iterator", batch=1000, top_k=20_000)
    return Scenario(
        "heavy_workload",
        "search_fanout",
        f"{clients} clients walk search iterators of 20,000 rows in steps of 1,000",
        "Search iterators",
        f"{clients} clients walk search iterators over an IVF_FLAT collection (4,000,000 rows x 16 dimensions), "
        "20,000 rows in steps of 1,000, each step one or more range searches; 5 send plain searches with a pause.",
        (
            Clients("iterators", clients, request),
            Clients("plain searches", 5, replace(plain, top_k=1000), pause_s=0.3),
        ),
        seconds=45,
        accept=(("heavy_workload", "large_result"),),
        contrast=Contrast(
            "an iterator over 20,000 rows against a search for 1,000", request, replace(plain, top_k=1000)
        ),
    )
