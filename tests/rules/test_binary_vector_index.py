from slowq.rules.binary_vector_index import BinaryVectorIndex
from tests.builders import case, cleared, fired, ids, keys, many, needs, remedy, says, search

SLOW = many(10, search(60, params={"metric_type": "JACCARD"}), every=5)


def schema(index: str = "{type: BIN_FLAT, metric: JACCARD}", rows: str = "5000000") -> str:
    field = f"{{name: vec, type: BINARY_VECTOR, dim: 512, index: {index}}}"
    return f"collections: [{{name: products, rows: {rows}, fields: [{field}]}}]"


def test_a_scan_of_binary_vectors_is_to_blame() -> None:
    incident = case(SLOW, facts=schema(), version="2.6.1")
    found = fired(BinaryVectorIndex().check(incident))
    assert set(found.culprits) == ids(incident)
    assert "10 of 10 slow requests compare binary vectors" in says(found)
    assert "vec is scanned whole: BIN_FLAT on 5,000,000 rows." in says(found)
    assert found.confidence >= 0.8
    assert keys(found) == ["minhash_lsh", "bin_ivf", "hamming", "float_vectors"]
    assert "metric_type='JACCARD'" in remedy(found, "bin_ivf")


def test_minhash_is_for_jaccard_and_for_the_versions_that_have_it() -> None:
    hamming = many(10, search(60, params={"metric_type": "HAMMING"}), every=5)
    assert keys(fired(BinaryVectorIndex().check(case(hamming, version="2.6.1")))) == ["bin_ivf", "float_vectors"]
    assert "minhash_lsh" not in keys(fired(BinaryVectorIndex().check(case(SLOW, version="2.5.4"))))


def test_many_clusters_are_too_many() -> None:
    rows = many(10, search(60, params={"metric_type": "HAMMING", "params": {"nprobe": 512}}), every=5)
    found = fired(BinaryVectorIndex().check(case(rows, facts=schema("{type: BIN_IVF_FLAT, params: {nlist: 1024}}"))))
    assert "128 instead of 512" in remedy(found, "lower_nprobe")
    assert "bin_ivf" not in keys(found)


def test_an_unknown_number_of_rows_is_said_to_be_unknown() -> None:
    found = fired(BinaryVectorIndex().check(case(SLOW, facts=schema(rows="null"))))
    assert "on an unknown number of rows." in says(found)


def test_float_vectors_are_not_binary() -> None:
    assert cleared(BinaryVectorIndex().check(case(search()))) == "no slow request compares binary vectors"


def test_it_is_not_this_when_float_collections_are_slow_as_well() -> None:
    mixed = case(SLOW[:1], many(9, search(200, collection="floats"), every=20))
    assert fired(BinaryVectorIndex().check(mixed)).confidence < 0.3


def test_a_binary_collection_that_nobody_asks_is_not_to_blame() -> None:
    assert "no slow request" in cleared(BinaryVectorIndex().check(case(search(collection="floats"), facts=schema())))


def test_without_a_metric_or_a_type_the_rule_cannot_judge() -> None:
    assert needs(BinaryVectorIndex().check(case(search(metric_type=None))))
