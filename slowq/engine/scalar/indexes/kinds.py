"""Which scalar index is allowed on which field, with which parameters: Milvus' `indexparamcheck`."""

from __future__ import annotations

from collections.abc import Mapping

from slowq.engine.scalar.fields import INTEGERS, NUMBERS, STRINGS, ScalarField, shown
from slowq.engine.scalar.indexes.json_index import LIST_CASTS, SCALAR_CASTS
from slowq.filters.ast import Field, JsonPath
from slowq.filters.parse import FilterSyntaxError, parse

_SIMPLE = frozenset(("BOOL", "VARCHAR", "STRING")) | INTEGERS
_ALLOWED = {
    "INVERTED": _SIMPLE | NUMBERS | {"ARRAY", "JSON"},
    "BITMAP": _SIMPLE | {"ARRAY"},
    "STL_SORT": NUMBERS | STRINGS,
    "TRIE": STRINGS,
    "NGRAM": STRINGS | {"JSON"},
    "HYBRID": _SIMPLE | {"ARRAY"},
}
_CASTS = frozenset((*SCALAR_CASTS, *LIST_CASTS, "JSON"))
BITMAP_CARDINALITY = 100  # HYBRID is a BITMAP up to so many distinct values (Milvus: bitmap_cardinality_limit)


class ScalarIndexError(ValueError):
    """An index that the field does not take, or a parameter at fault."""


def check_index(kind: str, field: ScalarField, params: Mapping[str, str]) -> dict[str, str]:
    """The parameters as they are kept, `index_type` among them in capitals. Raises ScalarIndexError."""
    name = kind.upper() or "AUTOINDEX"
    if name == "AUTOINDEX":
        name = _chosen(field, params)
    if name not in _ALLOWED:
        raise ScalarIndexError(f"invalid parameter: index_type {kind} is no scalar index (field {field.name})")
    if field.type not in _ALLOWED[name]:
        raise ScalarIndexError(f"{name} are not supported on {shown(field.type)} field (field {field.name})")
    if field.type == "ARRAY" and field.element_type not in _ALLOWED[name]:
        raise ScalarIndexError(
            f"{name} are not supported on Array of {shown(field.element_type or '')} (field {field.name})"
        )
    made = {**params, "index_type": name}
    if field.type == "JSON":
        made |= _checked_path(name, field, params)
    if name == "NGRAM":
        made |= _checked_grams(field, params)
    return made


def path_of(field: ScalarField, json_path: str) -> JsonPath:
    """The path as filters name it: below the field, or a dynamic field by its bare name. Raises ScalarIndexError."""
    try:
        node = parse(json_path) if json_path else Field(field.name)
    except FilterSyntaxError as error:
        raise ScalarIndexError(f"json_path {json_path} of field {field.name}: {error.message}") from None
    if isinstance(node, Field):
        return JsonPath(field.name, () if node.name == field.name else (node.name,))
    if not isinstance(node, JsonPath):
        raise ScalarIndexError(f"json_path {json_path} of field {field.name} is no path")
    return node if node.root == field.name else JsonPath(field.name, (node.root, *node.keys))


def index_key(field: ScalarField, params: Mapping[str, str]) -> str:
    """The key of an index among those that `evaluate` is given: the field's name, or the text of the JSON path."""
    if field.type != "JSON" or params.get("json_cast_type", "JSON").upper() == "JSON":
        return field.name
    return path_of(field, params.get("json_path", "")).text


def _chosen(field: ScalarField, params: Mapping[str, str]) -> str:
    """What AUTOINDEX stands for in Milvus 2.6 (`scalarAutoIndex.params.build`)."""
    if field.type == "BOOL":
        return "BITMAP"
    if field.type == "ARRAY":
        return "HYBRID" if field.element_type in _SIMPLE else "INVERTED"
    return "HYBRID" if field.type in INTEGERS | STRINGS else "INVERTED"


def _checked_path(name: str, field: ScalarField, params: Mapping[str, str]) -> dict[str, str]:
    cast = params.get("json_cast_type", "JSON" if name == "INVERTED" else "").upper()
    if cast not in _CASTS or (name == "NGRAM" and cast != "VARCHAR"):
        raise ScalarIndexError(f"json_cast_type {cast or 'is missing'} is not supported by {name} (field {field.name})")
    if params.get("json_cast_function"):
        raise ScalarIndexError(f"json_cast_function is not supported by this engine (field {field.name})")
    if cast != "JSON" and not params.get("json_path"):
        raise ScalarIndexError(f"json_path is missing for an index of {cast} (field {field.name})")
    return {"json_path": path_of(field, params.get("json_path", "")).text, "json_cast_type": cast}


def _checked_grams(field: ScalarField, params: Mapping[str, str]) -> dict[str, str]:
    sizes = []
    for name in ("min_gram", "max_gram"):
        value = str(params.get(name, ""))
        if not value.isdecimal() or int(value) < 1:
            raise ScalarIndexError(
                f"{name} of an NGRAM index must be a positive integer, not {value!r} (field {field.name})"
            )
        sizes.append(int(value))
    if sizes[0] > sizes[1]:
        raise ScalarIndexError(f"min_gram {sizes[0]} is larger than max_gram {sizes[1]} (field {field.name})")
    return {"min_gram": str(sizes[0]), "max_gram": str(sizes[1])}
