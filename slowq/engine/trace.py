"""What one request cost: work that was counted, and seconds by phase.

The phases are a chain without gaps on the path of the request, so their sum is its duration: what ran side by side on
several query nodes counts with the node that was waited for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PHASES = (
    "proxy_queue",
    "parse",
    "wait_tsafe",
    "queue",
    "scalar_filter",
    "vector_search",
    "segment",  # what a segment costs beside filter and vectors: snapshots, masks of deleted rows
    "reduce",
    "proxy_reduce",
    "output_fields",
    "other",
)
COUNTS = (
    "segments",
    "segments_growing",
    "segments_interim",  # of the growing ones those that were searched by their interim index
    "segments_pruned",
    "rows_filtered",
    "rows_passed",
    "distances",
    "bytes_read",
    "merged_tasks",
)


@dataclass(slots=True)
class Trace:
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began

    def count(self, name: str, much: int) -> None:
        self.counts[name] += much

    def include(self, other: Trace) -> None:
        """Adds what another trace timed and counted."""
        for name, spent in other.seconds.items():
            self.seconds[name] += spent
        self.include_counts(other)

    def include_counts(self, other: Trace) -> None:
        """Adds only the work: it was done beside what this trace timed."""
        for name, much in other.counts.items():
            self.counts[name] += much

    def close(self, took_s: float) -> None:
        """What no phase claimed is `other`."""
        self.seconds["other"] = 0.0
        self.seconds["other"] = max(0.0, took_s - sum(self.seconds.values()))

    def to_json(self) -> str:
        seconds = {name: round(spent, 6) for name, spent in self.seconds.items() if spent}
        counts = {name: much for name, much in self.counts.items() if much}
        return json.dumps({"seconds": seconds, "counts": counts}, separators=(",", ":"))
