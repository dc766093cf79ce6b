"""Which segments to merge, as plans. Pure: what stands in the meta store goes in, plans come out.

The rules are those of Milvus' data coordinator (`compaction_trigger.go`, `compaction_policy_clustering.go`), with its keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from slowq.engine.config import Config
from slowq.engine.meta import StoredSegment
from slowq.engine.schema import Collection

MIX = "MixCompaction"
LEVEL_ZERO = "Level0DeleteCompaction"
CLUSTERING = "ClusteringCompaction"

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Compaction:
    """`inputs` give way to what is made of them. All are of one shard and one partition."""

    kind: str
    shard: int
    inputs: tuple[StoredSegment, ...]

    @property
    def partition(self) -> str:
        return self.inputs[0].partition


def max_bytes(config: Config) -> int:
    return int(config.number("dataCoord.segment.maxSize") * MEBIBYTE)


def seal_bytes(config: Config) -> int:
    """A growing segment of that size is sealed."""
    return int(max_bytes(config) * config.number("dataCoord.segment.sealProportion"))


def mix_plans(segments: Sequence[StoredSegment], config: Config, *, forced: bool = False) -> list[Compaction]:
    """Small segments are merged up to the full size, `max.segment` at most at a time; those with many deleted rows are written
    anew, with others as far as they have room.

    A merge takes `min.segment` segments, or gives one of `compactableProportion` of the full size; asked by hand (`forced`)
    it need not.
    """
    plans = []
    whole, most = max_bytes(config), int(config.number("dataCoord.compaction.max.segment"))
    room = int(whole * config.number("dataCoord.segment.expansionRate"))
    least, enough = config.number("dataCoord.compaction.min.segment"), config.number(_COMPACTABLE)
    for (shard, _), group in groupby(sorted(segments, key=_place), key=_place):
        members = [one for one in group if one.level == "L1"]
        ripe = {one.id: one for one in members if _mostly_deleted(one, config)}
        small = [one for one in members if one.id not in ripe and _size(one) < whole * config.number(_SMALL)]
        for bin_ in _bins([*ripe.values()], small, room, most):
            total = sum(_size(one) for one in bin_)
            worth_it = len(bin_) > 1 and (forced or len(bin_) >= least or total >= whole * enough)
            if worth_it or any(one.id in ripe for one in bin_):
                plans.append(Compaction(MIX, shard, tuple(bin_)))
    return plans


_COMPACTABLE = "dataCoord.segment.compactableProportion"
_SMALL = "dataCoord.segment.smallProportion"


def _place(segment: StoredSegment) -> tuple[int, str]:
    return segment.shard, segment.partition


def _size(segment: StoredSegment) -> int:
    return segment.nbytes


def _mostly_deleted(segment: StoredSegment, config: Config) -> bool:
    return segment.deleted > segment.rows * config.number("dataCoord.compaction.single.ratio.threshold")


def _bins(
    first: Sequence[StoredSegment], others: Sequence[StoredSegment], room: int, most: int
) -> list[list[StoredSegment]]:
    """First fit, largest first; those that must be in a bin before those that fill it."""
    bins: list[tuple[int, list[StoredSegment]]] = []
    for one in (*sorted(first, key=_largest_first), *sorted(others, key=_largest_first)):
        for place, (filled, members) in enumerate(bins):
            if filled + one.nbytes <= room and len(members) < most:
                bins[place] = (filled + one.nbytes, [*members, one])
                break
        else:
            bins.append((one.nbytes, [one]))
    return [members for _, members in bins]


def _largest_first(segment: StoredSegment) -> tuple[int, int]:
    return -segment.nbytes, segment.id


def clustering_field(collection: Collection, config: Config) -> str | None:
    """The field by which clustering compaction sorts, and segments are pruned."""
    key = collection.clustering_key
    if key is None and config.flag("common.usePartitionKeyAsClusteringKey"):
        key = collection.partition_key
    return None if key is None else key.name


def clustering_plans(segments: Sequence[StoredSegment], config: Config, *, forced: bool = False) -> list[Compaction]:
    """All segments of a partition, where those that are not clustered yet are worth it."""
    if not config.flag("dataCoord.compaction.clustering.enable"):
        return []
    plans = []
    enough = config.size_bytes("dataCoord.compaction.clustering.newDataSizeThreshold")
    for (shard, _), group in groupby(sorted(segments, key=_place), key=_place):
        members = tuple(group)
        fresh = sum(_size(one) for one in members if one.level != "L2")
        if members and (forced or fresh >= enough):
            plans.append(Compaction(CLUSTERING, shard, members))
    return plans


def cut_by_key(column: pa.Array, row_bytes: float, config: Config) -> list[NDArray[np.int64]]:
    """Offsets of the rows of each new segment: in the order of the key, rows of one key never apart.

    A segment gets `preferSegmentSizeRatio` of the full size. NULL comes first, as the least of all.
    """
    order = np.roll(pc.sort_indices(column).to_numpy().astype(np.int64), column.null_count)  # NULL stands last there
    wanted = max_bytes(config) * config.number("dataCoord.compaction.clustering.preferSegmentSizeRatio")
    rows = max(1, int(wanted / max(row_bytes, 1)))
    codes = pc.rank(column, sort_keys="ascending", tiebreaker="min").to_numpy()[order]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]]) if len(codes) else np.empty(0, np.int64)
    cuts, begin = [], 0
    while begin < len(order):
        after = starts[np.searchsorted(starts, begin + rows, "right") - 1] if len(starts) else begin + rows
        if after <= begin:  # one key has more rows than a segment wants
            later = starts[starts > begin]
            after = int(later[0]) if len(later) else len(order)
        end = len(order) if begin + rows >= len(order) else int(after)
        cuts.append(order[begin:end])
        begin = end
    return cuts
