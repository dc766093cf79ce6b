import pytest

from slowq.facts import Case
from slowq.rule import Rule
from slowq.rules.cpu_saturation import CpuSaturation
from slowq.rules.growing_segments import GrowingSegments
from slowq.rules.pattern_filter import PatternFilter
from slowq.rules.too_many_collections import TooManyCollections
from slowq.rules.version_regression import VersionRegression
from tests.builders import case, cleared, event, fired, ids, keys, many, measured, needs, remedy, says, search

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
    lagging = case(PREFIX, facts="collections: [{segments: {growing: 20}}]", version="2.5.3")
    found = fired(VersionRegression().check(case(PREFIX, beside=[event("delete_backlog", 70)], version="2.6.10")))
    assert "to 2.6.22" in remedy(found, "upgrade")
    assert "to 2.5.9" in remedy(fired(VersionRegression().check(lagging)), "upgrade")


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


def test_more_than_4000_collections_are_too_many_for_2_4_23() -> None:
    found = fired(VersionRegression().check(case(search(), facts="totals: {collections: 5000}", version="2.4.23")))
    assert "There are 5,000 collections." in says(found)
    assert "issues/41286" in says(found)
    assert "Upgrade from 2.4.23 to 2.5.9" in remedy(found, "upgrade")
    assert found.confidence >= 0.5  # nothing else looks like it
    cleared(VersionRegression().check(case(search(), facts="totals: {collections: 5000}", version="2.5.9")))


def test_a_full_cpu_fits_the_release_that_bounded_nothing() -> None:
    full = "observations: {cpu_share: 0.97}"
    found = fired(VersionRegression().check(case(search(), facts=full, version="2.2.12")))
    assert "pull/26035" in says(found)
    assert "Upgrade from 2.2.12 to 2.2.13" in remedy(found, "upgrade")
    assert found.confidence < 0.5
    cleared(VersionRegression().check(case(search(), facts=full, version="2.2.13")))


def test_growing_segments_that_are_memory_mapped_have_no_interim_index_in_2_6() -> None:
    facts = "config: {queryNode.mmap.growingMmapEnabled: true}"
    alone = fired(VersionRegression().check(case(search(), facts=facts, version="2.6.2")))
    assert "issues/41500" in says(alone)
    assert alone.confidence < 0.5
    searched = facts + "\ncollections: [{segments: {growing: 20}}]"
    assert fired(VersionRegression().check(case(search(), facts=searched, version="2.6.2"))).confidence >= 0.5


def test_only_the_requests_that_show_it_suffer_from_it() -> None:
    incident = case(PREFIX, many(6, search(300)), version="2.6.3")
    found = fired(VersionRegression().check(incident))
    assert set(found.victims) == ids(incident) - ids(incident, filter="")


@pytest.mark.parametrize(
    ("facts", "version", "leading"),
    [
        ("totals: {collections: 5000}", "2.4.23", TooManyCollections()),
        ("observations: {cpu_share: 0.97}", "2.2.12", CpuSaturation()),
        ("collections: [{name: products, segments: {growing: 20, sealed: 2}}]", "2.4.5", GrowingSegments()),
        (
            "collections: [{name: products, fields: [{name: title, type: VARCHAR, index: {type: Trie}}]}]",
            "2.6.3",
            PatternFilter(),
        ),
    ],
)
def test_a_rule_that_explains_what_is_seen_comes_first(facts: str, version: str, leading: Rule) -> None:
    incident = case(PREFIX if isinstance(leading, PatternFilter) else search(), facts=facts, version=version)
    found, other = fired(VersionRegression().check(incident)), fired(leading.check(incident))
    assert found.expected_share < other.expected_share


def test_what_the_version_before_had_as_well_does_not_explain_an_upgrade() -> None:
    facts = "events: [{what: upgrade, detail: %s}]\nobservations: {deletes_per_s: 5000}"
    old, new = (
        fired(VersionRegression().check(case(search(), facts=facts.replace("%s", detail), version="2.6.10")))
        for detail in ("2.6.3 to 2.6.10", "2.5.20 to 2.6.10")
    )
    assert "L0 compaction" not in says(old)
    assert "L0 compaction" in says(new)
    assert new.confidence > old.confidence


def test_after_an_upgrade_what_leaves_no_trace_is_cited_as_well() -> None:
    facts = "events: [{what: upgrade, detail: 2.5.20 to 2.6.10}]"
    found = fired(VersionRegression().check(case(search(), facts=facts, version="2.6.10")))
    assert "pull/49554): nothing here shows it." in says(found)
    assert found.confidence < 0.5


def two_versions(took: float, **columns: object) -> Case:
    before, after = (
        many(8, search(at, took=seconds, milvus_version=version, **columns), every=10)
        for at, seconds, version in ((100, 6.0, "2.5.16"), (400, took, "2.5.20"))
    )
    return case(before, after, version="2.5.16")  # as the banner at the log's start tells


def test_two_versions_in_one_log_are_compared() -> None:
    found = fired(VersionRegression().check(two_versions(15.0)))
    assert found.summary == "It is slow since an upgrade."
    assert "Requests of Milvus 2.5.20 follow those of 2.5.16." in says(found)
    assert "take 2.5 times as long after the change from 2.5.16 to 2.5.20." in says(found)
    assert found.confidence >= 0.5
    assert "roll_back" in keys(found)


def test_two_versions_that_are_as_fast_are_no_regression() -> None:
    because = cleared(VersionRegression().check(two_versions(6.3)))
    assert because == "requests of the same pattern take 1.1 times as long after the change from 2.5.16 to 2.5.20"


def test_an_upgrade_that_is_told_counts_less_where_the_same_requests_are_as_fast() -> None:
    told = (
        "events: [{at: 2025-08-23T19:05:00Z, what: upgrade, detail: 2.5.16 to 2.5.20}]\npattern: {only_after: upgrade}"
    )
    as_fast, slower = (
        fired(VersionRegression().check(case(many(8, search(100)), many(8, search(400, took=took)), facts=told)))
        for took in (6.0, 18.0)
    )
    assert as_fast.confidence < 0.5 < slower.confidence


def told_at(moment: str) -> Case:
    facts = f'events: [{{what: upgrade, at: "{moment}", detail: 2.3.3 to 2.3.5}}]'
    latency = measured({"search_latency": 3.0}, {"search_latency": 0.02})
    return case(many(8, search(10, took=4), every=5), facts=facts, version="2.3.5", metrics=latency)


def test_an_upgrade_counts_for_more_just_before_it_became_slow_and_for_less_after() -> None:
    before, after = (
        fired(VersionRegression().check(told_at(at))) for at in ("2025-08-23T18:59:58Z", "2025-08-23T19:00:30Z")
    )
    assert "Searches became slow shortly after the upgrade." in says(before)
    assert "Searches became slow before the upgrade." in says(after)
    assert after.confidence < before.confidence
