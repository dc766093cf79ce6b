"""Databases, collections, partitions and aliases."""

from __future__ import annotations

from typing import Any

from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from slowq.engine.altering import alter_collection, alter_field
from slowq.engine.clock import physical_s
from slowq.engine.faults import RequestFault
from slowq.engine.server import convert
from slowq.engine.server.part import Context, Part, answers


class Definitions(Part):
    # databases

    @answers(common_pb2.Status)
    def CreateDatabase(self, request: Any, context: Context) -> Any:
        self._catalog.create_database(request.db_name, convert.pairs(request.properties))
        return convert.status()

    @answers(common_pb2.Status)
    def DropDatabase(self, request: Any, context: Context) -> Any:
        self._catalog.drop_database(request.db_name)
        return convert.status()

    @answers(milvus_pb2.ListDatabasesResponse)
    def ListDatabases(self, request: Any, context: Context) -> Any:
        return milvus_pb2.ListDatabasesResponse(status=convert.status(), db_names=list(self._catalog.databases()))

    @answers(milvus_pb2.DescribeDatabaseResponse)
    def DescribeDatabase(self, request: Any, context: Context) -> Any:
        found = self._catalog.databases().get(request.db_name)
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
        known = [one for one in self._catalog.collections(database) if one.name == request.collection_name]
        if known and known[0].fields == fields and known[0].dynamic == schema.enable_dynamic_field:
            return convert.status()  # asked twice
        self._catalog.create(
            database,
            request.collection_name,
            fields,
            dynamic=schema.enable_dynamic_field,
            shards=request.shards_num or 1,
            consistency=convert.level_of(request.consistency_level),
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
        self._catalog.rename(database, request.oldName, request.newName, request.newDBName or database)
        return convert.status()

    @answers(common_pb2.Status)
    def AlterCollection(self, request: Any, context: Context) -> Any:
        properties = convert.pairs(request.properties)
        alter_collection(self._catalog, self._collection(request), properties, request.delete_keys)
        return convert.status()

    @answers(common_pb2.Status)
    def AlterCollectionField(self, request: Any, context: Context) -> Any:
        params, gone = convert.pairs(request.properties), getattr(request, "delete_keys", ())
        alter_field(self._catalog, self._collection(request), request.field_name, params, gone)
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
        found = self._catalog.by_id(request.collectionID) if request.collectionID else self._collection(request)
        shards = self._catalog.shards_of(found)
        aliases = [alias for (_, alias), number in self._catalog.aliases().items() if number == found.id]
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
        found = self._catalog.collections(request.db_name or "default")
        if request.type == milvus_pb2.ShowType.InMemory:
            found = [one for one in found if one.loaded]
        return milvus_pb2.ShowCollectionsResponse(
            status=convert.status(),
            collection_names=[one.name for one in found],
            collection_ids=[one.id for one in found],
            created_timestamps=[one.created for one in found],
            created_utc_timestamps=[int(physical_s(one.created) * 1000) for one in found],
            inMemory_percentages=[int(self._loading.progress(one) * 100) for one in found],
            query_service_available=[self._loading.progress(one) >= 1 for one in found],
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
        self._catalog.create_partition(self._collection(request), request.partition_name)
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
        self._catalog.put_alias(request.db_name or "default", request.alias, request.collection_name, new=True)
        return convert.status()

    @answers(common_pb2.Status)
    def AlterAlias(self, request: Any, context: Context) -> Any:
        self._catalog.put_alias(request.db_name or "default", request.alias, request.collection_name, new=False)
        return convert.status()

    @answers(common_pb2.Status)
    def DropAlias(self, request: Any, context: Context) -> Any:
        self._catalog.drop_alias(request.db_name or "default", request.alias)
        return convert.status()

    @answers(milvus_pb2.DescribeAliasResponse)
    def DescribeAlias(self, request: Any, context: Context) -> Any:
        database = request.db_name or "default"
        number = self._catalog.aliases().get((database, request.alias))
        if number is None:
            raise RequestFault(1600, f"alias not found[database={database}][alias={request.alias}]")
        name = self._catalog.by_id(number).name
        return milvus_pb2.DescribeAliasResponse(
            status=convert.status(), db_name=database, alias=request.alias, collection=name
        )

    @answers(milvus_pb2.ListAliasesResponse)
    def ListAliases(self, request: Any, context: Context) -> Any:
        database = request.db_name or "default"
        wanted = self._collection(request).id if request.collection_name else None
        found = [
            alias
            for (base, alias), number in self._catalog.aliases().items()
            if base == database and wanted in (None, number)
        ]
        return milvus_pb2.ListAliasesResponse(
            status=convert.status(), db_name=database, collection_name=request.collection_name, aliases=found
        )
