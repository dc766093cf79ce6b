"""Hundreds of collections share the time tick of a few channels."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "too_many_collections",
    "too_many_collections",
    "400 small collections are loaded beside the one that is searched, and many segments in it",
    Setup(clients=4, rows=40_000, dim=32, level="Strong", segments=1),
    {"other_collections": 300, "segments": 60},
    (
        Remedy(
            "release_unused",
            "the other collections released, the segments merged",
            {"other_collections": 0, "segments": 1},
        ),
    ),
)
