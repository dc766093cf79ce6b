"""The time tick stands still: reads that wait for it stand still too."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "timetick_stall",
    "timetick_stall",
    "the time tick stands still for 6.5 s at a time, longer than the 5 s that Bounded forgives",
    Setup(rows=50_000, clients=4, probes=2),
    {"stall_s": 6.5},
    (
        Remedy("repair_queue", "ticks come again", {"stall_s": 0.0}),
        Remedy("longer_grace", "common.gracefulTime 30,000 ms", {"config": {"common.gracefulTime": 30_000}}),
    ),
    engine_only="a real Milvus does not let its time tick be held back",
)
