"""The schema of a collection."""

from __future__ import annotations

from typing import Any

from pymilvus.grpc_gen import schema_pb2

from slowq.engine.faults import Unserved
from slowq.engine.schema import DYNAMIC, Collection, FieldSpec
from slowq.engine.server.convert.words import NUMBERS, SCALAR_PARTS, key_values, pairs, type_name


def fields_of(schema: schema_pb2.CollectionSchema) -> tuple[FieldSpec, ...]:
    _require_served(schema)
    return tuple(_field(one, 100 + place) for place, one in enumerate(schema.fields) if one.name != DYNAMIC)


def _require_served(schema: schema_pb2.CollectionSchema) -> None:
    for one in schema.functions:
        kind = schema_pb2.FunctionType.Name(one.type)
        raise Unserved(f"functions such as {one.name}, of the type {kind}", next(iter(one.output_field_names), ""))
    for one in schema.struct_array_fields:
        raise Unserved("struct arrays", one.name)
    for name, feature in (("external_source", "external collections"), ("enable_namespace", "namespaces")):
        if getattr(schema, name, None):  # clients before 3.0 have no such part
            raise Unserved(feature)


def _field(one: schema_pb2.FieldSchema, number: int) -> FieldSpec:
    kind = type_name(one.data_type, one.name)
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
        type_name(one.element_type, one.name) if kind == "ARRAY" else None,
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
            spec.type, SCALAR_PARTS.get(spec.type, "")
        )
        setattr(made.default_value, part, spec.default)
    return made
