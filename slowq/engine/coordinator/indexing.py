"""Indexes: declared in the catalog, built a segment at a time, looked after. In Milvus it is the data coordinator's."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace

from slowq.engine.coordinator.catalog import Catalog
from slowq.engine.datanode import DataNode
from slowq.engine.events import Events
from slowq.engine.faults import COLLECTION_LOADED, INDEX_NOT_FOUND, RequestFault, invalid
from slowq.engine.interim import InterimIndexes
from slowq.engine.meta import Meta
from slowq.engine.objects import Objects
from slowq.engine.schema import Collection, IndexSpec
from slowq.engine.shard import Shard


class Indexing:
    """One task builds an index for all segments of a shard. The lock is held while a task is begun, so that there are no
    two of the same; `stop` ends a task before its next segment.
    """

    def __init__(
        self,
        catalog: Catalog,
        meta: Meta,
        objects: Objects,
        events: Events,
        data_node: DataNode,
        interim: InterimIndexes,
        stop: threading.Event,
    ) -> None:
        self._catalog, self._meta, self._objects = catalog, meta, objects
        self._events, self._data_node, self._interim, self._stop = events, data_node, interim, stop
        self._lock = threading.Lock()
        self._running: dict[tuple[int, int, int], Future[None]] = {}  # (collection, shard, index)

    def create(self, collection: Collection, index: IndexSpec) -> None:
        """Declares an index and begins to build it; nothing where the collection has the same one already."""
        now = self._catalog.change(collection.id, lambda now: _with_index(now, index))
        if index not in now.indexes:
            return
        self._events.index_asked(collection, index.field, {"index_type": index.kind, **index.params})
        for shard in self._catalog.shards_of(collection):
            self._begin(collection, shard, index)

    def drop(self, collection: Collection, name: str) -> None:
        """The indexes of that name, or of that field."""
        found = [one for one in collection.indexes if name in (one.name, one.field)]
        if not found:
            return
        vector = {one.name for one in collection.vectors}
        if collection.loaded and any(one.field in vector for one in found):
            raise invalid("vector index cannot be dropped on loaded collection: " + collection.name)
        gone = {one.id for one in found}
        self._catalog.change(
            collection.id, lambda now: replace(now, indexes=tuple(one for one in now.indexes if one.id not in gone))
        )
        for index in found:
            self._meta.drop_index(index.id)
            self._data_node.index_node.forget_index(index.id)
            for shard in self._catalog.shards_of(collection):
                shard.forget_index(index.key)
            for stored in self._meta.segments(collection.id):
                self._objects.remove_index(collection.id, stored.id, index)

    def alter(self, collection: Collection, name: str, new: Mapping[str, str], gone: frozenset[str]) -> None:
        """Changes parameters of the index of that name that say nothing about how it is built."""

        def altered(now: Collection) -> Collection:
            if all(one.name != name for one in now.indexes):
                raise RequestFault(INDEX_NOT_FOUND, f"index not found[indexName={name}]")
            if now.loaded:
                raise RequestFault(
                    COLLECTION_LOADED,
                    "can't alter index on loaded collection, please release the collection first: "
                    f"collection already loaded[collection={now.name}]",
                )
            return replace(
                now, indexes=tuple(_altered(one, new, gone) if one.name == name else one for one in now.indexes)
            )

        self._catalog.change(collection.id, altered)

    def rows(self, collection: Collection, index: IndexSpec) -> tuple[int, int, str]:
        """Rows with the index, rows in all stored segments, and why a build failed ("" where none did)."""
        done = self._meta.indexed()
        segments = self._meta.segments(collection.id)
        indexed = sum(one.rows for one in segments if (one.id, index.id) in done)
        failed = [
            state
            for (_, spec), state in list(self._data_node.index_node.building.items())
            if spec == index.id and state.startswith("failed")
        ]
        return indexed, sum(one.rows for one in segments), failed[0] if failed else ""

    def build_missing(self, collection: Collection) -> None:
        """Builds what a restart, or a task that ran beside the declaration of an index, has left out."""
        shards = self._catalog.shards_of(collection)
        for shard in shards:
            self._interim.look(shard)
        done, failed = self._meta.indexed(), set(self._data_node.index_node.building)
        for stored in self._meta.segments(collection.id):
            for index in collection.indexes:
                place = (stored.id, index.id)
                if place not in done and place not in failed:
                    self._begin(collection, shards[stored.shard], index)

    def _begin(self, collection: Collection, shard: Shard, index: IndexSpec) -> None:
        place = (collection.id, shard.number, index.id)
        with self._lock:
            running = self._running.get(place)
            if running is None or running.done():
                node = self._data_node
                self._running = {known: task for known, task in self._running.items() if not task.done()}
                self._running[place] = node.run(node.indexing, self._build, collection.id, shard, index)

    def _build(self, number: int, shard: Shard, index: IndexSpec) -> None:
        """Builds one index for the segments that lack it, one after the other. Raises RequestFault where the collection is
        dropped meanwhile."""
        for stored in self._meta.segments(number):
            if stored.shard != shard.number or (stored.id, index.id) in self._meta.indexed():
                continue
            collection = self._catalog.by_id(number)
            if index not in collection.indexes or self._stop.is_set():
                return
            with shard.compact_lock:
                if stored.id not in {one.id for one in self._meta.segments(number)}:
                    continue
                if any(one.id == stored.id for one in shard.view.arriving):
                    continue  # its indexes are built before it is handed off
                segment = self._data_node.current(collection, shard, stored)
                self._events.index_begun(collection, stored.id, stored.id)
                built = self._data_node.index_node.build(collection, segment, index)
                if built is not segment:
                    shard.renew(built, [index])


def _altered(index: IndexSpec, new: Mapping[str, str], gone: frozenset[str]) -> IndexSpec:
    return replace(index, params={key: value for key, value in {**index.params, **new}.items() if key not in gone})


def _with_index(collection: Collection, index: IndexSpec) -> Collection:
    """The same collection where it has such an index already. Raises RequestFault where another one stands in the way."""
    for known in collection.indexes:
        if known.key == index.key:
            if known.built_from == index.built_from:
                return collection
            raise invalid(f"at most one distinct index is allowed per field[field={index.field}]")
        if known.name == index.name:
            raise invalid(f"index already exists[indexName={index.name}]")
    return collection.with_index(index)
