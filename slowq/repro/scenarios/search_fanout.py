"""A hybrid search of many parts multiplies the work of one request."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "search_fanout",
    "search_fanout",
    "a hybrid search of 8 parts, each with its own filter, over every segment",
    Setup(clients=6, rows=80_000),
    {"sub_requests": 8, "top_k": 100},
    (Remedy("fewer_sub_requests", "one search in the place of eight", {"sub_requests": 0}),),
)
