"""What the rules about background work have in common: slow requests beside builds, compactions and loads.

Overlap alone proves little, because a busy cluster always builds something. What counts for it: the work covers most of
the slow time, slow requests are denser within it than outside, somebody started it meanwhile, and the requests are not
costly by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from slowq import signals, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import HEALTHY_S, STEADY_S, Case
from slowq.findings import Clear, Evidence, Outcome, Skipped
from slowq.heavy import LARGE_NQ, heavy_requests, large_answers
from slowq.rule import About
from slowq.signals import Signals
from slowq.wording import count, do, percent
from slowq.workload import logged, stated

# Events of the context file that are no noun as they stand.
_EVENTS = {"scale": "change of the number of nodes", "balance": "balancing of segments", "import": "bulk import"}
# Beyond this share of the time there is no outside to compare with.
_NEARLY_ALWAYS = 0.95


def contention_finding(
    about: About,
    case: Case,
    *,
    kinds: Sequence[str],
    triggers: Sequence[str],
    told: Sequence[str],
    while_what: str,
    what: str,
    base: float,
    overlap_share: float,
    concentration: float,
    track: str,
) -> Outcome:
    """Blame background work of these kinds, where the log or the context file shows it beside slow requests.

    `triggers` are events that start such work, `told` the words of the context file for it, `track` the quantity of the
    metrics that measures it.
    """
    work, measured = workload.of(case), signals.of(case)
    active = measured.active_share(track)
    runs = bool(active >= _MOST)
    stated_events = [event for event in case.context.events if event.what in told]
    after = case.context.pattern.get("only_after")
    starts, ends = ran(case, kinds)
    events = _lines_of(case, kinds, starts, ends)
    if not len(case.events) and not stated_events and after is None and np.isnan(active):
        return Skipped(about.needs)
    if not len(events) and not stated_events and after not in told and not runs:
        return Clear(f"no {what} in the time of the slow requests")
    covered = work.covered_share(starts, ends)
    inside = covered >= workload.VICTIM_SHARE
    share = work.share(inside)
    if len(events) and not stated_events and after not in told and not runs and share < overlap_share and work.window_s:
        return Clear(f"only {percent(share)} of the slow time has {what} beside it")
    times_denser = density(case, float(inside.mean()) if work.count else 0.0, starts, ends)
    started = workload.events_of(case, *triggers)
    evidence = []
    if len(events):
        evidence.append(
            logged(
                events,
                f"{percent(share)} of the slow time lies where {while_what} "
                f"({count(len(events), 'line')} {do(len(events), 'tell')} of it)."
                if work.window_s
                else f"{count(len(events), 'line')} {do(len(events), 'say')} that {while_what}.",
                share if work.window_s else None,
                overlap_share if work.window_s else None,
            )
        )
    if len(started):
        evidence.append(
            logged(
                started, f"{count(len(started), 'line')} of the same time {do(len(started), 'show')} what started it."
            )
        )
    evidence += _measured(measured, track, while_what, active)
    evidence += [
        stated(case, f"{event.key}.what", f"There was {_with_article(event.what or '')}.") for event in stated_events
    ]
    if after in told:
        evidence.append(stated(case, "pattern.only_after", f"It is slow only after {_with_article(str(after))}."))
    cpu = case.context.observations.get("cpu_share")
    if cpu is not None and cpu >= 0.9 and len(events):
        evidence.append(stated(case, "observations.cpu_share", f"The CPU is at {percent(cpu)}.", cpu))
    heavy = work.share(heavy_requests(work))
    # What ran beside the work is slowed by it, and so is what waited for those requests; what is told is told of all.
    overlaps = bool(work.window_s) and len(events) > 0 and not stated_events and after not in told
    return fact(
        about,
        case,
        confidence=confidence(
            base,
            signs=[
                (share >= 0.9, 0.15),
                (times_denser >= concentration, 0.3),
                (bool(len(started)), 0.2),
                (work.count >= 5 and heavy < 0.2, 0.1),
                (bool(stated_events) and after in told, 0.5),
                (after in told, 0.2),
                (cpu is not None and cpu >= 0.9 and bool(len(events)), 0.5),
                (runs, 0.2),
                (bool(measured.times_as_slow(track) >= _SLOWER), 0.35),
                (runs and bool(measured.stretch >= _SLOWER), 0.25),
            ],
            against=[
                (heavy > 0.5, 0.5),
                (bool(measured.filter_share >= _MOST), 0.5),
                (bool(measured.growing_share >= _MOST), 0.3),
                (bool(measured.brute_share >= _MOST), 0.3),
                (bool(measured.phase("wait_tsafe") >= _MOST), 0.4),
                (bool(measured.mean("nq") >= LARGE_NQ and measured.vector_work_s <= HEALTHY_S), 0.4),
                (bool(active == 0), 0.3),
                (bool(len(events)) and not stated_events and work.window_s > 0 and share < overlap_share, 0.4),
            ],
        ),
        summary=f"Searches compete with {what} for the same machine"
        + (f": {percent(share)} of the slow time lies beside them." if work.window_s and len(events) else ".")
        if len(events) or runs
        else "Searches are slow since "
        f"{_with_article(stated_events[0].what or after or what if stated_events else after or what)}.",
        evidence=evidence,
        affected=inside | work.victims(inside) if overlaps else None,
    )


# What must take this share of the work, or of the time, to be the explanation.
_MOST = 0.5
_LOADS_PER_S = 0.1
# Times as slow as otherwise, from which it is no noise; half of the machine taken away makes it twice.
_SLOWER = 1.5


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
        "vectors that come in large requests": float(measured.mean("nq") >= LARGE_NQ),
        "large answers": float(large_answers(measured)),
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
    points = case.events[case.events["what"].isin(kinds) & (case.events["state"] == "point")]
    moments = workload.unix_s(points["at"])
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
    first = min(float(np.nanmin(work.started_s)), float(logged_s.min(initial=np.inf)))
    last = max(float(np.nanmax(work.ended_s)), float(logged_s.max(initial=-np.inf)))
    time_inside = workload.covered_s(starts, ends, first, last) / (last - first)
    if not 0 < time_inside <= _NEARLY_ALWAYS:
        return 1.0
    return (share / time_inside) / max((1 - share) / (1 - time_inside), 1e-3)
