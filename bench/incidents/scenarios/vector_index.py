"""wrong_index: the vector index, its parameters, or where it lies is the cause."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from bench.incidents import datasets, limits
from bench.incidents.datasets import CATALOG, EVENTS, FINGERPRINTS, GALLERY, PRINTS
from bench.incidents.lab import Lab
from bench.incidents.load import Clients, Request
from bench.incidents.scenarios.scenario import PLAIN, QUIET_S, Contrast, Scenario, about, many


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


def flat(lab: Lab, strength: float) -> Scenario:
    datasets.ready(GALLERY)
    datasets.ready(CATALOG)
    clients = many(120, strength)
    request = Request("gallery", dim=64, metric="IP", params={}, nq=2)
    other = replace(PLAIN, nq=2)
    return Scenario(
        "wrong_index",
        "brute_force",
        f"{clients} clients search 700,000 vectors in a FLAT index; an HNSW collection beside it is cheap",
        "FLAT on 700,000 vectors",
        f"{clients} clients search a collection of 700,000 rows x 64 dimensions whose index is FLAT, with nq=2; 6 search "
        "one of 400,000 rows x 128 dimensions (HNSW) with nq=2 and a pause of 0.2 s, from the beginning.",
        (
            Clients("FLAT", clients, request, from_s=QUIET_S),
            Clients("HNSW", 6, other, pause_s=0.2),
        ),
        seconds=50,
        contrast=Contrast("the FLAT collection against the HNSW one", request, other),
        begins_s=QUIET_S,
        context=about(GALLERY.describe(), CATALOG.describe()),
    )


def ef(lab: Lab, strength: float) -> Scenario:
    datasets.ready(CATALOG)
    wide, clients = many(10_000, strength), 120
    request = replace(PLAIN, params={"ef": wide})
    return Scenario(
        "wrong_index",
        "search_params",
        f"{clients} clients search HNSW with ef={wide} for top_k=10; ef=64 is fast",
        f"ef={wide} for top_k=10",
        f"{clients} clients search an HNSW collection of 400,000 rows x 128 dimensions with ef={wide} for top_k=10; 6 "
        "search with ef=64, with a pause of 0.2 s, from the beginning.",
        (
            Clients(f"ef={wide}", clients, request, from_s=QUIET_S),
            Clients("ef=64", 6, PLAIN, pause_s=0.2),
        ),
        seconds=50,
        contrast=Contrast(f"ef={wide} against ef=64", request, PLAIN),
        begins_s=QUIET_S,
        context=about(CATALOG.describe()),
    )


def nprobe(lab: Lab, strength: float) -> Scenario:
    datasets.ready(EVENTS)
    clients, plain = many(60, strength), Request("events", dim=16, params={"nprobe": 8}, nq=10)
    request = replace(plain, params={"nprobe": 900})
    return Scenario(
        "wrong_index",
        "search_params",
        f"{clients} clients search IVF_FLAT with nprobe=900 of 1,024; nprobe=8 is fast",
        "nprobe=900 of 1,024",
        f"{clients} clients search an IVF_FLAT collection of 4,000,000 rows x 16 dimensions with nq=10 and nprobe=900; 6 "
        "search with nprobe=8, with a pause of 0.2 s, and 3 with a filter on price.",
        (
            Clients("nprobe=900", clients, request),
            Clients("nprobe=8", 6, plain, pause_s=0.2),
            Clients("nprobe=8, filter", 3, replace(plain, expr="price < 60.5"), pause_s=0.4),
        ),
        seconds=42,
        accept=(("wrong_index", "brute_force"),),
        contrast=Contrast("nprobe=900 against nprobe=8", request, plain),
        context=about(EVENTS.describe()),
    )


def binary_flat(lab: Lab, strength: float) -> Scenario:
    datasets.ready(FINGERPRINTS)
    datasets.ready(CATALOG)
    clients = many(120, strength)
    request = Request("fingerprints", dim=512, metric="JACCARD", params={}, nq=4)
    return Scenario(
        "wrong_index",
        "binary_vector_index",
        f"{clients} clients search 2 million binary vectors in BIN_FLAT with JACCARD",
        "BIN_FLAT under load",
        f"{clients} clients search 2,000,000 binary vectors of 512 bits in a BIN_FLAT index with JACCARD, nq=4; 5 search "
        "an HNSW collection with a pause of 0.2 s, from the beginning.",
        (
            Clients("binary", clients, request, from_s=QUIET_S),
            Clients("HNSW", 5, PLAIN, pause_s=0.2),
        ),
        seconds=50,
        accept=(("wrong_index", "brute_force"),),
        contrast=Contrast("the BIN_FLAT collection against the HNSW one", request, replace(PLAIN, nq=4)),
        begins_s=QUIET_S,
        context=about(FINGERPRINTS.describe(), CATALOG.describe()),
    )


def binary_ivf(lab: Lab, strength: float) -> Scenario:
    datasets.ready(PRINTS)
    clients = many(150, strength)
    plain = Request("prints", dim=256, metric="HAMMING", params={"nprobe": 8}, nq=10)
    request = replace(plain, params={"nprobe": 512})
    return Scenario(
        "wrong_index",
        "binary_vector_index",
        f"{clients} clients search BIN_IVF_FLAT with nprobe=512 of 512, which is a scan of all binary vectors",
        "BIN_IVF_FLAT that probes all its lists",
        f"{clients} clients search 1,500,000 binary vectors of 256 bits (BIN_IVF_FLAT, nlist=512, HAMMING) with nq=10 "
        "and nprobe=512; 4 search with nprobe=8, with a pause.",
        (
            Clients("nprobe=512", clients, request),
            Clients("nprobe=8", 4, plain, pause_s=0.3),
        ),
        seconds=42,
        accept=(("wrong_index", "search_params"), ("wrong_index", "brute_force")),
        contrast=Contrast("nprobe=512 against nprobe=8", request, plain),
        context=about(PRINTS.describe()),
    )


def mapped(lab: Lab, strength: float) -> Scenario:
    """Wants `--config queryNode.mmapDirPath=…`, a folder on a disk that control groups can limit."""
    lab.wants("queryNode.mmapDirPath")
    datasets.ready(EVENTS)
    rate, spare = 6_000_000, many(150_000_000, 1 / strength)
    request = Request("events", dim=16, params={"nprobe": 24})

    context: dict[str, Any] = about(
        _mapped(EVENTS),
        config={"queryNode.mmapDirPath": "/var/lib/milvus/mmap"},
        hardware={"query_nodes": 1, "cpus_per_node": 2, "memory_gib_per_node": 1, "disk": "network"},
    )

    def run(stop: threading.Event, happened: list[str]) -> None:
        stop.wait(QUIET_S)
        with limits.disk_reads(lab.binary, rate), limits.memory(spare) as given:
            context["hardware"]["memory_gib_per_node"] = given["limit_gib"]
            context["observations"] = {"memory_share": given["anonymous_share"]}
            stop.wait(600)
        happened.append(
            f"After {QUIET_S:.0f} s Milvus was left {spare // 1_000_000} MB for what it maps from files, and its reads "
            f"were limited to {rate // 1_000_000} MB a second."
        )

    return Scenario(
        "wrong_index",
        "disk_bound_index",
        "the index is mapped from a slow disk and no longer fits into memory: searches wait for reads, the CPU is idle",
        "A mapped index on a slow disk",
        "25 clients search an IVF_FLAT collection of 4,000,000 rows x 16 dimensions with nprobe=24 and a pause of 0.2 s. "
        "Its data is mapped from disk (queryNode.mmapDirPath).",
        (Clients("searches", 25, request, pause_s=0.2),),
        seconds=60,
        fault=run,
        accept=(
            ("wrong_index", "cold_cache"),
            ("runtime_contention", "disk_saturation"),
            ("runtime_contention", "memory_pressure"),
        ),
        begins_s=QUIET_S,
        context=context,
    )


def cold(lab: Lab, strength: float) -> Scenario:
    """Wants `--config queryNode.mmapDirPath=…`, a folder on a disk that control groups can limit."""
    lab.wants("queryNode.mmapDirPath")
    datasets.ready(EVENTS)
    rate = many(12_000_000, 1 / strength)
    request = Request("events", dim=16, params={"nprobe": 24})

    def run(stop: threading.Event, happened: list[str]) -> None:
        collection = datasets.create(EVENTS)
        stop.wait(QUIET_S)
        collection.release()
        collection.load()
        with limits.disk_reads(lab.binary, rate):
            limits.forget()
            stop.wait(600)
        happened.append(
            f"After {QUIET_S:.0f} s the collection was released and loaded again; nothing of it was in memory then, and "
            f"the disk gave {rate // 1_000_000} MB a second."
        )

    return Scenario(
        "wrong_index",
        "cold_cache",
        "a collection is loaded again; the first searches page its mapped index in from a slow disk, later ones are fast",
        "The first searches after a load",
        "25 clients search an IVF_FLAT collection of 4,000,000 rows x 16 dimensions with nprobe=24 and a pause of 0.2 s. "
        "Its data is mapped from disk (queryNode.mmapDirPath).",
        (Clients("searches", 25, request, pause_s=0.2),),
        seconds=80,
        fault=run,
        accept=(("wrong_index", "disk_bound_index"), ("runtime_contention", "segment_load")),
        begins_s=QUIET_S,
        context=about(
            _mapped(EVENTS),
            config={"queryNode.mmapDirPath": "/var/lib/milvus/mmap"},
            hardware={"query_nodes": 1, "cpus_per_node": 2, "memory_gib_per_node": 24, "disk": "network"},
            pattern={"only_first_searches": True, "only_after": "load"},
        ),
    )


def _mapped(spec: datasets.Spec) -> dict[str, Any]:
    described: dict[str, Any] = spec.describe()
    for one in described["fields"]:
        if one["name"] == "vec":
            one["index"] = {**one["index"], "mmap": True}
    return described
