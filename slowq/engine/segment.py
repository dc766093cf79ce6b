"""A segment: rows that never change, the deletes that were applied to them, and the indexes that were built of them.

Growing data is made of segments too: each batch of writes is a small one, and neighbours are merged by doubling, so that
there are never more than a few (`grown`). One that is large enough for an interim index is closed to others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slowq.engine.rows import Rows, concat
from slowq.engine.scalar import ScalarIndex
from slowq.engine.vector import VectorIndex

Keys = NDArray[np.generic]
Bools = NDArray[np.bool_]


class Deleted:
    """Which rows are deleted. A delete makes a new `mask`, so that whoever took one keeps what it saw."""

    def __init__(self, rows: int, mask: Bools | None = None, count: int = 0) -> None:
        self.mask = mask  # True: deleted
        self.count = count
        self._rows = rows
        self._lock = threading.Lock()

    def add(self, offsets: NDArray[np.int64]) -> int:
        with self._lock:
            mask = np.zeros(self._rows, np.bool_) if self.mask is None else self.mask.copy()
            mask[offsets] = True
            found = int(np.count_nonzero(mask))
            new, self.mask, self.count = found - self.count, mask, found
            return new


class KeyLookup:
    """Primary key → offsets in a segment; sorted once."""

    def __init__(self, keys: Keys) -> None:
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def find(self, wanted: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Offsets of the rows with a wanted key, and for each the place of its key in `wanted`."""
        if not len(self._sorted) or not len(wanted):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        first = np.searchsorted(self._sorted, wanted, "left")
        counts = np.searchsorted(self._sorted, wanted, "right") - first
        places = np.repeat(np.arange(len(wanted)), counts)
        within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._order[np.repeat(first, counts) + within], places


@dataclass(frozen=True, slots=True)
class Interim:
    """An index of growing rows, and the parameters with which it is searched; None are those of the request."""

    index: VectorIndex
    params: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Segment:
    """`key` names the primary key; `ranges` has the least and the greatest value of fields by which it can be pruned."""

    id: int
    partition: str
    shard: int
    state: Literal["growing", "sealed"]
    key: str
    rows: Rows
    lookup: KeyLookup
    deleted: Deleted
    vector_indexes: Mapping[str, VectorIndex] = field(default_factory=dict)  # by field
    scalar_indexes: Mapping[str, ScalarIndex] = field(default_factory=dict)  # by field or JSON path
    ranges: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    level: str = "L1"
    interim: Mapping[str, Interim] = field(default_factory=dict)  # by field, while it is growing

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def alive(self) -> Bools | None:
        """The rows that are not deleted; None where that is all of them."""
        mask = self.deleted.mask
        return None if mask is None else ~mask

    @property
    def indexed(self) -> bool:
        return bool(self.vector_indexes)

    @property
    def nbytes(self) -> int:
        vector = sum(one.size_bytes for one in self.vector_indexes.values())
        vector += sum(one.index.size_bytes for one in self.interim.values())
        return self.rows.nbytes + vector + sum(one.size_bytes for one in self.scalar_indexes.values())

    def delete(self, keys: Keys, timestamps: NDArray[np.uint64]) -> int:
        """Marks the rows with these keys that were written before; says how many were alive."""
        offsets, places = self.lookup.find(keys)
        if not len(offsets):
            return 0
        older = self.rows.timestamps[offsets] < timestamps[places]
        return self.deleted.add(offsets[older]) if older.any() else 0

    def with_indexes_of(self, other: Segment) -> Segment:
        """The same rows and the same deletes, with the indexes of both."""
        return replace(
            self,
            vector_indexes={**self.vector_indexes, **other.vector_indexes},
            scalar_indexes={**self.scalar_indexes, **other.scalar_indexes},
            interim={**self.interim, **other.interim},
        )

    def with_vector_index(self, field: str, index: VectorIndex) -> Segment:
        return replace(self, vector_indexes={**self.vector_indexes, field: index})

    def with_scalar_index(self, key: str, index: ScalarIndex) -> Segment:
        return replace(self, scalar_indexes={**self.scalar_indexes, key: index})

    def with_interim(self, field: str, index: Interim) -> Segment:
        return replace(self, interim={**self.interim, field: index})

    def without_interim(self) -> Segment:
        return replace(self, interim={}) if self.interim else self

    def without_index(self, key: str) -> Segment:
        return replace(
            self,
            vector_indexes={name: one for name, one in self.vector_indexes.items() if name != key},
            scalar_indexes={name: one for name, one in self.scalar_indexes.items() if name != key},
            interim={name: one for name, one in self.interim.items() if name != key},
        )

    def frozen(self) -> Segment:
        """The segment as it is now: later deletes do not reach it."""
        return replace(self, deleted=Deleted(len(self), self.deleted.mask, self.deleted.count))

    def survivors(self) -> Rows:
        alive = self.alive
        return self.rows if alive is None else self.rows.take(np.flatnonzero(alive))


def growing(number: int, partition: str, shard: int, key: str, rows: Rows) -> Segment:
    return Segment(number, partition, shard, "growing", key, rows, KeyLookup(rows.keys), Deleted(len(rows)))


def grown(
    segments: tuple[Segment, ...], new: Segment, closed: Callable[[Rows], bool] = lambda rows: False
) -> tuple[Segment, ...]:
    """The growing segments with `new` among them: the last ones of its partition are merged while they are no larger, and
    not `closed`.

    Every row is copied at most log2(rows) times; deleted rows fall away.
    """
    others = [one for one in segments if one.partition != new.partition]
    own = [one for one in segments if one.partition == new.partition]
    while own and len(own[-1]) <= len(new) and not closed(own[-1].rows):
        new = _merged(own.pop(), new)
    return (*others, *own, new)


def _merged(first: Segment, second: Segment) -> Segment:
    rows = concat([first.survivors(), second.survivors()])
    return growing(second.id, second.partition, second.shard, second.key, rows)


def row_count(segments: Iterable[Segment]) -> int:
    return sum(len(one) - one.deleted.count for one in segments)
