"""Search without an index, beside the formulas written out."""

from collections.abc import Callable

import numpy as np
import pytest

from slowq.engine.vector import Vectors, better, brute_force, brute_force_range
from tests.engine.vector.rows import bits, floats, random_mask, signatures, sparse


def l2(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    return ((rows - query) ** 2).sum(axis=1)


def ip(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    return rows @ query


def cosine(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    return rows @ query / (np.linalg.norm(rows, axis=1) * np.linalg.norm(query))


def hamming(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    return np.unpackbits(rows ^ query, axis=1).sum(axis=1)


def jaccard(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    return 1 - np.unpackbits(rows & query, axis=1).sum(axis=1) / np.unpackbits(rows | query, axis=1).sum(axis=1)


def mhjaccard(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    return (rows.view(np.uint32) == query.view(np.uint32)).mean(axis=1)


def dense_rows(vectors: Vectors) -> np.ndarray:
    indptr, indices, values = vectors.postings()
    rows = np.zeros((vectors.rows, 400))
    for row in range(vectors.rows):
        part = slice(indptr[row], indptr[row + 1])
        rows[row, indices[part]] = values[part]
    return rows


def bm25(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    lengths = rows.sum(axis=1)
    norm = 1.2 * (1 - 0.75 + 0.75 * lengths / lengths.mean())
    return (query * rows * 2.2 / (rows + norm[:, None])).sum(axis=1)


FORMULAS: list[tuple[str, Callable[[], Vectors], Callable[[np.ndarray, np.ndarray], np.ndarray]]] = [
    ("L2", floats, l2),
    ("IP", floats, ip),
    ("COSINE", floats, cosine),
    ("HAMMING", bits, hamming),
    ("JACCARD", bits, jaccard),
    ("MHJACCARD", signatures, mhjaccard),
    ("IP", sparse, ip),
    ("BM25", sparse, bm25),
]
IDS = [f"{metric}-{vectors.__name__}" for metric, vectors, _ in FORMULAS]


@pytest.mark.parametrize(("metric", "made", "formula"), FORMULAS, ids=IDS)
@pytest.mark.parametrize("share", [None, 0.8, 0.3, 0.02])
def test_scores_are_those_of_the_formula_best_first(metric, made, formula, share) -> None:  # type: ignore[no-untyped-def]
    vectors = made()
    rows = dense_rows(vectors) if vectors.kind == "sparse" else np.asarray(vectors.data)
    mask = None if share is None else random_mask(share)
    hits, work = brute_force(metric, vectors, vectors.take([0, 7]), 10, mask, {"mh_element_bit_width": 32})
    for query, scores, offsets in zip((0, 7), hits.scores, hits.offsets, strict=True):
        all_scores = formula(rows, rows[query]).astype(np.float64)
        allowed = all_scores if mask is None else all_scores[mask]
        expected = np.sort(-allowed)[:10] if better(metric) == "large" else np.sort(allowed)[:10]
        assert np.allclose(scores, -expected if better(metric) == "large" else expected, rtol=1e-4, atol=1e-4)
        assert np.allclose(scores, all_scores[offsets], rtol=1e-4, atol=1e-4)
        assert mask is None or mask[offsets].all()
    assert work.exact


@pytest.mark.parametrize("metric", ["L2", "IP"])
@pytest.mark.parametrize("share", [0.8, 0.4, 0.05])
def test_a_query_has_the_same_answer_alone_and_among_many_whatever_share_of_the_rows_passes(
    metric: str, share: float
) -> None:
    """Rows are picked by their number, copied out or tested one by one, as is faster."""
    mask, queries = random_mask(share), floats().take(range(20))
    together, _ = brute_force(metric, floats(), queries, 10, mask)
    for place in range(20):
        alone, _ = brute_force(metric, floats(), queries.take([place]), 10, mask)
        assert alone.offsets[0].tolist() == together.offsets[place].tolist()
        assert alone.scores[0].tolist() == together.scores[place].tolist()


def test_fewer_rows_than_k_leave_the_rest_empty() -> None:
    hits, _ = brute_force("L2", floats().take([4, 5]), floats().take([4]), 4)
    assert hits.offsets.tolist()[0][0] == 0
    assert sorted(hits.offsets[0].tolist()) == [-1, -1, 0, 1]
    assert hits.scores[0, 2:].tolist() == [np.inf, np.inf]


def test_no_rows_no_queries_and_a_mask_of_nothing_find_nothing() -> None:
    nothing = np.zeros(floats().rows, dtype=bool)
    for vectors, queries, mask in (
        (floats().take([]), floats().take([0]), None),
        (floats(), floats().take([0]), nothing),
    ):
        hits, work = brute_force("IP", vectors, queries, 3, mask)
        assert hits.offsets.tolist() == [[-1, -1, -1]]
        assert hits.scores.tolist() == [[-np.inf, -np.inf, -np.inf]]
        assert work.distances == 0
    assert brute_force("IP", floats(), floats().take([]), 3)[0].offsets.shape == (0, 3)


def test_work_is_a_distance_for_each_allowed_row_and_query() -> None:
    queries = floats().take(range(3))
    assert brute_force("L2", floats(), queries, 10)[1].distances == 3 * floats().rows
    assert brute_force("L2", floats(), queries, 10, random_mask(0.1))[1].distances == 3 * 300


def test_a_mask_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="the mask is bool"):
        brute_force("L2", floats(), floats().take([0]), 1, random_mask(0.5, 10))


@pytest.mark.parametrize(("metric", "made", "formula"), FORMULAS, ids=IDS)
def test_a_range_has_its_near_end_and_not_its_far_one(metric, made, formula) -> None:  # type: ignore[no-untyped-def]
    vectors = made()
    params = {"mh_element_bit_width": 32}
    nearest, _ = brute_force(metric, vectors, vectors.take([0]), 300, None, params)
    scores = nearest.scores[0]
    near, far = scores[20], scores[200]
    hits, _ = brute_force_range(metric, vectors, vectors.take([0]), float(far), float(near), 1000, None, params)
    inside = (scores <= near) & (scores > far) if better(metric) == "large" else (scores >= near) & (scores < far)
    assert set(hits.offsets[0][hits.offsets[0] >= 0].tolist()) == set(nearest.offsets[0][inside].tolist())
