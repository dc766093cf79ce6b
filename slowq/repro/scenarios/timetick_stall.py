"""The time tick stands still: reads that wait for it stand still too."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "timetick_stall",
    "timetick_stall",
    "the time tick stands still for 7 s at a time, longer than the 5 s that Bounded forgives",
    Setup(clients=4, probes=2),
    {"stall_s": 7.0},
    (
        Remedy("repair_queue", "ticks come again", {"stall_s": 0.0}),
        Remedy("longer_grace", "common.gracefulTime 30,000 ms", {"config": {"common.gracefulTime": 30_000}}),
    ),
    engine_only="a real Milvus does not let its time tick be held back",
)
