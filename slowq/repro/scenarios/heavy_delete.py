"""Deleted rows stay in the index until compaction takes them: a search visits them, and passes over them."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "heavy_delete",
    "heavy_delete",
    "90.5 % of the rows were deleted and not compacted, and the purge goes on with 10,000 keys a second",
    Setup(
        rows=120_000,
        dim=128,
        columns=(),
        segments=1,
        purged=0.905,
        compacted=True,
        index="HNSW",
        index_params={"M": 8, "efConstruction": 24},
        params={"ef": 24},
        clients=2,
        arrivals=tuple(map(float, range(100))),  # one after the other, evenly
        busy=0.37,
        probes=0,
        nq=96,
        deletes_per_s=500,
        write_batch=500,
        config={"common.buildIndexThreadPoolRatio": 1.0},
    ),
    {"compacted": False, "deletes_per_s": 10_000, "write_batch": 2_000},
    (
        Remedy(
            "compact",
            "compacted after the purge, which then sends no key twice",
            {"compacted": True, "deletes_per_s": 500, "write_batch": 500},
        ),
        Remedy(
            "batch_upserts",
            "what has not changed is left alone: a tenth of the deletes",
            {"purged": 0.09, "deletes_per_s": 500, "write_batch": 500},
        ),
    ),
)
