"""Range search through an index, beside a comparison with every row."""

import numpy as np
import pytest

from slowq.engine.vector import brute_force, brute_force_range
from tests.engine.vector.rows import CASES, Case, queries_of, random_mask, recall, vectors_of

# BIN_FLAT and MinHash have many rows at one distance; which of them are among the first k is nobody's promise
RANGED = [case for case in CASES if case.floor >= 0.9 and case.kind not in ("BIN_FLAT", "BIN_IVF_FLAT", "MINHASH_LSH")]

# What compares codes moves rows over the edge of a ring.
CODED = ("IVF_SQ8", "HNSW_SQ", "IVF_PQ", "SCANN")


@pytest.mark.parametrize("share", [None, 0.3])
@pytest.mark.parametrize("case", RANGED, ids=str)
def test_a_ring_is_found_though_nearer_rows_are_more_than_k(case: Case, share: float | None) -> None:
    queries, mask = queries_of(case, 5), None if share is None else random_mask(share)
    large = case.metric in ("IP", "COSINE", "BM25")
    recalls = []
    for number in range(queries.rows):
        query = queries.take([number])
        scores = brute_force(case.metric, vectors_of(case), query, 60, mask)[0].scores[0]
        near, far = float(scores[30]), float(scores[55])
        hits, _ = case.made().range_search(query, far, near, 10, case.search, mask)
        truth, _ = brute_force_range(case.metric, vectors_of(case), query, far, near, 10, mask)
        found = hits.scores[hits.offsets >= 0]
        assert ((found > far) & (found <= near) if large else (found >= near) & (found < far)).all()
        recalls.append(recall(hits, truth))
    assert np.mean(recalls) >= (0.6 if case.kind in CODED else 0.8)


def test_each_query_of_a_batch_has_its_own_range_and_padding() -> None:
    case = RANGED[0]
    queries = queries_of(case, 4)
    nearest = brute_force(case.metric, vectors_of(case), queries, 3)[0]
    radius = float(np.sort(nearest.scores[:, 2])[1])
    hits, work = case.made().range_search(queries, radius, None, 5, case.search)
    for query in range(4):
        alone, _ = case.made().range_search(queries.take([query]), radius, None, 5, case.search)
        assert alone.offsets.tolist() == hits.offsets[query : query + 1].tolist()
    assert (hits.scores[hits.offsets >= 0] < radius).all()
    assert work.exact


def test_a_radius_that_excludes_everything_finds_nothing() -> None:
    case = RANGED[0]
    hits, _ = case.made().range_search(queries_of(case, 2), 0.0, None, 5, case.search)
    assert (hits.offsets == -1).all()


def test_a_graph_widens_its_walk_until_the_range_is_covered() -> None:
    case = next(case for case in RANGED if case.kind == "HNSW")
    queries = queries_of(case, 5)
    far = float(brute_force(case.metric, vectors_of(case), queries, 400)[0].scores[:, 399].max())
    hits, _ = case.made().range_search(queries, far, None, 400, {"ef": 16})
    truth, _ = brute_force_range(case.metric, vectors_of(case), queries, far, None, 400)
    assert recall(hits, truth) >= 0.95
