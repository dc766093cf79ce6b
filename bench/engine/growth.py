"""How the latency of a search grows with nq, top-k and the number of segments: `python -m bench.engine.growth`.

In process, one request at a time, half a minute. nq and top-k on one segment of 20,000 rows with HNSW (M=8), `ef` as large as
top-k; segments of 1,000 rows without an index. Milliseconds are CPU time of the process, the least of several, which other load
moves little; *x* is how much more than the line before, beside how much more was asked: no more than that is wanted.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from slowq.engine import Engine, configure
from slowq.engine.requests import Caller, Freshness, Insert, Search
from slowq.engine.rows import Rows
from slowq.engine.schema import FieldSpec
from slowq.engine.vector import Vectors

DIM = 128


def main() -> None:
    run()


def run(rows: int = 20_000, most: int = 1000, segments: tuple[int, ...] = (1, 4, 16, 64, 256)) -> None:
    """nq up to `most` and top-k up to ten times that, on one segment of `rows`; then segments of 1,000 rows."""
    config, _ = configure({"dataCoord.compaction.enableAutoCompaction": False})
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory(prefix="slowq-growth-") as folder, Engine(Path(folder), config) as engine:
        _fill(engine, "large", [rows], rng)
        queries = Vectors.of_kind("float", rng.standard_normal((most, DIM), np.float32))
        _print(
            "nq",
            [(nq, _best(engine, "large", queries.take(np.arange(nq)), 10)) for nq in (1, 10, 100, 1000) if nq <= most],
        )
        one = queries.take(np.arange(1))
        _print("top-k", [(k, _best(engine, "large", one, k)) for k in (10, 100, 1000, 10_000) if k <= 10 * most])
        times = []
        for count in segments:
            _fill(engine, f"of_{count}", [1000] * count, rng)
            times.append((count, _best(engine, f"of_{count}", one, 10)))
        _print("segments", times)


def _fill(engine: Engine, name: str, segments: list[int], rng: np.random.Generator) -> None:
    fields = (
        FieldSpec(100, "id", "INT64", primary=True),
        FieldSpec(101, "vector", "FLOAT_VECTOR", params={"dim": str(DIM)}),
    )
    made = engine.coordinator.catalog.create(
        "default", name, fields, dynamic=False, shards=1, consistency="Eventually", properties={}
    )
    params = {"index_type": "HNSW", "metric_type": "L2", "M": "8", "efConstruction": "40"}
    engine.create_index(made, "vector", "vector", params)
    engine.coordinator.loading.load(engine.coordinator.catalog.by_id(made.id), 1)
    for place, rows in enumerate(segments):
        ids = np.arange(rows) + place * rows
        vectors = Vectors.of_kind("float", rng.standard_normal((rows, DIM), np.float32))
        engine.writer.insert(
            Insert(
                "default", name, "", Rows(ids, np.zeros(rows, np.uint64), {"id": pa.array(ids)}, {"vector": vectors})
            )
        )
        engine.coordinator.upkeep.flush(engine.coordinator.catalog.by_id(made.id))
    shards = engine.coordinator.catalog.shards_of(made)
    while any(one.state != "sealed" for shard in shards for one in shard.view.segments):
        time.sleep(0.05)


def _best(engine: Engine, name: str, queries: Vectors, k: int) -> float:
    """The least CPU milliseconds of thirty searches, or of as many as two seconds allow."""
    freshness = Freshness("Eventually", uses_default=False)
    request = Search("default", name, "vector", queries, k, {"ef": max(64, k)}, freshness=freshness)
    times: list[float] = []
    while len(times) < 5 or (len(times) < 30 and sum(times) < 2000):
        began = time.process_time()
        engine.proxy.search(request, Caller())
        times.append((time.process_time() - began) * 1e3)
    return min(times)


def _print(what: str, times: list[tuple[int, float]]) -> None:
    print(f"{what:>9}       ms")
    before: tuple[int, float] | None = None
    for asked, took in times:
        more = f"   x{took / before[1]:.1f} for x{asked / before[0]:.0f}" if before else ""
        print(f"{asked:9} {took:8.2f}{more}")
        before = asked, took
    print()


if __name__ == "__main__":
    main()
