"""What each index kind finds, beside a comparison with every row."""

import numpy as np
import pytest

from slowq.engine.vector import Vectors, brute_force, build
from tests.engine.vector.rows import CASES, DIM, Case, floats, queries_of, recall, vectors_of


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_index_finds_the_nearest_rows(case: Case) -> None:
    hits, _ = case.made().search(queries_of(case), 10, case.search)
    truth, _ = brute_force(case.metric, vectors_of(case), queries_of(case), 10, params=case.build)
    ties = (
        np.isclose(hits.scores, truth.scores, rtol=1e-5) if case.floor == 1 else np.zeros(hits.scores.shape, dtype=bool)
    )
    assert ties.all() or recall(hits, truth) >= case.floor


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hits_come_nearest_first_and_once(case: Case) -> None:
    hits, _ = case.made().search(queries_of(case), 10, case.search)
    steps = np.diff(hits.scores, axis=1)[hits.offsets[:, 1:] >= 0]
    larger_is_nearer = case.metric in ("IP", "COSINE", "BM25", "MHJACCARD")
    assert (steps <= 0).all() if larger_is_nearer else (steps >= 0).all()
    for offsets in hits.offsets:
        found = offsets[offsets >= 0].tolist()
        assert len(found) == len(set(found))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_query_has_the_same_answer_alone_and_in_a_batch(case: Case) -> None:
    """Milvus merges small searches: an answer that depended on its neighbours would depend on the load."""
    queries = queries_of(case, 40)
    together, _ = case.made().search(queries, 5, case.search)
    for place in (0, 17, 39):
        alone, _ = case.made().search(queries.take([place]), 5, case.search)
        assert alone.offsets[0].tolist() == together.offsets[place].tolist()
        assert np.allclose(alone.scores[0], together.scores[place], rtol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_index_that_several_threads_built_finds_the_nearest_rows_too(case: Case) -> None:
    index = build(case.kind, case.metric, case.build, vectors_of(case), threads=4)
    hits, _ = index.search(queries_of(case), 10, case.search)
    truth, _ = brute_force(case.metric, vectors_of(case), queries_of(case), 10, params=case.build)
    ties = np.isclose(hits.scores, truth.scores, rtol=1e-5) if case.floor == 1 else np.zeros(1, dtype=bool)
    assert ties.all() or recall(hits, truth) >= case.floor


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "int8"])
@pytest.mark.parametrize("index", ["FLAT", "HNSW"])
def test_narrow_floats_and_integers_are_indexed_as_they_were_inserted(kind: str, index: str) -> None:
    rows = floats().floats()
    narrow = {
        "float16": lambda: Vectors.of_kind("float16", rows),
        "bfloat16": lambda: Vectors.of_kind("bfloat16", rows.view(np.uint32) >> 16),
        "int8": lambda: Vectors.of_kind("int8", np.clip(rows * 40, -128, 127)),
    }[kind]()
    hits, _ = build(index, "L2", {"M": 12, "efConstruction": 60}, narrow).search(
        narrow.take(range(10)), 10, {"ef": 64} if index == "HNSW" else {}
    )
    truth, _ = brute_force("L2", Vectors.dense(narrow.floats()), Vectors.dense(narrow.floats(0, 10)), 10)
    assert narrow.kind == kind
    assert narrow.dim == DIM
    assert recall(hits, truth) >= 0.95
