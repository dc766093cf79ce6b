"""Which scalar index serves which predicate, by Milvus version.

Sources: the index checkers (`internal/util/indexparamcheck`), the scalar indexes of segcore (`internal/core/src/index`)
and the release notes of 2.2 to 3.0; the pull requests that changed an answer stand beside it. "Serves" means that the
index answers without reading the column: a Trie that looks up every row in reverse does not.

Growing segments and segments of fewer than 1024 rows have no scalar index at all, and JSON shredding serves JSON
paths without one; neither is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from slowq.filters.features import PredicateKind

Version: TypeAlias = tuple[int, int, int]
# Half-open: from the first version on, before the second. None is open.
_Span: TypeAlias = tuple[Version | None, Version | None]

_ALWAYS: tuple[_Span, ...] = ((None, None),)
_FROM_3_0: tuple[_Span, ...] = (((3, 0, 0), None),)
_JSON_PATH_INDEX: tuple[_Span, ...] = (((2, 5, 11), None),)  # in the code from 2.5.7, documented from 2.5.11
_STL_SORT_STRINGS: tuple[_Span, ...] = (((2, 6, 8), None),)  # PR #46535

_INTRODUCED: Mapping[str, tuple[_Span, ...]] = {
    "TRIE": _ALWAYS,
    "STL_SORT": _ALWAYS,
    "INVERTED": (((2, 4, 0), None),),
    "BITMAP": (((2, 4, 8), None),),
    "HYBRID": (((2, 4, 10), None),),
    "NGRAM": (((2, 6, 0), None),),
    "RTREE": (((2, 5, 18), (2, 6, 0)), ((2, 6, 3), None)),
}
_BY_VALUE = dict.fromkeys(("TRIE", "STL_SORT", "INVERTED", "BITMAP", "HYBRID"), _ALWAYS)
# Issue #29986 and PR #48688: in between every row is looked up in reverse.
_TRIE_PREFIX: tuple[_Span, ...] = ((None, (2, 5, 10)), ((2, 5, 28), (2, 6, 0)), ((2, 6, 15), None))
_ANYWHERE: Mapping[str, tuple[_Span, ...]] = {
    "TRIE": (((2, 6, 15), None),),
    "STL_SORT": _STL_SORT_STRINGS,
    "INVERTED": ((None, (2, 5, 10)),),  # later versions scan the raw data instead of the dictionary
    "BITMAP": _ALWAYS,
    "HYBRID": ((None, (2, 5, 10)), ((2, 6, 10), None)),  # in between only where it chose BITMAP
    "NGRAM": _ALWAYS,  # unless the literal is shorter than min_gram
}
_SERVED: Mapping[PredicateKind, Mapping[str, tuple[_Span, ...]]] = {
    "equality": _BY_VALUE,
    "in": _BY_VALUE,
    "not_equal": _BY_VALUE,
    "range": dict.fromkeys(("STL_SORT", "INVERTED", "BITMAP", "HYBRID"), _ALWAYS),
    "like_prefix": {
        "TRIE": _TRIE_PREFIX,
        "STL_SORT": _STL_SORT_STRINGS,
        "INVERTED": _ALWAYS,
        "BITMAP": _ALWAYS,
        "HYBRID": _ALWAYS,
        "NGRAM": _ALWAYS,
    },
    "like_infix": _ANYWHERE,
    "like_suffix": _ANYWHERE,
    "json": {"INVERTED": _JSON_PATH_INDEX, "STL_SORT": _FROM_3_0, "BITMAP": _FROM_3_0, "HYBRID": _FROM_3_0},
    "json_contains": {"INVERTED": _JSON_PATH_INDEX},
    "array_contains": {"INVERTED": (((2, 4, 7), None),), "BITMAP": _ALWAYS, "HYBRID": _ALWAYS},
    "array_length": {},
    "arithmetic": {},
    "text": {},
    "geometry": {"RTREE": _ALWAYS},
}

_STRINGS = frozenset(("VARCHAR", "STRING"))
_NUMBERS = frozenset(("INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE"))


@dataclass(frozen=True, slots=True)
class IndexAdvice:
    """`index_type` is None where no index of that version helps; `reason` is a sentence either way."""

    index_type: str | None
    reason: str


def served(kind: PredicateKind, index_type: str, version: Version | None) -> bool | None:
    """Whether an index of that type answers such a predicate. None: it depends, or is not known.

    Without a version the answer is given if it is the same in all versions that have the index. `index_type` as in
    `describe_index`, in any case; AUTOINDEX is None, for what it chose is not in its name.
    """
    name = index_type.upper()
    table = _SERVED.get(kind)
    if table is None or name not in _INTRODUCED:
        return None
    spans = table.get(name, ())
    if version is not None:
        if kind.startswith("like_") and name == "HYBRID" and not _within(version, spans):
            return None
        return _within(version, _INTRODUCED[name]) and _within(version, spans)
    return {_ALWAYS: True, (): False}.get(spans)


def best_index(kind: PredicateKind, field_type: str | None, version: Version | None) -> str | None:
    """The index to build for such a predicate on such a field; `advise` also says why, or why none."""
    return advise(kind, field_type, version).index_type


def advise(kind: PredicateKind, field_type: str | None, version: Version | None) -> IndexAdvice:
    """`field_type` as in the schema (`INT64`, `VarChar`, `JSON`…); an unknown version counts as new."""
    name = (field_type or "").upper()
    match kind:
        case "equality" | "in" | "not_equal":
            return _by_value(name, version)
        case "range":
            return _range(name, version)
        case "like_prefix":
            return _by_value("VARCHAR", version)
        case "like_infix" | "like_suffix":
            return _anywhere(version)
        case "json" | "json_contains":
            return _since(version, _JSON_PATH_INDEX, "INVERTED", "JSON path indexes came with 2.5.11.")
        case "array_contains":
            return _since(version, _SERVED[kind]["INVERTED"], "INVERTED", "Indexes on arrays came with 2.4.7.")
        case "geometry":
            return _since(version, _INTRODUCED["RTREE"], "RTREE", "RTREE came with 2.5.18 and 2.6.3.")
        case "text":
            return IndexAdvice(None, "Text functions use the text index that enable_match on the field builds (2.5.0).")
        case "arithmetic" | "array_length":
            return IndexAdvice(None, "No index serves a computed value: store it in a field of its own.")
        case "null":
            return IndexAdvice(None, "Null tests need no index: the valid bitmap of a nullable field answers them.")
        case "other":
            return IndexAdvice(None, "No index serves this predicate.")


def _by_value(field_type: str, version: Version | None) -> IndexAdvice:
    if _is(version, _INTRODUCED["INVERTED"]):
        return IndexAdvice("INVERTED", "INVERTED looks values up, and strings by their beginning.")
    if field_type in _STRINGS:
        return IndexAdvice("Trie", "Trie is the index of strings before INVERTED came with 2.4.0.")
    if field_type in _NUMBERS:
        return IndexAdvice("STL_SORT", "STL_SORT is the index of numbers before INVERTED came with 2.4.0.")
    return IndexAdvice(None, f"Before 2.4.0 no index takes {field_type or 'a field of unknown type'}.")


def _range(field_type: str, version: Version | None) -> IndexAdvice:
    if field_type in _NUMBERS:
        return IndexAdvice("STL_SORT", "STL_SORT keeps numbers in order.")
    if field_type == "TIMESTAMPTZ":
        return _since(version, (((2, 6, 6), None),), "STL_SORT", "STL_SORT takes TIMESTAMPTZ from 2.6.6 on.")
    if _is(version, _INTRODUCED["INVERTED"]):
        return IndexAdvice("INVERTED", "INVERTED keeps its terms in order.")
    return IndexAdvice(None, "Before 2.4.0 only numbers have an index that serves ranges.")


def _anywhere(version: Version | None) -> IndexAdvice:
    if _is(version, _INTRODUCED["NGRAM"]):
        return IndexAdvice("NGRAM", "NGRAM finds text anywhere, if the literal has at least min_gram characters.")
    if _is(version, _INTRODUCED["INVERTED"]) and _is(version, _ANYWHERE["INVERTED"]):
        return IndexAdvice("INVERTED", "INVERTED matches the pattern with its dictionary until 2.5.9.")
    return IndexAdvice(None, "NGRAM came with 2.6.0; until then only BITMAP helps, with few distinct values (2.4.8).")


def _since(version: Version | None, spans: tuple[_Span, ...], index_type: str, reason: str) -> IndexAdvice:
    return IndexAdvice(index_type if _is(version, spans) else None, reason)


def _is(version: Version | None, spans: tuple[_Span, ...]) -> bool:
    return version is None or _within(version, spans)


def _within(version: Version, spans: tuple[_Span, ...]) -> bool:
    return any((since is None or version >= since) and (before is None or version < before) for since, before in spans)
