"""A file of the user and what a Milvus told, in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowq.context import completed, load
from slowq.errors import UsageError
from slowq.facts import NO_INDEX, Context, Place

MILVUS = "http://milvus:19530"
TOLD = """\
milvus: {version: 2.4.5, deployment: cluster}
totals: {collections: 7}
observations_per_node: [{node: querynode1, cpu_share: 0.9}, {node: querynode2, cpu_share: 0.1}]
collections:
  - name: orders
    database: default
    rows: 5
  - name: products
    database: default
    rows: 12000000
    fields:
      - {name: tag, type: VARCHAR, index: {type: INVERTED}}
      - {name: vec, type: FLOAT_VECTOR, dim: 768, index: {type: HNSW}}
"""


@pytest.fixture
def both(tmp_path: Path):
    def merge(text: str) -> tuple[Context, tuple[str, ...]]:
        path = tmp_path / "facts.yaml"
        path.write_text(text)
        return completed(str(path), TOLD, MILVUS)

    return merge


def test_what_the_file_does_not_say_is_what_milvus_told(both) -> None:
    context, differences = both("client: {p99_s: 3}\ncollections:\n  - name: products\n    rows: ~\n")
    assert differences == ()
    assert (context.client, context.milvus["version"], context.totals) == ({"p99_s": 3.0}, "2.4.5", {"collections": 7})
    products, orders = context.collections
    assert (products.name, products.database, products.rows) == ("products", "default", 12_000_000)
    assert [one.name for one in products.fields] == ["tag", "vec"]
    assert (orders.name, orders.rows, orders.key) == ("orders", 5, "collections[1]")


def test_the_file_counts_and_what_differs_is_told(both) -> None:
    context, differences = both(
        "milvus: {version: 2.4.6, deployment: cluster}\n"
        "collections:\n  - name: products\n    rows: 9\n    fields:\n      - {name: vec, dim: 4}\n"
    )
    assert context.milvus == {"version": "2.4.6", "deployment": "cluster"}
    products = context.collections[0]
    assert products.rows == 9
    assert [(one.name, one.dim) for one in products.fields] == [("vec", 4), ("tag", None)]
    assert differences == (
        "milvus.version: the file says '2.4.6', Milvus '2.4.5'",
        "collections products.rows: the file says '9', Milvus '12000000'",
        "collections products.fields vec.dim: the file says '4', Milvus '768'",
    )


def test_an_index_that_the_file_says_is_not_there_is_not_there(both) -> None:
    context, differences = both("collections:\n  - name: products\n    fields:\n      - {name: tag, index: null}\n")
    assert context.collections[0].fields[0].index == NO_INDEX
    assert differences == ("collections products.fields tag.index: the file says 'null', Milvus '…'",)


def test_what_milvus_told_is_cited_as_that_and_the_file_as_the_file(both) -> None:
    context, _ = both("notes: [x]\ncollections:\n  - name: products\n    rows: 9\n")
    path = context.path or ""
    assert path.endswith("facts.yaml")
    assert context.cite("collections[0].rows") == Place(path, 4)
    assert context.cite("collections[0].fields[0].index") == Place(MILVUS, 12)
    assert context.cite("collections[1].rows") == Place(MILVUS, 7)
    assert context.cite("milvus.version") == Place(MILVUS, 1)
    assert context.cite("notes[0]") == Place(path, 1)


def test_a_collection_of_another_database_is_another_one(both) -> None:
    context, _ = both("collections:\n  - {name: products, database: shop, rows: 1}\n")
    assert [(one.database, one.name, one.rows) for one in context.collections] == [
        ("shop", "products", 1),
        ("default", "orders", 5),
        ("default", "products", 12_000_000),
    ]


def test_nodes_are_told_apart_by_name(both) -> None:
    context, _ = both("observations_per_node: [{node: querynode2, segments: 4}]\n")
    assert context.observations_per_node == (
        {"node": "querynode2", "segments": 4, "cpu_share": 0.1},
        {"node": "querynode1", "cpu_share": 0.9},
    )


def test_an_empty_file_says_nothing_and_a_wrong_one_is_refused_as_ever(both, tmp_path: Path) -> None:
    assert len(both("")[0].collections) == 2
    with pytest.raises(UsageError, match=r"facts.yaml:1: unknown key 'colections'"):
        both("colections: []\n")


def test_two_different_kinds_of_value_are_not_mixed(both) -> None:
    with pytest.raises(UsageError, match=r"facts.yaml:1: 'totals': expected a mapping"):
        both("totals: 5\n")


def test_nothing_told_is_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "facts.yaml"
    path.write_text("milvus: {version: 2.3}\n")
    assert completed(str(path), "# nothing\n", MILVUS) == (load(str(path)), ())
