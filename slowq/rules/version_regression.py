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

    An upgrade (`events` with `what: upgrade`, `pattern.only_after: upgrade`) is the strongest contrast: the finding
    then also cites what is known to have come with the new version and cannot be seen, and not what the old version
    had as well. With neither a version nor an upgrade the rule answers skipped.

Not this when
    Another rule explains the slow seconds without the version. The upgrade was followed by a restore, a reload or
    new index types that explain it: `--use_v2_restore` of milvus-backup leaves many small segments
    (growing_segments), and the first searches are cold (cold_cache).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import regressions, symptoms, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import Case, EventFacts, Need, Version
from slowq.findings import Clear, Evidence, Finding, Outcome, Remedy, Skipped
from slowq.heavy import heavy_requests
from slowq.regressions import Kind, Regression
from slowq.rule import About
from slowq.symptoms import Symptom
from slowq.versions import version_range
from slowq.workload import Mask, stated

_MOST_CITED = 3
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}")

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

    def check(self, case: Case) -> Outcome:
        upgrades = [event for event in case.context.events if event.what == "upgrade"]
        after_upgrade = case.context.pattern.get("only_after") == "upgrade"
        upgraded = bool(upgrades) or after_upgrade
        if not upgraded and case.milvus.version is None:
            return Skipped(self.about.needs)
        old = _version_before(upgrades)
        known = [one for one in regressions.known_for(case.milvus) if one.nature != "improvement"]
        # What the version before had as well does not explain a change.
        known = [one for one in known if old is None or not one.affects(old)]
        seen_symptoms = symptoms.of(case)
        fitting = [one for one in known if one.kind in seen_symptoms]
        if not upgraded and not fitting:
            return Clear(f"no known slowdown of Milvus {case.milvus.version} fits what is slow")
        evidence = [
            stated(case, f"{event.key}.what", f"Milvus was upgraded{': ' + event.detail if event.detail else ''}.")
            for event in upgrades
        ]
        if after_upgrade:
            evidence.append(stated(case, "pattern.only_after", "It is slow only since the upgrade."))
        cites = evidence[0].cites if evidence else ()
        for one in fitting[:_MOST_CITED]:
            shown = seen_symptoms[one.kind].evidence
            evidence.append(Evidence(_says(case, one), shown[0].cites))
            evidence += [item for item in shown if item not in evidence]
        unseen = [one for one in known if upgraded and one not in fitting and _came_unseen(one, old)]
        for one in unseen[: max(_MOST_CITED - len(fitting), 0)]:
            evidence.append(Evidence(f"{_says(case, one).rstrip('.')}: nothing here shows it.", cites))
        return self._found(case, evidence, fitting or unseen, seen_symptoms, (bool(upgrades), after_upgrade))

    def _found(
        self,
        case: Case,
        evidence: Sequence[Evidence],
        cited: Sequence[Regression],
        seen_symptoms: Mapping[Kind, Symptom],
        upgraded: tuple[bool, bool],
    ) -> Finding:
        work, is_upgraded = workload.of(case), any(upgraded)
        fitting = [one for one in cited if one.kind in seen_symptoms]
        is_unique = any(seen_symptoms[one.kind].is_unique for one in fitting)
        fixed = max((one.fixed_in for one in cited if one.fixed_in), default=None)
        moved = [event for event in case.context.events if event.what in ("import", "scale")]
        heavy = work.share(heavy_requests(work)) > 0.5
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.1,
                signs=[
                    (all(upgraded), 0.6),
                    (bool(fitting), 0.1),
                    (any(one.first is not None and one.nature == "regression" for one in fitting), 0.15),
                    (is_unique, 0.4),
                    (bool(fitting) and is_upgraded, 0.3),
                ],
                against=[(bool(moved), 0.4), (heavy and not upgraded[0] and not is_unique, 0.5)],
            ),
            summary="It is slow since an upgrade."
            if is_upgraded
            else f"A slowdown that is known of Milvus {case.milvus.version} fits.",
            evidence=evidence,
            names={"fixed_in": version_text(fixed)} if fixed else None,
            keys=["upgrade", "avoid", "compare", *(["roll_back"] if is_upgraded else [])],
            affected=None if is_upgraded else _affected([seen_symptoms[one.kind] for one in fitting]),
        )


def _says(case: Case, one: Regression) -> str:
    fix = f"; fixed in {version_text(one.fixed_in)}" if one.fixed_in else ""
    return f"Known of Milvus {case.milvus.version}: {one.says.rstrip('.')}{fix} ({one.url})."


def _came_unseen(one: Regression, old: Version | None) -> bool:
    """Whether it surely came with an upgrade to an affected version, and is of those that nothing shows; with the version
    before it, any that came in between."""
    if old is None:
        return one.first is not None and one.nature == "regression"
    return one.kind in symptoms.UNSEEN or one.first is not None


def _affected(seen_symptoms: Sequence[Symptom]) -> Mask | None:
    """The slow requests that show one of these symptoms; None where one of them is of all."""
    masks = [one.affected for one in seen_symptoms]
    known = [mask for mask in masks if mask is not None]
    return np.logical_or.reduce(known) if len(known) == len(masks) else None


def _version_before(upgrades: Sequence[EventFacts]) -> Version | None:
    """The version that the first upgrade began with: "2.3.3 to 2.3.5"."""
    for event in upgrades:
        said = [version for text in _VERSION.findall(event.detail or "") if (version := version_range(text))]
        if len(said) > 1 and said[0] < said[-1]:
            return said[0][1]
    return None


def version_text(version: Version | None) -> str:
    return ".".join(map(str, version)) if version else ""
