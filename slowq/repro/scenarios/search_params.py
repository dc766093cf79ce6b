"""nprobe far above what the recall needs."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "search_params",
    "search_params",
    "nprobe equals nlist: every list is read",
    Setup(rows=80_000, dim=128, columns=(), clients=4, nq=10, index_params={"nlist": 512}, params={"nprobe": 16}),
    {"params": {"nprobe": 512}},
    (Remedy("lower_nprobe", "nprobe 16", {"params": {"nprobe": 16}}),),
)
