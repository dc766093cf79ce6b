"""Only the first searches after a restart or a load are slow.

Symptom
    After a restart, an upgrade, a failover, a load or a scale-out the first searches take seconds or minutes; the
    same search soon takes milliseconds. It comes back after the next restart, or after a night without traffic.

Cause
    What a search needs is not in memory yet: mapped index pages, the chunk cache of raw vectors, or data that
    tiered storage (2.6) fetches from object storage on first use. Warm-up is there for it, and off by default in
    part: queryNode.cache.warmup is `async` in 2.3.10-2.4.4, `disable` from 2.4.5 to 2.5, and 2.6 has
    queryNode.segcore.tieredStorage.warmup.* with vectorField `disable`. Idle pages are evicted by the kernel, and
    by tiered storage if eviction is on.

How we tell
    Before and after an event: the log lines of a start, a load or a segment assignment, or `events` of the context
    file, are followed by slow requests whose durations fall with time while the pattern stays the same. Later
    requests of the same patterns are fast or absent from the slow log. `pattern.only_first_searches` or
    `pattern.only_after: restart` in the context file says it outright.

    Supporting metrics: internal_cache_cell_access_miss_bytes_total and internal_cache_load_latency_microseconds
    with tiered storage, milvus_querynode_disk_cache_load_total before; disk reads of the host that fall over
    minutes. With no event in the logs or the context file there is nothing to hold the requests against, and the
    rule answers skipped.

Not this when
    Slowness stays for as long as the load does (disk_bound_index, memory_pressure). Searches are slow during the
    load rather than after it (segment_load). The new version is slow for good (version_regression).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import Case, Need
from slowq.findings import Clear, Outcome, Remedy, Skipped
from slowq.rule import About
from slowq.workload import stated

REMEDIES = (
    Remedy(
        key="warm_up_requests",
        do="Send typical searches to $collection after a restart or load before you let users in.",
        because="They read in the pages that real requests need, vectors in the output included.",
        cost="Some minutes until a node is ready; a short script beside the deployment.",
        verify="The first user requests after the next restart are not in the slow log.",
        snippet="""\
for vector in sample_vectors:
    client.search(
        collection_name=$collection,
        data=[vector],
        anns_field=$vector_field,
        limit=$top_k,
        consistency_level="Eventually",
    )
""",
    ),
    Remedy(
        key="warmup_collection",
        do="Preload indexes and fields of $collection when it is loaded.",
        because="With `sync` a segment becomes searchable only when its data is in the cache.",
        cost=(
            "Longer loads, and memory or local disk for all that is preloaded; set vectorField only if vectors "
            "are in the output."
        ),
        verify="internal_cache_cell_access_miss_bytes_total hardly rises after a load.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.alter_collection_properties(
    collection_name=$collection,
    properties={"warmup.vectorIndex": "sync", "warmup.scalarIndex": "sync", "warmup.scalarField": "sync"},
)
client.load_collection(collection_name=$collection)
""",
        since=(2, 6, 11),
    ),
    Remedy(
        key="warmup_26",
        do="Preload at segment load for the whole cluster.",
        because=(
            "With `sync` a segment becomes searchable only when its data is in the cache; raw vectors are off "
            "by default."
        ),
        cost="Longer loads and more memory or local disk, for every collection.",
        verify="Requests after the next load are as fast as later ones.",
        snippet="""\
# milvus.yaml
queryNode:
  segcore:
    tieredStorage:
      warmup:
        vectorIndex: sync
        scalarIndex: sync
        scalarField: sync
        vectorField: sync
""",
        since=(2, 6, 0),
    ),
    Remedy(
        key="warmup_25",
        do="Let the query node warm its chunk cache at load.",
        because=(
            "Raw vectors are then read in the background before a search asks for them (off by default from 2.4.5)."
        ),
        cost=(
            "Reading and page cache for all raw vectors at each load; 2.4.5 fixed a lock that made it jerky (PR "
            "#33687)."
        ),
        verify="The first searches with vector output after a load take as long as later ones.",
        snippet="""\
# milvus.yaml
queryNode:
  cache:
    warmup: async
""",
        since=(2, 3, 10),
        before=(2, 6, 0),
    ),
    Remedy(
        key="no_mmap_for_hot",
        do="Keep the index of hot collections out of mmap.",
        because="An index in memory is complete when the load ends.",
        cost="Memory for the whole index on every replica; the collection is released for the change.",
        verify="Disk reads stop when the load ends.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.alter_index_properties(
    collection_name=$collection,
    index_name=$vector_field,  # list_indexes() shows the name
    properties={"mmap.enabled": False},
)
client.load_collection(collection_name=$collection)
""",
        since=(2, 4, 0),
    ),
    Remedy(
        key="replica",
        do="Load $collection with two replicas and restart one node at a time.",
        because="Warm nodes go on serving while a cold one fills its cache.",
        cost="Twice the memory.",
        verify="No slow requests during a rolling restart.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.load_collection(collection_name=$collection, replica_number=2)
""",
    ),
)

ABOUT = About(
    id="cold_cache",
    title="Only the first searches after a restart or a load are slow.",
    needs=(
        Need(
            what="when nodes were restarted or collections loaded",
            how_to_supply=(
                "Give logs that cover the start, or --context: `events: [{at: 2025-08-23T19:20:00Z, what: "
                "restart, subject: querynode-1}]`."
            ),
        ),
        Need(
            what="whether only the first searches are slow",
            how_to_supply="Give --context: `pattern: {only_first_searches: true, only_after: restart}`.",
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class ColdCache:
    """The first searches after a restart or a load page the index in."""

    about: ClassVar[About] = ABOUT

    def check(self, case: Case) -> Outcome:
        first_only = case.context.pattern.get("only_first_searches")
        after = case.context.pattern.get("only_after")
        if first_only is None:
            return Skipped(self.about.needs)
        if not first_only:
            return Clear("later searches are as slow as the first ones")
        loads = [event for event in case.context.events if event.what in ("restart", "load")]
        evidence = [stated(case, "pattern.only_first_searches", "Only the first searches are slow.")]
        evidence += [stated(case, f"{event.key}.what", f"Before them there was a {event.what}.") for event in loads]
        return fact(
            self.about,
            case,
            confidence=confidence(0.5, signs=[(bool(loads) or after in ("restart", "load"), 0.6)]),
            summary="The first searches after a restart or a load fetch the index and the vectors from disk or object storage.",
            evidence=evidence,
        )
