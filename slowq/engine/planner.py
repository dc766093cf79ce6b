"""The planner: a request that is within Milvus' limits and fits its collection becomes a plan, with its filter compiled."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import lru_cache

from slowq.engine.answers import metric_of
from slowq.engine.config import Config
from slowq.engine.faults import FIELD_NOT_FOUND, RequestFault, Unserved, invalid
from slowq.engine.metrics import Metrics
from slowq.engine.requests import Search
from slowq.engine.scalar import Filter, FilterError
from slowq.engine.scalar import compile as compile_filter
from slowq.engine.schema import INTEGERS, VECTOR_KINDS, Collection
from slowq.engine.search import Plan
from slowq.engine.vector import BadIndexParam, better, check_search
from slowq.filters import FilterSyntaxError

_GROUPED = (*INTEGERS, "BOOL", "VARCHAR")


class Planner:
    """What it refuses is a RequestFault that names the parameter. The filters that were asked last stay compiled."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self._config, self._metrics = config, metrics
        self._filters = lru_cache(maxsize=1024)(_compiled)

    def plan(self, collection: Collection, request: Search) -> Plan:
        spec = collection.named(request.field)
        if spec is None or not spec.is_vector:
            raise invalid(f"failed to get field schema by name: fieldName({request.field}) not found")
        self.check_window(request.limit, request.offset)
        nq = request.queries.rows
        most = int(self._config.number("quotaAndLimits.limits.nq"))
        if not 1 <= nq <= most:
            raise invalid(f"nq [{nq}] is invalid, it should be in range [1, {most}]")
        if request.queries.kind != VECTOR_KINDS[spec.type]:
            raise invalid(
                f"vector type must be the same, field {spec.name} - type {spec.type}, search info type {request.queries.kind}"
            )
        if spec.type != "SPARSE_FLOAT_VECTOR" and request.queries.dim != spec.dim:
            raise invalid(
                f"vector dimension mismatch, expected vector size(byte) {spec.dim}, actual {request.queries.dim}"
            )
        metric = metric_of(collection, request)
        index = collection.index_of(request.field)
        if index is not None:
            if request.metric and request.metric.upper() != index.metric:
                raise invalid(f"metric type not match: expected={index.metric}, actual={request.metric.upper()}")
            try:
                check_search(index.kind, index.metric, request.params, request.limit + request.offset)
            except BadIndexParam as error:
                raise invalid(str(error)) from error
        _check_range(request, metric)
        group = self._group(collection, request)
        chosen = self.filter(collection, request.filter, request.templates)
        return Plan(
            request.field,
            metric,
            tuple(sorted(request.params.items())),
            chosen,
            request.filter + _template_key(request.templates),
            request.radius,
            request.range_filter,
            group,
            request.group_size,
        )

    def filter(self, collection: Collection, text: str, templates: Mapping[str, object]) -> Filter | None:
        """The filter, compiled; None where there is none."""
        if not text.strip():
            return None
        began = time.perf_counter()
        try:
            found = self._filters(text, _Keyed(collection), _template_key(templates))
        except (FilterError, FilterSyntaxError) as error:
            raise invalid(f"failed to create query plan: cannot parse expression: {text}, error: {error}") from error
        self._metrics.observe(
            "milvus_proxy_parse_expr_latency", (time.perf_counter() - began) * 1e3, "Search", "success"
        )
        return found

    def check_window(self, limit: int, offset: int) -> None:
        most = int(self._config.number("quotaAndLimits.limits.topK"))
        window = int(self._config.number("quotaAndLimits.limits.maxQueryResultWindow"))
        if not 1 <= limit <= most:
            raise invalid(f"topk [{limit}] is invalid, it should be in range [1, {most}]")
        if offset < 0 or offset + limit > window:
            raise invalid(f"(offset+limit) [{offset + limit}] is invalid, it should be in range [1, {window}]")

    def _group(self, collection: Collection, request: Search) -> str | None:
        if not request.group_by:
            return None
        spec = collection.named(request.group_by)
        if spec is None and not collection.dynamic:
            missing = f"groupBy field not found in schema: field not found[field={request.group_by}]"
            raise RequestFault(FIELD_NOT_FOUND, missing)
        if spec is None or spec.type == "JSON":
            raise Unserved("group_by_field of JSON and of dynamic fields", request.group_by)
        if spec.type not in _GROUPED:
            raise invalid(f"unsupported data type {spec.type} for group by, field {spec.name}")
        if request.raw_params.get("iterator", "").lower() == "true":
            raise invalid("Not allowed to do groupBy when doing iteration")
        if request.radius is not None:
            raise invalid("Not allowed to do range-search when doing search-group-by")
        most = int(self._config.number("quotaAndLimits.limits.maxGroupSize"))
        if not 1 <= request.group_size <= most:
            raise invalid(f"input group size:{request.group_size} exceeds configured max group size:{most}")
        return request.group_by


def _check_range(request: Search, metric: str) -> None:
    """The radius is the far end of a range search, the filter its near end."""
    if request.radius is None or request.range_filter is None:
        return
    larger = better(metric) == "large"
    near, far = (request.range_filter, request.radius) if larger else (request.radius, request.range_filter)
    if near <= far:
        how = "larger" if larger else "less"
        raise invalid(f"range_filter({request.range_filter}) must be {how} than radius({request.radius})")


class _Keyed:
    """A collection as a key of a cache: by its id and the moment of its last change."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self._key = (collection.id, collection.updated)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self._key == other._key


def _compiled(text: str, keyed: _Keyed, templates: str) -> Filter:
    collection = keyed.collection
    fields = {one.name: one.as_scalar for one in collection.scalars}
    return compile_filter(text, fields, dynamic=collection.dynamic, templates=json.loads(templates or "{}"))


def _template_key(templates: Mapping[str, object]) -> str:
    return json.dumps(templates, sort_keys=True) if templates else ""
