"""Cases and answers made up for the tests of the scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.accuracy.cases import Case, Named, Part, Truth
from bench.accuracy.judge import judge
from bench.accuracy.scores import Row


def case(
    name: str = "one",
    cause: str | None = "heavy_workload",
    sub_cause: str | None = "large_nq",
    *,
    accept: tuple[Named, ...] = (),
    decidable: bool = True,
    part: Part = "tune",
    folder: Path = Path("nowhere"),
) -> Case:
    return Case(name, "recorded", part, folder, Truth(cause, sub_cause, accept, decidable))


def diagnosed(cause: str, sub_cause: str, confidence: float = 0.8) -> dict[str, Any]:
    return {"outcome": "diagnosed", "cause": cause, "sub_cause": sub_cause, "confidence": confidence}


UNDETERMINED: dict[str, Any] = {"outcome": "undetermined", "cause": None, "sub_cause": None, "confidence": None}
NOTHING_SLOW: dict[str, Any] = UNDETERMINED | {"outcome": "nothing_slow"}
LARGE_NQ = diagnosed("heavy_workload", "large_nq")
FLAT = diagnosed("wrong_index", "brute_force")


def row(one: Case, verdict: dict[str, Any], condition: str = "everything") -> Row:
    judged = judge(one.truth, verdict)
    return Row(one, condition, verdict, judged, judged.cause, 0.1, None)
