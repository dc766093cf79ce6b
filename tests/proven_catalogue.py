"""The receipts of the catalogue that slowq ships, slowq/repro/catalogue.json.

slowq scenarios run --all --json > results.json      or some scenarios by name
python -m tests.scenario_docs results.json …         takes the results of these scenarios into the file, and into docs/

Only scenarios that are green are in it, so one that is no longer green leaves it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from slowq.repro.proven import FILE
from slowq.repro.run import Options

_ENGINE = Options().shown
_CLAIMED = ("confirmed", "no effect", "worse")


def receipts(result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By remedy, what is kept of one result of `slowq scenarios run --json`; empty where it is not green."""
    if not result.get("green"):
        return {}
    return {one["remedy"]: _short(one) for one in result["receipts"] if one["outcome"] in _CLAIMED}


def is_of_engine(result: Mapping[str, Any]) -> bool:
    return all(one["target"] == _ENGINE for one in result.get("receipts", ()))


def _short(one: Mapping[str, Any]) -> dict[str, Any]:
    recall = one["after"]["recall"]
    return {
        "outcome": one["outcome"],
        "before_p99_s": round(one["before"]["p99_s"]["mean"], 4),
        "after_p99_s": round(one["after"]["p99_s"]["mean"], 4),
        "recall": None if recall is None else round(recall, 3),
        "slowq": one["versions"]["slowq"],
        "cpus": one["machine"]["cpus"],
    }


def merged(kept: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    measured = (one for one in results if "skipped" not in one and is_of_engine(one))
    found = dict(kept) | {one["scenario"]: receipts(one) for one in measured}
    return {name: found[name] for name in sorted(found) if found[name]}


def main(files: Iterable[str]) -> None:
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for file in files:
        kept = merged(kept, json.loads(Path(file).read_text(encoding="utf-8")))
    FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
