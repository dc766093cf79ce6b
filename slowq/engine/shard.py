"""A shard: its log, its segments, and how far a reader may trust it (tSafe).

The thread of its channel (`channel.py`) gives it the writes in order, and between them the time tick, which says that
nothing older is still to come, and moves tSafe. A Strong read waits for it; nothing else moves it.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slowq.engine import wal
from slowq.engine.clock import Oracle
from slowq.engine.faults import COLLECTION_NOT_FOUND, PARTITION_NOT_FOUND, RequestFault
from slowq.engine.interim import InterimIndexes
from slowq.engine.schema import Collection, IndexSpec
from slowq.engine.segment import Keys, Segment, growing, grown
from slowq.engine.writes import Write, decoded, encoded


@dataclass(frozen=True, slots=True)
class Delta:
    """Deletes of one write. A key's rows that are older than its timestamp are gone."""

    keys: Keys
    timestamps: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class View:
    """All that a reader sees of a shard, taken at once. `arriving` segments get deletes, but are not searched yet."""

    growing: tuple[Segment, ...] = ()
    flushing: tuple[Segment, ...] = ()
    sealed: tuple[Segment, ...] = ()
    arriving: tuple[Segment, ...] = ()

    @property
    def segments(self) -> tuple[Segment, ...]:
        return (*self.sealed, *self.flushing, *self.growing)


@dataclass(frozen=True, slots=True)
class Rolled:
    """What a flush has to store: everything that the log holds in files before `log`."""

    segments: tuple[Segment, ...]
    deltas: tuple[Delta, ...]
    log: int


def _ids(segments: Sequence[Segment]) -> frozenset[int]:
    return frozenset(one.id for one in segments)


def channel_name(collection: int, shard: int) -> str:
    """The virtual channel of a shard, as Milvus names it."""
    return f"by-dev-rootcoord-dml_{shard % 16}_{collection}v{shard}"


class Shard:
    """Two locks order the tasks that store: `flush_lock` (flushes; taken first) and `compact_lock` (compactions, index builds);
    who loads, drops or merges delete files holds both. `lock` is for moments: whoever changes `view` or `deltas` holds it.
    """

    def __init__(
        self,
        collection: Collection,
        number: int,
        folder: Path,
        oracle: Oracle,
        first_log: int,
        interim: InterimIndexes,
    ) -> None:
        self.number = number
        self.collection = collection
        self.name = channel_name(collection.id, number)
        self.view = View()
        self.deltas: list[Delta] = []  # deletes that may not be in the delete files of all sealed segments yet
        self.fresh: list[Delta] = []  # those of them that are only in the log
        self.tsafe = 0
        self.lock = threading.Lock()
        self.flush_lock = threading.Lock()
        self.compact_lock = threading.Lock()
        self._landed = threading.Condition(self.lock)
        self._ticked = threading.Condition()
        self._oracle = oracle
        self._folder = folder
        self._log: wal.Log | None = None
        self._first_log = first_log
        self._interim = interim
        self._retired = False
        self._seen: tuple[Segment, ...] | None = None  # the snapshot of the last reader, while nothing has changed
        self._frozen: dict[int, tuple[Segment, Segment]] = {}

    def recover(self, warn: Callable[[str], None]) -> None:
        """Reads the log again. From then on the oracle is above all that it holds."""
        for entry in wal.replay(self._folder, self._first_log, warn) if self._folder.exists() else ():
            self._oracle.pass_by(entry.timestamp)
            write = decoded(self.collection, entry)
            known = {name: rows for name, rows in write.rows.items() if name in self.collection.partitions}
            self._apply(replace(write, rows=known), entry.timestamp)
        self.tsafe = self._oracle.next()

    # the channel's thread

    def check(self, write: Write) -> None:
        """Raises RequestFault where the write came too late for its collection or partition."""
        if self._retired:
            raise RequestFault(COLLECTION_NOT_FOUND, f"can't find collection[collection={self.collection.name}]")
        for name in write.rows:
            if name not in self.collection.partitions:
                raise RequestFault(PARTITION_NOT_FOUND, f"partition not found[partition={name}]")

    def commit(self, writes: Sequence[Write]) -> list[int]:
        """Logs and applies writes, in order, with one sync; the timestamp of each."""
        stamps = [self._oracle.next() for _ in writes]
        self._opened().write(
            [wal.Entry(stamp, wal.WRITE, encoded(write)) for write, stamp in zip(writes, stamps, strict=True)]
        )
        for write, stamp in zip(writes, stamps, strict=True):
            self._apply(write, stamp)
        return stamps

    def tick(self) -> None:
        """Nothing older than now is still to come."""
        now = self._oracle.next()
        with self._ticked:
            self.tsafe = now
            self._ticked.notify_all()

    def roll(self) -> Rolled | None:
        """Closes the log file and puts the growing segments aside; None where there is nothing to flush."""
        if self._retired or not (self.view.growing or self.fresh):
            return None
        log = self._opened().roll()
        with self._changing():
            aside, deltas = self.view.growing, tuple(self.fresh)
            self.view = replace(self.view, growing=(), flushing=(*self.view.flushing, *aside))
            self.fresh = []
        return Rolled(aside, deltas, log)

    def retire(self) -> None:
        """The last of this shard: no write comes after it, and the log is closed."""
        self._retired = True
        if self._log is not None:
            self._log.close()
            self._log = None

    def _apply(self, write: Write, stamp: int) -> None:
        with self._changing():
            if write.delete is not None:
                delta = Delta(write.delete, np.full(len(write.delete), stamp, np.uint64))
                self.deltas.append(delta)
                self.fresh.append(delta)
                for segment in (*self.view.segments, *self.view.arriving):
                    segment.delete(delta.keys, delta.timestamps)
            now_growing = self.view.growing
            for partition, rows in write.rows.items():
                new = growing(
                    self._oracle.next(), partition, self.number, self.collection.primary.name, rows.stamped(stamp)
                )
                now_growing = grown(now_growing, new, partial(self._interim.closes, self.collection))
            self.view = replace(self.view, growing=now_growing)
        self._interim.look(self)

    def _opened(self) -> wal.Log:
        if self._log is None:
            numbers = [int(path.stem) for path in self._folder.glob("*.log")]
            self._log = wal.Log(self._folder, max([self._first_log, *numbers]))
        return self._log

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self.lock:
            try:
                yield
            finally:
                self._seen = None
                self._landed.notify_all()

    # readers

    def wait_tsafe(self, guarantee: int, deadline_s: float) -> bool:
        """Until tSafe has reached the guarantee timestamp; False where the deadline (monotonic clock) came first."""
        if self.tsafe >= guarantee:
            return True
        with self._ticked:
            return self._ticked.wait_for(lambda: self.tsafe >= guarantee, max(0.0, deadline_s - time.monotonic()))

    def snapshot(self) -> tuple[Segment, ...]:
        """All that a search looks at, with the rows and the deletes of one moment: an upsert is in it as a whole or not at
        all. While a segment stays as it is, it is the same object."""
        seen = self._seen
        if seen is not None:
            return seen
        with self.lock:
            frozen = {one.id: self._as_it_is(one) for one in self.view.segments}
            self._frozen = {number: (one, still) for number, (one, still) in frozen.items()}
            self._seen = tuple(still for _, still in frozen.values())
            return self._seen

    def _as_it_is(self, segment: Segment) -> tuple[Segment, Segment]:
        known = self._frozen.get(segment.id)
        if known is not None and known[0] is segment and known[1].deleted.mask is segment.deleted.mask:
            return known
        return segment, segment.frozen()

    # whoever stores

    def arrive(self, segments: Sequence[Segment]) -> None:
        """Segments that are about to be searched: from now on they get every delete, and those that they missed."""
        with self._changing():
            self._delete_in(segments)
            self.view = replace(self.view, arriving=(*self.view.arriving, *segments))

    def catch_up(self, segment: Segment) -> None:
        """Gives a segment that nobody searches the deletes that may not be in its delete file."""
        with self.lock:
            self._delete_in([segment])

    def _delete_in(self, segments: Sequence[Segment]) -> None:
        if not self.deltas:
            return
        keys = np.concatenate([one.keys for one in self.deltas])
        stamps = np.concatenate([one.timestamps for one in self.deltas])
        for segment in segments:
            segment.delete(keys, stamps)

    def hand_off(self, gone: Sequence[Segment], new: Sequence[Segment]) -> None:
        """From this moment on searches see `new` and no longer `gone`.

        Of `new` only what has arrived, and was not released meanwhile: nothing else has every delete.
        """
        leaving, coming = _ids(gone), _ids(new)
        with self._changing():
            view = self.view
            arrived = _ids([one for one in view.arriving if self.collection.serves(one.partition)])
            self.view = replace(
                view,
                flushing=tuple(one for one in view.flushing if one.id not in leaving),
                sealed=(
                    *(one for one in view.sealed if one.id not in leaving),
                    *(one for one in new if one.id in arrived),
                ),
                arriving=tuple(one for one in view.arriving if one.id not in coming),
            )

    def leave(self, segments: Sequence[Segment]) -> None:
        """Those that had arrived will not be searched after all."""
        gone = _ids(segments)
        with self._changing():
            self.view = replace(self.view, arriving=tuple(one for one in self.view.arriving if one.id not in gone))

    def wait_landed(self, numbers: Iterable[int]) -> None:
        """Until none of these segments is on its way any more."""
        wanted = frozenset(numbers)
        with self._landed:
            self._landed.wait_for(lambda: not any(one.id in wanted for one in self.view.arriving))

    def drop_log(self, number: int) -> None:
        """Everything before that log file is in segments."""
        wal.drop_before(self._folder, number)

    def put_back(self, rolled: Rolled) -> None:
        """A flush failed: everything is as before, but for the log file that is one more."""
        aside = _ids(rolled.segments)
        with self._changing():
            stay = tuple(one for one in self.view.flushing if one.id not in aside)
            self.view = replace(self.view, flushing=stay, growing=(*rolled.segments, *self.view.growing))
            self.fresh = [*rolled.deltas, *self.fresh]

    def stored_deltas(self) -> list[Delta]:
        """The deletes that are in delete files of the shard."""
        with self.lock:
            fresh = {id(one) for one in self.fresh}
            return [one for one in self.deltas if id(one) not in fresh]

    def forget_deltas(self, known: Sequence[Delta]) -> None:
        """Those deletes are in the files of all sealed segments now."""
        gone = {id(one) for one in known}
        with self.lock:
            self.deltas = [one for one in self.deltas if id(one) not in gone]

    def clear(self) -> None:
        """Lets go of the stored segments that the collection does not serve any more, and of interim indexes: a release."""

        def bare(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
            return tuple(one if serves(one.partition) else one.without_interim() for one in segments)

        with self._changing():
            serves = self.collection.serves
            self.view = View(
                bare(self.view.growing),
                bare(self.view.flushing),
                sealed=tuple(one for one in self.view.sealed if serves(one.partition)),
                arriving=tuple(one for one in self.view.arriving if serves(one.partition)),
            )
            there = _ids(self.view.segments)  # of the others the last snapshot would keep the memory, and mapped pages
            self._frozen = {number: pair for number, pair in self._frozen.items() if number in there}

    def drop_partition(self, name: str) -> None:
        self._each(lambda one: None if one.partition == name else one)

    def renew(self, built: Segment, indexes: Sequence[IndexSpec]) -> None:
        """A segment has these indexes more, if it and they are still there."""

        def renewed(one: Segment) -> Segment:
            served = one.id == built.id and self.collection.serves(one.partition)
            there = served and all(index in self.collection.indexes for index in indexes)
            return one.with_indexes_of(built) if there else one

        self._each(renewed)

    def forget_index(self, key: str) -> None:
        self._each(lambda one: one.without_index(key))

    def _each(self, how: Callable[[Segment], Segment | None]) -> None:
        with self._changing():
            kept = {
                part: tuple(now for one in getattr(self.view, part) if (now := how(one)) is not None)
                for part in ("growing", "flushing", "sealed", "arriving")
            }
            self.view = View(**kept)

    def remove_log(self) -> None:
        """The collection is gone, and its log with it."""
        shutil.rmtree(self._folder, ignore_errors=True)
