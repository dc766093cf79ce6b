"""Strong consistency makes each search wait until the newest writes are visible.

Symptom
    Searches with Strong consistency take a few hundred milliseconds at best and seconds while data is being
    written, although CPU is free. The same search with a weaker level is fast.

Cause
    Each read carries a guarantee timestamp, and the delegator of a shard waits until its tSafe has reached it. With
    Strong that timestamp is now, so a search waits for the next time tick: 200-400 ms are usual up to 2.5
    (proxy.timeTickInterval 200 ms), less from 2.6 on, and as long as consuming writes lags. Bounded subtracts
    common.gracefulTime (5 s), so it waits only if the stream is more than 5 s behind. Session uses the last write
    of the same client.

How we tell
    The level is computed from the guarantee timestamp and not read from the line: with `useDefaultConsistency=true`
    the line prints Strong whatever the collection's level is. The lag of the guarantee behind the start of the
    request tells: about 0 is Strong, about 5 s Bounded, the value 1 Eventually. Contrast: requests of the same
    pattern and time at a weaker level are fast, or Strong ones are fast while nothing is written. Lines that name
    the wait (`delegator search failed to wait tsafe`) support it, and so do `consistency` and
    `observations.wait_tsafe_s` in the context file.

    The metric that decides is milvus_querynode_sq_wait_tsafe_latency (2.3+). If all requests are Strong, none is
    fast and no such evidence is at hand, the wait cannot be told from a slow search, and the rule answers skipped.
    Before 2.4.7 the log holds the raw request value (0 Strong, 1 Eventually, 2 Bounded).

Not this when
    Bounded or Eventually requests are as slow: with Bounded a wait means that the stream lags (timetick_stall), and
    is no question of the level. The guarantee lies in the future of the server (clock_skew). Strong requests are
    slow while the CPU is full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from slowq import signals, workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import WORTH_A_LOOK_S, Case, Need, RequestFacts
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import heavy_requests
from slowq.rule import About, threshold
from slowq.signals import Signals
from slowq.snippets import search_with
from slowq.wording import count, do, duration, percent
from slowq.workload import Mask, Workload, logged, seen, stated

REMEDIES = (
    Remedy(
        key="bounded",
        do="Search with Bounded consistency where a few seconds of staleness do no harm.",
        because=(
            "The guarantee then lies 5 s back, which tSafe has nearly always passed, so the search starts at once."
        ),
        cost="Rows of the last 5 s (common.gracefulTime) may be missing from the answer.",
        verify=(
            "`slowq requests` shows consistency Bounded for the pattern, and its p95 falls to that of the "
            "search itself."
        ),
        snippet=search_with('consistency_level="Bounded"'),
    ),
    Remedy(
        key="eventually",
        do="Search with Eventually consistency where only reach and speed count.",
        because="There is no guarantee to wait for at all, however far the stream lags.",
        cost="The newest rows appear when they have been consumed, without any bound.",
        verify="milvus_querynode_sq_wait_tsafe_latency is zero for these requests.",
        snippet=search_with('consistency_level="Eventually"'),
    ),
    Remedy(
        key="session",
        do="Use Session consistency where a client must see its own writes only.",
        because="It waits for the client's last write and not for everybody's.",
        cost="Other clients' writes may be missing; right after a write it still waits.",
        verify="Requests that follow no write of the same client leave the slow log.",
        snippet=search_with('consistency_level="Session"'),
    ),
    Remedy(
        key="batch_writes",
        do="Write in larger batches, and keep bulk writing away from the hours of Strong reads.",
        because="tSafe keeps up with fewer, larger messages more easily than with many small ones.",
        cost="Rows become visible in steps.",
        verify="milvus_querynode_sq_wait_tsafe_latency stays near the time tick interval while data is written.",
        snippet="""\
for start in range(0, len(rows), 1000):
    client.upsert(collection_name=$collection, data=rows[start : start + 1000])
""",
    ),
    Remedy(
        key="default_level",
        do="Create the collection with Bounded as its default level.",
        because="Clients that set no level of their own then stop waiting without a change of code.",
        cost="The collection is created again; all such clients may miss the last seconds.",
        verify="Slow lines with `useDefaultConsistency=true` show a guarantee lag of 5 s.",
        snippet="""\
client.create_collection(
    collection_name=$collection,
    schema=schema,
    index_params=index_params,
    consistency_level="Bounded",
)
""",
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to 2.6.13 or later.",
        because=(
            "From 2.6 the delegator can take the time of the WAL itself, so Strong costs little on a quiet "
            "stream; 2.6.13 fixed tSafe being held up by compaction (PR #47987)."
        ),
        cost="A major upgrade from 2.5 and earlier.",
        verify="milvus_querynode_sq_wait_tsafe_latency, before and after.",
        before=(2, 6, 13),
    ),
)

# proxy.timeTickInterval: how often tSafe advances up to 2.5; a Strong read waits for the next tick.
TICK_S = 0.2
# common.gracefulTime: how far back the guarantee of a Bounded read lies.
GRACEFUL_S = 5.0

ABOUT = About(
    id="consistency_wait",
    title="Strong consistency makes each search wait until the newest writes are visible.",
    needs=(
        Need(
            what="the effective consistency level of the slow requests and a comparison with a weaker level",
            how_to_supply=(
                "Use logs of 2.4.7 or later, which hold the guarantee timestamp, or --context: `requests: "
                "[{kind: search, consistency: Strong, duration_s: 4.8, fast_duration_s: 0.05}]`."
            ),
        ),
        Need(
            what="how long searches wait for tSafe",
            how_to_supply=(
                "Give --metrics with milvus_querynode_sq_wait_tsafe_latency, or --context: "
                "`observations: {wait_tsafe_s: 4.5}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class ConsistencyWait:
    """Strong, or a session guarantee close to now, makes each search wait for tSafe."""

    about: ClassVar[About] = ABOUT
    strong_lag_s: float = threshold(
        0.5,
        "guarantee lag up to which a request ran as Strong: the guarantee is the time of its start, give or "
        "take the enqueueing",
    )
    usual_strong_wait_s: float = threshold(
        0.4,
        "wait of a Strong read that is normal up to 2.5, where tSafe moves with the time tick of 200 ms",
    )
    waiting_share: float = threshold(
        0.3,
        "share of a search's time from which the wait for tSafe is a main part of it",
    )
    hardly_waiting: float = threshold(
        0.05,
        "share of a search's time below which the wait for tSafe is not what is slow",
    )

    def check(self, case: Case) -> Outcome:
        shown = self._seen(case)
        if not shown.judges:
            return Skipped(self.about.needs)
        work, measured, strict = shown.work, shown.measured, shown.strict
        told = bool((shown.wait_s or 0) >= self._worth_telling(work))
        if not strict.any() and not len(shown.parked) and not told and not shown.waits:
            return Clear("no slow request ran with Strong consistency or a fresh session guarantee")
        share = work.share(strict)
        weaker = work.is_known("consistency") & ~strict
        jump_s = max([slow_s - fast_s for _, slow_s, fast_s in shown.contrast] or [0.0])
        usual = case.context.only_collection.consistency
        asked_strong = any((request.consistency or usual) == "Strong" for request, _, _ in shown.contrast)
        return finding(
            self.about,
            case,
            strict if strict.any() else np.ones(work.count, dtype=bool),
            confidence=confidence(
                0.4 if strict.any() else 0.3,
                signs=[
                    (bool(len(shown.late)), 0.35),
                    (bool(len(shown.writes)), 0.15),
                    (bool(strict.any() and weaker.any() and share > 0.8), 0.25),
                    (bool(len(shown.parked)), 0.7),
                    (told, 0.6),
                    (asked_strong and jump_s >= 0.5 * TICK_S, 0.5),
                    (shown.waits, 0.5),
                ],
                against=[
                    # A guarantee in the future is a matter of clocks, and no level helps.
                    (work.share(work.number("guarantee_lag_s") <= -self.strong_lag_s) > 0.5, 0.5),
                    (bool(shown.waiting < self.hardly_waiting), 0.7),
                    # With Bounded a wait means that the stream lags by more than its 5 s.
                    (not strict.any() and bool(measured.highest("consume_lag") >= GRACEFUL_S), 0.4),
                    # No time tick comes where the meta store saves no timestamp, whatever the level.
                    (len(workload.events_of(case, "meta_failed")) > 0, 0.5),
                    (bool(strict.any()) and share < 0.3, 0.5),
                    (work.share(heavy_requests(work)) > 0.5, 0.5),
                    (case.context.observations.get("writes_per_s") == 0 and not len(shown.parked), 0.3),
                ],
            ),
            summary=f"Searches wait until the newest writes are visible before they begin: {_who(shown, share)}",
            evidence=[*self._evidence(case, shown, share)],
            names={"level": "Strong"},
            with_victims=False,
        )

    def _worth_telling(self, work: Workload) -> float:
        """The wait that the context file must tell of: longer than Strong has it anyway, or most of what requests take; where
        that is not told either, one that is worth a look."""
        if not work.has_durations:
            return WORTH_A_LOOK_S
        return min(self.usual_strong_wait_s, 0.5 * work.middle(work.weight_s, np.ones(work.count, dtype=bool)))

    def _seen(self, case: Case) -> _Seen:
        work, measured = workload.of(case), signals.of(case)
        lag_s = np.nan_to_num(np.abs(work.number("guarantee_lag_s")), nan=np.inf)
        waiting = measured.phase("wait_tsafe")
        fresh = work.is_any("consistency", ["Session"]) & (lag_s < self.strong_lag_s)
        return _Seen(
            work,
            measured,
            work.is_any("consistency", ["Strong"]) | fresh,
            waiting,
            bool(waiting >= self.waiting_share),
            case.context.observations.get("wait_tsafe_s"),
            workload.events_of(case, "tsafe_parked"),
            workload.events_of(case, "timetick_slow", "mq_slow", "tsafe_wait", "tsafe_lag"),
            workload.events_of(case, "insert", "flush"),
            [
                (one, one.duration_s, one.fast_duration_s)
                for one in case.context.requests
                if one.consistency in ("Strong", None) and one.duration_s and one.fast_duration_s
            ],
        )

    def _evidence(self, case: Case, shown: _Seen, share: float) -> Iterator[Evidence]:
        work, measured, strict = shown.work, shown.measured, shown.strict
        if strict.any():
            says = (
                f"{int(strict.sum()):,} of {count(work.count, 'slow request')} ran with Strong or a fresh session "
                f"guarantee ({percent(share)} of the slow time)."
            )
            yield seen(work, says, strict, share)
        if shown.waits:
            waited_s = measured.mean("wait_tsafe")
            says = f"Searches wait {duration(waited_s)} for tSafe, {percent(shown.waiting)} of their time."
            yield measured.says("wait_tsafe", says, shown.waiting, self.waiting_share)
        if len(shown.parked):
            longest = workload.longest_s(shown.parked)
            says = f"Requests were parked until the node's time passed their guarantee, up to {duration(longest)}."
            yield logged(shown.parked, says, longest)
        if (wait_s := shown.wait_s) is not None:
            says = f"Searches wait {duration(wait_s)} for tSafe."
            yield stated(case, "observations.wait_tsafe_s", says, wait_s, self.usual_strong_wait_s)
        if number := len(shown.late):
            says = f"{count(number, 'line')} of the same time {do(number, 'say')} that the time tick or the queue lags."
            yield logged(shown.late, says, number)
        if len(shown.writes):
            yield logged(shown.writes, "Data was written at the same time.")
        for request, slow_s, fast_s in shown.contrast:
            says = f"The same request takes {duration(fast_s)} at other times and {duration(slow_s)} here."
            yield stated(case, f"{request.key}.fast_duration_s", says, slow_s, fast_s)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a case shows of consistency, and of the wait that it costs."""

    work: Workload
    measured: Signals
    strict: Mask  # slow requests with Strong, or with a session guarantee close to now
    waiting: float  # share of a search's time; NaN where it is not measured
    waits: bool  # and that is a main part of it
    wait_s: float | None  # as the context file says
    parked: pd.DataFrame
    late: pd.DataFrame  # lines that the time tick or the queue lags
    writes: pd.DataFrame
    contrast: Sequence[tuple[RequestFacts, float, float]]  # as the context file says: seconds now, and at other times

    @property
    def judges(self) -> bool:
        """Whether anything speaks of it, for or against."""
        known = self.work.is_known("consistency").any()
        return bool(known or len(self.parked) or self.wait_s is not None or not np.isnan(self.waiting))


def _who(shown: _Seen, share: float) -> str:
    if shown.strict.any():
        return f"{percent(share)} of the slow time is spent by requests with Strong consistency."
    if len(shown.parked):
        return "the log shows them parked."
    wait_s = shown.measured.mean("wait_tsafe") if shown.waits else shown.wait_s or 0
    return f"they wait {duration(wait_s)} for tSafe."
