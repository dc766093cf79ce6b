"""Counts every call, by its name and how it ended, where Milvus does: between gRPC and the service (2.6, `grpcproxy`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import grpc

from slowq.engine.faults import RATE_LIMIT
from slowq.engine.metrics import Metrics
from slowq.engine.server.part import Context

Call = Callable[[Any, Context], Any]


class Counting(grpc.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """`milvus_proxy_req_count`: each call once as `total`, and once as what came of it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def intercept_service(self, continuation: Callable[[Any], Any], call: Any) -> Any:
        handler = continuation(call)
        if handler is None or handler.unary_unary is None:
            return handler
        counted = partial(self._serve, call.method.rpartition("/")[2], handler.unary_unary)
        return grpc.unary_unary_rpc_method_handler(counted, handler.request_deserializer, handler.response_serializer)

    def _serve(self, function: str, serve: Call, request: Any, context: Context) -> Any:
        database = _named(request, "db_name", "dbName")
        collection = _named(request, "collection_name", "collectionName") or ""
        labels = ("" if database is None else database or "default", collection)
        self._count(function, "total", *labels)
        try:
            answer = serve(request, context)
        except BaseException:
            self._count(function, "rejected", *labels)
            raise
        self._count(function, _outcome(answer), *labels)
        return answer

    def _count(self, function: str, status: str, database: str, collection: str) -> None:
        self._metrics.add("milvus_proxy_req_count", 1, function, status, database, collection)


def _named(request: Any, *names: str) -> str | None:
    """The first of these fields that the request's type has; Milvus' messages spell them in two ways."""
    return next((str(getattr(request, name)) for name in names if hasattr(request, name)), None)


def _outcome(answer: Any) -> str:
    """An answer has a status, or is one; what the client will ask again is no failure."""
    code = int(getattr(answer, "status", answer).code)
    return "success" if code == 0 else "retry" if code == RATE_LIMIT else "fail"
