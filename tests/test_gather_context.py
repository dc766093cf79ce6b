"""The context joined with the logs: what is asked for, and what of it counts for this incident."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from slowq.context import loads
from slowq.facts import Context
from slowq.gather import gather

LOG = str(Path(__file__).parents[1] / "sample_logs/json_filter/logs/standalone.log.gz")  # all of it on catalog_hnsw
AT = 1_795_237_226.0  # about the end of it, Unix seconds
TWO = "collections: [{name: catalog_hnsw, rows: 5}, {name: other, rows: 7}]\n"


def test_only_collections_that_slow_requests_are_on_count_and_are_cited_where_they_stand() -> None:
    context = gather([LOG], loads("collections: [{name: other}, {name: catalog_hnsw}]\n", "facts.yaml"), jobs=1).context
    assert [(one.name, one.key) for one in context.collections] == [("catalog_hnsw", "collections[1]")]


def test_where_the_context_knows_none_of_them_all_count() -> None:
    context = gather([LOG], loads("collections: [{name: x}, {rows: 9}]\n", "facts.yaml"), jobs=1).context
    assert len(context.collections) == 2


def test_who_is_asked_is_told_on_which_collections_requests_are_slow() -> None:
    asked = []

    def tell(slow: frozenset[str]) -> Context:
        asked.append(slow)
        return loads(TWO, "milvus")

    assert gather([LOG], tell, jobs=1).context.collections[0].rows == 5
    assert gather([], tell, jobs=1).context.collections[1].rows == 7
    assert asked == [frozenset(("catalog_hnsw",)), frozenset()]


def test_the_load_that_a_milvus_tells_long_after_the_incident_is_not_that_of_the_incident() -> None:
    told = loads("observations_per_node: [{node: qn-0, cpu_share: 0.9}]\n", "http://milvus:19530 (slowq context)")

    def nodes(asked_at: float, asked: str = "http://milvus:19530") -> int:
        context = replace(told, asked=asked, asked_at=asked_at)
        return len(gather([LOG], context, jobs=1).context.observations_per_node)

    assert (nodes(AT + 60), nodes(AT + 3600)) == (1, 0)
    assert nodes(AT + 3600, asked="http://other:19530") == 1  # what a file says stays
