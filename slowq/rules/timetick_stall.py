"""The message queue or the time tick lags behind, and every read that wants fresh data waits.

Symptom
    Searches of all collections, or of all those on one channel, wait seconds or time out while CPU is idle, even
    with Bounded consistency. Eventually searches are fast. It often begins with a restart or trouble of Pulsar,
    Kafka, a full disk or a proxy that went away.

Cause
    tSafe moves on only when the delegator has consumed the stream up to a new time tick. If the message queue is
    slow or down, if its disk is full, if the coordinator cannot send time ticks, if a channel has no living owner,
    or if deletes and flushes hold up the consumer, tSafe stands still and every read above Eventually waits for it.
    With Bounded that happens once the stream is more than 5 s behind. Known faults: 2.6.13 bounded the replay after
    a change of WAL owner (PR #48391) and kept compaction from blocking tSafe (PR #47987); 2.6.15 gives up after 3 s
    without progress and tries another replica.

How we tell
    Bounded requests wait too: a slow request whose guarantee timestamp lies 5 s back, or more, cannot have waited for
    its level alone. Eventually requests (guarantee 1) at the same time are fast. All patterns are affected from one
    moment on. Lines that name the stall settle it: `delegator search failed to wait tsafe`, `Timestamp lag too
    large`, `tsafe stall detected, fast-fail to allow proxy failover`, `rootcoord send tt to all channels too slowly`,
    `rocksmq produce too slowly`, `append message into wal too slow`, above all where hardly anything else was quoted,
    also as clients log them (`RPC error: [search], <MilvusException: …`),
    and `consume msg failed` with `Local: Timed out`: for 10 or 30 s Kafka gave nothing, not even a time tick, of
    which there is one every 200 ms (kafka_consumer.go). Until 2.5 `failed to updateTimeTick` says that the
    coordinator does not know who sent a tick, and drops it. The client of Pulsar, which writes into the same log,
    says `Failed to create producer` where a topic is full or no broker answers. In the context file
    `dependencies.state.message_queue` settles it as well, and a restart of the queue after which alone it is slow
    (`events` and `pattern.only_after`).

    The metrics are milvus_querynode_sq_wait_tsafe_latency beside milvus_querynode_consume_tt_lag_ms,
    milvus_querynode_msg_dispatcher_tt_lag_ms or milvus_rootcoord_produce_tt_lag_ms. What is slow is told by
    milvus_proxy_tt_lag_ms, milvus_msgstream_request_latency and, from 2.6,
    milvus_wal_append_message_duration_seconds. With slow Strong requests only, and none of these, the rule answers
    skipped, because consistency_wait looks the same.

Not this when
    Strong requests alone are slow and the wait is about one time tick (consistency_wait). The guarantee lies in the
    future (clock_skew). The CPU of the delegator's node is full, so that consuming is a victim as well. The coordinator
    cannot save timestamps (`failed to update tso`): then it is the meta store that lags (storage_stall).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from slowq import settings, signals, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import Case, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import heavy_requests
from slowq.rule import About, threshold
from slowq.signals import Signals
from slowq.snippets import search_with
from slowq.wording import count, do, duration
from slowq.workload import logged, stated

REMEDIES = (
    Remedy(
        key="repair_queue",
        do=(
            "Bring the message queue back to health: free its disk, restart its failed brokers, and check its latency."
        ),
        because="All reads but Eventually wait for what the queue delivers.",
        cost="Work on the queue; do not delete topics that Milvus still needs.",
        verify=(
            "milvus_querynode_consume_tt_lag_ms falls under a second, and the lines about slow sending or "
            "appending stop."
        ),
    ),
    Remedy(
        key="eventually",
        do="Search with Eventually consistency until the queue is healthy.",
        because="It has no guarantee timestamp to wait for.",
        cost="Rows written since the stall are missing from the answers.",
        verify="Requests of the pattern leave the slow log at once.",
        snippet=search_with('consistency_level="Eventually"'),
    ),
    Remedy(
        key="separate_disk",
        do="Give RocksMQ, Woodpecker or the brokers a fast disk of their own, apart from etcd and caches.",
        because="Each write of the stream waits for that disk.",
        cost="A volume, and a short downtime for moving the data.",
        verify="`rocksmq produce too slowly` and `append message into wal too slow` no longer appear.",
    ),
    Remedy(
        key="slower_writes",
        do="Bound the rate of inserts and deletes to what the stream carries.",
        because="The consumer then catches up, and tSafe with it.",
        cost="Writers are refused above the limit and must retry.",
        verify="milvus_querynode_consume_tt_lag_ms stays flat while data is written.",
        snippet="""\
# milvus.yaml
quotaAndLimits:
  dml:
    enabled: true
    insertRate:
      max: 8  # MB per second
    deleteRate:
      max: 1
""",
    ),
    Remedy(
        key="longer_grace",
        do="Lengthen the staleness that Bounded allows, as a stopgap.",
        because="Bounded reads then tolerate a stream that is further behind.",
        cost="Answers may miss that many seconds of writes, on all collections.",
        verify="Bounded requests leave the slow log; the lag metric stays as it is.",
        snippet="""\
# milvus.yaml
common:
  gracefulTime: 30000  # ms
""",
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to 2.6.15 or later.",
        because=(
            "Replay after a change of WAL owner and blocking by compaction were fixed in 2.6.13 (PR #48391, "
            "#47987); a stalled replica is left after 3 s from 2.6.15."
        ),
        cost="An upgrade with its tests and a rolling restart.",
        verify="No search times out after a failover.",
        since=(2, 6, 0),
        before=(2, 6, 15),
    ),
)

ABOUT = About(
    id="timetick_stall",
    title="The message queue or the time tick lags behind, and every read that wants fresh data waits.",
    needs=(
        Need(
            what="whether reads at a weaker level are slow too, or a line that names the stall",
            how_to_supply=(
                "Give the logs of query nodes, coordinator and message queue at level warn or lower, or "
                "--context: `dependencies: {message_queue: pulsar, state: {message_queue: lagging}}`."
            ),
        ),
        Need(
            what="how far the stream lags",
            how_to_supply=(
                "Give --metrics with milvus_querynode_consume_tt_lag_ms and "
                "milvus_querynode_sq_wait_tsafe_latency, or give --context: `observations: {wait_tsafe_s: "
                "12.0}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


# What librdkafka says where a consumer waited in vain.
_NOTHING_CAME = "Local: Timed out"
# How far behind the clock it is where it is consumed, and where it is sent.
_LAGS = ("consume_lag", "dispatcher_lag", "produce_lag")


@dataclass(frozen=True, slots=True)
class TimetickStall:
    """The message queue, the WAL or the time tick lags, and every consistent read waits."""

    about: ClassVar[About] = ABOUT
    stall_s: float = threshold(
        3.0,
        "time without progress after which Milvus 2.6.15+ itself calls a channel stalled "
        "(queryNode.waitTsafeStallTimeout)",
    )
    usual_strong_wait_s: float = threshold(
        0.4,
        "wait of a Strong read that is normal up to 2.5; longer ones are a lag",
    )
    waiting_share: float = threshold(
        0.3,
        "share of a search's time from which the wait for tSafe is a main part of it",
    )
    hardly_waiting: float = threshold(
        0.05,
        "share of a search's time below which the wait for tSafe is not what is slow",
    )
    slow_send_s: float = threshold(
        0.2,
        "mean time to send a message to the queue, or to append one to the WAL, from which time ticks fall behind: there is "
        "one every 200 ms (proxy.timeTickInterval), and RocksMQ calls more than that too slow itself",
    )
    lost_ticks: int = threshold(
        3,
        "time ticks of a session that the coordinator does not know from which that is more than a proxy or a node that comes "
        "or goes: each sends one every 200 ms (proxy.timeTickInterval)",
    )

    def check(self, case: Case) -> Outcome:
        work, measured, said = workload.of(case), signals.of(case), self._said(case)
        behind_s = max((measured.highest(name) for name in _LAGS), key=np.nan_to_num)
        state = (case.context.dependencies.get("state") or {}).get("message_queue")
        wait_s = case.context.observations.get("wait_tsafe_s")
        done = () if behind_s < self.stall_s else case.context.happened_to("message_queue")
        if not len(case.events) and state is None and wait_s is None and np.isnan(behind_s) and not done:
            return Skipped(self.about.needs)
        weak_waits = (wait_s or 0) >= self.usual_strong_wait_s and not work.is_any("consistency", ["Strong"]).any()
        lags = behind_s >= self.stall_s and bool(measured.phase("wait_tsafe") >= self.waiting_share)
        if not len(said.lag) and not len(said.slow) and state is None and not weak_waits and not lags and not done:
            return Clear("no line says that the message queue, the WAL or the time tick lags")
        slow_sends, rare = [*self._slow_sends(measured)], settings.rare_ticks(case)
        evidence = [*self._lags(measured)] if lags else []
        evidence += slow_sends + rare
        if state:
            evidence.append(stated(case, "dependencies.state", f"The message queue is {state}."))
        if weak_waits:
            says = f"Searches wait {duration(wait_s or 0)} for tSafe."
            evidence.append(stated(case, "observations.wait_tsafe_s", says, wait_s, self.usual_strong_wait_s))
        evidence += [*workload.happened(case, done), *self._logged(said)]
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.15,
                signs=[
                    (bool(len(said.lag)), 0.65),
                    (bool(state), 0.7),
                    (lags, 0.6),
                    (weak_waits, 0.5),
                    # Once may be a topic that is not in use yet, or a broker that moves.
                    (said.longest_s >= self.stall_s or len(said.silent) > 1 or len(said.refused) > 1, 0.4),
                    (len(said.slow) >= 10, 0.15),
                    (case.context.is_only_after(done), 0.45),
                    (bool(done), 0.2),
                    # An excerpt: what struck who quoted it, and more than a tick that comes a little late.
                    (
                        case.coverage.is_mostly(len(said.slow)) and not 0 < said.longest_s < self.usual_strong_wait_s,
                        0.45,
                    ),
                    (bool(slow_sends), 0.2),
                    (bool(rare), 0.2),
                ],
                against=[
                    (bool(measured.phase("wait_tsafe") < self.hardly_waiting), 0.6),
                    (work.share(heavy_requests(work)) > 0.5, 0.4),
                    # A time tick needs a timestamp, and that the meta store: it is what lags.
                    (len(workload.events_of(case, "meta_failed")) > 0 and not state, 0.5),
                ],
            ),
            summary="The message queue or the time tick lags, so that reads wait whatever their consistency level.",
            evidence=evidence,
        )

    def _said(self, case: Case) -> _Said:
        slow, lost = ["mq_slow", "mq_failed", "timetick_slow", "timetick_idle"], "timetick_lost"
        if len(workload.events_of(case, lost)) >= self.lost_ticks:
            slow.append(lost)
        return _Said(workload.events_of(case, "tsafe_lag", "tsafe_wait"), workload.events_of(case, *slow))

    def _lags(self, measured: Signals) -> Iterator[Evidence]:
        """How far the stream lags, and who notices it besides."""
        name = max(_LAGS, key=lambda one: np.nan_to_num(measured.highest(one)))
        behind_s = measured.highest(name)
        says = f"The stream lags by up to {duration(behind_s)}, and searches wait for it."
        yield measured.says(name, says, behind_s, self.stall_s)
        # The gauge of a channel keeps its last value once another channel is the one that is furthest behind.
        if (at_proxy_s := measured.mean("proxy_lag")) >= self.stall_s:
            says = f"The time tick is {duration(at_proxy_s)} behind at the proxies already, before it is sent."
            yield measured.says("proxy_lag", says, at_proxy_s, self.stall_s)
        if measured.highest("denied", kind="TimeTickLongDelay") >= 1:
            yield measured.says("denied", "Milvus denies writes because the time tick lags too far.")

    def _slow_sends(self, measured: Signals) -> Iterator[Evidence]:
        """What takes messages in slowly: the message queue, or from 2.6 on the WAL."""
        sends: tuple[tuple[str, dict[str, str], str], ...] = (
            ("stream", {"kind": "produce"}, "Sending a message to the message queue"),
            ("wal", {}, "Appending a message to the WAL"),
        )
        for name, part, what in sends:
            if (took_s := measured.mean(name, **part)) >= self.slow_send_s:
                yield measured.says(name, f"{what} takes {duration(took_s)}.", took_s, self.slow_send_s)

    def _logged(self, said: _Said) -> Iterator[Evidence]:
        if number := len(said.lag):
            says = f"{count(number, 'line')} {do(number, 'say')} that a wait for tSafe failed or that it lags too far behind."
            yield logged(said.lag, says, number)
        if number := len(said.refused):
            says = f"{count(number, 'time')} Pulsar turned away who wanted to send or to receive."
            yield logged(said.refused, says, number)
        late = said.slow[said.slow["what"] != "mq_failed"]
        if number := len(late):
            by = f", by up to {duration(said.longest_s)}" if said.longest_s else ""
            how = "slow, or not taken" if (late["what"] == "timetick_lost").any() else "slow"
            says = f"{count(number, 'line')} {do(number, 'say')} that the queue or the time tick is {how}{by}."
            yield logged(late, says, said.longest_s, self.stall_s)
        if number := len(said.silent):
            says = "Kafka gave nothing for seconds, not even a time tick, of which there is one every 200 ms."
            yield logged(said.silent, says, number)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the log says of the stream."""

    lag: pd.DataFrame  # waits for tSafe that failed, or that it lags too far behind
    slow: pd.DataFrame  # the message queue or the time tick is late, turns a client away, or is not taken

    @property
    def longest_s(self) -> float:
        """The longest delay that a line tells; 0 where none does."""
        return workload.longest_s(self.slow)

    @property
    def refused(self) -> pd.DataFrame:
        return self.slow[self.slow["what"] == "mq_failed"]

    @property
    def silent(self) -> pd.DataFrame:
        return self.slow[self.slow["detail"] == _NOTHING_CAME]
