"""Searches are slow while an index is being built.

Symptom
    All searches slow down for minutes to hours after a bulk insert, an import or create_index, also those on other
    collections. CPU is full. It ends by itself when the index is done.

Cause
    Building HNSW or DISKANN takes all the cores it is given (common.buildIndexThreadPoolRatio 0.75 of the machine).
    On a standalone, or where index nodes (in 2.6 the data nodes) share machines with query nodes, searches get what
    is left. Segments that wait for their index are scanned meanwhile. Each compaction makes a new build necessary.
    In 2.6.0 builds on small data nodes also held up other tasks, so that growing segments were not handed off
    (issue #43657).

How we tell
    Overlap in time: the start and the end of build tasks (by build id) in the log, or `events` with `what:
    index_build`, cover the slow requests, and the same patterns are fast before and after. The share of slow
    seconds within builds is held against the share of time they take. Requests on collections that are not being
    built are slow as well, which tells the competition for CPU from the scan of unindexed segments. That searches
    became slow shortly after a build began speaks for it, that they were slow before against it.

    The metrics are milvus_datacoord_index_task_count (milvus_datacoord_task_count from 2.5) or, without them,
    milvus_indexnode_build_index_latency. Where the logs hold no lines of the builds and no event is given, the rule
    answers skipped.

Not this when
    Only the freshly written collection is slow (growing_segments). No build overlaps the slow requests, or it runs
    on machines that serve no search. Compaction or loading covers the slow period better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slowq.contention import Background
from slowq.facts import Case, Need
from slowq.findings import Outcome, Remedy
from slowq.rule import About, threshold

REMEDIES = (
    Remedy(
        key="off_peak",
        do="Create indexes, import in bulk and compact at quiet hours.",
        because="The build takes the same CPU, but nobody waits for it.",
        cost="New data is searched without its index until then.",
        verify="`slowq analyze` finds no build over the busy hours.",
    ),
    Remedy(
        key="separate_nodes",
        do="Run index building on machines of its own, apart from query nodes.",
        because="Searches then keep their cores while an index is built.",
        cost=(
            "More machines; a standalone must become a cluster. In 2.6 the data nodes build: size them like the "
            "index nodes of old."
        ),
        verify="CPU of the query nodes stays flat during builds.",
    ),
    Remedy(
        key="fewer_threads",
        do="Leave cores to searches: lower the share of them that building may take.",
        because="The build runs longer, at a lower CPU share.",
        cost="Longer builds, so longer without index on new segments. Takes effect after a restart.",
        verify="CPU stays below 1 during builds, and the p95 of searches with it.",
        snippet="""\
# milvus.yaml
common:
  buildIndexThreadPoolRatio: 0.4
""",
        since=(2, 4, 0),
    ),
    Remedy(
        key="limit_cpu",
        do="Bound the CPU of the index nodes by their container limit.",
        because="The build can then take no more than its part of the machine.",
        cost="Longer builds.",
        verify="CPU of the index nodes stays at the limit, and the p95 of searches falls.",
        before=(2, 6, 0),
    ),
    Remedy(
        key="cheaper_index",
        do="Build a cheaper index: a lower efConstruction or M, or IVF instead of HNSW.",
        because="Build time grows with both, and IVF builds several times faster.",
        cost="Some recall at equal search time.",
        verify="milvus_indexnode_build_index_latency falls.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$vector_field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$vector_field,
    index_type="HNSW",
    metric_type=$metric_type,
    params={"M": 16, "efConstruction": 100},
)
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)
""",
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to $fixed_in.",
        because=(
            "2.2.10 (PR #24651), 2.5.4 (PR #39341, too many threads) and 2.6.14 (PR #48262, one task for each "
            "node at a time) repaired slow builds."
        ),
        cost="An upgrade with its tests and a rolling restart.",
        verify="The same build ends sooner.",
        before=(2, 6, 14),
    ),
)

ABOUT = About(
    id="index_build",
    title="Searches are slow while an index is being built.",
    needs=(
        Need(
            what="when indexes were built",
            how_to_supply=(
                "Give the logs of index, data and coordinator nodes too, or --context: `events: [{at: "
                "2025-08-23T19:20:00Z, what: index_build, subject: products}]`."
            ),
        ),
        Need(
            what="what building takes from the nodes that serve searches",
            how_to_supply=(
                "Give --metrics with milvus_datacoord_index_task_count or milvus_indexnode_build_index_latency, and for what "
                "searches lose by it milvus_querynode_sq_core_latency, or give --context: `observations: {cpu_share: 0.98}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """Index building competes with searches for the CPU."""

    about: ClassVar[About] = ABOUT
    overlap_share: float = threshold(
        0.6,
        "share of the slow seconds that must lie within builds",
    )
    concentration: float = threshold(
        2.0,
        "how many times as dense slow requests must be within builds as outside them",
    )

    def check(self, case: Case) -> Outcome:
        return Background(
            kinds=("index_build", "index_queue"),
            triggers=("create_index",),
            told=("index_build",),
            while_what="an index was being built",
            what="index builds",
            base=0.3,
            overlap_share=self.overlap_share,
            concentration=self.concentration,
            track="builds_running",
            also=("build",),
        ).blame(self.about, case)
