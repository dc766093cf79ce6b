"""More clients than the node can serve: each request is cheap, the queue is long."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "high_concurrency",
    "high_concurrency",
    "many clients send small searches at once; the queue of the query node grows",
    Setup(clients=4, rows=150_000, dim=96, index_params={"nlist": 32}, params={"nprobe": 8}),
    {"clients": 96},
    (
        Remedy("limit_clients", "an eighth of the clients at a time", {"clients": 12}),
        Remedy("modest_batches", "searches in batches of 8 by an eighth of the clients", {"clients": 12, "nq": 8}),
    ),
)
