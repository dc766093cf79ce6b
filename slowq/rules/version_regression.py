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
    entry counts when the whole range is affected. Then the symptom must fit the entry: prefix LIKE on a Trie, tSafe
    waits during compaction, queueing with idle cores, cold starts. A known defect without its symptom is no
    finding. Before and after an upgrade (`events` with `what: upgrade`, `pattern.only_after: upgrade`) is the
    strongest contrast; the finding then cites the entry and the event.

    Changes that only look like a regression are left out of the count: 2.6.10 lowered the slow threshold from 5 s
    to 1 s, 2.5.13 and 2.6.0 compare searches per query vector, and 2.3.19 and 2.4.7 changed histogram buckets. With
    no version the rule answers skipped.

Not this when
    Another rule explains the slow seconds without the version. The upgrade was followed by a restore, a reload or
    new index types that explain it: `--use_v2_restore` of milvus-backup leaves many small segments
    (growing_segments), and the first searches are cold (cold_cache).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import regressions, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import Case, Need, Version
from slowq.findings import Clear, Outcome, Remedy, Skipped
from slowq.heavy import heavy_requests
from slowq.rule import About
from slowq.workload import seen, stated

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
        work = workload.of(case)
        upgrades = [event for event in case.context.events if event.what == "upgrade"]
        after_upgrade = case.context.pattern.get("only_after") == "upgrade"
        known = [one for one in regressions.known_for(case.milvus) if one.nature != "improvement"]
        fitting = [one for one in known if one.kind in self._symptoms(case)]
        if not upgrades and not after_upgrade and case.milvus.version is None:
            return Skipped(self.about.needs)
        if not upgrades and not after_upgrade and not fitting:
            return Clear(f"no known slowdown of Milvus {case.milvus.version} fits what is slow")
        evidence = [
            stated(case, f"{event.key}.what", f"Milvus was upgraded{': ' + event.detail if event.detail else ''}.")
            for event in upgrades
        ]
        if after_upgrade:
            evidence.append(stated(case, "pattern.only_after", "It is slow only since the upgrade."))
        everything = np.ones(work.count, dtype=bool)
        for one in fitting[:3]:
            fix = f"; fixed in {version_text(one.fixed_in)}" if one.fixed_in else ""
            says = f"Known of Milvus {case.milvus.version}: {one.says.rstrip('.')}{fix} ({one.url})."
            evidence.append(seen(work, says, everything) if work.count else stated(case, "milvus.version", says))
        fixed = max((one.fixed_in for one in fitting if one.fixed_in), default=None)
        moved = [event for event in case.context.events if event.what in ("import", "scale")]
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.1,
                signs=[
                    (bool(upgrades) and after_upgrade, 0.6),
                    (bool(fitting), 0.15),
                    (bool(fitting) and bool(upgrades or after_upgrade), 0.3),
                ],
                against=[(bool(moved), 0.4), (work.share(heavy_requests(work)) > 0.5 and not upgrades, 0.5)],
            ),
            summary="It is slow since an upgrade."
            if after_upgrade or upgrades
            else f"A slowdown that is known of Milvus {case.milvus.version} fits.",
            evidence=evidence,
            names={"fixed_in": version_text(fixed)} if fixed else None,
            keys=["upgrade", "avoid", "compare", *(["roll_back"] if upgrades or after_upgrade else [])],
        )

    def _symptoms(self, case: Case) -> set[str]:
        """The kinds of known regressions that the case can have met."""
        work = workload.of(case)
        kinds = set()
        if work.of_filter(lambda features: bool(features.like_prefix)).any():
            kinds |= {"prefix_like"}
        if work.is_any("kind", ["hybrid_search"]).any():
            kinds |= {"hybrid"}
        if len(workload.events_of(case, "tsafe_wait", "tsafe_lag")):
            kinds |= {"tsafe", "delete/tsafe"}
        if work.has_param("iterator").any():
            kinds |= {"iterator"}
        return kinds


def version_text(version: Version | None) -> str:
    return ".".join(map(str, version)) if version else ""
