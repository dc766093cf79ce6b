"""After a load, a mapped index is read from disk by the first searches."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "cold_cache",
    "cold_cache",
    "a mapped index without warm-up, searched right after each load",
    Setup(
        rows=250_000,
        dim=128,
        clients=2,
        pause_s=0.1,
        probes=0,
        mmap=True,
        index_params={"nlist": 256},
        params={"nprobe": 32},
    ),
    {"cold": True, "config": {"queryNode.segcore.tieredStorage.warmup.vectorIndex": "disable"}},
    (
        Remedy(
            "warmup_26",
            "warm-up at load",
            {"config": {"queryNode.segcore.tieredStorage.warmup.vectorIndex": "sync"}},
        ),
        Remedy("no_mmap_for_hot", "the index in memory", {"mmap": False}),
    ),
)
