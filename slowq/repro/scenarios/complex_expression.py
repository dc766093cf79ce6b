"""A long chain of ORs is evaluated for every row."""

from slowq.repro.scenario import Remedy, Scenario, Setup

_TERMS = 80
_CHAIN = " or ".join(f"(owner == {number} and price < {number % 90})" for number in range(_TERMS))

SCENARIO = Scenario(
    "complex_expression",
    "complex_expression",
    "a filter of 80 terms (owner == … and price < …) joined by or",
    Setup(clients=6, probes=2),
    {"filter": _CHAIN},
    (
        Remedy("in_for_or", "one IN list for the chain", {"filter": f"owner in {list(range(_TERMS))}"}),
        Remedy(
            "filter_template",
            "the IN list as a template",
            {"filter": "owner in {owners}", "templates": {"owners": list(range(_TERMS))}},
        ),
    ),
)
