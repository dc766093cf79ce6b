"""The coordinator: what collections there are, where their segments are searched, and which tasks are due.

It holds the one table of collections (values, swapped whole under a lock), their shards and the query nodes; its
inspector seals, flushes, indexes and compacts when the configuration says so.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from slowq.engine import compaction
from slowq.engine.clock import Oracle
from slowq.engine.config import Config
from slowq.engine.datanode import DataNode, clustering_field
from slowq.engine.events import Events
from slowq.engine.faults import (
    ALIAS_NOT_FOUND,
    COLLECTION_NOT_FOUND,
    COLLECTION_NOT_LOADED,
    DATABASE_NOT_FOUND,
    INDEX_NOT_FOUND,
    PARTITION_NOT_FOUND,
    RequestFault,
    StoreError,
    invalid,
)
from slowq.engine.meta import Meta, StoredSegment
from slowq.engine.metrics import Metrics
from slowq.engine.objects import Objects
from slowq.engine.querynode import QueryNode
from slowq.engine.schema import DEFAULT_PARTITION, Collection, FieldSpec, IndexSpec, check_collection, check_name
from slowq.engine.segment import Segment
from slowq.engine.shard import Channel, Delta, Shard
from slowq.engine.vector import DamagedError

DEFAULT_DATABASE = "default"
CHANNELS = 4  # 16 in Milvus (rootCoord.dmlChannelNum), where they are topics and not threads


@dataclass(slots=True)
class Task:
    """A compaction that was asked for by hand: how many of its plans have ended."""

    plans: list[Future[list[int]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Missing:
    """What a loaded collection lacks: one segment, or deletes of any (None)."""

    segment: StoredSegment | None
    why: str


class Coordinator:
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
        self._root, self._meta, self._objects, self.oracle = root, meta, objects, oracle
        self._config, self._metrics, self._events = config, metrics, events
        self.nodes = nodes
        self.data_node = DataNode(meta, objects, oracle, config, metrics, events, cpus)
        self.channels = [Channel(f"channel-{number}", tick_interval_s, self._tick_late) for number in range(CHANNELS)]
        self._lock = threading.RLock()
        self._collections: dict[int, Collection] = {}
        self._names: dict[tuple[str, str], int] = {}
        self.shards: dict[int, list[Shard]] = {}
        self.progress: dict[int, float] = {}  # share of the segments that are loaded
        self.compactions: dict[int, Task] = {}
        self.missing: dict[int, list[Missing]] = {}
        self._dealt: dict[int, dict[int, int]] = {}  # by collection: the number of each sealed segment
        self._loads: dict[int, int] = {}  # the latest load of a collection: only that one says when it is loaded
        self._indexing: dict[tuple[int, int, int], Future[None]] = {}  # (collection, shard, index)
        self._stop = threading.Event()
        try:
            self._recover()
        except BaseException:
            self._end()
            raise
        self._inspector = threading.Thread(target=self._inspect, name="inspector", daemon=True)
        self._inspector.start()

    def _tick_late(self, span_s: float) -> None:
        self._events.tick_late(len(self.channels), span_s)

    # start and stop

    def _recover(self) -> None:
        self.oracle.pass_by(self._meta.latest())
        if DEFAULT_DATABASE not in self._meta.databases():
            self._meta.put_database(DEFAULT_DATABASE, 1, {})
        self._meta.tidy()
        stored = self._meta.collections()
        known = []
        for collection in stored:
            shards = range(collection.shards)
            deltas = frozenset(one.id for shard in shards for one in self._meta.deltas(collection.id, shard))
            known.append((collection.id, frozenset(one.id for one in self._meta.segments(collection.id)), deltas))
        self._objects.sweep(known)
        self._sweep_logs(stored)
        for collection in stored:
            self._collections[collection.id] = collection
            self._names[collection.database, collection.name] = collection.id
            self._open_shards(collection)
        for collection in stored:
            if collection.loaded:
                self._load_now(collection.id, self._loading(collection.id))

    def _sweep_logs(self, collections: Sequence[Collection]) -> None:
        """Removes the logs of collections that were dropped."""
        there = {f"{one.id}-{shard}" for one in collections for shard in range(one.shards)}
        for folder in (self._root / "wal").glob("*"):
            if folder.name not in there:
                shutil.rmtree(folder, ignore_errors=True)

    def _open_shards(self, collection: Collection) -> None:
        self.shards[collection.id] = []
        for number in range(collection.shards):
            folder = self._root / "wal" / f"{collection.id}-{number}"
            first = self._meta.checkpoint(collection.id, number)
            shard = Shard(collection, number, folder, self.oracle, first)
            for delta in self._meta.deltas(collection.id, number):
                try:
                    shard.deltas.append(Delta(*self._objects.read_deltas(delta)))
                except StoreError as error:
                    self._miss(collection, None, str(error))
            shard.recover(lambda text: self._meta.note(self.oracle.now_s(), text))
            self.channel(shard).add(shard)
            self.shards[collection.id].append(shard)

    def _miss(self, collection: Collection, segment: StoredSegment | None, why: str) -> None:
        """Something stored cannot be read: searches that need it are told, the others are served."""
        self.missing.setdefault(collection.id, []).append(Missing(segment, why))
        self._meta.note(self.oracle.now_s(), why)
        self._events.cannot_load(collection, 0 if segment is None else segment.id, why)

    def channel(self, shard: Shard) -> Channel:
        return self.channels[(shard.collection.id + shard.number) % len(self.channels)]

    def close(self) -> None:
        self._stop.set()
        self._inspector.join()
        self._end()

    def _end(self) -> None:
        self.data_node.close()
        for channel in self.channels:
            channel.close()

    # looking up

    def collection(self, database: str, name: str) -> Collection:
        """By name or alias."""
        with self._lock:
            number = self._names.get((database, name))
            if number is None:
                number = self._meta.aliases().get((database, name))
            if number is None or number not in self._collections:
                if database not in self._meta.databases():
                    raise RequestFault(DATABASE_NOT_FOUND, f"database not found[database={database}]")
                raise RequestFault(
                    COLLECTION_NOT_FOUND, f"can't find collection[database={database}][collection={name}]"
                )
            return self._collections[number]

    def by_id(self, number: int) -> Collection:
        with self._lock:
            found = self._collections.get(number)
        if found is None:
            raise RequestFault(COLLECTION_NOT_FOUND, f"can't find collection[collection={number}]")
        return found

    def shards_of(self, collection: Collection) -> list[Shard]:
        with self._lock:
            self.by_id(collection.id)
            return self.shards[collection.id]

    def collections(self, database: str | None = None) -> list[Collection]:
        with self._lock:
            return [one for one in self._collections.values() if database in (None, one.database)]

    def partitions_of(self, collection: Collection, names: Iterable[str]) -> frozenset[str] | None:
        """The partitions to search; None is all of them."""
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

    def require_loaded(self, collection: Collection) -> None:
        if not collection.loaded:
            raise RequestFault(COLLECTION_NOT_LOADED, f"collection not loaded[collection={collection.name}]")
        if self.progress.get(collection.id, 1.0) < 1.0:
            raise RequestFault(COLLECTION_NOT_LOADED, f"collection not fully loaded[collection={collection.name}]")

    def node_of(self, collection: Collection, segment: Segment, replica: int, replicas: int) -> QueryNode:
        """A replica has every replicas-th node. The collection's segments are dealt out to them one by one, in the order in
        which they are first asked for: each has as many, as Milvus' balancer by count makes it."""
        own = [node for node in self.nodes if node.number % replicas == replica] or list(self.nodes)
        if segment.state == "growing":
            return own[segment.shard % len(own)]
        dealt = self._dealt.get(collection.id, {})
        if segment.id not in dealt:
            with self._lock:
                dealt = self._dealt.setdefault(collection.id, {})
                dealt.setdefault(segment.id, len(dealt))
        return own[dealt[segment.id] % len(own)]

    # collections

    def create(
        self,
        database: str,
        name: str,
        fields: tuple[FieldSpec, ...],
        *,
        dynamic: bool,
        shards: int,
        consistency: str,
        properties: Mapping[str, str],
        partitions: int = 0,
        description: str = "",
    ) -> Collection:
        check_collection(name, fields, shards)
        with self._lock:
            if database not in self._meta.databases():
                raise RequestFault(DATABASE_NOT_FOUND, f"database not found[database={database}]")
            if (database, name) in self._names or (database, name) in self._meta.aliases():
                raise invalid(f"collection {name} already exists")
            stamp = self.oracle.next()
            parts = {DEFAULT_PARTITION: self.oracle.next()}
            if any(one.partition_key for one in fields):
                parts = {f"{DEFAULT_PARTITION}_{place}": self.oracle.next() for place in range(partitions or 16)}
            made = Collection(
                stamp,
                database,
                name,
                fields,
                dynamic,
                shards,
                consistency,
                dict(properties),
                parts,
                created=stamp,
                updated=stamp,
                description=description,
            )
            self._put(made)
            self._names[database, name] = made.id
            self._open_shards(made)
            return made

    def _put(self, collection: Collection) -> Collection:
        """Makes a changed collection true, on disk and here."""
        with self._lock:
            changed = replace(collection, updated=self.oracle.next())
            self._meta.put_collection(changed)
            self._collections[changed.id] = changed
            for shard in self.shards.get(changed.id, ()):
                shard.collection = changed
            return changed

    def change(self, number: int, how: Callable[[Collection], Collection]) -> Collection:
        with self._lock:
            return self._put(how(self.by_id(number)))

    def drop(self, database: str, name: str) -> None:
        with self._lock:
            if (database, name) not in self._names:
                if (database, name) in self._meta.aliases():
                    raise invalid(f"cannot drop the collection via alias = {name}")
                return
            number = self._names.pop((database, name))
            self._collections.pop(number)
            shards = self.shards.pop(number)
            self._dealt.pop(number, None)
            self.progress.pop(number, None)
            self._meta.drop_collection(number)
            self.missing.pop(number, None)
            self._loads.pop(number, None)
        for shard in shards:
            self.channel(shard).retire(shard).result()
            with shard.flush_lock, shard.compact_lock:
                shard.remove_log()
        self._objects.remove(number)

    def rename(self, database: str, old: str, new: str, new_database: str) -> None:
        check_name(new, "collection")
        with self._lock:
            collection = self.collection(database, old)
            if (new_database, new) in self._names or (new_database, new) in self._meta.aliases():
                raise invalid(f"duplicated new collection name {new} in database {new_database}")
            self._names.pop((collection.database, collection.name))
            self._names[new_database, new] = collection.id
            self._put(replace(collection, name=new, database=new_database))

    # databases, aliases, partitions

    def databases(self) -> dict[str, tuple[int, dict[str, str]]]:
        return self._meta.databases()

    def create_database(self, name: str, properties: Mapping[str, str]) -> None:
        check_name(name, "database")
        with self._lock:
            if name in self._meta.databases():
                raise invalid(f"database already exist: {name}")
            self._meta.put_database(name, self.oracle.next(), properties)

    def drop_database(self, name: str) -> None:
        with self._lock:
            if name == DEFAULT_DATABASE:
                raise invalid("can not drop default database")
            if name not in self._meta.databases():
                return  # as with collections: dropped twice is dropped
            if self.collections(name):
                raise invalid(f"database:{name} not empty, must drop all collections before drop database")
            self._meta.drop_database(name)

    def aliases(self) -> dict[tuple[str, str], int]:
        return self._meta.aliases()

    def put_alias(self, database: str, alias: str, name: str, *, new: bool) -> None:
        check_name(alias, "collection alias")
        with self._lock:
            collection = self.collection(database, name)
            if (database, alias) in self._names:
                raise invalid(f"alias and collection name conflict[database={database}][alias={alias}]")
            known = self._meta.aliases().get((database, alias))
            if not new and known is None:
                raise RequestFault(ALIAS_NOT_FOUND, f"alias not found[database={database}][alias={alias}]")
            if new and known not in (None, collection.id):
                raise invalid(f"{alias} is alias to another collection: alias already exist[database={database}]")
            self._meta.put_alias(database, alias, collection.id)

    def drop_alias(self, database: str, alias: str) -> None:
        self._meta.drop_alias(database, alias)

    def create_partition(self, collection: Collection, name: str) -> None:
        check_name(name, "partition")
        if collection.partition_key is not None:
            raise invalid("disable create partition if partition key mode is used")
        self.change(
            collection.id,
            lambda now: (
                replace(now, partitions={name: self.oracle.next(), **now.partitions})
                if name not in now.partitions
                else now
            ),
        )

    def drop_partition(self, collection: Collection, name: str) -> None:
        if name == DEFAULT_PARTITION:
            raise invalid("default partition cannot be deleted")
        if name not in collection.partitions:
            return
        if collection.loaded and (not collection.loaded_partitions or name in collection.loaded_partitions):
            raise invalid("partition cannot be dropped, partition is loaded, please release it first")
        # First, so that no write comes after the flush, which takes what there is out of the log.
        self.change(
            collection.id,
            lambda now: replace(
                now, partitions={part: number for part, number in now.partitions.items() if part != name}
            ),
        )
        for shard in self.shards_of(collection):
            self.data_node.flush(partial(self.by_id, collection.id), shard, self.channel(shard))
            with shard.flush_lock, shard.compact_lock:
                shard.drop_partition(name)
                for stored in self._meta.segments(collection.id):
                    if stored.partition == name and stored.shard == shard.number:
                        self._meta.drop_segment(stored.id)
                        self._objects.remove(collection.id, stored.id)

    # indexes

    def create_index(self, collection: Collection, index: IndexSpec) -> None:
        with self._lock:
            now = self.by_id(collection.id)
            for known in now.indexes:
                if known.key == index.key:
                    if (known.kind, known.metric, dict(known.params)) == (index.kind, index.metric, dict(index.params)):
                        return
                    raise invalid(f"at most one distinct index is allowed per field[field={index.field}]")
                if known.name == index.name:
                    raise invalid(f"index already exists[indexName={index.name}]")
            self._put(now.with_index(index))
        self._events.index_asked(collection, index.field, {"index_type": index.kind, **index.params})
        for shard in self.shards_of(collection):
            self._begin_index(collection, shard, index)

    def _begin_index(self, collection: Collection, shard: Shard, index: IndexSpec) -> None:
        place = (collection.id, shard.number, index.id)
        with self._lock:
            running = self._indexing.get(place)
            if running is None or running.done():
                node = self.data_node
                self._indexing[place] = node.run(node.indexing, self._index_shard, collection.id, shard, index)

    def _index_missing(self, collection: Collection) -> None:
        """Builds what a restart, or a task that ran beside the declaration of an index, has left out."""
        done, failed = self._meta.indexed(), set(self.data_node.building)
        for stored in self._meta.segments(collection.id):
            for index in collection.indexes:
                place = (stored.id, index.id)
                if place not in done and place not in failed:
                    self._begin_index(collection, self.shards_of(collection)[stored.shard], index)

    def _index_shard(self, number: int, shard: Shard, index: IndexSpec) -> None:
        """Builds one index for the segments that lack it, one after the other."""
        for stored in self._meta.segments(number):
            if stored.shard != shard.number or (stored.id, index.id) in self._meta.indexed():
                continue
            collection = self._collections.get(number)
            if collection is None or index not in collection.indexes or self._stop.is_set():
                return
            with shard.compact_lock:
                if stored.id not in {one.id for one in self._meta.segments(number)}:
                    continue
                if any(one.id == stored.id for one in shard.view.arriving):
                    continue  # its indexes are built before it is handed off
                segment = self.data_node.current(collection, shard, stored)
                self._events.index_begun(collection, stored.id, stored.id)
                built = self.data_node.build(collection, segment, index)
                if built is not segment:
                    shard.renew(built, [index])

    def drop_index(self, collection: Collection, name: str) -> None:
        found = [one for one in collection.indexes if name in (one.name, one.field)]
        if not found:
            return
        vector = {one.name for one in collection.vectors}
        if collection.loaded and any(one.field in vector for one in found):
            raise invalid("vector index cannot be dropped on loaded collection: " + collection.name)
        gone = {one.id for one in found}
        self.change(
            collection.id, lambda now: replace(now, indexes=tuple(one for one in now.indexes if one.id not in gone))
        )
        for index in found:
            self._meta.drop_index(index.id)
            for shard in self.shards_of(collection):
                shard.forget_index(index.key)
            for stored in self._meta.segments(collection.id):
                self._objects.remove_index(collection.id, stored.id, index)

    def index_rows(self, collection: Collection, index: IndexSpec) -> tuple[int, int, str]:
        """Rows with the index, rows in all stored segments, and why a build failed ("" where none did)."""
        done = self._meta.indexed()
        segments = self._meta.segments(collection.id)
        indexed = sum(one.rows for one in segments if (one.id, index.id) in done)
        failed = [
            state
            for (_, spec), state in list(self.data_node.building.items())
            if spec == index.id and state.startswith("failed")
        ]
        return indexed, sum(one.rows for one in segments), failed[0] if failed else ""

    # load and release

    def load(self, collection: Collection, replicas: int, partitions: Sequence[str] = ()) -> None:
        indexed = {one.field for one in collection.indexes}
        missing = [one.name for one in collection.vectors if one.name not in indexed]
        if missing:
            raise RequestFault(
                INDEX_NOT_FOUND,
                f"index not found[collection={collection.name}]: there is no vector index on field: {missing}, "
                "please create index firstly",
            )
        if replicas > len(self.nodes):
            raise invalid(f"call LoadCollection: when load {replicas} replica count: service resource insufficient")
        for name in partitions:
            if name not in collection.partitions:
                raise RequestFault(PARTITION_NOT_FOUND, f"partition not found[partition={name}]")
        if collection.loaded and not collection.loaded_partitions:
            return
        names = tuple(sorted({*collection.loaded_partitions, *partitions})) if partitions else ()
        self._events.load_asked(collection)
        load = self._loading(collection.id)
        self.change(collection.id, lambda now: replace(now, replicas=max(1, replicas), loaded_partitions=names))
        self.data_node.run(self.data_node.flushing, self._load_now, collection.id, load)

    def _loading(self, number: int) -> int:
        """Begins a load: until it ends the collection is not fully loaded. Its number."""
        with self._lock:
            self.progress[number] = 0.0
            self._loads[number] = self.oracle.next()
            return self._loads[number]

    def _load_now(self, number: int, load: int) -> None:
        """Opens all segments that the collection serves and that are not there yet; those that it cannot are `missing`."""
        indexed = list(self._meta.indexed())
        with self._lock:
            known = self.missing.get(number, [])
            self.missing[number] = [one for one in known if one.segment is None]
        for shard in self.shards.get(number, ()):
            with shard.flush_lock, shard.compact_lock:
                collection = self._collections.get(number)
                if collection is None:
                    return
                view = shard.view
                there = {one.id for one in (*view.sealed, *view.arriving)}
                wanted = [
                    one
                    for one in self._meta.segments(number)
                    if one.shard == shard.number and collection.serves(one.partition) and one.id not in there
                ]
                opened = self.data_node.loading.map(partial(self._open, collection, indexed), wanted)
                new = [segment for found in opened for segment in found]
                shard.arrive(new)
                shard.hand_off([], new)
        with self._lock:
            if self._loads.get(number) != load:
                return
            self.progress[number] = 1.0
            collection = self._collections.get(number)
        if collection is not None:
            self._events.loaded(collection)

    def _open(self, collection: Collection, indexed: Sequence[tuple[int, int]], stored: StoredSegment) -> list[Segment]:
        """The segment, or nothing where it is damaged."""
        began = time.perf_counter()
        self._events.loading(collection, stored.id)
        try:
            segment = self.data_node.open_segment(collection, stored, indexed)
        except (StoreError, DamagedError) as error:
            self._miss(collection, stored, str(error))
            return []
        self._events.segment_loaded(collection, stored.id, time.perf_counter() - began)
        total = max(1, len(self._meta.segments(collection.id)))
        with self._lock:
            self.progress[collection.id] = min(0.99, self.progress.get(collection.id, 0.0) + 1 / total)
        return [segment]

    def release(self, collection: Collection, partitions: Sequence[str] = ()) -> None:
        if not collection.loaded:
            return
        loaded = collection.loaded_partitions or tuple(collection.partitions)
        stay = tuple(one for one in loaded if one not in partitions) if partitions else ()
        self.change(
            collection.id, lambda now: replace(now, replicas=now.replicas if stay else 0, loaded_partitions=stay)
        )
        if not stay:
            with self._lock:
                self.progress.pop(collection.id, None)
                self._loads.pop(collection.id, None)
        for shard in self.shards_of(collection):
            shard.clear()
        self._events.released(collection)

    # flush and compaction

    def flush(self, collection: Collection) -> dict[int, list[int]]:
        """Per shard the ids of the segments that it made."""
        return {
            shard.number: self.data_node.flush(partial(self.by_id, collection.id), shard, self.channel(shard))
            for shard in self.shards_of(collection)
        }

    def compact(self, collection: Collection, kind: str) -> int:
        """Begins a compaction by hand; its id."""
        number = self.oracle.next()
        task = self.compactions[number] = Task()
        by_shard = {shard.number: shard for shard in self.shards_of(collection)}
        node = self.data_node
        ask = partial(self.by_id, collection.id)
        if kind == compaction.LEVEL_ZERO:
            for shard in by_shard.values():
                task.plans.append(node.run(node.compacting, self._merge_deltas, collection.id, shard))
            return number
        if kind == compaction.CLUSTERING:
            if clustering_field(collection, self._config) is None:
                raise invalid("the collection has no clustering key")
            plans = compaction.clustering_plans(self._meta.segments(collection.id), self._config, forced=True)
        else:
            plans = compaction.mix_plans(self._stored_now(collection), self._config, forced=True)
        for plan in plans:
            task.plans.append(node.run(node.compacting, node.compact, ask, by_shard[plan.shard], plan))
        return number

    def _merge_deltas(self, number: int, shard: Shard) -> list[int]:
        if any(one.segment is None for one in self.missing.get(number, ())):
            return []  # of deletes that cannot be read, the file has to stay
        return self.data_node.merge_deltas(self.by_id(number), shard)

    def _stored_now(self, collection: Collection) -> list[StoredSegment]:
        """The stored segments, with the deletes that only memory knows."""
        counts = {one.id: one.deleted.count for shard in self.shards_of(collection) for one in shard.view.sealed}
        return [
            replace(one, deleted=max(one.deleted, counts.get(one.id, 0))) for one in self._meta.segments(collection.id)
        ]

    def _inspect(self) -> None:
        """Once a second: what is due."""
        last = dict.fromkeys((kind for kind, _ in _TRIGGERS), time.monotonic())
        while not self._stop.wait(1.0):
            due = self._due(last)
            for collection in self.collections():
                try:
                    self._seal(collection)
                    self._index_missing(collection)
                    for kind in due:
                        self._trigger(collection, kind)
                except RequestFault:  # dropped meanwhile
                    continue
                except (StoreError, OSError) as error:
                    self._events.task_failed(error)

    def _due(self, last: dict[str, float]) -> list[str]:
        """The kinds of compaction to look after; `last` says when that was done before."""
        config, now = self._config, time.monotonic()
        on = config.flag("dataCoord.enableCompaction") and config.flag("dataCoord.compaction.enableAutoCompaction")
        due = [kind for kind, key in _TRIGGERS if on and now - last[kind] >= config.number(key)]
        last.update(dict.fromkeys(due, now))
        return due

    def _seal(self, collection: Collection) -> None:
        for shard in self.shards.get(collection.id, ()):
            largest = max((one.rows.nbytes for one in shard.view.growing), default=0)
            if largest >= compaction.seal_bytes(self._config) and not shard.flush_lock.locked():
                ask = partial(self.by_id, collection.id)
                self.data_node.run(self.data_node.flushing, self.data_node.flush, ask, shard, self.channel(shard))

    def _trigger(self, collection: Collection, kind: str) -> None:
        ask = partial(self.by_id, collection.id)
        shards = self.shards.get(collection.id, ())
        if kind == compaction.LEVEL_ZERO:
            for shard in shards:
                files = self._meta.deltas(collection.id, shard.number)
                if len(files) >= self._config.number("dataCoord.compaction.levelzero.forceTrigger.deltalogMinNum"):
                    self.data_node.run(self.data_node.compacting, self._merge_deltas, collection.id, shard)
            return
        if kind == compaction.CLUSTERING:
            automatic = self._config.flag("dataCoord.compaction.clustering.autoEnable")
            if not automatic or clustering_field(collection, self._config) is None:
                return
            plans = compaction.clustering_plans(self._meta.segments(collection.id), self._config)
        else:
            plans = compaction.mix_plans(self._stored_now(collection), self._config)
        for plan in plans:
            self.data_node.run(self.data_node.compacting, self.data_node.compact, ask, shards[plan.shard], plan)


_TRIGGERS = (
    (compaction.MIX, "dataCoord.compaction.mix.triggerInterval"),
    (compaction.LEVEL_ZERO, "dataCoord.compaction.levelzero.triggerInterval"),
    (compaction.CLUSTERING, "dataCoord.compaction.clustering.triggerInterval"),
)
