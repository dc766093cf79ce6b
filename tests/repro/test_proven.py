from __future__ import annotations

from typing import Any

import pytest

from slowq.repro.proven import FILE, _read, proven
from slowq.repro.scenarios import catalogue
from tests.proven_catalogue import merged
from tests.scenario_docs import ENGINE


def test_what_is_shipped_is_of_scenarios_and_remedies_that_there_are() -> None:
    assert FILE.stat().st_size < 20_000
    for name, remedies in _read().items():
        assert remedies.keys() <= {one.key for one in catalogue()[name].remedies}, name
        assert ENGINE.kept()[name]["green"]
        for one in remedies.values():
            assert one.keys() == {"outcome", "before_p99_s", "after_p99_s", "recall", "slowq", "cpus"}


def test_a_remedy_has_the_receipt_of_its_own_cause_or_none() -> None:
    found = proven("json_filter", "own_field")
    assert found is not None
    assert found["scenario"] == "json_filter"
    assert found["before_p99_s"] > found["after_p99_s"] > 0
    assert proven("large_nq", "own_field") is None
    assert proven("a_rule_of_mine", "own_field") is None


def result(name: str, *, green: bool = True, **receipts: str) -> dict[str, Any]:
    made = [
        {
            "remedy": key,
            "outcome": outcome,
            "before": {"p99_s": {"mean": 0.43761}},
            "after": {"p99_s": {"mean": 0.02266}, "recall": 0.99951},
            "versions": {"slowq": "0.2.0"},
            "machine": {"cpus": 4},
            "target": "the bundled engine",
        }
        for key, outcome in receipts.items()
    ]
    return {"scenario": name, "green": green, "receipts": made}


KEPT = {
    "outcome": "confirmed",
    "before_p99_s": 0.4376,
    "after_p99_s": 0.0227,
    "recall": 1.0,
    "slowq": "0.2.0",
    "cpus": 4,
}


def test_results_take_the_place_of_the_older_ones_of_the_same_scenario() -> None:
    old = {"b": {"x": {"outcome": "worse"}}, "c": {"y": {"outcome": "worse"}}}
    found = merged(old, [result("c", one="confirmed", two="could not reproduce"), result("a", one="confirmed")])
    assert list(found) == ["a", "b", "c"]
    assert found == {"a": {"one": KEPT}, "b": old["b"], "c": {"one": KEPT}}


@pytest.mark.parametrize(
    "now",
    [result("c", green=False, one="confirmed"), {"scenario": "c", "green": False, "trouble": "no answers"}],
)
def test_a_scenario_that_is_no_longer_green_leaves_the_catalogue(now: dict[str, Any]) -> None:
    assert merged({"c": {"one": KEPT}}, [now]) == {}


def test_a_scenario_that_was_skipped_keeps_what_it_had() -> None:
    assert merged({"c": {"one": KEPT}}, [{"scenario": "c", "skipped": "engine only"}]) == {"c": {"one": KEPT}}


def test_what_was_measured_on_a_milvus_is_not_shipped() -> None:
    there = result("c", one="worse")
    there["receipts"][0]["target"] = "http://milvus:19530"
    assert merged({"c": {"one": KEPT}}, [there]) == {"c": {"one": KEPT}}
