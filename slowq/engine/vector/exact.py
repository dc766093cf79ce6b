"""Search without an index: every row that the mask lets through is compared with every query.

For growing segments, for sealed ones that have no index yet, and for the indexes' own fallbacks. Queries go to faiss a few at
a time, below the number from which it would multiply matrices: that way rounds differently, and a query's answer would depend
on what it is batched with. Milvus sets the same limit so high that it is never reached.
"""

from collections.abc import Iterator, Mapping

import faiss
import numpy as np

from slowq.engine.vector.binary import codes_of, nearest_chosen
from slowq.engine.vector.masks import Chosen, survivors
from slowq.engine.vector.ranges import nearest_in_range
from slowq.engine.vector.results import Hits, Mask, Work, better, merged
from slowq.engine.vector.sparse import Saturation, lengths, positive, scan, stacked, terms
from slowq.engine.vector.vectors import Floats, Vectors

QUERIES_AT_ONCE = 16
# Measured, up to these shares of the rows: reading the chosen ones by their number is faster than testing a bit for each; and
# copying them out once, if so many queries share the copy.
_BY_NUMBER_BELOW = 0.5
_COPY_BELOW, _COPY_QUERIES = 0.1, 4
_BLOCK_ROWS = 8192  # converted at a time, so that they stay in the processor's cache


def brute_force(
    metric: str,
    vectors: Vectors,
    queries: Vectors,
    k: int,
    mask: Mask | None = None,
    params: Mapping[str, object] | None = None,
) -> tuple[Hits, Work]:
    """The k nearest rows of each query, exactly. `params`: `mh_element_bit_width` of MHJACCARD (8), `bm25_k1`, `bm25_b`,
    `bm25_avgdl` of BM25 (1.2, 0.75, the mean of the rows)."""
    chosen = Chosen.of(mask, vectors.rows)
    count = survivors(chosen, vectors.rows)
    work = Work(distances=count * queries.rows, exact=True)
    if count == 0 or queries.rows == 0:
        return Hits.none(queries.rows, k, metric), work
    match vectors.kind:
        case "sparse":
            return _nearest_sparse(metric, vectors, queries, k, chosen, params or {})
        case "binary":
            bits = int(str((params or {}).get("mh_element_bit_width", 8)))
            hits = nearest_chosen(metric, codes_of(vectors), codes_of(queries), min(k, count), chosen, bits)
        case _:
            hits = _nearest_floats(metric, vectors, queries, min(k, count), chosen)
    return hits.padded(k, metric), work


def brute_force_range(
    metric: str,
    vectors: Vectors,
    queries: Vectors,
    radius: float,
    range_filter: float | None,
    k: int,
    mask: Mask | None = None,
    params: Mapping[str, object] | None = None,
) -> tuple[Hits, Work]:
    """The k nearest of the rows with range_filter <= distance < radius, or radius < similarity <= range_filter."""

    def search(part: Vectors, width: int) -> tuple[Hits, Work]:
        return brute_force(metric, vectors, part, width, mask, params)

    return nearest_in_range(search, metric, queries, radius, range_filter, k, vectors.rows)


def _nearest_sparse(
    metric: str, vectors: Vectors, queries: Vectors, k: int, chosen: Chosen | None, params: Mapping[str, object]
) -> tuple[Hits, Work]:
    known = {"bm25_k1": 1.2, "bm25_b": 0.75} | dict(params)
    saturation = Saturation.of(metric, lengths(vectors), known) if metric == "BM25" else None
    found, products = [], 0
    for query in terms(queries):
        scores, count = scan(vectors, query, saturation)
        found.append(positive(metric, scores, k, chosen))
        products += count
    return stacked(metric, found, k), Work(distances=products, exact=True)


def unit(rows: Floats) -> Floats:
    """A copy with rows of length 1; a row of zeros stays."""
    copy = np.array(rows, dtype=np.float32, order="C")
    faiss.normalize_L2(copy)
    return copy


def prepared(metric: str, rows: Floats) -> Floats:
    """COSINE is the inner product of rows of length 1."""
    return unit(rows) if metric == "COSINE" else np.ascontiguousarray(rows)


def _nearest_floats(metric: str, vectors: Vectors, queries: Vectors, k: int, chosen: Chosen | None) -> Hits:
    x = prepared(metric, queries.floats())
    if metric != "COSINE" and vectors.kind == "float":
        return nearest(metric, vectors.floats(), x, k, chosen)
    parts = []
    for start, rows in _blocks(vectors if chosen is None else vectors.take(chosen.offsets)):
        part = nearest(metric, prepared(metric, rows), x, min(k, len(rows)), None)
        parts.append(Hits(np.where(part.offsets < 0, -1, part.offsets + start), part.scores))
    hits = merged(metric, parts, k)
    return hits if chosen is None else _translated(hits, chosen)


def _blocks(vectors: Vectors) -> Iterator[tuple[int, Floats]]:
    for start in range(0, vectors.rows, _BLOCK_ROWS):
        yield start, vectors.floats(start, start + _BLOCK_ROWS)


def nearest(metric: str, rows: Floats, x: Floats, k: int, chosen: Chosen | None) -> Hits:
    """Of rows and queries that are `prepared`; k is at most the number of rows."""
    faiss.omp_set_num_threads(1)
    if chosen is not None and chosen.share <= _COPY_BELOW and len(x) >= _COPY_QUERIES:
        return _translated(nearest(metric, rows[chosen.offsets], x, min(k, chosen.count), None), chosen)
    scores = np.empty((len(x), k), dtype=np.float32)
    offsets = np.empty((len(x), k), dtype=np.int64)
    if chosen is not None and chosen.share <= _BY_NUMBER_BELOW:
        _scan_by_number(metric, rows, x, scores, offsets, chosen)
        return cleaned(metric, offsets, scores)
    for start in range(0, len(x), QUERIES_AT_ONCE):
        _scan(metric, rows, x[start : start + QUERIES_AT_ONCE], scores[start:], offsets[start:], chosen)
    return cleaned(metric, offsets, scores)


def _scan_by_number(metric: str, rows: Floats, x: Floats, scores: Floats, offsets: np.ndarray, chosen: Chosen) -> None:
    sizes = (rows.shape[1], len(x), len(rows), chosen.count, scores.shape[1])
    pointers = tuple(faiss.swig_ptr(array) for array in (x, rows, chosen.offsets))
    compare = faiss.knn_L2sqr_by_idx if better(metric) == "small" else faiss.knn_inner_products_by_idx
    same_for_all_queries = 0
    compare(*pointers, *sizes, faiss.swig_ptr(scores), faiss.swig_ptr(offsets), same_for_all_queries)


def _scan(metric: str, rows: Floats, x: Floats, scores: Floats, offsets: np.ndarray, chosen: Chosen | None) -> None:
    selector = None if chosen is None else chosen.selector
    sizes = (rows.shape[1], len(x), len(rows), scores.shape[1])
    pointers = tuple(faiss.swig_ptr(array) for array in (x, rows, scores, offsets))
    if better(metric) == "small":
        faiss.knn_L2sqr(pointers[0], pointers[1], *sizes, pointers[2], pointers[3], None, selector)
    else:
        faiss.knn_inner_product(pointers[0], pointers[1], *sizes, pointers[2], pointers[3], selector)


def cleaned(metric: str, offsets: np.ndarray, scores: Floats) -> Hits:
    """faiss marks no hit with the largest float; here it is infinity."""
    none = Hits.none(1, 1, metric).scores[0, 0]
    return Hits(offsets, np.where(offsets < 0, none, scores))


def _translated(hits: Hits, chosen: Chosen) -> Hits:
    return Hits(np.where(hits.offsets < 0, -1, chosen.offsets[hits.offsets]), hits.scores)
