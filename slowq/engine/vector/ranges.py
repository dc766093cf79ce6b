"""Range search on top of nearest-neighbour search: ask for more and more neighbours until the range is covered.

Knowhere's DISKANN does the same. It makes one algorithm out of all index kinds, and its answer is exact where the search is:
a search that asks for all rows is. faiss' own range search of a graph finds a quarter of the rows in range.
"""

from collections.abc import Callable

import numpy as np

from slowq.engine.vector.results import Hits, Work, better
from slowq.engine.vector.vectors import Vectors

Search = Callable[[Vectors, int], tuple[Hits, Work]]
_FIRST = 64
_FACTOR = 4


def nearest_in_range(
    search: Search, metric: str, queries: Vectors, radius: float, range_filter: float | None, k: int, rows: int
) -> tuple[Hits, Work]:
    """The k nearest of each query with range_filter <= distance < radius, or radius < similarity <= range_filter."""
    found = Hits.none(queries.rows, k, metric)
    work = Work(exact=True)
    open_ = np.arange(queries.rows)
    width = min(max(k, _FIRST), rows)
    while len(open_) and rows:
        hits, cost = search(queries.take(open_), width)
        work += cost
        inside, beyond = _judged(hits, metric, radius, range_filter)
        _keep(found, open_, hits, inside, metric)
        covered = (inside.sum(axis=1) >= k) | beyond.any(axis=1) | (width >= rows)
        open_ = open_[~covered]
        width = min(width * _FACTOR, rows)
    return found, work


def _judged(hits: Hits, metric: str, radius: float, range_filter: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Per hit: it lies in the range; it lies beyond the radius, as all after it do (so does a missing hit: there are no
    more)."""
    if better(metric) == "small":
        beyond = hits.scores >= radius
        near = np.full_like(beyond, False) if range_filter is None else hits.scores < range_filter
    else:
        beyond = hits.scores <= radius
        near = np.full_like(beyond, False) if range_filter is None else hits.scores > range_filter
    none = hits.offsets < 0
    return ~beyond & ~near & ~none, beyond | none


def _keep(found: Hits, queries: np.ndarray, hits: Hits, inside: np.ndarray, metric: str) -> None:
    for row, query in enumerate(queries):
        places = np.flatnonzero(inside[row])[: found.offsets.shape[1]]
        found.offsets[query, : len(places)] = hits.offsets[row, places]
        found.scores[query, : len(places)] = hits.scores[row, places]
