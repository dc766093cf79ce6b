"""Which index serves what, version by version."""

import pytest

from slowq.filters.features import PredicateKind
from slowq.filters.indexes import Version, advise, best_index, served


@pytest.mark.parametrize(
    ("kind", "index_type", "version", "answer"),
    [
        ("equality", "INVERTED", (2, 4, 0), True),
        ("equality", "INVERTED", (2, 3, 9), False),
        ("in", "bitmap", None, True),
        ("range", "Trie", (2, 6, 18), False),
        ("range", "STL_SORT", None, True),
        ("like_prefix", "Trie", (2, 5, 9), True),
        ("like_prefix", "Trie", (2, 5, 10), False),
        ("like_prefix", "Trie", (2, 6, 14), False),
        ("like_prefix", "Trie", (2, 6, 15), True),
        ("like_prefix", "Trie", None, None),
        ("like_prefix", "STL_SORT", (2, 6, 8), True),
        ("like_infix", "INVERTED", (2, 5, 9), True),
        ("like_infix", "INVERTED", (2, 6, 0), False),
        ("like_suffix", "NGRAM", (2, 6, 0), True),
        ("like_suffix", "NGRAM", (2, 5, 0), False),
        ("like_infix", "HYBRID", (2, 6, 0), None),
        ("like_infix", "HYBRID", (2, 6, 10), True),
        ("json", "INVERTED", (2, 5, 11), True),
        ("json", "INVERTED", (2, 5, 4), False),
        ("json", "BITMAP", (3, 0, 0), True),
        ("json_contains", "INVERTED", None, None),
        ("array_contains", "INVERTED", (2, 4, 6), False),
        ("array_contains", "BITMAP", (2, 4, 8), True),
        ("array_length", "INVERTED", None, False),
        ("arithmetic", "STL_SORT", (2, 6, 0), False),
        ("geometry", "RTREE", (2, 5, 18), True),
        ("geometry", "RTREE", (2, 6, 2), False),
        ("geometry", "RTREE", (2, 6, 3), True),
        ("null", "INVERTED", None, None),
        ("equality", "AUTOINDEX", (2, 6, 0), None),
    ],
)
def test_an_index_serves_a_predicate_in_some_versions(
    kind: PredicateKind, index_type: str, version: Version | None, answer: bool | None
) -> None:
    assert served(kind, index_type, version) is answer


@pytest.mark.parametrize(
    ("kind", "field_type", "version", "index_type"),
    [
        ("equality", "VARCHAR", (2, 6, 0), "INVERTED"),
        ("equality", "VarChar", (2, 3, 0), "Trie"),
        ("in", "INT64", (2, 3, 0), "STL_SORT"),
        ("equality", "BOOL", (2, 3, 0), None),
        ("range", "INT64", None, "STL_SORT"),
        ("range", "VARCHAR", (2, 5, 0), "INVERTED"),
        ("range", "VARCHAR", (2, 3, 0), None),
        ("range", "Timestamptz", (2, 6, 5), None),
        ("range", None, None, "INVERTED"),
        ("like_prefix", None, (2, 4, 0), "INVERTED"),
        ("like_infix", "VARCHAR", (2, 6, 1), "NGRAM"),
        ("like_infix", "VARCHAR", (2, 5, 9), "INVERTED"),
        ("like_suffix", "VARCHAR", (2, 5, 10), None),
        ("json", "JSON", (2, 5, 11), "INVERTED"),
        ("json", "JSON", (2, 5, 4), None),
        ("array_contains", "ARRAY", (2, 4, 7), "INVERTED"),
        ("geometry", "GEOMETRY", (2, 6, 2), None),
        ("text", "VARCHAR", None, None),
        ("arithmetic", "INT64", None, None),
        ("null", "INT64", None, None),
        ("other", None, None, None),
    ],
)
def test_the_index_to_build_depends_on_predicate_field_and_version(
    kind: PredicateKind, field_type: str | None, version: Version | None, index_type: str | None
) -> None:
    assert best_index(kind, field_type, version) == index_type


def test_advice_says_why_there_is_no_index() -> None:
    assert advise("json", "JSON", (2, 4, 0)).reason == "JSON path indexes came with 2.5.11."


@pytest.mark.parametrize("version", [(2, 3, 0), (2, 4, 10), (2, 5, 11), (2, 6, 0), (2, 6, 18), (3, 0, 0)])
@pytest.mark.parametrize("field_type", ["VARCHAR", "INT64", "JSON", "ARRAY", "GEOMETRY"])
def test_what_is_advised_serves(version: Version, field_type: str) -> None:
    kinds: tuple[PredicateKind, ...] = (
        *("equality", "range", "in", "not_equal", "like_prefix", "like_infix", "like_suffix"),
        *("json", "json_contains", "array_contains", "geometry"),
    )
    for kind in kinds:
        index_type = best_index(kind, field_type, version)
        assert index_type is None or served(kind, index_type, version), (kind, index_type)
