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
    Where metrics are there, by what a search does: the segments that it visits in a shard
    (milvus_querynode_sq_core_latency counts one search of one segment, milvus_querynode_search_group_size
    searches that were merged as one) and the rows of a segment (milvus_querynode_entity_num against
    milvus_querynode_segment_num, in the collection that has most of them). Where a search visits many segments
    too small for an index, their number is what it costs. Compaction merges small segments, but never those of
    different partitions.

    The context file tells of the whole cluster: `totals` of collections, partitions and segments; and of one
    collection, whose `rows` are few for its `partitions` and `shards`. Such a number alone is a hint, since what is not
    searched costs the searches of others little, unless it is a version before 2.3; that all collections are slow is a
    sign. From the log alone nothing
    follows, and the rule answers skipped.

Not this when
    The slow collections are the large ones. A search visits few segments, and only one collection is slow. Many
    collections are there, but few are loaded and the nodes are idle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import settings, signals
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import Case, CollectionFacts, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import many_tiny_segments
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


# What the context file's totals are called, and the quantity that measures the same.
_TOTALS = {"collections": "all_collections", "partitions": "all_partitions"}


@dataclass(frozen=True, slots=True)
class TooManyCollections:
    """The number of collections, partitions or shards costs more than the data."""

    about: ClassVar[About] = ABOUT
    many_collections: int = threshold(
        1_000,
        "collections of a cluster from which their number is worth a look; more than 4000 were too much for "
        "2.4.23 (issue #41286)",
    )
    many_before_23: int = threshold(
        400,
        "the same before 2.3: 400 without any rows made a search of 0.13 s take 36 s before 2.0 (issue #6954), about 500 made a "
        "2.2.12 fail (issue #26307)",
    )
    many_partitions: int = threshold(
        10_000,
        "partitions of a cluster from which their number is worth a look",
    )
    many_segments: int = threshold(
        64,
        "partitions of a collection, or segments that a search visits, from which there are more than Milvus makes by itself: "
        "64 partitions for a partition key (its documentation of 2.4)",
    )
    rows_without_index: int = threshold(
        1_024,
        "rows below which a segment is never indexed (indexCoord.segment.minSegmentNumRowsToEnableIndex)",
    )

    def check(self, case: Case) -> Outcome:
        measured = signals.of(case)
        limits = self._limits(case)
        totals = {name: _total(case, name) for name in limits}
        known = {name: number for name, number in totals.items() if number is not None}
        visited = measured.segments_a_search
        elsewhere = visited < self.many_segments
        crowded = [] if elsewhere else [one for one in case.context.collections if self._is_crowded(one)]
        if not known and not crowded and np.isnan([visited, measured.rows_a_segment]).any():
            return Skipped(self.about.needs)
        many = {name: number for name, number in known.items() if number >= limits[name]}
        tiny = many_tiny_segments(measured, self.many_segments, self.rows_without_index)
        if not many and not crowded and not tiny:
            return Clear(_few(known) if known else f"a search visits {visited:.0f} segments")
        carried = " and ".join(f"{number:,} {name}" for name, number in many.items())
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.45,
                signs=[
                    (any(number >= 4 * limits[name] for name, number in many.items()), 0.3),
                    (limits["collections"] == self.many_before_23 and "collections" in many, 0.3),
                    (bool(case.context.pattern.get("all_collections")), 0.3),
                    (tiny, 0.65),
                ],
            ),
            summary=f"The cluster carries {carried}, and every one of them costs channels, tasks and memory."
            if many and not tiny
            else "A search visits so many small segments that their number costs more than their rows.",
            evidence=[
                *self._evidence(case, many, limits, crowded, tiny),
                *(settings.no_compaction(case) if tiny else []),
            ],
        )

    def _limits(self, case: Case) -> dict[str, int]:
        collections = self.many_before_23 if case.milvus.surely_before((2, 3, 0)) else self.many_collections
        return {"collections": collections, "partitions": self.many_partitions}

    def _is_crowded(self, one: CollectionFacts) -> bool:
        """Whether a collection has more partitions than its rows can fill with segments worth an index."""
        partitions = one.partitions or 0
        if one.rows is None or partitions < self.many_segments:
            return False
        return one.rows < self.rows_without_index * partitions * (one.shards or 1)

    def _evidence(
        self,
        case: Case,
        many: Mapping[str, int],
        limits: Mapping[str, int],
        crowded: Sequence[CollectionFacts],
        tiny: bool,
    ) -> Iterator[Evidence]:
        measured = signals.of(case)
        if tiny:
            visited, rows = measured.segments_a_search, measured.rows_a_segment
            yield measured.says("core", f"A search visits {visited:,.0f} segments.", visited, self.many_segments)
            yield measured.says("rows", f"Such a segment holds {rows:,.0f} rows.", rows, self.rows_without_index)
        for one in crowded:
            each = (one.rows or 0) / (one.partitions or 1) / (one.shards or 1)
            says = f"{one.name or 'The collection'} has {one.partitions:,} partitions, with {each:,.0f} rows in each shard."
            yield stated(case, f"{one.key}.partitions", says, each, self.rows_without_index)
        for name, number in many.items():
            says, limit = f"There are {number:,} {name}.", limits[name]
            if name in case.context.totals:
                yield stated(case, f"totals.{name}", says, number, limit)
            else:
                yield measured.says(_TOTALS[name], says, number, limit)


def _total(case: Case, name: str) -> int | None:
    """How many of them the cluster has: told, else measured; None where neither is."""
    told = case.context.totals.get(name)
    if told is not None:
        return int(told)
    number = signals.of(case).mean(_TOTALS[name])
    return None if np.isnan(number) else round(number)


def _few(known: Mapping[str, int]) -> str:
    return "the cluster has " + " and ".join(f"{number:,} {name}" for name, number in known.items())
