"""No vector index: every search computes the distance to every row."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "brute_force",
    "brute_force",
    "a FLAT index over 120,000 rows, searched with 8 vectors at a time",
    Setup(rows=120_000, dim=96, nq=8, clients=6, index_params={"nlist": 256}, params={"nprobe": 8}),
    {"index": "FLAT", "index_params": {}, "params": {}},
    (
        Remedy("ivf", "IVF_FLAT", {"index": "IVF_FLAT", "index_params": {"nlist": 256}, "params": {"nprobe": 16}}),
        Remedy(
            "hnsw",
            "HNSW",
            {"index": "HNSW", "index_params": {"M": 12, "efConstruction": 80}, "params": {"ef": 96}},
        ),
    ),
)
