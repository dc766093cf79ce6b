"""A top-k of thousands with the vectors as output: reduce and retrieval dominate."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "large_result",
    "large_result",
    "top-k 10,000 with the vector field in the answer",
    Setup(top_k=10, clients=3, rows=60_000, index_params={"nlist": 16}, params={"nprobe": 4}),
    {"top_k": 10_000, "output_fields": ("vec", "tag", "meta")},
    (
        Remedy("fewer_output_fields", "only the primary keys", {"output_fields": ()}),
        Remedy("lower_limit", "top-k 100", {"top_k": 100}),
    ),
)
