"""Indexes and their state."""

from __future__ import annotations

from typing import Any

from pymilvus.grpc_gen import common_pb2, milvus_pb2

from slowq.engine.faults import INDEX_NOT_FOUND, RequestFault
from slowq.engine.indexes import alter_index
from slowq.engine.schema import Collection, IndexSpec
from slowq.engine.server import convert
from slowq.engine.server.part import Context, Part, answers


class Indexing(Part):
    @answers(common_pb2.Status)
    def CreateIndex(self, request: Any, context: Context) -> Any:
        self._engine.create_index(
            self._collection(request), request.field_name, request.index_name, _index_params(request.extra_params)
        )
        return convert.status()

    @answers(common_pb2.Status)
    def AlterIndex(self, request: Any, context: Context) -> Any:
        alter_index(
            self._coordinator,
            self._collection(request),
            request.index_name,
            convert.pairs(request.extra_params),
            request.delete_keys,
        )
        return convert.status()

    @answers(common_pb2.Status)
    def DropIndex(self, request: Any, context: Context) -> Any:
        self._coordinator.indexing.drop(self._collection(request), request.index_name or request.field_name)
        return convert.status()

    @answers(milvus_pb2.DescribeIndexResponse)
    def DescribeIndex(self, request: Any, context: Context) -> Any:
        found = self._collection(request)
        chosen = [
            one
            for one in found.indexes
            if request.field_name in ("", one.field) and request.index_name in ("", one.name)
        ]
        if not chosen:
            raise RequestFault(INDEX_NOT_FOUND, f"index not found[indexName={request.index_name}]")
        made = milvus_pb2.DescribeIndexResponse(status=convert.status())
        made.index_descriptions.extend(self._described(found, one) for one in chosen)
        return made

    def _described(self, collection: Collection, index: IndexSpec) -> Any:
        indexed, total, failed = self._coordinator.indexing.rows(collection, index)
        states = common_pb2.IndexState
        state = states.Failed if failed else states.Finished if indexed >= total else states.InProgress
        params = {"index_type": index.kind, **index.params}
        if index.metric:
            params["metric_type"] = index.metric
        return milvus_pb2.IndexDescription(
            index_name=index.name,
            indexID=index.id,
            field_name=index.field,
            params=convert.key_values(params),
            indexed_rows=indexed,
            total_rows=total,
            pending_index_rows=total - indexed,
            state=state,
            index_state_fail_reason=failed,
        )

    @answers(milvus_pb2.GetIndexStateResponse)
    def GetIndexState(self, request: Any, context: Context) -> Any:
        found = self.DescribeIndex(request, context)
        if found.status.code:
            return milvus_pb2.GetIndexStateResponse(status=found.status)
        one = found.index_descriptions[0]
        return milvus_pb2.GetIndexStateResponse(
            status=convert.status(), state=one.state, fail_reason=one.index_state_fail_reason
        )

    @answers(milvus_pb2.GetIndexBuildProgressResponse)
    def GetIndexBuildProgress(self, request: Any, context: Context) -> Any:
        found = self.DescribeIndex(request, context)
        if found.status.code:
            return milvus_pb2.GetIndexBuildProgressResponse(status=found.status)
        one = found.index_descriptions[0]
        return milvus_pb2.GetIndexBuildProgressResponse(
            status=convert.status(), indexed_rows=one.indexed_rows, total_rows=one.total_rows
        )


def _index_params(pairs: Any) -> dict[str, str]:
    """Both forms: everything in `params` as JSON, or each parameter by itself."""
    found = convert.pairs(pairs)
    inner = found.pop("params", "")
    return {**{key: str(value) for key, value in convert.parsed(inner).items()}, **found}
