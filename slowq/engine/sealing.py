"""When growing segments are sealed. Pure.

The rules are those that Milvus' data coordinator has for one segment (`segment_allocation_policy.go`), with its keys. What
is one growing segment there, the growing rows of a partition of a shard, are several pieces here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from slowq.engine.clock import physical_s
from slowq.engine.compaction import MEBIBYTE, seal_bytes
from slowq.engine.config import Config
from slowq.engine.segment import Segment


def due(growing: Sequence[Segment], config: Config, now_s: float) -> bool:
    """Whether the growing rows of any partition are enough, are older than `maxLife`, or had no company for `maxIdleTime`
    and are no trifle. `now_s` is in seconds since 1970, as the timestamps of the rows are."""
    written = sorted((one for one in growing if len(one)), key=_partition)
    return any(_ripe(list(pieces), config, now_s) for _, pieces in groupby(written, key=_partition))


def _ripe(pieces: Sequence[Segment], config: Config, now_s: float) -> bool:
    size = sum(one.rows.nbytes for one in pieces)
    age_s = now_s - physical_s(min(int(one.rows.timestamps[0]) for one in pieces))
    idle_s = now_s - physical_s(max(int(one.rows.timestamps[-1]) for one in pieces))
    trifle = config.number("dataCoord.segment.minSizeFromIdleToSealed") * MEBIBYTE
    return (
        size >= seal_bytes(config)
        or age_s >= config.number("dataCoord.segment.maxLife")
        or (idle_s > config.number("dataCoord.segment.maxIdleTime") and size > trifle)
    )


def _partition(segment: Segment) -> str:
    return segment.partition
