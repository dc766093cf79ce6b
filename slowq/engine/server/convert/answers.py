"""The answers of searches and queries."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from slowq.engine.requests import (
    HybridSearch,
    Query,
    QueryAnswer,
    Search,
    SearchAnswer,
)
from slowq.engine.schema import Collection
from slowq.engine.server.convert.rows import field_data
from slowq.engine.server.convert.words import status


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
