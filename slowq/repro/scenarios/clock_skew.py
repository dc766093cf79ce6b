"""The client's clock runs ahead: its guarantee lies in the future."""

from slowq.repro.scenario import Remedy, Scenario, Setup

SCENARIO = Scenario(
    "clock_skew",
    "clock_skew",
    "guarantee timestamps of clients whose clock is a second ahead",
    Setup(clients=4),
    {"guarantee_ahead_s": 1.0},
    (Remedy("synchronise", "the clocks agree", {"guarantee_ahead_s": 0.0}),),
)
