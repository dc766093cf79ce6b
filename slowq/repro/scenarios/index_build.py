"""Building an index takes the CPU that searches need, and those that come do not wait until it is done."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "index_build",
    "index_build",
    "four HNSW of another collection are built at once, all the time, each by as many threads as there are cores",
    Setup(
        clients=2,
        arrivals=tuple(map(float, range(100))),  # one after the other, evenly
        busy=0.4,
        probes=0,
        rows=100_000,
        nq=20,
        params={"nprobe": 16},
        # What a node of a cluster does before 2.6.14, which builds one index at a time.
        config={"indexNode.scheduler.buildParallel": 4, "common.buildIndexThreadPoolRatio": 1.0},
    ),
    {"builds": True},
    (Remedy("off_peak", "no build beside the searches", {"builds": False}),),
)
