"""A curve: one number of the set-up along a range, latency against recall, and where the knee is.

The knee is the last point at which another step still buys recall at a fair price: the point with the largest distance from
the line between the ends of the curve, both axes scaled to 0…1 ("Kneedle", Satopää and others, 2011).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from slowq.errors import UsageError
from slowq.repro.run import Arm, Options, Say, run
from slowq.repro.scenario import Scenario, Setup
from slowq.repro.stats import measured

MOST_POINTS = 8
_RANGE = re.compile(r"(\w+)=(\d+)\.\.(\d+)")


@dataclass(frozen=True, slots=True)
class Point:
    label: str
    value: int
    p50_s: float
    p99_s: float
    qps: float
    recall: float | None
    is_knee: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def sweep(scenario: Scenario, text: str, options: Options, say: Say) -> list[Point]:
    """The points, smallest first. Raises UsageError for a range that means nothing."""
    name, values = parsed(text)
    alone = scenario.before.changed({"others": (), "arrivals": ()})  # a curve is of one request, at full load
    setups = [(f"{name}={value}", _with(alone, name, value)) for value in values]
    points = []
    for label, setup in setups:  # one after the other: each needs a server of its own
        arm = run(scenario.name, [(label, setup)], options, say)[0]
        points.append(_point(arm, label, int(label.partition("=")[2])))
    return _kneed([one for one in points if one is not None])


def parsed(text: str) -> tuple[str, list[int]]:
    found = _RANGE.fullmatch(text.strip())
    if found is None or int(found[2]) > int(found[3]) or int(found[2]) < 1:
        raise UsageError(f"--sweep {text!r}: expected NAME=FROM..TO with whole numbers from 1", hint="ef=32..512")
    low, high = int(found[2]), int(found[3])
    steps = min(MOST_POINTS, max(2, int(np.ceil(np.log2(high / low))) + 1)) if high > low else 1
    return found[1], sorted({round(value) for value in np.geomspace(low, high, steps)})


def _with(setup: Setup, name: str, value: int) -> Setup:
    """A field of the set-up, or else a search param."""
    if name in {one.name for one in fields(setup)}:
        return setup.changed({name: value})
    if name == "in_list":
        return setup.changed({"filter": f"owner in {list(range(value))}"})
    if name not in ("ef", "nprobe", "search_list", "reorder_k", "refine_k"):
        raise UsageError(
            f"--sweep: there is no {name!r} to change",
            hint="ef, nprobe, search_list, nq, top_k, nodes, segments, clients, in_list",
        )
    return replace(setup, params={**setup.params, name: value})


def _point(arm: Arm, label: str, value: int) -> Point | None:
    found = measured(arm.rounds, arm.setup.measured)
    if not found:
        return None
    return Point(label, value, found["p50_s"].mean, found["p99_s"].mean, found["qps"].mean, arm.recall)


def _kneed(points: Sequence[Point]) -> list[Point]:
    known = [one for one in points if one.recall is not None]
    if len(known) < 3:
        return list(points)
    x = _scaled(np.array([one.p50_s for one in known]))
    y = _scaled(np.array([one.recall for one in known], dtype=float))
    if np.ptp(y) == 0:
        return list(points)
    knee = known[int(np.argmax(y - x))]
    return [replace(one, is_knee=one is knee) for one in points]


def _scaled(values: np.ndarray) -> np.ndarray:
    spread = float(np.ptp(values))
    return (values - values.min()) / spread if spread else np.zeros(len(values))
