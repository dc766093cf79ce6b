"""What every part of the service is made of: answers, and how a fault becomes one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from pymilvus.grpc_gen import common_pb2

from slowq.engine.faults import PARAMETER, UNEXPECTED, RequestFault, StoreError, Unserved
from slowq.engine.schema import Collection
from slowq.engine.server import convert
from slowq.engine.vector import BadIndexParam

if TYPE_CHECKING:
    from slowq.engine import Engine

Context: TypeAlias = Any  # grpc.ServicerContext, which has no types


def answers(kind: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A fault becomes the status of an answer of this kind (or the answer itself, where that is a status); what the engine
    does not have is UNIMPLEMENTED, which no client asks again."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def serve(self: Part, request: Any, context: Context) -> Any:
            try:
                return method(self, request, context)
            except RequestFault as fault:
                found = convert.status(fault)
            except Unserved as missing:
                return context.abort(grpc.StatusCode.UNIMPLEMENTED, missing.message)
            except BadIndexParam as error:
                found = convert.status(RequestFault(PARAMETER, f"invalid parameter: {error}"))
            except StoreError as error:
                found = convert.status(RequestFault(UNEXPECTED, error.message))
            except Exception as error:  # noqa: BLE001 - a border: clients ask again, and again, after an error of gRPC
                self._engine.failed(method.__name__, error)
                found = convert.status(RequestFault(UNEXPECTED, f"{type(error).__name__}: {error}"))
            return found if kind is common_pb2.Status else kind(status=found)

        return serve

    return decorate


class Part:
    """Some methods of the service, each of which does one thing to the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._coordinator = engine.coordinator
        self._catalog = engine.coordinator.catalog
        self._accounts = engine.coordinator.accounts
        self._loading = engine.coordinator.loading

    def _collection(self, request: Any) -> Collection:
        return self._catalog.collection(request.db_name or "default", request.collection_name)
