"""Parameters: Milvus' limits and defaults, and errors that name the one at fault."""

from collections.abc import Mapping

import pytest

from slowq.engine.vector import BadIndexParam, Vectors, better, build, check_build, check_search
from tests.engine.vector.rows import floats


def out_of(name: str, value: object, limits: str) -> str:
    return f"Out of range in json: param '{name}' ({value}) should be in range {limits}"


def no_multiple(of: str, name: str, value: int) -> str:
    return f"The dimension of a vector (dim) should be a multiple of {of}. Dimension:128, {name}:{value}"


def wrong_metric(metric: str, supported: str) -> str:
    return f"metric type {metric} not found or not supported, supported: [{supported}]"


def wrong_type(value: str, should: str) -> str:
    return f"Type conflict in json: param 'nlist' ({value}) {should}"


BAD_DENSE_BUILDS = [
    ("IVF_FLAT", {"nlist": 0}, "nlist", out_of("nlist", 0, "[1, 65536]")),
    ("IVF_FLAT", {"nlist": 65537}, "nlist", out_of("nlist", 65537, "[1, 65536]")),
    ("IVF_FLAT", {"nlist": "many"}, "nlist", wrong_type('"many"', "should be integer")),
    ("IVF_FLAT", {"nlist": 1.5}, "nlist", wrong_type("1.5", "should be integer")),
    ("IVF_FLAT", {"nlist": True}, "nlist", wrong_type("true", "should be integer")),
    ("IVF_PQ", {}, "m", "param 'm' not exist in json"),
    ("IVF_PQ", {"m": 3}, "m", no_multiple("the number of subquantizers (m)", "m", 3)),
    ("HNSW_PQ", {"m": 3}, "m", no_multiple("the number of subquantizers (m)", "m", 3)),
    ("SCANN", {"sub_dim": 3}, "sub_dim", no_multiple("sub_dim", "sub_dim", 3)),
    ("HNSW", {"M": 1}, "M", out_of("M", 1, "[2, 2048]")),
    ("HNSW", {"efConstruction": 0}, "efConstruction", out_of("efConstruction", 0, "[1, 2147483647]")),
    ("HNSW_SQ", {"sq_type": "SQ5"}, "sq_type", "invalid sq_type: SQ5, optional types are [SQ4U SQ6 SQ8 BF16 FP16]"),
    ("HNSW_SQ", {"refine": 2}, "refine", "Type conflict in json: param 'refine' (2) should be a boolean"),
    ("DISKANN", {"max_degree": 0}, "max_degree", out_of("max_degree", 0, "[1, 2048]")),
    (
        "DISKANN",
        {"pq_code_budget_gb_ratio": -1},
        "pq_code_budget_gb_ratio",
        out_of("pq_code_budget_gb_ratio", -1, "[0.0, 2147483647.0]"),
    ),
    ("ANNOY", {}, "index_type", "invalid index type: ANNOY"),
]
BAD_BUILDS = [
    *((kind, "L2", "float", params, name, message) for kind, params, name, message in BAD_DENSE_BUILDS),
    (
        "MINHASH_LSH",
        "MHJACCARD",
        "binary",
        {"mh_element_bit_width": 24},
        "mh_element_bit_width",
        "mh_element_bit_width(24) should be whole bytes and divide dim(128)",
    ),
    (
        "MINHASH_LSH",
        "MHJACCARD",
        "binary",
        {"mh_lsh_band": 17},
        "mh_lsh_band",
        "mh_lsh_band(17) should not be larger than the 16 elements",
    ),
    (
        "SPARSE_INVERTED_INDEX",
        "IP",
        "sparse",
        {"drop_ratio_build": 1},
        "drop_ratio_build",
        out_of("drop_ratio_build", 1, "[0.0, 1.0)"),
    ),
    ("HNSW", "HAMMING", "float", {}, "metric_type", wrong_metric("HAMMING", "L2 IP COSINE")),
    ("BIN_FLAT", "L2", "binary", {}, "metric_type", wrong_metric("L2", "HAMMING JACCARD")),
    ("AUTOINDEX", "L2", "sparse", {}, "metric_type", wrong_metric("L2", "IP BM25")),
    ("HNSW", "L2", "binary", {}, "index_type", "data type binary vector can't build with this index HNSW"),
    ("BIN_FLAT", "HAMMING", "float", {}, "index_type", "data type float vector can't build with this index BIN_FLAT"),
]
BAD_SEARCHES = [
    ("IVF_FLAT", {"nprobe": 0}, "nprobe", out_of("nprobe", 0, "[1, 65536]")),
    ("HNSW", {"ef": 9}, "ef", "ef(9) should be larger than k(10)"),
    ("HNSW", {"ef": 0}, "ef", out_of("ef", 0, "[1, 2147483647]")),
    ("AUTOINDEX", {"ef": 5}, "ef", "ef(5) should be larger than k(10)"),
    ("AUTOINDEX", {"level": 6}, "level", out_of("level", 6, "[1, 5]")),
    ("SCANN", {"reorder_k": 9}, "reorder_k", "reorder_k(9) should be larger than k(10)"),
    ("DISKANN", {"search_list": 9}, "search_list", "search_list_size(9) should be larger than k(10)"),
    ("DISKANN", {"beamwidth": 129}, "beamwidth", out_of("beamwidth", 129, "[1, 128]")),
    ("HNSW_SQ", {"refine_k": 0.5}, "refine_k", out_of("refine_k", 0.5, "[1.0, 2147483647.0]")),
    ("SPARSE_INVERTED_INDEX", {"bm25_b": 1.5}, "bm25_b", out_of("bm25_b", 1.5, "[0.0, 1.0]")),
]
SQ_DEFAULTS = {"M": 30, "efConstruction": 360, "sq_type": "SQ6", "refine": True, "refine_type": "FP32"}
DISKANN_DEFAULTS = {
    "max_degree": 56,
    "search_list_size": 100,
    "pq_code_budget_gb_ratio": 0.125,
    "search_cache_budget_gb_ratio": 0.1,
}


@pytest.mark.parametrize(("kind", "metric", "field", "params", "name", "message"), BAD_BUILDS)
def test_a_bad_build_parameter_is_named(kind, metric, field, params, name, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadIndexParam) as error:
        check_build(kind, metric, field, 128, params)
    assert (error.value.name, str(error.value)) == (name, message)


@pytest.mark.parametrize(("kind", "params", "name", "message"), BAD_SEARCHES)
def test_a_bad_search_parameter_is_named(kind, params, name, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadIndexParam) as error:
        check_search(kind, "L2", params, 10)
    assert (error.value.name, str(error.value)) == (name, message)


@pytest.mark.parametrize(
    ("kind", "metric", "field", "params", "expected"),
    [
        ("FLAT", "L2", "float", {"whatever": 1}, {}),
        ("IVF_FLAT", "L2", "float", {}, {"nlist": 128}),
        ("IVF_FLAT", "L2", "int8", {"nlist": "1024"}, {"nlist": 1024}),
        ("HNSW", "COSINE", "float16", {}, {"M": 30, "efConstruction": 360}),
        ("HNSW_SQ", "IP", "float", {"sq_type": "sq6", "refine": "true"}, SQ_DEFAULTS),
        ("SCANN", "L2", "float", {}, {"nlist": 128, "with_raw_data": True, "sub_dim": 2}),
        ("DISKANN", "L2", "float", {}, DISKANN_DEFAULTS),
        ("AUTOINDEX", "COSINE", "float", {}, {"M": 18, "efConstruction": 240}),
        ("AUTOINDEX", "HAMMING", "binary", {}, {"nlist": 1024}),
        (
            "MINHASH_LSH",
            "MHJACCARD",
            "binary",
            {},
            {"mh_lsh_band": 1, "mh_element_bit_width": 8, "with_raw_data": False},
        ),
    ],
)
def test_defaults_are_filled_in_and_texts_become_numbers(kind, metric, field, params, expected) -> None:  # type: ignore[no-untyped-def]
    assert check_build(kind, metric, field, 128, params) == expected


@pytest.mark.parametrize(
    ("kind", "params", "top_k", "expected"),
    [
        ("FLAT", {}, 10, {}),
        ("IVF_FLAT", {}, 10, {"nprobe": 8}),
        ("HNSW", {}, 10, {"ef": 16}),
        ("HNSW", {}, 100, {"ef": 100}),
        ("HNSW", {"ef": "64"}, 10, {"ef": 64}),
        ("DISKANN", {}, 50, {"search_list": 50, "beamwidth": 8}),
        ("SCANN", {}, 50, {"nprobe": 8, "reorder_k": 50}),
    ],
)
def test_search_defaults_follow_k(
    kind: str, params: Mapping[str, object], top_k: int, expected: Mapping[str, object]
) -> None:
    assert check_search(kind, "L2", params, top_k) == expected


def test_nprobe_above_nlist_means_all_lists() -> None:
    index = build("IVF_FLAT", "L2", {"nlist": 8}, floats())
    queries = floats().take(range(3))
    most, work = index.search(queries, 10, {"nprobe": 65536})
    assert most.offsets.tolist() == build("FLAT", "L2", {}, floats()).search(queries, 10, {})[0].offsets.tolist()
    assert work.distances == 3 * (8 + floats().rows)


def test_queries_of_another_kind_or_dimension_are_refused() -> None:
    index = build("FLAT", "L2", {}, floats())
    for queries in (Vectors.dense([[1.0, 2.0]]), Vectors.of_kind("int8", [[1] * 32])):
        with pytest.raises(ValueError, match="the index float of 32"):
            index.search(queries, 1, {})


def test_similarities_are_better_large_and_distances_small() -> None:
    assert {metric: better(metric) for metric in ("L2", "IP", "COSINE", "BM25", "MHJACCARD", "HAMMING", "JACCARD")} == {
        "L2": "small",
        "IP": "large",
        "COSINE": "large",
        "BM25": "large",
        "MHJACCARD": "large",
        "HAMMING": "small",
        "JACCARD": "small",
    }
