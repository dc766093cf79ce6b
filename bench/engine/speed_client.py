"""The work that bench/engine/speed.py gives each server, as a pymilvus program: JSON on stdout.

    python speed_client.py PORT ROWS SEED [SECONDS]

SECONDS bounds each figure (20 if not given). It runs in a process and a virtual environment of its own, with the pymilvus
that goes with Milvus 2.3.5, and is the same for all.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections, utility

Floats: TypeAlias = npt.NDArray[np.float32]
Asked = TypeVar("Asked")
Rng: TypeAlias = np.random.Generator

DIM, K, QUERIES, BATCH = 128, 10, 200, 5000
RECALL, EFS = 0.95, (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512)
TAGS = 10_000
FAR_S = 600


def main() -> None:
    port, rows, seed, *rest = sys.argv[1:]
    connections.connect("default", uri="http://127.0.0.1:" + port)
    json.dump(measured(int(rows), int(seed), float(rest[0]) if rest else 20.0), sys.stdout)


def measured(rows: int, seed: int, most_s: float) -> dict[str, float]:
    """All figures of the server that is connected, by name; each takes no longer than `most_s`."""
    rng = np.random.default_rng(seed)
    vectors, queries = clustered(rng, rows)
    columns = scalars(rng, rows)
    found: dict[str, float] = {}
    collection = filled(vectors, columns, found)
    found["ef"], found["recall"] = enough(collection, queries, nearest(vectors, queries))
    measure(collection, queries, params(found["ef"]), found, most_s)
    cheap = np.flatnonzero(np.array(columns["price"]) < 10)
    truth = [set(cheap[list(one)].tolist()) for one in nearest(vectors[cheap], queries)]
    measure_filters(collection, queries, truth, found, filters(rng), most_s)
    return found


def clustered(rng: Rng, rows: int) -> tuple[Floats, Floats]:
    """Rows in 2,000 clusters of 16 inner dimensions, and queries from the same."""
    centres = rng.standard_normal((2000, DIM)).astype(np.float32)
    basis = rng.standard_normal((16, DIM)).astype(np.float32)
    member = rng.integers(0, len(centres), rows + QUERIES)
    inner = rng.standard_normal((rows + QUERIES, 16)).astype(np.float32)
    every = centres[member] + 0.3 * inner @ basis + 0.05 * rng.standard_normal((rows + QUERIES, DIM)).astype(np.float32)
    return every[:rows], every[rows:]


def scalars(rng: Rng, rows: int) -> dict[str, list[Any]]:
    return {
        "price": (rng.random(rows) * 100).tolist(),
        "tag": rng.integers(0, TAGS, rows).tolist(),
        "meta": [{"a": {"b": int(one)}, "name": "row"} for one in rng.integers(0, 10, rows)],
    }


def filters(rng: Rng) -> dict[str, str]:
    tags = "tag in " + str(rng.choice(TAGS, 100, replace=False).tolist())
    json_path = 'meta["a"]["b"] == 3'
    return {
        "price < 10": "price < 10",
        "tag in [100]": tags,
        "JSON path": json_path,
        "all three": " and ".join((tags, "price < 10", json_path)),
    }


def filled(vectors: Floats, columns: Mapping[str, list[Any]], found: dict[str, float]) -> Any:
    """The collection, written, flushed, indexed and loaded; how long that took goes into `found`."""
    schema = CollectionSchema(
        [
            FieldSchema("id", DataType.INT64, is_primary=True),
            FieldSchema("price", DataType.DOUBLE),
            FieldSchema("tag", DataType.INT64),
            FieldSchema("meta", DataType.JSON),
            FieldSchema("vector", DataType.FLOAT_VECTOR, dim=DIM),
        ]
    )
    collection = Collection("speed", schema, shards_num=1)
    began = time.perf_counter()
    for start in range(0, len(vectors), BATCH):
        part = slice(start, start + BATCH)
        ids = list(range(start, min(start + BATCH, len(vectors))))
        collection.insert([ids, *(columns[name][part] for name in ("price", "tag", "meta")), list(vectors[part])])
    found["insert rows/s"] = len(vectors) / (time.perf_counter() - began)
    found["flush s"] = timed(collection.flush)
    index = {"index_type": "HNSW", "metric_type": "L2", "params": {"M": 16, "efConstruction": 200}}
    found["index build s"] = timed(lambda: built(collection, index, len(vectors)))
    found["load s"] = timed(collection.load)
    return collection


def built(collection: Any, index: Mapping[str, Any], rows: int) -> None:
    """Until the server says that it indexed all rows; milvus-lite says so before it has, see `settled`."""
    collection.create_index("vector", index, timeout=FAR_S)
    deadline = time.monotonic() + FAR_S
    while time.monotonic() < deadline:
        progress = utility.index_building_progress("speed")
        if progress["indexed_rows"] >= rows:
            return
        time.sleep(0.1)


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def nearest(vectors: Floats, queries: Floats) -> list[set[int]]:
    lengths = (vectors**2).sum(axis=1)
    return [set(np.argpartition(lengths - 2 * vectors @ one, K)[:K].tolist()) for one in queries]


def params(ef: float) -> dict[str, Any]:
    return {"metric_type": "L2", "params": {"ef": int(ef)}}


def search(collection: Any, queries: Sequence[Floats] | Floats, wanted: Mapping[str, Any], text: str = "") -> Any:
    return collection.search(
        queries, "vector", wanted, K, expr=text or None, consistency_level="Eventually", timeout=FAR_S
    )


def query(collection: Any, text: str, _: object) -> Any:
    return collection.query(
        text, output_fields=["id", "price"], limit=1000, consistency_level="Eventually", timeout=FAR_S
    )


def enough(collection: Any, queries: Floats, truth: Sequence[set[int]], text: str = "") -> tuple[int, float]:
    """The least ef of the list with enough recall@10, and that recall."""
    for ef in EFS:
        found = recall(collection, queries, params(ef), truth, text)
        if found >= RECALL:
            break
    return ef, found


def recall(
    collection: Any, queries: Floats, wanted: Mapping[str, Any], truth: Sequence[set[int]], text: str = ""
) -> float:
    hits = search(collection, queries, wanted, text)
    return statistics.fmean(len(set(one.ids) & true) / K for one, true in zip(hits, truth, strict=True))


def measure(
    collection: Any, queries: Floats, wanted: Mapping[str, Any], found: dict[str, float], most_s: float
) -> None:
    single = [[one] for one in queries]
    settled(collection, single, wanted)
    times = latencies(lambda one: search(collection, one, wanted), single, 500, most_s)
    found["nq=1 p50 ms"], found["nq=1 p99 ms"] = float(np.median(times)), float(np.quantile(times, 0.99))
    found["QPS, 1 client"] = qps(collection, single, wanted, 1, most_s / 5)
    found["QPS, 8 clients"] = qps(collection, single, wanted, 8, most_s / 5)
    thousand = np.tile(queries, (1000 // len(queries) + 1, 1))[:1000]
    found["nq=1000 ms"] = median(lambda one: search(collection, one, wanted), [thousand], 5, most_s)


def measure_filters(
    collection: Any,
    queries: Floats,
    truth: Sequence[set[int]],
    found: dict[str, float],
    texts: Mapping[str, str],
    most_s: float,
) -> None:
    """With the least ef that has enough recall behind `price < 10`, whose true hits are given; and behind that with the ef that
    has it without a filter. The JSON path leaves as many rows, the other two so few that no graph is walked."""
    single = [[one] for one in queries]

    def filtered_ms(ef: float, text: str) -> float:
        return median(partial(search, collection, wanted=params(ef), text=text), single, 60, most_s / 2)

    found["ef, price < 10"], found["recall, price < 10"] = enough(collection, queries, truth, "price < 10")
    for name, text in texts.items():
        found[name + " ms"] = filtered_ms(found["ef, price < 10"], text)
    found["recall, first ef"] = recall(collection, queries, params(found["ef"]), truth, "price < 10")
    found["price < 10, first ef ms"] = filtered_ms(found["ef"], "price < 10")
    for name in ("price < 10", "tag in [100]"):
        found["query " + name + " ms"] = median(partial(query, collection, texts[name]), single, 40, most_s / 2)


def settled(collection: Any, single: Sequence[list[Floats]], wanted: Mapping[str, Any]) -> None:
    """Until twenty searches take as long as the twenty before: an index may still be on its way in."""
    before = float("inf")
    for _ in range(60):
        now = median(lambda one: search(collection, one, wanted), single, 20, 5)
        if now > 0.8 * before:
            return
        before = now
        time.sleep(1)


def median(call: Callable[[Asked], object], inputs: Sequence[Asked], most: int, seconds: float) -> float:
    return float(np.median(latencies(call, inputs, most, seconds)))


def latencies(call: Callable[[Asked], object], inputs: Sequence[Asked], most: int, seconds: float) -> list[float]:
    """Milliseconds of `most` calls, or of as many as the seconds allow."""
    times: list[float] = []
    ends = time.perf_counter() + seconds
    for place in range(most):
        began = time.perf_counter()
        call(inputs[place % len(inputs)])
        times.append((time.perf_counter() - began) * 1e3)
        if time.perf_counter() > ends:
            break
    return times


def qps(
    collection: Any, single: Sequence[list[Floats]], wanted: Mapping[str, Any], clients: int, seconds: float
) -> float:
    counts = [0] * clients
    ends = time.perf_counter() + seconds

    def client(number: int) -> None:
        while time.perf_counter() < ends:
            search(collection, single[(counts[number] * 7 + number) % len(single)], wanted)
            counts[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
