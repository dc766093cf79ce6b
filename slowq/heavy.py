"""Which requests are costly by themselves: what their own text says, before anything else is asked.

Rules that blame a crowd or a neighbour (high_concurrency, index_build, …) look here first, so that a queue is not called
a cause where the requests in it are each a day's work.
"""

from __future__ import annotations

import numpy as np

from slowq.filters import Features
from slowq.signals import Signals
from slowq.workload import Mask, Workload

# The numbers of the rules search_params, large_result and large_nq; theirs say where they come from.
_HIGH_EF, _HIGH_NPROBE, _EF_PER_TOP_K, _LARGE_TOP_K, LARGE_NQ = 512, 128, 10, 1_000, 100
_MOST_VECTORS = 0.5
_LONG_OR, _LONG_IN = 10, 1_000
_LARGE_ANSWER_BYTES, _GROWN = 100_000, 3.0
# And of the rule too_many_collections.
_MANY_SEGMENTS, _ROWS_WITHOUT_INDEX = 64, 1_024

# Metrics that only binary vectors have (Knowhere; the last three up to 2.2, MHJACCARD from 2.6).
BINARY_METRICS = ("HAMMING", "JACCARD", "MHJACCARD", "TANIMOTO", "SUPERSTRUCTURE", "SUBSTRUCTURE")


def uses_json(features: Features) -> bool:
    return bool(features.json_paths or features.json_functions)


def uses_pattern(features: Features) -> bool:
    return bool(features.like_prefix or features.like_infix or features.like_suffix or features.text_functions)


def costly_filter(features: Features) -> bool:
    """JSON paths, patterns, long chains and lists: what is evaluated row by row at more than a comparison's price."""
    return (
        uses_json(features)
        or uses_pattern(features)
        or features.longest_or_chain >= _LONG_OR
        or features.longest_in_list >= _LONG_IN
    )


def thorough(work: Workload) -> Mask:
    """Requests whose search params ask for far more than their top-k needs."""
    ef, top_k, nprobe = work.param("ef"), work.number("top_k"), work.param("nprobe")
    at_least = np.where(np.isnan(top_k), 1.0, top_k)
    too_much_ef = (ef >= _HIGH_EF) & (ef >= _EF_PER_TOP_K * at_least)
    return np.asarray(too_much_ef | (nprobe >= _HIGH_NPROBE))


def heavy_requests(work: Workload) -> Mask:
    """Requests that are costly by themselves: by filter, search params, top-k, nq, fan-out or metric."""
    if not work.count:
        return np.zeros(0, dtype=bool)
    return np.asarray(
        work.of_filter(costly_filter)
        | thorough(work)
        | (work.number("top_k") >= _LARGE_TOP_K)
        | (work.nq >= LARGE_NQ)
        | work.is_any("kind", ["hybrid_search"])
        | work.has_param("group_by_field")
        | work.has_param("radius")
        | is_paged(work)
    )


def is_paged(work: Workload) -> Mask:
    """Calls of an iterator, of either version."""
    return np.asarray(work.has_param("iterator") | work.has_param("search_iter_v2"))


def large_answers(measured: Signals, at_least: float = _LARGE_ANSWER_BYTES, grown: float = _GROWN) -> bool:
    """Whether the mean answer is large, and was not so before. The log shows neither its size nor the limit of a query."""
    now, before = measured.answer_bytes, measured.answer_bytes_before
    return bool(now >= at_least and not now < grown * before)


def large_batches(measured: Signals, at_least: int = LARGE_NQ, most: float = _MOST_VECTORS) -> bool:
    """Whether searches carry many query vectors: on average, or most of the vectors come in large requests."""
    return bool(measured.mean("nq") >= at_least or measured.in_large_share("nq", at_least) >= most)


def many_tiny_segments(measured: Signals, many: float = _MANY_SEGMENTS, rows: float = _ROWS_WITHOUT_INDEX) -> bool:
    """Whether each search visits many segments that hold too few rows for an index."""
    return bool(measured.segments_a_search >= many and measured.rows_a_segment < rows)
