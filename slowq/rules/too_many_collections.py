"""I have so many collections or partitions that they slow everything down.

Symptom
    With thousands of collections or tens of thousands of partitions, searches on some of them are slow or fail
    although each is small and idle. Loads take minutes, restarts hours. It grew worse with the number and not with
    the data.

Cause
    Each collection has at least one shard with a channel, a time tick, a delegator and growing segments; each
    partition has segments of its own. Coordinators check all of them all the time, and every meta change goes
    through etcd. Many segments under 1024 rows are never indexed. A maintainer called more than 4000 collections
    too much for 2.4.23 and pointed to improvements in 2.5.9 (issue #41286); 2.2.5 improved searches over many
    segments (PR #23028).

How we tell
    The context file decides: `totals` of collections, partitions and segments, or rows per collection that are
    small against their partitions and shards. From the log alone: very many different collections among the
    requests, slow ones among them without any difference in filter, nq or top-k, and lines of slow coordinator work
    (`Slow etcd operation`, `Balance check too slow`). Before and after: slowness grew with the number.

    The metrics are milvus_querynode_collection_num and milvus_querynode_segment_num. Without the totals the log can
    only hint, and the rule answers skipped.

Not this when
    The slow collections are the large ones. One collection only is slow. Many collections are there, but few are
    loaded and the nodes are idle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import signals
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import Case, Need
from slowq.findings import Clear, Outcome, Remedy, Skipped
from slowq.rule import About, threshold
from slowq.snippets import COMPACT
from slowq.workload import stated

REMEDIES = (
    Remedy(
        key="release_unused",
        do="Release the collections that nobody searches, and drop those that nobody needs.",
        because="Channels, delegators and segments of a released collection cost the query nodes nothing.",
        cost="Searching it again needs a load first; dropping is final.",
        verify="milvus_querynode_collection_num falls.",
        snippet="""\
for name in unused_collections:
    client.release_collection(collection_name=name)
""",
    ),
    Remedy(
        key="partition_key",
        do="Put many small tenants into one collection with a partition key.",
        because="Tenants then share channels and segments, and a search with the key touches only its own part.",
        cost=(
            "Every search must filter on the key; schema, index and access rights are shared; the data must be "
            "imported again."
        ),
        verify="client.list_collections() names a handful.",
        snippet="""\
from pymilvus import DataType

schema = client.create_schema()
schema.add_field("id", DataType.INT64, is_primary=True)
schema.add_field("tenant", DataType.VARCHAR, max_length=64, is_partition_key=True)
schema.add_field($vector_field, DataType.FLOAT_VECTOR, dim=$dim)
client.create_collection(collection_name="tenants", schema=schema, num_partitions=64)
""",
        since=(2, 2, 9),
    ),
    Remedy(
        key="one_shard",
        do="Create small collections with one shard, and with few partitions.",
        because="Each shard is a channel with a time tick and a delegator of its own.",
        cost="Less parallel writing, which small collections do not need; only at creation.",
        verify="Channels per collection fall.",
        snippet="""\
client.create_collection(
    collection_name=$collection,
    schema=schema,
    index_params=index_params,
    num_shards=1,
)
""",
        since=(2, 4, 0),
    ),
    Remedy(
        key="compact",
        do="Compact collections that have many small segments.",
        because="Each segment is searched, reduced and balanced on its own.",
        cost="CPU and object storage traffic; off peak.",
        verify="milvus_querynode_segment_num falls.",
        snippet=COMPACT,
        since=(2, 4, 0),
    ),
    Remedy(
        key="more_nodes",
        do="Split the tenants over several clusters, or add nodes and coordinator CPU.",
        because="Coordinators are one active process each, so that only another cluster adds to them.",
        cost="Money and operation of several clusters.",
        verify="Fewer collections for each cluster, and shorter loads.",
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to 2.5.9 or later.",
        because="Coordinators handle many collections better there (issue #41286).",
        cost="An upgrade with its tests and a rolling restart.",
        verify="Time of a load and p95 of small collections, before and after.",
        before=(2, 5, 9),
    ),
)

ABOUT = About(
    id="too_many_collections",
    title="I have so many collections or partitions that they slow everything down.",
    needs=(
        Need(
            what="how many collections, partitions and segments the cluster has",
            how_to_supply=("Give --context: `totals: {collections: 3000, partitions: 12000, segments: 50000}`."),
        ),
        Need(
            what="whether slowness came with the number",
            how_to_supply=(
                "Give --metrics with milvus_querynode_collection_num and milvus_querynode_segment_num, or "
                "give --context: `pattern: {all_collections: true}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class TooManyCollections:
    """The number of collections, partitions or shards costs more than the data."""

    about: ClassVar[About] = ABOUT
    many_collections: int = threshold(
        1_000,
        "collections of a cluster from which their number is worth a look; more than 4000 were too much for "
        "2.4.23 (issue #41286)",
    )
    many_partitions: int = threshold(
        10_000,
        "partitions of a cluster from which their number is worth a look",
    )

    def check(self, case: Case) -> Outcome:
        totals, measured = dict(case.context.totals), signals.of(case)
        limits = {"collections": self.many_collections, "partitions": self.many_partitions}
        for name in limits:
            if totals.get(name) is None and not np.isnan(number := measured.mean(f"all_{name}")):
                totals[name] = round(number)
        known = {name: totals[name] for name in limits if totals.get(name) is not None}
        if not known:
            return Skipped(self.about.needs)
        many = {name: number for name, number in known.items() if number >= limits[name]}
        if not many:
            return Clear("the cluster has " + " and ".join(f"{number:,} {name}" for name, number in known.items()))
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.45,
                signs=[
                    (any(number >= 4 * limits[name] for name, number in many.items()), 0.3),
                    (bool(case.context.pattern.get("all_collections")), 0.3),
                ],
            ),
            summary="The cluster carries "
            + " and ".join(f"{number:,} {name}" for name, number in many.items())
            + ", and every one of them costs channels, tasks and memory.",
            evidence=[
                stated(case, f"totals.{name}", f"There are {number:,} {name}.", number, limits[name])
                if name in case.context.totals
                else measured.says(f"all_{name}", f"There are {number:,} {name}.", number, limits[name])
                for name, number in many.items()
            ],
        )
