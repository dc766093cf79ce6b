"""Rows that are not flushed yet are searched without an index."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "growing_segments",
    "growing_segments",
    "70,000 of 80,000 rows of 512 dimensions are growing, and more are written all the time",
    Setup(
        rows=80_000,
        dim=512,
        columns=(),
        clients=1,
        pause_s=0.01,
        probes=0,
        nq=20,
        params={"nprobe": 4},
        writes_per_s=200,
        config={
            "dataCoord.segment.maxSize": 4096,  # else so many large rows would be sealed
            "queryNode.segcore.interimIndex.enableIndex": False,  # as where milvus.yaml does not name it
        },
    ),
    {"rows": 10_000, "growing_rows": 70_000},
    (Remedy("batch_writes", "flushed before the searches, and indexed", {"rows": 80_000, "growing_rows": 0}),),
)
