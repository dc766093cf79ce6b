"""DISKANN with a wide search list: every search reads the disk."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "disk_bound_index",
    "disk_bound_index",
    "DISKANN with search_list 2,000",
    Setup(rows=60_000, dim=64, clients=8, index="IVF_FLAT", params={"nprobe": 16}),
    {"index": "DISKANN", "index_params": {}, "params": {"search_list": 2000}},
    (
        Remedy("smaller_search_list", "search_list 40", {"params": {"search_list": 40}}),
        Remedy(
            "index_in_memory",
            "an index in memory",
            {"index": "IVF_FLAT", "index_params": {"nlist": 128}, "params": {"nprobe": 16}},
        ),
    ),
    accept=("search_params",),  # a search list of 2,000 is far above what the recall needs, too
)
