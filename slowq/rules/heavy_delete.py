"""Searches are slow since I delete or upsert a lot.

Symptom
    Searches slow down after large deletes, a purge of old data or a stream of upserts, on the collections
    concerned, and Strong reads time out. It lasts until compaction has caught up.

Cause
    An upsert is a delete and an insert. Deletes go into L0 segments (2.4+) and are applied to every segment that
    may hold the key, tested by bloom filters, in the delegator and again at each load. Until compaction has removed
    them, deleted rows stay in the index: the search visits and discards them, and above 93 % HNSW scans. Backlogs
    were made worse by the default limit of 30 delta logs per L0 compaction (1000 from 2.6.16, PR #49122) and by
    lock and replay faults that 2.4.15, 2.6.11 and 2.6.22 fixed (PR #37340, #47409, #51754).

How we tell
    Before and after: `delete` events, `observations.deletes_per_s` or `pattern.only_while_writing` in the context
    file, or lines about L0 compaction and delete buffers in the log, precede the slow period; the patterns of that
    collection are slow and those of others are not. tSafe waits of Bounded reads during a delete storm are a sign
    as well, since applying deletes holds up the stream. What the deletes explain is the slow time that lies beside
    them, and of it what took longer than the same requests at other times, unless slow requests are far denser
    beside them; where nothing is slower meanwhile, the rule answers clear. A rate or an event of the context file
    is taken for the whole time.

    The metrics are milvus_querynode_delete_buffer_row_num (2.4.14+) or milvus_datacoord_l0_delete_entries_num
    (2.4.12+), of which a fifth of the loaded rows says that compaction is behind, and
    milvus_querynode_level_zero_size (2.4+), where more than Milvus compacts at once says it. How much is deleted is
    counted by the proxy, and where it does not (2.3.5) by the data nodes, milvus_datanode_msg_rows_count; whether
    the query nodes keep up tell milvus_querynode_process_insert_or_delete_latency and
    milvus_querynode_wait_processing_msg_count (2.3+). The slow log itself has no line for deletes or upserts, so
    that without one of these the rule answers skipped.

Not this when
    Rows are only inserted (growing_segments). Compaction runs at its usual hour without a backlog (compaction). All
    collections are slow, those without deletes included.
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
from slowq.contention import density
from slowq.facts import STEADY_S, Case, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import heavy_requests
from slowq.rule import About, threshold
from slowq.signals import Signals
from slowq.snippets import COMPACT
from slowq.wording import duration, percent
from slowq.workload import Mask, Workload, logged, seen, stated

REMEDIES = (
    Remedy(
        key="batch_upserts",
        do="Collect upserts and deletes into batches, and skip rows that have not changed.",
        because=(
            "Fewer and larger messages let compaction keep up, and an upsert that changes nothing costs a "
            "delete all the same."
        ),
        cost="Changes become visible in steps.",
        verify="milvus_querynode_level_zero_size stays flat over a day.",
        snippet="""\
changed = [row for row in rows if row != known.get(row["id"])]
for start in range(0, len(changed), 1000):
    client.upsert(collection_name=$collection, data=changed[start : start + 1000])
""",
    ),
    Remedy(
        key="drop_partition",
        do="Keep expiring data in partitions by time, and drop the partition instead of deleting its rows.",
        because="Dropping a partition removes its segments at once and leaves no delete to apply.",
        cost="Data must be partitioned by time; searches over all time touch all partitions.",
        verify="milvus_datacoord_l0_delete_entries_num does not rise at the time of the purge.",
        snippet="""\
client.release_partitions(collection_name=$collection, partition_names=["p2025_08"])
client.drop_partition(collection_name=$collection, partition_name="p2025_08")
""",
    ),
    Remedy(
        key="compact",
        do="Compact $collection off peak after a large delete.",
        because="Compaction writes the segments anew without the deleted rows, and the index is built without them.",
        cost="CPU, disk and object storage traffic for compaction and index building.",
        verify="milvus_querynode_entity_num falls to the number of live rows, and the p95 with it.",
        snippet=COMPACT,
        since=(2, 4, 0),
    ),
    Remedy(
        key="l0_limit",
        do="Raise the number of delta logs that one L0 compaction takes.",
        because=(
            "With 30 of them a compaction cannot follow a high rate of deletes; 2.6.16 made 1000 the default "
            "(PR #49122)."
        ),
        cost="Each L0 compaction needs more memory on the data node.",
        verify="milvus_querynode_level_zero_size falls.",
        snippet="""\
# milvus.yaml
dataCoord:
  compaction:
    levelzero:
      forceTrigger:
        deltalogMaxNum: 1000
""",
        since=(2, 4, 24),
        before=(2, 6, 16),
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to $fixed_in.",
        because=(
            "Applying deletes became cheaper in 2.4.3 (PR #32642), 2.4.14 (PR #37225), 2.4.15 (PR #37340), "
            "2.6.11 (PR #47409) and 2.6.22 (PR #51754)."
        ),
        cost="An upgrade with its tests and a rolling restart.",
        verify="The same rate of deletes with a lower p95.",
        before=(2, 6, 22),
    ),
)

ABOUT = About(
    id="heavy_delete",
    title="Searches are slow since I delete or upsert a lot.",
    needs=(
        Need(
            what="how much is deleted or upserted, and when",
            how_to_supply=(
                "Give --context: `observations: {deletes_per_s: 5000}` and `events: [{at: 2025-08-23T01:00:00Z, "
                "what: delete, subject: products, detail: purge of 30 days}]`."
            ),
        ),
        Need(
            what="the backlog of deletes",
            how_to_supply=(
                "Give --metrics with milvus_querynode_level_zero_size, milvus_querynode_delete_buffer_row_num, "
                "milvus_datacoord_l0_delete_entries_num and, for how much is deleted, milvus_datanode_msg_rows_count."
            ),
        ),
    ),
    remedies=REMEDIES,
)


# The same rows as two places count them: the proxy does not in every version (2.3.5 counts no deletes).
_CHANGED = (("deleted", "upserted"), ("deletes_consumed",))


@dataclass(frozen=True, slots=True)
class HeavyDelete:
    """Deletes or upserts pile up faster than they are applied or compacted."""

    about: ClassVar[About] = ABOUT
    deletes_per_s: float = threshold(
        1000.0,
        "rows deleted or upserted a second from which a backlog is likely; a starting point, as the rate "
        "that a cluster sustains depends on its data nodes",
    )
    concentration: float = threshold(
        2.0,
        "how many times as dense slow seconds must be beside deletes as elsewhere, where requests are not slower there",
    )
    backlog_share: float = threshold(
        0.2,
        "deletes that wait, as a share of the loaded rows, from which compaction is behind: a segment is due for its "
        "deletes alone at that share of its rows (dataCoord.compaction.single.ratio.threshold)",
    )
    backlog_bytes: int = threshold(
        2 * 64 << 20,
        "deletes in the L0 segments of a channel from which compaction is behind: twice what one compaction takes "
        "(dataCoord.compaction.levelzero.forceTrigger.maxSize, 64 MiB)",
    )
    slow_apply_s: float = threshold(
        0.2,
        "mean time to apply the deletes of one message, from which a query node falls behind the stream: a channel has a time "
        "tick every 200 ms (proxy.timeTickInterval)",
    )

    def check(self, case: Case) -> Outcome:
        work, measured = workload.of(case), signals.of(case)
        changed = float(np.nansum([*_changed(measured).values()]))
        backlog = workload.events_of(case, "delete_backlog")
        deletes = workload.events_of(case, "delete")
        rate = case.context.observations.get("deletes_per_s")
        told = [event for event in case.context.events if event.what == "delete"]
        if not len(backlog) and not len(deletes) and rate is None and not told and not changed:
            return Skipped(self.about.needs)
        rows = float(np.nan_to_num(deletes["duration_s"].median())) if len(deletes) else 0.0
        much = rows >= self.deletes_per_s
        many = changed >= self.deletes_per_s
        stated_rate = (rate or 0) >= self.deletes_per_s
        if not len(backlog) and not much and not many and not stated_rate and not told:
            return Clear("few rows were deleted while requests were slow")
        # What is told is told of all the time.
        behind = bool(
            self._backlog_share(measured) >= self.backlog_share or measured.highest("level_zero") >= self.backlog_bytes
        )
        slowed = None if stated_rate or told or not work.window_s else self._slowed(case)
        if slowed is not None and not slowed.any():
            return Clear("no request was slower while many rows were deleted than at other times")
        after, uncompacted = case.context.pattern.get("only_after"), settings.no_compaction(case)
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.25,
                signs=[
                    (bool(len(backlog)), 0.3),
                    (rows >= 10 * self.deletes_per_s, 0.45),
                    (much and bool(len(backlog)), 0.15),
                    (stated_rate, 0.5),
                    (many, 0.15),
                    (many and behind, 0.3),
                    (
                        many and bool(measured.growing_share >= 0.5),
                        0.45,
                    ),  # what is upserted is searched as growing rows
                    (bool(told) and after in ("delete", "import", "compaction"), 0.5),
                    (bool(told or stated_rate) and bool(case.context.pattern.get("only_while_writing")), 0.4),
                    (bool(told), 0.15),
                    (bool(uncompacted), 0.2),
                ],
                against=[(work.share(heavy_requests(work)) > 0.5, 0.5)],
            ),
            summary="Rows are deleted faster than the deletes are applied and compacted, and each search checks them all.",
            evidence=[*self._evidence(case, deletes, rows, backlog), *uncompacted, *_overlap(work, slowed)],
            affected=slowed,
        )

    def _backlog_share(self, measured: Signals) -> float:
        """Deletes that wait to be compacted, over the loaded rows; NaN where it is not known."""
        rows = measured.highest("rows")
        return measured.highest("delete_backlog") / rows if rows > 0 else float("nan")

    def _slowed(self, case: Case) -> Mask:
        """The slow requests that ran beside many deletes, and are more or took longer than those that did not."""
        work, events = workload.of(case), case.events
        beside = (events["what"] == "delete_backlog") | (
            (events["what"] == "delete") & (events["duration_s"] >= self.deletes_per_s)
        )
        at = workload.unix_s(events.loc[beside.to_numpy(dtype=bool), "at"])
        spans = [signals.of(case).spans(self.deletes_per_s, *names) for names in _CHANGED]
        # Of what says the same every second only the first line of ten seconds is kept.
        starts = np.concatenate([at, *(one for one, _ in spans)])
        ends = np.concatenate([at + STEADY_S, *(one for _, one in spans)])
        inside = work.covered_share(starts, ends) >= workload.VICTIM_SHARE
        # Outside the slow log holds the slowest alone: few of them are no measure for the many inside.
        denser = density(case, work.share(inside), starts, ends) >= self.concentration
        return inside if denser else work.slower(inside)

    def _evidence(self, case: Case, deletes: pd.DataFrame, rows: float, backlog: pd.DataFrame) -> list[Evidence]:
        measured, rate = signals.of(case), case.context.observations.get("deletes_per_s")
        evidence = [
            stated(case, f"{event.key}.what", "Rows were deleted.")
            for event in case.context.events
            if event.what == "delete"
        ]
        if rate:
            says = f"{rate:,.0f} rows are deleted each second."
            evidence.append(stated(case, "observations.deletes_per_s", says, rate, self.deletes_per_s))
        for name, changed in _changed(measured).items():
            if changed >= self.deletes_per_s:
                words = "deleted or replaced" if name == "deletes_consumed" else name
                says = f"{changed:,.0f} rows are {words} each second."
                evidence.append(measured.says(name, says, changed, self.deletes_per_s))
        waiting = self._backlog_share(measured)
        if waiting >= self.backlog_share:
            waiting_rows, loaded = measured.highest("delete_backlog"), measured.highest("rows")
            says = f"{waiting_rows:,.0f} deletes wait to be compacted, beside {loaded:,.0f} rows that are loaded."
            evidence.append(measured.says("delete_backlog", says, waiting, self.backlog_share))
        level_zero = measured.highest("level_zero")
        if level_zero >= self.backlog_bytes:
            says = f"The L0 segments of a channel hold {level_zero / 2**20:,.0f} MiB of deletes."
            evidence.append(measured.says("level_zero", says, level_zero, self.backlog_bytes))
        evidence += self._applied(measured)
        if rows:
            says = f"The query node took in deletes of {rows:,.0f} rows at a time."
            evidence.append(logged(deletes, says, rows, self.deletes_per_s))
        if len(backlog):
            says = f"{_times(len(backlog))} a segment had gathered so many deletes that it had to be compacted."
            evidence.append(logged(backlog, says, len(backlog)))
        return evidence

    def _applied(self, measured: Signals) -> Iterator[Evidence]:
        """How the query nodes keep up with what they have to apply; on a node without free cores nobody keeps up, so that it
        weighs nothing."""
        if (took_s := measured.mean("apply_writes", kind="delete")) >= self.slow_apply_s:
            says = f"A query node takes {duration(took_s)} to apply the deletes of one message."
            yield measured.says("apply_writes", says, took_s, self.slow_apply_s)
        if (waiting := measured.mean("pending_messages", kind="delete")) >= 1:
            says = f"On average {waiting:,.0f} messages of deletes wait for the query nodes to apply them."
            yield measured.says("pending_messages", says, waiting)


def _changed(measured: Signals) -> dict[str, float]:
    """Rows that change each second, by quantity, from the place that counts more of them; NaN where nothing tells."""
    counted = [{name: measured.rate(name) for name in names} for names in _CHANGED]
    return max(counted, key=lambda one: float(np.nansum([*one.values()])))


def _overlap(work: Workload, slowed: Mask | None) -> list[Evidence]:
    """How much of the slow time lies beside the deletes, where that is known."""
    if slowed is None:
        return []
    share = work.share(slowed)
    return [
        seen(
            work,
            f"{percent(share)} of the slow time lies beside them, and is slower or denser than the rest.",
            slowed,
            share,
        )
    ]


def _times(number: int) -> str:
    return "Once" if number == 1 else f"{number:,} times"
