"""Rows that come in, and columns that go out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from slowq.engine.faults import invalid
from slowq.engine.requests import (
    Column,
    Insert,
)
from slowq.engine.rows import Rows, arrow_type, keys_of
from slowq.engine.schema import DYNAMIC, VECTOR_KINDS, Collection, FieldSpec
from slowq.engine.server.convert.words import NUMBERS, RAW_TYPES, SCALAR_PARTS, VECTOR_PARTS
from slowq.engine.vector import Vectors

_OF_FLOATS = ("FLOAT_VECTOR", "FLOAT16_VECTOR", "BFLOAT16_VECTOR")
_NO_NUMBER = "value 'NaN' or 'Inf' is not a number or infinity in field {}"
_LAST_INDEX = 2**32 - 1  # of a sparse vector, and refused


def insert_of(
    request: milvus_pb2.InsertRequest | milvus_pb2.UpsertRequest, collection: Collection, *, upsert: bool = False
) -> Insert:
    given = {one.field_name or DYNAMIC: one for one in request.fields_data}
    dynamic = next((one for one in request.fields_data if one.is_dynamic), None)
    total = request.num_rows
    columns: dict[str, pa.Array] = {}
    for spec in collection.scalars:
        data = given.pop(spec.name, None)
        if data is None:
            if spec.primary and spec.auto_id and not upsert:
                continue
            columns[spec.name] = _missing(spec, total)
        else:
            columns[spec.name] = _checked(spec, _scalars(spec, data, total), total)
    vectors = {}
    for spec in collection.vectors:
        data = given.pop(spec.name, None)
        if data is None:
            raise invalid(f"the field {spec.name} is not provided")
        vectors[spec.name] = _vectors(spec, data, total)
    if collection.dynamic:
        texts = dynamic.scalars.json_data.data if dynamic is not None else [b"{}"] * total
        columns[DYNAMIC] = pa.array([bytes(one) for one in texts], pa.binary())
        given.pop(dynamic.field_name or DYNAMIC if dynamic is not None else DYNAMIC, None)
    if given:
        raise invalid(f"the field {min(given)} is not in the schema of collection {collection.name}")
    primary = collection.primary
    if primary.name in columns:
        keys = keys_of(columns[primary.name])
    else:
        keys = np.empty(0, np.int64 if primary.type == "INT64" else object)
    rows = Rows(keys, np.zeros(total, np.uint64), columns, vectors)
    return Insert(request.db_name or "default", request.collection_name, request.partition_name, rows)


def _missing(spec: FieldSpec, total: int) -> pa.Array:
    if spec.default is not None:
        return pa.array([spec.default] * total, arrow_type(spec))
    if spec.nullable:
        return pa.nulls(total, arrow_type(spec))
    raise invalid(f"fieldSchema({spec.name}) has no corresponding fieldData pass in")


def _scalars(spec: FieldSpec, data: schema_pb2.FieldData, total: int) -> pa.Array:
    if data.type != NUMBERS[spec.type] and not (spec.type == "VARCHAR" and data.type == schema_pb2.DataType.String):
        raise invalid(f"field {spec.name}: expected {spec.type}, got {schema_pb2.DataType.Name(data.type)}")
    values: Sequence[Any]
    if spec.type == "ARRAY":
        part = SCALAR_PARTS[spec.element_type or "INT64"]
        values = [list(getattr(one, part).data) for one in data.scalars.array_data.data]
    else:
        values = getattr(data.scalars, SCALAR_PARTS[spec.type]).data
        if spec.type == "JSON":
            values = [bytes(one) for one in values]
    valid = list(data.valid_data)
    if valid and len(values) < len(valid):  # only those that are there
        there = iter(values)
        values = [next(there) if one else None for one in valid]
    elif valid:
        values = [value if one else None for value, one in zip(values, valid, strict=True)]
    if spec.default is not None and None in values:
        values = [spec.default if one is None else one for one in values]
    try:
        if spec.type in ("INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE", "BOOL") and not valid:
            wide: np.ndarray[Any, Any] = np.fromiter(
                values,
                {"FLOAT": np.float32, "DOUBLE": np.float64, "BOOL": np.bool_}.get(spec.type, np.int64),
                len(values),
            )
            return pa.array(wide).cast(arrow_type(spec))
        return pa.array(list(values), arrow_type(spec))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise invalid(f"the value of field {spec.name} is out of its range: {error}") from error


def _checked(spec: FieldSpec, column: pa.Array, total: int) -> pa.Array:
    if len(column) != total:
        raise invalid(f"the num_rows ({len(column)}) of field ({spec.name}) is not equal to passed num_rows ({total})")
    if column.null_count and not spec.nullable:
        raise invalid(f"the field {spec.name} is not nullable, but has null values")
    if spec.type in ("FLOAT", "DOUBLE") and not _is_finite(column):
        raise invalid(_NO_NUMBER.format(spec.name))
    if spec.type == "VARCHAR":
        for place, text in enumerate(column.to_pylist()):
            _check_texts(spec, place, () if text is None else (text,))
    if spec.type == "ARRAY":
        most = int(spec.params.get("max_capacity", 4096))
        for place, values in enumerate(column.to_pylist()):
            if values is not None and len(values) > most:
                raise invalid(
                    f"the length ({len(values)}) of {place}th array exceeds max capacity ({most}) of field {spec.name}"
                )
            if spec.element_type == "VARCHAR":
                _check_texts(spec, place, values or ())
    if spec.type == "JSON":
        for place, text in enumerate(column.to_pylist()):
            _check_json(spec, place, text)
    return column


def _is_finite(column: pa.Array) -> bool:
    return bool(np.isfinite(column.drop_null().to_numpy(zero_copy_only=False)).all())


def _check_texts(spec: FieldSpec, place: int, texts: Sequence[str]) -> None:
    most = int(spec.params.get("max_length", 65535))
    for text in texts:
        if len(text) > most // 4 and len(text.encode()) > most:
            raise invalid(
                f"length of varchar field {spec.name} exceeds max length, row number: {place}, "
                f"length: {len(text.encode())}, max length: {most}"
            )


def _check_json(spec: FieldSpec, place: int, text: bytes | None) -> None:
    if text is None:
        return
    try:
        json.loads(text)
    except (ValueError, UnicodeDecodeError):
        raise invalid(f"invalid json in field {spec.name}, row number: {place}") from None


def _vectors(spec: FieldSpec, data: schema_pb2.FieldData, total: int) -> Vectors:
    if spec.type == "SPARSE_FLOAT_VECTOR":
        found = sparse_of(data.vectors.sparse_float_vector.contents)
        _check_sparse(spec, found)
    elif spec.type == "FLOAT_VECTOR":
        found = _shaped(spec, np.array(data.vectors.float_vector.data, np.float32))
    else:
        raw = getattr(data.vectors, VECTOR_PARTS[spec.type])
        if len(raw) % np.dtype(RAW_TYPES[spec.type]).itemsize:
            raise invalid(f"the length({len(raw)}) of field {spec.name} is no multiple of its dim({spec.dim})")
        found = _shaped(spec, np.frombuffer(raw, RAW_TYPES[spec.type]))
    if spec.type in _OF_FLOATS and not np.isfinite(found.floats()).all():
        raise invalid(_NO_NUMBER.format(spec.name))
    if found.rows != total:
        raise invalid(f"the num_rows ({found.rows}) of field ({spec.name}) is not equal to passed num_rows ({total})")
    return found


def _check_sparse(spec: FieldSpec, found: Vectors) -> None:
    indptr, indices, values = found.postings()
    if not np.isfinite(values).all() or (values < 0).any():
        raise invalid(f"negative value, NaN or Inf in sparse float vector of field {spec.name}")
    if (indices == _LAST_INDEX).any():
        raise invalid(f"invalid index in sparse float vector of field {spec.name}: must be less than 2^32-1")
    rises = np.diff(indices.astype(np.int64)) > 0
    rises[indptr[1:-1][(indptr[1:-1] > 0) & (indptr[1:-1] < len(indices))] - 1] = True  # from one row to the next
    if not rises.all():
        raise invalid(f"unsorted or same indices in sparse float vector of field {spec.name}")


def _shaped(spec: FieldSpec, flat: np.ndarray[Any, Any]) -> Vectors:
    width = spec.dim // 8 if spec.type == "BINARY_VECTOR" else spec.dim
    if len(flat) % width:
        raise invalid(f"the length({len(flat)}) of field {spec.name} is no multiple of its dim({spec.dim})")
    return Vectors.of_kind(VECTOR_KINDS[spec.type], flat.reshape(-1, width))


def sparse_of(contents: Sequence[bytes]) -> Vectors:
    entry = np.dtype([("index", "<u4"), ("value", "<f4")])
    lengths = [len(one) // entry.itemsize for one in contents]
    if any(len(one) % entry.itemsize for one in contents):
        raise invalid("invalid data length in sparse float vector")
    entries = np.frombuffer(b"".join(contents), entry)
    return Vectors.sparse(
        np.r_[0, np.cumsum(lengths)].astype(np.int64), entries["index"].copy(), entries["value"].copy()
    )


def field_data(collection: Collection, name: str, column: Column) -> schema_pb2.FieldData:
    spec = collection.named(name)
    if spec is None:
        made = schema_pb2.FieldData(type=schema_pb2.DataType.JSON, field_name=DYNAMIC, is_dynamic=True)
        made.scalars.json_data.data.extend(one or b"{}" for one in column.to_pylist())  # type: ignore[union-attr]
        return made
    made = schema_pb2.FieldData(type=NUMBERS[spec.type], field_name=name, field_id=spec.id)
    if isinstance(column, Vectors) or spec.is_vector:
        _put_vectors(spec, made, column)
    else:
        put_scalars(spec, made, column)
    return made


def _put_vectors(spec: FieldSpec, made: schema_pb2.FieldData, column: Column) -> None:
    made.vectors.dim = spec.dim
    if not isinstance(column, Vectors):  # no row at all
        return
    if spec.type == "SPARSE_FLOAT_VECTOR":
        indptr, indices, values = column.postings()
        made.vectors.dim = int(indices.max()) + 1 if len(indices) else 0
        made.vectors.sparse_float_vector.dim = made.vectors.dim
        for begin, end in zip(indptr[:-1].tolist(), indptr[1:].tolist(), strict=True):
            entries = np.empty(end - begin, np.dtype([("index", "<u4"), ("value", "<f4")]))
            entries["index"], entries["value"] = indices[begin:end], values[begin:end]
            made.vectors.sparse_float_vector.contents.append(entries.tobytes())
    elif spec.type == "FLOAT_VECTOR":
        made.vectors.float_vector.data.extend(column.data.ravel())
    else:
        setattr(made.vectors, VECTOR_PARTS[spec.type], np.ascontiguousarray(column.data).tobytes())


def put_scalars(spec: FieldSpec, made: schema_pb2.FieldData, column: pa.Array) -> None:
    values = column.to_pylist()
    if spec.nullable:
        made.valid_data.extend(one is not None for one in values)
    if spec.type == "ARRAY":
        part = SCALAR_PARTS[spec.element_type or "INT64"]
        made.scalars.array_data.element_type = NUMBERS[spec.element_type or "INT64"]
        for one in values:
            item = made.scalars.array_data.data.add()
            getattr(item, part).data.extend(one or [])
        return
    empty: Any = {"VARCHAR": "", "JSON": b"", "BOOL": False}.get(spec.type, 0)
    getattr(made.scalars, SCALAR_PARTS[spec.type]).data.extend(empty if one is None else one for one in values)
