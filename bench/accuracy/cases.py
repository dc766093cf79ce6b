"""The labelled cases: where they lie, what their labels say, and which part they belong to.

The part is decided by the name of the scenario that made a recording, through a digest, before anybody has seen what
slowq says of it. Whatever lies in `sample_logs/` and in `reports/` was there while the rules were written, and of
`more_reports/` each was looked into after it had been asked once: it is all of the tune part. `second_readings/` are some
of the same reports, of which somebody else wrote down the facts: they are a part of their own. What the bundled engine
wrote in the runs of the catalogue lies in `scenarios/` and is a group of its own: nothing is tuned, calibrated or
counted on it beside the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "sample_logs"
RECORDED = HERE / "incidents"
REPORTS, MORE_REPORTS, SECOND_READINGS = HERE / "reports", HERE / "more_reports", HERE / "second_readings"
SCENARIOS = HERE / "scenarios"

Origin = Literal["sample", "recorded", "report", "second_reading", "scenario"]
Part = Literal["tune", "held_out", "again"]

# Held out until a rule was mended on them: a recording had been missed, and was looked into for the reason; or, of the last,
# before there was a recording.
_LOOKED_INTO = ("exports", "neighbour", "strong_reads", "crowd", "partitions", "slow_meta")

Named = tuple[str, str | None]
"""A cause and its sub-cause; None accepts any of the cause."""


@dataclass(frozen=True, slots=True)
class Truth:
    cause: str | None
    sub_cause: str | None
    accept: tuple[Named, ...] = ()
    decidable: bool = True

    @property
    def answers(self) -> tuple[Named, ...]:
        """Every answer that counts as right, the main one first; none where there is no cause."""
        return () if self.cause is None else ((self.cause, self.sub_cause), *self.accept)


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    origin: Origin
    part: Part
    folder: Path
    truth: Truth
    slow_s: float | None = None  # from when on a request is slow there; None is what the log says

    @property
    def logs(self) -> Path | None:
        return _there(self.folder / "logs")

    @property
    def metrics(self) -> Path | None:
        return _there(self.folder / "prometheus_range.json.gz")

    @property
    def context(self) -> Path | None:
        return _there(self.folder / "context.yaml")


def find() -> list[Case]:
    """All of a real Milvus, in the order of their ids within each origin."""
    return [one for origin, root in _roots() for one in _within(root, origin)]


def find_scenarios() -> list[Case]:
    """Those of the bundled engine."""
    return _within(SCENARIOS, "scenario")


def _within(root: Path, origin: Origin) -> list[Case]:
    folders = sorted(path.parent for path in root.glob("*/truth.json"))
    return [_case(folder, origin) for folder in folders]


def _case(folder: Path, origin: Origin) -> Case:
    said = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    accept = tuple((cause, sub_cause) for cause, sub_cause in said.get("accept", ()))
    truth = Truth(said["cause"], said["sub_cause"], accept, said.get("decidable", True))
    return Case(folder.name, origin, part_of(folder.name, origin), folder, truth, said.get("slow_s"))


def part_of(case_id: str, origin: Origin) -> Part:
    """Recordings are named SCENARIO-STRENGTH. Half of the scenarios are held out, and of the others one strength in three."""
    if origin == "second_reading":
        return "again"
    scenario = case_id.rpartition("-")[0]
    if origin != "recorded" or scenario in _LOOKED_INTO:
        return "tune"
    return "held_out" if _digest(scenario) % 2 or _digest(case_id) % 3 == 0 else "tune"


def _digest(text: str) -> int:
    return hashlib.sha256(text.encode()).digest()[0]


def _roots() -> Iterator[tuple[Origin, Path]]:
    yield "sample", SAMPLES
    yield "recorded", RECORDED
    yield "report", REPORTS
    yield "report", MORE_REPORTS
    yield "second_reading", SECOND_READINGS


def _there(path: Path) -> Path | None:
    return path if path.exists() else None
