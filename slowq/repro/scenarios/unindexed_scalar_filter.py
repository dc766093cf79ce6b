"""A filter on a VARCHAR without an index compares every row."""

from slowq.repro.scenario import Remedy, Scenario, Setup

_FILTER = "tag in [" + ", ".join(f'"tag-{number:05d}"' for number in range(0, 400, 4)) + "]"

SCENARIO = Scenario(
    "unindexed_scalar_filter",
    "unindexed_scalar_filter",
    "an IN list on a VARCHAR that has no index",
    Setup(clients=16, probes=2, rows=200_000, dim=32),
    {"filter": _FILTER},
    (
        Remedy(
            "inverted_index", "an INVERTED index on the field", {"scalar_indexes": {"tag": {"index_type": "INVERTED"}}}
        ),
    ),
)
