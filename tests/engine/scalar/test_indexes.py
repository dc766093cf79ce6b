"""Scalar indexes: what they find, what they refuse, and what they hold on disk."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slowq.engine import scalar
from slowq.engine.scalar import ScalarField, ScalarIndex
from slowq.filters.write import write
from tests.engine.scalar.segments import FIELDS, accepted, column, columns
from tests.filters.rows import row

META = ScalarField("$meta", "JSON")
KINDS: dict[str, list[tuple[str, dict[str, str]]]] = {
    "id": [(kind, {}) for kind in ("INVERTED", "STL_SORT", "BITMAP", "AUTOINDEX")],
    "small": [(kind, {}) for kind in ("INVERTED", "STL_SORT", "BITMAP", "HYBRID")],
    "big": [(kind, {}) for kind in ("INVERTED", "STL_SORT", "BITMAP")],
    "price": [(kind, {}) for kind in ("INVERTED", "STL_SORT")],
    "flag": [(kind, {}) for kind in ("INVERTED", "BITMAP", "AUTOINDEX")],
    "name": [
        *[(kind, {}) for kind in ("INVERTED", "STL_SORT", "BITMAP", "Trie", "AUTOINDEX")],
        ("NGRAM", {"min_gram": "1", "max_gram": "2"}),
        ("NGRAM", {"min_gram": "2", "max_gram": "3"}),
    ],
    "tags": [(kind, {}) for kind in ("INVERTED", "BITMAP", "HYBRID")],
    "meta": [
        ("INVERTED", {"json_cast_type": "JSON"}),
        *[
            ("INVERTED", {"json_path": f'meta["{key}"]', "json_cast_type": cast})
            for key in "kl"
            for cast in ("DOUBLE", "VARCHAR", "BOOL", "ARRAY_DOUBLE", "ARRAY_VARCHAR")
        ],
        ("NGRAM", {"json_path": 'meta["l"]', "json_cast_type": "VARCHAR", "min_gram": "1", "max_gram": "2"}),
    ],
    "$meta": [
        ("INVERTED", {"json_path": "loose", "json_cast_type": "DOUBLE"}),
        ("INVERTED", {"json_path": "$meta['other']", "json_cast_type": "VARCHAR"}),
        ("INVERTED", {"json_cast_type": "JSON"}),
    ],
}


def built(segment: dict[str, pa.Array], name: str, kind: str, params: dict[str, str]) -> tuple[str, ScalarIndex]:
    field = FIELDS.get(name, META)
    return scalar.index_key(field, params), scalar.build_index(kind, segment[name], field, params)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_an_index_never_changes_what_passes(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = random.Random(seed)
    rows = [row(rng, at) for at in range(rng.choice([1, 9, 60]))]
    segment = columns(rows)
    indexes = dict(built(segment, name, *rng.choice(kinds)) for name, kinds in KINDS.items())
    path = tmp_path_factory.mktemp("indexes") / "index"
    for name, index in indexes.items():
        if rng.random() < 0.2:
            index.save(path)
            indexes[name] = scalar.open_index(path, mmap=rng.random() < 0.5)
    for tree in accepted(rng, 5):
        asked = scalar.compile(write(tree), FIELDS, dynamic=True)
        without, _ = scalar.evaluate(asked, segment, len(rows))
        assert scalar.evaluate(asked, segment, len(rows), indexes)[0].tolist() == without.tolist(), asked.text


SERVED = {
    "INVERTED": {
        "name == 'a'",
        "name != 'a'",
        "name in ['a', 'b']",
        "name not in ['b']",
        "name > 'a'",
        "name like 'a%'",
    },
    "STL_SORT": {
        "name == 'a'",
        "name > 'a'",
        "'a' <= name < 'c'",
        "name like 'a%'",
        "name like '%bc%'",
        "name like 'a_c'",
    },
    "TRIE": {"name == 'a'", "name not in ['b']", "name like 'a%'", "name like '%bc%'"},
    "BITMAP": {"name == 'a'", "name > 'a'", "name like '%bc%'", "name like 'a_c'"},
    "NGRAM": {"name like '%bc%'", "name like 'a_bc'"},
}
NOT_SERVED = {
    "INVERTED": {"name like '%bc%'", "name like 'a_c'", "name is null", "name == other"},
    "STL_SORT": {"name is null"},
    "TRIE": {"name > 'a'", "'a' <= name < 'c'"},
    "BITMAP": {"other == 'a'"},
    "NGRAM": {"name == 'a'", "name like '%b%'", "name like 'a_c'", "name like '%'"},
}


@pytest.mark.parametrize("kind", SERVED)
def test_an_index_serves_what_it_serves_in_milvus(kind: str) -> None:
    field, other = FIELDS["name"], ScalarField("other", "VARCHAR")
    segment = {"name": column(field, ["abc"] * 50), "other": column(other, ["a"] * 50)}
    params = {"min_gram": "2", "max_gram": "3"} if kind == "NGRAM" else {}
    indexes = {"name": scalar.build_index(kind, segment["name"], field, params)}
    used = {}
    for text in SERVED[kind] | NOT_SERVED[kind]:
        asked = scalar.compile(text, {"name": field, "other": other}, dynamic=False)
        used[text] = scalar.evaluate(asked, segment, 50, indexes)[1][0].index
    assert used == dict.fromkeys(SERVED[kind], kind) | dict.fromkeys(NOT_SERVED[kind])


def test_an_index_answers_without_a_look_at_the_column() -> None:
    segment = {
        "id": column(FIELDS["id"], range(5000)),
        "price": column(FIELDS["price"], [float(at % 100) for at in range(5000)]),
    }
    indexes = {"id": scalar.build_index("STL_SORT", segment["id"], FIELDS["id"], {})}
    asked = scalar.compile("price < 10 and 100 <= id < 200", FIELDS, dynamic=False)
    _, works = scalar.evaluate(asked, segment, 5000, indexes)
    assert [(work.predicate, work.index, work.rows_scanned, work.rows_passed) for work in works] == [
        ("price < 10", None, 5000, 500),
        ("100 <= id < 200", "STL_SORT", 0, 10),
    ]


STRING = ScalarField("s", "VARCHAR")
JSON = ScalarField("j", "JSON")
REFUSED = [
    ("BITMAP", ScalarField("price", "DOUBLE"), {}, "BITMAP are not supported on Double field (field price)"),
    ("TRIE", ScalarField("id", "INT64"), {}, "TRIE are not supported on Int64 field (field id)"),
    ("BITMAP", ScalarField("a", "ARRAY", "FLOAT"), {}, "BITMAP are not supported on Array of Float (field a)"),
    ("HNSW", ScalarField("id", "INT64"), {}, "invalid parameter: index_type HNSW is no scalar index (field id)"),
    (
        "NGRAM",
        ScalarField("s", "VARCHAR"),
        {"min_gram": "2"},
        "max_gram of an NGRAM index must be a positive integer, not '' (field s)",
    ),
    (
        "NGRAM",
        STRING,
        {"min_gram": "3", "max_gram": "2"},
        "min_gram 3 is larger than max_gram 2 (field s)",
    ),
    (
        "INVERTED",
        JSON,
        {"json_cast_type": "INT"},
        "json_cast_type INT is not supported by INVERTED (field j)",
    ),
    (
        "INVERTED",
        JSON,
        {"json_cast_type": "DOUBLE"},
        "json_path is missing for an index of DOUBLE (field j)",
    ),
]


@pytest.mark.parametrize(("kind", "field", "params", "message"), REFUSED)
def test_an_index_that_a_field_does_not_take_is_refused(
    kind: str, field: ScalarField, params: dict[str, str], message: str
) -> None:
    with pytest.raises(scalar.ScalarIndexError) as error:
        scalar.check_index(kind, field, params)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("field", "distinct", "kind"),
    [
        (ScalarField("v", "BOOL"), 2, "BITMAP"),
        (ScalarField("v", "INT64"), 100, "BITMAP"),
        (ScalarField("v", "INT64"), 101, "STL_SORT"),
        (ScalarField("v", "DOUBLE"), 3, "INVERTED"),
    ],
)
def test_autoindex_chooses_by_type_and_number_of_values(field: ScalarField, distinct: int, kind: str) -> None:
    cast: Any = {"BOOL": bool, "DOUBLE": float}.get(field.type, int)
    values = column(field, [cast(at % distinct) for at in range(400)])
    assert scalar.build_index("AUTOINDEX", values, field, {}).kind == kind


@pytest.mark.parametrize("mapped", [False, True])
def test_a_damaged_index_file_is_an_error_that_names_it(mapped: bool, tmp_path: Path) -> None:
    path = tmp_path / "tags.index"
    rng = random.Random(1)
    segment = columns([row(rng, at) for at in range(20)])
    scalar.build_index("INVERTED", segment["tags"], FIELDS["tags"], {}).save(path)
    whole = path.read_bytes()
    asked = scalar.compile("array_contains(tags, 2)", FIELDS, dynamic=False)
    right = scalar.evaluate(asked, segment, 20)[0].tolist()
    named: list[bool] = []
    for at in range(len(whole)):
        for damaged in (whole[:at], whole[:at] + bytes((whole[at] ^ 0xFF,)) + whole[at + 1 :]):
            path.write_bytes(damaged)
            try:
                index = scalar.open_index(path, mmap=mapped)
            except scalar.IndexFileError as error:
                named.append(str(error).startswith(str(path)))
            else:  # only between the arrays, where nothing is
                assert len(damaged) == len(whole)
                assert scalar.evaluate(asked, segment, 20, {"tags": index})[0].tolist() == right
    assert all(named)
    assert len(named) > len(whole)
    path.write_bytes(whole)
    assert scalar.open_index(path).rows == 20
