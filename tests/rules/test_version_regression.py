from slowq.rules.version_regression import VersionRegression
from tests.builders import case, cleared, event, fired, keys, many, needs, remedy, says, search

PREFIX = many(6, search(60, filter='title like "cat%"'), every=5)
UPGRADE = "events: [{what: upgrade, detail: 2.3.3 to 2.3.5}]\npattern: {only_after: upgrade}"


def test_a_slowdown_that_began_with_an_upgrade_is_the_version() -> None:
    found = fired(VersionRegression().check(case(search(), facts=UPGRADE, version="2.3.5")))
    assert found.summary == "It is slow since an upgrade."
    assert "Milvus was upgraded: 2.3.3 to 2.3.5." in says(found)
    assert found.confidence >= 0.6
    assert "roll_back" in keys(found)


def test_a_known_fault_that_fits_is_told_with_its_source() -> None:
    found = fired(VersionRegression().check(case(PREFIX, version="2.6.3")))
    assert "scans all values; fixed in 2.6.15 (https://github.com/milvus-io/milvus/pull/48688)" in says(found)
    assert "Upgrade from 2.6.3 to 2.6.15" in remedy(found, "upgrade")
    assert "roll_back" not in keys(found)
    assert found.confidence < 0.5  # that a fault is there does not say that it is what is felt


def test_the_release_that_mends_all_that_fits_is_advised() -> None:
    found = fired(VersionRegression().check(case(PREFIX, beside=[event("tsafe_lag", 70)], version="2.6.10")))
    assert "to 2.6.15" in remedy(found, "upgrade")


def test_without_a_fixed_release_there_is_none_to_upgrade_to() -> None:
    found = fired(VersionRegression().check(case(search(), facts=UPGRADE, version="2.3.5")))
    assert "upgrade" not in keys(found)


def test_it_is_less_likely_where_data_was_imported_as_well() -> None:
    moved = UPGRADE.replace("events: [", "events: [{what: import}, ")
    one, other = (
        fired(VersionRegression().check(case(search(), facts=facts, version="2.3.5"))).confidence
        for facts in (UPGRADE, moved)
    )
    assert other < one


def test_a_version_without_a_fault_that_fits_is_clear() -> None:
    because = cleared(VersionRegression().check(case(search(), version="2.3.5")))
    assert because == "no known slowdown of Milvus 2.3.5 fits what is slow"


def test_without_a_version_the_rule_cannot_judge() -> None:
    assert needs(VersionRegression().check(case(search())))[0] == "the version of Milvus"
