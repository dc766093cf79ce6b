"""Flush and compaction, by hand or when they are due. In Milvus it is the data coordinator's.

Which segments to seal is said by `sealing.py`, which to merge by `compaction.py`; the data node does it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from slowq.engine import sealing
from slowq.engine.clock import Oracle
from slowq.engine.compaction import (
    CLUSTERING,
    LEVEL_ZERO,
    clustering_field,
    clustering_plans,
    mix_plans,
)
from slowq.engine.config import Config
from slowq.engine.coordinator.catalog import Catalog
from slowq.engine.coordinator.channels import Channels
from slowq.engine.coordinator.losses import Losses
from slowq.engine.datanode import DataNode
from slowq.engine.faults import invalid
from slowq.engine.meta import Meta, StoredSegment
from slowq.engine.schema import Collection
from slowq.engine.shard import Shard

_REMEMBERED = 100  # compactions by hand whose state can be asked for; Milvus forgets them after a day


@dataclass(frozen=True, slots=True)
class Task:
    """A part of a compaction: of these segments, or delete files, it makes those."""

    sources: tuple[int, ...]
    made: Future[list[int]]

    def result(self, timeout_s: float | None = None) -> list[int]:
        """What it made; waits for it, and raises why it failed."""
        return self.made.result(timeout_s)


class Upkeep:
    """Tasks of one shard are kept apart by the locks of the shard, which the data node takes."""

    def __init__(
        self,
        catalog: Catalog,
        channels: Channels,
        losses: Losses,
        meta: Meta,
        oracle: Oracle,
        config: Config,
        data_node: DataNode,
    ) -> None:
        self._catalog, self._channels, self._losses = catalog, channels, losses
        self._meta, self._oracle, self._config, self._data_node = meta, oracle, config, data_node
        self.by_hand: dict[int, Sequence[Task]] = {}  # by the id of a compaction: the tasks that it takes
        self._lock = threading.Lock()  # who changes it holds it, for a moment

    # flush

    def flush(self, collection: Collection) -> dict[int, list[int]]:
        """Per shard the ids of the segments that it made."""
        return {shard.number: self.flush_shard(shard) for shard in self._catalog.shards_of(collection)}

    def flush_shard(self, shard: Shard) -> list[int]:
        now = partial(self._catalog.by_id, shard.collection.id)
        return self._data_node.flush(now, shard, self._channels.of(shard))

    def seal(self, collection: Collection) -> None:
        """Flushes the shards in which a growing segment is large enough, or old."""
        for shard in self._catalog.shards_of(collection):
            ripe = sealing.due(shard.view.growing, self._config, self._oracle.now_s())
            if ripe and not shard.flush_lock.locked():
                self._data_node.run(self._data_node.flushing, self.flush_shard, shard)

    # compaction

    def compact(self, collection: Collection, kind: str) -> int:
        """Begins a compaction by hand; its id."""
        number = self._oracle.next()
        if kind == CLUSTERING and clustering_field(collection, self._config) is None:
            raise invalid("the collection has no clustering key")
        if kind == LEVEL_ZERO:
            tasks = [self._merge_deltas(shard) for shard in self._catalog.shards_of(collection)]
        else:
            tasks = self._carry_out(collection, kind, forced=True)
        with self._lock:
            self.by_hand[number] = tasks
            for oldest in list(self.by_hand)[:-_REMEMBERED]:
                del self.by_hand[oldest]
        return number

    def compact_due(self, collection: Collection, kind: str) -> None:
        """Begins the compactions of a kind that the configuration asks for."""
        if kind == LEVEL_ZERO:
            enough = self._config.number("dataCoord.compaction.levelzero.forceTrigger.deltalogMinNum")
            for shard in self._catalog.shards_of(collection):
                if len(self._meta.deltas(collection.id, shard.number)) >= enough:
                    self._merge_deltas(shard)
            return
        if kind == CLUSTERING:
            automatic = self._config.flag("dataCoord.compaction.clustering.autoEnable")
            if not automatic or clustering_field(collection, self._config) is None:
                return
        self._carry_out(collection, kind, forced=False)

    def _carry_out(self, collection: Collection, kind: str, *, forced: bool) -> list[Task]:
        """Begins what merging or clustering has to do; forced, also what is not due."""
        if kind == CLUSTERING:
            plans = clustering_plans(self._meta.segments(collection.id), self._config, forced=forced)
        else:
            plans = mix_plans(self._stored_now(collection), self._config, forced=forced)
        node, shards = self._data_node, self._catalog.shards_of(collection)
        now = partial(self._catalog.by_id, collection.id)
        return [
            Task(
                tuple(one.id for one in plan.inputs),
                node.run(node.compacting, node.compact, now, shards[plan.shard], plan),
            )
            for plan in plans
        ]

    def _merge_deltas(self, shard: Shard) -> Task:
        files = self._meta.deltas(shard.collection.id, shard.number)
        task = self._data_node.run(self._data_node.compacting, self._deltas_merged, shard)
        return Task(tuple(one.id for one in files), task)

    def _deltas_merged(self, shard: Shard) -> list[int]:
        number = shard.collection.id
        if any(one.segment is None for one in self._losses.of(number)):
            return []  # of deletes that cannot be read, the file has to stay
        return self._data_node.merge_deltas(self._catalog.by_id(number), shard)

    def _stored_now(self, collection: Collection) -> list[StoredSegment]:
        """The stored segments, with the deletes that only memory knows."""
        shards = self._catalog.shards_of(collection)
        counts = {one.id: one.deleted.count for shard in shards for one in shard.view.sealed}
        return [
            replace(one, deleted=max(one.deleted, counts.get(one.id, 0))) for one in self._meta.segments(collection.id)
        ]
