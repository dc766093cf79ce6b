"""Eight clients that read and write for minutes, and what the server's memory does meanwhile.

    python -m bench.engine.load --minutes 10

The server is a process of its own, the clients are threads of this one with pymilvus. Its resident memory is read every ten
seconds, ten times at least: what it holds itself, and apart from that the pages of mapped files, which are the kernel's to take
back. The slope is that of what it holds, over the second half, in MiB a minute.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

DIM, KEYS, CLIENTS = 64, 20_000, 8
SERVER = """
import sys, time
from slowq.cli import heap
heap.keep_small()
from slowq.engine import Engine, configure
engine = Engine(sys.argv[1], configure({"dataCoord.segment.maxSize": 32, "dataCoord.compaction.mix.triggerInterval": 10})[0])
server = engine.serve()
print(server.port, flush=True)
sys.stdin.read()
print(engine.failures, flush=True)
"""


def client(port: int, number: int, end: float, counts: Counter[str], errors: list[str]) -> None:
    from pymilvus import MilvusClient

    dice = random.Random(number)
    vectors = np.random.default_rng(number).random((512, DIM), dtype=np.float32)
    caller = MilvusClient(uri=f"http://127.0.0.1:{port}")
    while time.monotonic() < end:
        kind = dice.choices(["search", "query", "upsert", "delete", "flush"], [60, 15, 15, 9, 0.2])[0]
        try:
            act(caller, kind, dice, vectors)
        except Exception as error:  # noqa: BLE001 - an error is what this run looks for
            errors.append(f"{kind}: {error}")
        counts[kind] += 1
    caller.close()


def act(caller: Any, kind: str, dice: random.Random, vectors: Any) -> None:
    keys = [dice.randrange(KEYS) for _ in range(20)]
    if kind == "search":
        data = vectors[dice.randrange(512) :][:1]
        caller.search("load", data, limit=10, filter=dice.choice(["", "price < 50"]), output_fields=["price"])
    elif kind == "query":
        caller.query("load", filter=f"id in {keys}", output_fields=["price"])
    elif kind == "upsert":
        rows = [{"id": key, "v": vectors[dice.randrange(512)], "price": key % 100} for key in keys]
        caller.upsert("load", rows)
    elif kind == "delete":
        caller.delete("load", ids=keys[:5])
    else:
        caller.flush("load")


def resident_mib(pid: int) -> tuple[float, float]:
    """What the process holds itself, and the pages of files that it has mapped."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    own, mapped = (int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return own, mapped


def begin(port: int) -> None:
    from pymilvus import DataType, MilvusClient

    caller = MilvusClient(uri=f"http://127.0.0.1:{port}")
    schema = caller.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("price", DataType.INT64)
    index = caller.prepare_index_params()
    index.add_index("v", index_type="HNSW", metric_type="L2", params={"M": 16, "efConstruction": 100})
    caller.create_collection("load", schema=schema, index_params=index, consistency_level="Bounded")
    vectors = np.random.default_rng(99).random((KEYS, DIM), dtype=np.float32)
    for first in range(0, KEYS, 1000):
        caller.insert(
            "load", [{"id": key, "v": vectors[key], "price": key % 100} for key in range(first, first + 1000)]
        )
    caller.flush("load")
    caller.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    minutes = parser.parse_args(arguments).minutes
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", SERVER, folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as server:
            assert server.stdin is not None  # noqa: S101 - both are pipes
            assert server.stdout is not None  # noqa: S101
            port = int(server.stdout.readline())
            begin(port)
            counts, errors, memory = run(port, server.pid, minutes)
            server.stdin.close()
            failures = server.stdout.read().strip()
    half = memory[len(memory) // 2 :]
    slope = statistics.linear_regression([at for at, *_ in half], [own for _, own, _ in half]).slope * 60
    print(f"{sum(counts.values())} calls in {minutes:g} minutes: {dict(counts)}")
    print(f"errors: {len(errors)} {errors[:3]}; failed tasks: {failures}")
    print("MiB held: " + " ".join(f"{own:.0f}" for _, own, _ in memory))
    print("MiB mapped: " + " ".join(f"{mapped:.0f}" for *_, mapped in memory))
    print(f"slope of the second half: {slope:+.1f} MiB a minute")
    return 1 if errors or failures != "[]" else 0


def run(port: int, pid: int, minutes: float) -> tuple[Counter[str], list[str], list[tuple[float, float, float]]]:
    counts: Counter[str] = Counter()
    errors: list[str] = []
    began = time.monotonic()
    end = began + minutes * 60
    threads = [threading.Thread(target=client, args=(port, number, end, counts, errors)) for number in range(CLIENTS)]
    for one in threads:
        one.start()
    memory = []
    while time.monotonic() < end:
        time.sleep(min(10.0, minutes * 60 / 10))
        memory.append((time.monotonic() - began, *resident_mib(pid)))
    for one in threads:
        one.join()
    return counts, errors, memory


if __name__ == "__main__":
    sys.exit(main())
