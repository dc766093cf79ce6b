"""Writing, deleting, searching, querying."""

from __future__ import annotations

import time
import uuid
from typing import Any

from pymilvus.grpc_gen import milvus_pb2

from slowq.engine.faults import Unserved
from slowq.engine.requests import Caller
from slowq.engine.server import convert
from slowq.engine.server.credentials import credentials_of
from slowq.engine.server.part import Context, Part, answers
from slowq.engine.server.threads import waited_s

_TRACE = "slowq-trace"
_FAR_S = 3600.0


class Data(Part):
    # writes

    @answers(milvus_pb2.MutationResult)
    def Insert(self, request: Any, context: Context) -> Any:
        made = self._engine.writer.insert(convert.insert_of(request, self._collection(request)))
        return _mutation(made, request.num_rows)

    @answers(milvus_pb2.MutationResult)
    def Upsert(self, request: Any, context: Context) -> Any:
        if getattr(request, "partial_update", False) or getattr(request, "field_ops", ()):
            raise Unserved("partial updates")
        made = self._engine.writer.upsert(convert.insert_of(request, self._collection(request), upsert=True))
        return _mutation(made, request.num_rows)

    @answers(milvus_pb2.MutationResult)
    def Delete(self, request: Any, context: Context) -> Any:
        made = self._engine.delete(
            request.db_name or "default",
            request.collection_name,
            request.expr,
            convert.templates_of(request.expr_template_values),
            (request.partition_name,) if request.partition_name else (),
            _caller(context),
        )
        return milvus_pb2.MutationResult(status=convert.status(), delete_cnt=made.deleted, timestamp=made.timestamp)

    @answers(milvus_pb2.FlushResponse)
    def Flush(self, request: Any, context: Context) -> Any:
        made = milvus_pb2.FlushResponse(status=convert.status(), db_name=request.db_name)
        for name in request.collection_names:
            found = self._catalog.collection(request.db_name or "default", name)
            ids = [one for own in self._coordinator.upkeep.flush(found).values() for one in own]
            made.coll_segIDs[name].data.extend(ids)
            made.flush_coll_segIDs[name].data.extend(ids)
            made.coll_seal_times[name] = int(time.time())
            made.coll_flush_ts[name] = self._coordinator.oracle.next()
        return made

    @answers(milvus_pb2.GetFlushStateResponse)
    def GetFlushState(self, request: Any, context: Context) -> Any:
        return milvus_pb2.GetFlushStateResponse(status=convert.status(), flushed=True)  # Flush returned when it was

    @answers(milvus_pb2.FlushAllResponse)
    def FlushAll(self, request: Any, context: Context) -> Any:
        for one in self._catalog.collections(request.db_name or None):
            self._coordinator.upkeep.flush(one)
        return milvus_pb2.FlushAllResponse(status=convert.status(), flush_all_ts=self._coordinator.oracle.next())

    @answers(milvus_pb2.GetFlushAllStateResponse)
    def GetFlushAllState(self, request: Any, context: Context) -> Any:
        return milvus_pb2.GetFlushAllStateResponse(status=convert.status(), flushed=True)

    # reads

    @answers(milvus_pb2.SearchResults)
    def Search(self, request: Any, context: Context) -> Any:
        found = self._collection(request)
        asked = convert.search_of(request, request, found)
        answer, trace = self._engine.proxy.search(asked, _caller(context))
        context.set_trailing_metadata(((_TRACE, trace.to_json()),))
        return convert.search_results(answer, asked, found)

    @answers(milvus_pb2.SearchResults)
    def HybridSearch(self, request: Any, context: Context) -> Any:
        found = self._collection(request)
        asked = convert.hybrid_of(request, found)
        answer, trace = self._engine.proxy.hybrid_search(asked, _caller(context))
        context.set_trailing_metadata(((_TRACE, trace.to_json()),))
        return convert.search_results(answer, asked, found)

    @answers(milvus_pb2.QueryResults)
    def Query(self, request: Any, context: Context) -> Any:
        asked = convert.query_of(request)
        found = self._collection(request)
        answer, trace = self._engine.proxy.query(asked, _caller(context))
        context.set_trailing_metadata(((_TRACE, trace.to_json()),))
        return convert.query_results(answer, asked, found)


def _mutation(made: Any, rows: int) -> Any:
    return milvus_pb2.MutationResult(
        status=convert.status(),
        IDs=convert.ids_of(made.keys),
        succ_index=range(rows),
        insert_cnt=made.inserted,
        delete_cnt=made.deleted,
        upsert_cnt=made.upserted,
        timestamp=made.timestamp,
    )


def _caller(context: Context) -> Caller:
    left = context.time_remaining()
    return Caller(
        uuid.uuid4().hex,
        credentials_of(context)[0],
        context.peer().replace("ipv4:", "tcp-"),
        time.monotonic() + (_FAR_S if left is None else min(left, _FAR_S)),
        waited_s(),
    )
