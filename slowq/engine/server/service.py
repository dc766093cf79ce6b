"""Milvus' gRPC service over an engine. Each method: take the wire form off, one call, put it on again.

A request that cannot be served gets Milvus' status with code and reason; what the engine does not have is UNIMPLEMENTED.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

from slowq.engine import compaction
from slowq.engine.clock import physical_s
from slowq.engine.faults import (
    INDEX_NOT_FOUND,
    PARAMETER,
    RESOURCE_GROUP_NOT_FOUND,
    UNEXPECTED,
    RequestFault,
    StoreError,
    invalid,
)
from slowq.engine.requests import Caller
from slowq.engine.schema import Collection, IndexSpec
from slowq.engine.server import convert
from slowq.engine.vector import BadIndexParam

if TYPE_CHECKING:
    from slowq.engine import Engine

Context: TypeAlias = Any  # grpc.ServicerContext, which has no types
_TRACE = "slowq-trace"
_FAR_S = 3600.0


def answers(kind: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A fault becomes the status of an answer of this kind (or the answer itself, where that is a status)."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def serve(self: Service, request: Any, context: Context) -> Any:
            try:
                return method(self, request, context)
            except RequestFault as fault:
                found = convert.status(fault)
            except BadIndexParam as error:
                found = convert.status(RequestFault(PARAMETER, f"invalid parameter: {error}"))
            except StoreError as error:
                found = convert.status(RequestFault(UNEXPECTED, error.message))
            return found if kind is common_pb2.Status else kind(status=found)

        return serve

    return decorate


class Service(milvus_pb2_grpc.MilvusServiceServicer):  # type: ignore[misc]
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._coordinator = engine.coordinator

    def _collection(self, request: Any) -> Collection:
        return self._coordinator.collection(request.db_name or "default", request.collection_name)

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

    # databases

    @answers(common_pb2.Status)
    def CreateDatabase(self, request: Any, context: Context) -> Any:
        self._coordinator.create_database(request.db_name, convert.pairs(request.properties))
        return convert.status()

    @answers(common_pb2.Status)
    def DropDatabase(self, request: Any, context: Context) -> Any:
        self._coordinator.drop_database(request.db_name)
        return convert.status()

    @answers(milvus_pb2.ListDatabasesResponse)
    def ListDatabases(self, request: Any, context: Context) -> Any:
        return milvus_pb2.ListDatabasesResponse(status=convert.status(), db_names=list(self._coordinator.databases()))

    @answers(milvus_pb2.DescribeDatabaseResponse)
    def DescribeDatabase(self, request: Any, context: Context) -> Any:
        found = self._coordinator.databases().get(request.db_name)
        if found is None:
            raise RequestFault(800, f"database not found[database={request.db_name}]")
        return milvus_pb2.DescribeDatabaseResponse(
            status=convert.status(), db_name=request.db_name, dbID=found[0], properties=convert.key_values(found[1])
        )

    # collections

    @answers(common_pb2.Status)
    def CreateCollection(self, request: Any, context: Context) -> Any:
        schema = schema_pb2.CollectionSchema()
        schema.ParseFromString(request.schema)
        fields = convert.fields_of(schema)
        database = request.db_name or "default"
        known = [one for one in self._coordinator.collections(database) if one.name == request.collection_name]
        if known and known[0].fields == fields and known[0].dynamic == schema.enable_dynamic_field:
            return convert.status()  # asked twice
        self._coordinator.create(
            database,
            request.collection_name,
            fields,
            dynamic=schema.enable_dynamic_field,
            shards=request.shards_num or 1,
            consistency=convert.LEVELS[request.consistency_level],
            properties=convert.pairs(request.properties),
            partitions=request.num_partitions,
            description=schema.description,
        )
        return convert.status()

    @answers(common_pb2.Status)
    def DropCollection(self, request: Any, context: Context) -> Any:
        self._coordinator.drop(request.db_name or "default", request.collection_name)
        return convert.status()

    @answers(common_pb2.Status)
    def RenameCollection(self, request: Any, context: Context) -> Any:
        database = request.db_name or "default"
        self._coordinator.rename(database, request.oldName, request.newName, request.newDBName or database)
        return convert.status()

    @answers(common_pb2.Status)
    def AlterCollection(self, request: Any, context: Context) -> Any:
        gone = frozenset(request.delete_keys)
        new = convert.pairs(request.properties)
        self._coordinator.change(
            self._collection(request).id,
            lambda now: replace(
                now, properties={key: value for key, value in {**now.properties, **new}.items() if key not in gone}
            ),
        )
        return convert.status()

    @answers(common_pb2.Status)
    def AlterCollectionField(self, request: Any, context: Context) -> Any:
        new = convert.pairs(request.properties)
        self._coordinator.change(
            self._collection(request).id,
            lambda now: replace(
                now,
                fields=tuple(
                    replace(one, params={**one.params, **new}) if one.name == request.field_name else one
                    for one in now.fields
                ),
            ),
        )
        return convert.status()

    @answers(milvus_pb2.BoolResponse)
    def HasCollection(self, request: Any, context: Context) -> Any:
        try:
            self._collection(request)
        except RequestFault:
            return milvus_pb2.BoolResponse(status=convert.status(), value=False)
        return milvus_pb2.BoolResponse(status=convert.status(), value=True)

    @answers(milvus_pb2.DescribeCollectionResponse)
    def DescribeCollection(self, request: Any, context: Context) -> Any:
        found = self._coordinator.by_id(request.collectionID) if request.collectionID else self._collection(request)
        shards = self._coordinator.shards[found.id]
        aliases = [alias for (_, alias), number in self._coordinator.aliases().items() if number == found.id]
        return milvus_pb2.DescribeCollectionResponse(
            status=convert.status(),
            schema=convert.schema_of(found),
            collectionID=found.id,
            virtual_channel_names=[one.name for one in shards],
            physical_channel_names=[one.name.rsplit("_", 1)[0] for one in shards],
            created_timestamp=found.created,
            created_utc_timestamp=int(physical_s(found.created) * 1000),
            shards_num=found.shards,
            aliases=aliases,
            consistency_level=convert.LEVELS.index(found.consistency),
            collection_name=found.name,
            properties=convert.key_values(found.properties),
            db_name=found.database,
            num_partitions=len(found.partitions),
            update_timestamp=found.updated,
        )

    @answers(milvus_pb2.ShowCollectionsResponse)
    def ShowCollections(self, request: Any, context: Context) -> Any:
        found = self._coordinator.collections(request.db_name or "default")
        if request.type == milvus_pb2.ShowType.InMemory:
            found = [one for one in found if one.loaded]
        return milvus_pb2.ShowCollectionsResponse(
            status=convert.status(),
            collection_names=[one.name for one in found],
            collection_ids=[one.id for one in found],
            created_timestamps=[one.created for one in found],
            created_utc_timestamps=[int(physical_s(one.created) * 1000) for one in found],
            inMemory_percentages=[int(self._loaded(one) * 100) for one in found],
            query_service_available=[self._loaded(one) >= 1 for one in found],
            shards_num=[one.shards for one in found],
        )

    @answers(milvus_pb2.GetCollectionStatisticsResponse)
    def GetCollectionStatistics(self, request: Any, context: Context) -> Any:
        rows = self._engine.row_count(self._collection(request))
        return milvus_pb2.GetCollectionStatisticsResponse(
            status=convert.status(), stats=convert.key_values({"row_count": rows})
        )

    # partitions and aliases

    @answers(common_pb2.Status)
    def CreatePartition(self, request: Any, context: Context) -> Any:
        self._coordinator.create_partition(self._collection(request), request.partition_name)
        return convert.status()

    @answers(common_pb2.Status)
    def DropPartition(self, request: Any, context: Context) -> Any:
        self._coordinator.drop_partition(self._collection(request), request.partition_name)
        return convert.status()

    @answers(milvus_pb2.BoolResponse)
    def HasPartition(self, request: Any, context: Context) -> Any:
        there = request.partition_name in self._collection(request).partitions
        return milvus_pb2.BoolResponse(status=convert.status(), value=there)

    @answers(milvus_pb2.ShowPartitionsResponse)
    def ShowPartitions(self, request: Any, context: Context) -> Any:
        found = self._collection(request)
        names = list(found.partitions)
        loaded = frozenset(found.loaded_partitions or names) if found.loaded else frozenset()
        return milvus_pb2.ShowPartitionsResponse(
            status=convert.status(),
            partition_names=names,
            partitionIDs=[found.partitions[name] for name in names],
            inMemory_percentages=[100 if name in loaded else 0 for name in names],
        )

    @answers(milvus_pb2.GetPartitionStatisticsResponse)
    def GetPartitionStatistics(self, request: Any, context: Context) -> Any:
        rows = self._engine.row_count(self._collection(request), request.partition_name)
        return milvus_pb2.GetPartitionStatisticsResponse(
            status=convert.status(), stats=convert.key_values({"row_count": rows})
        )

    @answers(common_pb2.Status)
    def CreateAlias(self, request: Any, context: Context) -> Any:
        self._coordinator.put_alias(request.db_name or "default", request.alias, request.collection_name, new=True)
        return convert.status()

    @answers(common_pb2.Status)
    def AlterAlias(self, request: Any, context: Context) -> Any:
        self._coordinator.put_alias(request.db_name or "default", request.alias, request.collection_name, new=False)
        return convert.status()

    @answers(common_pb2.Status)
    def DropAlias(self, request: Any, context: Context) -> Any:
        self._coordinator.drop_alias(request.db_name or "default", request.alias)
        return convert.status()

    @answers(milvus_pb2.DescribeAliasResponse)
    def DescribeAlias(self, request: Any, context: Context) -> Any:
        database = request.db_name or "default"
        number = self._coordinator.aliases().get((database, request.alias))
        if number is None:
            raise RequestFault(1600, f"alias not found[database={database}][alias={request.alias}]")
        name = self._coordinator.by_id(number).name
        return milvus_pb2.DescribeAliasResponse(
            status=convert.status(), db_name=database, alias=request.alias, collection=name
        )

    @answers(milvus_pb2.ListAliasesResponse)
    def ListAliases(self, request: Any, context: Context) -> Any:
        database = request.db_name or "default"
        wanted = self._collection(request).id if request.collection_name else None
        found = [
            alias
            for (base, alias), number in self._coordinator.aliases().items()
            if base == database and wanted in (None, number)
        ]
        return milvus_pb2.ListAliasesResponse(
            status=convert.status(), db_name=database, collection_name=request.collection_name, aliases=found
        )

    # indexes

    @answers(common_pb2.Status)
    def CreateIndex(self, request: Any, context: Context) -> Any:
        self._engine.create_index(
            self._collection(request), request.field_name, request.index_name, _index_params(request.extra_params)
        )
        return convert.status()

    @answers(common_pb2.Status)
    def DropIndex(self, request: Any, context: Context) -> Any:
        self._coordinator.drop_index(self._collection(request), request.index_name or request.field_name)
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
        indexed, total, failed = self._coordinator.index_rows(collection, index)
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

    # load

    @answers(common_pb2.Status)
    def LoadCollection(self, request: Any, context: Context) -> Any:
        self._coordinator.load(self._collection(request), request.replica_number or 1)
        return convert.status()

    @answers(common_pb2.Status)
    def LoadPartitions(self, request: Any, context: Context) -> Any:
        self._coordinator.load(self._collection(request), request.replica_number or 1, tuple(request.partition_names))
        return convert.status()

    @answers(common_pb2.Status)
    def ReleaseCollection(self, request: Any, context: Context) -> Any:
        self._coordinator.release(self._collection(request))
        return convert.status()

    @answers(common_pb2.Status)
    def ReleasePartitions(self, request: Any, context: Context) -> Any:
        self._coordinator.release(self._collection(request), tuple(request.partition_names))
        return convert.status()

    def _loaded(self, collection: Collection) -> float:
        return self._coordinator.progress.get(collection.id, 0.0) if collection.loaded else 0.0

    @answers(milvus_pb2.GetLoadingProgressResponse)
    def GetLoadingProgress(self, request: Any, context: Context) -> Any:
        found = self._collection(request)
        if not found.loaded:
            raise RequestFault(101, f"collection not loaded[collection={found.name}]")
        share = int(self._loaded(found) * 100)
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
            state = states.LoadStateLoaded if self._loaded(found) >= 1 else states.LoadStateLoading
            wanted = frozenset(request.partition_names)
            if wanted and found.loaded_partitions and not wanted <= frozenset(found.loaded_partitions):
                state = states.LoadStateNotLoad
        return milvus_pb2.GetLoadStateResponse(status=convert.status(), state=state)

    @answers(milvus_pb2.GetReplicasResponse)
    def GetReplicas(self, request: Any, context: Context) -> Any:
        found = self._coordinator.by_id(request.collectionID) if request.collectionID else self._collection(request)
        made = milvus_pb2.GetReplicasResponse(status=convert.status())
        for replica in range(found.replicas):
            nodes = [one.number + 1 for one in self._coordinator.nodes if one.number % found.replicas == replica]
            shards = [
                milvus_pb2.ShardReplica(leaderID=nodes[0], dm_channel_name=one.name, node_ids=nodes)
                for one in self._coordinator.shards[found.id]
            ]
            made.replicas.append(
                milvus_pb2.ReplicaInfo(
                    replicaID=found.id + replica,
                    collectionID=found.id,
                    shard_replicas=shards,
                    node_ids=nodes,
                    resource_group_name=_GROUP,
                )
            )
        return made

    # writes

    @answers(milvus_pb2.MutationResult)
    def Insert(self, request: Any, context: Context) -> Any:
        made = self._engine.writer.insert(convert.insert_of(request, self._collection(request)))
        return _mutation(made, request.num_rows)

    @answers(milvus_pb2.MutationResult)
    def Upsert(self, request: Any, context: Context) -> Any:
        if getattr(request, "partial_update", False):
            raise invalid("the reference engine has no partial update")
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
            found = self._coordinator.collection(request.db_name or "default", name)
            ids = [one for own in self._coordinator.flush(found).values() for one in own]
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
        for one in self._coordinator.collections(request.db_name or None):
            self._coordinator.flush(one)
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

    # compaction and segments

    @answers(milvus_pb2.ManualCompactionResponse)
    def ManualCompaction(self, request: Any, context: Context) -> Any:
        named = bool(request.collection_name)
        found = self._collection(request) if named else self._coordinator.by_id(request.collectionID)
        kind = compaction.MIX
        if request.majorCompaction:
            kind = compaction.CLUSTERING
        elif getattr(request, "l0Compaction", False):
            kind = compaction.LEVEL_ZERO
        number = self._coordinator.compact(found, kind)
        plans = len(self._coordinator.compactions[number].plans)
        return milvus_pb2.ManualCompactionResponse(
            status=convert.status(), compactionID=number, compactionPlanCount=plans
        )

    @answers(milvus_pb2.GetCompactionStateResponse)
    def GetCompactionState(self, request: Any, context: Context) -> Any:
        task = self._coordinator.compactions.get(request.compactionID)
        if task is None:
            raise invalid(f"compaction {request.compactionID} not found")
        ended = [one for one in task.plans if one.done()]
        failed = sum(one.exception() is not None for one in ended)
        done = len(ended) == len(task.plans)
        states = common_pb2.CompactionState
        return milvus_pb2.GetCompactionStateResponse(
            status=convert.status(),
            state=states.Completed if done else states.Executing,
            executingPlanNo=len(task.plans) - len(ended),
            completedPlanNo=len(ended) - failed,
            failedPlanNo=failed,
        )

    @answers(milvus_pb2.GetCompactionPlansResponse)
    def GetCompactionStateWithPlans(self, request: Any, context: Context) -> Any:
        found = self.GetCompactionState(request, context)
        return milvus_pb2.GetCompactionPlansResponse(status=found.status, state=found.state)

    @answers(milvus_pb2.GetPersistentSegmentInfoResponse)
    def GetPersistentSegmentInfo(self, request: Any, context: Context) -> Any:
        found = self._coordinator.collection(request.dbName or "default", request.collectionName)
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
        found = self._coordinator.collection(request.dbName or "default", request.collectionName)
        made = milvus_pb2.GetQuerySegmentInfoResponse(status=convert.status())
        for shard in self._coordinator.shards[found.id] if found.loaded else ():
            for one in shard.view.segments:
                index = next((each for each in found.indexes if each.field in one.vector_indexes), None)
                sealed = one.state == "sealed"
                node = self._coordinator.node_of(one, 0, max(1, found.replicas)).number + 1
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

    # users, roles, resource groups: one of each, and no more

    @answers(milvus_pb2.ListCredUsersResponse)
    def ListCredUsers(self, request: Any, context: Context) -> Any:
        return milvus_pb2.ListCredUsersResponse(status=convert.status(), usernames=["root"])

    @answers(milvus_pb2.ListResourceGroupsResponse)
    def ListResourceGroups(self, request: Any, context: Context) -> Any:
        return milvus_pb2.ListResourceGroupsResponse(status=convert.status(), resource_groups=[_GROUP])

    @answers(milvus_pb2.DescribeResourceGroupResponse)
    def DescribeResourceGroup(self, request: Any, context: Context) -> Any:
        if request.resource_group != _GROUP:
            raise RequestFault(RESOURCE_GROUP_NOT_FOUND, f"resource group not found[rg={request.resource_group}]")
        nodes = len(self._coordinator.nodes)
        group = milvus_pb2.ResourceGroup(name=_GROUP, capacity=nodes, num_available_node=nodes)
        return milvus_pb2.DescribeResourceGroupResponse(status=convert.status(), resource_group=group)


_GROUP = "__default_resource_group"


def _refusing(name: str) -> Callable[[Service, Any, Context], None]:
    def refuse(self: Service, request: Any, context: Context) -> None:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"The slowq reference engine does not have {name}.")

    return refuse


for _name in dir(milvus_pb2_grpc.MilvusServiceServicer):
    if not _name.startswith("_") and _name not in vars(Service):
        setattr(Service, _name, _refusing(_name))


def _index_params(pairs: Any) -> dict[str, str]:
    """Both forms: everything in `params` as JSON, or each parameter by itself."""
    found = convert.pairs(pairs)
    inner = found.pop("params", "")
    return {**{key: str(value) for key, value in convert.parsed(inner).items()}, **found}


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
    given = dict(context.invocation_metadata())
    return Caller(
        uuid.uuid4().hex,
        str(given.get("user", "")),
        context.peer().replace("ipv4:", "tcp-"),
        time.monotonic() + (_FAR_S if left is None else min(left, _FAR_S)),
    )
