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

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from slowq import signals, workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import SLOW_S, Case, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import heavy_requests
from slowq.rule import About, threshold
from slowq.snippets import search_with
from slowq.wording import count, do, duration
from slowq.workload import Mask, Workload, logged, seen, stated

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
        snippet=search_with('consistency_level="Bounded"'),
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
        snippet=search_with('consistency_level="Eventually"'),
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
        found = self._found(case)
        if not found.is_known:
            return Skipped(self.about.needs)
        if not found.future.any() and not len(found.far) and not len(found.jumps) and not found.shifted_s:
            return Clear(
                f"no guarantee timestamp lies more than {self.future_s} s in the future, and no clock jumped so far"
            )
        ahead = int(found.future.sum())
        return finding(
            self.about,
            case,
            found.future if ahead else np.ones(found.work.count, dtype=bool),
            confidence=confidence(
                0.1,
                signs=[
                    (found.shifted_s > 0, 0.75),
                    (ahead >= 3 and found.spread_s <= self.stable_s, 0.6),
                    (bool(len(found.far)), 0.6),
                    (found.host_off_s > 0, 0.3),
                    (ahead > 0 and workload.longest_s(found.jumps) >= SLOW_S, 0.3),
                ],
                against=[(found.work.share(heavy_requests(found.work)) > 0.5, 0.4)],
            ),
            summary="Clocks differ, so that a read asks for data of the future and waits until the node's time gets there.",
            evidence=[*self._evidence(case, found)],
            with_victims=False,
        )

    def _found(self, case: Case) -> _Found:
        work, host_off_s = workload.of(case), signals.of(case).clock_offset_s
        lag_s = work.number("guarantee_lag_s")
        jumps, parked = workload.events_of(case, "clock_jump"), workload.events_of(case, "tsafe_parked")
        told_s = case.context.dependencies.get("clock_offset_s")
        off_s = abs(float(told_s or 0))
        return _Found(
            work,
            is_known=not np.isnan(lag_s).all() or len(jumps) > 0 or len(parked) > 0 or told_s is not None,
            lag_s=lag_s,
            future=np.nan_to_num(lag_s, nan=0.0) <= -self.future_s,
            far=parked[parked["duration_s"] >= SLOW_S],
            jumps=jumps[jumps["duration_s"] >= self.future_s],
            shifted_s=off_s if off_s >= self.future_s else 0.0,
            host_off_s=host_off_s if host_off_s >= self.future_s else 0.0,
        )

    def _evidence(self, case: Case, found: _Found) -> Iterator[Evidence]:
        limit_s = self.future_s
        if found.shifted_s:
            says = f"The clocks differ by {duration(found.shifted_s)}."
            yield stated(case, "dependencies.clock_offset_s", says, found.shifted_s, limit_s)
        if number := int(found.future.sum()):
            ahead_s = -found.work.middle(found.lag_s, found.future)
            says = f"{count(number, 'request')} {do(number, 'have')} a guarantee timestamp {duration(ahead_s)} after the start."
            yield seen(found.work, says, found.future, ahead_s, limit_s)
        if len(found.far):
            far_s = workload.longest_s(found.far)
            says = f"Requests were parked because their guarantee lay {duration(far_s)} ahead of the node."
            yield logged(found.far, says, far_s, SLOW_S)
        if len(found.jumps):
            jump_s = workload.longest_s(found.jumps)
            says = f"The clock of the root coordinator jumped by up to {duration(jump_s)}."
            yield logged(found.jumps, says, jump_s, limit_s)
        if found.host_off_s:
            says = f"The clock of a host is {duration(found.host_off_s)} off that of its time server."
            yield signals.of(case).says("clock_offset", says, found.host_off_s, limit_s)


@dataclass(frozen=True, eq=False)
class _Found:
    """What a case shows of clocks; what is below the threshold is 0."""

    work: Workload
    is_known: bool  # whether anything tells
    lag_s: np.ndarray  # of each slow request's guarantee timestamp; NaN where it is not known
    future: Mask  # requests whose guarantee lies in the future
    far: pd.DataFrame  # lines of requests that were parked because it did
    jumps: pd.DataFrame  # lines of jumps of a clock
    shifted_s: float  # by which clocks differ, as the context file says
    host_off_s: float  # by which a host's clock is off, as the metrics say

    @property
    def spread_s(self) -> float:
        """Of how far in the future guarantees lie: that of a clock hardly changes."""
        return float(np.ptp(self.lag_s[self.future]))
