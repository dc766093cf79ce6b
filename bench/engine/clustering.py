"""Clustering compaction: what segment pruning by the clustering key gains, as the table in Milvus' documentation has it.

    python -m bench.engine.clustering                  200,000 rows of 768 dimensions, some five minutes on two cores
    python -m bench.engine.clustering --rows 20000 --seconds 3

The engine runs in this process and is called without RPC. Vectors are float32, L2, and have no index; a segment holds 1/128 of
the rows. Every request searches one of 64 vectors, top 10. Its filter is a window of the key, the same for all requests of a
row as in the documented table; with `--windows 64` it is one of 64 of the same width, so that requests side by side read other
segments. `queryNode.grouping.enabled` is off, or searches without filter would be merged and those with windows not.
`--clients` threads ask, each again as soon as it has its answer, which fills the CPUs. The rows of the table take turns, one
second each, so that what else the machine does meets them alike. *gain* is the QPS over that of the searches without filter.
The hits must be those from before the compaction, and those that the same engine gives with pruning off.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from slowq.engine import Engine, configure
from slowq.engine.compaction import CLUSTERING
from slowq.engine.requests import Caller, Freshness, Insert, Search, SearchAnswer
from slowq.engine.rows import Rows
from slowq.engine.schema import FieldSpec
from slowq.engine.segment import Segment
from slowq.engine.vector import Vectors

DIM = 768
SEGMENTS = 128
KEYS = 1_000_000
PRUNED = (0.0, 0.402, 0.598, 0.795, 0.99)  # the ratios of the documented table; 0: no filter
DOCUMENTED = {0.402: 1.6, 0.598: 2.0, 0.795: 3.0, 0.99: 24.3}
QUERIES = 64
MIB = 1 << 20


@dataclass(slots=True)
class Load:
    """Latencies in milliseconds, and the share of segments that was pruned, of all requests."""

    latencies: list[float] = field(default_factory=list)
    pruned: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def qps(self) -> float:
        return len(self.latencies) / self.seconds


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="slowq-clustering-", dir=options.data) as folder:
        rng = np.random.default_rng(options.seed)
        with _engine(Path(folder), options.rows, prune=False) as engine:
            _fill(engine, options.rows, rng)
            queries = _vectors(rng, QUERIES)
            before = [_search(engine, one, "")[0] for one in _each(queries)]
            took = _compact(engine)
            segments = _segments(engine)
            print(f"{options.rows} rows in {segments} segments; clustering compaction took {took:.1f} s", flush=True)
            asked = {
                share: list(zip(_each(queries), itertools.cycle(_windows(share, segments, options.windows, rng))))
                for share in PRUNED
            }
            plain = {share: _answers(engine, one) for share, one in asked.items()}
            _require(before, plain[0.0], "compaction changed the hits")
        with _engine(Path(folder), options.rows, prune=True) as engine:
            for share in PRUNED:
                _require(plain[share], _answers(engine, asked[share]), f"pruning changed the hits at {share:.1%}")
            loads = {share: Load() for share in PRUNED}
            turns = max(1, round(options.seconds))
            for _ in range(turns):
                for share, load in loads.items():
                    _ask(engine, asked[share], options.clients, options.seconds / turns, load)
    _print(loads)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=20, help="of each row of the table")
    parser.add_argument("--clients", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--windows", type=int, default=1, help="how many filters the requests of a row have")
    parser.add_argument("--data", help="the folder for its data, about 2 GB; a temporary one if not given")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args(arguments)


@contextmanager
def _engine(folder: Path, rows: int, *, prune: bool) -> Iterator[Engine]:
    """An engine whose clustered segments have 1/128 of the rows, in whole MiB of `maxSize`."""
    bytes_each = rows * (DIM * 4 + 24) / SEGMENTS
    config, _ = configure(
        {
            "queryNode.enableSegmentPrune": prune,
            "queryNode.grouping.enabled": False,
            "dataCoord.compaction.enableAutoCompaction": False,
            "dataCoord.segment.maxSize": -(-int(bytes_each) // MIB) + 1,
            "dataCoord.compaction.clustering.preferSegmentSizeRatio": bytes_each
            / MIB
            / (-(-int(bytes_each) // MIB) + 1),
            "dataCoord.segment.sealProportion": 1.0,
            "indexCoord.segment.minSegmentNumRowsToEnableIndex": rows,  # no index
        }
    )
    with Engine(folder, config) as engine:
        if any(one.loaded for one in engine.coordinator.catalog.collections()):
            _until(lambda: _segments(engine) > 0)
        yield engine


def _fill(engine: Engine, rows: int, rng: np.random.Generator) -> None:
    fields = (
        FieldSpec(100, "id", "INT64", primary=True),
        FieldSpec(101, "key", "INT64", clustering_key=True),
        FieldSpec(102, "vector", "FLOAT_VECTOR", params={"dim": str(DIM)}),
    )
    made = engine.coordinator.catalog.create(
        "default", "docs", fields, dynamic=False, shards=1, consistency="Eventually", properties={}
    )
    engine.create_index(made, "vector", "vector", {"index_type": "FLAT", "metric_type": "L2"})
    engine.coordinator.loading.load(engine.coordinator.catalog.by_id(made.id), 1)
    for start in range(0, rows, 10_000):
        ids = np.arange(start, min(start + 10_000, rows))
        columns = {"id": pa.array(ids), "key": pa.array(rng.integers(0, KEYS, len(ids)))}
        batch = Rows(ids, np.zeros(len(ids), np.uint64), columns, {"vector": _vectors(rng, len(ids))})
        engine.writer.insert(Insert("default", "docs", "", batch))
    engine.coordinator.upkeep.flush(engine.coordinator.catalog.by_id(made.id))
    _until(lambda: all(one.state == "sealed" for one in _view(engine)))


def _vectors(rng: np.random.Generator, count: int) -> Vectors:
    return Vectors.of_kind("float", rng.standard_normal((count, DIM), np.float32))


def _compact(engine: Engine) -> float:
    began = time.perf_counter()
    number = engine.coordinator.upkeep.compact(engine.coordinator.catalog.collection("default", "docs"), CLUSTERING)
    for plan in engine.coordinator.upkeep.by_hand[number]:
        plan.result()
    return time.perf_counter() - began


def _view(engine: Engine) -> list[Segment]:
    collection = engine.coordinator.catalog.collection("default", "docs")
    return [one for shard in engine.coordinator.catalog.shards_of(collection) for one in shard.view.segments]


def _segments(engine: Engine) -> int:
    return len(_view(engine))


def _until(true: Callable[[], bool], most_s: float = 300) -> None:
    deadline = time.monotonic() + most_s
    while not true():
        if time.monotonic() > deadline:
            sys.exit("the engine did not become ready")
        time.sleep(0.05)


def _windows(share: float, segments: int, count: int, rng: np.random.Generator) -> list[str]:
    """Windows of the key that lie across (1 - share) of the segments; one that begins anywhere touches one more."""
    if not share:
        return [""]
    width = max(1.0, (1 - share) * segments - 1) / segments if (1 - share) * segments >= 2 else 0.3 / segments
    starts = rng.uniform(0, 1 - width, count)
    return [f"key >= {int(one * KEYS)} and key < {int((one + width) * KEYS)}" for one in starts]


def _each(queries: Vectors) -> list[Vectors]:
    return [queries.take(np.array([place])) for place in range(queries.rows)]


def _search(engine: Engine, query: Vectors, text: str) -> tuple[SearchAnswer, float]:
    """The hits, and the share of segments that was pruned."""
    request = Search(
        "default", "docs", "vector", query, 10, filter=text, freshness=Freshness("Eventually", uses_default=False)
    )
    answer, trace = engine.proxy.search(request, Caller())
    pruned = trace.counts["segments_pruned"]
    return answer, pruned / (pruned + trace.counts["segments"])


def _answers(engine: Engine, asked: Sequence[tuple[Vectors, str]]) -> list[SearchAnswer]:
    return [_search(engine, query, text)[0] for query, text in asked]


def _ask(engine: Engine, asked: Sequence[tuple[Vectors, str]], clients: int, seconds: float, load: Load) -> None:
    """So many seconds of searches; requests that have begun are waited for, and count."""
    began = time.perf_counter()

    def client(number: int) -> None:
        turn = len(load.latencies) + number * 7
        while time.perf_counter() - began < seconds:
            query, text = asked[turn % len(asked)]
            turn += 1
            asked_s = time.perf_counter()
            share = _search(engine, query, text)[1]
            load.latencies.append((time.perf_counter() - asked_s) * 1e3)
            load.pruned.append(share)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.seconds += time.perf_counter() - began


def _require(one: Sequence[SearchAnswer], other: Sequence[SearchAnswer], what: str) -> None:
    for place, (left, right) in enumerate(zip(one, other, strict=True)):
        if left.keys.tolist() != right.keys.tolist() or not np.allclose(left.scores, right.scores, rtol=1e-6):
            sys.exit(f"{what}: query {place}")


def _print(loads: dict[float, Load]) -> None:
    base = loads[0.0].qps
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs, hits equal with and without pruning\n")
    print("pruned  mean ms   min ms   max ms  median ms  TP99 ms      QPS   gain  documented")
    for share, load in loads.items():
        times = np.sort(load.latencies)
        documented = f"x{DOCUMENTED[share]}" if share else ""
        print(
            f"{np.mean(load.pruned):6.1%} {times.mean():8.2f} {times[0]:8.2f} {times[-1]:8.2f} {np.median(times):10.2f} "
            f"{np.quantile(times, 0.99):8.2f} {load.qps:8.2f} {f'x{load.qps / base:.1f}':>6} {documented:>11}"
        )


if __name__ == "__main__":
    sys.exit(main())
