"""Make labelled incidents of what the scenarios' runs left.

    slowq scenarios run --all --rounds 2 --keep kept
    python -m bench.accuracy.record_scenarios kept

The set-up with the fault becomes the incident NAME-fault, with the scenario's cause as its label; the healthy base becomes
NAME-base, in which nothing is slow. Both say from how many seconds on a request is slow, as the scenario's own judgement
has it: what the server's threshold would be in production. A fault that does not hurt is no incident, and is left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from bench.accuracy.cases import SCENARIOS
from slowq.cli.scenarios import HURTS
from slowq.findings import cause_of

FAULT, BASE = "before", "base"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kept", type=Path, help="the folder of --keep")
    left_out = [name for scenario in sorted(parser.parse_args().kept.iterdir()) for name in record(scenario, SCENARIOS)]
    for name in left_out:
        print(f"{name} does not hurt: left out")
    return 0


def record(scenario: Path, into: Path) -> list[str]:
    """Both incidents of one scenario; names those that are left out."""
    base, fault = (json.loads((scenario / arm / "arm.json").read_text(encoding="utf-8")) for arm in (BASE, FAULT))
    _record(scenario / BASE, into / f"{scenario.name}-base", label(base, None))
    if fault["p99_s"] < HURTS * base["p99_s"]:
        shutil.rmtree(into / f"{scenario.name}-fault", ignore_errors=True)
        return [f"{scenario.name}-fault"]
    _record(scenario / FAULT, into / f"{scenario.name}-fault", label(fault, fault["rule"]))
    return []


def label(arm: dict[str, Any], sub_cause: str | None) -> dict[str, Any]:
    """truth.json of an arm; without a sub-cause nothing is slow in it."""
    return {
        "cause": None if sub_cause is None else cause_of(sub_cause),
        "sub_cause": sub_cause,
        "accept": [],
        "decidable": True,
        "what": "the healthy base" if sub_cause is None else arm["says"],
        "how": f"slowq scenarios run {arm['scenario']}, on the bundled engine",
        "slow_s": arm["slow_s"],
        "client": {"requests": arm["requests"], "p50_s": arm["p50_s"], "p99_s": arm["p99_s"]},
    }


def _record(arm: Path, into: Path, truth: dict[str, Any]) -> None:
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(arm, into, ignore=shutil.ignore_patterns("arm.json"))
    (into / "truth.json").write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
