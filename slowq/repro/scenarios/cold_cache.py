"""After a load, a mapped index is read from disk by the first searches."""

from slowq.repro.scenario import Remedy, Scenario, Setup

_WARMUP = "queryNode.segcore.tieredStorage.warmup.vectorIndex"

SCENARIO = Scenario(
    "cold_cache",
    "cold_cache",
    "a mapped index of 120 MB without warm-up, searched right after each load",
    Setup(
        rows=30_000,
        dim=1024,
        columns=(),
        segments=1,
        clients=2,
        pause_s=0.1,
        probes=0,
        mmap=True,
        params={"nprobe": 8},
    ),
    {"cold": True, "config": {_WARMUP: "disable"}},
    (
        Remedy("warmup_26", "warm-up at load", {"config": {_WARMUP: "sync"}}),
        Remedy("no_mmap_for_hot", "the index in memory", {"mmap": False}),
    ),
)
