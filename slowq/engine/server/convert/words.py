"""The names and numbers that every message uses: types, parts of a message, levels, statuses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from pymilvus.grpc_gen import common_pb2, schema_pb2

from slowq.engine.faults import LEGACY, RequestFault, Unserved, invalid

TYPES = {
    "Bool": "BOOL",
    "Int8": "INT8",
    "Int16": "INT16",
    "Int32": "INT32",
    "Int64": "INT64",
    "Float": "FLOAT",
    "Double": "DOUBLE",
    "VarChar": "VARCHAR",
    "Array": "ARRAY",
    "JSON": "JSON",
    "FloatVector": "FLOAT_VECTOR",
    "Float16Vector": "FLOAT16_VECTOR",
    "BFloat16Vector": "BFLOAT16_VECTOR",
    "BinaryVector": "BINARY_VECTOR",
    "SparseFloatVector": "SPARSE_FLOAT_VECTOR",
    "Int8Vector": "INT8_VECTOR",
}
NUMBERS = {ours: schema_pb2.DataType.Value(theirs) for theirs, ours in TYPES.items()}
LEVELS = ("Strong", "Session", "Bounded", "Eventually", "Customized")
_NAMES = {number: name for name, number in NUMBERS.items()}
SCALAR_PARTS = {
    "BOOL": "bool_data",
    "INT8": "int_data",
    "INT16": "int_data",
    "INT32": "int_data",
    "INT64": "long_data",
    "FLOAT": "float_data",
    "DOUBLE": "double_data",
    "VARCHAR": "string_data",
    "JSON": "json_data",
}
VECTOR_PARTS = {
    "FLOAT_VECTOR": "float_vector",
    "BINARY_VECTOR": "binary_vector",
    "FLOAT16_VECTOR": "float16_vector",
    "BFLOAT16_VECTOR": "bfloat16_vector",
    "INT8_VECTOR": "int8_vector",
}
RAW_TYPES = {
    "BINARY_VECTOR": np.uint8,
    "FLOAT16_VECTOR": np.float16,
    "BFLOAT16_VECTOR": np.uint16,
    "INT8_VECTOR": np.int8,
    "FLOAT_VECTOR": np.float32,
}


def status(fault: RequestFault | None = None) -> common_pb2.Status:
    if fault is None:
        return common_pb2.Status(code=0, error_code=0)
    legacy = LEGACY.get(fault.code, 1)
    return common_pb2.Status(code=fault.code, error_code=legacy, reason=fault.message, retriable=fault.retriable)


def type_name(number: int, field: str) -> str:
    if number in _NAMES:
        return _NAMES[number]
    if number in (schema_pb2.DataType.Value("None"), schema_pb2.DataType.String):
        raise invalid(
            f"data type {schema_pb2.DataType.Name(number)} of field {field} is not supported"
        )  # nor by Milvus
    known = schema_pb2.DataType.values()
    raise Unserved(f"fields of the type {schema_pb2.DataType.Name(number) if number in known else number}", field)


def level_of(number: int) -> str:
    if not 0 <= number < len(LEVELS):
        raise invalid(f"consistency level [{number}] is invalid")
    return LEVELS[number]


def pairs(items: Iterable[common_pb2.KeyValuePair]) -> dict[str, str]:
    return {one.key: one.value for one in items}


def key_values(values: Mapping[str, object]) -> list[common_pb2.KeyValuePair]:
    return [common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in values.items()]


def parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        raise invalid(f"search params in wrong format: {text}") from None
    if not isinstance(found, dict):
        raise invalid(f"search params in wrong format: {text}")
    return found
