"""What a search, a hybrid search or a query asks for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from slowq.engine.faults import Unserved, invalid
from slowq.engine.requests import (
    Freshness,
    HybridSearch,
    Query,
    Ranker,
    Search,
)
from slowq.engine.schema import VECTOR_KINDS, Collection, FieldSpec
from slowq.engine.server.convert.rows import sparse_of
from slowq.engine.server.convert.words import LEVELS, RAW_TYPES, TYPES, pairs, parsed
from slowq.engine.vector import Vectors

_MOST_K = 16_384  # of reciprocal rank fusion
_MOST_PARTS = 1024  # of a hybrid search


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
    if isinstance(request, milvus_pb2.SearchRequest) and request.HasField("function_score"):
        raise Unserved("a function_score of a plain search")
    _require_served(request)
    raw = pairs(request.search_params)
    _require_served_params(raw)
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
        None if radius is None else _real(radius, "radius"),
        None if range_filter is None else _real(range_filter, "range_filter"),
        raw.get("group_by_field", ""),
        _number(raw, "group_size", 1),
        _number(raw, "round_decimal", -1),
        raw.get("ignore_growing", "false").lower() == "true",
        freshness_of(whole),
        raw,
        len(request.placeholder_group),
    )


# By the part of the message that asks for it.
_ELSEWHERE = {
    "function_chains": "function chains",
    "highlighter": "highlighters",
    "search_aggregation": "aggregations of a search",
    "namespace": "namespaces",
    "ids": "searches by primary key",
}


def _require_served(
    request: milvus_pb2.SearchRequest | milvus_pb2.SubSearchRequest | milvus_pb2.HybridSearchRequest,
) -> None:
    for part, _ in request.ListFields():
        if part.name in _ELSEWHERE:
            raise Unserved(_ELSEWHERE[part.name])


def _require_served_params(raw: Mapping[str, str]) -> None:
    for name in ("group_by_fields", "order_by_fields"):  # 3.0
        if raw.get(name):
            raise Unserved(name, raw[name])


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


def _real(value: object, name: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise invalid(f"{name} [{value}] is invalid, it should be a number")
    return number


def _queries(spec: FieldSpec, data: bytes) -> Vectors:
    group = common_pb2.PlaceholderGroup()
    group.ParseFromString(data)
    if len(group.placeholders) != 1:
        raise invalid("exactly one placeholder is expected")
    one = group.placeholders[0]
    wanted = common_pb2.PlaceholderType.Name(one.type)
    if wanted == "VarChar":
        raise Unserved("searches by text", spec.name)
    if wanted.startswith("EmbList"):
        raise Unserved("searches by embedding lists", spec.name)
    if TYPES.get(wanted) != spec.type:
        raise invalid(f"vector type must be the same, field {spec.name} - type {spec.type}, search info type {wanted}")
    if spec.type == "SPARSE_FLOAT_VECTOR":
        return sparse_of(list(one.values))
    width = spec.dim // 8 if spec.type == "BINARY_VECTOR" else spec.dim
    size = np.dtype(RAW_TYPES[spec.type]).itemsize
    for value in one.values:
        if len(value) != width * size:
            raise invalid(f"vector dimension mismatch, expected vector size(byte) {width * size}, actual {len(value)}")
    raw = np.frombuffer(b"".join(one.values), RAW_TYPES[spec.type])
    return Vectors.of_kind(VECTOR_KINDS[spec.type], raw.reshape(-1, width))


def hybrid_of(request: milvus_pb2.HybridSearchRequest, collection: Collection) -> HybridSearch:
    _require_served(request)
    raw = pairs(request.rank_params)
    _require_served_params(raw)
    if raw.get("group_by_field"):
        raise Unserved("group_by_field in a hybrid search", raw["group_by_field"])
    limit = _number(raw, "limit", 10)
    offset = _number(raw, "offset", 0)
    if not 1 <= len(request.requests) <= _MOST_PARTS:
        raise invalid(f"a hybrid search has 1 to {_MOST_PARTS} ann search requests, not {len(request.requests)}")
    parts = [search_of(one, _Whole(request), collection) for one in request.requests]
    for one in parts:
        if one.queries.rows != parts[0].queries.rows:
            raise invalid(
                f"sub search request nq should be the same[expected={parts[0].queries.rows}][actual={one.queries.rows}], "
                f"field {one.field}"
            )
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
    if kind in ("decay", "model", "boost"):
        raise Unserved(f"the reranker {kind}")
    if kind not in ("rrf", "weighted"):
        raise invalid(f"unsupported rank type {kind}")
    normalise = params.get("norm_score", True)
    given, k = params.get("weights", ()), _real(params.get("k", 60), "k")
    if not isinstance(given, list | tuple):
        raise invalid(f"weights [{given}] is invalid, it should be a list of numbers")
    weights = tuple(_real(one, "weights") for one in given)
    if not 0 < k < _MOST_K:
        raise invalid(f"the rank param k should be in range (0, {_MOST_K})")
    if not all(0 <= one <= 1 for one in weights):
        raise invalid("rank param weight should be in range [0, 1]")
    return Ranker(kind, k, weights, normalise in (True, "true", "True"))


def _parsed_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def query_of(request: milvus_pb2.QueryRequest) -> Query:
    raw = pairs(request.query_params)
    _require_served_params(raw)
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
