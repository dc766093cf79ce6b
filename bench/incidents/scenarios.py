"""One function per incident: it prepares the collections and says who sends what, and what else happens meanwhile.

`strength` scales the number of clients or terms; at 1.0 requests last 5 s and more on two cores.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any

import datasets
from datasets import CATALOG, EVENTS, FINGERPRINTS
from lab import Lab
from load import Clients, Request

Fault = Callable[[threading.Event, list[str]], None]
"""Runs beside the clients until the event is set; appends one sentence for each thing that it did."""


@dataclass(frozen=True)
class Scenario:
    cause: str | None
    sub_cause: str | None
    what: str
    title: str
    story: str
    clients: tuple[Clients, ...]
    seconds: float = 60
    fault: Fault | None = None
    accept: tuple[tuple[str, str | None], ...] = ()
    decidable: bool = True
    context: dict[str, object] = field(default_factory=dict)
    log_level: str = "info"


PLAIN = Request("catalog")


def many(count: float, strength: float) -> int:
    return max(1, round(count * strength))


def about(*collections: dict[str, object], **more: object) -> dict[str, object]:
    return {
        "milvus": {"version": "2.3.5", "deployment": "standalone"},
        "hardware": {"query_nodes": 1, "cpus_per_node": 2, "memory_gib_per_node": 24, "disk": "ssd"},
        "collections": list(collections),
        **more,
    }


def chain(terms: int, group: int = 24) -> str:
    """`(a || b …) || (c || d …)`: one plain chain of 160 terms fails in Milvus 2.3.5, it nests too deeply."""
    each = [
        f'(tag == "tenant-{n:04d}/kind-{n % 100:02d}/item-{n:07d}" && price < {n % 90}.5)'
        for n in range(0, terms * 31, 31)
    ]
    return " || ".join("(" + " || ".join(each[k : k + group]) + ")" for k in range(0, terms, group))


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


def search_params(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    return Scenario(
        "wrong_index",
        "search_params",
        "HNSW searched with ef=32000 for top_k=10",
        "ef far above what top_k=10 needs",
        f"{many(70, strength)} clients search an HNSW collection of 400,000 rows x 128 dimensions with ef=32000 "
        f"for top_k=10; 4 clients ask for the same with "
        "ef=64, with a pause of 0.3 s. In the first 15 s only the latter are there.",
        (
            Clients("ef=32000", many(70, strength), replace(PLAIN, params={"ef": 32000}), from_s=15),
            Clients("ef=64", 4, PLAIN, pause_s=0.3),
        ),
        seconds=65,
        context=about(CATALOG.describe()),
    )


def search_params_nprobe(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    request = Request("events", dim=16, params={"nprobe": 8})
    full = replace(request, params={"nprobe": 1024}, nq=20)
    return Scenario(
        "wrong_index",
        "search_params",
        "IVF_FLAT with nlist=1024 searched with nprobe=1024",
        "nprobe equal to nlist",
        f"{many(24, strength)} clients search an IVF_FLAT collection (4,000,000 rows x 16 dimensions, nlist=1024) "
        f"with nprobe=1024 and nq=20, which reads all the "
        "rows; 4 clients ask with nprobe=8 and nq=20, 3 with nprobe=8 and nq=1.",
        (
            Clients("nprobe=1024", many(24, strength), full),
            Clients("nprobe=8", 4, replace(request, nq=20), pause_s=0.3),
            Clients("nprobe=8, nq=1", 3, request, pause_s=0.3),
        ),
        seconds=60,
        accept=(("wrong_index", "brute_force"),),
        context=about(EVENTS.describe()),
    )


def binary_vector_index(lab: Lab, strength: float) -> Scenario:
    datasets.ready(FINGERPRINTS)
    request = Request("fingerprints", dim=512, metric="JACCARD", params={}, nq=20)
    return Scenario(
        "wrong_index",
        "binary_vector_index",
        "BIN_FLAT with JACCARD on 2 million binary vectors",
        "BIN_FLAT on two million binary vectors",
        f"{many(50, strength)} clients search 2,000,000 binary vectors of 512 bits in a BIN_FLAT index with "
        f"JACCARD, nq=20; 3 clients search another collection "
        "(HNSW, 400,000 rows x 128 dimensions) with a pause.",
        (Clients("binary", many(50, strength), request), Clients("other collection", 3, PLAIN, pause_s=0.3)),
        seconds=60,
        accept=(("wrong_index", "brute_force"),),
        context=about(FINGERPRINTS.describe(), CATALOG.describe()),
    )


def growing_segments(lab: Lab, strength: float) -> Scenario:
    """Wants `--config queryNode.segcore.interimIndex.enableIndex=false`; with it on, requests stay below 5 s."""
    spec = replace(CATALOG, name="stream")
    datasets.drop("stream")
    stream = datasets.create(spec)
    stream.load()
    datasets.fill(stream, spec, range(60_000))

    def insert(stop: threading.Event, happened: list[str]) -> None:
        begin = time.monotonic()
        inserted = datasets.fill(stream, spec, range(60_000, 400_000), go_on=lambda: not stop.is_set())
        took = time.monotonic() - begin
        happened.append(f"{inserted:,} rows went into `stream` in {took:.0f} s; no flush was asked for.")

    return Scenario(
        "runtime_contention",
        "growing_segments",
        "rows stream in and are searched while their segments still grow, without an index",
        "Searching what is still growing",
        f"A client inserts 400,000 rows x 128 dimensions into the collection `stream` as fast as it can, without "
        f"a flush, while {many(40, strength)} clients search it "
        "with nq=20 and 3 search an indexed collection of the same kind with nq=1. The interim index of growing "
        "segments is off (queryNode.segcore.interimIndex.enableIndex=false), "
        "so that each search reads all the growing rows.",
        (
            Clients("stream", many(40, strength), replace(PLAIN, collection="stream", nq=20)),
            Clients("other collection", 3, PLAIN, pause_s=0.3),
        ),
        seconds=60,
        fault=insert,
        accept=(("runtime_contention", None),),
        context=about(
            spec.describe(segments={"sealed": 0, "growing": 2, "indexed": 0}),
            CATALOG.describe(),
            config={"queryNode.segcore.interimIndex.enableIndex": False},
        ),
    )


def heavy_delete(lab: Lab, strength: float) -> Scenario:
    spec = replace(CATALOG, name="inventory")
    inventory = datasets.fresh(spec)
    wait, deleters = 20.0, 4

    def churn(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(wait)
        done = {"deleted": 0, "upserted": 0}

        def delete(number: int) -> None:
            for first in cycle(range(number * 20_000, spec.rows, deleters * 20_000)):
                if stop.is_set():
                    return
                inventory.delete(f"id in {list(range(first, first + 50_000))}", timeout=120)
                done["deleted"] += 50_000

        threads = [threading.Thread(target=delete, args=(number,)) for number in range(deleters)]
        for thread in threads:
            thread.start()
        for first in cycle(range(0, spec.rows, 5_000)):
            if stop.is_set():
                break
            inventory.upsert(datasets.as_lists(datasets.rows(spec, range(first, first + 5_000))), timeout=120)
            done["upserted"] += 5_000
        for thread in threads:
            thread.join()
        happened.append(
            f"Beginning after {wait:.0f} s, {done['deleted']:,} ids were sent for deletion (50,000 a request, "
            f"most of them more than once) and "
            f"{done['upserted']:,} rows were upserted (5,000 a request)."
        )

    request = replace(PLAIN, collection="inventory", nq=8)
    return Scenario(
        "runtime_contention",
        "heavy_delete",
        "mass deletes and upserts while the same collection is searched",
        "Mass deletes and upserts",
        f"{many(350, strength)} clients search a collection of 400,000 rows x 128 dimensions (HNSW) with nq=8 and "
        f"consistency Bounded, 20 with Strong; after "
        f"{wait:.0f} s {deleters} clients delete and one upserts rows of the same collection without a pause.",
        (
            Clients("Bounded", many(350, strength), request),
            Clients("Strong", 20, replace(request, consistency="Strong")),
            Clients("other collection", 3, PLAIN, pause_s=0.3),
        ),
        seconds=75,
        fault=churn,
        accept=(("runtime_contention", None), ("inefficient_filter", "consistency_wait")),
        context=about(
            spec.describe(),
            CATALOG.describe(),
        ),
    )


def segment_load(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    others = [
        datasets.ready(spec, load=False)
        for spec in (EVENTS, replace(CATALOG, name="archive"), replace(CATALOG, name="inventory"))
    ]
    for other in others:
        other.release()

    def load_and_release(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(25)
        rounds: list[str] = []

        def repeat(collection: Any) -> None:
            while not stop.is_set():
                collection.load()
                collection.release()
                rounds.append(collection.name)

        threads = [threading.Thread(target=repeat, args=(other,)) for other in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts = ", ".join(f"`{other.name}` {rounds.count(other.name)} times" for other in others)
        happened.append(f"Beginning after 25 s, collections were loaded and released: {counts}.")

    return Scenario(
        "runtime_contention",
        "segment_load",
        "three other collections are loaded and released again and again on the same node",
        "Loading and releasing other collections",
        f"{many(250, strength)} clients search a collection of 400,000 rows x 128 dimensions (HNSW, ef=400, "
        f"nq=10). After 25 s three other collections "
        "(4,000,000 rows x 16 dimensions, IVF_FLAT; twice up to 400,000 rows x 128 dimensions, HNSW; all with "
        "scalar fields) are loaded and "
        "released in loops.",
        (Clients("searches", many(250, strength), replace(PLAIN, nq=10, params={"ef": 400})),),
        seconds=75,
        fault=load_and_release,
        accept=(("runtime_contention", None),),
    )


def compaction(lab: Lab, strength: float) -> Scenario:
    spec = replace(CATALOG, name="archive")
    archive = datasets.fresh(spec)
    wait = 12.0

    def compact(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(wait)
        for first in range(0, spec.rows, 20_000):
            archive.delete(f"id in {list(range(first, first + 9_000))}")
        archive.flush()
        archive.compact()
        happened.append(f"After {wait:.0f} s 45 % of the rows were deleted and flushed, then `compact()` was called.")
        begin = time.monotonic()
        archive.wait_for_compaction_completed(timeout=300)
        happened.append(f"The compaction took {time.monotonic() - begin:.0f} s.")

    return Scenario(
        "runtime_contention",
        "compaction",
        "a manual compaction after mass deletes rewrites and re-indexes all the segments",
        "A manual compaction after mass deletes",
        f"{many(200, strength)} clients search a collection of 400,000 rows x 128 dimensions (HNSW, ef=400, "
        f"nq=10) while 45 % of its rows are deleted, flushed and "
        "compacted. Searches are slow while the two segments are rewritten, normal for about ten seconds, "
        "and slow again while the indexes of the "
        "compacted segments are built.",
        (Clients("searches", many(200, strength), replace(PLAIN, collection="archive", nq=10, params={"ef": 400})),),
        seconds=100,
        fault=compact,
        accept=(
            ("runtime_contention", "index_build"),
            ("runtime_contention", "heavy_delete"),
            ("runtime_contention", None),
        ),
        context=about(spec.describe(), events=[]),
    )


def client_or_network(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    return Scenario(
        "outside_milvus",
        "client_or_network",
        "Milvus answers within milliseconds; the client spends seconds on each answer",
        "Milvus is fast, the client is slow",
        "12 clients search a collection of 400,000 rows x 128 dimensions (HNSW), return the vectors as well, and "
        "work for 6 s on each answer before they report it as "
        "done. The log holds no slow line; context.yaml gives what the clients and what Milvus measured.",
        (Clients("clients", 12, replace(PLAIN, top_k=100, params={"ef": 128}, output_fields=("vec",)), work_s=6.0),),
        seconds=40,
        context=about(CATALOG.describe()),
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


SCENARIOS: dict[str, Callable[[Lab, float], Scenario]] = {
    f.__name__: f
    for f in (
        high_concurrency,
        large_result,
        complex_expression,
        unindexed_scalar_filter,
        pattern_filter,
        search_params,
        search_params_nprobe,
        growing_segments,
        heavy_delete,
        segment_load,
        compaction,
        client_or_network,
        binary_vector_index,
        restart,
        too_deep_expression,
        mixed_large_nq_and_filter,
        large_nq_debug,
        healthy_with_filters,
    )
}
