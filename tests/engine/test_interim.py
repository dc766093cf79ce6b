"""Growing segments with an interim index: when there is one, what it scans, and that it is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slowq.engine import Engine
from slowq.engine.requests import Search
from slowq.engine.rows import Rows
from slowq.engine.schema import FieldSpec
from slowq.engine.segment import Segment
from slowq.engine.trace import Trace
from slowq.engine.vector import Vectors
from tests.engine import small

LISTS = 2
FLOOR = 39 * LISTS
KEYS = "queryNode.segcore.interimIndex."
# Both lists are scanned, so that answers are exact; any number of bytes is enough.
TWO_LISTS = {KEYS + "nlist": LISTS, KEYS + "nprobe": LISTS, KEYS + "indexBuildRatio": 0.0}


def opened(path: Path, **more: object) -> Engine:
    return small.opened(path, small.config(**{**TWO_LISTS, **{KEYS + key: value for key, value in more.items()}}))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with opened(tmp_path) as made:
        small.create(made, index="HNSW")
        yield made
        assert made.failures == []


def values(begin: int, count: int) -> dict[int, tuple[int, int]]:
    return {key: (key % 3, 1) for key in range(begin, begin + count)}


def growing(engine: Engine) -> list[Segment]:
    return [one for shard in engine.coordinator.catalog.shards_of(small.found(engine)) for one in shard.view.growing]


def pieces(engine: Engine) -> list[tuple[int, list[str]]]:
    """Rows of each growing segment, and the fields of which it has an interim index."""
    return [(len(one), list(one.interim)) for one in growing(engine)]


def built(engine: Engine, many: int = 1) -> None:
    small.until(lambda: sum(bool(one.interim) for one in growing(engine)) == many)


def search(
    engine: Engine, query: list[float], limit: int = 5, text: str = "", params: Mapping[str, object] | None = None
) -> tuple[list[int], Trace]:
    request = Search(
        "default",
        small.NAME,
        "v",
        Vectors.dense(np.array([query], np.float32)),
        limit,
        filter=text,
        params=params or {},
        freshness=small.STRONG,
    )
    got, trace = engine.proxy.search(request, small.caller())
    return [int(one) for one in got.keys], trace


def work(trace: Trace) -> dict[str, int]:
    names = ("segments", "segments_growing", "segments_interim", "distances")
    return {name: trace.counts[name] for name in names}


def test_it_is_built_from_39_rows_a_list_on(engine: Engine) -> None:
    small.insert(engine, values(0, FLOOR - 1))
    assert work(search(engine, small.vector_of(3, 1))[1]) == {
        "segments": 1,
        "segments_growing": 1,
        "segments_interim": 0,
        "distances": FLOOR - 1,
    }
    small.insert(engine, values(1000, FLOOR))
    built(engine)
    assert pieces(engine) == [(2 * FLOOR - 1, ["v"])]


def test_rows_that_came_after_it_get_lists_when_they_are_as_many_and_are_compared_one_by_one_before(
    engine: Engine,
) -> None:
    small.insert(engine, values(0, FLOOR))
    built(engine)
    small.insert(engine, values(1000, LISTS - 1))
    assert pieces(engine) == [(FLOOR, ["v"]), (LISTS - 1, [])]
    assert work(search(engine, small.vector_of(3, 1))[1]) == {
        "segments": 2,
        "segments_growing": 2,
        "segments_interim": 1,
        "distances": LISTS + FLOOR + LISTS - 1,
    }
    small.insert(engine, values(1001, 5))
    built(engine, 2)
    assert pieces(engine) == [(FLOOR, ["v"]), (LISTS - 1 + 5, ["v"])]
    keys, trace = search(engine, small.vector_of(1002, 1), 3)
    assert (keys[0], set(keys[1:])) == (1002, {1001, 1003})
    assert work(trace) == {
        "segments": 2,
        "segments_growing": 2,
        "segments_interim": 2,
        "distances": LISTS + FLOOR + LISTS + LISTS - 1 + 5,
    }


def test_a_piece_that_is_large_enough_is_merged_with_no_other(engine: Engine) -> None:
    small.insert(engine, values(0, FLOOR))
    small.insert(engine, values(1000, 2 * FLOOR))
    small.insert(engine, values(2000, 3))
    built(engine, 3)
    assert pieces(engine) == [(FLOOR, ["v"]), (2 * FLOOR, ["v"]), (3, ["v"])]


def test_later_rows_lie_around_the_centroids_of_the_first(tmp_path: Path) -> None:
    """Rows at one end of the first ones are all in one list, which only a search at that end looks into."""
    half = FLOOR // 2
    with opened(tmp_path, nprobe=1) as engine:
        small.create(engine, index="HNSW")
        small.insert(engine, {**values(0, half), **dict.fromkeys(range(half, FLOOR), (0, 900))})
        built(engine)
        small.insert(engine, dict.fromkeys(range(1000, 1000 + FLOOR), (0, 901)))
        built(engine, 2)
        assert search(engine, small.vector_of(0, 1))[1].counts["distances"] == 2 * LISTS + half
        assert search(engine, small.vector_of(0, 900))[1].counts["distances"] == 2 * LISTS + half + FLOOR


def test_it_scans_as_many_lists_as_configured_whatever_the_request_says(tmp_path: Path) -> None:
    with opened(tmp_path, nprobe=1) as engine:
        small.create(engine, index="IVF_FLAT")
        small.insert(engine, values(0, FLOOR))
        built(engine)
        for params in ({}, {"nprobe": 2}):
            _, trace = search(engine, small.vector_of(3, 1), params=params)
            assert LISTS < trace.counts["distances"] < LISTS + FLOOR


@pytest.mark.parametrize(
    ("index", "more"),
    [
        ("FLAT", {}),
        ("HNSW", {"queryNode.segcore.interimIndex.enableIndex": False}),
        ("HNSW", {"queryNode.mmap.growingMmapEnabled": True}),
    ],
)
def test_a_flat_index_and_the_keys_that_switch_it_off_leave_every_row_to_be_compared(
    tmp_path: Path, index: str, more: dict[str, object]
) -> None:
    with small.opened(tmp_path, small.config(**TWO_LISTS, **more)) as engine:
        small.create(engine, index=index)
        small.insert(engine, values(0, FLOOR))
        small.insert(engine, values(1000, FLOOR))
        assert pieces(engine) == [(2 * FLOOR, [])]
        assert search(engine, small.vector_of(3, 1))[1].counts["distances"] == 2 * FLOOR


def test_it_is_built_from_a_share_of_the_bytes_of_a_full_segment_on(tmp_path: Path) -> None:
    """A segment of 1 MiB is sealed at 12 %; a row takes 40 bytes."""
    full = int((1 << 20) * 0.12)
    with opened(tmp_path, indexBuildRatio=0.1) as engine:
        small.create(engine, index="HNSW")
        interim, collection = engine.coordinator.interim, small.found(engine)
        enough = full // 10 // 40 + 1
        assert not interim.closes(collection, small.rows(values(0, enough - 1)))
        assert interim.closes(collection, small.rows(values(0, enough)))


def test_deleted_and_filtered_rows_are_no_hits_and_others_take_their_places(engine: Engine) -> None:
    small.insert(engine, values(0, FLOOR))
    built(engine)
    small.delete(engine, [10, 11])
    small.upsert(engine, {12: (0, 500)})
    keys, trace = search(engine, small.vector_of(11, 1), 4, "group == 0")
    assert keys == [9, 15, 6, 18]
    assert trace.counts["rows_passed"] == FLOOR // 3
    assert search(engine, small.vector_of(12, 500), 1)[0] == [12]


def test_a_flush_puts_the_declared_index_in_its_place(engine: Engine) -> None:
    small.insert(engine, values(0, FLOOR))
    built(engine)
    engine.coordinator.upkeep.flush(small.found(engine))
    small.settled(engine)
    (shard,) = engine.coordinator.catalog.shards_of(small.found(engine))
    (sealed,) = shard.view.sealed
    assert (sealed.vector_indexes["v"].kind, sealed.interim, shard.view.growing) == ("HNSW", {}, ())
    assert work(search(engine, small.vector_of(3, 1))[1])["segments_interim"] == 0


def test_it_is_built_again_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as engine:
        small.create(engine, index="HNSW")
        small.insert(engine, values(0, FLOOR))
        built(engine)
    with opened(tmp_path) as engine:
        built(engine)
        assert pieces(engine) == [(FLOOR, ["v"])]
        assert search(engine, small.vector_of(7, 1), 1)[0] == [7]


def test_it_goes_with_a_release_and_with_its_index_and_comes_for_the_next_one(engine: Engine) -> None:
    small.insert(engine, values(0, FLOOR))
    built(engine)
    engine.coordinator.loading.release(small.found(engine))
    built(engine, 0)
    engine.coordinator.indexing.drop(small.found(engine), "v")
    engine.create_index(small.found(engine), "v", "v", {"index_type": "HNSW", "metric_type": "IP"})
    small.loaded(engine)
    built(engine)
    (one,) = growing(engine)
    assert (one.interim["v"].index.kind, one.interim["v"].index.metric) == ("IVF_FLAT", "IP")
    assert search(engine, [1.0, 0.0, 0.0, 0.0], 1)[0] == [FLOOR - 1]


def test_a_range_search_goes_through_it(engine: Engine) -> None:
    small.insert(engine, values(0, FLOOR))
    built(engine)
    query = Vectors.dense(np.array([small.vector_of(20, 1)], np.float32))
    request = Search("default", small.NAME, "v", query, 50, radius=5.0, range_filter=1.0, freshness=small.STRONG)
    got, trace = engine.proxy.search(request, small.caller())
    assert sorted(got.keys.tolist()) == [18, 19, 21, 22]
    assert trace.counts["segments_interim"] == 1


def test_its_memory_is_the_segments(engine: Engine) -> None:
    small.insert(engine, values(0, FLOOR))
    built(engine)
    (one,) = growing(engine)
    assert one.nbytes == replace(one, interim={}).nbytes + one.interim["v"].index.size_bytes


@pytest.mark.parametrize(("index", "closed"), [("FLAT", False), ("HNSW", True)])
def test_binary_vectors_have_none(tmp_path: Path, index: str, closed: bool) -> None:
    fields = (*small.FIELDS, FieldSpec(103, "bits", "BINARY_VECTOR", params={"dim": "8"}))
    with opened(tmp_path) as engine:
        engine.coordinator.catalog.create(
            "default", small.NAME, fields, dynamic=False, shards=1, consistency="Strong", properties={}
        )
        engine.create_index(small.found(engine), "bits", "bits", {"index_type": "BIN_IVF_FLAT"})
        engine.create_index(small.found(engine), "v", "v", {"index_type": index, "metric_type": "L2"})
        small.loaded(engine)
        assert engine.coordinator.interim.closes(small.found(engine), small.rows(values(0, FLOOR))) is closed


SPARSE = (small.FIELDS[0], small.FIELDS[1], FieldSpec(102, "terms", "SPARSE_FLOAT_VECTOR"))


def sparse_rows(begin: int, count: int) -> Rows:
    """Row n has the terms n % 7 and 100; the former weighs more in later rows."""
    plain = small.rows(values(begin, count))
    keys = np.arange(begin, begin + count)
    indices = np.stack([keys % 7, np.full(count, 100)], axis=1).astype(np.uint32).ravel()
    weights = np.stack([1 + keys / 1000, np.full(count, 0.25)], axis=1).astype(np.float32).ravel()
    terms = Vectors.sparse(np.arange(0, 2 * count + 1, 2), indices, weights)
    columns = {name: plain.columns[name] for name in ("id", "group")}
    return Rows(plain.keys, plain.timestamps, columns, {"terms": terms})


def sparse_engine(path: Path, index: str, metric: str = "IP", **more: object) -> Engine:
    engine = opened(path, **more)
    engine.coordinator.catalog.create(
        "default", small.NAME, SPARSE, dynamic=False, shards=1, consistency="Strong", properties={}
    )
    engine.create_index(small.found(engine), "terms", "terms", {"index_type": index, "metric_type": metric})
    small.loaded(engine)
    return engine


def sparse_search(
    engine: Engine, weights: Mapping[int, float], **params: object
) -> tuple[list[int], list[float], Trace]:
    indices, values = np.array(list(weights), np.uint32), np.array(list(weights.values()), np.float32)
    query = Vectors.sparse(np.array([0, len(weights)]), indices, values)
    got, trace = engine.proxy.search(
        Search("default", small.NAME, "terms", query, 3, params, freshness=small.STRONG), small.caller()
    )
    return [int(one) for one in got.keys], got.scores.tolist(), trace


@pytest.mark.parametrize(
    ("index", "metric"), [("SPARSE_INVERTED_INDEX", "IP"), ("SPARSE_WAND", "BM25"), ("AUTOINDEX", "IP")]
)
def test_sparse_vectors_have_an_inverted_index_that_says_what_a_scan_says(
    tmp_path: Path, index: str, metric: str
) -> None:
    answers = {}
    for enabled in (False, True):
        with sparse_engine(tmp_path / str(enabled), index, metric, enableIndex=enabled) as engine:
            small.insert_rows(engine, sparse_rows(0, 500))
            small.insert_rows(engine, sparse_rows(500, 100))
            built(engine, int(enabled))
            keys, scores, trace = sparse_search(engine, {3: 2.0, 100: 1.0})
            answers[enabled] = keys, scores, trace.counts["distances"]
            assert trace.counts["segments_interim"] == int(enabled)
            assert engine.failures == []
    assert answers[True] == answers[False]
    assert answers[True][0] == [598, 591, 584]


def test_a_request_drops_small_weights_of_growing_sparse_vectors_too(tmp_path: Path) -> None:
    with sparse_engine(tmp_path, "SPARSE_INVERTED_INDEX") as engine:
        small.insert_rows(engine, sparse_rows(0, 500))
        built(engine)
        _, whole, _ = sparse_search(engine, {3: 2.0, 100: 0.5})
        _, less, _ = sparse_search(engine, {3: 2.0, 100: 0.5}, drop_ratio_search=0.5)
        assert np.allclose(np.subtract(whole, less), 0.125)


def test_few_sparse_rows_are_scanned(tmp_path: Path) -> None:
    with sparse_engine(tmp_path, "SPARSE_INVERTED_INDEX", nlist=16) as engine:
        small.insert_rows(engine, sparse_rows(0, 127))
        assert pieces(engine) == [(127, [])]
        small.insert_rows(engine, sparse_rows(127, 127))
        built(engine)
        assert pieces(engine) == [(254, ["terms"])]


def test_of_clustered_vectors_it_finds_nearly_all_of_the_nearest_and_scans_a_part(tmp_path: Path) -> None:
    """Recall of 10 at 8 of 32 lists, over 50 queries: the floor is far below what is found, and far above chance (0.25)."""
    random = np.random.default_rng(7)
    centres = random.normal(size=(40, small.DIM)) * 4
    data = (centres[random.integers(0, 40, 3000)] + random.normal(size=(3000, small.DIM))).astype(np.float32)
    queries = data[random.integers(0, 3000, 50)] + np.float32(0.05)
    with opened(tmp_path, nlist=32, nprobe=8) as engine:
        small.create(engine, index="HNSW")
        plain = small.rows(values(0, len(data)))
        small.insert_rows(engine, Rows(plain.keys, plain.timestamps, plain.columns, {"v": Vectors.dense(data)}))
        built(engine)
        request = Search("default", small.NAME, "v", Vectors.dense(queries), 10, freshness=small.STRONG)
        got, trace = engine.proxy.search(request, small.caller())
    found = got.keys.reshape(50, 10)
    exact = np.argsort(((queries[:, None, :] - data[None]) ** 2).sum(axis=2), axis=1)[:, :10]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.tolist(), exact.tolist(), strict=True)])
    assert recall >= 0.9
    assert trace.counts["distances"] < 0.6 * 50 * len(data)
