"""The time tick stands still: reads that wait for it stand still too."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "timetick_stall",
    "timetick_stall",
    "the time tick is held back for 1.2 s in each round, longer than what Bounded forgives",
    Setup(clients=4, probes=2, config={"common.gracefulTime": 300}),
    {"stall_s": 1.2},
    (
        Remedy("eventually", "Eventually, which waits for no tick", {"level": "Eventually", "probes": 0}),
        Remedy("longer_grace", "common.gracefulTime 5,000 ms", {"config": {"common.gracefulTime": 5000}}),
    ),
    engine_only="a real Milvus does not let its time tick be held back",
)
