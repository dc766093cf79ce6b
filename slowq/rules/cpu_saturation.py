"""The CPU of the node is full, and nothing else explains it.

Symptom
    Everything is slow at once while the CPU of query nodes (or of the only node) is near its limit. Durations
    stretch by about the same factor for all patterns.

Cause
    A search is computation. When the cores are taken, by other processes on the machine, by a container limit that
    throttles, by garbage collection or by plain traffic, every request takes longer. Hosts shared with other
    services, and limits set below the need, are the usual reasons. A standalone puts all roles on one CPU.

How we tell
    By elimination, and from figures: `observations.cpu_share` or the metric of the process shows a full CPU, the
    slow requests lie in that time, all patterns are stretched alike, and no other rule explains them (no large nq,
    no queue from many requests, no build, compaction or load). Differences between nodes in `observations_per_node`
    point at a neighbour or at imbalance, and so does a node on which a segment takes several times as long as on the
    others (milvus_querynode_sq_core_latency by pod or instance).

    The metrics that decide are process_cpu_seconds_total against `cpus_per_node` of the context file, and
    container_cpu_cfs_throttled_periods_total; calls of segcore that wait for a thread (2.4.7+) go with a full CPU. The
    log cannot show the CPU, so that without such a figure the rule answers skipped.

Not this when
    Another rule names what uses the CPU: act on that one. The CPU is idle while requests wait. Only one pattern is
    slow. The node's memory is full and it collects garbage or swaps (memory_pressure).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import signals
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.contention import explained
from slowq.facts import Case, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.rule import About, threshold
from slowq.signals import Outlier, Signals
from slowq.snippets import search_with
from slowq.waiting import for_threads
from slowq.wording import duration, percent
from slowq.workload import stated

REMEDIES = (
    Remedy(
        key="find_neighbours",
        do=(
            "Look for other processes on the machine and for throttling by the container limit, and move or raise them."
        ),
        because="Cores that Milvus does not get are missing for every request.",
        cost="Another machine, or a higher limit.",
        verify="container_cpu_cfs_throttled_periods_total stops rising; process CPU of Milvus is the machine's CPU.",
    ),
    Remedy(
        key="more_cpu",
        do="Give the query nodes more cores, or add query nodes with a replica each.",
        because="Search throughput grows with cores until memory bandwidth ends it.",
        cost="Money, and memory for replicas.",
        verify="CPU share at peak below 0.7, and p95 as at quiet hours.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.load_collection(collection_name=$collection, replica_number=$replicas)
""",
    ),
    Remedy(
        key="dedicate",
        do="Give latency-sensitive collections a resource group with query nodes of its own.",
        because="Work on other collections then uses other cores.",
        cost="Nodes reserved for one collection are idle when it is.",
        verify="CPU of these nodes follows the traffic of $collection alone.",
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
        key="cheaper_search",
        do="Make each search cheaper: lower ef or nprobe, a quantised index, fewer segments.",
        because="The same traffic then needs fewer cores.",
        cost="Some recall; measure it.",
        verify="CPU seconds a request fall.",
        snippet=search_with('search_params={"metric_type": $metric_type, "params": {$param: $suggested}}'),
    ),
    Remedy(
        key="spread",
        do="Move batch jobs, compaction and index building off the busy hours or onto machines of their own.",
        because="They need the same cores as searches.",
        cost="Later results for the jobs, or more machines.",
        verify="CPU at peak is used by searches alone.",
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to $fixed_in.",
        because=(
            "Among the CPU faults repaired: 2.2.12 (PR #26035), thread explosion in 2.5 before 2.5.14 (PR "
            "#42828), contention on the proxy in 2.6.7-2.6.12 (PR #48313)."
        ),
        cost="An upgrade with its tests and a rolling restart.",
        verify="CPU share at the same traffic, before and after.",
        before=(2, 6, 14),
    ),
)

ABOUT = About(
    id="cpu_saturation",
    title="The CPU of the node is full, and nothing else explains it.",
    needs=(
        Need(
            what="how full the CPU is, on each node",
            how_to_supply=(
                "Give --metrics with container_cpu_cfs_throttled_periods_total and container_cpu_cfs_periods_total, or with "
                "process_cpu_seconds_total and --context: `hardware: {cpus_per_node: 8}`, or --context: `observations: "
                "{cpu_share: 0.97}` or `observations_per_node: [{node: querynode-1, cpu_share: 0.98}]`."
            ),
        ),
        Need(
            what="what else runs on the machine",
            how_to_supply=(
                "Give --context: `hardware: {query_nodes: 1, cpus_per_node: 8}` and `milvus: {deployment: standalone}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class CpuSaturation:
    """The CPU of a node is full for a reason that no other rule explains."""

    about: ClassVar[About] = ABOUT
    full_cpu_share: float = threshold(
        0.9,
        "CPU share of its limit from which a node counts as full",
    )
    stretched: float = threshold(
        3.0,
        "times the work of a query vector before, from which it is not noise: two busy threads on one core make it 2",
    )
    throttled: float = threshold(
        0.25,
        "share of CPU periods held back by the container limit; Kubernetes' own alert CPUThrottlingHigh uses 25 %",
    )
    uneven: float = threshold(
        0.3,
        "difference of CPU share between nodes from which load counts as uneven",
    )
    behind: float = threshold(
        3.0,
        "times as long as a segment takes on the other nodes, from which it is the node and not its segments: sealed "
        "ones are merged towards one size, and a graph search grows with its logarithm",
    )

    def check(self, case: Case) -> Outcome:
        seen = self._seen(case)
        if seen is None:
            return Skipped(self.about.needs)
        if not seen.full and not seen.stretched and not seen.throttled and not seen.is_behind:
            return Clear("the CPU is not full, and the same work takes no longer than before")
        if other := explained(case):
            return Clear(f"the CPU is used by something that another rule names: {other}")
        uneven = len(seen.nodes) > 1 and max(seen.nodes.values()) - min(seen.nodes.values()) >= self.uneven
        one_node = seen.slowest.node if seen.slowest and seen.is_behind else None
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.35,
                signs=[
                    (seen.full, 0.2),  # a full CPU is a symptom first
                    (seen.stretched, 0.4),
                    (seen.throttled, 0.6),
                    (seen.is_behind, 0.2),  # its disk or its memory may be what is slow
                    (uneven, 0.15),
                    (bool(case.context.pattern.get("all_collections")), 0.15),
                ],
            ),
            summary=self._summary(seen, one_node),
            evidence=[*self._told(case, seen), *self._measured(signals.of(case), seen)],
            subject=one_node or (max(seen.nodes, key=seen.nodes.__getitem__) if uneven else "the cluster"),
        )

    def _seen(self, case: Case) -> _Seen | None:
        """None where nothing tells of the CPU."""
        measured, told = signals.of(case), case.context.observations.get("cpu_share")
        nodes = {
            str(one["node"]): float(one["cpu_share"])
            for one in case.context.observations_per_node
            if one.get("cpu_share") is not None and one.get("node")
        }
        stretch, used, throttled = measured.stretch, self._used_share(case), measured.throttled_share
        slowest = measured.outlier("core")
        # What one process uses is not all that is used of its node: it can show that the CPU is full, not that it is not.
        unknown = told is None and not nodes and np.isnan([stretch, throttled]).all() and slowest is None
        if unknown and not used >= self.full_cpu_share:
            return None
        fullest = float(np.nanmax([told or 0.0, used, *nodes.values()]))
        return _Seen(
            told,
            nodes,
            used,
            slowest,
            full=fullest >= self.full_cpu_share,
            stretched=bool(stretch >= self.stretched),
            throttled=bool(throttled >= self.throttled),
            is_behind=slowest is not None and bool(slowest.times >= self.behind),
        )

    def _summary(self, seen: _Seen, one_node: str | None) -> str:
        if seen.full or seen.throttled:
            return "The CPU is full, so that every search takes longer than its own work."
        if seen.stretched:
            return "The same work takes far longer than before, and nothing within Milvus explains it: its cores are taken."
        return f"The same work takes far longer on {one_node} than on the other nodes, and nothing within Milvus explains it."

    def _told(self, case: Case, seen: _Seen) -> Iterator[Evidence]:
        if seen.told is not None and seen.told >= self.full_cpu_share:
            says = f"The CPU is at {percent(seen.told)}."
            yield stated(case, "observations.cpu_share", says, seen.told, self.full_cpu_share)
        for at, one in enumerate(case.context.observations_per_node):
            if (one.get("cpu_share") or 0) >= self.full_cpu_share and one.get("node"):
                says = f"The CPU of {one['node']} is at {percent(one['cpu_share'])}."
                key = f"observations_per_node[{at}].cpu_share"
                yield stated(case, key, says, one["cpu_share"], self.full_cpu_share)

    def _measured(self, measured: Signals, seen: _Seen) -> Iterator[Evidence]:
        if seen.used >= self.full_cpu_share:
            says = f"Milvus uses {percent(seen.used)} of the cores of its node."
            yield measured.says("cpu", says, seen.used, self.full_cpu_share)
        if seen.stretched:
            says = (
                f"A query vector takes {measured.stretch:.0f} times the work that it took before: "
                f"{duration(measured.vector_work_s)} in segcore, {duration(measured.vector_work_before_s)} before."
            )
            yield measured.says("core", says, measured.stretch, self.stretched)
            if not np.isnan(cores := measured.mean("cpu")):
                yield measured.says("cpu", f"Milvus gets {cores:.1f} cores meanwhile.", cores)
        if seen.throttled:
            says = f"The container limit holds it back in {percent(measured.throttled_share)} of the CPU periods."
            yield measured.says("throttled", says, measured.throttled_share, self.throttled)
        yield from for_threads(measured)
        if seen.slowest is not None and seen.is_behind:
            slowest = seen.slowest
            says = (
                f"A segment takes {duration(slowest.value)} on {slowest.node}, "
                f"{slowest.times:.0f} times as long as on the other nodes."
            )
            yield measured.says("core", says, slowest.times, self.behind)

    def _used_share(self, case: Case) -> float:
        """Of the cores of a node what the busiest query node uses; NaN where nothing tells."""
        cores = case.context.hardware.get("cpus_per_node")
        return signals.of(case).highest_of_nodes("cpu") / float(cores) if cores else float("nan")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a case shows of the CPU."""

    told: float | None  # how full it is, by the context file
    nodes: Mapping[str, float]  # the same of each node
    used: float  # what Milvus uses of its node; NaN where that is not known
    slowest: Outlier | None  # the node on which a segment takes longest
    full: bool
    stretched: bool  # the same work takes longer than before
    throttled: bool
    is_behind: bool  # the slowest node is slower than its segments explain
