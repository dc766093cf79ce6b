"""What each vector index costs and finds, in one run: build seconds, milliseconds a query, recall@10.

    python -m bench.engine.indexes                 100,000 rows of 128 dimensions, some ten minutes on one core
    python -m bench.engine.indexes --rows 20000 --only HNSW --only DISKANN

The rows are clustered and of a low inner dimension, as embeddings are; queries are new draws from the same clusters. One thread,
one query at a time. *masked* is the same search where a filter left a tenth of the rows; *cold* the first query of the mapped
index after its pages were dropped. Truth is a comparison with every row by `brute_force`.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slowq.engine.vector import Hits, VectorIndex, Vectors, brute_force, build, open_index

DIM = 128
QUERIES = 200
K = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One index with its parameters; `data` names what it is built over."""

    kind: str
    metric: str
    build: Mapping[str, object]
    search: Mapping[str, object]
    data: str = "float"


GRAPH = {"M": 16, "efConstruction": 200}
TABLE = [
    Row("FLAT", "L2", {}, {}),
    Row("FLAT", "COSINE", {}, {}),
    Row("IVF_FLAT", "L2", {"nlist": 512}, {"nprobe": 32}),
    Row("IVF_SQ8", "L2", {"nlist": 512}, {"nprobe": 32}),
    Row("IVF_PQ", "L2", {"nlist": 512, "m": 32}, {"nprobe": 32}),
    Row("IVF_PQ", "L2", {"nlist": 512, "m": 32, "refine": True}, {"nprobe": 32, "refine_k": 4}),
    Row("SCANN", "L2", {"nlist": 512}, {"nprobe": 32, "reorder_k": 100}),
    Row("HNSW", "L2", GRAPH, {"ef": 96}),
    Row("HNSW", "COSINE", GRAPH, {"ef": 96}),
    Row("HNSW_SQ", "L2", GRAPH, {"ef": 96}),
    Row("HNSW_PQ", "L2", GRAPH | {"m": 32, "refine": True}, {"ef": 96, "refine_k": 4}),
    Row("DISKANN", "L2", {}, {"search_list": 100}),
    Row("AUTOINDEX", "L2", {}, {"ef": 96}),
    Row("BIN_FLAT", "HAMMING", {}, {}, "binary"),
    Row("BIN_FLAT", "JACCARD", {}, {}, "binary"),
    Row("BIN_IVF_FLAT", "HAMMING", {"nlist": 512}, {"nprobe": 32}, "binary"),
    Row(
        "MINHASH_LSH",
        "MHJACCARD",
        {"mh_lsh_band": 32, "mh_element_bit_width": 32, "with_raw_data": True},
        {"mh_search_with_jaccard": True, "refine_k": 300},
        "minhash",
    ),
    Row("SPARSE_INVERTED_INDEX", "IP", {}, {}, "sparse"),
    Row("SPARSE_INVERTED_INDEX", "BM25", {}, {}, "sparse"),
]


def float_rows(draw: np.random.Generator, rows: int) -> Vectors:
    """2,000 clusters in 16 dimensions, turned into 128."""
    centers = draw.standard_normal((2000, 16))
    inner = centers[draw.integers(0, 2000, rows)] + 0.35 * draw.standard_normal((rows, 16))
    turn = np.linalg.qr(draw.standard_normal((DIM, 16)))[0].T
    return Vectors.of_kind("float", inner @ turn + 0.02 * draw.standard_normal((rows, DIM)))


def binary_rows(draw: np.random.Generator, rows: int) -> Vectors:
    centers = draw.integers(0, 256, (2000, 32), dtype=np.uint8)[draw.integers(0, 2000, rows)]
    return Vectors.of_kind("binary", centers ^ np.packbits(draw.random((rows, 256)) < 0.08, axis=1))


def minhash_rows(draw: np.random.Generator, rows: int) -> Vectors:
    """64 elements of 32 bits; rows of a family of 50 share seven in ten."""
    families = rows // 50
    elements = draw.integers(0, 2**32, (families, 64), dtype=np.uint32)[draw.integers(0, families, rows)]
    other = draw.random(elements.shape) < 0.16
    elements[other] = draw.integers(0, 2**32, int(other.sum()), dtype=np.uint32)
    return Vectors.of_kind("binary", elements.view(np.uint8))


def sparse_rows(draw: np.random.Generator, rows: int) -> Vectors:
    """40 of 20,000 terms a row, common ones more often."""
    terms = np.minimum(draw.zipf(1.3, (rows, 40)), 20000).astype(np.uint32)
    parts = [np.unique(row, return_counts=True) for row in terms]
    ends = np.concatenate(([0], np.cumsum([len(names) for names, _ in parts])))
    return Vectors.sparse(ends, np.concatenate([n for n, _ in parts]), np.concatenate([c for _, c in parts]))


MAKERS = {"float": float_rows, "binary": binary_rows, "minhash": minhash_rows, "sparse": sparse_rows}


def recall(hits: Hits, truth: Hits, large: bool) -> float:
    """The share of hits that are as near as the furthest true one, so that equal distances count."""
    sign = -1 if large else 1
    limit = np.where(truth.offsets >= 0, sign * truth.scores, -np.inf).max(axis=1, keepdims=True)
    near = (hits.offsets >= 0) & (sign * hits.scores <= limit + 1e-4 * np.abs(limit))
    return float(near.sum() / max(1, (truth.offsets >= 0).sum()))


def times(index: VectorIndex, row: Row, queries: Vectors, mask: np.ndarray | None) -> tuple[list[float], Hits, int]:
    """Milliseconds of each query, the hits, and the bytes that were read."""
    took, offsets, scores, read = [], [], [], 0
    for number in range(queries.rows):
        query = queries.take([number])
        start = time.perf_counter()
        hits, work = index.search(query, K, row.search, mask)
        took.append(1e3 * (time.perf_counter() - start))
        offsets.append(hits.offsets)
        scores.append(hits.scores)
        read += work.bytes_read
    return took, Hits(np.vstack(offsets), np.vstack(scores)), read


def measured(row: Row, vectors: Vectors, queries: Vectors, folder: Path) -> str:
    start = time.perf_counter()
    made = build(row.kind, row.metric, row.build, vectors)
    build_s = time.perf_counter() - start
    made.save(folder / "index")
    index, mapped = open_index(folder / "index"), open_index(folder / "index", mmap=True)
    mask = np.random.default_rng(3).random(vectors.rows) < 0.1
    large = row.metric in ("IP", "COSINE", "BM25", "MHJACCARD")
    cells = []
    for chosen in (None, mask):
        truth, _ = brute_force(row.metric, vectors, queries, K, chosen, row.build)
        took, hits, read = times(index, row, queries, chosen)
        cells += [f"{statistics.median(took):.3f}", f"{recall(hits, truth, large):.3f}"]
        if chosen is None:
            cells.append(f"{read / queries.rows / 1024:.0f}")
    mapped.cool()
    cold, _, _ = times(mapped, row, queries.take([0]), None)
    shown = " ".join(f"{name}={value}" for name, value in {**row.build, **row.search}.items())
    size = f"{made.size_bytes / 2**20:.0f}"
    return (
        "| "
        + " | ".join((f"{row.kind} {row.metric} {shown}".strip(), f"{build_s:.1f}", size, *cells, f"{cold[0]:.1f}"))
        + " |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--only", action="append", help="an index kind; may be given more than once")
    parser.add_argument("--dir", type=Path, help="where the index files go (default: a temporary folder)")
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(dir=options.dir))
    data: dict[str, tuple[Vectors, Vectors]] = {}
    print(f"{options.rows:,} rows of {DIM} dimensions, k={K}, one thread, one query at a time, median of {QUERIES}\n")
    print("| index | build s | MiB | ms | recall | KiB read | ms masked 10 % | recall masked | ms cold |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    try:
        for row in TABLE:
            if options.only and row.kind not in options.only:
                continue
            if row.data not in data:
                everything = MAKERS[row.data](np.random.default_rng(1), options.rows + QUERIES)
                rows = everything.take(range(options.rows))
                data[row.data] = rows, everything.take(range(options.rows, options.rows + QUERIES))
            print(measured(row, *data[row.data], folder), flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
