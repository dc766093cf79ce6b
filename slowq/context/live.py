"""The facts of a context file, asked of a running Milvus through the gRPC stubs that pymilvus ships.

Every call only reads, has a time of its own, and may be refused without harm to the others: what a user may not see, or a
version does not know, is named and left out. The stubs are used directly, since pymilvus' own client retries a refused
port for a minute and logs while it does. Tested on Milvus 2.3.5; the messages are those of the newest stubs, of which an
older server fills a part.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from slowq.errors import ServerError, UsageError

CALL_S = 5.0
MOST_COLLECTIONS = 200  # that are described; a cluster of thousands would take minutes
_AT_ONCE = 8
_CONSISTENCY = {0: "Strong", 1: "Session", 2: "Bounded", 3: "Eventually"}
_GROWING, _SEALED = (2,), (3, 4, 5)  # common.SegmentState: Growing; Sealed, Flushed, Flushing
# dataCoord.segment.smallProportion 0.5 of maxSize 1024 MB: a segment below that is one that compaction would merge.
_SMALL_BYTES = 512 << 20

# How the versions say that a collection has no index.
_NO_INDEX = ("index not found", "IndexNotExist", "index doesn't exist")

Facts = dict[str, Any]


@dataclass(slots=True)
class Asked:
    """The facts in the contract's keys, and in sentences what was refused, timed out or was left out."""

    facts: Facts = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)


def ask(
    uri: str,
    *,
    token: str | None = None,
    ca: str | None = None,
    databases: tuple[str, ...] = (),
    collections: tuple[str, ...] = (),
    timeout_s: float = 60.0,
    now: Callable[[], float] = time.monotonic,
) -> Asked:
    """Everything that the user may see. Raises ServerError where no Milvus answers, UsageError for a wrong URI."""
    with _channel(uri, ca) as channel:
        server = _Server(channel, uri, token, now() + timeout_s, now)
        asked = Asked(trouble=server.trouble)
        version = server.version()
        system = server.system()
        asked.facts["milvus"] = _known({"version": version.removeprefix("v"), "deployment": system.deployment})
        if hardware := system.hardware():
            asked.facts["hardware"] = hardware
        named = databases or server.databases()
        found = [(database, name) for database in named for name in server.names(database)]
        chosen = [one for one in found if not collections or one[1] in collections]
        if missing := sorted(set(collections) - {name for _, name in found}):
            server.trouble.append(f"there is no collection {', '.join(missing)}")
        if len(chosen) > MOST_COLLECTIONS:
            server.trouble.append(
                f"{MOST_COLLECTIONS} of {len(chosen):,} collections were described; name others with --collection"
            )
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            described = list(pool.map(lambda one: server.collection(*one), sorted(chosen)[:MOST_COLLECTIONS]))
        asked.facts["collections"] = [one for one in described if one]
        asked.facts["totals"] = {"collections": len(found)}
        if nodes := system.nodes():
            asked.facts["observations_per_node"] = nodes
        server.trouble.sort()
    return asked


def _known(values: Mapping[str, Any]) -> Facts:
    return {key: value for key, value in values.items() if value is not None}


@contextmanager
def _channel(uri: str, ca: str | None) -> Iterator[Any]:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it writes to standard error by itself
    try:
        import grpc
        import pymilvus.grpc_gen  # noqa: F401
    except ImportError as error:
        raise UsageError("asking a Milvus needs pymilvus", hint="pip install 'slowq[milvus]'") from error
    parts = urlsplit(uri if "://" in uri else f"http://{uri}")
    try:
        port = parts.port or 19530
    except ValueError as error:
        raise UsageError(f"{_shown(uri)!r} is no URI: {error}") from error
    if parts.scheme not in ("http", "https", "tcp") or not parts.hostname:
        raise UsageError(f"{_shown(uri)!r} is no URI of a Milvus", hint="give one such as http://milvus:19530")
    if parts.username or parts.password:
        raise UsageError(
            "a URI must not carry a user or a password", hint="name the variable that holds the token with --token-env"
        )
    target = f"{parts.hostname}:{port}"
    options = [("grpc.max_receive_message_length", 256 << 20), ("grpc.enable_retries", 0)]
    if parts.scheme == "https":
        roots = None
        if ca is not None:
            try:
                with open(ca, "rb") as stream:
                    roots = stream.read()
            except OSError as error:
                raise UsageError(f"cannot read {ca!r}: {error.strerror}") from error
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(roots), options)
    else:
        channel = grpc.insecure_channel(target, options)
    try:
        yield channel
    finally:
        channel.close()


def _shown(uri: str) -> str:
    scheme, found, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else uri.rpartition("@")[2]


class _RefusedError(Exception):
    """One call was not answered; says why."""


class _Server:
    def __init__(self, channel: Any, uri: str, token: str | None, deadline: float, now: Callable[[], float]) -> None:
        from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

        self.trouble: list[str] = []
        self._messages: Any = milvus_pb2
        self._stub = milvus_pb2_grpc.MilvusServiceStub(channel)
        self._uri, self._deadline, self._now = _shown(uri), deadline, now
        # As pymilvus sends it: "user:password" or an API key, in base64.
        login = base64.b64encode(token.encode()).decode() if token else None
        self._metadata = (("authorization", login),) if login else ()

    def version(self) -> str:
        """The version; the first call, which tells whether there is a Milvus at all."""
        import grpc

        try:
            return str(self._call("GetVersion", self._messages.GetVersionRequest()).version)
        except _RefusedError as error:
            raise ServerError(f"cannot use the Milvus at {self._uri}: {error}", hint=_hint(str(error))) from error
        except grpc.RpcError as error:
            raise ServerError(
                f"cannot use the Milvus at {self._uri}: {_reason(error)}", hint=_hint(_reason(error))
            ) from error

    def system(self) -> _System:
        """What the coordinator knows of the nodes. Milvus' own word for the question is a metric, "system_info"."""
        request = self._messages.GetMetricsRequest(request=json.dumps({"metric_type": "system_info"}))
        answer = self._try("the nodes", "GetMetrics", request)
        try:
            return _System(json.loads(answer.response) if answer is not None and answer.response else {})
        except ValueError:
            self.trouble.append("the nodes: the answer is not JSON")
            return _System({})

    def databases(self) -> tuple[str, ...]:
        answer = self._try("the databases", "ListDatabases", self._messages.ListDatabasesRequest())
        return tuple(sorted(answer.db_names)) if answer is not None and answer.db_names else ("default",)

    def names(self, database: str) -> list[str]:
        request = self._messages.ShowCollectionsRequest(db_name=database)
        answer = self._try(f"the collections of {database}", "ShowCollections", request, database)
        return sorted(answer.collection_names) if answer is not None else []

    def collection(self, database: str, name: str) -> Facts | None:
        """What is known of one collection; None where it cannot be described."""
        m, what = self._messages, f"collection {name}"
        of = {"db_name": database, "collection_name": name}
        described = self._try(what, "DescribeCollection", m.DescribeCollectionRequest(**of), database)
        if described is None:
            return None
        counted = self._try(
            f"{what}: rows", "GetCollectionStatistics", m.GetCollectionStatisticsRequest(**of), database
        )
        partitions = self._try(f"{what}: partitions", "ShowPartitions", m.ShowPartitionsRequest(**of), database)
        indexes = self._try(
            f"{what}: indexes",
            "DescribeIndex",
            m.DescribeIndexRequest(**of),
            database,
            quiet=_NO_INDEX,
            instead=m.DescribeIndexResponse(),
        )
        segments = self._segments(what, of, database)
        replicas = self._try(
            f"{what}: replicas",
            "GetReplicas",
            m.GetReplicasRequest(collectionID=described.collectionID, **of),
            database,
            quiet=("not loaded", "replica", "find"),
        )
        rows = {pair.key: pair.value for pair in counted.stats}.get("row_count", "") if counted is not None else ""
        return _known(
            {
                "name": name,
                "database": database,
                "rows": int(rows) if rows.isdigit() else None,
                "partitions": len(partitions.partition_names) if partitions is not None else None,
                "shards": described.shards_num or None,
                "replicas": len(replicas.replicas) or None if replicas is not None else None,
                "consistency": _CONSISTENCY.get(described.consistency_level),
                "fields": [_field(one, indexes) for one in described.schema.fields],
                "segments": segments,
            }
        )

    def _segments(self, what: str, of: Mapping[str, str], database: str) -> Facts | None:
        m = self._messages
        request = m.GetQuerySegmentInfoRequest(dbName=of["db_name"], collectionName=of["collection_name"])
        loaded = self._try(f"{what}: segments", "GetQuerySegmentInfo", request, database, quiet=("not loaded",))
        if loaded is None or not loaded.infos:
            return None
        sealed = [one for one in loaded.infos if one.state in _SEALED]
        sized = [one for one in sealed if one.mem_size > 0]
        return _known(
            {
                "sealed": len(sealed),
                "growing": sum(one.state in _GROWING for one in loaded.infos),
                "indexed": sum(bool(one.index_name or one.indexID > 0) for one in sealed),
                "small": sum(one.mem_size < _SMALL_BYTES for one in sized) if len(sized) == len(sealed) else None,
            }
        )

    def _try(
        self,
        what: str,
        method: str,
        request: Any,
        database: str = "",
        quiet: tuple[str, ...] = (),
        instead: Any = None,
    ) -> Any:
        """The answer, or None with a sentence about it in `trouble`.

        A refusal that says one of the `quiet` words is no trouble, and means what stands in `instead`.
        """
        import grpc

        try:
            return self._call(method, request, database)
        except _RefusedError as error:
            reason = str(error)
        except grpc.RpcError as error:
            reason = _reason(error)
        if any(word.lower() in reason.lower() for word in quiet):
            return instead
        self.trouble.append(f"{what}: {reason}")
        return None

    def _call(self, method: str, request: Any, database: str = "") -> Any:
        left_s = self._deadline - self._now()
        if left_s <= 0:
            raise _RefusedError("the time for all questions was over")
        metadata = (*self._metadata, ("dbname", database)) if database else self._metadata
        answer = getattr(self._stub, method)(request, timeout=min(CALL_S, left_s), metadata=metadata)
        status = answer.status
        if status.error_code or status.code:
            raise _RefusedError(
                " ".join(str(status.reason).split())[:300] or f"error {status.code or status.error_code}"
            )
        return answer


def _field(one: Any, indexes: Any) -> Facts:
    """A field in the contract's keys; `index` is null where none was made, and left out where it is not known."""
    from pymilvus.grpc_gen import schema_pb2

    known = schema_pb2.DataType.values()
    params = {pair.key: pair.value for pair in one.type_params}
    facts = _known(
        {
            "name": one.name,
            "type": _type(schema_pb2.DataType.Name(one.data_type)) if one.data_type in known else None,
            "dim": int(params["dim"]) if params.get("dim", "").isdigit() else None,
            "primary": True if one.is_primary_key else None,
        }
    )
    if indexes is not None or "VECTOR" not in facts.get("type", ""):
        made = [
            index
            for index in (indexes.index_descriptions if indexes is not None else ())
            if index.field_name == one.name
        ]
        if made or indexes is not None:
            facts["index"] = _index(made[0]) if made else None
    return facts


def _type(name: str) -> str:
    """``FloatVector`` as the contract and pymilvus spell it: FLOAT_VECTOR."""
    return re.sub(r"(?<=[a-z0-9])(?=Vector|Float)", "_", name).upper()


def _index(made: Any) -> Facts:
    """An index in the contract's keys. Whether it is mapped is its own param: a collection's or a field's `mmap.enabled` is
    about the raw values."""
    said = {pair.key: pair.value for pair in made.params}
    mmap = said.pop("mmap.enabled", None)
    params = dict(said)
    with suppress(ValueError, TypeError):
        params.update(json.loads(params.pop("params", "{}")))
    kind, metric = params.pop("index_type", None), params.pop("metric_type", None)
    numbers = {
        key: int(value) if isinstance(value, str) and value.isdigit() else value for key, value in params.items()
    }
    return _known(
        {
            "type": kind,
            "metric": metric,
            "params": dict(sorted(numbers.items())) or None,
            "mmap": mmap == "true" if mmap is not None else None,
        }
    )


class _System:
    """The answer to "system_info": the nodes, their hardware, and how they are deployed."""

    def __init__(self, said: Any) -> None:
        nodes = said.get("nodes_info") if isinstance(said, Mapping) else None
        self._nodes = [
            one["infos"] for one in nodes or () if isinstance(one, Mapping) and isinstance(one.get("infos"), Mapping)
        ]

    @property
    def deployment(self) -> str | None:
        modes = {str(one.get("system_info", {}).get("deploy_mode", "")).lower() for one in self._nodes}
        return "standalone" if "standalone" in modes else "cluster" if modes & {"distributed", "cluster"} else None

    def _query_nodes(self) -> list[Mapping[str, Any]]:
        return [one for one in self._nodes if one.get("type") == "querynode"]

    def hardware(self) -> Facts:
        nodes = self._query_nodes()
        hardware = [one.get("hardware_infos") or {} for one in nodes]
        cores = {int(one["cpu_core_count"]) for one in hardware if one.get("cpu_core_count")}
        memory = {round(one["memory"] / (1 << 30), 1) for one in hardware if one.get("memory")}
        return _known(
            {
                "query_nodes": len(nodes) or None,
                "cpus_per_node": cores.pop() if len(cores) == 1 else None,
                "memory_gib_per_node": memory.pop() if len(memory) == 1 else None,
            }
        )

    def nodes(self) -> list[Facts]:
        found = []
        for one in self._query_nodes():
            hardware = one.get("hardware_infos") or {}
            # Per cent of the whole machine. Of a standalone, whose roles each measure the same process, it is noise.
            usage = hardware.get("cpu_core_usage") if self.deployment == "cluster" else None
            memory, used = hardware.get("memory"), hardware.get("memory_usage")
            share = usage / 100 if usage is not None else None
            found.append(
                _known(
                    {
                        "node": str(one.get("name") or one.get("id")),
                        "cpu_share": round(min(1.0, share), 2) if share is not None else None,
                        "memory_share": round(min(1.0, used / memory), 2) if memory and used is not None else None,
                    }
                )
            )
        return sorted(found, key=lambda one: str(one["node"]))


def _reason(error: Any) -> str:
    code = error.code().name.replace("_", " ").lower() if hasattr(error, "code") and error.code() else "no answer"
    details = " ".join(str(error.details() or "").split()) if hasattr(error, "details") else ""
    for known in ("Connection refused", "Name or service not known", "DNS resolution failed", "handshake", "Timeout"):
        if known.lower() in details.lower():
            return known.lower()
    return f"{code}: {details[:200]}" if details and code not in ("deadline exceeded", "unavailable") else code


def _hint(reason: str) -> str | None:
    if any(word in reason.lower() for word in ("auth", "permission", "token")):
        return "name the variable that holds the token, or user:password, with --token-env"
    if "handshake" in reason:
        return "is it https:// that this server speaks? --ca names certificates to trust"
    return "the address is that of the proxy's gRPC port, 19530 if not configured otherwise"
