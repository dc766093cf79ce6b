"""Arms as a run leaves them, made from latencies: nothing is served."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slowq.repro.requests import Answer
from slowq.repro.run import Arm
from slowq.repro.scenario import Remedy, Scenario, Setup
from slowq.repro.stats import Round

LOGS = Path(__file__).parents[2] / "sample_logs"
REMEDY = Remedy("an_index", "an index on the path", {"filter": ""})
SCENARIO = Scenario("json_filter", "json_filter", "a filter", Setup(rows=1_000, dim=8), {"filter": "a == 1"}, (REMEDY,))


def rounds(*means_s: float, number: int = 100, errors: int = 0) -> list[Round]:
    """One round for each mean, its answers spread around it."""
    return [
        Round(2.0, (*(answer(mean * (0.5 + at / (number - 1))) for at in range(number)), *[answer(9.0, "no")] * errors))
        for mean in means_s
    ]


def answer(took_s: float, error: str = "", who: str = "clients") -> Answer:
    return Answer(who, 1_760_000_000.0, took_s, error)


def arm(name: str, means_s: Sequence[float], incident: str = "", **more: Any) -> Arm:
    """`incident` is one of sample_logs, whose log the arm then has."""
    made = Arm(name, SCENARIO.before, rounds(*means_s), **more)
    if incident:
        import gzip

        (path,) = (LOGS / incident / "logs").iterdir()
        made.log = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return made
