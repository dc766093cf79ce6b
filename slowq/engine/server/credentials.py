"""Who sends a call, and whether that is so where `common.security.authorizationEnabled` asks for it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc

from slowq.engine.coordinator.accounts import Accounts
from slowq.engine.server.part import Context


def credentials_of(context: Context) -> tuple[str, str]:
    """`user:password` in base64, as clients of Milvus send it; two empty texts for a token, and for what is neither."""
    given = str(dict(context.invocation_metadata()).get("authorization", ""))
    try:
        name, found, password = base64.b64decode(given, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (name, password) if found else ("", "")


class Authenticating(grpc.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Lets only calls of a user with the right password through, before they are counted, as Milvus does."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def intercept_service(self, continuation: Callable[[Any], Any], call: Any) -> Any:
        handler = continuation(call)
        if handler is None or handler.unary_unary is None:
            return handler
        checked = partial(self._serve, handler.unary_unary)
        return grpc.unary_unary_rpc_method_handler(checked, handler.request_deserializer, handler.response_serializer)

    def _serve(self, serve: Callable[[Any, Context], Any], request: Any, context: Context) -> Any:
        user, password = credentials_of(context)
        if not user:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "missing authorization in header")
        if not self._accounts.admits(user, password):
            message = "auth check failure, please check username and password are correct"
            context.abort(grpc.StatusCode.UNAUTHENTICATED, message)
        return serve(request, context)
