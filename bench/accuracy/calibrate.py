"""Make the confidence of a verdict a probability: fit the two parameters of `slowq/confidence.py` on the tune part.

    python -m bench.accuracy.calibrate [--write]

Each case counts once, spread over the conditions under which slowq gave a diagnosis, so that a confidence has to hold
where the evidence is thin as well. The cases are few, and the rules were written on them, which makes them look surer than
others will be; the fit is therefore held close to leaving the scores as they are (a Gaussian prior of width PRIOR on both
parameters). Run `bench.accuracy.run --write` and `make golden` afterwards.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path

import numpy as np
import numpy.typing

from bench.accuracy.ask import Answer, ask_all
from bench.accuracy.cases import HERE, find
from bench.accuracy.conditions import CONDITIONS
from bench.accuracy.judge import judge
from slowq import confidence

PLACE = HERE.parents[1] / "slowq" / "confidence.py"
PRIOR = 0.4
STEPS, TINY = 100, 1e-9

Floats = np.typing.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stated:
    """A diagnosis: the score of its first finding, whether cause and sub-cause were right, what it weighs."""

    score: float
    right: bool
    weight: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write the parameters into {PLACE.name}")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    tune = [case for case in find() if case.part == "tune" and case.truth.decidable]
    stated = diagnoses(ask_all(tune, list(CONDITIONS), options.jobs))
    slope, intercept = fit(stated)
    print(f"{len(stated)} diagnoses of {sum(one.weight for one in stated):.0f} cases")
    for name, parameters in (("as they are", (confidence.SLOPE, confidence.INTERCEPT)), ("fitted", (slope, intercept))):
        print(
            f"{name}: slope {parameters[0]:.2f}, intercept {parameters[1]:.2f}, log loss {loss(stated, *parameters):.4f}"
        )
    if options.write:
        PLACE.write_text(written(PLACE.read_text(encoding="utf-8"), slope, intercept), encoding="utf-8")
    return 0


def diagnoses(answers: Sequence[Answer]) -> list[Stated]:
    found = [one for one in answers if one.verdict.get("outcome") == "diagnosed"]
    times = Counter(one.case.id for one in found)
    return [
        Stated(one.findings[0]["score"], judge(one.case.truth, one.verdict).exact, 1 / times[one.case.id])
        for one in found
    ]


def fit(stated: Sequence[Stated]) -> tuple[float, float]:
    """Slope and intercept of the likeliest curve; (1, 0) leaves scores as they are. A score never counts against itself."""
    slope, intercept = _likeliest(stated, np.eye(2))
    return (slope, intercept) if slope >= 0 else _likeliest(stated, np.array([[0.0, 1.0]]))


def _likeliest(stated: Sequence[Stated], free: Floats) -> tuple[float, float]:
    """By Newton's method over the parameters in `free` (rows over slope and intercept), with steps that improve the fit."""
    right = np.array([float(one.right) for one in stated])
    weight = np.array([one.weight for one in stated])
    given = np.array([[_log_odds(one.score), 1.0] for one in stated]) @ free.T
    prior, stiffness = free @ np.array([1.0, 0.0]), np.eye(len(free)) / PRIOR**2

    def cost(at: Floats) -> float:
        odds = given @ at
        off = at - prior
        return float(weight @ (np.logaddexp(0, odds) - right * odds) + off @ stiffness @ off / 2)

    at = prior
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-(given @ at)))
        uphill = given.T @ (weight * (p - right)) + stiffness @ (at - prior)
        curvature = (given * (weight * p * (1 - p))[:, None]).T @ given + stiffness
        step = np.linalg.solve(curvature, uphill)
        while cost(at - step) > cost(at) and np.abs(step).max() > TINY:
            step = step / 2
        at = at - step
        if np.abs(step).max() <= TINY:
            break
    slope, intercept = free.T @ at
    return float(slope), float(intercept)


def loss(stated: Sequence[Stated], slope: float, intercept: float) -> float:
    total = sum(one.weight for one in stated)
    return sum(one.weight * _loss(one, slope, intercept) for one in stated) / total


def _loss(one: Stated, slope: float, intercept: float) -> float:
    odds = exp(intercept + slope * _log_odds(one.score))
    return log(1 + 1 / odds) if one.right else log(1 + odds)


def _log_odds(score: float) -> float:
    bounded = min(max(score, 1 - confidence.HIGHEST), confidence.HIGHEST)
    return log(bounded / (1 - bounded))


def written(source: str, slope: float, intercept: float) -> str:
    """The module with these parameters in it."""
    for name, value in (("SLOPE", slope), ("INTERCEPT", intercept)):
        source, found = re.subn(rf"^{name} = .*$", f"{name} = {value:.2f}", source, flags=re.M)
        if found != 1:
            raise ValueError(f"{Path(PLACE).name} sets {name} {found} times")
    return source


if __name__ == "__main__":
    sys.exit(main())
