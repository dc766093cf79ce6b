"""One collection in the keys of the context file: its schema, indexes, replicas and segments."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from slowq.context.live.server import Facts, RefusedError, Server, known

_CONSISTENCY = {0: "Strong", 1: "Session", 2: "Bounded", 3: "Eventually"}  # common.ConsistencyLevel
_GROWING, _SEALED = 2, (3, 4, 5)  # common.SegmentState: Growing; Sealed, Flushed, Flushing
_ONLY_DELETES = 1  # common.SegmentLevel: L0
_NOT_LOADED = (1, 2)  # common.LoadState: NotExist, NotLoad
_INDEX_STATES = {1: "building", 2: "building", 3: "built", 4: "failed", 5: "building"}  # common.IndexState
_DEFAULT_GROUP = "__default_resource_group"
# Milvus builds no index for fewer rows: rootCoord.minSegmentSizeToEnableIndex, the same in all versions.
_ROWS_WITHOUT_INDEX = 1024
# dataCoord.segment.smallProportion: what is below this share of the maximum size is what compaction would merge.
_SMALL_SHARE = 0.5
# How the versions say that a collection has no index at all: 2.3 and later; 2.2.
_NO_INDEX = ("index not found", "index doesn't exist", "IndexNotExist")
_NO_REPLICA = ("replica not found", "not loaded")

# Bytes of a value, as the data coordinator estimates them when it decides how full a segment is.
_BYTES = {"BOOL": 1, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8, "FLOAT": 4, "DOUBLE": 8, "TIMESTAMPTZ": 8}
_BYTES_A_DIM = {
    "FLOAT_VECTOR": 4.0,
    "FLOAT16_VECTOR": 2.0,
    "BFLOAT16_VECTOR": 2.0,
    "INT8_VECTOR": 1.0,
    "BINARY_VECTOR": 0.125,
}
_BYTES_OF_VARYING = 256  # at most, of a text, a JSON value or an array


def describe(server: Server, database: str, name: str, segment_bytes: float | None) -> Facts | None:
    """What can be known of it; None where it cannot be described. `segment_bytes`: the largest segment, where known."""
    m, of = server.messages, {"db_name": database, "collection_name": name}
    called = f"{database}.{name}" if database != "default" else name
    described = server.ask(
        "the description", "DescribeCollection", m.DescribeCollectionRequest(**of), database, of=called
    )
    if described is None:
        return None
    properties = _pairs(described.properties)
    indexes = _indexes(server, of, called)
    fields = [_field(called_field, one, indexes, properties) for called_field, one in _fields(described.schema)]
    shards = described.shards_num or len(described.virtual_channel_names) or None
    segments = _Segments(_row_bytes(fields, described.schema), segment_bytes, shards or 1)
    loaded = _is_loaded(server, of, called)
    replicas = _replicas(server, described.collectionID, of, called) if loaded is not False else []
    return known(
        {
            "name": name,
            "database": database,
            "rows": _rows(server, of, called),
            "partitions": _partitions(server, described, of, called),
            "shards": shards,
            "loaded": loaded,
            "replicas": len(replicas) or None if replicas is not None else None,
            "resource_groups": sorted({one.resource_group_name for one in replicas or ()} - {"", _DEFAULT_GROUP})
            or None,
            "consistency": _CONSISTENCY.get(described.consistency_level),
            "fields": fields,
            "segments": segments.ask(server, of, called, loaded),
        }
    )


def _pairs(pairs: Iterable[Any]) -> dict[str, str]:
    return {pair.key: pair.value for pair in pairs}


def _rows(server: Server, of: Mapping[str, str], called: str) -> int | None:
    request = server.messages.GetCollectionStatisticsRequest(**of)
    counted = server.ask("the rows", "GetCollectionStatistics", request, of["db_name"], of=called)
    return _whole(_pairs(counted.stats).get("row_count")) if counted is not None else None


def _partitions(server: Server, described: Any, of: Mapping[str, str], called: str) -> int | None:
    """As the description says, which it does from 2.2.9 on."""
    if described.num_partitions:
        return int(described.num_partitions)
    request = server.messages.ShowPartitionsRequest(**of)
    listed = server.ask("the partitions", "ShowPartitions", request, of["db_name"], of=called)
    return len(listed.partition_names) if listed is not None else None


def _is_loaded(server: Server, of: Mapping[str, str], called: str) -> bool | None:
    request = server.messages.GetLoadStateRequest(**of)
    state = server.ask("the load state", "GetLoadState", request, of["db_name"], of=called)
    return state.state not in _NOT_LOADED if state is not None else None


def _replicas(server: Server, number: int, of: Mapping[str, str], called: str) -> Sequence[Any] | None:
    """None of a collection that is not loaded: to a user who may not see whether it is, that is an error."""
    try:
        request = server.messages.GetReplicasRequest(collectionID=number, **of)
        return list(server.call("GetReplicas", request, of["db_name"]).replicas)
    except RefusedError as error:
        if not any(word in str(error) for word in _NO_REPLICA):
            server.troubles.add("the replicas", str(error), called)
        return None


def _indexes(server: Server, of: Mapping[str, str], called: str) -> dict[str, list[Any]] | None:
    """The indexes of each field, by name; None where they are not known."""
    try:
        answer = server.call("DescribeIndex", server.messages.DescribeIndexRequest(**of), of["db_name"])
    except RefusedError as error:
        if any(word in str(error) for word in _NO_INDEX):
            return {}
        server.troubles.add("the indexes", str(error), called)
        return None
    found: dict[str, list[Any]] = {}
    for one in sorted(answer.index_descriptions, key=lambda index: index.index_name):
        found.setdefault(one.field_name, []).append(one)
    return found


def _fields(schema: Any) -> Iterable[tuple[str, Any]]:
    """The fields and the names under which they are indexed and searched."""
    for one in schema.fields:
        if not one.is_dynamic:
            yield one.name, one
    for parent in schema.struct_array_fields:
        for one in parent.fields:
            yield f"{parent.name}[{one.name}]", one


def _field(name: str, one: Any, indexes: Mapping[str, list[Any]] | None, properties: Mapping[str, str]) -> Facts:
    """A field; its `index` is null where there is none, and left out where that is not known."""
    params = _pairs(one.type_params)
    made = None if indexes is None else indexes.get(name) or indexes.get(one.name) or []
    facts = known(
        {
            "name": name,
            "type": _type(one.data_type),
            "element": _type(one.element_type) if one.element_type else None,
            "dim": _whole(params.get("dim")),
            "primary": True if one.is_primary_key else None,
            "partition_key": True if one.is_partition_key else None,
            "nullable": True if one.nullable else None,
            # Of the raw values: an index has its own.
            "mmap": _flag({**properties, **params}.get("mmap.enabled")),
        }
    )
    if made is not None:
        facts["index"] = _index(made[0]) if made else None
        if made[1:]:
            facts["more_indexes"] = [_index(index) for index in made[1:]]
    return facts


def _type(number: int) -> str | None:
    """A type as the contract and pymilvus spell it, FLOAT_VECTOR for FloatVector; None for one that is not known yet."""
    from pymilvus.grpc_gen import schema_pb2

    if number not in schema_pb2.DataType.values() or not number:
        return None
    name = schema_pb2.DataType.Name(number)
    return re.sub(r"(?<=[a-z0-9])(?=Vector|Float|Of)|(?<=Of)(?=[A-Z])", "_", name).upper()


def _index(made: Any) -> Facts:
    params: dict[str, Any] = dict(_pairs(made.params))
    mmap = params.pop("mmap.enabled", None)
    with suppress(ValueError, TypeError, RecursionError):
        params.update(json.loads(params.pop("params", "{}")))
    kind, metric = params.pop("index_type", None), params.pop("metric_type", None)
    state = _INDEX_STATES.get(made.state)
    return known(
        {
            # 2.3 tells no type of an index that was made without one: it chooses Trie or STL_SORT by itself.
            "type": str(kind) if kind else "AUTOINDEX",
            "metric": str(metric) if metric else None,
            "params": {str(key): _value(params[key]) for key in sorted(params)} or None,
            "mmap": _flag(mmap),
            "state": state if state != "built" else None,
            "pending_rows": int(made.pending_index_rows) or None,
            "failed": str(made.index_state_fail_reason) or None,
        }
    )


def _value(value: Any) -> Any:
    """Numbers as numbers; what is nested as JSON text, for no index of Milvus has such a parameter."""
    if isinstance(value, str):
        with suppress(ValueError):
            return int(value) if value.isdigit() else float(value)
        return value
    return value if isinstance(value, bool | int | float) else json.dumps(value, sort_keys=True)


def _flag(text: str | None) -> bool | None:
    return text.lower() in ("true", "1", "t") if text is not None else None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _row_bytes(fields: Sequence[Facts], schema: Any) -> float | None:
    """About the size of a row; None where vectors have no fixed one."""
    total = _BYTES_OF_VARYING if schema.enable_dynamic_field else 0.0
    lengths = {one.name: _whole(_pairs(one.type_params).get("max_length")) for one in schema.fields}
    for one in fields:
        kind = one.get("type", "")
        if kind in _BYTES_A_DIM and "dim" in one:
            total += _BYTES_A_DIM[kind] * one["dim"]
        elif "VECTOR" in kind or not kind:
            return None
        else:
            total += _BYTES.get(kind) or min(lengths.get(one["name"]) or _BYTES_OF_VARYING, _BYTES_OF_VARYING)
    return total


@dataclass(frozen=True, slots=True)
class _Segments:
    """Counts the segments of a collection, given what its rows and the largest segment take."""

    row_bytes: float | None
    largest_bytes: float | None
    shards: int

    def ask(self, server: Server, of: Mapping[str, str], called: str, loaded: bool | None) -> Facts | None:
        """Those that searches read where the collection is loaded, else those that are stored."""
        m, named = server.messages, {"dbName": of["db_name"], "collectionName": of["collection_name"]}

        def asked(what: str, method: str) -> dict[int, Any] | None:
            request = getattr(m, f"{method}Request")(**named)
            answer = server.ask(what, method, request, of["db_name"], of=called)
            # Each replica tells of its own.
            return {one.segmentID: one for one in answer.infos if _has_rows(one)} if answer is not None else None

        stored = asked("the stored segments", "GetPersistentSegmentInfo")
        read = asked("the loaded segments", "GetQuerySegmentInfo") if loaded is not False else None
        found = read or stored
        if found is None:
            return None
        sealed = [one for one in found.values() if one.state in _SEALED]
        memory = sum(one.mem_size for one in (read or {}).values())
        return known(
            {
                "sealed": len(sealed),
                "growing": len(found) - len(sealed),
                "indexed": sum(map(_has_index, sealed)) if read else None,
                "small": self._small(sealed, stored or {}),
                "rows": sum(one.num_rows for one in found.values()),
                "loaded": len(read) if read is not None else None,
                "stored": len(stored) if stored is not None else None,
                "memory_gib": round(memory / (1 << 30), 3) if memory else None,
            }
        )

    def _small(self, sealed: Sequence[Any], stored: Mapping[int, Any]) -> int | None:
        """Segments that compaction would merge: small, with another small one in the same partition and shard."""
        if self.row_bytes is None or self.largest_bytes is None:
            return None
        small = [one for one in sealed if one.num_rows * self.row_bytes < _SMALL_SHARE * self.largest_bytes]
        shard = {number: one.insert_channel for number, one in stored.items()}
        beside = Counter((one.partitionID, shard.get(one.segmentID, "")) for one in small)
        # Before 2.5 no segment tells its shard, and one in each is what a partition cannot do without.
        return sum(count for (_, channel), count in beside.items() if count > (1 if channel else self.shards))


def _has_rows(one: Any) -> bool:
    return one.level != _ONLY_DELETES and (one.state == _GROWING or one.state in _SEALED)


def _has_index(one: Any) -> bool:
    return bool(one.index_name) or one.indexID > 0 or one.num_rows < _ROWS_WITHOUT_INDEX
