"""From answers to figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.accuracy.ask import Answer
from bench.accuracy.cases import Case
from bench.accuracy.intervals import bootstrap, wilson
from bench.accuracy.judge import Judgement, judge, within

NOTHING = "nothing slow"
UNDETERMINED = "undetermined"
NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Row:
    """One judged answer. `label` is the cause that the case counts for, `said` the one that was answered."""

    case: Case
    condition: str
    verdict: dict[str, Any]
    judged: Judgement
    among_three: bool
    seconds: float | None
    error: str | None

    @property
    def said(self) -> str:
        outcome = self.verdict.get("outcome")
        if outcome == "diagnosed":
            return str(self.verdict["cause"])
        return {"nothing_slow": NOTHING, "undetermined": UNDETERMINED}.get(str(outcome), NO_ANSWER)

    @property
    def label(self) -> str:
        """The accepted cause that was answered, else the main one."""
        return self.said if self.judged.cause and self.case.truth.cause else self.case.truth.cause or NOTHING


def rows(answers: Iterable[Answer]) -> list[Row]:
    return [_row(one, judge(one.case.truth, one.verdict)) for one in answers]


def _row(one: Answer, judged: Judgement) -> Row:
    among_three = judged.cause or within(one.case.truth, one.named[:3])
    return Row(one.case, one.condition, one.verdict, judged, among_three, one.seconds, one.error)


def baseline(cases: Iterable[Case], name: str, say: Callable[[Case], dict[str, Any]]) -> list[Row]:
    said = [(case, say(case)) for case in cases]
    judged = [(case, verdict, judge(case.truth, verdict)) for case, verdict in said]
    return [Row(case, name, verdict, one, one.cause, None, None) for case, verdict, one in judged]


def figures(judged: Sequence[Row]) -> dict[str, Any]:
    """The rates of one part under one condition; decidable and undecidable apart, since abstaining is right in the latter."""
    decidable = [row for row in judged if row.case.truth.decidable]
    undecidable = [row for row in judged if not row.case.truth.decidable]
    trouble = [row for row in decidable if row.case.truth.cause is not None]
    healthy = [row for row in decidable if row.case.truth.cause is None]
    return {
        "cause": share(decidable, lambda row: row.judged.cause),
        "exact": share(decidable, lambda row: row.judged.exact),
        "among_three": share(trouble, lambda row: row.among_three),
        "abstained": share(trouble, lambda row: row.judged.abstained),
        "false_alarm": share(healthy, lambda row: not row.judged.cause and row.said != UNDETERMINED),
        "undecidable_fair": share(undecidable, lambda row: row.judged.fair),
        "errors": sum(row.error is not None for row in judged),
    }


def share(judged: Sequence[Row], holds: Callable[[Row], bool]) -> dict[str, Any]:
    right = sum(map(holds, judged))
    low, high = wilson(right, len(judged))
    return {
        "right": right,
        "n": len(judged),
        "share": round(right / len(judged), 4) if judged else None,
        "interval": [round(low, 4), round(high, 4)],
    }


def by_cause(judged: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Precision, recall and F1 of each cause over the decidable cases, with 95 % intervals."""
    decidable = [row for row in judged if row.case.truth.decidable]
    causes = sorted({row.label for row in decidable} | {row.said for row in decidable} - {UNDETERMINED, NO_ANSWER})
    return {cause: _one_cause(decidable, cause) for cause in causes}


def _one_cause(judged: Sequence[Row], cause: str) -> dict[str, Any]:
    labelled = [row for row in judged if row.label == cause]
    said = [row for row in judged if row.said == cause]

    def f1(some: Sequence[Row]) -> float | None:
        hits = sum(row.label == cause == row.said for row in some)
        total = sum((row.label == cause) + (row.said == cause) for row in some)
        return 2 * hits / total if total else None

    value, interval = f1(judged), bootstrap(judged, f1)
    return {
        "precision": share(said, lambda row: row.label == cause),
        "recall": share(labelled, lambda row: row.said == cause),
        "f1": round(value, 4) if value is not None else None,
        "f1_interval": [round(end, 4) for end in interval] if interval else None,
    }


def confusion(judged: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Of the decidable cases: what they are → what was said → how many."""
    table: dict[str, Counter[str]] = {}
    for row in judged:
        if row.case.truth.decidable:
            table.setdefault(row.label, Counter())[row.said] += 1
    return {label: dict(sorted(said.items())) for label, said in sorted(table.items())}
