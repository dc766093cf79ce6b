"""The vectorised evaluation beside the row-wise one of slowq.filters, which is compared with a real Milvus."""

import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slowq.engine import scalar
from slowq.filters import evaluate as by_rows
from slowq.filters.write import write
from tests.engine.scalar.segments import FIELDS, accepted, column, columns
from tests.filters.rows import row


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32))
def test_the_columns_say_what_the_rows_say(seed: int) -> None:
    rng = random.Random(seed)
    rows = [row(rng, at) for at in range(60)]
    segment = columns(rows)
    for tree in accepted(rng, 5):
        asked = scalar.compile(write(tree), FIELDS, dynamic=True)
        expected = [truth is True for truth in by_rows.evaluate(tree, rows)]
        assert scalar.evaluate(asked, segment, len(rows))[0].tolist() == expected, asked.text


def test_only_undecided_rows_are_parsed() -> None:
    segment = {
        "id": column(FIELDS["id"], range(1000)),
        "meta": column(FIELDS["meta"], [{"a": {"b": at % 4}} for at in range(1000)]),
    }
    asked = scalar.compile('meta["a"]["b"] == 3 and id < 20', FIELDS, dynamic=False)
    mask, works = scalar.evaluate(asked, segment, 1000)
    assert mask.nonzero()[0].tolist() == [3, 7, 11, 15, 19]
    assert [(work.predicate, work.rows_scanned, work.rows_passed) for work in works] == [
        ("id < 20", 1000, 20),
        ('meta["a"]["b"] == 3', 20, 5),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('meta["a"]["b"] == 3', [0, 1, 2]),
        ('meta["a"]["b"] != 3', [3, 4, 5, 6, 7]),
        ('meta["a"][0] == 3', [5]),
        ('exists meta["a"]["b"]', [0, 1, 2, 7]),
        ('meta["a"]["b"] > 1', [0, 1, 2, 7]),
    ],
)
def test_json_of_any_spelling_is_read(text: str, found: list[int]) -> None:
    rows = [
        b'{"a": {"b": 3}}',
        b'{"a":\n {"\\u0062":\r\n 3.0}}',
        b'{"a": {"b": 1}, "a": {"b": 3}}',
        b'{"a": {"b": null}}',
        b"[1]",
        b'{"a": [3]}',
        b"{}",
        b'{"a": {"b": 1e999}}',
    ]
    asked = scalar.compile(text, FIELDS, dynamic=False)
    mask, _ = scalar.evaluate(asked, {"meta": pa.array(rows, pa.binary())}, len(rows))
    assert mask.nonzero()[0].tolist() == found


def test_a_float_is_compared_with_the_nearest_float() -> None:
    fields = {"f": scalar.ScalarField("f", "FLOAT")}
    segment = {"f": pa.array([0.1, 0.5], pa.float32())}
    for text in ("f == 0.1", "f in [0.1]", "0.1 <= f < 0.5"):
        mask, _ = scalar.evaluate(scalar.compile(text, fields, dynamic=False), segment, 2)
        assert mask.tolist() == [True, False], text


def test_long_segments_are_evaluated_in_batches_to_the_last_row() -> None:
    segment = {"id": column(FIELDS["id"], range(600_001))}
    mask, works = scalar.evaluate(scalar.compile("id % 300000 == 0", FIELDS, dynamic=False), segment, 600_001)
    assert mask.nonzero()[0].tolist() == [0, 300_000, 600_000]
    assert [(work.rows_scanned, work.rows_passed) for work in works] == [(600_001, 3)]
