"""Search among the rows that a filter left."""

from functools import cache

import numpy as np
import pytest

from slowq.engine.vector import BadIndexParam, VectorIndex, Vectors, brute_force, build
from slowq.engine.vector.masks import Chosen
from tests.engine.vector.rows import CASES, DENSE, ROWS, Case, queries_of, random_mask, recall, vectors_of

GRAPHS = [case for case in DENSE if case.kind in ("HNSW", "HNSW_SQ", "DISKANN", "AUTOINDEX")]


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("case", GRAPHS, ids=str)
def test_a_graph_keeps_its_recall_under_a_mask(case: Case, share: float) -> None:
    mask = random_mask(share)
    hits, _ = case.made().search(queries_of(case), 10, case.search, mask)
    truth, _ = brute_force(case.metric, vectors_of(case), queries_of(case), 10, mask)
    assert recall(hits, truth) >= 0.9


@pytest.mark.parametrize("share", [0.5, 0.35, 0.25])
def test_a_graph_that_is_large_enough_is_walked_under_a_mask_and_keeps_its_recall(share: float) -> None:
    """So many rows that walking is cheaper than comparing what is left."""
    index, rows, queries = _large()
    mask = random_mask(share, rows.rows)
    hits, work = index.search(queries, 5, {"ef": 12}, mask)
    truth, _ = brute_force("L2", rows, queries, 5, mask)
    unmasked = recall(index.search(queries, 5, {"ef": 12})[0], brute_force("L2", rows, queries, 5)[0])
    assert not work.exact
    assert recall(hits, truth) >= max(0.9, unmasked - 0.02)
    assert mask[hits.offsets].all()


def test_a_graph_is_walked_with_a_k_as_large_as_ef_and_keeps_its_recall_under_a_mask() -> None:
    index, rows, queries = _large()
    mask = random_mask(0.5, rows.rows)
    hits, work = index.search(queries, 30, {"ef": 30}, mask)
    assert not work.exact
    assert recall(hits, brute_force("L2", rows, queries, 30, mask)[0]) >= 0.9


def test_a_mask_of_one_region_keeps_the_recall_for_queries_from_everywhere() -> None:
    """All rows on one side of a plane: half of the queries are far from any row that passes."""
    index, rows, queries = _large()
    mask = rows.floats()[:, 0] > 0.5
    hits, work = index.search(queries, 5, {"ef": 24}, mask)
    assert not work.exact
    assert recall(hits, brute_force("L2", rows, queries, 5, mask)[0]) >= 0.9


@cache
def _large() -> tuple[VectorIndex, Vectors, Vectors]:
    draw = np.random.default_rng(8)
    rows = Vectors.dense(draw.standard_normal((40000, 8)).astype(np.float32))
    queries = Vectors.dense(draw.standard_normal((30, 8)).astype(np.float32))
    return build("HNSW", "L2", {"M": 8, "efConstruction": 40}, rows), rows, queries


@pytest.mark.parametrize("share", [0.001, 0.05, 0.1, 0.9])
def test_the_offsets_of_a_mask_are_those_of_its_marks(share: float) -> None:
    mask = random_mask(share, 7003)
    assert Chosen(mask).offsets.tolist() == [at for at, marked in enumerate(mask.tolist()) if marked]


@pytest.mark.parametrize("share", [0.5, 0.02])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_only_rows_of_the_mask_are_found(case: Case, share: float) -> None:
    mask = random_mask(share)
    hits, _ = case.made().search(queries_of(case), 10, case.search, mask)
    assert mask[hits.offsets[hits.offsets >= 0]].all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_mask_of_nothing_finds_nothing_and_costs_nothing(case: Case) -> None:
    hits, work = case.made().search(queries_of(case, 2), 3, case.search, np.zeros(ROWS, dtype=bool))
    assert (hits.offsets == -1).all()
    assert (work.distances, work.bytes_read) == (0, 0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_mask_of_everything_is_no_mask(case: Case) -> None:
    queries = queries_of(case, 3)
    masked, _ = case.made().search(queries, 5, case.search, np.ones(ROWS, dtype=bool))
    assert masked.offsets.tolist() == case.made().search(queries, 5, case.search)[0].offsets.tolist()


@pytest.mark.parametrize("case", GRAPHS[:3], ids=str)
def test_a_graph_turns_exact_where_a_filter_leaves_little_or_k_is_half_of_what_is_left(case: Case) -> None:
    index, queries = case.made(), queries_of(case, 2)
    seven_in_a_hundred = random_mask(0.07)
    assert index.search(queries, 1, {"ef": 1}, seven_in_a_hundred)[1].exact
    assert index.search(queries, ROWS // 2, {}, None)[1].exact
    assert not index.search(queries, 10, case.search)[1].exact


def test_all_rows_that_are_left_are_found_when_k_asks_for_them() -> None:
    """The scan in a graph's place returns each of them."""
    case = GRAPHS[0]
    mask = random_mask(0.02)
    hits, _ = case.made().search(queries_of(case, 1), 100, {}, mask)
    assert set(hits.offsets[0][:60].tolist()) == set(np.flatnonzero(mask).tolist())
    assert (hits.offsets[0][60:] == -1).all()


def test_ef_below_k_is_an_error_under_a_mask_too() -> None:
    with pytest.raises(BadIndexParam, match=r"ef\(9\) should be larger than k\(10\)"):
        GRAPHS[0].made().search(queries_of(GRAPHS[0], 1), 10, {"ef": 9}, random_mask(0.01))
