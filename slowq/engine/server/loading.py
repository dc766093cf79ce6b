"""What is loaded, and where."""

from __future__ import annotations

from typing import Any

from pymilvus.grpc_gen import common_pb2, milvus_pb2

from slowq.engine.faults import RequestFault
from slowq.engine.server import convert
from slowq.engine.server.groups import GROUP, require_group
from slowq.engine.server.part import Context, Part, answers


class Loading(Part):
    @answers(common_pb2.Status)
    def LoadCollection(self, request: Any, context: Context) -> Any:
        require_group(*request.resource_groups)
        self._loading.load(self._collection(request), request.replica_number or 1)
        return convert.status()

    @answers(common_pb2.Status)
    def LoadPartitions(self, request: Any, context: Context) -> Any:
        require_group(*request.resource_groups)
        self._loading.load(self._collection(request), request.replica_number or 1, tuple(request.partition_names))
        return convert.status()

    @answers(common_pb2.Status)
    def ReleaseCollection(self, request: Any, context: Context) -> Any:
        self._loading.release(self._collection(request))
        return convert.status()

    @answers(common_pb2.Status)
    def ReleasePartitions(self, request: Any, context: Context) -> Any:
        self._loading.release(self._collection(request), tuple(request.partition_names))
        return convert.status()

    @answers(milvus_pb2.GetLoadingProgressResponse)
    def GetLoadingProgress(self, request: Any, context: Context) -> Any:
        found = self._collection(request)
        if not found.loaded:
            raise RequestFault(101, f"collection not loaded[collection={found.name}]")
        share = int(self._loading.progress(found) * 100)
        return milvus_pb2.GetLoadingProgressResponse(status=convert.status(), progress=share, refresh_progress=share)

    @answers(milvus_pb2.GetLoadStateResponse)
    def GetLoadState(self, request: Any, context: Context) -> Any:
        states = common_pb2.LoadState
        try:
            found = self._collection(request)
        except RequestFault:
            return milvus_pb2.GetLoadStateResponse(status=convert.status(), state=states.LoadStateNotExist)
        state = states.LoadStateNotLoad
        if found.loaded:
            state = states.LoadStateLoaded if self._loading.progress(found) >= 1 else states.LoadStateLoading
            wanted = frozenset(request.partition_names)
            if wanted and found.loaded_partitions and not wanted <= frozenset(found.loaded_partitions):
                state = states.LoadStateNotLoad
        return milvus_pb2.GetLoadStateResponse(status=convert.status(), state=state)

    @answers(milvus_pb2.GetReplicasResponse)
    def GetReplicas(self, request: Any, context: Context) -> Any:
        found = self._catalog.by_id(request.collectionID) if request.collectionID else self._collection(request)
        made = milvus_pb2.GetReplicasResponse(status=convert.status())
        for replica in range(found.replicas):
            nodes = [one.number + 1 for one in self._coordinator.placement.of_replica(replica, found.replicas)]
            shards = [
                milvus_pb2.ShardReplica(leaderID=nodes[0], dm_channel_name=one.name, node_ids=nodes)
                for one in self._catalog.shards_of(found)
            ]
            made.replicas.append(
                milvus_pb2.ReplicaInfo(
                    replicaID=found.id + replica,
                    collectionID=found.id,
                    shard_replicas=shards,
                    node_ids=nodes,
                    resource_group_name=GROUP,
                )
            )
        return made
