"""The coordinator: what collections there are, where their segments are searched, and which tasks are due.

    catalog     databases, collections, partitions, aliases         root coordinator of Milvus
    channels    the channels, and the shards that write there       root coordinator
    accounts    users, roles, grants                                root coordinator
    loading     load and release                                    query coordinator
    placement   which query node searches which segment             query coordinator
    losses      what is stored and cannot be read
    indexing    indexes: declared, built, dropped                   data coordinator
    upkeep      flush and compaction                                data coordinator
    inspector   looks once a second what is due

Callers hold the part that they need. The `Coordinator` makes the parts, and does what takes several of them: the start, a
drop, the end.

Locks are taken in this order: `flush_lock` and `compact_lock` of a shard, the catalog's, the meta store's. The other parts
say what theirs are for; they are held for moments, and none of these four is taken inside one of them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from slowq.engine.clock import Oracle
from slowq.engine.config import Config
from slowq.engine.coordinator.accounts import Accounts
from slowq.engine.coordinator.catalog import DEFAULT_DATABASE, Catalog
from slowq.engine.coordinator.channels import Channels
from slowq.engine.coordinator.indexing import Indexing
from slowq.engine.coordinator.inspector import Inspector
from slowq.engine.coordinator.loading import Loading
from slowq.engine.coordinator.losses import Losses
from slowq.engine.coordinator.placement import Placement
from slowq.engine.coordinator.upkeep import Upkeep
from slowq.engine.datanode import DataNode
from slowq.engine.events import Events
from slowq.engine.interim import InterimIndexes
from slowq.engine.meta import Meta
from slowq.engine.metrics import Metrics
from slowq.engine.objects import Objects
from slowq.engine.querynode import QueryNode
from slowq.engine.schema import Collection

__all__ = ["Coordinator"]


class Coordinator:
    """Made when all that was loaded is searched again. Raises StoreError where the folder cannot be used."""

    def __init__(
        self,
        root: Path,
        meta: Meta,
        objects: Objects,
        oracle: Oracle,
        config: Config,
        metrics: Metrics,
        events: Events,
        nodes: Sequence[QueryNode],
        tick_interval_s: float,
        cpus: int,
    ) -> None:
        self._meta, self._objects, self.oracle = meta, objects, oracle
        self._stop = threading.Event()
        self.data_node = DataNode(meta, objects, oracle, config, metrics, events, cpus)
        self.losses = Losses(meta, oracle, events)
        self.interim = InterimIndexes(config, cpus, events.task_failed)
        self.channels = Channels(root, meta, objects, oracle, self.losses, events, tick_interval_s, self.interim)
        self.catalog = Catalog(meta, oracle, self.channels)
        self.accounts = Accounts(meta, config.text("common.security.defaultRootPassword"))
        self.placement = Placement(nodes, config, self.catalog.searched)
        self.loading = Loading(self.catalog, self.losses, meta, oracle, events, self.data_node, len(nodes))
        self.indexing = Indexing(self.catalog, meta, objects, events, self.data_node, self.interim, self._stop)
        self.upkeep = Upkeep(self.catalog, self.channels, self.losses, meta, oracle, config, self.data_node)
        self._inspector = Inspector(self.catalog, self.indexing, self.upkeep, config, events, self._stop)
        try:
            self._recover()
        except BaseException:
            self._end()
            raise
        self._inspector.start()

    def _recover(self) -> None:
        """What nothing names is removed before anything is opened. All shards are read, and with that the oracle is above
        every timestamp, before the first segment is loaded."""
        self.oracle.pass_by(self._meta.latest())
        if DEFAULT_DATABASE not in self._meta.databases():  # the first thing that is written
            self._meta.require_new([*self._objects.collections(), *self.channels.logs()])
            self._meta.put_database(DEFAULT_DATABASE, 1, {})
        self._meta.tidy()
        stored = self._meta.collections()
        self._objects.sweep([self._files_of(one) for one in stored])
        self.channels.sweep(stored)
        self.catalog.restore(stored)
        for collection in stored:
            if collection.loaded:
                self.loading.restore(collection)

    def _files_of(self, collection: Collection) -> tuple[int, frozenset[int], frozenset[int]]:
        """The collection, its segments and its delete files."""
        segments = frozenset(one.id for one in self._meta.segments(collection.id))
        shards = range(collection.shards)
        deltas = frozenset(one.id for shard in shards for one in self._meta.deltas(collection.id, shard))
        return collection.id, segments, deltas

    def close(self) -> None:
        self._stop.set()
        self._inspector.join()
        self._end()

    def _end(self) -> None:
        self.data_node.close()
        self.channels.close()
        self.interim.close()

    def drop(self, database: str, name: str) -> None:
        """Whatever runs on the collection: nobody finds it any more, then its writes and tasks come to their end, then its
        files go."""
        gone = self.catalog.forget(database, name)
        if gone is None:
            return
        number, shards, indexes = gone
        self.loading.forget(number)
        self.placement.forget(number)
        self.losses.forget(number)
        for shard in shards:
            self.channels.remove(shard)
        for index in indexes:
            self.data_node.index_node.forget_index(index.id)
        self._objects.remove(number)

    def drop_partition(self, collection: Collection, name: str) -> None:
        # First, so that no write comes after the flush, which takes what there is out of the log.
        if not self.catalog.forget_partition(collection, name):
            return
        for shard in self.catalog.shards_of(collection):
            self.upkeep.flush_shard(shard)
            with shard.flush_lock, shard.compact_lock:
                shard.drop_partition(name)
                for stored in self._meta.segments(collection.id):
                    if stored.partition == name and stored.shard == shard.number:
                        self._meta.drop_segment(stored.id)
                        self.data_node.index_node.forget([stored.id])
                        self._objects.remove(collection.id, stored.id)
