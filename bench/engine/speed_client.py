"""The work that bench/engine/speed.py gives each server, as a pymilvus program: `speed_client.py PORT ROWS SEED`; JSON on stdout.

It runs in a process and a virtual environment of its own, with the pymilvus that goes with Milvus 2.3.5, and is the same for all.
"""

import json
import statistics
import sys
import threading
import time

import numpy as np
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections

DIM, K, QUERIES, BATCH = 128, 10, 200, 5000
RECALL, EFS = 0.95, (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512)
TAGS = 10_000
FAR_S = 600


def main():
    port, rows, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = np.random.default_rng(seed)
    vectors, queries = clustered(rng, rows)
    columns = scalars(rng, rows)
    connections.connect("default", uri="http://127.0.0.1:" + port)
    found = {}
    collection = filled(vectors, columns, found)
    truth = nearest(vectors, queries)
    found["ef"], found["recall"] = enough(collection, queries, truth)
    wanted = params(found["ef"])
    measure(collection, queries, wanted, found, filters(rng))
    json.dump(found, sys.stdout)


def clustered(rng, rows):
    """Rows in 2,000 clusters of 16 inner dimensions, and queries from the same."""
    centres = rng.standard_normal((2000, DIM)).astype(np.float32)
    basis = rng.standard_normal((16, DIM)).astype(np.float32)
    member = rng.integers(0, len(centres), rows + QUERIES)
    inner = rng.standard_normal((rows + QUERIES, 16)).astype(np.float32)
    every = centres[member] + 0.3 * inner @ basis + 0.05 * rng.standard_normal((rows + QUERIES, DIM)).astype(np.float32)
    return every[:rows], every[rows:]


def scalars(rng, rows):
    return {
        "price": (rng.random(rows) * 100).tolist(),
        "tag": rng.integers(0, TAGS, rows).tolist(),
        "meta": [{"a": {"b": int(one)}, "name": "row"} for one in rng.integers(0, 10, rows)],
    }


def filters(rng):
    tags = "tag in " + str(rng.choice(TAGS, 100, replace=False).tolist())
    json_path = 'meta["a"]["b"] == 3'
    return {
        "price < 10": "price < 10",
        "tag in [100]": tags,
        "JSON path": json_path,
        "all three": " and ".join((tags, "price < 10", json_path)),
    }


def filled(vectors, columns, found):
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


def built(collection, index, rows):
    """Until the server says that it indexed all rows; milvus-lite says so before it has, see `settled`."""
    from pymilvus import utility

    collection.create_index("vector", index, timeout=FAR_S)
    deadline = time.monotonic() + FAR_S
    while time.monotonic() < deadline:
        progress = utility.index_building_progress("speed")
        if progress["indexed_rows"] >= rows:
            return
        time.sleep(0.1)


def timed(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def nearest(vectors, queries):
    lengths = (vectors**2).sum(axis=1)
    return [set(np.argpartition(lengths - 2 * vectors @ one, K)[:K].tolist()) for one in queries]


def params(ef):
    return {"metric_type": "L2", "params": {"ef": ef}}


def search(collection, queries, wanted, text=None, names=None):
    return collection.search(
        queries, "vector", wanted, K, expr=text, output_fields=names, consistency_level="Eventually", timeout=FAR_S
    )


def enough(collection, queries, truth):
    """The least ef of the list with enough recall@10, and that recall."""
    for ef in EFS:
        hits = search(collection, queries, params(ef))
        recall = statistics.fmean(len(set(one.ids) & true) / K for one, true in zip(hits, truth, strict=True))
        if recall >= RECALL:
            break
    return ef, recall


def measure(collection, queries, wanted, found, texts):
    single = [[one] for one in queries]
    settled(collection, single, wanted)
    times = latencies(lambda one: search(collection, one, wanted), single, 500, 20)
    found["nq=1 p50 ms"], found["nq=1 p99 ms"] = np.median(times), np.quantile(times, 0.99)
    found["QPS, 1 client"] = qps(collection, single, wanted, 1)
    found["QPS, 8 clients"] = qps(collection, single, wanted, 8)
    thousand = np.tile(queries, (1000 // len(queries) + 1, 1))[:1000]
    found["nq=1000 ms"] = np.median(latencies(lambda one: search(collection, one, wanted), [thousand], 5, 20))
    for name, text in texts.items():
        found[name + " ms"] = np.median(
            latencies(lambda one, text=text: search(collection, one, wanted, text), single, 60, 10)
        )
    for name in ("price < 10", "tag in [100]"):
        asked = texts[name]
        found["query " + name + " ms"] = np.median(
            latencies(
                lambda one, asked=asked: collection.query(
                    asked, output_fields=["id", "price"], limit=1000, consistency_level="Eventually", timeout=FAR_S
                ),
                single,
                40,
                10,
            )
        )


def settled(collection, single, wanted):
    """Until twenty searches take as long as the twenty before: an index may still be on its way in."""
    before = float("inf")
    for _ in range(60):
        now = np.median(latencies(lambda one: search(collection, one, wanted), single, 20, 5))
        if now > 0.8 * before:
            return
        before = now
        time.sleep(1)


def latencies(call, inputs, most, seconds):
    """Milliseconds of `most` calls, or of as many as the seconds allow."""
    times, ends = [], time.perf_counter() + seconds
    for place in range(most):
        began = time.perf_counter()
        call(inputs[place % len(inputs)])
        times.append((time.perf_counter() - began) * 1e3)
        if time.perf_counter() > ends:
            break
    return times


def qps(collection, single, wanted, clients, seconds=4.0):
    counts = [0] * clients
    ends = time.perf_counter() + seconds

    def client(number):
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
