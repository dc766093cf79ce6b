"""Rows that are not flushed yet are searched without an index."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "growing_segments",
    "growing_segments",
    "240,000 rows are growing, and more are written all the time",
    Setup(rows=60_000, dim=128, clients=6, writes_per_s=500),
    {"growing_rows": 240_000},
    (Remedy("batch_writes", "flushed before the searches, and indexed", {"growing_rows": 0, "rows": 300_000}),),
)
