"""What the rounds prove: did the rule fire before, is it silent after, and is the effect larger than the noise."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from slowq import triage
from slowq.facts import HEALTHY_S
from slowq.findings import Diagnosis
from slowq.gather import Answers, Only, gather
from slowq.metrics import catalogue
from slowq.metrics.raw import raw
from slowq.repro import seen
from slowq.repro.run import Arm
from slowq.repro.scenario import Scenario
from slowq.repro.stats import Interval, measured

Outcome = Literal["confirmed", "no effect", "worse", "could not reproduce"]


@dataclass(frozen=True, slots=True)
class Judged:
    """`first` is the sub-cause of the first finding before; `silent` whether the rule says nothing after, or as good as.
    Both are None where the rule could not judge.

    `seen_in` are what slowq judged from: "log" or "clients" for the requests, "metrics", "facts".
    """

    outcome: Outcome
    because: str
    first: str | None
    silent: bool | None
    impact: float | None  # (t - t_fixed) / t of the mean
    seen_in: tuple[str, ...] = ()


# Slow, in a reproduction, is what takes this share of the median before: a server in production has its threshold near
# what its users suffer from, too. Never what the guide calls healthy.
_SLOW_SHARE = 1 / 3
# A log that holds this share of the slow requests stands for them: that of the clients ends with the last answer.
_ENOUGH = 0.8


# On a machine that others use too, some requests are slow whatever was mended. A rule that explains no more than this share
# of what it explained before, per request, has fallen silent.
_REMNANT = 0.05


def slow_from(before: Arm) -> float:
    """From how many seconds on a request is slow in this reproduction. The arm must have answers."""
    return max(HEALTHY_S, measured(before.rounds, before.setup.measured)["p50_s"].mean * _SLOW_SHARE)


def diagnosed(arm: Arm, slow_s: float = HEALTHY_S, *, from_log: bool = True) -> Diagnosis | None:
    """What slowq itself says of the arm's requests, metrics and the server's own facts; None where there is no log.

    The requests are those of its log, or without `from_log` those that its clients saw.
    """
    if from_log and not arm.log:
        return None
    only = Only(min_duration_s=slow_s)
    if not arm.own_log:  # others may be in it
        only = replace(only, collections=frozenset((arm.collection,)))
    with tempfile.TemporaryDirectory(prefix="slowq-repro-") as folder:
        path = Path(folder) / "milvus.log"
        path.write_bytes(arm.log)
        case = gather(
            [str(path)] if arm.log else [],
            arm.context,
            metrics=lambda _: _answers(arm.series),
            only=only,
            seen=None if from_log else seen.requests(arm.setup, arm.collection, arm.rounds),
            jobs=1,
        )
    return triage.diagnose(case)


def is_logged(arm: Arm, slow_s: float) -> bool:
    """Whether the log tells of the requests that were slow. A Milvus has a threshold of its own, often of seconds."""
    if arm.own_log:
        return True
    slow = sum(one.took_s >= slow_s for each in arm.rounds for one in each.answers)
    name = arm.collection.encode()
    logged = sum(b' slow"]' in line and name in line for line in arm.log.splitlines())
    return logged > 0 and logged >= slow * _ENOUGH


def _answers(series: dict[str, Any] | None) -> Answers | None:
    if series is None:
        return None
    found = raw(series["series"], series["start"], series["end"], series["step"], catalogue.SERIES)
    return Answers(found, "the reproduction")


def judge(scenario: Scenario, before: Arm, after: Arm) -> Judged:
    """The verdict on one remedy. Without a fired rule nothing is claimed; where it cannot judge, the times alone decide."""
    who = before.setup.measured
    was, now = measured(before.rounds, who), measured(after.rounds, who)
    if not was or not now:
        trouble = before.trouble or after.trouble or "requests were answered with errors only"
        return Judged("could not reproduce", trouble, None, None, None)
    impact = (was["mean_s"].mean - now["mean_s"].mean) / was["mean_s"].mean
    slow_s = slow_from(before)
    from_log = is_logged(before, slow_s)
    found, left = (diagnosed(arm, slow_s, from_log=from_log) for arm in (before, after))
    outcome, because = _effect(was["p99_s"], now["p99_s"], was["p50_s"], now["p50_s"])
    if found is None or left is None:
        return Judged(outcome, f"{because}; no log was read, so the times alone decide", None, None, impact)
    seen_in = ("log" if from_log else "clients", *_read(before))
    unjudged = dict(found.skipped).get(scenario.rule)
    if unjudged is not None:
        lacks = ", ".join(one.what for one in unjudged.needs)
        because = f"{because}; the rule {scenario.rule} lacks {lacks}, so the times alone decide"
        return Judged(outcome, because, None, None, impact, seen_in)
    first = found.findings[0].sub_cause if found.findings else None
    was_blamed, remains = (_blamed(one, arm, scenario.rule) for one, arm in ((found, before), (left, after)))
    silent = remains == 0 or remains <= _REMNANT * was_blamed < math.inf
    if first not in (scenario.rule, *scenario.accept):
        named = [one.sub_cause for one in found.findings]
        told = f"it fired behind {first}" if scenario.rule in named else "it did not fire"
        because = f"the rule {scenario.rule} was expected first: {told}"
        return Judged("could not reproduce", because, first, silent, impact, seen_in)
    if outcome == "confirmed" and not silent:
        because = f"it is faster, but {scenario.rule} still fires"
        return Judged("no effect", because, first, silent, impact, seen_in)
    return Judged(outcome, because, first, silent, impact, seen_in)


def _read(arm: Arm) -> tuple[str, ...]:
    return (*(["metrics"] if arm.series else []), *(["facts"] if arm.context else []))


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
