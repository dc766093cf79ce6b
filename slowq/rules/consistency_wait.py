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

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from slowq import signals, workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import Case, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import heavy_requests
from slowq.rule import About, threshold
from slowq.wording import count, do, duration, percent
from slowq.workload import logged, seen, stated

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
        snippet="""\
client.search(
    collection_name=$collection,
    data=vectors,
    anns_field=$vector_field,
    limit=$top_k,
    consistency_level="Bounded",
)
""",
    ),
    Remedy(
        key="eventually",
        do="Search with Eventually consistency where only reach and speed count.",
        because="There is no guarantee to wait for at all, however far the stream lags.",
        cost="The newest rows appear when they have been consumed, without any bound.",
        verify="milvus_querynode_sq_wait_tsafe_latency is zero for these requests.",
        snippet="""\
client.search(
    collection_name=$collection,
    data=vectors,
    anns_field=$vector_field,
    limit=$top_k,
    consistency_level="Eventually",
)
""",
    ),
    Remedy(
        key="session",
        do="Use Session consistency where a client must see its own writes only.",
        because="It waits for the client's last write and not for everybody's.",
        cost="Other clients' writes may be missing; right after a write it still waits.",
        verify="Requests that follow no write of the same client leave the slow log.",
        snippet="""\
client.search(
    collection_name=$collection,
    data=vectors,
    anns_field=$vector_field,
    limit=$top_k,
    consistency_level="Session",
)
""",
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
        work, measured = workload.of(case), signals.of(case)
        waiting = measured.phase("wait_tsafe")
        parked = workload.events_of(case, "tsafe_parked")
        wait_s = case.context.observations.get("wait_tsafe_s")
        known = work.is_known("consistency")
        if not known.any() and not len(parked) and wait_s is None and np.isnan(waiting):
            return Skipped(self.about.needs)
        strict = work.is_any("consistency", ["Strong"]) | (
            work.is_any("consistency", ["Session"]) & (self._lag(work) < self.strong_lag_s)
        )
        waits = bool(waiting >= self.waiting_share)
        if not strict.any() and not len(parked) and not (wait_s or 0) >= self.usual_strong_wait_s and not waits:
            return Clear("no slow request ran with Strong consistency or a fresh session guarantee")
        weaker = known & ~strict
        culprits = strict if strict.any() else np.ones(work.count, dtype=bool)
        share = work.share(strict)
        late = workload.events_of(case, "timetick_slow", "mq_slow", "tsafe_wait", "tsafe_lag")
        writes = workload.events_of(case, "insert", "flush")
        evidence = []
        if strict.any():
            evidence.append(
                seen(
                    work,
                    f"{int(strict.sum()):,} of {count(work.count, 'slow request')} ran with Strong or a fresh session "
                    f"guarantee ({percent(share)} of the slow time).",
                    strict,
                    share,
                )
            )
        if waits:
            evidence.append(
                measured.says(
                    "wait_tsafe",
                    f"Searches wait {duration(measured.mean('wait_tsafe'))} for tSafe, {percent(waiting)} of their time.",
                    waiting,
                    self.waiting_share,
                )
            )
        evidence += self._waits(case, parked, wait_s, late, writes)
        contrast = [
            request
            for request in case.context.requests
            if request.consistency in ("Strong", None) and request.duration_s and request.fast_duration_s
        ]
        jump_s = max(
            [r.duration_s - r.fast_duration_s for r in contrast if r.duration_s and r.fast_duration_s] or [0.0]
        )
        evidence += [
            stated(
                case,
                f"{r.key}.fast_duration_s",
                f"The same request takes {duration(r.fast_duration_s or 0)} at other times and "
                f"{duration(r.duration_s or 0)} here.",
                r.duration_s,
                r.fast_duration_s,
            )
            for r in contrast
        ]
        asked_strong = any(request.consistency == "Strong" for request in contrast)
        return finding(
            self.about,
            case,
            culprits,
            confidence=confidence(
                0.4 if strict.any() else 0.3,
                signs=[
                    (bool(len(late)), 0.35),
                    (bool(len(writes)), 0.15),
                    (bool(strict.any() and weaker.any() and share > 0.8), 0.25),
                    (bool(len(parked)), 0.7),
                    ((wait_s or 0) >= self.usual_strong_wait_s, 0.6),
                    (asked_strong and jump_s >= 0.5 * TICK_S, 0.5),
                    (waits, 0.5),
                ],
                against=[
                    # A guarantee in the future is a matter of clocks, and no level helps.
                    (work.share(work.number("guarantee_lag_s") <= -self.strong_lag_s) > 0.5, 0.5),
                    (bool(waiting < self.hardly_waiting), 0.7),
                    # With Bounded a wait means that the stream lags by more than its 5 s.
                    (not strict.any() and bool(measured.highest("consume_lag") >= GRACEFUL_S), 0.4),
                    (bool(strict.any()) and share < 0.3, 0.5),
                    (work.share(heavy_requests(work)) > 0.5, 0.5),
                    (case.context.observations.get("writes_per_s") == 0 and not len(parked), 0.3),
                ],
            ),
            summary="Searches wait until the newest writes are visible before they begin: "
            + (
                f"{percent(share)} of the slow time is spent by requests with Strong consistency."
                if strict.any()
                else "the log shows them parked."
                if len(parked)
                else f"they wait {duration(measured.mean('wait_tsafe') if waits else wait_s or 0)} for tSafe."
            ),
            evidence=evidence,
            names={"level": "Strong"},
            with_victims=False,
        )

    def _lag(self, work: workload.Workload) -> np.ndarray:
        return np.asarray(np.nan_to_num(np.abs(work.number("guarantee_lag_s")), nan=np.inf))

    def _waits(
        self, case: Case, parked: pd.DataFrame, wait_s: float | None, late: pd.DataFrame, writes: pd.DataFrame
    ) -> list[Evidence]:
        evidence = []
        if len(parked):
            longest = float(np.nan_to_num(parked["duration_s"].max()))
            evidence.append(
                logged(
                    parked,
                    f"Requests were parked until the node's time passed their guarantee, up to {duration(longest)}.",
                    longest,
                )
            )
        if wait_s is not None:
            evidence.append(
                stated(
                    case,
                    "observations.wait_tsafe_s",
                    f"Searches wait {duration(wait_s)} for tSafe.",
                    wait_s,
                    self.usual_strong_wait_s,
                )
            )
        if len(late):
            evidence.append(
                logged(
                    late,
                    f"{count(len(late), 'line')} of the same time {do(len(late), 'say')} that the time tick or the queue lags.",
                    len(late),
                )
            )
        if len(writes):
            evidence.append(logged(writes, "Data was written at the same time."))
        return evidence
