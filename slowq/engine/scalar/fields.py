"""The fields that filters read, and what is said of a filter that does not fit them."""

from __future__ import annotations

from dataclasses import dataclass

INTEGERS = frozenset(("INT8", "INT16", "INT32", "INT64"))
FLOATS = frozenset(("FLOAT", "DOUBLE"))
NUMBERS = INTEGERS | FLOATS
STRINGS = frozenset(("VARCHAR", "STRING"))
META = "$meta"
# As Milvus' messages write them.
_SHOWN = {
    "BOOL": "Bool",
    "INT8": "Int8",
    "INT16": "Int16",
    "INT32": "Int32",
    "INT64": "Int64",
    "FLOAT": "Float",
    "DOUBLE": "Double",
    "VARCHAR": "VarChar",
    "STRING": "String",
    "ARRAY": "Array",
}


class FilterError(ValueError):
    """A filter that can be read, but does not fit the collection; the message names the field or operator at fault."""


@dataclass(frozen=True, slots=True)
class ScalarField:
    """`type` is Milvus' name: BOOL, INT8 … INT64, FLOAT, DOUBLE, VARCHAR, JSON, ARRAY (of `element_type`)."""

    name: str
    type: str
    element_type: str | None = None
    nullable: bool = False


def shown(type_name: str) -> str:
    return _SHOWN.get(type_name, type_name)
