"""What is stored and cannot be read: searches that need it are told, the others are served."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from slowq.engine.clock import Oracle
from slowq.engine.events import Events
from slowq.engine.meta import Meta, StoredSegment
from slowq.engine.schema import Collection


@dataclass(frozen=True, slots=True)
class Loss:
    """What a collection lacks: one segment, or deletes of any (None)."""

    segment: StoredSegment | None
    why: str


class Losses:
    """By collection. Whoever changes them holds the lock, for a moment; a reader takes the tuple that is there."""

    def __init__(self, meta: Meta, oracle: Oracle, events: Events) -> None:
        self._meta, self._oracle, self._events = meta, oracle, events
        self._lock = threading.Lock()
        self._known: dict[int, tuple[Loss, ...]] = {}

    def add(self, collection: Collection, segment: StoredSegment | None, why: str) -> None:
        """Found now, and said: in the log, and among the warnings of the engine."""
        with self._lock:
            self._known[collection.id] = (*self._known.get(collection.id, ()), Loss(segment, why))
        self._meta.note(self._oracle.now_s(), why)
        self._events.cannot_load(collection, 0 if segment is None else segment.id, why)

    def of(self, number: int) -> Sequence[Loss]:
        return self._known.get(number, ())

    def forget_segments(self, number: int) -> None:
        """A load tries them again. Delete files are read at a start alone."""
        with self._lock:
            self._known[number] = tuple(one for one in self._known.get(number, ()) if one.segment is None)

    def forget(self, number: int) -> None:
        with self._lock:
            self._known.pop(number, None)
