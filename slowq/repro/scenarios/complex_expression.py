"""A chain of hundreds of ORs is evaluated for every row."""

from slowq.repro.scenario import Remedy, Scenario, Setup

_CHAIN = " or ".join(f"(owner == {number} and price < {number % 90})" for number in range(150))

SCENARIO = Scenario(
    "complex_expression",
    "complex_expression",
    "a filter of 150 terms (owner == … and price < …) joined by or",
    Setup(clients=6, probes=2),
    {"filter": _CHAIN},
    (
        Remedy("in_for_or", "one IN list for the chain", {"filter": f"owner in {list(range(150))}"}),
        Remedy(
            "filter_template",
            "the IN list as a template",
            {"filter": "owner in {owners}", "templates": {"owners": list(range(150))}},
        ),
    ),
)
