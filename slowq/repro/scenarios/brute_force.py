"""No vector index: every search computes the distance to every row."""

from slowq.repro.scenario import Remedy, Scenario, Setup

_IVF = {"index": "IVF_FLAT", "index_params": {"nlist": 256}, "params": {"nprobe": 4}}

SCENARIO = Scenario(
    "brute_force",
    "brute_force",
    "a FLAT index over 100,000 rows, searched with 8 vectors at a time",
    Setup(rows=100_000, dim=128, columns=(), nq=8, clients=6, index_params={"nlist": 256}, params={"nprobe": 4}),
    {"index": "FLAT", "index_params": {}, "params": {}},
    (
        Remedy("ivf", "IVF_FLAT", _IVF),
        Remedy("ivf_mmap", "IVF_FLAT, mapped from disk", {**_IVF, "mmap": True}),
        Remedy(
            "hnsw",
            "HNSW",
            {"index": "HNSW", "index_params": {"M": 12, "efConstruction": 80}, "params": {"ef": 64}},
        ),
    ),
)
