"""The clocks of my machines differ, and searches wait for a time that has not come yet.

Symptom
    Searches of one client, or through one node, always wait about the same time, while others are fast at the same
    moment. It changes when clocks are set, or a virtual machine resumes, and not with the load.

Cause
    The guarantee timestamp is a point in time. If it comes from a clock that is ahead, the delegator waits until
    tSafe has reached it: as long as the clocks differ. Clients set it with Session or Customized consistency, and
    did so with Bounded in 2.0; from 2.1 the server computes it (issue #16841, PR #17087). Among the servers the
    timestamp oracle hands out time, so that a jump of the coordinator's clock, or nodes whose clocks differ, delay
    time ticks.

How we tell
    The guarantee lag of the log: the start of a request minus the physical part of its guarantee timestamp. Clearly
    negative for one client, with a duration of about that size, is a guarantee in the future. Requests of other
    clients in the same seconds have none. The offset stays the same over time and load.
    `dependencies.clock_offset_s` in the context file says it outright.

    The lag comes from the logging node's clock, so a node whose whole log shows an offset is itself suspect; nodes
    are compared with one another. node_timex_offset_seconds of node exporter supports it. A request that waited in the
    proxy queue before its timestamp was taken looks alike; without a stable offset the rule answers skipped.

Not this when
    The lag varies with the load: then requests queue in the proxy (high_concurrency). The guarantee lies in the
    past. Every client and node waits alike (timetick_stall, consistency_wait).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import signals, workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import SLOW_S, Case, Need
from slowq.findings import Clear, Outcome, Remedy, Skipped
from slowq.heavy import heavy_requests
from slowq.rule import About, threshold
from slowq.wording import count, do, duration
from slowq.workload import logged, seen, stated

REMEDIES = (
    Remedy(
        key="synchronise",
        do="Run a time service (chrony or ntpd) on all machines, clients included, and check the offset.",
        because="A guarantee is then never ahead of the server by more than milliseconds.",
        cost="None; correct large offsets slowly, or with Milvus stopped, as time must not run backwards.",
        verify="node_timex_offset_seconds below 0.01, and no negative guarantee lag in `slowq requests`.",
    ),
    Remedy(
        key="server_side_level",
        do="Let the server compute the guarantee: ask for a level and do not send a timestamp.",
        because="Bounded and Strong are computed from the server's own time.",
        cost="Bounded may miss the last 5 s of writes.",
        verify="`slowq requests` shows a guarantee lag of about 5 s for the client.",
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
        key="upgrade_sdk",
        do="Upgrade the SDK of the client, and Milvus if it is older than 2.1.",
        because="Old SDKs derived the guarantee from the client's own clock (issue #16841).",
        cost="Tests of the application.",
        verify="The guarantee lag no longer depends on the client.",
    ),
    Remedy(
        key="eventually",
        do="Search with Eventually consistency until the clocks agree.",
        because="There is no guarantee to wait for.",
        cost="The newest rows may be missing.",
        verify="Requests of the client leave the slow log.",
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
)

ABOUT = About(
    id="clock_skew",
    title="The clocks of my machines differ, and searches wait for a time that has not come yet.",
    needs=(
        Need(
            what="guarantee timestamps of the requests, with the client or node",
            how_to_supply="Use logs of 2.2.6 or later at level info, best of 2.4.7+, from all proxies.",
        ),
        Need(
            what="the offset of the clocks",
            how_to_supply=(
                "Give --metrics with node_timex_offset_seconds of the hosts, or --context: `dependencies: {clock_offset_s: 2.5}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """Client or node clocks differ, so that a guarantee lies in the future."""

    about: ClassVar[About] = ABOUT
    future_s: float = threshold(
        0.5,
        "how far in the future a guarantee must lie: smaller lags come from enqueueing and rounding",
    )
    stable_s: float = threshold(
        1.0,
        "how far the offset of one client may vary to be that of a clock and not of a queue",
    )

    def check(self, case: Case) -> Outcome:
        work = workload.of(case)
        lag_s = work.number("guarantee_lag_s")
        jumps = workload.events_of(case, "clock_jump")
        parked = workload.events_of(case, "tsafe_parked")
        offset_s = case.context.dependencies.get("clock_offset_s")
        if np.isnan(lag_s).all() and not len(jumps) and not len(parked) and offset_s is None:
            return Skipped(self.about.needs)
        future = np.nan_to_num(lag_s, nan=0.0) <= -self.future_s
        spread = float(np.ptp(lag_s[future])) if future.any() else np.inf
        far = parked[parked["duration_s"] >= SLOW_S]
        large_jumps = jumps[jumps["duration_s"] >= self.future_s]
        shifted = offset_s is not None and abs(offset_s) >= self.future_s
        if not future.any() and not len(far) and not len(large_jumps) and not shifted:
            return Clear(
                f"no guarantee timestamp lies more than {self.future_s} s in the future, and no clock jumped so far"
            )
        evidence = []
        if shifted:
            evidence.append(
                stated(
                    case,
                    "dependencies.clock_offset_s",
                    f"The clocks differ by {duration(abs(offset_s or 0))}.",
                    offset_s,
                    self.future_s,
                )
            )
        if future.any():
            evidence.append(
                seen(
                    work,
                    f"{count(int(future.sum()), 'request')} {do(int(future.sum()), 'have')} a guarantee timestamp "
                    f"{duration(-work.middle(lag_s, future))} after the start.",
                    future,
                    -work.middle(lag_s, future),
                    self.future_s,
                )
            )
        if len(far):
            evidence.append(
                logged(
                    far,
                    "Requests were parked because their guarantee lay "
                    f"{duration(float(far['duration_s'].max()))} ahead of the node.",
                    float(far["duration_s"].max()),
                    SLOW_S,
                )
            )
        if len(large_jumps):
            evidence.append(
                logged(
                    large_jumps,
                    "The clock of the root coordinator jumped by up to "
                    f"{duration(float(large_jumps['duration_s'].max()))}.",
                    float(large_jumps["duration_s"].max()),
                    self.future_s,
                )
            )
        measured = signals.of(case)
        off = measured.clock_offset_s >= self.future_s
        if off:
            says = f"The clock of a host is {duration(measured.clock_offset_s)} off that of its time server."
            evidence.append(measured.says("clock_offset", says, measured.clock_offset_s, self.future_s))
        culprits = future if future.any() else np.ones(work.count, dtype=bool)
        return finding(
            self.about,
            case,
            culprits,
            confidence=confidence(
                0.1,
                signs=[
                    (shifted, 0.75),
                    (bool(future.any()) and spread <= self.stable_s and int(future.sum()) >= 3, 0.6),
                    (bool(len(far)), 0.6),
                    (off, 0.3),
                    (
                        bool(len(large_jumps))
                        and float(large_jumps["duration_s"].max()) >= SLOW_S
                        and bool(future.any()),
                        0.3,
                    ),
                ],
                against=[(work.share(heavy_requests(work)) > 0.5, 0.4)],
            ),
            summary="Clocks differ, so that a read asks for data of the future and waits until the node's time gets there.",
            evidence=evidence,
            with_victims=False,
        )
