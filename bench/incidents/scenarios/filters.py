"""inefficient_filter: the filter, or the wait for a consistent view, is the cause."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

from bench.incidents import datasets
from bench.incidents.datasets import CATALOG, EVENTS, ORDERS
from bench.incidents.lab import Lab
from bench.incidents.load import Clients, Request
from bench.incidents.scenarios.scenario import PLAIN, QUIET_S, Contrast, Fault, Scenario, about, chain, many


def complex_expression(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    request = Request("events", dim=16, params={"nprobe": 16})
    numbers = ", ".join(str(n * 37) for n in range(3000))
    return Scenario(
        "inefficient_filter",
        "complex_expression",
        "an OR chain of many terms over 4 million rows; the same searches with short filters or none are fast",
        "A filter of hundreds of terms",
        f"8 clients search with a chain of {many(240, strength)} terms `(tag == … && price < …)` joined by `||`, "
        f"one with an IN list of 3,000 numbers beside "
        "two comparisons. 3 clients search without a filter and 2 with `price < 20.5`, every half second. The "
        "collection holds 4,000,000 rows x 16 dimensions, "
        "IVF_FLAT; its scalar fields have no index.",
        (
            Clients("OR chain", 8, replace(request, expr=chain(many(240, strength)))),
            Clients("IN list", 1, replace(request, expr=f"user in [{numbers}] && price > 3 && price < 90")),
            Clients("no filter", 3, request, pause_s=0.5),
            Clients("short filter", 2, replace(request, expr="price < 20.5"), pause_s=0.5),
        ),
        seconds=70,
        accept=(("inefficient_filter", "unindexed_scalar_filter"),),
    )


def unindexed_scalar_filter(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    request = Request("events", dim=16, params={"nprobe": 16})
    values = ", ".join(f'"tenant-{n:04d}/kind-{n % 100:02d}/item-{n * 5003:07d}"' for n in range(12))
    filtered = replace(request, expr=f"tag in [{values}] && user > $N")
    clients = many(200, strength)
    return Scenario(
        "inefficient_filter",
        "unindexed_scalar_filter",
        "IN on a VARCHAR without an index scans 4 million rows for each search; without the filter the same "
        "clients are fast",
        "A short filter on a VARCHAR without an index",
        f"For 20 s {clients} clients search without a filter: nothing is slow. Then {clients} clients send the "
        f"same searches with an IN list of twelve values on a VARCHAR "
        "that has no index, while 3 go on without a filter. The collection holds 4,000,000 rows x 16 dimensions, "
        "IVF_FLAT.",
        (
            Clients("before, no filter", clients, request, until_s=20, pause_s=0.5),
            Clients("filter", clients, filtered, from_s=20),
            Clients("no filter", 3, request, pause_s=0.3),
        ),
        seconds=75,
        context=about(EVENTS.describe()),
    )


def pattern_filter(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    request = Request("events", dim=16, params={"nprobe": 16})
    like = replace(request, expr='tag like "tenant-0$N%" || tag like "tenant-1$N%" || tag like "tenant-2$N%"')
    count = Request("events", kind="query", expr='tag like "tenant-4$N%"', top_k=100, output_fields=("tag", "price"))
    return Scenario(
        "inefficient_filter",
        "pattern_filter",
        "LIKE with a prefix on a VARCHAR without an index, over 4 million rows",
        "LIKE on a VARCHAR without an index",
        f'{many(250, strength)} clients search with three prefixes `tag like "…%"`, '
        f"{many(6, strength)} query with such a prefix; "
        "3 search without a filter, with a pause. Milvus "
        "2.3.5 knows prefixes only, and the field has no index, so that 4,000,000 strings are compared for each "
        "request.",
        (
            Clients("LIKE searches", many(250, strength), like),
            Clients("LIKE queries", many(6, strength), count),
            Clients("no filter", 3, request, pause_s=0.3),
        ),
        seconds=60,
        accept=(("inefficient_filter", "unindexed_scalar_filter"),),
        context=about(EVENTS.describe()),
    )


def or_chain(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    terms = many(240, strength)
    plain = Request("events", dim=16, params={"nprobe": 16})
    request = replace(plain, expr=chain(terms))
    return Scenario(
        "inefficient_filter",
        "complex_expression",
        f"20 clients search with an OR chain of {terms} terms; the same search without it is fast",
        f"An OR chain of {terms} terms",
        f"20 clients search an IVF_FLAT collection of 4,000,000 rows x 16 dimensions with {terms} terms `(tag == … && "
        "price < …)` joined by `||`; 6 search without a filter, with a pause of 0.2 s, from the beginning.",
        (
            Clients("OR chain", 20, request, from_s=QUIET_S),
            Clients("no filter", 6, plain, pause_s=0.2),
        ),
        seconds=50,
        accept=(("inefficient_filter", "unindexed_scalar_filter"),),
        contrast=Contrast("with the chain against without", request, plain),
        begins_s=QUIET_S,
    )


def in_list(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    values = many(40_000, strength)
    plain = Request("events", dim=16, params={"nprobe": 16})
    request = replace(plain, expr=f"user in [{', '.join(str(n * 2 + 1) for n in range(values))}]")
    return Scenario(
        "inefficient_filter",
        "complex_expression",
        f"40 clients search with an IN list of {values} numbers; an IN list of 20 is fast",
        f"An IN list of {values:,} numbers",
        f"40 clients search an IVF_FLAT collection of 4,000,000 rows x 16 dimensions with `user in […]` of {values:,} "
        "numbers, 4 with such a list of 20 numbers, with a pause.",
        (
            Clients("long IN list", 40, request),
            Clients("short IN list", 4, replace(plain, expr=f"user in {list(range(20))}"), pause_s=0.3),
        ),
        seconds=45,
        accept=(("inefficient_filter", "unindexed_scalar_filter"),),
        contrast=Contrast("with the list against without", request, plain),
        context=about(EVENTS.describe()),
    )


def scalar_scan(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    clients = many(120, strength)
    plain = Request("events", dim=16, params={"nprobe": 16})
    request = replace(plain, expr='tag == "tenant-0042/kind-42/item-0000042" || user == $N')
    return Scenario(
        "inefficient_filter",
        "unindexed_scalar_filter",
        f"{clients} clients search with an equality on fields without an index; without the filter they are fast",
        "Equality on fields without an index",
        f"{clients} clients search an IVF_FLAT collection of 4,000,000 rows x 16 dimensions with an equality on a "
        f"VARCHAR or an INT64, neither of which has an index. In the first {QUIET_S:.0f} s the same clients search "
        "without the filter, and 4 go on so.",
        (
            Clients("before, no filter", clients, plain, until_s=QUIET_S, pause_s=0.5),
            Clients("filter", clients, request, from_s=QUIET_S),
            Clients("no filter", 4, plain, pause_s=0.3),
        ),
        seconds=52,
        contrast=Contrast("with the filter against without", request, plain),
        begins_s=QUIET_S,
        context=about(EVENTS.describe()),
    )


def json_paths(lab: Lab, strength: float) -> Scenario:
    datasets.ready(ORDERS)
    clients = many(24, strength)
    plain = Request("orders", dim=16, params={"nprobe": 16})
    request = replace(plain, expr='meta["city"] == "city-$N" && meta["owner"]["age"] > 30')
    return Scenario(
        "inefficient_filter",
        "json_filter",
        f"{clients} clients search with predicates on JSON paths; without them, or with one on price, they are fast",
        "Predicates on JSON paths",
        f"{clients} clients search an IVF_FLAT collection of 1,200,000 rows x 16 dimensions with two predicates on "
        "paths of a JSON field; 4 search without a filter and 4 with one on price, with pauses.",
        (
            Clients("JSON", clients, request, from_s=QUIET_S),
            Clients("no filter", 4, plain, pause_s=0.3),
            Clients("filter on price", 4, replace(plain, expr="price < 20.5"), pause_s=0.3),
        ),
        seconds=50,
        accept=(("inefficient_filter", "unindexed_scalar_filter"),),
        contrast=Contrast("with the JSON predicates against without", request, plain),
        begins_s=QUIET_S,
    )


def prefixes(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    clients = many(100, strength)
    plain = Request("events", dim=16, params={"nprobe": 16})
    request = replace(plain, expr='tag like "tenant-1$N%" || tag like "tenant-3$N%"')
    return Scenario(
        "inefficient_filter",
        "pattern_filter",
        f"{clients} clients search with LIKE on a VARCHAR without an index; without it they are fast",
        "LIKE on 4 million strings",
        f"{clients} clients search an IVF_FLAT collection of 4,000,000 rows x 16 dimensions with two prefixes `tag like "
        '"…%"`; 5 search without a filter and 3 with one on price, with pauses, from the beginning.',
        (
            Clients("LIKE", clients, request, from_s=QUIET_S),
            Clients("no filter", 5, plain, pause_s=0.3),
            Clients("filter on price", 3, replace(plain, expr="price < 20.5"), pause_s=0.3),
        ),
        seconds=50,
        accept=(("inefficient_filter", "unindexed_scalar_filter"),),
        contrast=Contrast("with LIKE against without", request, plain),
        begins_s=QUIET_S,
    )


def strong_reads(lab: Lab, strength: float) -> Scenario:
    """Searches by the same clients with Bounded are the contrast, inside of the incident."""
    spec = replace(CATALOG, name="basket", rows=100_000)
    datasets.fresh(spec)
    writers = many(4, strength)
    strong = replace(PLAIN, collection="basket", consistency="Strong")
    return Scenario(
        "inefficient_filter",
        "consistency_wait",
        "Strong reads wait for the time tick that lags behind mass writes; Bounded reads of the same are faster",
        "Strong reads behind mass writes",
        f"30 clients search a collection of 100,000 rows x 128 dimensions (HNSW) with consistency Strong and 10 with "
        f"Bounded, all with a pause of 0.2 s. After {QUIET_S:.0f} s {writers} clients delete from it by lists of 40,000 "
        "ids and insert rows again, as fast as they can.",
        (
            Clients("Strong", 30, strong, pause_s=0.2),
            Clients("Bounded", 10, replace(strong, consistency="Bounded"), pause_s=0.2),
        ),
        seconds=60,
        fault=_churn(spec, writers),
        accept=(("dependency_stall", "timetick_stall"), ("runtime_contention", "heavy_delete")),
        begins_s=QUIET_S,
        context=about(spec.describe()),
    )


def _churn(spec: datasets.Spec, writers: int) -> Fault:
    """Delete and insert the same ids again and again, from `QUIET_S` on."""

    def run(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(QUIET_S)
        collection = datasets.create(spec)
        rounds: list[int] = []

        def write(number: int) -> None:
            for first in itertools.cycle(range(number * 10_000, spec.rows, writers * 10_000)):
                if stop.is_set():
                    return
                collection.delete(f"id in {list(range(first, first + 40_000))}", timeout=120)
                collection.insert(datasets.rows(spec, range(first, first + 5_000)), timeout=120)
                rounds.append(first)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        happened.append(f"{len(rounds)} times 40,000 ids were deleted and 5,000 rows inserted.")

    return run
