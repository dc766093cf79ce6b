"""A predicate on a JSON path parses the JSON of every row."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "json_filter",
    "json_filter",
    "a predicate on a path of a JSON field that has no path index",
    Setup(clients=4, probes=1, rows=150_000, dim=32),
    {"filter": 'meta["shop"]["city"] == "shop.city-00003"'},
    (
        Remedy(
            "path_index",
            "an INVERTED index on the path",
            {"scalar_indexes": {'meta["shop"]["city"]': {"index_type": "INVERTED", "json_cast_type": "VARCHAR"}}},
        ),
        Remedy("own_field", "the value in a field of its own", {"filter": "owner < 20"}),
    ),
)
