"""A change of the version of Milvus within one log, and how requests of the same pattern fared before it and after.

It is seen in the sessions that Milvus registers at start-up, in the versions that the requests' own lines tell, or it is
told with its time in the context file. The version of a banner is of no use here: it is one for the whole log. Versions
that come and go, as of two clusters in one log, are no change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from slowq import workload
from slowq.facts import Case, EventFacts, Version
from slowq.findings import Evidence
from slowq.versions import of_session, version_range
from slowq.workload import Mask, logged, seen, stated

Range = tuple[Version, Version]

_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}")
# A rolling upgrade takes a while: so much of the requests of one version may lie beside those of the other.
_OVERLAP = 0.1
# A pattern is compared where it has so many slow requests on either side.
_ENOUGH = 5
# From 2.6.10 on the slow log begins at 1 s instead of 5 s, so that only what lies above both can be compared.
_LOWERED, _OLD_THRESHOLD_S = (2, 6, 10), 5.0
_SPAN = "proxy.slowQuerySpanInSeconds"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """From one version to a later one, at `at_s` (Unix seconds). `before` and `after` are the slow requests that surely ran
    on either."""

    at_s: float
    old: str
    new: str
    old_range: Range
    new_range: Range
    before: Mask
    after: Mask
    evidence: Evidence

    @property
    def says(self) -> str:
        return f"from {self.old} to {self.new}"


def find(case: Case) -> Upgrade | None:
    """The last change to a later version that the log or the context file shows with its time."""
    return _of_sessions(case) or _of_requests(case) or _told(case)


def versions_of(event: EventFacts) -> tuple[str, str] | None:
    """What the detail of an upgrade says: "2.3.3 to 2.3.5"."""
    said = _VERSION.findall(event.detail or "")
    return (said[0], said[-1]) if len(said) > 1 else None


def times_as_slow(case: Case, change: Upgrade) -> tuple[float, Mask]:
    """How many times as long requests of the same pattern take after the change, and the requests after it that were
    compared; NaN where no pattern has enough of them on both sides. Of several patterns it is the median, by seconds."""
    work = workload.of(case)
    seconds = work.number("duration_s")
    known = seconds >= _comparable_s(case, change)
    compared, found = np.zeros(work.count, dtype=bool), []
    for _, rows in work.groups("pattern"):
        before, after = (rows[(side & known)[rows]] for side in (change.before, change.after))
        if min(len(before), len(after)) >= _ENOUGH:
            compared[after] = True
            found.append((float(np.median(seconds[after]) / np.median(seconds[before])), float(seconds[after].sum())))
    if not found:
        return float("nan"), compared
    found.sort()
    weights = np.cumsum([weight for _, weight in found])
    return found[int(np.searchsorted(weights, weights[-1] / 2))][0], compared


def _comparable_s(case: Case, change: Upgrade) -> float:
    lowered = change.old_range[0] < _LOWERED <= change.new_range[1]
    return _OLD_THRESHOLD_S if lowered and _SPAN not in case.context.config else 0.0


# --------------------------------------------------------------------------------------------------------------------
# Where a change shows.


def _of_sessions(case: Case) -> Upgrade | None:
    sessions = case.events[(case.events["what"] == "session").to_numpy(dtype=bool)]
    said = [of_session(str(detail)) for detail in sessions["detail"]]
    ranges = [version_range(text) if text else None for text in said]
    at_s = workload.unix_s(sessions["at"])
    runs = [number for number, one in enumerate(ranges) if one is not None and not np.isnan(at_s[number])]
    order = [(one, at) for at in runs if (one := ranges[at]) is not None]
    changes = [(earlier, later) for earlier, later in pairwise(order) if earlier[0] != later[0]]
    if not changes or any(later[0][0] <= earlier[0][1] for earlier, later in changes):
        return None
    (old_range, old), (new_range, new) = changes[-1]
    says = f"Milvus {said[old]} registered first, and then Milvus {said[new]}."
    evidence = logged(sessions.iloc[[old, new]], says)
    return _at(case, float(at_s[new]), (str(said[old]), str(said[new])), (old_range, new_range), evidence)


def _of_requests(case: Case) -> Upgrade | None:
    work = workload.of(case)
    texts = {text: found for text in work.values("milvus_version") if (found := _range(text))}
    if len(texts) < 2:
        return None
    new = max(texts, key=lambda text: texts[text])
    older = [text for text in texts if texts[text][1] < texts[new][0]]
    if not older:
        return None
    old = max(older, key=lambda text: texts[text])
    before = work.is_any("milvus_version", older) & ~np.isnan(work.ended_s)
    later = [text for text in texts if texts[text][0] > max(texts[one][1] for one in older)]
    after = work.is_any("milvus_version", later) & ~np.isnan(work.ended_s)
    if not before.any() or not after.any():
        return None
    last_old, first_new = work.ended_s[before].max(), work.ended_s[after].min()
    if max((work.ended_s[before] > first_new).mean(), (work.ended_s[after] < last_old).mean()) > _OVERLAP:
        return None
    says = f"Requests of Milvus {new} follow those of {old}."
    return Upgrade(float(first_new), old, new, texts[old], texts[new], before, after, seen(work, says, after))


def _told(case: Case) -> Upgrade | None:
    for event in reversed(case.context.events):
        at_s, said = event.at_s, versions_of(event)
        if event.what != "upgrade" or at_s is None or said is None:
            continue
        old, new = version_range(said[0]), version_range(said[1])
        if old is not None and new is not None and old < new:
            evidence = stated(case, f"{event.key}.at", f"Milvus went from {said[0]} to {said[1]} at {event.at}.")
            return _at(case, at_s, said, (old, new), evidence)
    return None


def _at(case: Case, at_s: float, said: tuple[str, str], ranges: tuple[Range, Range], evidence: Evidence) -> Upgrade:
    work = workload.of(case)
    return Upgrade(at_s, *said, *ranges, work.ended_s <= at_s, work.started_s >= at_s, evidence)


def _range(text: str) -> Range | None:
    """Of a version as a request's line tells it: `2.6.15 or later` is bounded from below alone."""
    found = version_range(text.replace(" or later", ""))
    if found is None or not text.endswith(" or later"):
        return found
    return found[0], (999, 999, 999)
