import pytest

from slowq.rules.brute_force import BruteForce
from tests.builders import case, cleared, event, fired, ids, keys, many, measured, needs, remedy, says, search

SLOW = many(10, search(60), every=5)


def schema(index: str = "{type: FLAT, metric: IP}", rows: int = 2_000_000, kind: str = "FLOAT_VECTOR") -> str:
    field = f"{{name: vec, type: {kind}, dim: 64, index: {index}}}"
    return f"collections: [{{name: products, rows: {rows}, fields: [{field}]}}]"


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ("{type: FLAT}", "a FLAT index"),
        ("null", "no index"),
        ("{type: HNSW, state: failed, failed: out of memory}", "an index that could not be built (out of memory)"),
    ],
)
def test_a_scan_of_many_rows_is_to_blame(index: str, said: str) -> None:
    incident = case(SLOW, facts=schema(index))
    found = fired(BruteForce().check(incident))
    assert set(found.culprits) == ids(incident)
    assert f"vec of products has {said} on 2,000,000 rows." in says(found)
    assert (found.explains_share, found.confidence > 0.8) == (1.0, True)
    assert "field_name='vec'" in remedy(found, "hnsw")
    assert "metric_type='L2'" in remedy(found, "hnsw")
    assert "dim=64" in remedy(found, "partition_key")


def test_the_log_of_the_index_being_made_is_evidence_as_well() -> None:
    made = event("create_index", 10, collection="products", detail='[{"key":"index_type","value":"FLAT"}]')
    assert "created as FLAT" in says(fired(BruteForce().check(case(SLOW, beside=[made]))))


def test_segments_without_an_index_alone_are_a_weak_sign() -> None:
    found = fired(BruteForce().check(case(SLOW, beside=[event("no_index_search", 70)])))
    assert "1 line says that segments without an index were searched." in says(found)
    assert found.confidence < 0.5


def test_a_small_collection_needs_no_index() -> None:
    assert "large collection" in cleared(BruteForce().check(case(SLOW, facts=schema(rows=20_000))))


def test_another_collection_that_is_scanned_explains_nothing() -> None:
    other = case(many(5, search(collection="other")), facts=schema())
    assert cleared(BruteForce().check(other)) == "no slow request asks a collection without a vector index"


def test_a_graph_index_is_no_scan() -> None:
    assert cleared(BruteForce().check(case(SLOW, facts=schema("{type: HNSW}"))))


def test_binary_vectors_are_left_to_their_own_rule() -> None:
    assert needs(BruteForce().check(case(SLOW, facts=schema("null", kind="BINARY_VECTOR"))))


def test_sparse_vectors_are_not_told_to_build_a_graph() -> None:
    found = fired(BruteForce().check(case(SLOW, facts=schema("null", kind="SPARSE_FLOAT_VECTOR"))))
    assert "hnsw" not in keys(found)


def test_it_is_less_likely_where_costly_filters_are_slow() -> None:
    filtered = many(10, search(60, filter='meta["a"] == 1'), every=5)
    plain, costly = (fired(BruteForce().check(case(rows, facts=schema()))).confidence for rows in (SLOW, filtered))
    assert costly < plain


def test_without_a_word_on_the_index_the_rule_cannot_judge() -> None:
    assert "the vector index" in needs(BruteForce().check(case(SLOW)))[0]


def rows_of(name: str, stored: float, indexed: float, **more: object) -> object:
    rows = {"rows_stored": {"collection": {name: stored}}, "rows_indexed": {"collection": {name: indexed}}}
    return measured({**rows, **more}, window=(0.0, 120.0))


def test_rows_that_no_index_covers_are_counted_by_the_root_coordinator() -> None:
    for name in ("products", "shop products"):
        incident = case(SLOW, metrics=rows_of(name, 2e6, 5e5))
        found = fired(BruteForce().check(incident))
        assert says(found) == "1,500,000 of 2,000,000 rows of products have no vector index."
        assert set(found.culprits) == ids(incident)
        assert found.confidence >= 0.6


def test_rows_that_grow_or_are_few_or_of_another_collection_are_no_scan_of_sealed_ones() -> None:
    growing = {"rows": {"state": {"Growing": 1.5e6, "Sealed": 5e5}}}
    for metrics in (
        rows_of("products", 2e6, 5e5, **growing),
        rows_of("products", 9e4, 0.0),
        rows_of("products", 2e6, 1.9e6),
        rows_of("others", 2e6, 5e5),
    ):
        assert needs(BruteForce().check(case(SLOW, metrics=metrics)))


def test_rows_whose_index_is_on_its_way_are_left_to_other_rules() -> None:
    for more in ({"inserted": 100.0}, {"builds_running": 1.0}):
        assert needs(BruteForce().check(case(SLOW, metrics=rows_of("products", 2e6, 5e5, **more))))
