"""One client sends 1,000 query vectors a request; small searches wait behind it."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "large_nq",
    "large_nq",
    "requests of 1,000 query vectors hold the query node; small searches wait behind them",
    Setup(nq=1, clients=3, probes=3, measured="probes"),
    {"nq": 1000, "params": {"nprobe": 32}},
    (
        Remedy("smaller_batches", "the same vectors in requests of 10", {"nq": 10, "pause_s": 0.02}),
        Remedy("more_replicas", "a second query node, with a replica of its own", {"nodes": 2, "replicas": 2}),
    ),
)
