"""LIKE with a leading % looks into every string."""

from slowq.repro.scenario import Column, Remedy, Scenario, Setup

SCENARIO = Scenario(
    "pattern_filter",
    "pattern_filter",
    'text like "%w0042%" on texts of 30 words, without an index',
    Setup(
        rows=60_000,
        dim=32,
        columns=(Column("text", "VARCHAR", distinct=2000, words=30),),
        nq=8,
        params={"nprobe": 16},
        clients=4,
        probes=0,
        # Equal searches are merged, and filter once for all; those of real users look for different words.
        config={"queryNode.grouping.enabled": False},
    ),
    {"filter": 'text like "%w0042%"'},
    (
        Remedy(
            "ngram_index",
            "an NGRAM index",
            {"scalar_indexes": {"text": {"index_type": "NGRAM", "min_gram": "2", "max_gram": "4"}}},
        ),
        Remedy("prefix_pattern", "a prefix in the place of the infix", {"filter": 'text like "text-0004%"'}),
    ),
)
