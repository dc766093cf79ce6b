"""Whether an answer is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.accuracy.cases import Truth

OUTSIDE = "outside_milvus"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`fair` is right, or undetermined where the evidence decides nothing; equal to `cause` where it does."""

    cause: bool
    exact: bool
    abstained: bool
    fair: bool


def judge(truth: Truth, verdict: Mapping[str, Any]) -> Judgement:
    """`verdict` is that of slowq's document; empty for no answer at all, which is wrong and not an abstention.

    Where nothing is slow, saying so is right, and so is a cause outside of Milvus. Where nobody has found the cause,
    anything but a diagnosis is right.
    """
    outcome = verdict.get("outcome")
    abstained = outcome == "undetermined"
    if truth.cause is None:
        right = _quiet(truth, verdict)
        return Judgement(right, right, abstained, right)
    if outcome != "diagnosed":
        return Judgement(False, False, abstained, abstained and not truth.decidable)
    cause, sub_cause = verdict.get("cause"), verdict.get("sub_cause")
    right = any(cause == accepted for accepted, _ in truth.answers)
    exact = any((cause, sub_cause) == one or (cause, None) == one for one in truth.answers)
    return Judgement(right, exact, abstained, right)


def _quiet(truth: Truth, verdict: Mapping[str, Any]) -> bool:
    outcome = verdict.get("outcome")
    if not truth.decidable:
        return outcome != "diagnosed"
    return outcome == "nothing_slow" or verdict.get("cause") == OUTSIDE


def within(truth: Truth, named: list[tuple[str, str]]) -> bool:
    """Whether one of these is a right cause."""
    return any(cause == accepted for cause, _ in named for accepted, _ in truth.answers)
