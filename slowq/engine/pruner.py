"""Which segments a request need not look at, by their partition statistics."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from slowq.engine.scalar import Filter, Ranges, match_each
from slowq.engine.segment import Segment

_NUMBER = operator.attrgetter("id")
_MOST_COLLECTIONS = 1000


@dataclass(frozen=True, slots=True)
class _Read:
    """The statistics of the segments of one snapshot: by key the places of those that have some, and their ranges."""

    numbers: tuple[int, ...]  # not the segments, which may be released; what a number stands for never changes
    ranges: Mapping[str, tuple[np.ndarray, Ranges]]

    @classmethod
    def of(cls, segments: Sequence[Segment]) -> _Read:
        places: dict[str, list[int]] = {}
        for place, segment in enumerate(segments):
            for key in segment.ranges:
                places.setdefault(key, []).append(place)
        ranges = {key: Ranges.of([segments[place].ranges[key] for place in own]) for key, own in places.items()}
        return cls(tuple(map(_NUMBER, segments)), {key: (np.array(own), ranges[key]) for key, own in places.items()})


class Pruner:
    """Keeps what it read of a collection's segments for the next request, which mostly looks at the same ones."""

    def __init__(self) -> None:
        self._read: dict[int, _Read] = {}

    def prune(
        self,
        collection: int,
        segments: Sequence[Segment],
        filter: Filter | None,  # noqa: A002 - the word for it
    ) -> tuple[list[int], frozenset[int]]:
        """The places of the segments that can hold a row that passes, and of those in which all rows do."""
        if filter is None:
            return list(range(len(segments))), frozenset()
        read = self._read.get(collection)
        if read is None or read.numbers != tuple(map(_NUMBER, segments)):
            if len(self._read) >= _MOST_COLLECTIONS:
                self._read.clear()  # some may be gone
            read = self._read[collection] = _Read.of(segments)
        may, every = np.ones(len(segments), np.bool_), np.zeros(len(segments), np.bool_)
        for key in read.ranges.keys() & filter.fields:
            places, ranges = read.ranges[key]
            some, all_ = match_each(filter, key, ranges)
            may[places] &= some
            every[places] |= all_
        return np.flatnonzero(may).tolist(), frozenset(np.flatnonzero(every & may).tolist())
