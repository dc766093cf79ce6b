"""LIKE with a leading % looks into every string."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "pattern_filter",
    "pattern_filter",
    'tag like "%0042%" on a field without an index',
    Setup(clients=16, probes=2, rows=300_000, dim=16),
    {"filter": 'tag like "%0042%"'},
    (
        Remedy(
            "ngram_index",
            "an NGRAM index",
            {"scalar_indexes": {"tag": {"index_type": "NGRAM", "min_gram": "2", "max_gram": "4"}}},
        ),
        Remedy(
            "inverted_dictionary",
            "an INVERTED index, whose dictionary is searched in the place of the rows",
            {"scalar_indexes": {"tag": {"index_type": "INVERTED"}}},
        ),
    ),
)
