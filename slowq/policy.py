"""What a CI step asks of a report, and whether the report keeps to it.

`judge` is pure: the document of `slowq analyze --format json`, the policy, what an earlier run said, and the day. It
returns one line for each thing asked. An input that was not understood is no line: it never passes, and the command
says so with an exit code of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from slowq.config import KEYS, Config
from slowq.errors import UsageError
from slowq.findings import CAUSES, SEVERITIES
from slowq.moments import iso_moment

Document = Mapping[str, Any]
Baseline = Mapping[str, Mapping[str, Any]]  # pattern → what is remembered of it
Outcome = Literal["pass", "fail", "allowed"]

BASELINE = 1  # version of the baseline's form


@dataclass(frozen=True, slots=True)
class Limits:
    """None asks for nothing. Seconds, requests, and slow seconds for each second of the window."""

    max_p99: float | None = None
    max_count: int | None = None
    max_share_of_time: float | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    cause: str
    owner: str
    reason: str
    until: date


@dataclass(frozen=True, slots=True)
class Policy:
    run: Limits = Limits()
    collections: Mapping[str, Limits] = field(default_factory=dict)
    patterns: Mapping[str, Limits] = field(default_factory=dict)
    fail_on: tuple[str, ...] = ()
    allow: tuple[Allowance, ...] = ()
    min_coverage: float = 0.5
    tolerance: float = 0.2


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was asked: what, how it came out, why, and where in the logs it shows."""

    id: str
    outcome: Outcome
    says: str
    cites: tuple[Mapping[str, Any], ...] = ()
    do: str | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    lines: tuple[Line, ...]

    @property
    def failed(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.outcome == "fail")


def known_gates(own: Sequence[str] = ()) -> tuple[str, ...]:
    """Everything that can be failed on: causes, sub-causes, those of the user's `own` rules, severities."""
    return *CAUSES, *(sub_cause for sub_causes in CAUSES.values() for sub_cause in sub_causes), *own, *SEVERITIES


def gate(name: str, source: str = "--fail-on", own: Sequence[str] = ()) -> str:
    """The name as the findings write it; UsageError where none has it."""
    said, known = name.strip().lower().replace("-", "_"), known_gates(own)
    if said in known:
        return said
    close = difflib.get_close_matches(said, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "name a cause, a sub-cause (slowq rules) or a severity"
    raise UsageError(f"{source} {name!r}: no cause, sub-cause or severity has this name", hint=hint)


def stopped_by(name: str, finding: Mapping[str, Any]) -> bool:
    if name in SEVERITIES:
        return SEVERITIES.index(finding["severity"]) >= SEVERITIES.index(name)
    return name in (finding["cause"], finding["sub_cause"])


def from_config(config: Config, own: Sequence[str] = ()) -> Policy:
    """The policy of a file; `own` are the names of the user's own rules.

    Raises UsageError for a cause that does not exist and an allowance that lacks a part.
    """
    allow = []
    for name in config.children("check"):
        if name.startswith("allow["):
            of = f"check.{name}"
            parts = {part: config.get(f"{of}.{part}") for part in ("cause", "owner", "reason", "until")}
            if lacks := [part for part, value in parts.items() if value is None]:
                raise UsageError(
                    f"{config.place(of)}: [[check.allow]] lacks {', '.join(lacks)}",
                    hint="an allowance says cause, owner, reason and until",
                )
            cause = gate(parts["cause"], f"{config.place(of + '.cause')}: cause", own)
            allow.append(Allowance(cause, parts["owner"], parts["reason"], parts["until"]))
    return Policy(
        run=_limits(config, "check"),
        collections={
            name: _limits(config, f"check.collections.{name}") for name in config.children("check.collections")
        },
        patterns={name: _limits(config, f"check.patterns.{name}") for name in config.children("check.patterns")},
        fail_on=tuple(
            gate(name, f"{config.place('check.fail_on')}: fail_on", own) for name in config.get("check.fail_on", ())
        ),
        allow=tuple(allow),
        min_coverage=config.get("check.min_coverage", KEYS["check"]["min_coverage"].default),
        tolerance=config.get("check.tolerance", KEYS["check"]["tolerance"].default),
    )


def _limits(config: Config, name: str) -> Limits:
    return Limits(*(config.get(f"{name}.{key}") for key in ("max_p99", "max_count", "max_share_of_time")))


def judge(document: Document, policy: Policy, baseline: Baseline | None, today: date) -> Judgement:
    """One line for each limit, each cause that must not be there, each allowance and the baseline.

    With a baseline, limits and causes are held against the patterns that are new or worse alone.
    """
    return Judgement(tuple(_lines(document, policy, baseline, today)))


def _lines(document: Document, policy: Policy, baseline: Baseline | None, today: date) -> Iterator[Line]:
    every: Sequence[Mapping[str, Any]] = document["patterns"]
    changed = None
    if baseline is not None:
        changed = {one["id"] for one in every if _is_new_or_worse(one, baseline, policy.tolerance)}
    patterns = [one for one in every if changed is None or one["id"] in changed]
    window_s = _window_s(document)
    yield from _of_limits("run", policy.run, patterns, window_s)
    for name, limits in policy.collections.items():
        yield from _of_limits(
            f"collection {name}", limits, [one for one in patterns if one["collection"] == name], window_s
        )
    for name, limits in policy.patterns.items():
        yield from _of_limits(f"pattern {name}", limits, [one for one in patterns if one["id"] == name], window_s)
    for name in policy.fail_on:
        yield _of_gate(name, document["findings"], policy.allow, changed, today)
    for one in policy.allow:
        yield _of_allowance(one, today)
    if baseline is not None:
        yield from _of_baseline(every, baseline, policy.tolerance)


def _of_limits(what: str, limits: Limits, patterns: Sequence[Mapping[str, Any]], window_s: float) -> Iterator[Line]:
    slowest = max(patterns, key=lambda one: one["duration_s"]["p99"] or 0, default=None)
    cites = (slowest["example"],) if slowest else ()
    count = sum(one["count"] for one in patterns)
    spent = sum(one["duration_s"]["sum"] or 0 for one in patterns)
    for key, limit, value in (
        ("max_p99", limits.max_p99, slowest["duration_s"]["p99"] or 0.0 if slowest else 0.0),
        ("max_count", limits.max_count, count),
        ("max_share_of_time", limits.max_share_of_time, spent / window_s if window_s else 0.0),
    ):
        if limit is not None:
            failed = value > limit
            yield Line(
                f"{key} of {what}" if what != "run" else key,
                "fail" if failed else "pass",
                _said(key, value, limit),
                cites if failed else (),
                None,
                slowest["id"] if slowest and failed else None,
            )


def _said(key: str, value: float, limit: float) -> str:
    if key == "max_p99":
        return f"the p99 is {value:.3g} s, the limit {limit:.3g} s"
    if key == "max_count":
        return f"{value:,.0f} slow requests, the limit is {limit:,.0f}"
    return f"{value:.3g} seconds in slow requests for each second, the limit is {limit:.3g}"


def _of_gate(
    name: str, findings: Sequence[Mapping[str, Any]], allow: Sequence[Allowance], changed: set[str] | None, today: date
) -> Line:
    stopped = [one for one in findings if stopped_by(name, one)]
    excused = [one for one in stopped if any(today <= a.until and stopped_by(a.cause, one) for a in allow)]
    known = [one for one in stopped if one not in excused and changed is not None and not _concerns(one, changed)]
    left = [one for one in stopped if one not in excused and one not in known]
    if left:
        first = left[0]
        also = f", and {len(left) - 1} more" if len(left) > 1 else ""
        do = first["remedies"][0]["do"] if first["remedies"] else None
        cites = tuple(cite for item in first["evidence"] for cite in item["cites"] if "path" in cite)
        says = f"{first['sub_cause']} ({first['severity']}): {first['summary']}{also}"
        return Line(f"fail_on {name}", "fail", says, cites[:3], do, next(iter(first["culprits"]), None))
    if excused:
        return Line(f"fail_on {name}", "allowed", f"{', '.join(one['sub_cause'] for one in excused)} is allowed")
    return Line(f"fail_on {name}", "pass", "nothing new" if known else "no such finding")


def _concerns(finding: Mapping[str, Any], changed: set[str]) -> bool:
    """Whether a finding is about a pattern that is new or worse; one that blames no pattern always counts."""
    named = {*finding["culprits"], *finding["victims"]}
    return not named or bool(named & changed)


def _of_allowance(one: Allowance, today: date) -> Line:
    name = f"allow {one.cause}"
    if today > one.until:
        says = f"the allowance of {one.owner} ended on {one.until}: {one.reason}"
        return Line(name, "fail", says, do="Mend it, or agree on a new day.")
    return Line(name, "pass", f"{one.owner} allows it until {one.until}: {one.reason}")


# --------------------------------------------------------------------------------------------------------------------
# The baseline: what an earlier run found, by pattern.


def baseline_of(document: Document) -> dict[str, dict[str, Any]]:
    """Pattern → what is remembered of it."""
    return {
        one["id"]: {
            "count": one["count"],
            "p99_s": one["duration_s"]["p99"],
            "sum_s": one["duration_s"]["sum"],
            "collection": one["collection"],
            "filter": one["filter"],
        }
        for one in document["patterns"]
    }


def updated(document: Document, baseline: Baseline, *, grow: bool) -> dict[str, dict[str, Any]]:
    """The baseline after this run: patterns that are gone leave it, and numbers only fall. `grow` takes all as it is."""
    now = baseline_of(document)
    if grow:
        return now
    return {
        name: {**now[name], **{key: _least(now[name][key], before.get(key)) for key in ("count", "p99_s", "sum_s")}}
        for name, before in baseline.items()
        if name in now
    }


def _least(now: float | None, before: float | None) -> float | None:
    return before if now is None else now if before is None else min(now, before)


def _is_new_or_worse(pattern: Mapping[str, Any], baseline: Baseline, tolerance: float) -> bool:
    before = baseline.get(pattern["id"])
    return before is None or bool(list(_worse(pattern, before, tolerance)))


def _worse(pattern: Mapping[str, Any], before: Mapping[str, Any], tolerance: float) -> Iterator[str]:
    took = pattern["duration_s"]
    compared = (
        ("p99", took["p99"], before.get("p99_s"), " s"),
        ("requests", pattern["count"], before.get("count"), ""),
        ("in total", took["sum"], before.get("sum_s"), " s"),
    )
    for word, now, then, unit in compared:
        if now is not None and then is not None and now > then * (1 + tolerance):
            yield f"{word} {now:.3g}{unit}, {then:.3g}{unit} before"


def _of_baseline(patterns: Sequence[Mapping[str, Any]], baseline: Baseline, tolerance: float) -> Iterator[Line]:
    new = [one for one in patterns if one["id"] not in baseline]
    worse = [(one, list(_worse(one, baseline[one["id"]], tolerance))) for one in patterns if one["id"] in baseline]
    for one in new:
        says = f"new pattern {_named(one)}: {one['count']:,} slow requests"
        yield Line("baseline", "fail", says, (one["example"],), pattern=one["id"])
    for one, how in worse:
        if how:
            says = f"pattern {_named(one)} is worse: {'; '.join(how)}"
            yield Line("baseline", "fail", says, (one["example"],), pattern=one["id"])
    if not new and not any(how for _, how in worse):
        yield Line("baseline", "pass", f"none of {len(patterns)} patterns is new or worse")


def _named(pattern: Mapping[str, Any]) -> str:
    return f"{pattern['id']} ({pattern['kind']} on {pattern['collection'] or 'an unknown collection'})"


def _window_s(document: Document) -> float:
    """Seconds from the first start to the last end; 0 where no time is known."""
    start, end = (
        iso_moment(text) if text else None for text in (document["window"]["start"], document["window"]["end"])
    )
    return (end - start).total_seconds() if start and end else 0.0
