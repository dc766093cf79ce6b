"""Health, compaction and segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymilvus.grpc_gen import common_pb2, milvus_pb2

from slowq.engine import compaction
from slowq.engine.coordinator.upkeep import Task
from slowq.engine.faults import invalid
from slowq.engine.server import convert
from slowq.engine.server.part import Context, Part, answers


class Upkeep(Part):
    # connection and health

    @answers(milvus_pb2.ConnectResponse)
    def Connect(self, request: Any, context: Context) -> Any:
        info = common_pb2.ServerInfo(
            build_tags=f"v{self._engine.version}",
            deploy_mode="STANDALONE",
            reserved={"engine": "slowq reference engine"},
        )
        return milvus_pb2.ConnectResponse(status=convert.status(), server_info=info, identifier=1)

    @answers(milvus_pb2.GetVersionResponse)
    def GetVersion(self, request: Any, context: Context) -> Any:
        return milvus_pb2.GetVersionResponse(status=convert.status(), version=f"v{self._engine.version}")

    @answers(milvus_pb2.CheckHealthResponse)
    def CheckHealth(self, request: Any, context: Context) -> Any:
        return milvus_pb2.CheckHealthResponse(status=convert.status(), isHealthy=True)

    @answers(milvus_pb2.ComponentStates)
    def GetComponentStates(self, request: Any, context: Context) -> Any:
        return milvus_pb2.ComponentStates(status=convert.status())

    @answers(milvus_pb2.AllocTimestampResponse)
    def AllocTimestamp(self, request: Any, context: Context) -> Any:
        return milvus_pb2.AllocTimestampResponse(status=convert.status(), timestamp=self._coordinator.oracle.next())

    # compaction and segments

    @answers(milvus_pb2.ManualCompactionResponse)
    def ManualCompaction(self, request: Any, context: Context) -> Any:
        named = bool(request.collection_name)
        found = self._collection(request) if named else self._catalog.by_id(request.collectionID)
        kind = compaction.MIX
        if request.majorCompaction:
            kind = compaction.CLUSTERING
        elif getattr(request, "l0Compaction", False):
            kind = compaction.LEVEL_ZERO
        number = self._coordinator.upkeep.compact(found, kind)
        plans = len(self._coordinator.upkeep.by_hand[number])
        return milvus_pb2.ManualCompactionResponse(
            status=convert.status(), compactionID=number, compactionPlanCount=plans
        )

    @answers(milvus_pb2.GetCompactionStateResponse)
    def GetCompactionState(self, request: Any, context: Context) -> Any:
        tasks = self._tasks(request)
        ended = [one.made for one in tasks if one.made.done()]
        failed = sum(one.exception() is not None for one in ended)
        done = len(ended) == len(tasks)
        states = common_pb2.CompactionState  # it knows no failure
        return milvus_pb2.GetCompactionStateResponse(
            status=convert.status(),
            state=states.Completed if done else states.Executing,
            executingPlanNo=len(tasks) - len(ended),
            completedPlanNo=len(ended) - failed,
            failedPlanNo=failed,
        )

    @answers(milvus_pb2.GetCompactionPlansResponse)
    def GetCompactionStateWithPlans(self, request: Any, context: Context) -> Any:
        found = self.GetCompactionState(request, context)
        made = milvus_pb2.GetCompactionPlansResponse(status=found.status, state=found.state)
        if not found.status.code:
            made.mergeInfos.extend(map(_merge_info, self._tasks(request)))
        return made

    def _tasks(self, request: Any) -> Sequence[Task]:
        tasks = self._coordinator.upkeep.by_hand.get(request.compactionID)
        if tasks is None:
            raise invalid(f"compaction {request.compactionID} not found")
        return tasks

    @answers(milvus_pb2.GetPersistentSegmentInfoResponse)
    def GetPersistentSegmentInfo(self, request: Any, context: Context) -> Any:
        found = self._catalog.collection(request.dbName or "default", request.collectionName)
        made = milvus_pb2.GetPersistentSegmentInfoResponse(status=convert.status())
        for one in self._engine.meta.segments(found.id):
            made.infos.append(
                milvus_pb2.PersistentSegmentInfo(
                    segmentID=one.id,
                    collectionID=found.id,
                    partitionID=found.partitions.get(one.partition, 0),
                    num_rows=one.rows,
                    state=common_pb2.SegmentState.Flushed,
                )
            )
        return made

    @answers(milvus_pb2.GetQuerySegmentInfoResponse)
    def GetQuerySegmentInfo(self, request: Any, context: Context) -> Any:
        found = self._catalog.collection(request.dbName or "default", request.collectionName)
        made = milvus_pb2.GetQuerySegmentInfoResponse(status=convert.status())
        for shard in self._catalog.shards_of(found) if found.loaded else ():
            for one in shard.view.segments:
                index = next((each for each in found.indexes if each.field in one.vector_indexes), None)
                sealed = one.state == "sealed"
                node = self._coordinator.placement.node_of(found, one, 0, max(1, found.replicas)).number + 1
                made.infos.append(
                    milvus_pb2.QuerySegmentInfo(
                        segmentID=one.id,
                        collectionID=found.id,
                        partitionID=found.partitions.get(one.partition, 0),
                        mem_size=one.nbytes,
                        num_rows=len(one) - one.deleted.count,
                        index_name="" if index is None else index.name,
                        indexID=0 if index is None else index.id,
                        state=common_pb2.SegmentState.Sealed if sealed else common_pb2.SegmentState.Growing,
                        nodeIds=[node],
                        nodeID=node,
                    )
                )
        return made


def _merge_info(task: Task) -> Any:
    """Milvus 2.6 names the first target, or -1; the others, and why it failed, only where the client's release knows them."""
    error = task.made.exception() if task.made.done() else None
    targets = task.made.result() if task.made.done() and error is None else []
    kind = milvus_pb2.CompactionMergeInfo
    newer = {"targets": targets, "failure_reason": "" if error is None else str(error)}
    known = {name: value for name, value in newer.items() if name in kind.DESCRIPTOR.fields_by_name}
    return kind(sources=task.sources, target=targets[0] if targets else -1, **known)
