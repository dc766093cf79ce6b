"""What the rounds prove: did the rule fire before, is it silent after, and is the effect larger than the noise."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from slowq import triage
from slowq.facts import HEALTHY_S
from slowq.findings import Diagnosis
from slowq.gather import Answers, Only, gather
from slowq.metrics import catalogue
from slowq.metrics.raw import raw
from slowq.repro.run import Arm
from slowq.repro.scenario import Scenario
from slowq.repro.stats import Interval, measured

Outcome = Literal["confirmed", "no effect", "worse", "could not reproduce"]


@dataclass(frozen=True, slots=True)
class Judged:
    """`first` is the sub-cause of the first finding before; `silent` whether the rule says nothing after, or as good as.

    Both are None where the target's log could not be read.
    """

    outcome: Outcome
    because: str
    first: str | None
    silent: bool | None
    impact: float | None  # (t - t_fixed) / t of the mean


# Slow, in a reproduction, is what takes this share of the median before: a server in production has its threshold near
# what its users suffer from, too. Never what the guide calls healthy.
_SLOW_SHARE = 1 / 3


# On a machine that others use too, some requests are slow whatever was mended. A rule that explains no more than this share
# of what it explained before, per request, has fallen silent.
_REMNANT = 0.05


def slow_from(before: Arm) -> float:
    """From how many seconds on a request is slow in this reproduction. The arm must have answers."""
    return max(HEALTHY_S, measured(before.rounds, before.setup.measured)["p50_s"].mean * _SLOW_SHARE)


def diagnosed(arm: Arm, slow_s: float = HEALTHY_S) -> Diagnosis | None:
    """What slowq itself says of the arm's log, metrics and the server's own facts; None where there is no log."""
    if not arm.log:
        return None
    with tempfile.TemporaryDirectory(prefix="slowq-repro-") as folder:
        path = Path(folder) / "milvus.log"
        path.write_bytes(arm.log)
        case = gather(
            [str(path)],
            arm.context,
            metrics=lambda _: _answers(arm.series),
            only=Only(min_duration_s=slow_s),
            jobs=1,
        )
    return triage.diagnose(case)


def _answers(series: dict[str, Any] | None) -> Answers | None:
    if series is None:
        return None
    found = raw(series["series"], series["start"], series["end"], series["step"], catalogue.SERIES)
    return Answers(found, "the reproduction")


def judge(scenario: Scenario, before: Arm, after: Arm) -> Judged:
    """The verdict on one remedy. Without a fired rule nothing is claimed; without a log the times alone decide."""
    who = before.setup.measured
    was, now = measured(before.rounds, who), measured(after.rounds, who)
    if not was or not now:
        trouble = before.trouble or after.trouble or "requests were answered with errors only"
        return Judged("could not reproduce", trouble, None, None, None)
    impact = (was["mean_s"].mean - now["mean_s"].mean) / was["mean_s"].mean
    slow_s = slow_from(before)
    found, left = diagnosed(before, slow_s), diagnosed(after, slow_s)
    first = found.findings[0].sub_cause if found is not None and found.findings else None
    silent = None
    if found is not None and left is not None:
        was_blamed, remains = (_blamed(one, arm, scenario.rule) for one, arm in ((found, before), (left, after)))
        silent = remains == 0 or remains <= _REMNANT * was_blamed < math.inf
    if found is not None and first not in (scenario.rule, *scenario.accept):
        named = [one.sub_cause for one in found.findings]
        seen = f"it fired behind {first}" if scenario.rule in named else "it did not fire"
        return Judged(
            "could not reproduce", f"the rule {scenario.rule} was expected first: {seen}", first, silent, impact
        )
    outcome, because = _effect(was["p99_s"], now["p99_s"], was["p50_s"], now["p50_s"])
    if outcome == "confirmed" and silent is False:
        return Judged("no effect", f"it is faster, but {scenario.rule} still fires", first, silent, impact)
    return Judged(outcome, because, first, silent, impact)


def _blamed(diagnosis: Diagnosis, arm: Arm, rule: str) -> float:
    """Seconds that the rule explains, for each request that was sent; 0 where it does not fire."""
    explained = [one.explains_s or 0.0 for one in diagnosis.findings if one.sub_cause == rule]
    if explained and not any(explained):
        return math.inf  # it fires, and its requests have no durations
    return sum(explained) / max(1, sum(len(one.answers) for one in arm.rounds))


def _effect(was: Interval, now: Interval, was_half: Interval, now_half: Interval) -> tuple[Outcome, str]:
    """By p99, and where its noise hides the effect, by the median."""
    for name, one, two in (("p99", was, now), ("p50", was_half, now_half)):
        if one.apart(two):
            better = two.mean < one.mean
            times = one.mean / two.mean if better else two.mean / one.mean
            word = "faster" if better else "slower"
            return ("confirmed" if better else "worse"), f"{name} is {times:.1f} times {word}, outside the noise"
    return "no effect", "the intervals of p99 and p50 overlap"
