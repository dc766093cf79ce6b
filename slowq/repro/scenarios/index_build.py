"""Building an index takes the CPU that searches need."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "index_build",
    "index_build",
    "an HNSW of another collection is built all the time",
    Setup(clients=1, pause_s=0.01, probes=0, rows=100_000),
    {"builds": True},
    (Remedy("off_peak", "no build beside the searches", {"builds": False}),),
)
