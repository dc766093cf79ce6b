"""Compaction takes the CPU that searches need."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "compaction",
    "compaction",
    "segments of another collection are merged all the time",
    Setup(clients=1, pause_s=0.01, probes=0, rows=100_000, nq=20, params={"nprobe": 16}),
    {"compacts": True},
    (Remedy("off_peak", "no compaction beside the searches", {"compacts": False}),),
)
