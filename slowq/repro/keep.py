"""What slowq was given of each set-up of a scenario, as files: to be analyzed again, or to become a labelled incident.

    DIR/NAME/base/logs/milvus.log.gz
    DIR/NAME/base/prometheus_range.json.gz
    DIR/NAME/base/context.yaml
    DIR/NAME/base/arm.json        what ran, what the clients saw, and from how many seconds on a request counted as slow

and the same for `before` and for each remedy. What a target does not tell is missing.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slowq.metrics import catalogue
from slowq.repro.judge import slow_from
from slowq.repro.run import Arm
from slowq.repro.scenario import Scenario
from slowq.repro.stats import measured


def keep(folder: Path, scenario: Scenario, arms: Sequence[Arm]) -> None:
    """The second arm is that with the fault. Nothing is kept where a round of it had no answer."""
    if not measured(arms[1].rounds, scenario.base.measured):
        return
    slow_s = slow_from(arms[1])
    for arm in arms:
        place = folder / scenario.name / arm.name
        (place / "logs").mkdir(parents=True, exist_ok=True)
        if arm.log:
            _pack(place / "logs" / "milvus.log.gz", arm.log)
        if arm.series is not None:
            _pack(place / "prometheus_range.json.gz", json.dumps(_read_by_slowq(arm.series)).encode())
        if arm.facts:
            (place / "context.yaml").write_text(arm.facts, encoding="utf-8")
        about = json.dumps(_about(scenario, arm, slow_s), indent=1, ensure_ascii=False)
        (place / "arm.json").write_text(about + "\n", encoding="utf-8")


def _pack(path: Path, raw: bytes) -> None:
    path.write_bytes(gzip.compress(raw, 9, mtime=0))


def _read_by_slowq(series: dict[str, Any]) -> dict[str, Any]:
    return {**series, "series": [one for one in series["series"] if one["metric"]["__name__"] in catalogue.SERIES]}


def _about(scenario: Scenario, arm: Arm, slow_s: float) -> dict[str, Any]:
    found = measured(arm.rounds, scenario.base.measured)
    return {
        "scenario": scenario.name,
        "says": scenario.says,
        "rule": scenario.rule,
        "arm": arm.name,
        "slow_s": round(slow_s, 4),
        "requests": sum(len(one.of(scenario.base.measured)) for one in arm.rounds),
        **{name: round(found[name].mean, 4) for name in ("p50_s", "p99_s") if name in found},
    }
