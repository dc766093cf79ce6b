from dataclasses import replace

import numpy as np
import pytest

from slowq.blame import fact, finding, remedies
from slowq.facts import Case, Milvus, Need
from slowq.findings import Remedy
from slowq.rule import About
from slowq.versions import version_range
from slowq.workload import of, seen
from tests.builders import case, ids, many, search


def remedy(key: str, do: str, **more: object) -> Remedy:
    return Remedy(key, do, "It helps.", "None.", "It is faster.", **more)  # type: ignore[arg-type]


def about(*ones: Remedy) -> About:
    return About("large_nq", "It is so.", (Need("more", "give it"),), ones)


def milvus(version: str | None) -> Milvus:
    low, high = (version_range(version) or (None, None)) if version else (None, None)
    return Milvus(version, low, high)


def told(one: Remedy, running: str | None = None, **names: object) -> list[tuple[str, str]]:
    return [(found.do, found.snippet) for found in remedies(about(one), replace(case(), milvus=milvus(running)), names)]


def test_a_remedy_speaks_in_the_names_of_the_incident() -> None:
    one = remedy("a", "Load $collection.", snippet="load($collection)\n")
    assert told(one, collection="it's") == [("Load it's.", 'load("it\'s")\n')]


def test_prose_knows_a_word_for_what_is_not_known_and_a_snippet_does_not() -> None:
    assert told(remedy("a", "Load $collection.", snippet="load($collection)\n")) == [("Load the collection.", "")]


def test_a_remedy_whose_prose_has_a_gap_is_left_out() -> None:
    assert told(remedy("a", "Lower ef to $suggested.")) == []


def test_a_name_that_looks_like_a_gap_is_none() -> None:
    assert told(remedy("a", "Index $field.", snippet="index($field)\n"), field="<b>") == [
        ("Index <b>.", "index('<b>')\n")
    ]


@pytest.mark.parametrize(
    ("version", "holds"),
    [("2.3.5", False), ("2.4.0", True), ("2.5.9", True), ("2.6.0", False), ("2.3-2.5", True), (None, True)],
)
def test_a_remedy_is_for_the_versions_that_it_names(version: str | None, holds: bool) -> None:
    assert bool(told(remedy("upgrade", "Do it.", since=(2, 4, 0), before=(2, 6, 0)), version)) == holds


def test_an_upgrade_goes_to_the_version_that_mends_it() -> None:
    one = remedy("upgrade", "Upgrade from $version to $fixed_in.", before=(2, 6, 16))
    assert told(one, "2.4.5", version="2.4.5") == [("Upgrade from 2.4.5 to 2.6.16 or later.", "")]
    assert told(one) == [("Upgrade from your version to 2.6.16 or later.", "")]


def advice(snippet: str, facts: str) -> int:
    incident = case(search(), facts=facts)
    one, slow = about(remedy("a", "Do it.", snippet=snippet)), np.array([True])
    it_was = seen(of(incident), "It was.", slow)
    return len(finding(one, incident, slow, confidence=0.5, summary="So.", evidence=[it_was]).remedies)


AUTO_BALANCE = "# milvus.yaml\nqueryCoord:\n  autoBalance: false\n  checkBalanceInterval: 3000\n"
TWO = "client.load_collection(collection_name=$collection, replica_number=2)\n"
GROUP = 'client.create_resource_group(name="latency_sensitive")\n'


@pytest.mark.parametrize(
    ("snippet", "facts", "given"),
    [
        (AUTO_BALANCE, "config: {queryCoord.autoBalance: false, queryCoord.checkBalanceInterval: 3000}", 0),
        (AUTO_BALANCE, "config: {queryCoord.autoBalance: false}", 1),
        (AUTO_BALANCE, "config: {queryCoord.autoBalance: true, queryCoord.checkBalanceInterval: 3000}", 1),
        (AUTO_BALANCE, "", 1),
        (TWO, "collections: [{name: products, replicas: 2}]", 0),
        (TWO, "collections: [{name: products, replicas: 1}]", 1),
        (TWO, "collections: [{name: others, replicas: 2}]", 1),
        (GROUP, "collections: [{name: products, resource_groups: [fast]}]", 0),
        (GROUP, "collections: [{name: products}]", 1),
    ],
)
def test_what_is_so_already_is_not_advised(snippet: str, facts: str, given: int) -> None:
    assert advice(snippet, facts) == given


LOADED = case(many(3, search(60, 10.0, nq=500)), many(2, search(62)), search(300, 20.0))


def mask(of_case: Case) -> np.ndarray:
    return np.asarray(of(of_case).nq == 500)


def test_a_finding_explains_its_culprits_and_those_who_waited_for_them() -> None:
    work, culprits = of(LOADED), mask(LOADED)
    found = finding(
        about(), LOADED, culprits, confidence=0.5, summary="So.", evidence=[seen(work, "It was.", culprits)]
    )
    assert (set(found.culprits), set(found.victims)) == (ids(LOADED, nq=500), ids(LOADED, nq=1))
    assert (found.explains_s, found.subject) == (42.0, "products")
    assert round(found.explains_share, 3) == round(42 / 62, 3)
    assert found.severity == "critical"


def test_a_fact_blames_no_request_and_explains_those_that_it_affects() -> None:
    work, affected = of(LOADED), mask(LOADED)
    evidence = [seen(work, "It was.", affected)]
    some = fact(about(), LOADED, confidence=0.1, summary="So.", evidence=evidence, affected=affected)
    assert (some.culprits, set(some.victims), some.explains_s) == ((), ids(LOADED, nq=500), 30.0)
    assert some.severity == "info"
    assert fact(about(), LOADED, confidence=0.1, summary="So.", evidence=evidence).explains_share == 1.0
