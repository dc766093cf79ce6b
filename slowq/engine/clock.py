"""Time as Milvus tells it: hybrid timestamps, milliseconds since 1970 in the upper 46 bits and a counter in the lower 18."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LOGICAL_BITS = 18

EVENTUALLY = 1  # the guarantee timestamp that waits for nothing


def hybrid(seconds: float) -> int:
    """The first timestamp of that moment."""
    return int(seconds * 1000) << LOGICAL_BITS


def physical_s(timestamp: int) -> float:
    return (timestamp >> LOGICAL_BITS) / 1000


class Oracle:
    """Hands out timestamps that always grow, also when the clock steps back."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, hybrid(self._now_s()))
            return self._last

    def pass_by(self, timestamp: int) -> None:
        """From now on timestamps are above that one, which an earlier process handed out."""
        with self._lock:
            self._last = max(self._last, timestamp)

    def now_s(self) -> float:
        return self._now_s()
