from __future__ import annotations

from typing import Any

import pytest

from slowq.errors import UsageError
from slowq.repro.fitting import LeftOut, fitted
from slowq.repro.scenario import Column, Remedy, Scenario, Setup
from slowq.repro.scenarios import catalogue

COLUMNS = (
    Column("price", "FLOAT"),
    Column("tag", "VARCHAR"),
    Column("on", "BOOL"),
    Column("meta", "JSON", paths=(Column("a", "INT64"),)),
)


def scenario(
    *changes: dict[str, Any], base: dict[str, Any] | None = None, fault: dict[str, Any] | None = None
) -> Scenario:
    remedies = tuple(Remedy(f"r{number}", "says", change) for number, change in enumerate(changes))
    before = fault if fault is not None else {"filter": "price > 1"}
    return Scenario("s", "json_filter", "says", Setup(columns=COLUMNS).changed(base or {}), before, remedies)


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"nodes": 2}, "it changes query nodes, which slowq does not touch on a Milvus that is not its own"),
        (
            {"config": {"a": 1}, "level": "Bounded"},
            "it changes keys of its configuration, which slowq does not touch on a Milvus that is not its own",
        ),
        (
            {"scalar_indexes": {'meta["a"]': {"index_type": "INVERTED", "json_cast_type": "DOUBLE"}}},
            "an index on a JSON path exists from Milvus 2.5.11 on (this Milvus is v2.3.5)",
        ),
        (
            {"scalar_indexes": {"tag": {"index_type": "NGRAM", "min_gram": "2"}}},
            "NGRAM indexes exist from Milvus 2.6 on (this Milvus is v2.3.5)",
        ),
        (
            {"scalar_indexes": {"on": {"index_type": "INVERTED"}}},
            "no index on on: for BOOL Milvus has one from 2.4 (this Milvus is v2.3.5)",
        ),
        ({"templates": {"a": 1}}, "filter templates exist from Milvus 2.4.14 on (this Milvus is v2.3.5)"),
        ({"sub_requests": 2}, "hybrid search exists from Milvus 2.4 on (this Milvus is v2.3.5)"),
        ({"group_by": "tag"}, "grouping search exists from Milvus 2.4 on (this Milvus is v2.3.5)"),
        ({"mmap": True}, "mmap can be set for a collection from Milvus 2.4 on (this Milvus is v2.3.5)"),
        ({"clustering_key": "price"}, "clustering keys exist from Milvus 2.4.7 on (this Milvus is v2.3.5)"),
        ({"metric": "MHJACCARD"}, "MHJACCARD exists from Milvus 2.6 on (this Milvus is v2.3.5)"),
        ({"index": "HNSW_SQ"}, "HNSW_SQ exists from Milvus 2.5 on (this Milvus is v2.3.5)"),
        (
            {"filter": 'tag like "%a%"'},
            'LIKE takes more than a prefix, as in "abc%", from Milvus 2.4 on (this Milvus is v2.3.5)',
        ),
    ],
)
def test_a_remedy_that_the_milvus_cannot_be_given_is_left_out_with_the_reason(
    change: dict[str, Any], because: str
) -> None:
    found, left = fitted(scenario(change, {"filter": 'tag like "a%"'}), "v2.3.5")
    assert left == (LeftOut("r0", because),)
    assert [one.key for one in found.remedies] == ["r1"]


def test_an_older_milvus_gets_the_index_that_it_has_and_that_is_said() -> None:
    indexes = {name: {"index_type": "INVERTED"} for name in ("price", "tag", "on")}
    found, left = fitted(scenario({"scalar_indexes": indexes, "filter": "price > 2"}), "v2.3.5-lite")
    assert left == ()
    assert found.remedies[0].change["scalar_indexes"] == {
        "price": {"index_type": "STL_SORT"},
        "tag": {"index_type": "Trie"},
    }
    assert found.assumed == (
        "STL_SORT on price in the place of INVERTED, which Milvus has from 2.4",
        "Trie on tag in the place of INVERTED, which Milvus has from 2.4",
        "no index on on: for BOOL Milvus has one from 2.4",
    )


@pytest.mark.parametrize("version", ["v2.6.4", "master-20230818-74fb244b"])
def test_a_newer_milvus_or_one_of_unknown_version_gets_what_the_scenario_says(version: str) -> None:
    change = {"scalar_indexes": {'meta["a"]': {"index_type": "INVERTED", "json_cast_type": "DOUBLE"}}, "mmap": True}
    asked = scenario(change)
    assert fitted(asked, version) == (asked, ())


def test_the_server_of_the_fault_is_as_it_is_and_that_is_said() -> None:
    given = scenario(
        {"cold": False}, base={"cpus": 1, "config": {"a": 1}}, fault={"cold": True, "config": {"b": 2}, "nodes": 1}
    )
    found, _ = fitted(given, "v2.3.5")
    assert found.base == Setup(columns=COLUMNS)
    assert found.before == Setup(columns=COLUMNS, cold=True)
    assert found.assumed == (
        "query nodes as the server has them",
        "CPUs of the nodes as the server has them",
        "keys of its configuration as the server has them",
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (catalogue()["timetick_stall"], "runs on the bundled engine only: a real Milvus does not let its time tick"),
        (scenario({}, fault={"config": {"a": 1}}), "changes keys of its configuration, which slowq does not touch"),
        (scenario({}, fault={"sub_requests": 8}), r"cannot be made there: hybrid search exists from .*2\.3\.5"),
    ],
)
def test_a_fault_that_cannot_be_made_there_is_refused(given: Scenario, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        fitted(given, "v2.3.5")
