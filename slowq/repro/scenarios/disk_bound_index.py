"""DISKANN: every search reads the rows of its candidates from the disk."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "disk_bound_index",
    "disk_bound_index",
    "DISKANN with search_list 200 over rows of 4 KiB",
    Setup(
        rows=20_000,
        dim=1024,
        columns=(),
        segments=1,
        clients=1,
        pause_s=0.01,
        probes=0,
        nq=10,
        index_params={"nlist": 64},
        params={"nprobe": 4},
        config={"common.buildIndexThreadPoolRatio": 1.0},
    ),
    {
        "index": "DISKANN",
        "index_params": {"max_degree": 24, "search_list_size": 60},
        "params": {"search_list": 200},
    },
    (
        Remedy(
            "index_in_memory",
            "an index in memory",
            {"index": "IVF_FLAT", "index_params": {"nlist": 64}, "params": {"nprobe": 4}},
        ),
        Remedy("smaller_search_list", "search_list 20", {"params": {"search_list": 20}}),
    ),
)
