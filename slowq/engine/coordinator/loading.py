"""Load and release: which collections are searched, and how far their load is. In Milvus it is the query coordinator's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from slowq.engine.clock import Oracle
from slowq.engine.coordinator.catalog import Catalog
from slowq.engine.coordinator.losses import Losses
from slowq.engine.datanode import DataNode
from slowq.engine.events import Events
from slowq.engine.faults import (
    COLLECTION_NOT_LOADED,
    INDEX_NOT_FOUND,
    PARTITION_NOT_FOUND,
    RequestFault,
    StoreError,
    invalid,
)
from slowq.engine.meta import Meta, StoredSegment
from slowq.engine.schema import Collection
from slowq.engine.segment import Segment
from slowq.engine.vector import DamagedError


class Loading:
    """That a collection is loaded stands in the catalog. Here is how far its latest load is: whoever changes that holds the
    lock, for a moment, and only the latest load says that the collection is there.
    """

    def __init__(
        self,
        catalog: Catalog,
        losses: Losses,
        meta: Meta,
        oracle: Oracle,
        events: Events,
        data_node: DataNode,
        nodes: int,
    ) -> None:
        self._catalog, self._losses, self._meta, self._oracle = catalog, losses, meta, oracle
        self._events, self._data_node, self._nodes = events, data_node, nodes
        self._lock = threading.Lock()
        self._share: dict[int, float] = {}  # by collection: of the segments, those that are loaded
        self._latest: dict[int, int] = {}  # by collection: the number of its latest load

    def progress(self, collection: Collection) -> float:
        """The share of the segments that are loaded."""
        return self._share.get(collection.id, 0.0) if collection.loaded else 0.0

    def require_loaded(self, collection: Collection) -> None:
        if not collection.loaded:
            raise RequestFault(COLLECTION_NOT_LOADED, f"collection not loaded[collection={collection.name}]")
        if self._share.get(collection.id, 1.0) < 1.0:
            raise RequestFault(COLLECTION_NOT_LOADED, f"collection not fully loaded[collection={collection.name}]")

    def load(self, collection: Collection, replicas: int, partitions: Sequence[str] = ()) -> None:
        """Begins to load these partitions beside those that are loaded; all, where none is named."""
        indexed = {one.field for one in collection.indexes}
        missing = [one.name for one in collection.vectors if one.name not in indexed]
        if missing:
            raise RequestFault(
                INDEX_NOT_FOUND,
                f"index not found[collection={collection.name}]: there is no vector index on field: {missing}, "
                "please create index firstly",
            )
        if replicas > self._nodes:
            raise invalid(f"call LoadCollection: when load {replicas} replica count: service resource insufficient")
        for name in partitions:
            if name not in collection.partitions:
                raise RequestFault(PARTITION_NOT_FOUND, f"partition not found[partition={name}]")
        if collection.loaded and not collection.loaded_partitions:
            return
        names = tuple(sorted({*collection.loaded_partitions, *partitions})) if partitions else ()
        self._events.load_asked(collection, replicas, partitions)
        load = self._begun(collection.id)
        self._catalog.change(
            collection.id, lambda now: replace(now, replicas=max(1, replicas), loaded_partitions=names)
        )
        self._data_node.run(self._data_node.flushing, self._load, collection.id, load)

    def restore(self, collection: Collection) -> None:
        """Loads what was loaded when the engine ended; back when it is there."""
        self._load(collection.id, self._begun(collection.id))

    def _begun(self, number: int) -> int:
        """The number of a load; until it ends the collection is not fully loaded."""
        with self._lock:
            self._share[number] = 0.0
            self._latest[number] = self._oracle.next()
            return self._latest[number]

    def _load(self, number: int, load: int) -> None:
        """Opens all segments that the collection serves and that are not there yet; those that it cannot open are lost.
        Raises RequestFault where the collection is dropped meanwhile."""
        indexed = list(self._meta.indexed())
        self._losses.forget_segments(number)
        for shard in self._catalog.shards_of(self._catalog.by_id(number)):
            with shard.flush_lock, shard.compact_lock:
                collection = self._catalog.by_id(number)
                view = shard.view
                there = {one.id for one in (*view.sealed, *view.arriving)}
                wanted = [
                    one
                    for one in self._meta.segments(number)
                    if one.shard == shard.number and collection.serves(one.partition) and one.id not in there
                ]
                opened = self._data_node.loading.map(partial(self._open, collection, indexed), wanted)
                new = [segment for found in opened for segment in found]
                shard.arrive(new)
                shard.hand_off([], new)
        with self._lock:
            if self._latest.get(number) != load:
                return
            self._share[number] = 1.0
        self._events.loaded(self._catalog.by_id(number))

    def _open(self, collection: Collection, indexed: Sequence[tuple[int, int]], stored: StoredSegment) -> list[Segment]:
        """The segment, or nothing where it is damaged."""
        began = time.perf_counter()
        self._events.loading(collection, stored.id)
        try:
            segment = self._data_node.open_segment(collection, stored, indexed)
        except (StoreError, DamagedError) as error:
            self._losses.add(collection, stored, str(error))
            return []
        self._events.segment_loaded(collection, stored.id, time.perf_counter() - began)
        total = max(1, len(self._meta.segments(collection.id)))
        with self._lock:
            self._share[collection.id] = min(0.99, self._share.get(collection.id, 0.0) + 1 / total)
        return [segment]

    def release(self, collection: Collection, partitions: Sequence[str] = ()) -> None:
        """Lets go of these partitions; of all, where none is named."""
        if not collection.loaded:
            return
        loaded = collection.loaded_partitions or tuple(collection.partitions)
        stay = tuple(one for one in loaded if one not in partitions) if partitions else ()
        self._catalog.change(
            collection.id, lambda now: replace(now, replicas=now.replicas if stay else 0, loaded_partitions=stay)
        )
        if not stay:
            self.forget(collection.id)
        for shard in self._catalog.shards_of(collection):
            shard.clear()
        self._events.released(collection, partitions if stay else ())

    def forget(self, number: int) -> None:
        """A load of it that still runs says nothing any more."""
        with self._lock:
            self._share.pop(number, None)
            self._latest.pop(number, None)


def partitions_to_search(collection: Collection, names: Iterable[str]) -> frozenset[str] | None:
    """None is all of them. Raises RequestFault where one that is named does not exist, or is not loaded."""
    wanted = frozenset(names)
    for name in wanted:
        if name not in collection.partitions:
            raise RequestFault(PARTITION_NOT_FOUND, f"partition not found[partition={name}]")
    if collection.loaded_partitions:
        missing = wanted - frozenset(collection.loaded_partitions)
        if missing:
            raise RequestFault(COLLECTION_NOT_LOADED, f"partition not loaded[partition={min(missing)}]")
        return wanted or frozenset(collection.loaded_partitions)
    return wanted or None
