"""How evidence becomes a probability: the one place where confidences are made.

First a score. A rule begins with what its main sign is worth alone. Each further sign for it takes away a part of the
doubt that is left, each sign against it a part of the belief:

    p ← p + (1 - p) · weight        for
    p ← p · (1 - weight)            against

The weights are the rules' own and stand beside the signs. They are judgements; findings are ranked by the score.

Then the confidence that is told: what such a score has been worth, the share of verdicts with it that were right on
labelled incidents, as a curve of two parameters (Platt's),

    log odds of being right = INTERCEPT + SLOPE · log odds of the score

`python -m bench.accuracy.calibrate` fits the two and writes them here; `docs/reliability.svg` shows how far it holds on
incidents that were not used for it. The cases are few, so neither goes beyond HIGHEST.
"""

from collections.abc import Iterable
from math import exp, log

HIGHEST = 0.95
# Below this a finding is worth telling, but not worth acting on before something confirms it.
ENOUGH = 0.5

# Fitted: python -m bench.accuracy.calibrate --write
SLOPE = 1.48
INTERCEPT = 0.57


def confidence(
    base: float, *, signs: Iterable[tuple[bool, float]] = (), against: Iterable[tuple[bool, float]] = ()
) -> float:
    """The score of a cause, 0…1. Signs are (is it there, weight 0…1)."""
    p = base
    for there, weight in signs:
        if there:
            p += (1 - p) * weight
    for there, weight in against:
        if there:
            p *= 1 - weight
    return round(min(p, HIGHEST), 2)


def probability(score: float) -> float:
    """How often a verdict whose first finding has this score is right."""
    bounded = min(max(score, 1 - HIGHEST), HIGHEST)
    odds = exp(INTERCEPT + SLOPE * log(bounded / (1 - bounded)))
    return round(min(odds / (1 + odds), HIGHEST), 2)
