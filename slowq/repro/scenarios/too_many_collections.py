"""Ten thousand partitions: each has segments of its own, too small for an index, and a search visits all of its collection."""

from slowq.repro.scenario import Column, Remedy, Scenario, Setup

SCENARIO = Scenario(
    "too_many_collections",
    "too_many_collections",
    "51 collections with 200 partitions each; the one that is searched has 200 rows in each of them",
    Setup(
        rows=40_000,
        dim=32,
        columns=(Column("tenant", "INT64", distinct=20_000),),
        partition_key="tenant",
        partitions=1,
        segments=1,
        index_params={"nlist": 64},
        clients=3,
        probes=0,
        # Equal plans over equal segments are merged; those of real tenants differ in their filters.
        config={"queryNode.grouping.enabled": False},
    ),
    {"other_collections": 50, "partitions": 200},
    (
        Remedy("partition_key", "the tenants share 4 partitions", {"other_collections": 0, "partitions": 4}),
        Remedy(
            "release_unused",
            "the other collections dropped; the partitions of the one that is searched stay",
            {"other_collections": 0},
        ),
    ),
)
