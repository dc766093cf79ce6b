from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from slowq.repro.data import Rows, draw, nearest, queries
from slowq.repro.scenario import Column, Setup

SETUP = Setup(dim=16, rows=4_000, columns=(Column("tag", "VARCHAR", (("blue", 0.1), ("red", 0.25))),))


def test_each_value_has_its_share_of_the_rows() -> None:
    tags = draw(SETUP, 20_000, seed=3).columns["tag"]
    assert tags.count("blue") / len(tags) == pytest.approx(0.1, abs=0.01)
    assert tags.count("red") / len(tags) == pytest.approx(0.25, abs=0.01)
    assert {one for one in tags if one not in ("blue", "red")} <= {f"tag-{number:05d}" for number in range(1000)}


@pytest.mark.parametrize(
    ("kind", "of"), [("INT64", int), ("FLOAT", float), ("DOUBLE", float), ("BOOL", bool), ("VARCHAR", str)]
)
def test_made_up_values_are_of_the_type_of_their_column(kind: str, of: type) -> None:
    values = draw(replace(SETUP, columns=(Column("x", kind, distinct=7),)), 500, seed=1).columns["x"]
    assert {type(one) for one in values} == {of}
    assert len(set(values)) == (2 if kind == "BOOL" else 7)


def test_the_same_seed_gives_the_same_rows_and_another_gives_others() -> None:
    one, two, other = draw(SETUP, 100, seed=1), draw(SETUP, 100, seed=1), draw(SETUP, 100, seed=2)
    assert np.array_equal(one.vectors, two.vectors)
    assert one.columns == two.columns
    assert not np.array_equal(one.vectors, other.vectors)


def test_ids_go_on_from_the_first_and_a_part_keeps_them() -> None:
    rows = draw(SETUP, 10, seed=1, first_id=100)
    assert rows.ids == list(range(100, 110))
    part = rows.part(4, 7)
    assert part.ids == [104, 105, 106]
    assert part.columns["tag"] == rows.columns["tag"][4:7]
    assert np.array_equal(part.vectors, rows.vectors[4:7])


def test_queries_are_no_rows() -> None:
    rows = {one.tobytes() for one in draw(SETUP, 2_000, seed=1).vectors}
    assert not [one for one in queries(SETUP, 1) if one.tobytes() in rows]


def test_binary_vectors_have_a_bit_a_dimension_and_lie_in_clusters() -> None:
    setup = Setup(dim=256, vector="BINARY_VECTOR", metric="HAMMING", columns=())
    drawn = draw(setup, 3_000, seed=1).vectors
    assert (drawn.dtype, drawn.shape) == (np.uint8, (3_000, 32))
    to_first = np.sort(np.bitwise_count(drawn[1:] ^ drawn[0]).sum(axis=1))
    assert to_first[2] < 256 * 0.35 < 256 * 0.45 < to_first[len(to_first) // 2]


def test_json_is_nested_by_the_dots_of_its_paths() -> None:
    paths = (Column("kind", "INT64", ((3, 1.0),)), Column("shop.city.name", "VARCHAR", (("Bern", 1.0),)))
    rows = draw(replace(SETUP, columns=(Column("meta", "JSON", paths=paths),)), 2, seed=1)
    assert rows.columns["meta"] == [{"kind": 3, "shop": {"city": {"name": "Bern"}}}] * 2


@pytest.mark.parametrize("order", [("a", "a.b"), ("a.b", "a")])
def test_where_a_path_is_a_value_and_an_object_the_object_stays(order: tuple[str, str]) -> None:
    paths = tuple(Column(name, "INT64", ((3, 1.0),)) for name in order)
    rows = draw(replace(SETUP, columns=(Column("meta", "JSON", paths=paths),)), 1, seed=1)
    assert rows.columns["meta"] == [{"a": {"b": 3}}]


def _by_hand(setup: Setup, rows: Rows, query: np.ndarray, k: int, wanted: list[bool]) -> set[int]:
    """One row after the other, in the words of the metric."""
    found = []
    for number, vector, passes in zip(rows.ids, rows.vectors, wanted, strict=True):
        one, two = vector.astype("float64"), query.astype("float64")
        if setup.metric == "L2":
            distance = float(((one - two) ** 2).sum())
        elif setup.metric == "IP":
            distance = -float((one * two).sum())
        elif setup.metric == "COSINE":
            distance = -float((one * two).sum() / np.sqrt((one**2).sum()))
        else:
            bits, asked = np.unpackbits(vector), np.unpackbits(query)
            both, either = int((bits & asked).sum()), int((bits | asked).sum())
            distance = either - both if setup.metric == "HAMMING" else 1 - both / either
        if passes:
            found.append((distance, number))
    return {number for _, number in sorted(found)[:k]}


@pytest.mark.parametrize("metric", ["L2", "IP", "COSINE"])
def test_exact_answers_are_those_of_brute_force(metric: str) -> None:
    setup = replace(SETUP, metric=metric, filter='tag == "red"')
    rows = draw(setup, 3_000, seed=5)
    wanted = queries(setup, 5)[:5]
    passing = [tag == "red" for tag in rows.columns["tag"]]
    assert nearest(setup, [rows.part(0, 1_000), rows.part(1_000, 3_000)], wanted, 7) == [
        _by_hand(setup, rows, one, 7, passing) for one in wanted
    ]


def test_exact_answers_of_binary_vectors_are_as_near_as_those_of_brute_force() -> None:
    for metric in ("HAMMING", "JACCARD"):
        setup = Setup(dim=64, vector="BINARY_VECTOR", metric=metric, columns=())
        rows, query = draw(setup, 200, seed=5), queries(setup, 5)[0]
        (found,) = nearest(setup, [rows], query[None], 1) or [set()]
        best = _by_hand(setup, rows, query, 200, [True] * 200)
        assert found <= best
        one, two = (rows.vectors[next(iter(ids))] for ids in (found, _by_hand(setup, rows, query, 1, [True] * 200)))
        assert np.bitwise_count(one ^ query).sum() == np.bitwise_count(two ^ query).sum()


def test_an_answer_that_nothing_passes_is_empty_and_one_that_nobody_can_know_is_none() -> None:
    rows = [draw(SETUP, 50, seed=1)]
    wanted = queries(SETUP, 1)[:2]
    assert nearest(replace(SETUP, filter='tag == "no such"'), rows, wanted, 5) == [set(), set()]
    assert nearest(replace(SETUP, filter="tag == {t}", templates={"t": "red"}), rows, wanted, 5) is None
    assert nearest(SETUP, [rows[0].part(0, 3)], wanted, 5) == [{0, 1, 2}] * 2


def test_made_up_texts_are_as_long_as_is_said_and_few_have_a_word_in_common() -> None:
    texts = set(draw(replace(SETUP, columns=(Column("text", "VARCHAR", words=30),)), 5_000, seed=1).columns["text"])
    assert {len(one.split()) for one in texts} == {31}
    assert 0 < sum("w0042" in one for one in texts) < len(texts) * 0.02


def test_exact_answers_by_minhash_are_those_with_most_equal_elements() -> None:
    setup = Setup(dim=64, vector="BINARY_VECTOR", metric="MHJACCARD", columns=())
    rows, query = draw(setup, 300, seed=5), queries(setup, 5)[0]
    equal = [sum(one == two for one, two in zip(row.tolist(), query.tolist(), strict=True)) for row in rows.vectors]
    (found,) = nearest(setup, [rows], query[None], 4) or [set()]
    assert sorted(equal[number] for number in found) == sorted(equal)[-4:]
