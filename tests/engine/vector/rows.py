"""Rows, queries and one case of each index kind for the tests of the vector indexes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from slowq.engine.vector import Hits, VectorIndex, Vectors, build

ROWS = 3000
DIM = 32


@dataclass(frozen=True, slots=True)
class Case:
    """An index kind with parameters under which it finds at least `floor` of the ten nearest rows."""

    kind: str
    metric: str
    floor: float
    build: Mapping[str, object] = field(default_factory=dict)
    search: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join((self.kind, self.metric, *(f"{name}{value}" for name, value in self.build.items())))

    def made(self) -> VectorIndex:
        return _built(self.kind, self.metric, tuple(self.build.items()))


_GRAPH = {"M": 12, "efConstruction": 60}
_DENSE = [
    ("FLAT", 1.0, {}, {}),
    ("IVF_FLAT", 0.95, {"nlist": 32}, {"nprobe": 8}),
    ("IVF_SQ8", 0.9, {"nlist": 32}, {"nprobe": 8}),
    ("IVF_PQ", 0.5, {"nlist": 32, "m": 16, "nbits": 5}, {"nprobe": 8}),
    ("SCANN", 0.9, {"nlist": 32}, {"nprobe": 8, "reorder_k": 60}),
    ("HNSW", 0.95, _GRAPH, {"ef": 48}),
    ("HNSW_SQ", 0.9, _GRAPH, {"ef": 48}),
    ("DISKANN", 0.95, {"max_degree": 24, "search_list_size": 60}, {"search_list": 40}),
    ("AUTOINDEX", 0.95, {}, {}),
]
_REFINED = [
    Case("HNSW_PQ", "COSINE", 0.9, _GRAPH | {"m": 8, "nbits": 6, "refine": True}, {"ef": 64, "refine_k": 6}),
    Case(
        "IVF_PQ",
        "L2",
        0.9,
        {"nlist": 32, "m": 8, "nbits": 6, "refine": True, "refine_type": "SQ8"},
        {"nprobe": 8, "refine_k": 8},
    ),
    Case("DISKANN", "L2", 0.9, {"max_degree": 24, "pq_code_budget_gb_ratio": 0.0625}, {"search_list": 60}),
    Case("SCANN", "L2", 0.5, {"nlist": 32, "with_raw_data": False}, {"nprobe": 8}),
]
DENSE = [
    Case(kind, metric, floor, made, search) for kind, floor, made, search in _DENSE for metric in ("L2", "IP", "COSINE")
] + _REFINED
BINARY = [
    Case(kind, metric, floor, made, search)
    for kind, floor, made, search in (("BIN_FLAT", 1.0, {}, {}), ("BIN_IVF_FLAT", 0.9, {"nlist": 16}, {"nprobe": 6}))
    for metric in ("HAMMING", "JACCARD")
]
MINHASH = Case(
    "MINHASH_LSH",
    "MHJACCARD",
    0.95,
    {"mh_lsh_band": 16, "mh_element_bit_width": 32, "with_raw_data": True},
    {"mh_search_with_jaccard": True, "refine_k": 200},
)
SPARSE = [Case("SPARSE_INVERTED_INDEX", "IP", 1.0), Case("SPARSE_INVERTED_INDEX", "BM25", 1.0)]
CASES = [*DENSE, *BINARY, MINHASH, *SPARSE]


def vectors_of(case: Case) -> Vectors:
    if case in SPARSE:
        return sparse()
    if case is MINHASH:
        return signatures()
    return bits() if case in BINARY else floats()


def queries_of(case: Case, count: int = 20) -> Vectors:
    """Rows of the same kind that are near to some of the index' own."""
    if case in DENSE:
        return Vectors.dense(floats().floats(0, count) + 0.05)
    return vectors_of(case).take(range(count))


@cache
def _built(kind: str, metric: str, params: tuple[tuple[str, object], ...]) -> VectorIndex:
    case = next(case for case in CASES if (case.kind, case.metric, tuple(case.build.items())) == (kind, metric, params))
    return build(kind, metric, case.build, vectors_of(case))


@cache
def floats() -> Vectors:
    """Clustered, as embeddings are."""
    draw = np.random.default_rng(1)
    centers = draw.standard_normal((60, DIM))
    return Vectors.of_kind("float", centers[draw.integers(0, 60, ROWS)] + 0.4 * draw.standard_normal((ROWS, DIM)))


@cache
def bits() -> Vectors:
    draw = np.random.default_rng(2)
    centers = draw.integers(0, 2, (60, 128))
    return Vectors.of_kind(
        "binary", np.packbits(centers[draw.integers(0, 60, ROWS)] ^ (draw.random((ROWS, 128)) < 0.1), axis=1)
    )


@cache
def signatures() -> Vectors:
    """32 MinHash elements of 32 bits; rows of a family share about seven in ten."""
    draw = np.random.default_rng(3)
    rows = draw.integers(0, 2**32, (100, 32), dtype=np.uint32)[draw.integers(0, 100, ROWS)]
    other = draw.random(rows.shape) < 0.3
    rows[other] = draw.integers(0, 2**32, other.sum(), dtype=np.uint32)
    return Vectors.of_kind("binary", rows.view(np.uint8))


@cache
def sparse() -> Vectors:
    draw = np.random.default_rng(4)
    indices = np.array([np.sort(draw.choice(400, 20, replace=False)) for _ in range(ROWS)])
    values = draw.integers(1, 6, indices.size)
    return Vectors.sparse(np.arange(ROWS + 1) * 20, indices.ravel(), values)


def random_mask(share: float, rows: int = ROWS) -> np.ndarray:
    """Marks this share of the rows, at least one."""
    mask = np.zeros(rows, dtype=bool)
    mask[np.random.default_rng(5).choice(rows, max(1, round(share * rows)), replace=False)] = True
    return mask


def recall(hits: Hits, truth: Hits) -> float:
    """The share of the true rows that were found."""
    found = sum(
        len(set(got[got >= 0].tolist()) & set(true[true >= 0].tolist()))
        for got, true in zip(hits.offsets, truth.offsets, strict=True)
    )
    return found / max(1, int((truth.offsets >= 0).sum()))
