"""Milvus' gRPC service over an engine. Each method: take the wire form off, one call, put it on again.

A request that cannot be served gets Milvus' status with code and reason; what the engine does not have is UNIMPLEMENTED.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import grpc
from pymilvus.grpc_gen import milvus_pb2_grpc

from slowq.engine.faults import Unserved
from slowq.engine.server.accounts import Accounts
from slowq.engine.server.data import Data
from slowq.engine.server.definitions import Definitions
from slowq.engine.server.groups import ResourceGroups
from slowq.engine.server.indexing import Indexing
from slowq.engine.server.loading import Loading
from slowq.engine.server.part import Context
from slowq.engine.server.upkeep import Upkeep

_Milvus: TypeAlias = milvus_pb2_grpc.MilvusServiceServicer


class Service(Definitions, Indexing, Loading, Data, Accounts, ResourceGroups, Upkeep, _Milvus):  # type: ignore[misc]
    """All of them."""


def _refusing(name: str) -> Callable[[Service, Any, Context], None]:
    def refuse(self: Service, request: Any, context: Context) -> None:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, Unserved(name).message)

    return refuse


for _name in dir(_Milvus):
    if not _name.startswith("_") and getattr(Service, _name) is getattr(_Milvus, _name):
        setattr(Service, _name, _refusing(_name))
