"""Resource groups: the one that always is, with all query nodes. Others cannot be made, so there is nowhere to move to."""

from __future__ import annotations

from typing import Any

from pymilvus.grpc_gen import common_pb2, milvus_pb2

from slowq.engine.faults import RESOURCE_GROUP_NOT_FOUND, RequestFault, Unserved, invalid
from slowq.engine.server import convert
from slowq.engine.server.part import Context, Part, answers

GROUP = "__default_resource_group"


def require_group(*names: str) -> None:
    """Raises RequestFault for a name that no group has."""
    for name in names:
        if name != GROUP:
            raise RequestFault(RESOURCE_GROUP_NOT_FOUND, f"resource group not found[rg={name}]")


class ResourceGroups(Part):
    @answers(milvus_pb2.ListResourceGroupsResponse)
    def ListResourceGroups(self, request: Any, context: Context) -> Any:
        return milvus_pb2.ListResourceGroupsResponse(status=convert.status(), resource_groups=[GROUP])

    @answers(milvus_pb2.DescribeResourceGroupResponse)
    def DescribeResourceGroup(self, request: Any, context: Context) -> Any:
        require_group(request.resource_group)
        nodes = len(self._coordinator.placement.nodes)
        group = milvus_pb2.ResourceGroup(name=GROUP, capacity=nodes, num_available_node=nodes)
        for one in self._catalog.collections():
            if one.loaded:
                group.num_loaded_replica[one.name] = one.replicas
        return milvus_pb2.DescribeResourceGroupResponse(status=convert.status(), resource_group=group)

    @answers(common_pb2.Status)
    def CreateResourceGroup(self, request: Any, context: Context) -> Any:
        if not request.resource_group:
            raise invalid("resource group name couldn't be empty")
        if request.resource_group != GROUP:
            raise Unserved(f"a resource group beside {GROUP}, such as {request.resource_group}")
        return convert.status()

    @answers(common_pb2.Status)
    def DropResourceGroup(self, request: Any, context: Context) -> Any:
        if request.resource_group == GROUP:
            raise invalid(f"delete default resource group is not permitted[rg={GROUP}]")
        return convert.status()  # one that is not there is dropped

    @answers(common_pb2.Status)
    def UpdateResourceGroups(self, request: Any, context: Context) -> Any:
        require_group(*request.resource_groups)
        if request.resource_groups:
            raise Unserved(f"a configuration of the resource group {GROUP}")
        return convert.status()

    @answers(common_pb2.Status)
    def TransferNode(self, request: Any, context: Context) -> Any:
        _refuse_move(request)

    @answers(common_pb2.Status)
    def TransferReplica(self, request: Any, context: Context) -> Any:
        self._collection(request)
        _refuse_move(request)


def _refuse_move(request: Any) -> None:
    """Between groups that are not there, or from the one group to itself."""
    require_group(request.source_resource_group, request.target_resource_group)
    raise invalid(f"source resource group and target resource group should not be the same, resource group: {GROUP}")
