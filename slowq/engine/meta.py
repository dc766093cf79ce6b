"""The meta store: what exists, in one SQLite file. A transaction here is the moment at which a change becomes true."""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slowq.engine.faults import COLLECTION_NOT_FOUND, RequestFault, StoreError
from slowq.engine.schema import Collection

# Each row ends in a CRC-32 of its other values: SQLite's own check sees a broken page, not a changed value.
_TABLES = """
create table if not exists databases (name text primary key, id integer, properties text, crc integer);
create table if not exists collections (id integer primary key, body text, crc integer);
create table if not exists aliases
    (database text, alias text, collection integer, crc integer, primary key (database, alias));
create table if not exists segments
    (id integer primary key, collection integer, partition text, shard integer, body text, crc integer);
create table if not exists indexed (segment integer, spec integer, seconds real, crc integer, primary key (segment, spec));
create table if not exists deltas
    (id integer primary key, collection integer, shard integer, rows integer, latest integer, sum integer, crc integer);
create table if not exists checkpoints
    (collection integer, shard integer, log integer, crc integer, primary key (collection, shard));
create table if not exists notes (at real, text text, crc integer);
create table if not exists users (name text primary key, body text, crc integer);
create table if not exists roles (name text primary key, body text, crc integer);
"""
_NAMES = (
    "databases",
    "collections",
    "aliases",
    "segments",
    "indexed",
    "deltas",
    "checkpoints",
    "notes",
    "users",
    "roles",
)


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment in the object folder. `ranges` are its partition statistics: least and greatest value of a key."""

    id: int
    collection: int
    partition: str
    shard: int
    rows: int
    nbytes: int
    level: str = "L1"
    ranges: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    came_from: tuple[int, ...] = ()
    deleted: int = 0  # rows that its delete file says are deleted
    crc: int = 0  # of its Parquet file


@dataclass(frozen=True, slots=True)
class StoredDelta:
    """A file of deletes that are not in the segments' own delete files yet. `crc` is that of the file."""

    id: int
    collection: int
    shard: int
    rows: int
    latest: int
    crc: int


class Meta:
    """Every method is atomic; `transaction` makes several so. Used by all threads, one at a time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._path = path
        try:
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path}: the meta store cannot be read: {error}") from error
        try:
            self._begin()
        except BaseException:
            self._base.close()
            raise

    def _begin(self) -> None:
        try:
            # A rollback journal: after a commit all is in one file, whose damage is seen. Of a damaged write-ahead
            # log SQLite would take the first part for the whole.
            self._base.execute("pragma journal_mode = truncate")
            self._base.execute("pragma synchronous = full")  # log files are deleted on the word of a commit
            fault = self._base.execute("pragma integrity_check").fetchone()[0]
            if fault != "ok":
                raise StoreError(f"{self._path}: the meta store is damaged: {fault}")
            self._base.executescript(_TABLES)
            for name in _NAMES:
                self._rows(f"select * from {name}")  # noqa: S608 - the names above
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: the meta store cannot be read: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            if self._depth == 0:
                self._execute("begin immediate")
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._execute("commit")
            except BaseException:
                if self._depth == 1:
                    self._base.rollback()
                raise
            finally:
                self._depth -= 1

    def close(self) -> None:
        with self._lock:
            self._base.close()

    def latest(self) -> int:
        """A timestamp that none in the store is above: ids are timestamps, and a segment's is above those of its rows."""
        known = [max(one.id, one.updated) for one in self.collections()]
        known += [index.id for one in self.collections() for index in one.indexes]
        for table in ("segments", "deltas"):
            known += [number or 0 for (number,) in self._base.execute(f"select max(id) from {table}")]  # noqa: S608
        return max(known, default=0)

    def tidy(self) -> None:
        """Forgets segments of partitions that were dropped, and indexes of segments that never came to be."""
        with self.transaction():
            for collection in self.collections():
                for one in self.segments(collection.id):
                    if one.partition not in collection.partitions:
                        self.drop_segment(one.id)
            self._do("delete from indexed where segment not in (select id from segments)")

    # databases and collections

    def databases(self) -> dict[str, tuple[int, dict[str, str]]]:
        return {name: (number, json.loads(body)) for name, number, body in self._rows("select * from databases")}

    def put_database(self, name: str, number: int, properties: Mapping[str, str]) -> None:
        self._put("databases", name, number, json.dumps(dict(properties)))

    def drop_database(self, name: str) -> None:
        self._do("delete from databases where name = ?", name)

    def collections(self) -> list[Collection]:
        return [Collection.from_json(body) for _, body in self._rows("select * from collections order by id")]

    def require_new(self, data: Sequence[Path]) -> None:
        """Raises StoreError where there is data, which an empty store would have removed."""
        if data:
            raise StoreError(
                f"{self._path}: the meta store is empty, and {data[0]} is not its own",
                hint="put the meta store back, or choose another --data",
            )

    def require(self, number: int) -> None:
        """Raises RequestFault where the collection was dropped; inside a transaction it cannot be dropped before its end."""
        if not self._rows("select * from collections where id = ?", number):
            raise RequestFault(COLLECTION_NOT_FOUND, f"can't find collection[collection={number}]")

    def put_collection(self, collection: Collection) -> None:
        self._put("collections", collection.id, collection.to_json())

    def drop_collection(self, number: int) -> None:
        with self.transaction():
            self._do("delete from indexed where segment in (select id from segments where collection = ?)", number)
            for table in ("segments", "deltas", "checkpoints", "aliases"):
                self._do(f"delete from {table} where collection = ?", number)  # noqa: S608 - the names above
            self._do("delete from collections where id = ?", number)

    def aliases(self) -> dict[tuple[str, str], int]:
        return {(database, alias): number for database, alias, number in self._rows("select * from aliases")}

    def put_alias(self, database: str, alias: str, collection: int) -> None:
        self._put("aliases", database, alias, collection)

    def drop_alias(self, database: str, alias: str) -> None:
        self._do("delete from aliases where database = ? and alias = ?", database, alias)

    # users and roles, whose bodies are JSON

    def users(self) -> dict[str, Any]:
        return {name: json.loads(body) for name, body in self._rows("select * from users order by name")}

    def put_user(self, name: str, body: Mapping[str, object]) -> None:
        self._put("users", name, json.dumps(body))

    def drop_user(self, name: str) -> None:
        self._do("delete from users where name = ?", name)

    def roles(self) -> dict[str, Any]:
        return {name: json.loads(body) for name, body in self._rows("select * from roles order by name")}

    def put_role(self, name: str, body: Mapping[str, object]) -> None:
        self._put("roles", name, json.dumps(body))

    def drop_role(self, name: str) -> None:
        self._do("delete from roles where name = ?", name)

    # segments, their indexes, deletes, checkpoints

    def segments(self, collection: int) -> list[StoredSegment]:
        rows = self._rows("select * from segments where collection = ? order by id", collection)
        return [_stored(*row) for row in rows]

    def put_segment(self, segment: StoredSegment) -> None:
        body = {
            "rows": segment.rows,
            "nbytes": segment.nbytes,
            "level": segment.level,
            "ranges": {name: list(ends) for name, ends in segment.ranges.items()},
            "came_from": segment.came_from,
            "deleted": segment.deleted,
            "crc": segment.crc,
        }
        self._put("segments", segment.id, segment.collection, segment.partition, segment.shard, json.dumps(body))

    def drop_segment(self, number: int) -> None:
        with self.transaction():
            self._do("delete from segments where id = ?", number)
            self._do("delete from indexed where segment = ?", number)

    def indexed(self) -> dict[tuple[int, int], float]:
        """(segment, index) → seconds that the build took."""
        return {(segment, spec): spent for segment, spec, spent in self._rows("select * from indexed")}

    def put_indexed(self, segment: int, spec: int, seconds: float) -> None:
        self._put("indexed", segment, spec, float(seconds))

    def forget_indexed(self, segment: int, spec: int) -> None:
        self._do("delete from indexed where segment = ? and spec = ?", segment, spec)

    def drop_index(self, spec: int) -> None:
        self._do("delete from indexed where spec = ?", spec)

    def deltas(self, collection: int, shard: int) -> list[StoredDelta]:
        """The delete files of a shard, oldest first."""
        rows = self._rows("select * from deltas where collection = ? and shard = ? order by id", collection, shard)
        return [StoredDelta(*row) for row in rows]

    def put_delta(self, delta: StoredDelta) -> None:
        self._put("deltas", delta.id, delta.collection, delta.shard, delta.rows, delta.latest, delta.crc)

    def drop_delta(self, number: int) -> None:
        self._do("delete from deltas where id = ?", number)

    def checkpoint(self, collection: int, shard: int) -> int:
        """The first log file whose entries are not all in segments."""
        rows = self._rows("select * from checkpoints where collection = ? and shard = ?", collection, shard)
        return int(rows[0][2]) if rows else 0

    def put_checkpoint(self, collection: int, shard: int, log: int) -> None:
        self._put("checkpoints", collection, shard, log)

    def note(self, at_s: float, text: str) -> None:
        self._put("notes", float(at_s), text)

    def notes(self) -> list[str]:
        return [text for _, text in self._rows("select * from notes order by at")]

    def _put(self, table: str, *values: object) -> None:
        places = ", ".join("?" * (len(values) + 1))
        self._do(f"replace into {table} values ({places})", *values, _sum(values))  # noqa: S608 - names from here

    def _do(self, statement: str, *values: object) -> None:
        with self._lock:
            self._execute(statement, *values)

    def _rows(self, statement: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        """Whole rows of one table, without their CRC. Raises StoreError where one is not what was written."""
        with self._lock:
            found = self._execute(statement, *values).fetchall()
        for row in found:
            if _sum(row[:-1]) != row[-1]:
                raise StoreError(
                    f"{self._path}: the meta store is damaged: the row {row[:2]} was changed ({statement})"
                )
        return [row[:-1] for row in found]

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._base.execute(statement, values)
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: the meta store cannot be used: {error}") from error


def _sum(values: Sequence[object]) -> int:
    return zlib.crc32(repr(tuple(values)).encode())


def _stored(number: int, collection: int, partition: str, shard: int, body: str) -> StoredSegment:
    raw = json.loads(body)
    ranges = {name: (ends[0], ends[1]) for name, ends in raw["ranges"].items()}
    return StoredSegment(
        number,
        collection,
        partition,
        shard,
        raw["rows"],
        raw["nbytes"],
        raw["level"],
        ranges,
        tuple(raw["came_from"]),
        raw["deleted"],
        raw["crc"],
    )
