"""Loading segments takes disk and CPU from searches."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "segment_load",
    "segment_load",
    "another collection of 20 segments is loaded and released all the time",
    Setup(clients=1, pause_s=0.01, probes=0, rows=100_000, nq=20, params={"nprobe": 16}),
    {"loads": True},
    (Remedy("load_off_peak", "no load beside the searches", {"loads": False}),),
)
