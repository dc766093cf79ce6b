"""Whole numbers read from JSON rows without a parser, beside what a parser says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowq.engine.scalar import json_predicates, json_rows
from slowq.engine.scalar.json_numbers import way_to

PATH = ("a", "b")
TAIL = b'{"a":{"b":0},"what":"ends the column, so that enough bytes follow the others"}'


def read(keys: tuple[str | int, ...], *rows: bytes) -> list[int | None]:
    """The number of each row; None where it is left to a parser."""
    way = way_to(keys)
    assert way is not None
    numbers, readable = way.numbers(pa.array([*rows, TAIL], pa.binary()))
    return [int(number) if there else None for number, there in zip(numbers, readable, strict=True)][:-1]


def parsed(row: bytes, keys: tuple[str, ...]) -> Any:
    value = json.loads(row)
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def test_whole_numbers_are_read_wherever_the_path_stands_in_the_outermost_object() -> None:
    rows = [
        b'{"a":{"b":3},"name":"row"}',
        b'{"name":"row","a":{"b":-12}}',
        b'{"a":{"b":1234567,"c":[1,{"d":2}]}}',
        b'{"a":{"b":12345678}}',
        b'{"a":{"b":123456789012345}}',
        b'{"a":{"b":-0} ,"name":"}{"}',
    ]
    assert read(PATH, *rows) == [3, -12, 1234567, 12345678, 123456789012345, 0]


def test_the_white_space_between_keys_is_learnt_from_the_first_rows() -> None:
    assert read(PATH, b'{"a": {"b": 3}}', b'{"x": 1, "a": {"b": 4 }}', b'{"a":{"b":5}}') == [3, 4, None]
    assert read(("a",), b'{"a" : 3}', b'{"x": 1, "a" : 4\n}', b'{"a":5}') == [3, 4, None]


@pytest.mark.parametrize(
    "row",
    [
        b'{"a":{"b":1234567890123456}}',
        b'{"a":{"b":3.0}}',
        b'{"a":{"b":3e0}}',
        b'{"a":{"b":"3"}}',
        b'{"a":{"b":true}}',
        b'{"a":{"b":null}}',
        b'{"a":{"b":{}}}',
        b'{"a":{"c":1,"b":3}}',
        b'{"a":{}}',
        b'{"a":3}',
        b"{}",
        b"[]",
        b"3",
        b'"a"',
        b'{"x":{"a":{"b":3}}}',
        b'[{"a":{"b":3}}]',
        b'{"x":{},"a":{"b":3}}',
        b'{"a":{"b":3},"a":4}',
        b'{"a":{"b":3,"b":4}}',
        b'{"a":{"b":3},"\\u0061":4}',
        b'{"x":"\\"","a":{"b":3}}',
        b'{"x":"b","a":{"b":3}}',
        b'{"x":"{","a":{"b":3}}',
    ],
)
def test_what_stands_otherwise_is_left_to_a_parser(row: bytes) -> None:
    assert read(PATH, TAIL, row, TAIL) == [0, None, 0]


@pytest.mark.parametrize("keys", [(), ("1",), (1,), ('"',), ("\\",), ("\n",), (":",), ("}a",), ("a", ""), ("a", 0)])
def test_a_path_that_could_be_taken_for_something_else_has_no_way(keys: tuple[str | int, ...]) -> None:
    assert way_to(keys) is None


def test_rows_of_a_slice_and_few_bytes_are_read_as_they_are() -> None:
    way = way_to(("a",))
    assert way is not None
    assert way.numbers(pa.array([b'{"a":1}'], pa.binary()))[1].tolist() == [False]
    assert way.numbers(pa.array([], pa.binary()))[1].tolist() == []
    rows = pa.array([b'{"a":%d}' % one for one in range(100)], pa.binary()).slice(40, 20)
    numbers, readable = way.numbers(rows)
    assert readable.all()
    assert numbers.tolist() == list(range(40, 60))


# What a hostile client may send: keys twice, in any spelling, with any space, names that look like structure.

NAMES = st.sampled_from(["a", "b", "ab", "a:{b", "}", "{", '":', "\\", "", "é", "true"])
NUMBERS = st.one_of(
    st.integers(-20, 20).map(str),
    st.integers(-(10**18), 10**18).map(str),
    st.sampled_from(["3.0", "-0", "0", "3e0", "30E-1", "12345678", "99999999", "100000000"]),
)


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    if draw(st.integers(0, 9)):
        return json.dumps(text, ensure_ascii=False)
    return '"' + "".join(f"\\u{ord(one):04x}" for one in text) + '"'


@st.composite
def values(draw: st.DrawFn, depth: int = 3) -> str:
    kind = draw(st.sampled_from("nnnstoooa" if depth else "nnst"))
    if kind == "n":
        return draw(NUMBERS)
    if kind == "s":
        return draw(spelled(draw(NAMES)))
    if kind == "t":
        return draw(st.sampled_from(["true", "false", "null"]))
    if kind == "a":
        return "[" + ",".join(draw(st.lists(values(depth - 1), max_size=3))) + "]"
    return draw(objects(depth - 1))


@st.composite
def objects(draw: st.DrawFn, depth: int = 3) -> str:
    colon = draw(st.sampled_from([":", ":", ":", ": ", " :"]))
    pairs = [(draw(NAMES), draw(values(depth))) for _ in range(draw(st.integers(0, 3)))]
    if draw(st.booleans()):
        number = draw(NUMBERS)
        pairs.insert(draw(st.integers(0, len(pairs))), ("a", f'{{"b"{colon}{number}}}'))
    return "{" + ",".join(draw(spelled(name)) + colon + value for name, value in pairs) + "}"


@given(
    rows=st.lists(st.one_of(objects(), values()).map(str.encode), min_size=1, max_size=12),
    keys=st.sampled_from([PATH, ("a",), ("b",)]),
)
def test_a_number_that_was_read_is_what_a_parser_finds(rows: list[bytes], keys: tuple[str, ...]) -> None:
    for row, number in zip(rows, read(keys, *rows), strict=True):
        if number is not None:
            assert (type(parsed(row, keys)), parsed(row, keys)) == (int, number)


@given(rows=st.lists(objects().map(str.encode), max_size=12), literal=st.sampled_from([0, 3, -7, 3.0, 2.5, "3", True]))
def test_predicates_say_the_same_of_numbers_that_were_read_and_of_parsed_values(
    rows: list[bytes], literal: Any
) -> None:
    column = pa.array([*rows, *[TAIL] * 20], pa.binary())
    expected = [parsed(row, PATH) for row in column.to_pylist()]
    for op in ("==", "!=", "<", "<=", ">", ">="):
        got = json_rows.truths(column, PATH, lambda values, op=op: json_predicates.compared(op, values, literal))
        assert got.tolist() == json_predicates.compared(op, expected, literal).tolist()
    got = json_rows.truths(column, PATH, lambda values: json_predicates.among(values, [literal, 5]))
    assert got.tolist() == json_predicates.among(expected, [literal, 5]).tolist()
    assert json_rows.truths(column, PATH, json_predicates.there).tolist() == json_predicates.there(expected).tolist()
    like = json_rows.truths(column, PATH, lambda values: json_predicates.like(values, "a%"))
    assert like.tolist() == json_predicates.like(expected, "a%").tolist()


def test_rows_beyond_one_batch_are_read_and_parsed_each_in_its_place() -> None:
    texts = [b'{"a":{"b":%d}}' % at if at % 3 else b'{"a":{"b":"%d"}}' % at for at in range(40_000)]
    got = json_rows.truths(pa.array(texts), PATH, lambda values: json_predicates.compared(">=", values, 20_000))
    assert np.flatnonzero(got).tolist() == [at for at in range(20_000, 40_000) if at % 3]


def test_where_few_rows_can_be_read_all_are_parsed() -> None:
    texts = [b'{"a":{"b":%d.5}}' % at for at in range(40_000)]
    got = json_rows.truths(pa.array(texts), PATH, lambda values: json_predicates.compared("<", values, 20_000))
    assert np.flatnonzero(got).tolist() == list(range(20_000))
