"""A filter on a VARCHAR without an index compares every row."""

from slowq.repro.scenario import Column, Remedy, Scenario, Setup

# Some of a thousand values, side by side: ten by name, twelve by ranges.
_NAMED = "path in [" + ", ".join(f'"path-{number:05d}"' for number in range(600, 610)) + "]"
_RANGES = [f'"path-{first:05d}" <= path < "path-{first + 3:05d}"' for first in (611, 615, 619, 623)]
# Equal searches are merged, and filter once for all; those of real users ask for different values.
_UNMERGED = {"queryNode.grouping.enabled": False}

SCENARIO = Scenario(
    "unindexed_scalar_filter",
    "unindexed_scalar_filter",
    "an IN list and ranges on long texts of a field that has no index",
    Setup(
        rows=80_000,
        dim=32,
        columns=(Column("path", "VARCHAR", distinct=1000, words=60),),
        nq=4,
        params={"nprobe": 16},
        clients=4,
        probes=0,
        config=_UNMERGED,
    ),
    {"filter": " or ".join([_NAMED, *_RANGES])},
    (
        Remedy(
            "inverted_index", "an INVERTED index on the field", {"scalar_indexes": {"path": {"index_type": "INVERTED"}}}
        ),
        Remedy(
            "partition_or_clustering_key",
            "clustering compaction by the field; the other segments are pruned",
            {
                "clustering_key": "path",
                "config": {**_UNMERGED, "queryNode.enableSegmentPrune": True, "dataCoord.segment.maxSize": 2},
            },
        ),
    ),
)
