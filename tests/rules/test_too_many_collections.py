import pytest

from slowq import contention
from slowq.measures import Metrics
from slowq.rules.cpu_saturation import CpuSaturation
from slowq.rules.too_many_collections import TooManyCollections
from tests.builders import case, cleared, fired, keys, measured, needs, remedy, says, search

MANY = "totals: {collections: 5000, partitions: 12000}\npattern: {all_collections: true}"


def test_thousands_of_collections_cost_more_than_their_data() -> None:
    found = fired(TooManyCollections().check(case(search(), facts=MANY, version="2.4.23")))
    assert says(found) == "There are 5,000 collections. There are 12,000 partitions."
    assert [(one.value, one.threshold) for one in found.evidence] == [(5000, 1000), (12_000, 10_000)]
    assert found.confidence >= 0.7
    assert "Upgrade from 2.4.23 to 2.5.9 or later." in remedy(found, "upgrade")


def test_a_number_that_is_worth_a_look_is_no_proof() -> None:
    assert fired(TooManyCollections().check(case(search(), facts="totals: {collections: 1200}"))).confidence < 0.5


def test_a_schema_is_shown_only_with_its_dimension() -> None:
    without = fired(TooManyCollections().check(case(search(), facts=MANY)))
    assert "DataType" not in remedy(without, "partition_key")
    schema = "\ncollections: [{name: products, fields: [{name: vec, type: FLOAT_VECTOR, dim: 96}]}]"
    assert "dim=96" in remedy(fired(TooManyCollections().check(case(search(), facts=MANY + schema))), "partition_key")


def test_it_is_not_this_with_a_few_collections() -> None:
    because = cleared(TooManyCollections().check(case(search(), facts="totals: {collections: 12, partitions: 40}")))
    assert because == "the cluster has 12 collections and 40 partitions"


def test_advice_that_came_later_is_left_out() -> None:
    found = fired(TooManyCollections().check(case(search(), facts=MANY, version="2.2.3")))
    assert keys(found) == ["release_unused", "more_nodes", "upgrade"]


def test_without_totals_the_rule_cannot_judge() -> None:
    assert "how many collections" in needs(TooManyCollections().check(case(search())))[0]


def visits(segments: float, rows: float, partitions: float = 301, merged: float = 1) -> Metrics:
    """Two searches a second, each of `segments` with `rows` in each; another collection has few and large ones.

    Of `merged` searches one goes through the segments for all.
    """
    loaded = {
        "segments": {"collection": {"tenants": 600, "catalog": 4}},
        "rows": {"collection": {"tenants": 600 * rows, "catalog": 4_000_000}},
    }
    each = (0.0001, 2 * segments / merged)
    work = {"core": each, "index_search": each, "search_latency": (0.3, 2.0), "nq": (1.0, 2.0), "cpu": 1.9}
    if merged > 1:
        work["group_size"] = (merged, 2 / merged)
    return measured({**loaded, **work, "all_partitions": partitions})


def test_a_search_that_visits_hundreds_of_tiny_segments_is_slow_by_their_number() -> None:
    found = fired(TooManyCollections().check(case(search(), metrics=visits(600, 250))))
    assert says(found) == "A search visits 600 segments. Such a segment holds 250 rows."
    assert [(one.value, one.threshold) for one in found.evidence] == [(600, 64), (250, 1024)]
    assert found.confidence >= 0.8
    assert found.summary.startswith("A search visits so many small segments")


def test_searches_that_are_merged_visit_their_segments_once_for_all() -> None:
    found = fired(TooManyCollections().check(case(search(), metrics=visits(600, 250, merged=20))))
    assert says(found).startswith("A search visits 600 segments.")


@pytest.mark.parametrize(
    ("metrics", "why"),
    [
        (visits(2, 250), "they are there, and not searched"),
        (visits(600, 200_000), "they are as large as they should be"),
    ],
)
def test_it_is_not_their_number_when(metrics: Metrics, why: str) -> None:
    assert cleared(TooManyCollections().check(case(search(), metrics=metrics))) == "the cluster has 301 partitions", why


def test_a_full_cpu_is_explained_by_the_many_segments_that_searches_visit() -> None:
    facts = "observations: {cpu_share: 0.97}"
    assert contention.explained(one := case(search(), facts=facts, metrics=visits(600, 250))) == "many small segments"
    assert cleared(CpuSaturation().check(one)).endswith("that another rule names: many small segments")
    assert contention.explained(case(search(), facts=facts, metrics=visits(2, 250))) is None


CROWDED = "collections: [{name: tenants, rows: 150000, partitions: 300, shards: 2}]"


def test_more_partitions_than_the_rows_of_a_collection_fill_are_a_hint() -> None:
    for facts in (CROWDED, CROWDED + "\ntotals: {partitions: 310}"):
        found = fired(TooManyCollections().check(case(search(), facts=facts)))
        assert says(found) == "tenants has 300 partitions, with 250 rows in each shard."
        assert found.confidence < 0.5
    # Metrics tell that they are not what is searched, or that they are.
    elsewhere = case(search(), facts=CROWDED, metrics=visits(2, 250))
    assert cleared(TooManyCollections().check(elsewhere)) == "the cluster has 301 partitions"
    assert fired(TooManyCollections().check(case(search(), facts=CROWDED, metrics=visits(600, 250)))).confidence >= 0.8


@pytest.mark.parametrize("facts", [CROWDED.replace("300", "60"), CROWDED.replace("150000", "1500000")])
def test_few_or_full_partitions_are_none(facts: str) -> None:
    assert cleared(TooManyCollections().check(case(search(), facts=facts + "\ntotals: {partitions: 310}")))
