"""One function per incident: it prepares the collections and says who sends what, and what else happens meanwhile.

`strength` scales the number of clients, terms or rows; at 1.0 requests last 5 s and more on two cores.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from bench.incidents.lab import Lab
from bench.incidents.scenarios import contention, dependency, filters, healthy, mixed, outside, vector_index, workload
from bench.incidents.scenarios.scenario import Scenario

SCENARIOS: dict[str, Callable[[Lab, float], Scenario]] = {
    name: function
    for module in (workload, filters, vector_index, contention, dependency, outside, mixed, healthy)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and not name.startswith("_")
}
