"""More clients than the node can serve: each request is cheap, the queue is long."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "high_concurrency",
    "high_concurrency",
    "96 clients send small searches at once to a query node of one core; its queue grows",
    Setup(
        rows=40_000,
        dim=96,
        columns=(),
        index_params={"nlist": 128},
        params={"nprobe": 16},
        clients=2,
        probes=0,
        cpus=1,
    ),
    {"clients": 96},
    (
        Remedy("limit_clients", "two requests in flight; the others wait at the client", {"clients": 2}),
        Remedy(
            "modest_batches", "the vectors of many clients in batches of 8, by two senders", {"clients": 2, "nq": 8}
        ),
        Remedy("more_resources", "a second core", {"cpus": 2}),
    ),
)
