"""The node is short of memory.

Symptom
    Searches become slow and uneven as a node's memory fills: after loading one more collection, with the growth of
    the data, or under large results. Nodes are killed and restarted, loads fail for lack of memory, or writes are
    throttled.

Cause
    Above the overload threshold (queryCoord.overloadedMemoryThresholdPercentage 90) segments are balanced away or
    refused. Near the limit Go collects garbage all the time, the kernel evicts the page cache that mmap lives on,
    tiered storage (2.6) evicts beyond its high watermark and fetches again, and swapping makes everything slow.
    Insufficient memory also denies writes, so that data piles up elsewhere.

How we tell
    `observations.memory_share`, or the memory of a query node against its limit, is high in the slow time; lines of
    loads that failed for lack of memory (`load segment failed, OOM`), of slow garbage collection (`GC Tune done, and
    the gc is slow`) or restarts of killed nodes in the context file support it.

    The metrics that decide are container_memory_working_set_bytes against container_spec_memory_limit_bytes of the
    fullest query node (a limit of zero is none), process_resident_memory_bytes against `memory_gib_per_node` of the
    context file where no index is mapped, and go_gc_duration_seconds. internal_cache_evicted_bytes_total, before 2.6
    milvus_querynode_disk_cache_evict_total, supports them where searches fetch as much as is dropped, and
    milvus_rootcoord_quota_states where Milvus denies writes. Without a memory figure and without failed loads or
    killed nodes the rule answers skipped.

Not this when
    Memory is high and steady by design (a loaded collection fills it) while no load fails and garbage collection is
    quick. Only the first searches are slow (cold_cache).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from slowq import signals, workload
from slowq.blame import fact
from slowq.caching import drops
from slowq.confidence import confidence
from slowq.contention import explained
from slowq.facts import Case, EventFacts, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.rule import About, threshold
from slowq.rules.disk_bound_index import on_disk
from slowq.signals import Signals
from slowq.wording import count, do, percent
from slowq.workload import logged, stated

_OUT_OF_MEMORY = re.compile(r"\bOOM|out of memory|memory", re.IGNORECASE)

REMEDIES = (
    Remedy(
        key="release_unused",
        do="Release the collections that nobody searches.",
        because="A loaded collection holds its index and fields in memory whether it is used or not.",
        cost="Searching it again needs a load first.",
        verify="milvus_querynode_collection_num and resident memory fall.",
        snippet="""\
for name in unused_collections:
    client.release_collection(collection_name=name)
""",
    ),
    Remedy(
        key="more_memory",
        do="Add query nodes, or give them more memory.",
        because="Segments are spread over all nodes of a replica.",
        cost="Money.",
        verify="Memory share below 0.8 at peak; no failed load.",
    ),
    Remedy(
        key="mmap_cold_fields",
        do="Map what is rarely read (raw vectors, scalar fields) and keep vector indexes in memory.",
        because="Cold data then lies on disk and takes memory only while it is read.",
        cost="Reads of mapped data wait for the disk when it is not cached: use NVMe.",
        verify="Resident memory falls after the next load; p95 of searches without vector output stays.",
        snippet="""\
# milvus.yaml
queryNode:
  mmap:
    vectorField: true
    scalarField: true
    vectorIndex: false
    scalarIndex: false
""",
        since=(2, 5, 0),
    ),
    Remedy(
        key="mmap_collection",
        do="Map the raw data of $collection.",
        because="Cold data then lies on disk and takes memory only while it is read.",
        cost=(
            "Reads of mapped data wait for the disk when it is not cached; the collection is released for the change."
        ),
        verify="Resident memory falls after the load.",
        snippet="""\
from pymilvus import Collection

collection = Collection($collection)
collection.release()
collection.set_properties({"mmap.enabled": True})
collection.load()
""",
        since=(2, 3, 0),
        before=(2, 5, 0),
    ),
    Remedy(
        key="smaller_index",
        do="Build a quantised index: IVF_SQ8, or HNSW_SQ from 2.5.",
        because="Compressed vectors take a quarter of the memory.",
        cost="Some recall, and a rebuild.",
        verify="Memory of the collection after the load.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.drop_index(collection_name=$collection, index_name=$vector_field)  # list_indexes() shows the name
index_params = client.prepare_index_params()
index_params.add_index(
    field_name=$vector_field,
    index_type="IVF_SQ8",
    metric_type=$metric_type,
    params={"nlist": 1024},
)
client.create_index(collection_name=$collection, index_params=index_params)
client.load_collection(collection_name=$collection)
""",
    ),
    Remedy(
        key="load_fields",
        do="Load only the fields that searches use.",
        because="Fields that are not loaded take no memory.",
        cost="They cannot be filtered on or returned; dropping this again needs a reload.",
        verify="Memory of the collection after the load.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.load_collection(
    collection_name=$collection,
    load_fields=["id", $vector_field, $field],
    skip_load_dynamic_field=True,
)
""",
        since=(2, 5, 0),
    ),
)

ABOUT = About(
    id="memory_pressure",
    title="The node is short of memory.",
    needs=(
        Need(
            what="how full the memory of the nodes is",
            how_to_supply=(
                "Give --metrics with container_memory_working_set_bytes, container_spec_memory_limit_bytes and "
                "go_gc_duration_seconds_sum, or --context: `observations: {memory_share: 0.96}`; `hardware: "
                "{memory_gib_per_node: 32}` is what process_resident_memory_bytes is held against."
            ),
        ),
        Need(
            what="lines about memory",
            how_to_supply=(
                "Give the logs of query nodes and coordinator, and say `events: [{at: 2025-08-23T19:20:00Z, "
                "what: restart, subject: querynode-1, detail: killed for memory}]` in the --context file."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class MemoryPressure:
    """Memory limits, swapping or eviction slow the node."""

    about: ClassVar[About] = ABOUT
    full_memory_share: float = threshold(
        0.9,
        "memory share from which Milvus calls a query node overloaded "
        "(queryCoord.overloadedMemoryThresholdPercentage 90)",
    )
    eviction_share: float = threshold(
        0.8,
        "memory share from which tiered storage evicts (tieredStorage.memoryHighWatermarkRatio 0.8)",
    )
    paused_share: float = threshold(
        0.05,
        "share of the time in which Go stops the world for garbage collection; its goal is well below 1 %",
    )
    evicted_bytes_per_s: float = threshold(
        10e6,
        "bytes a second that the cache drops and fetches, from which searches wait for it: as in cold_cache",
    )
    evicted_segments_per_s: float = threshold(
        0.1,
        "segments a second that the cache drops and loads, from which searches wait for it: as in cold_cache",
    )

    def check(self, case: Case) -> Outcome:
        found = self._found(case)
        paused = found.measured.rate("gc")
        is_short = found.fullest >= self.eviction_share or paused >= self.paused_share or found.killed
        if not is_short and not len(found.refused):
            return Clear(f"memory is {percent(found.fullest)} full") if found.is_known else Skipped(self.about.needs)
        evicts = [*drops(found.measured, (self.evicted_bytes_per_s, self.evicted_segments_per_s))]
        denies = found.measured.highest("denied", kind="MemoryQuotaExhausted") >= 1
        denied = "Milvus denies writes because its memory quota is exhausted."
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.3,
                signs=[
                    (found.fullest >= self.full_memory_share, 0.4),
                    (bool(paused >= self.paused_share), 0.4),
                    (bool(found.killed), 0.5),
                    (bool(len(found.refused)), 0.4),
                    (bool(len(found.slow_gc)), 0.15),
                    (bool(evicts), 0.2),
                    (denies, 0.15),
                ],
                against=[(explained(case) is not None, 0.5)],
            ),
            summary="A node is short of memory, so that it collects garbage, evicts or is restarted while searches wait.",
            evidence=[
                *self._full(case, found),
                *self._suffered(case, found),
                *evicts,
                *([found.measured.says("denied", denied)] if denies else []),
            ],
        )

    def _found(self, case: Case) -> _Found:
        context, measured = case.context, signals.of(case)
        told = [("observations", "Memory", context.observations.get("memory_share"))]
        told += [
            (f"observations_per_node[{at}]", f"The memory of {one.get('node', 'a node')}", one.get("memory_share"))
            for at, one in enumerate(context.observations_per_node)
        ]
        return _Found(
            measured,
            told=[(f"{key}.memory_share", of, share) for key, of, share in told if share is not None],
            share=measured.memory_share,
            resident=self._resident_share(case),
            refused=workload.events_of(case, "memory"),
            slow_gc=workload.events_of(case, "gc_slow"),
            killed=[
                event
                for event in context.events
                if event.what == "restart" and _OUT_OF_MEMORY.search(event.detail or "")
            ],
        )

    def _full(self, case: Case, found: _Found) -> Iterator[Evidence]:
        """Who says that memory is full."""
        least, limit, measured = self.eviction_share, self.full_memory_share, found.measured
        for key, of, share in found.told:
            if share >= least:
                yield stated(case, key, f"{of} is {percent(share)} full.", share, limit)
        if found.share >= least:
            says = f"The fullest container uses {percent(found.share)} of its memory limit."
            yield measured.says("working_set", says, found.share, limit)
        if found.resident >= least:
            says = f"The process holds {percent(found.resident)} of the memory of its node."
            yield measured.says("memory", says, found.resident, limit)

    def _suffered(self, case: Case, found: _Found) -> Iterator[Evidence]:
        """What came of it."""
        paused = found.measured.rate("gc")
        if paused >= self.paused_share:
            says = f"Garbage collection stops the process for {percent(paused)} of the time."
            yield found.measured.says("gc", says, paused, self.paused_share)
        if number := len(found.refused):
            says = f"{count(number, 'line')} {do(number, 'say')} that a segment was not loaded for lack of memory."
            yield logged(found.refused, says)
        if number := len(found.slow_gc):
            says = f"{count(number, 'line')} {do(number, 'say')} that garbage collection is slow."
            yield logged(found.slow_gc, says)
        for event in found.killed:
            yield stated(case, f"{event.key}.what", "A node was killed for its memory.")

    def _resident_share(self, case: Case) -> float:
        """Of the memory of a node what the process of Milvus holds; NaN where mapped pages count in it, or nothing tells."""
        gib = case.context.hardware.get("memory_gib_per_node")
        if not gib or on_disk(case):
            return float("nan")
        return signals.of(case).highest_of_nodes("memory") / (float(gib) * 2**30)


@dataclass(frozen=True, eq=False)
class _Found:
    """What a case shows of memory. Shares are NaN where nothing tells."""

    measured: Signals
    told: Sequence[tuple[str, str, float]]  # by the context file: its key, of what, the share
    share: float  # of the fullest container, by the metrics
    resident: float  # what the process holds of the memory of its node
    refused: pd.DataFrame  # lines of segments that were not loaded for lack of memory
    slow_gc: pd.DataFrame  # lines of slow garbage collection
    killed: Sequence[EventFacts]

    @property
    def fullest(self) -> float:
        return float(np.fmax.reduce([self.share, self.resident, *(share for _, _, share in self.told)]))

    @property
    def is_known(self) -> bool:
        """Whether anything tells how full a node is: what one process holds is not all that fills it."""
        return bool(self.told) or not np.isnan(self.share)
