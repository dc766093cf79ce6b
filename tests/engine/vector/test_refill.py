"""Other rows around the centroids of an index that there is."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from slowq.engine.vector import Vectors, brute_force, build, refill
from tests.engine.vector.rows import floats

ALL = {"nprobe": 16}


def split() -> tuple[Vectors, Vectors]:
    rows = floats()
    return rows.take(range(1000)), rows.take(range(1000, 1500))


@pytest.mark.parametrize("metric", ["L2", "IP", "COSINE"])
def test_it_finds_its_own_rows_by_itself_when_the_first_index_is_gone(metric: str) -> None:
    first, others = split()
    index = refill(build("IVF_FLAT", metric, {"nlist": 16}, first), others)
    gc.collect()
    queries = floats().take([7, 1200])
    hits, work = index.search(queries, 10, ALL)
    exact, _ = brute_force(metric, others, queries, 10)
    assert (index.kind, index.metric, index.rows, index.params["nlist"]) == ("IVF_FLAT", metric, 500, 16)
    assert np.array_equal(hits.offsets, exact.offsets)
    assert hits.scores == pytest.approx(exact.scores, rel=1e-5)
    assert work.distances == 2 * (16 + 500)


def test_a_search_of_one_list_looks_into_the_list_of_the_same_centroid() -> None:
    first, others = split()
    index = build("IVF_FLAT", "L2", {"nlist": 16}, first)
    both = refill(index, Vectors.concat([first, others]))
    apart = index.search(others, 1, {"nprobe": 1})[1], refill(index, others).search(others, 1, {"nprobe": 1})[1]
    centroids = 16 * others.rows
    assert both.search(others, 1, {"nprobe": 1})[1].distances == sum(one.distances for one in apart) - centroids


def test_few_rows_and_none_are_enough() -> None:
    first, others = split()
    index = build("IVF_FLAT", "L2", {"nlist": 16}, first)
    hits, _ = refill(index, others.take([3])).search(others.take([3]), 2, ALL)
    assert hits.offsets.tolist() == [[0, -1]]
    hits, _ = refill(index, others.take([])).search(others.take([3]), 1, ALL)
    assert hits.offsets.tolist() == [[-1]]


def test_what_has_no_lists_and_what_is_no_number_is_refused() -> None:
    first, others = split()
    with pytest.raises(TypeError, match="an index of the kind FLAT has no lists to be filled"):
        refill(build("FLAT", "L2", {}, first), others)
    rows = others.floats().copy()
    rows[3, 4] = np.nan
    with pytest.raises(ValueError, match="row 3 of the vectors holds a value that is not a number or infinity"):
        refill(build("IVF_FLAT", "L2", {"nlist": 16}, first), Vectors.dense(rows))
