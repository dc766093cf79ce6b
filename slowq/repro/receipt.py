"""What is kept of a reproduction: a JSON object that goes into reports.

`command`, `seed`, `versions`, `machine` and `data` are what somebody else needs to repeat it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from slowq import __version__
from slowq.repro.judge import Judged
from slowq.repro.run import Arm, Options
from slowq.repro.scenario import Remedy, Scenario, to_yaml
from slowq.repro.stats import Interval, measured


def receipt(
    scenario: Scenario, remedy: Remedy, before: Arm, after: Arm, judged: Judged, options: Options
) -> dict[str, Any]:
    who = before.setup.measured
    return {
        "outcome": judged.outcome,
        "because": judged.because,
        "impact": judged.impact,
        "scenario": scenario.name,
        "remedy": remedy.key,
        "says": remedy.says,
        "change": json.loads(json.dumps(remedy.change, default=str)),
        "rule": {
            "expected": scenario.rule,
            "first_before": judged.first,
            "silent_after": judged.silent,
            "seen_in": list(judged.seen_in),
        },
        "measured": who,
        "before": _arm(before, who),
        "after": _arm(after, who),
        "rounds": len(before.rounds),
        "seconds": options.seconds,
        "seed": options.seed,
        "target": options.shown,
        "scale": {"rows": before.setup.rows, "dim": before.setup.dim, "clients": before.setup.clients},
        "replay": _replay(before),
        "trouble": before.trouble or after.trouble or None,
        "assumed": [*scenario.assumed, *_paced(before)],
        "command": _command(remedy, options),
        "versions": {"slowq": __version__, **_server(before, options), **{name: _version(name) for name in _PACKAGES}},
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine(), "system": platform.system()},
        "digest": hashlib.sha256(f"{options.seed}\n{to_yaml(scenario)}".encode()).hexdigest()[:16],
    }


_PACKAGES = ("pymilvus", "faiss-cpu", "numpy")


def _command(remedy: Remedy, options: Options) -> str:
    where = "" if options.on_engine else f" --target {options.shown}"
    return f"slowq reproduce scenario.yaml --remedy {remedy.key} --seed {options.seed}{where}"


def _server(arm: Arm, options: Options) -> dict[str, str | None]:
    """The engine's version is slowq's."""
    if options.on_engine:
        return {}
    return {"milvus": arm.context.milvus.get("version") if arm.context else None}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _arm(arm: Arm, who: str) -> dict[str, Any]:
    found = measured(arm.rounds, who)
    errors = sum(bool(answer.error) for one in arm.rounds for answer in one.answers)
    return {
        **{name: _interval(one) for name, one in found.items()},
        "requests": sum(len(one.of(who)) for one in arm.rounds),
        "errors": errors,
        "recall": arm.recall,
        "memory_bytes": arm.memory_bytes,
        "phases": phases(arm),
        "patterns": _patterns(arm),
    }


def _patterns(arm: Arm) -> dict[str, dict[str, float]]:
    """What the incident's other patterns took, over all rounds."""
    found = {}
    for other in arm.setup.others:
        took = [one.took_s for each in arm.rounds for one in each.of(other.name) if not one.error]
        if took:
            p50_s, p99_s = np.percentile(took, [50, 99])
            found[other.name] = {
                "requests": len(took),
                "p50_s": round(float(p50_s), 6),
                "p99_s": round(float(p99_s), 6),
            }
    return found


def _replay(arm: Arm) -> dict[str, float] | None:
    """How the recorded arrivals were replayed; None where clients waited in turn."""
    made = arm.replay
    if made is None:
        return None
    return {
        "requests": len(made.due),
        "per_s": round(made.per_s, 3),
        "pace": round(made.pace, 4),
        "busy": arm.setup.busy,
    }


def _paced(arm: Arm) -> list[str]:
    if arm.replay is None:
        return []
    speed = f"{arm.replay.pace:.3g} times as fast as logged" if arm.setup.logged else f"{arm.replay.per_s:.3g} a second"
    return [f"arrivals {speed}: {arm.setup.busy:.0%} of what the server answers before, with clients that wait in turn"]


def _interval(one: Interval) -> dict[str, float | None]:
    """The ends are null where a single round tells nothing of the noise."""
    return {key: round(value, 6) if math.isfinite(value) else None for key, value in asdict(one).items()}


def phases(arm: Arm) -> dict[str, float] | None:
    """Share of each step in the time of searches, from the target's metrics; None where they were not read."""
    if arm.series is None:
        return None
    sums = {
        "queue": "milvus_querynode_sq_queue_latency_sum",
        "wait_tsafe": "milvus_querynode_sq_wait_tsafe_latency_sum",
        "reduce": "milvus_querynode_sq_reduce_latency_sum",
        "proxy_reduce": "milvus_proxy_sq_reduce_result_latency_sum",
    }
    found = {name: _grown(arm.series, metric) for name, metric in sums.items()}
    core = "internal_core_search_latency_sum"
    if any(one["metric"]["__name__"] == core for one in arm.series["series"]):
        found["scalar_filter"] = _grown(arm.series, core, {"type": "scalar_latency"})
        found["vector_search"] = _grown(arm.series, core, {"type": "vector_latency"})
    else:  # before 2.4.7 the two are one
        segments = "milvus_querynode_sq_segment_latency_sum"
        found["segments"] = _grown(arm.series, segments, {"query_type": "search"})
    total = sum(found.values())
    return {name: round(much / total, 4) for name, much in found.items()} if total > 0 else None


def _grown(series: Mapping[str, Any], name: str, labels: Mapping[str, str] | None = None) -> float:
    total = 0.0
    for one in series["series"]:
        metric = one["metric"]
        if metric["__name__"] == name and all(metric.get(key) == value for key, value in (labels or {}).items()):
            total += float(one["values"][-1][1]) - float(one["values"][0][1])
    return total
