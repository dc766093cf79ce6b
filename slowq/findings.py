"""What was concluded: findings with cited evidence, remedies, and the four outcomes of a rule.

A finding without a cited evidence item cannot exist: the constructor refuses it.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import Template
from typing import TYPE_CHECKING, Any, Literal, get_args

from slowq.facts import Need, Place, Version

if TYPE_CHECKING:
    import numpy as np

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
# What can be expected to explain less of the slow time than this is counted, and not told beside other findings.
MINOR_SHARE = 0.01
# A cause whose score is lower has turned out to be the one less than once in ten times (see `confidence.probability`).
MINOR_SCORE = 0.1

CAUSES: Mapping[str, tuple[str, ...]] = {
    "heavy_workload": ("large_nq", "high_concurrency", "large_result", "search_fanout"),
    "inefficient_filter": (
        "complex_expression",
        "unindexed_scalar_filter",
        "json_filter",
        "pattern_filter",
        "consistency_wait",
    ),
    "wrong_index": ("brute_force", "search_params", "disk_bound_index", "cold_cache", "binary_vector_index"),
    "runtime_contention": (
        "growing_segments",
        "heavy_delete",
        "compaction",
        "index_build",
        "segment_load",
        "cpu_saturation",
        "disk_saturation",
        "memory_pressure",
        "too_many_collections",
        "version_regression",
    ),
    "dependency_stall": ("timetick_stall", "clock_skew", "storage_stall"),
    "outside_milvus": ("client_or_network",),
}


@dataclass(frozen=True, slots=True)
class MetricCite:
    """A metric over a window, as a reader would ask Prometheus for it."""

    metric: str
    window: tuple[str, str]


Cite = Place | MetricCite


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation: what it says in a sentence, the number in it, what that is held against, where it was read."""

    says: str
    cites: tuple[Cite, ...]
    value: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if not self.cites:
            raise ValueError(f"evidence without a cite: {self.says!r}")


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing to do. `$names` in the texts stand for the incident's own; `filled` puts them in.

    `since` and `before` bound the Milvus versions for which the advice holds: from `since`, up to but not `before`.
    """

    key: str
    do: str
    because: str
    cost: str
    verify: str
    snippet: str = ""
    since: Version | None = None
    before: Version | None = None
    receipt: Mapping[str, Any] | None = None

    def filled(self, names: Mapping[str, object]) -> Remedy:
        """This remedy in the incident's own names.

        Prose takes a name as it is; a snippet takes it as a Python literal, so that no name can become code.
        Names that are not known stay as `<name>`.
        """
        prose = _Names({k: str(v) for k, v in names.items()})
        code = _Names({k: repr(v) for k, v in names.items()})
        return replace(
            self,
            do=Template(self.do).safe_substitute(prose),
            because=Template(self.because).safe_substitute(prose),
            cost=Template(self.cost).safe_substitute(prose),
            verify=Template(self.verify).safe_substitute(prose),
            snippet=Template(self.snippet).safe_substitute(code),
        )


class _Names(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause that the evidence supports, and how many slow seconds it accounts for."""

    cause: str
    sub_cause: str
    severity: Severity
    confidence: float
    explains_s: float | None  # None where no duration is known
    explains_share: float
    subject: str
    summary: str
    evidence: tuple[Evidence, ...]
    remedies: tuple[Remedy, ...] = ()
    culprits: tuple[str, ...] = ()
    victims: tuple[str, ...] = ()
    # Which of the slow requests these are, in the order of the table: a pattern may hold culprits and victims.
    culprit_rows: np.ndarray | None = field(default=None, compare=False, repr=False)
    victim_rows: np.ndarray | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError(f"finding {self.sub_cause} without evidence")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence of {self.sub_cause} is {self.confidence}, not within 0…1")
        if not 0 <= self.explains_share <= 1:
            raise ValueError(f"share that {self.sub_cause} explains is {self.explains_share}, not within 0…1")
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity of {self.sub_cause} is {self.severity!r}, not one of {', '.join(SEVERITIES)}")

    @property
    def expected_share(self) -> float:
        """The share of the slow time that it can be expected to explain."""
        return self.explains_share * self.confidence

    @property
    def is_minor(self) -> bool:
        """Whether it weighs too little to stand beside others; never so what is critical, which own rules may say of anything."""
        weighs_little = self.expected_share < MINOR_SHARE or self.confidence < MINOR_SCORE
        return self.severity != "critical" and weighs_little

    @property
    def rule(self) -> str:
        return self.sub_cause


@dataclass(frozen=True, slots=True)
class Clear:
    """The rule had what it needed, and it is not so."""

    because: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """The rule could not judge."""

    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A bug in slowq, or in a rule of the user's own."""

    error: str

    @classmethod
    def by(cls, error: BaseException) -> Broken:
        """What was raised, and where."""
        if isinstance(error, SyntaxError) and error.filename:
            said, name, line = error.msg, error.filename, error.lineno
        else:
            where = traceback.extract_tb(error.__traceback__)[-1]
            said, name, line = str(error), where.filename, where.lineno
        return cls(f"{type(error).__name__}: {said} ({name.rpartition('/')[2]}:{line})")


Outcome = Finding | Clear | Skipped


def weighty(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Those that stand in front, in their order: all that are not minor, and the first where all are."""
    return [one for one in findings if not one.is_minor] or findings[:1]


@dataclass(frozen=True, slots=True)
class Question:
    """One piece of evidence that would tell the leading causes apart, and how to get it."""

    asks: str
    separates: tuple[str, ...]
    how: str

    @property
    def text(self) -> str:
        between = f" {' and '.join(self.separates)} apart" if len(self.separates) > 1 else " more"
        return f"To tell{between}, look at {self.asks}: {self.how}"


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Literal["diagnosed", "nothing_slow", "undetermined"]
    summary: str
    cause: str | None = None
    sub_cause: str | None = None
    confidence: float | None = None
    next: Question | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the rules said of one case, the finding to act on first in front."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    ruled_out: tuple[tuple[str, Clear], ...] = ()
    skipped: tuple[tuple[str, Skipped], ...] = ()
    broken: tuple[tuple[str, Broken], ...] = ()
    blind_spots: tuple[str, ...] = field(default=())  # what these inputs cannot show, in sentences
    own: Mapping[str, str] = field(default_factory=dict)  # sub-cause of a rule of the user's own → its cause

    def cause_of(self, sub_cause: str) -> str | None:
        """None for a file that holds no rule."""
        return cause_of(sub_cause) or self.own.get(sub_cause)


def cause_of(sub_cause: str) -> str | None:
    """The cause of a sub-cause that slowq knows; None for any other."""
    return next((cause for cause, subs in CAUSES.items() if sub_cause in subs), None)
