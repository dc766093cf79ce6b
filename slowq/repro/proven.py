"""What the catalogue's own scenarios measured, for beside a remedy that nobody has proven on their own data yet.

`catalogue.json` holds the remedies of the scenarios that are green: `python -m tests.scenario_docs` makes it from what
`slowq scenarios run --all --json` prints. It is small, and read only when a report has a remedy.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("catalogue.json")


def proven(sub_cause: str, remedy: str) -> dict[str, Any] | None:
    """Of a remedy, by its key: `outcome`, `before_p99_s`, `after_p99_s`, `recall`, and `slowq` and `cpus` with which it
    was measured. None where no green scenario tried it."""
    found: dict[str, Any] | None = _read().get(sub_cause, {}).get(remedy)
    return None if found is None else {"scenario": sub_cause, **found}


@cache
def _read() -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found
