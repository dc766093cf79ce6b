"""Searches are slow while segments are loaded, moved or handed over.

Symptom
    Searches slow down or fail for a while after load_collection, a scale-out, a node failure, a rolling restart or
    a balance, and when sealed segments replace growing ones. Other collections on the same nodes suffer as well.

Cause
    Loading reads index and data from object storage, decodes them and applies deletes, on the CPU, disk and memory
    that searches use. The balancer moves segments whenever it finds a node too full (queryCoord.autoBalance,
    checked every 0.3 s from late 2.5 on, every 3 s before), and a replica serves more slowly while segments are
    missing or doubled. Versions before 2.6.17 and 2.6.18 load on the pools of searches and work through a load with
    unlimited concurrency (PR #49764, #49769).

How we tell
    Overlap in time: lines about loading, releasing and moving segments, or `events` with `what: load`, `release`,
    `balance`, `scale` or the `restart` of a query node, cover the slow requests, and the same patterns are fast
    outside them. The share of slow seconds within the intervals is held against the share of time they take. That
    searches became slow shortly after a load began speaks for it, that they were slow before against it.

    The metrics are milvus_querynode_load_segment_latency, for loads that have not ended
    milvus_querynode_load_segment_concurrency (2.4+), and milvus_querycoord_task_num; milvus_querycoord_load_req_count
    and milvus_querycoord_release_req_count tell whether somebody asked for it. Where the logs hold no line of
    query coordinator or query nodes, and no event is given, the rule answers skipped.

Not this when
    The load is over and only the first searches are slow (cold_cache). New segments come from compaction or an
    index build that overlaps more of the slow time. Memory is so tight that the same segments are loaded again and
    again (memory_pressure).
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
        key="load_off_peak",
        do="Load, release and rebalance at quiet hours.",
        because="The same work harms nobody then.",
        cost="Planning; a new collection is available later.",
        verify="`slowq analyze` finds no load over the busy hours.",
    ),
    Remedy(
        key="pause_balance",
        do="Switch automatic balancing off for the busy hours, and on again after them.",
        because="Segments stay where they are while users search.",
        cost="Load stays uneven until then; a failed node is still replaced.",
        verify="No balance lines in the log at peak.",
        snippet="""\
# milvus.yaml
queryCoord:
  autoBalance: false
""",
    ),
    Remedy(
        key="slower_balance",
        do="Let the balancer look less often.",
        because=(
            "From late 2.5 on Milvus checks ten times as often as before (queryCoord.checkBalanceInterval 300 "
            "instead of 3000 ms)."
        ),
        cost="It takes longer until a new node has its share.",
        verify="Fewer moves an hour in the log of the query coordinator.",
        snippet="""\
# milvus.yaml
queryCoord:
  checkBalanceInterval: 3000
""",
        since=(2, 5, 0),
    ),
    Remedy(
        key="replica",
        do="Load latency-sensitive collections with two replicas.",
        because="While segments of one replica move, the other one serves.",
        cost="Twice the memory, and a reload for the change.",
        verify="No slow requests at the next move.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.load_collection(collection_name=$collection, replica_number=2)
""",
    ),
    Remedy(
        key="own_nodes",
        do="Give latency-sensitive collections a resource group with query nodes of its own.",
        because="Loading other collections then happens on other nodes.",
        cost="Nodes reserved for one collection are idle when it is; standalone has only one node.",
        verify="Loading another collection leaves the p95 of $collection as it is.",
        snippet="""\
from pymilvus.client.types import ResourceGroupConfig

client.create_resource_group(
    name="latency_sensitive",
    config=ResourceGroupConfig(requests={"node_num": 1}, limits={"node_num": 1}),
)
client.release_collection(collection_name=$collection)
client.load_collection(collection_name=$collection, resource_groups=["latency_sensitive"])
""",
        since=(2, 4, 0),
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to 2.6.18 or later.",
        because=(
            "Loading has its own thread pools from 2.6.17 (PR #49764), and the work after a load is limited "
            "from 2.6.18 (PR #49769)."
        ),
        cost="An upgrade with its tests and a rolling restart.",
        verify="The p95 during a load, before and after.",
        since=(2, 6, 0),
        before=(2, 6, 18),
    ),
)

ABOUT = About(
    id="segment_load",
    title="Searches are slow while segments are loaded, moved or handed over.",
    needs=(
        Need(
            what="when segments were loaded, released or moved",
            how_to_supply=(
                "Give the logs of query coordinator and query nodes too, or --context: `events: [{at: "
                "2025-08-23T19:20:00Z, what: load, subject: products}]`."
            ),
        ),
        Need(
            what="how much was being loaded",
            how_to_supply=(
                "Give --metrics with milvus_querynode_load_segment_latency, milvus_querynode_load_segment_concurrency and "
                "milvus_querycoord_task_num."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class SegmentLoad:
    """Load, release, balance or handoff moves segments while they are searched."""

    about: ClassVar[About] = ABOUT
    overlap_share: float = threshold(
        0.6,
        "share of the slow seconds that must lie within loads or moves",
    )
    concentration: float = threshold(
        2.0,
        "how many times as dense slow requests must be within these intervals as outside them",
    )

    def check(self, case: Case) -> Outcome:
        return Background(
            kinds=("segment_load", "segment_release"),
            triggers=("load", "release", "balance", "node_down"),
            told=("load", "release", "balance", "scale", "node_down"),
            while_what="segments were being loaded or moved",
            what="segment loads",
            base=0.3,
            overlap_share=self.overlap_share,
            concentration=self.concentration,
            track="load_segment",
            also=("loads_running", "load_tasks"),
            asked={"loads": "to load", "releases": "to release"},
        ).blame(self.about, case)
