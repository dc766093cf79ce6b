"""From a rule's judgement to a finding: the seconds it explains, who waited for whom, and the remedies in the incident's
own names and for its version of Milvus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import Template

import numpy as np

from slowq import workload
from slowq.facts import UNNAMED, Case, CollectionFacts, Milvus
from slowq.findings import Evidence, Finding, Remedy, Severity
from slowq.in_place import is_in_place
from slowq.rule import About
from slowq.workload import Mask

# What prose says where the incident's own name is not known; a snippet has no such words, and is left out.
_WORDS = {
    "collection": "the collection",
    "vector_field": "the vector field",
    "field": "the field",
    "version": "your version",
}
# What can be expected to explain this share of the slow time is critical, less than the second no more than a remark.
_CRITICAL_SHARE, _REMARK_SHARE = 0.3, 0.05


def finding(
    about: About,
    case: Case,
    culprits: Mask,
    *,
    confidence: float,
    summary: str,
    evidence: Sequence[Evidence],
    subject: str | None = None,
    names: Mapping[str, object] | None = None,
    with_victims: bool = True,
    explains_share: float | None = None,
    keys: Sequence[str] | None = None,
) -> Finding:
    """A finding that accounts for the culprits' seconds and, if asked, for those of their victims.

    `explains_share` overrides the share where a rule knows better; `keys` picks the remedies that fit.
    """
    work = workload.of(case)
    victims = work.victims(culprits) if with_victims else np.zeros_like(culprits)
    # Where no single request is known, what is said is said of all of them.
    share = explains_share if explains_share is not None else work.share(culprits | victims) if work.count else 1.0
    share *= _there(about, case)
    known = {**work.names(culprits), **(names or {})}
    return Finding(
        cause=about.cause,
        sub_cause=about.id,
        severity=_severity(share * confidence),
        confidence=confidence,
        explains_s=share * work.total_s if work.has_durations else None,
        explains_share=share,
        subject=subject or work.main("collection", culprits) or "the cluster",
        summary=summary,
        evidence=tuple(evidence),
        remedies=remedies(about, case, known, keys, work.collection(culprits)),
        culprits=work.patterns(culprits),
        victims=work.patterns(victims),
        culprit_rows=culprits,
        victim_rows=victims,
    )


def fact(
    about: About,
    case: Case,
    *,
    confidence: float,
    summary: str,
    evidence: Sequence[Evidence],
    subject: str = "the cluster",
    names: Mapping[str, object] | None = None,
    keys: Sequence[str] | None = None,
    affected: Mask | None = None,
) -> Finding:
    """A finding that blames no request: those that are slow suffer from it, all of them unless `affected` says which."""
    work = workload.of(case)
    suffer = np.ones(work.count, dtype=bool) if affected is None else affected
    share = (work.share(suffer) if work.count else 1.0) * _there(about, case)
    return Finding(
        cause=about.cause,
        sub_cause=about.id,
        severity=_severity(share * confidence),
        confidence=confidence,
        explains_s=share * work.total_s if work.has_durations else None,
        explains_share=share,
        subject=subject,
        summary=summary,
        evidence=tuple(evidence),
        remedies=remedies(about, case, {**work.names(suffer), **(names or {})}, keys, work.collection(suffer)),
        victims=work.patterns(suffer),
        victim_rows=suffer,
    )


def _there(about: About, case: Case) -> float:
    """The share of what the client waits for that passes where the rule looks: in Milvus, or outside.

    1 where the context file does not tell both times, and where a log has Milvus' own.
    """
    client, server = case.context.client, case.context.server
    if case.inputs:
        return 1.0
    for key in ("p50_s", "p99_s"):
        if client.get(key) and server.get(key) is not None:
            within = min(1.0, float(server[key]) / float(client[key]))
            return 1 - within if about.cause == "outside_milvus" else within
    return 1.0


def remedies(
    about: About,
    case: Case,
    names: Mapping[str, object],
    keys: Sequence[str] | None = None,
    collection: CollectionFacts | None = None,
) -> tuple[Remedy, ...]:
    """The remedies that hold for this version and are not in place, in the incident's own names, in the rule's order.

    One whose prose has a gap is left out, and so is a snippet with a gap: half an instruction is none. What nobody named
    is such a gap.
    """
    filled = []
    names = {name: value for name, value in names.items() if UNNAMED not in str(value)}
    for remedy in about.remedies:
        if keys is not None and remedy.key not in keys:
            continue
        if not _is_of_version(remedy, case.milvus) or is_in_place(remedy, case.context, collection):
            continue
        words = {**_WORDS, **names}
        if remedy.before is not None:  # an upgrade is advice until all that it mends is mended
            words.setdefault("fixed_in", ".".join(map(str, remedy.before)) + " or later")
        prose = (remedy.do, remedy.because, remedy.cost, remedy.verify)
        if any(set(Template(text).get_identifiers()) - set(words) for text in prose):
            continue
        one = remedy.filled(words)
        gaps = set(Template(remedy.snippet).get_identifiers()) - set(names)
        filled.append(replace(one, snippet="") if gaps else one)
    return tuple(filled)


def _is_of_version(remedy: Remedy, milvus: Milvus) -> bool:
    too_new = remedy.before is not None and milvus.surely_from(remedy.before)
    return not too_new and not (remedy.since is not None and milvus.surely_before(remedy.since))


def _severity(expected_share: float) -> Severity:
    return "critical" if expected_share >= _CRITICAL_SHARE else "warning" if expected_share >= _REMARK_SHARE else "info"
