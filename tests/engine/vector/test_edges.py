"""Few rows, odd rows, and many threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from slowq.engine.vector import BadIndexParam, Vectors, build
from tests.engine.vector.rows import CASES, Case, floats, queries_of, random_mask, signatures, sparse, vectors_of


@pytest.mark.parametrize("rows", [0, 1, 2, 20, 50])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_segment_of_few_rows_can_be_indexed_saved_and_searched(case: Case, rows: int, tmp_path) -> None:  # type: ignore[no-untyped-def]
    few = vectors_of(case).take(range(rows))
    index = build(case.kind, case.metric, case.build, few)
    index.save(tmp_path / "index")
    hits, _ = index.search(queries_of(case, 2), 10, case.search)
    assert hits.offsets.max(initial=-1) < rows
    assert index.rows == rows
    assert rows == 0 or hits.offsets[0, 0] >= 0
    assert index.size_bytes > 0 or rows == 0


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.kind in ("FLAT", "HNSW", "DISKANN", "BIN_FLAT")], ids=str
)
def test_k_above_the_rows_returns_all_rows_and_then_nothing(case: Case) -> None:
    few = vectors_of(case).take(range(7))
    hits, _ = build(case.kind, case.metric, case.build, few).search(few.take([0]), 12, {})
    assert sorted(hits.offsets[0].tolist()) == [-1] * 5 + list(range(7))
    assert not np.isfinite(hits.scores[0, 7:]).any()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_when_the_index_is_built(number: float) -> None:
    rows = floats().floats().copy()
    rows[3, 4] = number
    with pytest.raises(ValueError, match="row 3 of the vectors holds a value that is not a number or infinity"):
        build("HNSW", "L2", {}, Vectors.dense(rows))


def test_a_row_of_zeros_is_at_cosine_0_to_everything() -> None:
    rows = np.vstack([np.zeros((1, 32), dtype=np.float32), floats().floats(0, 30)])
    for kind in ("FLAT", "HNSW"):
        index = build(kind, "COSINE", {}, Vectors.dense(rows))
        hits, _ = index.search(Vectors.dense(rows[:2]), 31, {})
        assert (hits.scores[0] == 0).all()
        assert hits.scores[1][hits.offsets[1] == 0].tolist() == [0.0]


def test_the_rows_that_were_given_stay_as_they_are() -> None:
    rows = floats().floats().copy() * 3
    before = rows.copy()
    build("HNSW", "COSINE", {"M": 8, "efConstruction": 20}, Vectors.dense(rows)).search(Vectors.dense(rows[:3]), 2, {})
    assert np.array_equal(rows, before)


def test_a_hundred_equal_rows_are_all_found() -> None:
    rows = Vectors.dense(np.ones((100, 8), dtype=np.float32))
    for kind in ("FLAT", "HNSW", "IVF_FLAT", "SCANN", "DISKANN"):
        hits, _ = build(kind, "L2", {}, rows).search(rows.take([0]), 100, {"nprobe": 128})
        assert sorted(hits.offsets[0].tolist()) == list(range(100))


def test_rows_without_a_shared_dimension_are_no_hits() -> None:
    rows = Vectors.sparse([0, 2, 3, 3], [1, 5, 9], [1.0, 2.0, 3.0])
    hits, _ = build("SPARSE_INVERTED_INDEX", "IP", {}, rows).search(
        Vectors.sparse([0, 1, 2, 2], [5, 77], [2.0, 1.0]), 2, {}
    )
    assert hits.offsets.tolist() == [[0, -1], [-1, -1], [-1, -1]]
    assert hits.scores[0].tolist() == [4.0, -np.inf]


def test_jaccard_ranking_without_the_raw_data_is_an_error() -> None:
    index = build("MINHASH_LSH", "MHJACCARD", {"mh_element_bit_width": 32, "mh_lsh_band": 8}, signatures())
    with pytest.raises(BadIndexParam, match="without raw data"):
        index.search(signatures().take([0]), 1, {"mh_search_with_jaccard": True})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_four_threads_get_the_answers_of_one(case: Case) -> None:
    index, queries = case.made(), queries_of(case, 40)
    masks = [None, random_mask(0.5), random_mask(0.03)]

    def ask(number: int) -> list[list[int]]:
        return index.search(queries.take([number]), 10, case.search, masks[number % 3])[0].offsets.tolist()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(40))) == [ask(number) for number in range(40)]


def test_vectors_are_taken_and_joined_row_by_row() -> None:
    for vectors in (floats(), sparse(), signatures()):
        parts = [vectors.take([5, 3]), vectors.take([]), vectors.take([7])]
        joined = Vectors.concat(parts)
        same = vectors.take([5, 3, 7])
        assert (joined.kind, joined.rows, joined.nbytes()) == (same.kind, 3, same.nbytes())
        assert np.array_equal(joined.data, same.data)
        if joined.kind == "sparse":
            assert [part.tolist() for part in joined.postings()] == [part.tolist() for part in same.postings()]
