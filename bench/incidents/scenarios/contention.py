"""runtime_contention: what else the node does, or lacks, is the cause."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import cycle
from typing import Any

from pymilvus import Collection, utility

from bench.incidents import datasets, limits
from bench.incidents.datasets import CATALOG, EVENTS, ORDERS, SHOPS
from bench.incidents.lab import Lab
from bench.incidents.load import Clients, Request
from bench.incidents.scenarios.scenario import PLAIN, QUIET_S, Contrast, Scenario, about, many

# Searches that leave the two cores nearly no room, and pause long: where something else takes half of the CPU, each of
# them waits more than 5 s; without it, none.
STEADY = Clients("searches", 400, replace(PLAIN, nq=20, params={"ef": 200}), pause_s=6.5)
STEADY_QUIET_S = 20.0


def growing_segments(lab: Lab, strength: float) -> Scenario:
    """Wants `--config queryNode.segcore.interimIndex.enableIndex=false`; with it on, requests stay below 5 s."""
    lab.wants("queryNode.segcore.interimIndex.enableIndex")
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


def stream(lab: Lab, strength: float) -> Scenario:
    """Wants `--config queryNode.segcore.interimIndex.enableIndex=false`; with it on, requests stay below 5 s."""
    lab.wants("queryNode.segcore.interimIndex.enableIndex")
    spec, clients = replace(CATALOG, name="feed", rows=many(300_000, strength)), 150
    datasets.drop(spec.name)
    feed = datasets.create(spec)
    feed.load()
    datasets.fill(feed, spec, range(20_000))
    datasets.ready(CATALOG)

    def insert(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(QUIET_S)
        inserted = datasets.fill(feed, spec, range(20_000, spec.rows), go_on=lambda: not stop.is_set())
        happened.append(f"{inserted:,} rows were inserted; no flush was asked for.")

    request = replace(PLAIN, collection=spec.name, nq=2)
    return Scenario(
        "runtime_contention",
        "growing_segments",
        f"{spec.rows} rows stream in and are searched in growing segments without an index",
        "Rows that stream in and are searched at once",
        f"{clients} clients search a collection of 20,000 rows x 128 dimensions that was just filled, with nq=2 and a "
        f"pause of 0.1 s. After {QUIET_S:.0f} s {spec.rows:,} rows are inserted into it as fast as it takes them. 5 "
        "search an indexed collection of 400,000 such rows. The interim index of growing segments is off "
        "(queryNode.segcore.interimIndex.enableIndex=false).",
        (
            Clients("searches", clients, request, pause_s=0.1),
            Clients("indexed collection", 5, replace(PLAIN, nq=2), pause_s=0.2),
        ),
        seconds=55,
        fault=insert,
        accept=(("runtime_contention", None),),
        begins_s=QUIET_S,
        context=about(
            spec.describe(segments={"sealed": 0, "growing": 2, "indexed": 0}),
            CATALOG.describe(),
            config={"queryNode.segcore.interimIndex.enableIndex": False},
        ),
    )


def deletes(lab: Lab, strength: float) -> Scenario:
    spec = replace(CATALOG, name="stock", rows=200_000)
    datasets.fresh(spec)
    datasets.ready(CATALOG)
    deleters = many(4, strength)

    def run(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(STEADY_QUIET_S)
        stock, rounds = Collection(spec.name), []

        def delete(number: int) -> None:
            for first in cycle(range(number * 10_000, spec.rows, deleters * 10_000)):
                if stop.is_set():
                    return
                stock.delete(f"id in {list(range(first, first + 50_000))}", timeout=120)
                rounds.append(first)

        _at_once(delete, deleters)
        happened.append(f"{len(rounds)} times 50,000 ids were deleted.")

    searches = replace(STEADY, request=replace(STEADY.request, collection=spec.name))
    return Scenario(
        "runtime_contention",
        "heavy_delete",
        f"{deleters} clients delete 50,000 ids a request while the same collection is searched",
        "Mass deletes",
        f"400 clients search a collection of 200,000 rows x 128 dimensions (HNSW) with nq=20 and a pause of 6.5 s. After "
        f"{STEADY_QUIET_S:.0f} s {deleters} clients delete from it without a pause, 50,000 ids a request; many are deleted "
        "more than once. 5 clients search another collection.",
        (
            searches,
            Clients("other collection", 5, PLAIN, pause_s=0.2),
        ),
        seconds=75,
        fault=run,
        accept=(("runtime_contention", None), ("inefficient_filter", "consistency_wait")),
        begins_s=STEADY_QUIET_S,
        context=about(spec.describe(), CATALOG.describe()),
    )


def build(lab: Lab, strength: float) -> Scenario:
    spec = replace(CATALOG, name="manuals", rows=many(200_000, strength), index="FLAT", params={})
    datasets.ready(CATALOG)
    manuals = datasets.ready(spec, load=False)
    manuals.release()
    manuals.drop_index()

    def run(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(STEADY_QUIET_S)
        params = {"M": 48, "efConstruction": 500}
        manuals.create_index("vec", {"index_type": "HNSW", "metric_type": "L2", "params": params}, sync=False)
        stop.wait(600)
        done = utility.index_building_progress(spec.name)
        happened.append(f"`create_index` was called; at the end {done['indexed_rows']:,} rows were indexed.")
        manuals.drop_index()

    return Scenario(
        "runtime_contention",
        "index_build",
        f"another collection of {spec.rows} rows builds HNSW on the same node",
        "An index is built beside the searches",
        f"400 clients search an HNSW collection of 400,000 rows x 128 dimensions with nq=20 and ef=200, and a pause of "
        f"6.5 s. After {STEADY_QUIET_S:.0f} s an HNSW index (M=48, efConstruction=500) is built on another collection of "
        f"{spec.rows:,} rows x 128 dimensions, which is not loaded.",
        (STEADY,),
        seconds=80,
        fault=run,
        accept=(("runtime_contention", None),),
        begins_s=STEADY_QUIET_S,
    )


def moving(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    others = [datasets.ready(spec, load=False) for spec in ((EVENTS, ORDERS) if strength > 1 else (EVENTS,))]
    for other in others:
        other.release()
    clients = many(STEADY.count, strength)

    def run(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(STEADY_QUIET_S)
        rounds: list[str] = []

        def repeat(number: int) -> None:
            while not stop.is_set():
                others[number].load()
                others[number].release()
                rounds.append(others[number].name)

        _at_once(repeat, len(others))
        happened.append(f"Collections were loaded and released {len(rounds)} times.")

    return Scenario(
        "runtime_contention",
        "segment_load",
        f"{len(others)} other collections are loaded and released again and again on the same node",
        "Collections that come and go",
        f"{clients} clients search an HNSW collection of 400,000 rows x 128 dimensions with nq=20, ef=200 and a pause of 6.5 s. "
        f"After {STEADY_QUIET_S:.0f} s {len(others)} others (IVF_FLAT, millions of rows x 16 dimensions) are loaded and "
        "released in loops.",
        (replace(STEADY, count=clients),),
        seconds=75,
        fault=run,
        accept=(("runtime_contention", None),),
        begins_s=STEADY_QUIET_S,
    )


def merge(lab: Lab, strength: float) -> Scenario:
    spec = replace(CATALOG, name="ledger", rows=many(300_000, strength))
    ledger = datasets.fresh(spec)
    datasets.ready(CATALOG)

    def run(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(STEADY_QUIET_S)
        for first in range(0, spec.rows, 20_000):
            ledger.delete(f"id in {list(range(first, first + 9_000))}")
        ledger.flush()
        ledger.compact()
        begin = time.monotonic()
        ledger.wait_for_compaction_completed(timeout=300)
        happened.append(f"45 % of the rows were deleted, then `compact()` ran for {time.monotonic() - begin:.0f} s.")

    return Scenario(
        "runtime_contention",
        "compaction",
        f"a manual compaction of {spec.rows} rows after deletes, and the index builds that follow",
        "A compaction beside the searches",
        f"400 clients search an HNSW collection of 400,000 rows x 128 dimensions with nq=20 and ef=200, and a pause of "
        f"6.5 s. After {STEADY_QUIET_S:.0f} s 45 % of another collection of {spec.rows:,} such rows are deleted, flushed and "
        "compacted; then the compacted segments are indexed anew.",
        (STEADY,),
        seconds=95,
        fault=run,
        accept=(
            ("runtime_contention", "index_build"),
            ("runtime_contention", "heavy_delete"),
            ("runtime_contention", None),
        ),
        begins_s=STEADY_QUIET_S,
        context=about(CATALOG.describe(), spec.describe()),
    )


BURNER = "while True: pass"


def neighbour(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    burners = many(30, strength)

    def run(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(STEADY_QUIET_S)
        command = ["nice", "-n", "-5", sys.executable, "-c", BURNER]
        processes = [subprocess.Popen(command, start_new_session=True) for _ in range(burners)]
        stop.wait(600)
        for process in processes:
            process.kill()
        happened.append(f"{burners} processes that only compute ran beside Milvus.")

    return Scenario(
        "runtime_contention",
        "cpu_saturation",
        "other processes of the machine take the CPU from Milvus; its own load does not change",
        "Another program takes the CPU",
        f"200 clients search an HNSW collection of 400,000 rows x 128 dimensions with nq=20, ef=200 and a pause of 4 "
        f"s. After {STEADY_QUIET_S:.0f} s {burners} other processes compute on the same two cores.",
        (replace(STEADY, count=200, pause_s=4.0),),
        seconds=70,
        fault=run,
        begins_s=STEADY_QUIET_S,
        context=about(CATALOG.describe()),
        observed=True,
    )


def cpu_limit(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    cores = round(0.2 / strength, 3)

    def run(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(QUIET_S)
        with limits.cpu(lab.binary, cores):
            stop.wait(600)
        happened.append(f"After {QUIET_S:.0f} s the control group of Milvus was limited to {cores} cores.")

    return Scenario(
        "runtime_contention",
        "cpu_saturation",
        f"Milvus is limited to {cores} cores; its load does not change",
        f"A CPU limit of {cores} cores",
        "60 clients search an HNSW collection of 400,000 rows x 128 dimensions with nq=20, ef=200 and a pause of 1.5 "
        f"s. After {QUIET_S:.0f} s a CPU limit of {cores} cores is put on Milvus, as that of a container.",
        (replace(STEADY, count=60, pause_s=1.5),),
        seconds=55,
        fault=run,
        accept=(("heavy_workload", "high_concurrency"),),
        begins_s=QUIET_S,
        context=about(CATALOG.describe())
        | {"hardware": {"query_nodes": 1, "cpus_per_node": cores}, "observations": {"cpu_share": 0.99}},
    )


def partitions(lab: Lab, strength: float) -> Scenario:
    datasets.ready(SHOPS)
    clients = many(80, strength)
    request = Request("shops", dim=32, params={"nprobe": 16})
    one = replace(request, partitions=("part_0007",))
    return Scenario(
        "runtime_contention",
        "too_many_collections",
        "each search visits 300 partitions of 500 rows; the same search of one partition is fast",
        "150,000 rows in 300 partitions",
        f"{clients} clients search a collection of 150,000 rows x 32 dimensions that lie in 300 partitions; 5 search one "
        "of its partitions, with a pause of 0.2 s, from the beginning.",
        (
            Clients("all partitions", clients, request, from_s=QUIET_S),
            Clients("one partition", 5, one, pause_s=0.2),
        ),
        seconds=50,
        accept=(("runtime_contention", "growing_segments"),),
        contrast=Contrast("all 300 partitions against one", request, one),
        begins_s=QUIET_S,
        context=about(
            SHOPS.describe(segments={"sealed": 600, "growing": 0, "indexed": 0, "small": 600}),
            totals={"collections": 8, "partitions": 310, "segments": 640},
        ),
    )


def _at_once(work: Any, count: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def memory_limit(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    spare, rate = many(60_000_000, 1 / strength), 10_000_000

    context: dict[str, Any] = about(
        CATALOG.describe(),
        hardware={"query_nodes": 1, "cpus_per_node": 2, "memory_gib_per_node": 2, "disk": "ssd"},
    )

    def run(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(QUIET_S)
        with limits.disk_reads(lab.binary, rate), limits.memory(spare) as given:
            context["hardware"]["memory_gib_per_node"] = given["limit_gib"]
            context["observations"] = {"memory_share": given["anonymous_share"]}
            stop.wait(600)
        happened.append(
            f"After {QUIET_S:.0f} s the memory of Milvus was limited to what it held and {spare // 1_000_000} MB more."
        )

    return Scenario(
        "runtime_contention",
        "memory_pressure",
        "a memory limit leaves Milvus no room for the files that it runs from: it reads them again and again",
        "A memory limit that is too low",
        "40 clients search an HNSW collection of 400,000 rows x 128 dimensions with nq=2 and a pause of 0.2 s.",
        (Clients("searches", 40, replace(PLAIN, nq=2), pause_s=0.2),),
        seconds=55,
        fault=run,
        accept=(("runtime_contention", "disk_saturation"),),
        begins_s=QUIET_S,
        context=context,
    )
