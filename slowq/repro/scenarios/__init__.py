"""The catalogue: one file a sub-cause, named like it. Each makes the fault on a healthy base, and takes it away again.

Sub-causes without a file, and why: `version_regression` needs the two versions; `client_or_network` happens outside of
any server; `storage_stall` needs a slow object store or etcd, and the engine has neither; `cpu_saturation`,
`disk_saturation` and `memory_pressure` are of the machine: to make them would disturb whoever shares it.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from slowq.errors import UsageError
from slowq.repro.scenario import Scenario


@cache
def catalogue() -> dict[str, Scenario]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        scenario = importlib.import_module(f"{__name__}.{module.name}").SCENARIO
        found[scenario.name] = scenario
    return found


def named(name: str) -> Scenario:
    known = catalogue()
    if name not in known:
        raise UsageError(f"there is no scenario {name!r}", hint="slowq scenarios lists them")
    return known[name]
