"""The metrics of Milvus by version, and the quantity that each of them measures.

A quantity is what the rest of slowq speaks of; its sources are tried in order, and the first that has a series is used.
Names, labels, units and versions are those of `pkg/metrics` (2.2: `internal/metrics`) and of the C++ core's `monitor`,
read in the source of each version from 2.2.0 to the 3.0 branch. Some HELP texts are wrong: `internal_core_search_latency`
says us and holds milliseconds. What is not asked for, and why, stands in `left_out`.
"""

from __future__ import annotations

from slowq.metrics.catalogue.background import BACKGROUND
from slowq.metrics.catalogue.host import HOST
from slowq.metrics.catalogue.left_out import LEFT_OUT
from slowq.metrics.catalogue.proxy import PROXY
from slowq.metrics.catalogue.quantity import Quantity, Source
from slowq.metrics.catalogue.search import SEARCH
from slowq.metrics.catalogue.segments import SEGMENTS
from slowq.metrics.catalogue.stream import STREAM

__all__ = ["BUILD_INFO", "LEFT_OUT", "QUANTITIES", "SERIES", "Quantity", "Source"]

QUANTITIES: tuple[Quantity, ...] = (*PROXY, *SEARCH, *SEGMENTS, *BACKGROUND, *STREAM, *HOST)

BUILD_INFO = "milvus_build_info"  # 2.3.8 and later: value 1, the version is a label
_SUFFIXES = ("_sum", "_count", "_bucket")
SERIES = frozenset(
    {BUILD_INFO}
    | {
        one.metric + suffix
        for quantity in QUANTITIES
        for one in quantity.sources
        for suffix in (_SUFFIXES if quantity.kind == "histogram" else ("",))
    }
)
