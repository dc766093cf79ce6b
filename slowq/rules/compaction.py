"""Searches are slow whenever compaction runs.

Symptom
    Searches of all kinds slow down for minutes, at intervals or after bulk writes, and recover by themselves. CPU,
    disk or network of a node that serves searches is full at that time, with no change in traffic.

Cause
    Compaction reads segments from object storage, merges them and writes them back, after which indexes are built
    and the new segments are loaded in place of the old. On a standalone, or where data nodes share machines or
    disks with query nodes, this takes CPU, disk and memory from searches. Clustering compaction rewrites all of a
    collection. Before 2.6.13 compaction could also hold up tSafe, so that Strong reads timed out (PR #47987).

How we tell
    Overlap in time: start and end lines of compaction, or `events` with `what: compaction`, cover the slow
    requests, and the same patterns are fast outside these intervals. The share of slow seconds within the intervals
    is held against the share of time they take. `pattern.periodic_s` that matches the interval of compaction
    supports it, and so do searches that became slow shortly after one began; that they were slow before speaks
    against it. The collections that are slow need not be the one compacted.

    The metrics are milvus_datanode_compaction_latency and, for compactions that have not ended,
    milvus_datacoord_compaction_task_num with status executing (2.4+). Where the logs hold no lines of data
    coordinator or data node, and no event is given, the rule answers skipped.

Not this when
    An index build follows the compaction and the slow requests overlap with that (index_build), or new segments are
    loaded (segment_load). Slow requests are as frequent outside the intervals. Deletes pile up and compaction does
    not keep pace (heavy_delete).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slowq.contention import Background
from slowq.facts import Case, Need
from slowq.findings import Outcome, Remedy
from slowq.rule import About, threshold
from slowq.snippets import COMPACT

REMEDIES = (
    Remedy(
        key="off_peak",
        do="Do large compactions by hand at a quiet hour.",
        because="A compaction that you start at night leaves little for the automatic one to do by day.",
        cost="A scheduled job to maintain.",
        verify="`slowq analyze` finds no compaction interval over the busy hours.",
        snippet=COMPACT,
        since=(2, 4, 0),
    ),
    Remedy(
        key="pause_auto",
        do="Switch automatic compaction off for the busy hours, and on again after them.",
        because="Nothing is compacted while users search.",
        cost="Small segments and deletes pile up meanwhile; forgotten, it makes searches slower every day.",
        verify="milvus_datacoord_compaction_task_num with status executing is zero at peak.",
        snippet="""\
# milvus.yaml
dataCoord:
  compaction:
    enableAutoCompaction: false
""",
    ),
    Remedy(
        key="fewer_at_once",
        do="Allow fewer compactions at the same time.",
        because="The same work is spread out and leaves cores free.",
        cost="Compaction takes longer; check that it still keeps up with the writes.",
        verify=(
            "CPU peaks are lower, and milvus_datacoord_compaction_task_num with status pending returns to zero "
            "each day."
        ),
        snippet="""\
# milvus.yaml
dataCoord:
  compaction:
    maxParallelTaskNum: 2
""",
    ),
    Remedy(
        key="separate_nodes",
        do="Run data nodes on machines of their own, apart from query nodes.",
        because="Searches then share neither CPU nor disk with compaction.",
        cost="More machines; a standalone must become a cluster.",
        verify="CPU of the query nodes stays flat during compaction.",
    ),
    Remedy(
        key="batch_upserts",
        do="Write in larger batches, without a flush after each.",
        because="Fewer small segments arise, and less has to be merged.",
        cost="Rows reach sealed segments a little later.",
        verify="Fewer compaction tasks a day at the same number of rows.",
        snippet="""\
for start in range(0, len(rows), 1000):
    client.upsert(collection_name=$collection, data=rows[start : start + 1000])
""",
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to 2.6.13 or later.",
        because="Compaction no longer blocks tSafe there (PR #47987).",
        cost="An upgrade with its tests and a rolling restart.",
        verify="Strong reads no longer time out during compaction.",
        since=(2, 6, 0),
        before=(2, 6, 13),
    ),
)

ABOUT = About(
    id="compaction",
    title="Searches are slow whenever compaction runs.",
    needs=(
        Need(
            what="when compaction ran",
            how_to_supply=(
                "Give the logs of data coordinator and data nodes too, or --context: `events: [{at: "
                "2025-08-23T19:20:00Z, what: compaction, subject: products}]`."
            ),
        ),
        Need(
            what="what compaction takes from the nodes that serve searches",
            how_to_supply=(
                "Give --metrics with milvus_datanode_compaction_latency and milvus_datacoord_compaction_task_num, and for what "
                "searches lose by it milvus_querynode_sq_core_latency."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class Compaction:
    """Compaction competes with searches for CPU and disk."""

    about: ClassVar[About] = ABOUT
    overlap_share: float = threshold(
        0.6,
        "share of the slow seconds that must lie within compaction intervals",
    )
    concentration: float = threshold(
        2.0,
        "how many times as dense slow requests must be within the intervals as outside them",
    )

    def check(self, case: Case) -> Outcome:
        return Background(
            kinds=("compaction",),
            triggers=("delete_backlog",),
            told=("compaction",),
            while_what="segments were being compacted",
            what="compactions",
            base=0.3,
            overlap_share=self.overlap_share,
            concentration=self.concentration,
            track="compaction",
            also=("compactions_running",),
        ).blame(self.about, case)
