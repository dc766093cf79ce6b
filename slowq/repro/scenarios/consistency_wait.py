"""Strong makes each search wait for the next time tick."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "consistency_wait",
    "consistency_wait",
    "searches at Strong while rows are written",
    Setup(clients=4, probes=1, writes_per_s=500),
    {"level": "Strong"},
    (
        Remedy("bounded", "Bounded", {"level": "Bounded"}),
        Remedy("eventually", "Eventually", {"level": "Eventually"}),
    ),
)
