"""Upserts of the same rows again and again: deletes are looked up in every segment."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "heavy_delete",
    "heavy_delete",
    "20,000 deletes a second beside the searches",
    Setup(clients=2, pause_s=0.01, probes=0, rows=150_000, segments=12),
    {"upserts_per_s": 6000, "write_batch": 1000},
    (Remedy("batch_upserts", "a tenth of the upserts", {"upserts_per_s": 600, "write_batch": 600}),),
    accept=("growing_segments",),  # an upsert writes as many rows as it deletes
)
