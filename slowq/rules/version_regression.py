"""The version of Milvus that I run has a known slowdown.

Symptom
    Searches became slow with an upgrade, or have been slow in just one respect since, and nothing in the workload
    changed. Other installations of the same version show the same.

Cause
    Some releases were slower than the one before, or lacked a fix that later ones have. slowq.regressions lists
    them, transcribed from the release notes of 2.2 to 2.6 and from the decisive issues: first affected version,
    fixing version, what is slow, and the source. Most entries describe an improvement of something that was never
    fast; only entries marked as a regression or a defect accuse the version.

How we tell
    The version comes from the log's caller lines, the context file or milvus_build_info, and may be a range: an
    entry counts when the whole range is affected. Then the symptom must be seen, in evidence of its own
    (slowq.symptoms): a prefix LIKE on a Trie, waits for tSafe beside compactions, a queue of small searches with
    idle cores, cold starts, thousands of collections, growing segments that are memory-mapped, a full CPU that
    nothing else explains. A known fault without its symptom is no finding, and one with it is a hint, unless nothing
    else looks like it. Contention on locks within segcore and the pool of storage v2 leave no trace.

    An upgrade (`events` with `what: upgrade`, `pattern.only_after: upgrade`, or two versions one after the other in
    one log) is the strongest contrast: requests of the same pattern are compared before and after it, and the
    finding also cites what came with the new version unseen, and not what the old one had as well. That searches
    became slow shortly after it speaks for it, that they were slow before against it. With neither a version nor
    an upgrade the rule answers skipped.

    Changes that only look like a regression do not count: what the slow log of the old version left out is not
    compared (2.6.10 lowered its threshold from 5 s to 1 s), and 2.3.19 and 2.4.7 changed histogram buckets.

Not this when
    Another rule explains the slow seconds without the version. The upgrade was followed by a restore, a reload or
    new index types that explain it: `--use_v2_restore` of milvus-backup leaves many small segments
    (growing_segments), and the first searches are cold (cold_cache).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from slowq import onset, regressions, symptoms, upgrades, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import Case, EventFacts, Milvus, Need, Version
from slowq.findings import Clear, Evidence, Finding, Outcome, Remedy, Skipped
from slowq.heavy import heavy_requests
from slowq.onset import Order
from slowq.regressions import Kind, Regression
from slowq.rule import About, threshold
from slowq.symptoms import Symptom
from slowq.upgrades import Upgrade
from slowq.versions import version_range
from slowq.workload import Mask, seen, stated

_MOST_CITED = 3

REMEDIES = (
    Remedy(
        key="upgrade",
        do="Upgrade from $version to $fixed_in or a later release of its line.",
        because="That release is the first without this fault.",
        cost="An upgrade with its tests and a rolling restart; read the release notes in between.",
        verify=(
            "`slowq analyze` of the same workload before and after: the pattern's p95 falls and the entry is no "
            "longer listed."
        ),
    ),
    Remedy(
        key="avoid",
        do=(
            "Avoid what is slow in $version until the upgrade: another index type, filter or consistency level, "
            "as the entry says."
        ),
        because="Most of these faults concern one way of searching.",
        cost="A change in client or schema that is undone later.",
        verify="The pattern leaves the slow log.",
    ),
    Remedy(
        key="compare",
        do="Replay the slow requests on both versions before you decide.",
        because="The table tells what is known in general; your data decides.",
        cost="A second cluster for a day.",
        verify="Durations of the same patterns side by side in two runs of `slowq analyze`.",
    ),
    Remedy(
        key="roll_back",
        do="Go back to the version that was fast, if the fault is open and the release notes allow it.",
        because="An open fault has no fixed version yet.",
        cost="Not every upgrade can be undone: test with a backup first.",
        verify="Durations are those from before the upgrade.",
    ),
)

ABOUT = About(
    id="version_regression",
    title="The version of Milvus that I run has a known slowdown.",
    needs=(
        Need(
            what="the version of Milvus",
            how_to_supply=(
                "Give --context: `milvus: {version: 2.4.5}`, look at milvus_build_info, or "
                "include the log's start, where Milvus prints its version."
            ),
        ),
        Need(
            what="when it was upgraded, and from which version",
            how_to_supply=(
                "Give --context: `events: [{at: 2025-08-23T19:20:00Z, what: upgrade, subject: milvus, detail: "
                "2.3.3 to 2.3.5}]` and `pattern: {only_after: upgrade}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class VersionRegression:
    """A known slowdown of the running Milvus version fits the symptom."""

    about: ClassVar[About] = ABOUT

    slower: float = threshold(
        1.5,
        "times as long that requests of the same pattern take on the new version, from which it is no noise",
    )

    def check(self, case: Case) -> Outcome:
        change, seen_symptoms = _change(case), symptoms.of(case)
        if not change.is_told and change.running.version is None:
            return Skipped(self.about.needs)
        known = [one for one in regressions.known_for(change.running) if one.nature != "improvement"]
        # What the version before had as well does not explain a change.
        known = [one for one in known if change.old is None or not one.affects(change.old)]
        fitting = [one for one in known if one.kind in seen_symptoms]
        is_slower = bool(change.times >= self.slower)
        if not change.is_told and not fitting and not is_slower:
            return Clear(_nothing_fits(change))
        unseen = [one for one in known if one not in fitting and _came_unseen(one, change)]
        evidence = [*_of_change(case, change, self.slower)]
        cites = evidence[0].cites if evidence else ()
        for one in fitting[:_MOST_CITED]:
            shown = seen_symptoms[one.kind].evidence
            evidence.append(Evidence(_says(change, one), shown[0].cites))
            evidence += [item for item in shown if item not in evidence]
        for one in unseen[: max(_MOST_CITED - len(fitting), 0)]:
            evidence.append(Evidence(f"{_says(change, one).rstrip('.')}: nothing here shows it.", cites))
        return self._found(case, change, evidence, fitting or unseen, seen_symptoms)

    def _found(
        self,
        case: Case,
        change: _Change,
        evidence: Sequence[Evidence],
        cited: Sequence[Regression],
        seen_symptoms: Mapping[Kind, Symptom],
    ) -> Finding:
        work = workload.of(case)
        is_slower = bool(change.times >= self.slower)
        fitting = [one for one in cited if one.kind in seen_symptoms]
        is_unique = any(seen_symptoms[one.kind].is_unique for one in fitting)
        fixed = max((one.fixed_in for one in cited if one.fixed_in), default=None)
        moved = [event for event in case.context.events if event.what in ("import", "scale")]
        heavy = work.share(heavy_requests(work)) > 0.5 and not change.is_told and not is_slower and not is_unique
        words = {"fixed_in": version_text(fixed)} if fixed else {}
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.1,
                signs=[
                    (bool(change.told) and change.only_after, 0.6),
                    (is_slower, 0.5),
                    (bool(fitting), 0.1),
                    (any(one.first is not None and one.nature == "regression" for one in fitting), 0.15),
                    (is_unique, 0.4),
                    (bool(fitting) and change.is_any, 0.3),
                    (change.order.is_followed, 0.3),
                ],
                against=[
                    (bool(moved), 0.4),
                    (heavy, 0.5),
                    (bool(change.times < self.slower), 0.5),
                    (change.order.is_late, 0.5),
                ],
            ),
            summary="It is slow since an upgrade."
            if change.is_told or is_slower
            else f"A slowdown that is known of Milvus {change.running.version} fits.",
            evidence=evidence,
            names=words | ({"version": change.running.version} if change.running.version else {}),
            keys=["upgrade", "avoid", "compare", *(["roll_back"] if change.is_any else [])],
            affected=None
            if change.is_told
            else _affected([seen_symptoms[one.kind] for one in fitting])
            if fitting
            else change.compared,
        )


@dataclass(frozen=True, slots=True)
class _Change:
    """What is told and seen of an upgrade; of none, only the version that runs."""

    running: Milvus
    old: Version | None  # the version before, where it is known
    told: Sequence[EventFacts]
    only_after: bool
    seen: Upgrade | None
    times: float  # as slow as before; NaN where it cannot be compared
    compared: Mask
    order: Order  # of the upgrade and the time from which searches are slow

    @property
    def is_told(self) -> bool:
        return bool(self.told) or self.only_after

    @property
    def is_any(self) -> bool:
        return self.is_told or self.seen is not None


def _change(case: Case) -> _Change:
    told = [event for event in case.context.events if event.what == "upgrade"]
    only_after = case.context.pattern.get("only_after") == "upgrade"
    seen_change = upgrades.find(case)
    known_s = [event.at_s for event in told] + [seen_change.at_s if seen_change else None]
    order = onset.order(case, np.array([at_s for at_s in known_s if at_s is not None]))
    if seen_change is None:
        said = next((said for event in told if (said := upgrades.versions_of(event))), None)
        old = version_range(said[0]) if said else None
        nothing = np.zeros(workload.of(case).count, dtype=bool)
        return _Change(case.milvus, old[1] if old else None, told, only_after, None, float("nan"), nothing, order)
    low, high = seen_change.new_range
    running = replace(case.milvus, version=seen_change.new, low=low, high=high)
    times, compared = upgrades.times_as_slow(case, seen_change)
    return _Change(running, seen_change.old_range[1], told, only_after, seen_change, times, compared, order)


def _of_change(case: Case, change: _Change, slower: float) -> Iterator[Evidence]:
    for event in change.told:
        yield stated(case, f"{event.key}.what", f"Milvus was upgraded{': ' + event.detail if event.detail else ''}.")
    if change.only_after:
        yield stated(case, "pattern.only_after", "It is slow only since the upgrade.")
    if change.seen is not None:
        yield change.seen.evidence
    if change.seen is not None and not np.isnan(change.times):
        says = (
            f"Requests of the same pattern take {change.times:.1f} times as long after the change {change.seen.says}."
        )
        yield seen(workload.of(case), says, change.compared, change.times, slower)
    yield from change.order.evidence(case, "the upgrade")


def _nothing_fits(change: _Change) -> str:
    if change.seen is not None and not np.isnan(change.times):
        return f"requests of the same pattern take {change.times:.1f} times as long after the change {change.seen.says}"
    return f"no known slowdown of Milvus {change.running.version} fits what is slow"


def _says(change: _Change, one: Regression) -> str:
    fix = f"; fixed in {version_text(one.fixed_in)}" if one.fixed_in else ""
    return f"Known of Milvus {change.running.version}: {one.says.rstrip('.')}{fix} ({one.url})."


def _came_unseen(one: Regression, change: _Change) -> bool:
    """Whether it came with the upgrade, as far as its first version is told, or else leaves no trace anywhere."""
    if not change.is_any:
        return False
    if change.old is None:
        return one.first is not None and one.nature == "regression"
    return one.kind in symptoms.UNSEEN or one.first is not None


def _affected(seen_symptoms: Sequence[Symptom]) -> Mask | None:
    """The slow requests that show one of these symptoms; None where one of them is of all."""
    masks = [one.affected for one in seen_symptoms]
    known = [mask for mask in masks if mask is not None]
    return np.logical_or.reduce(known) if len(known) == len(masks) else None


def version_text(version: Version | None) -> str:
    return ".".join(map(str, version)) if version else ""
