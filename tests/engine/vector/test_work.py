"""What a search says of its cost."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from slowq.engine.vector import Vectors, Work, build, open_index
from tests.engine.vector.rows import CASES, ROWS, Case, floats, queries_of, random_mask, signatures, sparse


def case_of(kind: str, metric: str = "L2") -> Case:
    return next(case for case in CASES if (case.kind, case.metric) == (kind, metric))


def test_flat_compares_each_allowed_row_with_each_query() -> None:
    flat = case_of("FLAT").made()
    assert flat.search(floats().take(range(7)), 10, {})[1] == Work(distances=7 * ROWS, exact=True)
    assert flat.search(floats().take(range(7)), 10, {}, random_mask(0.5))[1] == Work(
        distances=7 * ROWS // 2, exact=True
    )


def test_inverted_lists_compare_less_with_less_lists_and_everything_with_all() -> None:
    ivf = case_of("IVF_FLAT").made()
    costs = [ivf.search(floats().take(range(5)), 10, {"nprobe": nprobe})[1].distances for nprobe in (1, 8, 32)]
    assert costs == sorted(costs)
    assert costs[0] < costs[2] == 5 * (32 + ROWS)


def test_a_graph_compares_few_rows_and_more_with_a_wider_walk() -> None:
    graph = case_of("HNSW").made()
    narrow, wide = (graph.search(floats().take(range(5)), 10, {"ef": ef})[1] for ef in (10, 200))
    assert narrow.counted
    assert narrow.distances < wide.distances < 5 * ROWS


def test_walks_at_the_same_time_are_estimated_and_the_estimate_is_near() -> None:
    graph = case_of("HNSW").made()
    queries = floats().take(range(400))
    alone = graph.search(queries, 10, {"ef": 64})[1]
    with ThreadPoolExecutor(4) as pool:
        works = [work for _, work in pool.map(lambda _: graph.search(queries, 10, {"ef": 64}), range(16))]
    assert alone.counted
    for work in works:
        assert 0.5 * alone.distances < work.distances < 2 * alone.distances


def test_diskann_reads_pages_of_its_file_and_more_for_a_wider_search_list(tmp_path: Path) -> None:
    case = case_of("DISKANN")
    case.made().save(tmp_path / "index")
    index = open_index(tmp_path / "index")
    narrow, wide = (index.search(queries_of(case, 4), 10, {"search_list": width})[1] for width in (10, 100))
    assert narrow.bytes_read % 4096 == 0
    assert 4096 * 4 <= narrow.bytes_read < wide.bytes_read
    assert index.search(queries_of(case, 4), 10, {"search_list": 100})[1].bytes_read == wide.bytes_read
    assert case.made().search(queries_of(case, 4), 10, {"search_list": 100})[1].bytes_read == 0


@pytest.mark.parametrize("dim", [8, 300, 1500])
def test_diskann_reads_rows_that_span_pages(dim: int, tmp_path: Path) -> None:
    rows = Vectors.dense(np.random.default_rng(6).standard_normal((120, dim)).astype(np.float32))
    build("DISKANN", "L2", {"max_degree": 16, "search_list_size": 60}, rows).save(tmp_path / "index")
    hits, work = open_index(tmp_path / "index").search(rows, 1, {"search_list": 100})
    assert hits.offsets[:, 0].tolist() == list(range(120))
    assert (hits.scores[:, 0] == 0).all()
    assert work.bytes_read >= 120 * min(100 * dim * 4, 4096)


def test_sparse_work_is_the_products_and_dropping_small_weights_saves_some() -> None:
    index = build("SPARSE_INVERTED_INDEX", "IP", {}, sparse())
    indptr, indices, _ = sparse().postings()
    postings = np.bincount(indices)
    everything = index.search(sparse().take([0]), 5, {})[1]
    half = index.search(sparse().take([0]), 5, {"drop_ratio_search": 0.5})[1]
    assert everything == Work(distances=int(postings[indices[indptr[0] : indptr[1]]].sum()), exact=True)
    assert half.distances < everything.distances
    assert not half.exact


def test_minhash_compares_its_candidates_only() -> None:
    case = case_of("MINHASH_LSH", "MHJACCARD")
    work = case.made().search(queries_of(case), 10, case.search)[1]
    assert 20 * 10 <= work.distances < 20 * ROWS / 10
    unranked, free = case.made().search(signatures().take([0]), 5, {})
    assert free.distances == 0
    assert unranked.scores.tolist() == [[1.0] * 5]
