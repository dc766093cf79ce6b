"""A sign of a known slowdown, and how signs are made."""

from __future__ import annotations

from dataclasses import dataclass

from slowq import workload
from slowq.facts import Case
from slowq.findings import Evidence
from slowq.wording import count, do
from slowq.workload import Mask, seen


@dataclass(frozen=True, slots=True)
class Symptom:
    """`affected` are the slow requests that show it, None if it is all of them. Nothing but the known slowdown looks like
    what `is_unique`."""

    evidence: tuple[Evidence, ...]
    affected: Mask | None = None
    is_unique: bool = False


def of_requests(case: Case, mask: Mask, what: str) -> Symptom | None:
    """That slow requests are of a kind; None where none is."""
    work = workload.of(case)
    if not mask.any():
        return None
    number = int(mask.sum())
    says = f"{number:,} of {count(work.count, 'slow request')} {do(number, 'are')} {what}."
    return Symptom((seen(work, says, mask, work.share(mask)),), mask)


def both(one: Symptom | None, other: Symptom | None) -> Symptom | None:
    """Two signs that say something only together."""
    if one is None or other is None:
        return None
    return Symptom((*one.evidence, *other.evidence), one.affected if other.affected is None else other.affected)
