"""A top-k of thousands with the vectors as output: reduce and retrieval dominate."""

from slowq.repro.scenario import Column, Remedy, Scenario, Setup

SCENARIO = Scenario(
    "large_result",
    "large_result",
    "top-k 5,000 with the vector field in the answer",
    Setup(
        rows=60_000,
        dim=128,
        columns=(Column("tag", "VARCHAR"),),
        index_params={"nlist": 64},
        params={"nprobe": 8},
        top_k=100,
        output_fields=("tag",),
        clients=3,
        probes=0,
    ),
    {"top_k": 5_000, "output_fields": ("vec", "tag")},
    (
        Remedy("lower_limit", "top-k 20, still with the vectors", {"top_k": 20}),
        Remedy("fewer_output_fields", "only the primary keys", {"output_fields": ()}),
        Remedy("iterate", "an iterator, whose pages of 20 are a request each", {"page": 20}),
    ),
)
