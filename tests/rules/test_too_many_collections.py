from slowq.rules.too_many_collections import TooManyCollections
from tests.builders import case, cleared, fired, keys, needs, remedy, says, search

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
