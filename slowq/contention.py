"""What the rules about background work have in common: slow requests beside builds, compactions and loads.

Overlap alone proves little, because a busy cluster always builds something. What counts for it: the work covers most of
the slow time, slow requests are denser within it than outside, somebody started it meanwhile, and the requests are not
costly by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from slowq import onset, signals, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import HEALTHY_S, STEADY_S, Case, EventFacts
from slowq.findings import Clear, Evidence, Outcome, Skipped
from slowq.heavy import heavy_requests, large_answers, large_batches, many_tiny_segments
from slowq.onset import Order
from slowq.rule import About
from slowq.signals import Signals
from slowq.wording import count, do, percent, period
from slowq.workload import Mask, Workload, logged, stated

# Events of the context file that are no noun as they stand.
_EVENTS = {"scale": "change of the number of nodes", "balance": "balancing of segments", "import": "bulk import"}
# Beyond this share of the time there is no outside to compare with.
_NEARLY_ALWAYS = 0.95
# What must take this share of the work, or of the time, to be the explanation.
_MOST = 0.5
_LOADS_PER_S = 0.1
# Times as slow as otherwise, from which it is no noise; half of the machine taken away makes it twice.
_SLOWER = 1.5
_FULL_CPU = 0.9
# What people call every hour may be every 50 minutes.
_ABOUT = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """A kind of background work: how log, context file and metrics speak of it, and from when on it is to blame."""

    kinds: Sequence[str]  # of its lines
    triggers: Sequence[str]  # of the lines that tell what starts it
    told: Sequence[str]  # the words of the context file for it (`EventFacts.words`)
    track: str  # the quantity of the metrics that measures it
    also: Sequence[str] = ()  # others that do, where that one shows nothing of it
    asked: Mapping[str, str] = field(default_factory=dict)  # the counters of requests that start it, in words
    what: str  # in a sentence
    while_what: str  # the same as a sentence of its own
    base: float  # the confidence without any sign
    overlap_share: float
    concentration: float

    def measured_by(self, measured: Signals) -> str:
        """Of the quantities that measure it the first that shows it run, else the first that is there."""
        names = (self.track, *self.also)
        runs = [name for name in names if measured.active_share(name) > 0]
        return next(iter([*runs, *(name for name in names if measured.track(name))]), self.track)

    def blame(self, about: About, case: Case) -> Outcome:
        """A finding where the log or the context file shows it beside slow requests, or the metrics that it ran."""
        seen = _seen(self, case)
        if not len(case.events) and not seen.stated and seen.only_after is None and np.isnan(seen.active):
            return Skipped(about.needs)
        if not seen.logged and not seen.is_told and not seen.runs:
            return Clear(f"no {self.what} in the time of the slow requests")
        beside_some = seen.work.window_s > 0 and seen.share < self.overlap_share
        if seen.logged and not seen.is_told and not seen.runs and beside_some:
            return Clear(f"only {percent(seen.share)} of the slow time has {self.what} beside it")
        # What ran beside the work is slowed by it, and so is what waited for those requests; what is told is told of all.
        overlaps = seen.work.window_s > 0 and seen.logged and not seen.is_told
        return fact(
            about,
            case,
            confidence=self._confidence(case, seen),
            summary=self._summary(seen),
            evidence=[*self._evidence(case, seen)],
            affected=seen.inside | seen.work.victims(seen.inside) if overlaps else None,
        )

    def _confidence(self, case: Case, seen: _Seen) -> float:
        work, measured = seen.work, seen.measured
        heavy = work.share(heavy_requests(work))
        share_inside = float(seen.inside.mean()) if work.count else 0.0
        times_denser = density(case, share_inside, *seen.spans)
        return confidence(
            self.base,
            signs=[
                (seen.share >= 0.9, 0.15),
                (times_denser >= self.concentration, 0.3),
                (bool(len(seen.started)), 0.2),
                (work.count >= 5 and heavy < 0.2, 0.1),
                (bool(seen.stated) and seen.is_after, 0.3),
                (seen.is_after, 0.2),
                (seen.is_all_that_happened and case.context.is_fast_otherwise, 0.3),
                (seen.full_cpu is not None, 0.5),
                (seen.runs, 0.2),
                (bool(measured.times_as_slow(seen.track) >= _SLOWER), 0.35),
                (seen.runs and bool(measured.stretch >= _SLOWER), 0.25),
                (seen.order.is_followed, 0.3),
                (seen.keeps_time, 0.3),
            ],
            against=[
                (heavy > 0.5, 0.5),
                (bool(measured.filter_share >= _MOST), 0.5),
                (bool(measured.growing_share >= _MOST), 0.3),
                (bool(measured.brute_share >= _MOST), 0.3),
                (bool(measured.phase("wait_tsafe") >= _MOST), 0.4),
                (large_batches(measured) and bool(measured.vector_work_s <= HEALTHY_S), 0.4),
                (bool(seen.active == 0), 0.3),
                (seen.order.is_late, 0.4),
                (seen.logged and not seen.stated and work.window_s > 0 and seen.share < self.overlap_share, 0.4),
            ],
        )

    def _summary(self, seen: _Seen) -> str:
        if not seen.logged and not seen.runs:
            since = seen.stated[0].what if seen.stated else seen.only_after
            return f"Searches are slow since {_with_article(since or self.what)}."
        beside_them = f": {percent(seen.share)} of the slow time lies beside them." if seen.work.window_s else "."
        return f"Searches compete with {self.what} for the same machine{beside_them if seen.logged else '.'}"

    def _evidence(self, case: Case, seen: _Seen) -> Iterator[Evidence]:
        number = len(seen.lines)
        if seen.logged and seen.work.window_s:
            yield logged(
                seen.lines,
                f"{percent(seen.share)} of the slow time lies where {self.while_what} "
                f"({count(number, 'line')} {do(number, 'tell')} of it).",
                seen.share,
                self.overlap_share,
            )
        elif seen.logged:
            yield logged(seen.lines, f"{count(number, 'line')} {do(number, 'say')} that {self.while_what}.")
        if begun := len(seen.started):
            says = f"{count(begun, 'line')} of the same time {do(begun, 'show')} what started it."
            yield logged(seen.started, says)
        yield from _measured(seen.measured, seen.track, self.while_what, seen.active)
        if seen.is_all_that_happened:
            yield from workload.told_contrast(case)
        yield from seen.order.evidence(case, f"{self.what} began")
        for name, words in self.asked.items():
            if number := round(np.nan_to_num(seen.measured.total(name))):
                says = f"{count(number, 'request')} {words} came in the same time."
                yield seen.measured.says(name, says, number)
        for event in seen.stated:
            yield stated(case, f"{event.key}.what", f"There was {_with_article(event.what or '')}.")
        if seen.is_after:
            says = f"It is slow only after {_with_article(str(seen.only_after))}."
            yield stated(case, "pattern.only_after", says)
        if seen.periodic_s is not None and seen.keeps_time:
            says = f"It is slow every {period(seen.periodic_s)}, which is how often {self.what} begin."
            yield stated(case, "pattern.periodic_s", says, seen.periodic_s)
        if seen.full_cpu is not None:
            yield stated(case, "observations.cpu_share", f"The CPU is at {percent(seen.full_cpu)}.", seen.full_cpu)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a case shows of one kind of background work."""

    work: Workload
    measured: Signals
    spans: tuple[np.ndarray, np.ndarray]  # when it ran by the log, in Unix seconds: starts and ends
    begins: np.ndarray  # when it began by the log, the metrics and the context file
    order: Order  # of that and the time from which searches are slow
    lines: pd.DataFrame  # that tell of it, of the time of the slow requests
    started: pd.DataFrame  # lines of the same time that tell what started it
    inside: Mask  # slow requests that had it beside them for most of their life
    track: str  # the quantity of the metrics that measures it
    active: float  # share of the time in which it ran, by the metrics; NaN where they do not tell
    stated: Sequence[EventFacts]  # in the context file
    only_after: str | None  # what the context file says that the trouble begins with, of whatever kind
    is_after: bool  # and it is of this kind
    periodic_s: float | None  # what it says of how often it is slow
    full_cpu: float | None  # what the context file says of the CPU, where it is full and the log shows the work

    @property
    def logged(self) -> bool:
        return len(self.lines) > 0

    @property
    def share(self) -> float:
        """Of the slow time, what lies beside it."""
        return self.work.share(self.inside)

    @property
    def runs(self) -> bool:
        return bool(self.active >= _MOST)

    @property
    def keeps_time(self) -> bool:
        """Whether it begins as often as searches are told to become slow."""
        gaps_s = np.diff(np.unique(self.begins[~np.isnan(self.begins)]))
        if self.periodic_s is None or len(gaps_s) < 2:
            return False
        return bool(abs(float(np.median(gaps_s)) - self.periodic_s) <= _ABOUT * self.periodic_s)

    @property
    def is_all_that_happened(self) -> bool:
        """Whether the context file tells of it and of nothing else that happened."""
        return bool(self.stated) and len(self.stated) == len(self.work.case.context.events)

    @property
    def is_told(self) -> bool:
        """Whether the context file speaks of it."""
        return bool(self.stated) or self.is_after


def _seen(kind: Background, case: Case) -> _Seen:
    work, measured = workload.of(case), signals.of(case)
    starts, ends = ran(case, kind.kinds)
    lines = _lines_of(case, kind.kinds, starts, ends)
    track = kind.measured_by(measured)
    told = [event for event in case.context.events if not event.words.isdisjoint(kind.told)]
    begins = np.concatenate([starts, measured.starts_of(track), [one.at_s for one in told if one.at_s is not None]])
    after, cpu = case.context.pattern.get("only_after"), case.context.observations.get("cpu_share")
    return _Seen(
        work,
        measured,
        (starts, ends),
        begins,
        onset.order(case, begins),
        lines,
        workload.events_of(case, *kind.triggers),
        work.covered_share(starts, ends) >= workload.VICTIM_SHARE,
        track,
        measured.active_share(track),
        told,
        after,
        after in kind.told or case.context.is_only_after(told),
        case.context.pattern.get("periodic_s"),
        cpu if cpu is not None and cpu >= _FULL_CPU and (len(lines) or told) else None,
    )


def explained(case: Case) -> str | None:
    """What another rule names as the use of the machine, in words; None where nothing does.

    For rules of last resort: a full CPU or disk is a symptom wherever this finds something.
    """
    work, measured = workload.of(case), signals.of(case)
    beside_them = {
        "index builds": beside(case, ("index_build",)),
        "compactions": beside(case, ("compaction",)),
        "segment loads": beside(case, ("segment_load", "segment_release")),
    }
    shares = {
        "costly requests": work.share(heavy_requests(work)),
        "filters": measured.filter_share,
        "growing segments": measured.growing_share,
        **beside_them,
        "running index builds": measured.active_share("builds_running"),
        "running compactions": measured.active_share("compaction"),
        "vectors that come in large requests": float(large_batches(measured)),
        "large answers": float(large_answers(measured)),
        "many small segments": float(many_tiny_segments(measured)),
        "loading segments": float(measured.rate("load_segment") >= _LOADS_PER_S),
        "segments without an index": measured.brute_share,
        "work that no index does": measured.outside_index_share,
        "waiting for tSafe": measured.phase("wait_tsafe"),
    }
    return next((what for what, share in shares.items() if share >= _MOST), None)


def _measured(measured: Signals, track: str, while_what: str, active: float) -> list[Evidence]:
    """What the metrics say of the same: how long it ran, how slow searches were meanwhile, how the same work stretched."""
    if not active > 0:
        return []
    evidence = [measured.says(track, f"For {percent(active)} of the time {while_what}.", active, _MOST)]
    slower, stretch = measured.times_as_slow(track), measured.stretch
    if slower >= _SLOWER:
        evidence.append(
            measured.says("search_latency", f"Searches took {slower:.1f} times as long meanwhile.", slower, _SLOWER)
        )
    if active >= _MOST and stretch >= _SLOWER:
        evidence.append(
            measured.says("core", f"The same work took {stretch:.1f} times as long as before.", stretch, _SLOWER)
        )
    return evidence


def _with_article(what: str) -> str:
    words = _EVENTS.get(what, what.replace("_", " "))
    return ("an " if words[:1] in "aeiou" else "a ") + words


def _lines_of(case: Case, kinds: Sequence[str], starts: np.ndarray, ends: np.ndarray) -> pd.DataFrame:
    """The lines of such work that ran at any time of the slow requests, also where it began before and ended after."""
    lines: pd.DataFrame = case.events[case.events["what"].isin(kinds)]
    work = workload.of(case)
    if not work.window_s:
        return lines
    meets = (starts <= np.nanmax(work.ended_s)) & (ends >= np.nanmin(work.started_s))
    at = workload.unix_s(lines["at"])
    if not meets.any():
        return lines.iloc[:0]
    within: pd.DataFrame = lines[(at >= starts[meets].min()) & (at <= ends[meets].max())]
    return within


def beside(case: Case, kinds: Sequence[str]) -> float:
    """The share of the slow time whose requests had such work beside them for most of their life."""
    work = workload.of(case)
    return work.share(work.covered_share(*ran(case, kinds)) >= workload.VICTIM_SHARE)


def ran(case: Case, kinds: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """When such work ran: from start and end lines, and ten seconds from each line that says it waits or goes on."""
    starts, ends = [], []
    for kind in kinds:
        one = workload.spans(case, kind)
        starts.append(one[0])
        ends.append(one[1])
    is_point = case.events["what"].isin(kinds) & (case.events["state"] == "point")
    moments = workload.unix_s(case.events.loc[is_point, "at"])
    return np.concatenate([*starts, moments]), np.concatenate([*ends, moments + STEADY_S])


def density(case: Case, share: float, starts: np.ndarray, ends: np.ndarray) -> float:
    """How many times as dense slow requests are within these intervals as outside them, in the whole time of the log,
    given the share of them (or of their seconds) that is within.

    1 where there is no outside to compare with.
    """
    work = workload.of(case)
    if not work.window_s or not len(starts):
        return 1.0
    logged_s = workload.unix_s(case.events["at"])
    first = float(np.fmin.reduce(logged_s, initial=np.nanmin(work.started_s)))
    last = float(np.fmax.reduce(logged_s, initial=np.nanmax(work.ended_s)))
    time_inside = workload.covered_s(starts, ends, first, last) / (last - first)
    if not 0 < time_inside <= _NEARLY_ALWAYS:
        return 1.0
    return (share / time_inside) / max((1 - share) / (1 - time_inside), 1e-3)
