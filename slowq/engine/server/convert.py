"""Milvus' wire form to the engine's values, and back. The messages are those of the stubs that pymilvus ships."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from slowq.engine.faults import LEGACY, UNEXPECTED, RequestFault, invalid
from slowq.engine.requests import (
    Column,
    Freshness,
    HybridSearch,
    Insert,
    Query,
    QueryAnswer,
    Ranker,
    Search,
    SearchAnswer,
)
from slowq.engine.rows import Rows, arrow_type, keys_of
from slowq.engine.schema import DYNAMIC, VECTOR_KINDS, Collection, FieldSpec
from slowq.engine.vector import Vectors

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
_SCALAR_PARTS = {
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
_VECTOR_PARTS = {
    "FLOAT_VECTOR": "float_vector",
    "BINARY_VECTOR": "binary_vector",
    "FLOAT16_VECTOR": "float16_vector",
    "BFLOAT16_VECTOR": "bfloat16_vector",
    "INT8_VECTOR": "int8_vector",
}
_RAW_TYPES = {
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


def type_name(number: int) -> str:
    try:
        return _NAMES[number]
    except KeyError:
        raise invalid(f"data type {number} is not supported by the reference engine") from None


def pairs(items: Iterable[common_pb2.KeyValuePair]) -> dict[str, str]:
    return {one.key: one.value for one in items}


def key_values(values: Mapping[str, object]) -> list[common_pb2.KeyValuePair]:
    return [common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in values.items()]


# schema


def fields_of(schema: schema_pb2.CollectionSchema) -> tuple[FieldSpec, ...]:
    if schema.functions or schema.struct_array_fields:
        raise RequestFault(UNEXPECTED, "the reference engine has no functions and no struct arrays")
    return tuple(_field(one, 100 + place) for place, one in enumerate(schema.fields) if one.name != DYNAMIC)


def _field(one: schema_pb2.FieldSchema, number: int) -> FieldSpec:
    kind = type_name(one.data_type)
    return FieldSpec(
        number,
        one.name,
        kind,
        one.is_primary_key,
        one.autoID,
        one.is_partition_key,
        one.is_clustering_key,
        one.nullable,
        _default(one),
        type_name(one.element_type) if kind == "ARRAY" else None,
        pairs(one.type_params),
        one.description,
    )


def _default(one: schema_pb2.FieldSchema) -> Any:
    which = one.default_value.WhichOneof("data")
    return None if which is None else getattr(one.default_value, which)


def schema_of(collection: Collection) -> schema_pb2.CollectionSchema:
    return schema_pb2.CollectionSchema(
        name=collection.name,
        description=collection.description,
        autoID=collection.primary.auto_id,
        enable_dynamic_field=collection.dynamic,
        fields=[_field_schema(one) for one in collection.fields],
        properties=key_values(collection.properties),
    )


def _field_schema(spec: FieldSpec) -> schema_pb2.FieldSchema:
    made = schema_pb2.FieldSchema(
        fieldID=spec.id,
        name=spec.name,
        description=spec.description,
        is_primary_key=spec.primary,
        data_type=NUMBERS[spec.type],
        autoID=spec.auto_id,
        is_partition_key=spec.partition_key,
        is_clustering_key=spec.clustering_key,
        nullable=spec.nullable,
        type_params=key_values(spec.params),
    )
    if spec.element_type is not None:
        made.element_type = NUMBERS[spec.element_type]
    if spec.default is not None:
        part = {"INT8": "int_data", "INT16": "int_data", "INT32": "int_data"}.get(
            spec.type, _SCALAR_PARTS.get(spec.type, "")
        )
        setattr(made.default_value, part, spec.default)
    return made


# rows


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
        part = _SCALAR_PARTS[spec.element_type or "INT64"]
        values = [list(getattr(one, part).data) for one in data.scalars.array_data.data]
    else:
        values = getattr(data.scalars, _SCALAR_PARTS[spec.type]).data
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
    if spec.type == "VARCHAR":
        most = int(spec.params.get("max_length", 65535))
        for place, text in enumerate(column.to_pylist()):
            if text is not None and len(text) > most // 4 and len(text.encode()) > most:
                raise invalid(
                    f"length of varchar field {spec.name} exceeds max length, row number: {place}, "
                    f"length: {len(text.encode())}, max length: {most}"
                )
    if spec.type == "ARRAY":
        most = int(spec.params.get("max_capacity", 4096))
        for place, values in enumerate(column.to_pylist()):
            if values is not None and len(values) > most:
                raise invalid(
                    f"the length ({len(values)}) of {place}th array exceeds max capacity ({most}) of field {spec.name}"
                )
    if spec.type == "JSON":
        for place, text in enumerate(column.to_pylist()):
            _check_json(spec, place, text)
    return column


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
    elif spec.type == "FLOAT_VECTOR":
        flat = np.array(data.vectors.float_vector.data, np.float32)
        found = _shaped(spec, flat)
        if not np.isfinite(found.data).all():
            raise invalid(f"value 'NaN' or 'Inf' is not a number or infinity in field {spec.name}")
    else:
        raw = getattr(data.vectors, _VECTOR_PARTS[spec.type])
        if len(raw) % np.dtype(_RAW_TYPES[spec.type]).itemsize:
            raise invalid(f"the length({len(raw)}) of field {spec.name} is no multiple of its dim({spec.dim})")
        found = _shaped(spec, np.frombuffer(raw, _RAW_TYPES[spec.type]))
    if found.rows != total:
        raise invalid(f"the num_rows ({found.rows}) of field ({spec.name}) is not equal to passed num_rows ({total})")
    return found


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
        setattr(made.vectors, _VECTOR_PARTS[spec.type], np.ascontiguousarray(column.data).tobytes())


def put_scalars(spec: FieldSpec, made: schema_pb2.FieldData, column: pa.Array) -> None:
    values = column.to_pylist()
    if spec.nullable:
        made.valid_data.extend(one is not None for one in values)
    if spec.type == "ARRAY":
        part = _SCALAR_PARTS[spec.element_type or "INT64"]
        made.scalars.array_data.element_type = NUMBERS[spec.element_type or "INT64"]
        for one in values:
            item = made.scalars.array_data.data.add()
            getattr(item, part).data.extend(one or [])
        return
    empty: Any = {"VARCHAR": "", "JSON": b"", "BOOL": False}.get(spec.type, 0)
    getattr(made.scalars, _SCALAR_PARTS[spec.type]).data.extend(empty if one is None else one for one in values)


# requests


def freshness_of(
    request: milvus_pb2.SearchRequest | milvus_pb2.QueryRequest | milvus_pb2.HybridSearchRequest,
) -> Freshness:
    level = LEVELS[request.consistency_level] if request.consistency_level < len(LEVELS) else "Customized"
    return Freshness(level, request.use_default_consistency, request.guarantee_timestamp)


def templates_of(values: Mapping[str, schema_pb2.TemplateValue]) -> dict[str, object]:
    return {name: _template(one) for name, one in values.items()}


def _template(value: schema_pb2.TemplateValue) -> object:
    which = value.WhichOneof("val")
    if which != "array_val":
        return None if which is None else getattr(value, which)
    inner = value.array_val.WhichOneof("data")
    if inner is None:
        return []
    data = getattr(value.array_val, inner).data
    if inner == "json_data":
        return [json.loads(one) for one in data]
    return [_template(one) for one in data] if inner == "array_data" else list(data)


def search_of(
    request: milvus_pb2.SearchRequest | milvus_pb2.SubSearchRequest, whole: Any, collection: Collection
) -> Search:
    """A search, or a part of a hybrid search, whose collection and partitions are those of `whole`."""
    raw = pairs(request.search_params)
    inner = parsed(raw.get("params", "{}"))
    field = raw.get("anns_field", "") or _only_vector(collection)
    spec = collection.named(field)
    if spec is None or not spec.is_vector:
        raise invalid(f"failed to get field schema by name: fieldName({field}) not found")
    radius, range_filter = inner.pop("radius", raw.get("radius")), inner.pop("range_filter", raw.get("range_filter"))
    inner.pop("metric_type", None)
    for name in ("page_retain_order", "hints", "offset", "round_decimal"):
        inner.pop(name, None)
    return Search(
        whole.db_name or "default",
        whole.collection_name,
        field,
        _queries(spec, request.placeholder_group),
        _number(raw, "topk", _number(raw, "limit", 0)),
        inner,
        raw.get("metric_type", ""),
        request.dsl,
        templates_of(request.expr_template_values),
        tuple(whole.partition_names),
        tuple(whole.output_fields),
        _number(raw, "offset", 0),
        None if radius is None else float(radius),
        None if range_filter is None else float(range_filter),
        raw.get("group_by_field", ""),
        _number(raw, "group_size", 1),
        _number(raw, "round_decimal", -1),
        raw.get("ignore_growing", "false").lower() == "true",
        freshness_of(whole),
        raw,
        len(request.placeholder_group),
    )


def parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        raise invalid(f"search params in wrong format: {text}") from None
    if not isinstance(found, dict):
        raise invalid(f"search params in wrong format: {text}")
    return found


def _only_vector(collection: Collection) -> str:
    names = [one.name for one in collection.vectors]
    if len(names) > 1:
        raise invalid("multiple anns_fields exist, please specify a anns_field in search_params")
    return names[0]


def _number(raw: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(raw.get(name, default))
    except ValueError:
        raise invalid(f"{name} [{raw[name]}] is invalid") from None


def _queries(spec: FieldSpec, data: bytes) -> Vectors:
    group = common_pb2.PlaceholderGroup()
    group.ParseFromString(data)
    if len(group.placeholders) != 1:
        raise invalid("exactly one placeholder is expected")
    one = group.placeholders[0]
    wanted = common_pb2.PlaceholderType.Name(one.type)
    if TYPES.get(wanted) != spec.type:
        raise invalid(f"vector type must be the same, field {spec.name} - type {spec.type}, search info type {wanted}")
    if spec.type == "SPARSE_FLOAT_VECTOR":
        return sparse_of(list(one.values))
    width = spec.dim // 8 if spec.type == "BINARY_VECTOR" else spec.dim
    size = np.dtype(_RAW_TYPES[spec.type]).itemsize
    for value in one.values:
        if len(value) != width * size:
            raise invalid(f"vector dimension mismatch, expected vector size(byte) {width * size}, actual {len(value)}")
    raw = np.frombuffer(b"".join(one.values), _RAW_TYPES[spec.type])
    return Vectors.of_kind(VECTOR_KINDS[spec.type], raw.reshape(-1, width))


def hybrid_of(request: milvus_pb2.HybridSearchRequest, collection: Collection) -> HybridSearch:
    raw = pairs(request.rank_params)
    limit = _number(raw, "limit", 10)
    offset = _number(raw, "offset", 0)
    parts = [search_of(one, _Whole(request), collection) for one in request.requests]
    return HybridSearch(
        parts,
        _ranker(request, raw),
        limit,
        offset,
        _number(raw, "round_decimal", -1),
        tuple(request.output_fields),
        tuple(request.partition_names),
        freshness_of(request),
    )


class _Whole:
    """What the parts of a hybrid search have in common; they bring no output fields of their own."""

    output_fields: tuple[str, ...] = ()

    def __init__(self, request: milvus_pb2.HybridSearchRequest) -> None:
        self.db_name, self.collection_name = request.db_name, request.collection_name
        self.partition_names = tuple(request.partition_names)
        self.consistency_level = request.consistency_level
        self.use_default_consistency = request.use_default_consistency
        self.guarantee_timestamp = request.guarantee_timestamp


def _ranker(request: milvus_pb2.HybridSearchRequest, raw: Mapping[str, str]) -> Ranker:
    kind, params = raw.get("strategy", "rrf"), parsed(raw.get("params", "{}"))
    for function in request.function_score.functions if request.HasField("function_score") else ():
        given = pairs(function.params)
        kind = given.get("reranker", kind)
        params = {name: _parsed_value(value) for name, value in given.items()}
    if kind not in ("rrf", "weighted"):
        raise invalid(f"unsupported rank type {kind}")
    normalise = params.get("norm_score", True)
    return Ranker(
        kind, float(params.get("k", 60)), tuple(params.get("weights", ())), normalise in (True, "true", "True")
    )


def _parsed_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def query_of(request: milvus_pb2.QueryRequest) -> Query:
    raw = pairs(request.query_params)
    return Query(
        request.db_name or "default",
        request.collection_name,
        request.expr,
        templates_of(request.expr_template_values),
        tuple(request.partition_names),
        tuple(request.output_fields),
        _number(raw, "limit", 0) if "limit" in raw and raw["limit"] != "-1" else None,
        _number(raw, "offset", 0),
        raw.get("ignore_growing", "false").lower() == "true",
        freshness_of(request),
    )


# answers


def ids_of(keys: np.ndarray[Any, Any]) -> schema_pb2.IDs:
    made = schema_pb2.IDs()
    if keys.dtype == object:
        made.str_id.data.extend(keys.tolist())
    else:
        made.int_id.data.extend(keys.tolist())
    return made


def search_results(
    answer: SearchAnswer, request: Search | HybridSearch, collection: Collection
) -> milvus_pb2.SearchResults:
    data = schema_pb2.SearchResultData(
        num_queries=len(answer.counts),
        top_k=max(answer.counts, default=0),
        topks=answer.counts,
        scores=answer.scores,
        ids=ids_of(answer.keys),
        output_fields=list(request.output_fields),
        primary_field_name=answer.primary,
    )
    data.fields_data.extend(field_data(collection, name, column) for name, column in answer.columns.items())
    if answer.groups is not None and isinstance(request, Search):
        spec = collection.named(request.group_by)
        if spec is not None:
            data.group_by_field_value.CopyFrom(field_data(collection, spec.name, answer.groups))
    return milvus_pb2.SearchResults(
        status=status(), results=data, collection_name=answer.collection, session_ts=answer.session_ts
    )


def query_results(answer: QueryAnswer, request: Query, collection: Collection) -> milvus_pb2.QueryResults:
    made = milvus_pb2.QueryResults(
        status=status(),
        collection_name=answer.collection,
        primary_field_name=answer.primary,
        session_ts=answer.session_ts,
    )
    if answer.count is not None:
        data = schema_pb2.FieldData(type=schema_pb2.DataType.Int64, field_name="count(*)")
        data.scalars.long_data.data.append(answer.count)
        made.fields_data.append(data)
        made.output_fields.append("count(*)")
        return made
    every = [one.name for one in collection.fields]
    asked = [name for one in request.output_fields for name in (every if one == "*" else [one])]
    made.output_fields.extend(dict.fromkeys(asked))
    made.fields_data.extend(field_data(collection, name, column) for name, column in answer.columns.items())
    return made
