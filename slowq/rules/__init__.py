"""The rules: one file a sub-cause, named like it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from slowq.errors import UsageError
from slowq.rule import Rule
from slowq.rules.binary_vector_index import BinaryVectorIndex
from slowq.rules.brute_force import BruteForce
from slowq.rules.client_or_network import ClientOrNetwork
from slowq.rules.clock_skew import ClockSkew
from slowq.rules.cold_cache import ColdCache
from slowq.rules.compaction import Compaction
from slowq.rules.complex_expression import ComplexExpression
from slowq.rules.consistency_wait import ConsistencyWait
from slowq.rules.cpu_saturation import CpuSaturation
from slowq.rules.disk_bound_index import DiskBoundIndex
from slowq.rules.disk_saturation import DiskSaturation
from slowq.rules.growing_segments import GrowingSegments
from slowq.rules.heavy_delete import HeavyDelete
from slowq.rules.high_concurrency import HighConcurrency
from slowq.rules.index_build import IndexBuild
from slowq.rules.json_filter import JsonFilter
from slowq.rules.large_nq import LargeNq
from slowq.rules.large_result import LargeResult
from slowq.rules.memory_pressure import MemoryPressure
from slowq.rules.pattern_filter import PatternFilter
from slowq.rules.search_fanout import SearchFanout
from slowq.rules.search_params import SearchParams
from slowq.rules.segment_load import SegmentLoad
from slowq.rules.storage_stall import StorageStall
from slowq.rules.timetick_stall import TimetickStall
from slowq.rules.too_many_collections import TooManyCollections
from slowq.rules.unindexed_scalar_filter import UnindexedScalarFilter
from slowq.rules.version_regression import VersionRegression

# In the order of the contract, which is that of `findings.CAUSES`.
ALL: tuple[Rule, ...] = (
    LargeNq(),
    HighConcurrency(),
    LargeResult(),
    SearchFanout(),
    ComplexExpression(),
    UnindexedScalarFilter(),
    JsonFilter(),
    PatternFilter(),
    ConsistencyWait(),
    BruteForce(),
    SearchParams(),
    DiskBoundIndex(),
    ColdCache(),
    BinaryVectorIndex(),
    GrowingSegments(),
    HeavyDelete(),
    Compaction(),
    IndexBuild(),
    SegmentLoad(),
    CpuSaturation(),
    DiskSaturation(),
    MemoryPressure(),
    TooManyCollections(),
    VersionRegression(),
    TimetickStall(),
    ClockSkew(),
    StorageStall(),
    ClientOrNetwork(),
)


def by_id(name: str, catalogue: Sequence[Rule] = ALL) -> Rule:
    """The rule of that name; UsageError, with the names that come close, where there is none."""
    for rule in catalogue:
        if rule.about.id == name:
            return rule
    known = [rule.about.id for rule in catalogue]
    close = difflib.get_close_matches(name.strip().lower().replace("-", "_").replace(" ", "_"), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"the rules are {', '.join(known)}"
    raise UsageError(f"no rule {name!r}", hint=hint)
