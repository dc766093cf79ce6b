"""The catalog: which databases, collections, partitions and aliases there are. In Milvus it is the root coordinator's.

A collection is a value. A change puts another one in its place: in the meta store first, then in the table here, then in
the collection's shards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from slowq.engine.clock import Oracle
from slowq.engine.coordinator.channels import Channels
from slowq.engine.faults import ALIAS_NOT_FOUND, COLLECTION_NOT_FOUND, DATABASE_NOT_FOUND, RequestFault, invalid
from slowq.engine.meta import Meta
from slowq.engine.schema import DEFAULT_PARTITION, Collection, FieldSpec, IndexSpec, check_collection, check_name
from slowq.engine.shard import Shard

DEFAULT_DATABASE = "default"


class Catalog:
    """Whoever changes something holds the one lock from the check to the end of the change; whoever looks something up
    waits for that. Tasks look up inside the locks of a shard, so nobody may wait for a shard inside this one; the meta
    store's lock comes after it.
    """

    def __init__(self, meta: Meta, oracle: Oracle, channels: Channels) -> None:
        self._meta, self._oracle, self._channels = meta, oracle, channels
        self._lock = threading.RLock()
        self._collections: dict[int, Collection] = {}
        self._names: dict[tuple[str, str], int] = {}
        self._shards: dict[int, list[Shard]] = {}

    def restore(self, collections: Sequence[Collection]) -> None:
        """Takes in what is in the meta store already, at a start."""
        for one in collections:
            self._collections[one.id] = one
            self._names[one.database, one.name] = one.id
            self._shards[one.id] = self._channels.open(one)

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
        """As it is now. Raises RequestFault where it was dropped."""
        with self._lock:
            found = self._collections.get(number)
        if found is None:
            raise RequestFault(COLLECTION_NOT_FOUND, f"can't find collection[collection={number}]")
        return found

    def shards_of(self, collection: Collection) -> Sequence[Shard]:
        """By number. Raises RequestFault where the collection was dropped."""
        with self._lock:
            self.by_id(collection.id)
            return self._shards[collection.id]

    def searched(self, number: int) -> frozenset[int]:
        """The sealed segments that searches see now; none where the collection was dropped."""
        with self._lock:
            return frozenset(one.id for shard in self._shards.get(number, ()) for one in shard.view.sealed)

    def collections(self, database: str | None = None) -> list[Collection]:
        with self._lock:
            return [one for one in self._collections.values() if database in (None, one.database)]

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
            stamp = self._oracle.next()
            parts = {DEFAULT_PARTITION: self._oracle.next()}
            if any(one.partition_key for one in fields):
                parts = {f"{DEFAULT_PARTITION}_{place}": self._oracle.next() for place in range(partitions or 16)}
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
            self._shards[made.id] = self._channels.open(made)
            return made

    def change(self, number: int, how: Callable[[Collection], Collection]) -> Collection:
        """The collection after the change. `how` gets it as it is, may refuse, and gives it back where nothing changes."""
        with self._lock:
            now = self.by_id(number)
            changed = how(now)
            return now if changed is now else self._put(changed)

    def _put(self, collection: Collection) -> Collection:
        """Makes a changed collection true, on disk and here; the lock is held."""
        changed = replace(collection, updated=self._oracle.next())
        self._meta.put_collection(changed)
        self._collections[changed.id] = changed
        for shard in self._shards.get(changed.id, ()):
            shard.collection = changed
        return changed

    def rename(self, database: str, old: str, new: str, new_database: str) -> None:
        check_name(new, "collection")
        with self._lock:
            collection = self.collection(database, old)
            if (new_database, new) in self._names or (new_database, new) in self._meta.aliases():
                raise invalid(f"duplicated new collection name {new} in database {new_database}")
            self._names.pop((collection.database, collection.name))
            self._names[new_database, new] = collection.id
            self._put(replace(collection, name=new, database=new_database))

    def forget(self, database: str, name: str) -> tuple[int, Sequence[Shard], Sequence[IndexSpec]] | None:
        """Takes a collection out of the meta store and the table, so that nobody finds it any more: the beginning of
        `Coordinator.drop`. Its number, its shards and its indexes; None where there was none."""
        with self._lock:
            if (database, name) not in self._names:
                if (database, name) in self._meta.aliases():
                    raise invalid(f"cannot drop the collection via alias = {name}")
                return None
            number = self._names.pop((database, name))
            indexes = self._collections.pop(number).indexes
            shards = self._shards.pop(number)
            self._meta.drop_collection(number)
            return number, shards, indexes

    # partitions

    def create_partition(self, collection: Collection, name: str) -> None:
        check_name(name, "partition")
        if collection.partition_key is not None:
            raise invalid("disable create partition if partition key mode is used")
        self.change(
            collection.id,
            lambda now: (
                replace(now, partitions={name: self._oracle.next(), **now.partitions})
                if name not in now.partitions
                else now
            ),
        )

    def forget_partition(self, collection: Collection, name: str) -> bool:
        """From now on nobody writes to it: the beginning of `Coordinator.drop_partition`. False where there was none."""
        if name == DEFAULT_PARTITION:
            raise invalid("default partition cannot be deleted")
        if name not in collection.partitions:
            return False
        if collection.loaded and (not collection.loaded_partitions or name in collection.loaded_partitions):
            raise invalid("partition cannot be dropped, partition is loaded, please release it first")
        self.change(
            collection.id,
            lambda now: replace(
                now, partitions={part: number for part, number in now.partitions.items() if part != name}
            ),
        )
        return True

    # databases and aliases

    def databases(self) -> dict[str, tuple[int, dict[str, str]]]:
        return self._meta.databases()

    def create_database(self, name: str, properties: Mapping[str, str]) -> None:
        check_name(name, "database")
        with self._lock:
            if name in self._meta.databases():
                raise invalid(f"database already exist: {name}")
            self._meta.put_database(name, self._oracle.next(), properties)

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
