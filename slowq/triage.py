"""From a case to a diagnosis: run the rules, keep failures apart, rank, and say the verdict or why there is none.

Findings are ranked by the seconds that they can be expected to explain: explained seconds times confidence. So a sure
cause of half of the trouble stands before a guess at all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isnan

from slowq import rules, signals, workload
from slowq.confidence import ENOUGH, confidence, probability
from slowq.facts import Case
from slowq.findings import Broken, Clear, Diagnosis, Evidence, Finding, Outcome, Skipped, Verdict, cause_of, weighty
from slowq.questions import next_question
from slowq.rule import Rule
from slowq.wording import count, do, duration, percent

# Where a rival of another cause can be expected to explain nearly as much, neither is the answer yet.
CLEAR_LEAD = 1.1
# Two that are both right nine times in ten are two causes at once, and no rivals: the first is the verdict, and both are named.
SURE = 0.9
# Of 13 public reports whose facts pointed at one such cause alone, with a score of 0.4, it was right in 10: as often as
# with one of 0.55.
_ALONE, _RIVAL = 0.25, 0.5
_OF_REQUESTS = ("heavy_workload", "inefficient_filter", "wrong_index")
_OF_ALL_TOGETHER = ("high_concurrency",)
_OF_EACH_VECTOR = ("search_params", "brute_force")
# A verdict with less than this behind it explains too little of the trouble to be acted on first.
ENOUGH_SHARE = 0.2
# Requests that got no answer, which hardly any version logs as slow, and what the first version was that logs any.
_GIVEN_UP = ("request_timeout", "queue_full", "tsafe_lag")
_LOGS_SLOW_SINCE = (2, 2, 6)


def diagnose(
    case: Case, catalogue: Sequence[Rule] = rules.ALL, unusable: Sequence[tuple[str, Broken]] = ()
) -> Diagnosis:
    """Ask every rule, and draw the conclusion. A rule that fails is reported, and ends nothing.

    `unusable` are files that should hold a rule and do not.
    """
    findings: list[Finding] = []
    ruled_out: list[tuple[str, Clear]] = []
    skipped: list[tuple[str, Skipped]] = []
    broken = list(unusable)
    quiet = _nothing_slow(case)
    for rule in catalogue:
        try:
            outcome = _answer(rule, case)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a border: a broken rule is shown, the rest go on
            broken.append((rule.about.id, Broken.by(error)))
            continue
        match outcome:
            case Finding():
                if quiet and outcome.cause != "outside_milvus":
                    ruled_out.append((rule.about.id, Clear("no request was slow")))
                else:
                    findings.append(outcome)
            case Clear():
                ruled_out.append((rule.about.id, outcome))
            case Skipped():
                if quiet and rule.about.cause != "outside_milvus":
                    ruled_out.append((rule.about.id, Clear("no request was slow")))
                else:
                    skipped.append((rule.about.id, outcome))
    findings.sort(key=lambda one: (one.is_minor, -one.expected_share, one.sub_cause))
    findings = _pointed_at(case, findings)
    return Diagnosis(
        _verdict(case, findings),
        tuple(findings),
        tuple(ruled_out),
        tuple(skipped),
        tuple(broken),
        blind_spots(case),
        {rule.about.id: rule.about.cause for rule in catalogue if cause_of(rule.about.id) is None},
    )


def _pointed_at(case: Case, findings: list[Finding]) -> list[Finding]:
    """The findings, of which the first is the likelier where it stands alone, and facts are all there is.

    Logs and metrics show everything, also what is beside the point; people tell what struck them. That goes for what a request
    asks and which index answers it, unless it is slow at times only; that something ran beside it does not yet say that it did
    it. How many requests come at once is told of every benchmark.
    """
    if case.inputs or signals.of(case) or case.context.comes_and_goes or not findings:
        return findings
    first, *others = findings
    if first.cause not in _OF_REQUESTS or first.sub_cause in _OF_ALL_TOGETHER:
        return findings
    if any(one.expected_share > _RIVAL * first.expected_share for one in others):
        return findings
    return [replace(first, confidence=confidence(first.confidence, signs=[(True, _ALONE)])), *others]


def _answer(rule: Rule, case: Case) -> Outcome:
    """What the rule says, in the form that reports rely on: own rules are not checked before they run."""
    outcome = rule.check(case)
    if not isinstance(outcome, Finding | Clear | Skipped):
        raise TypeError(f"check answered {outcome!r:.100}, and not a Finding, Clear or Skipped")
    if isinstance(outcome, Finding):
        if (outcome.cause, outcome.sub_cause) != (rule.about.cause, rule.about.id):
            raise ValueError(f"the finding is of {outcome.cause}/{outcome.sub_cause}")
        if not all(isinstance(one, Evidence) for one in outcome.evidence):
            raise TypeError(f"evidence is made of Evidence, not {outcome.evidence!r:.100}")
    return outcome


def _nothing_slow(case: Case) -> bool:
    """Whether logs or metrics are there and show nothing slow, and the context file does not say otherwise."""
    context, measured = case.context, signals.of(case)
    complaint = context.requests or context.pattern or context.client or context.observations or context.events
    known = bool(case.inputs) or bool(measured)
    return known and not workload.of(case).count and not complaint and not measured.slow and _unlogged(case) is None


def _unlogged(case: Case) -> str | None:
    """Why no slow line does not mean that no request was slow; None where it does."""
    said = case.events.loc[case.events["what"].isin(_GIVEN_UP), "detail"].astype("str")
    if number := int((~said.str.contains("context canceled", regex=False)).sum()):
        return f"No slow request is logged, but {count(number, 'line')} {do(number, 'tell')} of one that was given up."
    logs_none = bool(case.inputs) and case.milvus.surely_before(_LOGS_SLOW_SINCE)
    if logs_none and not len(case.requests) and not signals.of(case):
        return f"{_threshold(case)}, so that this log cannot show any."
    return None


def _verdict(case: Case, findings: Sequence[Finding]) -> Verdict:
    work = workload.of(case)
    first = findings[0] if findings else None
    measured = signals.of(case)
    unlogged = None if work.count or measured.slow else _unlogged(case)
    quiet = not work.count and not measured.slow and not unlogged and not case.context.pattern
    if quiet and (first is None or first.confidence < ENOUGH):
        if case.inputs:
            threshold = _threshold(case)
            return Verdict("nothing_slow", f"No slow request in {case.coverage.lines:,} lines; {threshold}.")
        if measured:
            took = duration(measured.mean("search_latency")), duration(measured.quantile("search_latency", 0.99))
            return Verdict("nothing_slow", f"Searches take {took[0]} on average and {took[1]} at the p99 at the proxy.")
    if first is None or first.confidence < ENOUGH or first.explains_share < ENOUGH_SHARE:
        candidates = " or ".join(one.sub_cause for one in weighty(findings)[:2])
        lead = (
            f"The evidence does not decide; the likeliest is {candidates}."
            if candidates
            else unlogged or "No rule fits what is there."
        )
        return _undetermined(case, lead, findings)
    rival = next((one for one in findings[1:] if one.cause != first.cause), None)
    summary = first.summary
    if rival is not None and rival.expected_share * CLEAR_LEAD > first.expected_share:
        if probability(min(first.confidence, rival.confidence)) < SURE and not _multiply(first, rival):
            lead = f"{first.sub_cause} and {rival.sub_cause} explain the slow time about equally well."
            return _undetermined(case, lead, [first, rival])
        summary = f"{first.summary} At the same time: {rival.summary}"
    return Verdict("diagnosed", summary, first.cause, first.sub_cause, probability(first.confidence))


def _multiply(one: Finding, other: Finding) -> bool:
    """Whether both are true at once: a request costs what a query vector costs, for each that it carries."""
    names = {one.sub_cause, other.sub_cause}
    return "large_nq" in names and not names.isdisjoint(_OF_EACH_VECTOR)


def _undetermined(case: Case, lead: str, findings: Sequence[Finding]) -> Verdict:
    question = next_question(case, findings)
    return Verdict("undetermined", f"{lead} {question.text}", next=question)


def _threshold(case: Case) -> str:
    """From when on this Milvus calls a request slow."""
    milvus = case.milvus
    if milvus.low is None:
        return "Milvus logs requests over 5 s, from 2.6.10 over 1 s a query vector"
    if milvus.surely_from((2, 6, 10)):
        return f"Milvus {milvus.version} logs successful requests over 1 s for each query vector"
    if milvus.surely_before(_LOGS_SLOW_SINCE):
        return f"Milvus {milvus.version} logs no slow requests at all"
    return f"Milvus {milvus.version} logs requests over 5 s"


def _lost_lines(case: Case) -> Iterator[str]:
    """What the log writer left out: as the metrics count it, else what it may have."""
    measured = signals.of(case)
    dropped, cut = measured.total("log_dropped"), measured.total("log_cut")
    if dropped >= 1:
        lost = f"{count(round(dropped), 'line')} of its log"
        yield f"Milvus dropped {lost} in this time (milvus_logging_dropped_write_total); slow requests may be among them."
    elif isnan(dropped) and case.milvus.surely_from((2, 6, 7)):
        yield "The asynchronous log writer may drop INFO lines under pressure, slow lines too."
    if cut >= 1:
        yield (
            f"Milvus cut off {count(round(cut), 'line')} of its log in this time (milvus_logging_truncated_write_total); "
            "long filters may end too early."
        )


def blind_spots(case: Case) -> tuple[str, ...]:
    """What could not be seen, whatever the rules say."""
    milvus, spots = case.milvus, list(case.context.trouble)
    if not case.inputs:
        return tuple(spots)
    if milvus.surely_before(_LOGS_SLOW_SINCE):
        spots.append("Milvus before 2.2.6 writes no slow log; only the access log or metrics show slow requests.")
        return tuple(spots)
    if milvus.surely_from((2, 6, 10)):
        spots.append("The slow log holds requests over 1 s (proxy.slowQuerySpanInSeconds); faster ones may matter too.")
        spots.append("Failed and timed-out requests are not in the slow log of this version.")
    else:
        spots.append(
            "The slow log holds requests over 5 s "
            + (
                "(fixed in this version)"
                if milvus.surely_before((2, 3, 13))
                else "(proxy.slowQuerySpanInSeconds, unless configured otherwise)"
            )
            + "; faster ones may be slow as well."
        )
    if milvus.surely_from((2, 6, 0)) or (milvus.surely_from((2, 5, 13)) and milvus.surely_before((2, 6, 0))):
        spots.append(
            "Searches are held against the threshold per query vector, so large-nq requests drop out of the slow log."
        )
    if milvus.surely_from((3, 0, 0)):
        spots.append("Slow lines of 3.0 name no collection, filter or search params; the access log does.")
    spots += _lost_lines(case)
    unknown = 1 - (case.coverage.share_understood or 0)
    if unknown > 0.05:
        spots.append(f"{percent(unknown)} of the lines were not understood.")
    return tuple(spots)
