"""The metrics of Milvus by version, and the quantity that each of them measures.

A quantity is what the rest of slowq speaks of; its sources are tried in order, and the first that has a series is used.
Names, labels, units and versions are those of `pkg/metrics` (2.2: `internal/metrics`) and of the C++ core's `monitor`,
read in the source of each version from 2.2.0 to the 3.0 branch. Some HELP texts are wrong: `internal_core_search_latency`
says us and holds milliseconds. What is dead is left out: `milvus_querynode_read_evicted_count` and
`milvus_querynode_estimate_cpu_usage` are registered and never written since 2.3.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from slowq.facts import Version
from slowq.measures import Kind

MS = 1e-3  # milliseconds in seconds
Across = Literal["sum", "max"]


@dataclass(frozen=True, slots=True)
class Source:
    """One metric as it measures the quantity: which of its series (`where`: label → values), times what (`scale`).

    `since` and `before` bound the versions that write it so; for reading, they matter only where `unit_by_version`.
    """

    metric: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scale: float = 1.0
    since: Version | None = None
    before: Version | None = None
    unit_by_version: bool = False

    @property
    def text(self) -> str:
        """As PromQL selects it."""
        chosen = [f'{key}="{v[0]}"' if len(v) == 1 else f'{key}=~"{"|".join(v)}"' for key, v in self.where.items()]
        return self.metric + ("{" + ", ".join(chosen) + "}" if chosen else "")


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is measured. `parts`: name of a split → the labels that may carry it, the first present one counts; of labels
    with a slash between them every pair of values is a part.

    `across` says what gauges of several series make together; histograms and counters always add up.
    """

    name: str
    says: str
    unit: str
    kind: Kind
    sources: tuple[Source, ...]
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    across: Across = "sum"


_NODE = {"node": ("pod", "instance", "node_id")}
_COLLECTION = {"collection": ("collection_name", "collection_id")}
_SEARCH = ("search", "hybrid_search")
_REQUESTS = ("Search", "HybridSearch", "Query")
_OUTPUT = ("get_vector_latency", "retrieve_get_target_entry_latency", "search_get_target_entry_latency")


def _latency(name: str, says: str, *sources: Source, parts: Mapping[str, tuple[str, ...]] | None = None) -> Quantity:
    return Quantity(name, says, "s", "histogram", sources, _NODE if parts is None else parts)


def _ms(
    metric: str, since: Version | None = None, before: Version | None = None, **where: str | tuple[str, ...]
) -> Source:
    return Source(metric, _where(where), MS, since, before)


def _plain(
    metric: str, since: Version | None = None, before: Version | None = None, **where: str | tuple[str, ...]
) -> Source:
    return Source(metric, _where(where), 1.0, since, before)


def _where(where: Mapping[str, str | tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {key: (value,) if isinstance(value, str) else value for key, value in where.items()}


def _counter(
    name: str, says: str, unit: str, *sources: Source, parts: Mapping[str, tuple[str, ...]] | None = None
) -> Quantity:
    return Quantity(name, says, unit, "counter", sources, _NODE if parts is None else parts)


def _gauge(
    name: str,
    says: str,
    unit: str,
    *sources: Source,
    parts: Mapping[str, tuple[str, ...]] | None = None,
    across: Across = "sum",
) -> Quantity:
    return Quantity(name, says, unit, "gauge", sources, _NODE if parts is None else parts, across)


QUANTITIES: tuple[Quantity, ...] = (
    # The proxy: a request from end to end.
    _latency(
        "search_latency", "a search at the proxy, from end to end", _ms("milvus_proxy_sq_latency", query_type=_SEARCH)
    ),
    _latency(
        "collection_latency",
        "a search at the proxy, by collection",
        _ms("milvus_proxy_collection_sq_latency", query_type=_SEARCH),
        parts=_COLLECTION,
    ),
    _latency("query_latency", "a query at the proxy", _ms("milvus_proxy_sq_latency", query_type="query")),
    _latency(
        "proxy_queue",
        "the wait in the proxy's own queue",
        _ms("milvus_proxy_req_in_queue_latency", (2, 3, 20), function_name=("Search", "HybridSearch")),
    ),
    _latency("timestamp", "the wait for a timestamp", _ms("milvus_proxy_apply_timestamp_latency")),
    _latency("parse_filter", "parsing the filter", _ms("milvus_proxy_parse_expr_latency", (2, 5, 5))),
    _latency(
        "wait_result", "the wait for the query nodes", _ms("milvus_proxy_sq_wait_result_latency", query_type=_SEARCH)
    ),
    _latency(
        "proxy_reduce",
        "putting the shards' results together at the proxy",
        _ms("milvus_proxy_sq_reduce_result_latency", query_type=_SEARCH),
    ),
    _latency(
        "decode", "decoding results at the proxy", _ms("milvus_proxy_sq_decode_result_latency", query_type=_SEARCH)
    ),
    _latency(
        "requery",
        "the second query that fetches output fields",
        _ms("milvus_proxy_sq_latency", (2, 6, 15), query_type="requery"),
        parts={**_COLLECTION, **_NODE},
    ),
    # The query node: the phases of a search.
    _latency(
        "leader",
        "a search on the delegator of a shard",
        _ms("milvus_querynode_sq_req_latency", query_type="search", scope="OnLeader"),
    ),
    _latency(
        "worker",
        "a search on a query node that holds segments",
        _ms("milvus_querynode_sq_req_latency", query_type="search", scope="FromLeader"),
    ),
    _latency(
        "wait_tsafe",
        "the wait until tSafe reaches the guarantee timestamp",
        _ms("milvus_querynode_sq_wait_tsafe_latency", (2, 3, 0), query_type="search"),
    ),
    _latency(
        "queue",
        "the wait in the query node's read queue",
        _ms("milvus_querynode_sq_queue_latency", query_type="search"),
    ),
    _latency(
        "segment",
        "a search of one segment",
        _ms("milvus_querynode_sq_segment_latency", query_type="search"),
        parts={"state": ("segment_state",), **_NODE},
    ),
    _latency(
        "core", "a search of one segment within segcore", _ms("milvus_querynode_sq_core_latency", query_type="search")
    ),
    _latency(
        "scalar",
        "the filter on one segment",
        _ms("internal_core_search_latency", (2, 4, 7), type="scalar_latency"),
        parts={"node": ("pod", "instance")},
    ),
    _latency(
        "vector",
        "the vector search of one segment",
        _ms("internal_core_search_latency", (2, 4, 7), type="vector_latency"),
        parts={"node": ("pod", "instance")},
    ),
    _latency(
        "index_search",
        "Knowhere's search of an index",
        _ms("search_latency", (2, 4, 0), module="knowhere"),
        _ms("knowhere_search_latency", (2, 3, 0), (2, 4, 0)),
    ),
    _latency(
        "index_range_search",
        "Knowhere's range search of an index",
        _ms("range_search_latency", (2, 4, 0), module="knowhere"),
        _ms("knowhere_range_search_latency", (2, 3, 0), (2, 4, 0)),
    ),
    _latency(
        "json_filter",
        "the filter on JSON, without an index or from its statistics",
        _ms("internal_json_filter_latency", (2, 6, 13)),
        parts={"kind": ("type",)},
    ),
    _latency(
        "output",
        "fetching output fields from a segment",
        _ms("internal_core_search_latency", (2, 4, 23), type=_OUTPUT),
        parts={"kind": ("type",)},
    ),
    Quantity(
        "filter_passes",
        "the share of rows that pass the filter",
        "share",
        "histogram",
        (_plain("internal_core_search_latency", (2, 5, 11), (2, 6, 11), type="expr_filter_ratio"),),
    ),
    _latency(
        "reduce_segments",
        "putting the segments' results together",
        _ms("milvus_querynode_sq_reduce_latency", (2, 3, 0), query_type="search", reduce_level="segments"),
        _ms("milvus_querynode_sq_reduce_latency", None, (2, 3, 0), query_type="search"),
    ),
    _latency(
        "reduce_shards",
        "putting the query nodes' results together",
        _ms("milvus_querynode_sq_reduce_latency", (2, 3, 0), query_type="search", reduce_level="shards"),
    ),
    Quantity("nq", "the query vectors of a search", "", "histogram", (_plain("milvus_querynode_search_nq"),), _NODE),
    Quantity("top_k", "the top-k of a search", "", "histogram", (_plain("milvus_querynode_search_topk"),), _NODE),
    Quantity(
        "group_nq",
        "the query vectors of a merged search",
        "",
        "histogram",
        (_plain("milvus_querynode_search_group_nq"),),
        _NODE,
    ),
    Quantity(
        "group_size",
        "how many searches were merged into one",
        "",
        "histogram",
        (_plain("milvus_querynode_search_group_size"),),
        _NODE,
    ),
    _gauge("queued", "searches that wait in the read queue", "", _plain("milvus_querynode_read_task_ready_len")),
    _gauge("running", "searches that run", "", _plain("milvus_querynode_read_task_concurrency")),
    # What is asked, written and refused.
    _counter(
        "slow_queries", "requests over the slow threshold", "", _plain("milvus_proxy_slow_query_count", (2, 3, 13))
    ),
    _counter(
        "vectors_searched",
        "query vectors that were searched",
        "",
        _plain("milvus_proxy_search_vectors_count"),
        parts={**_COLLECTION, **_NODE},
    ),
    _counter(
        "failed",
        "searches and queries that failed",
        "",
        _plain("milvus_proxy_req_count", function_name=_REQUESTS, status=("fail", "fail_input", "fail_system")),
    ),
    _counter(
        "rejected",
        "searches and queries that were rejected or given up",
        "",
        _plain("milvus_proxy_req_count", function_name=_REQUESTS, status=("rejected", "abandon", "cancel")),
    ),
    _counter(
        "inserted", "rows inserted", "rows", _plain("milvus_proxy_insert_vectors_count"), parts={**_COLLECTION, **_NODE}
    ),
    _counter(
        "upserted", "rows upserted", "rows", _plain("milvus_proxy_upsert_vectors_count"), parts={**_COLLECTION, **_NODE}
    ),
    _counter(
        "deleted", "rows deleted", "rows", _plain("milvus_proxy_delete_vectors_count"), parts={**_COLLECTION, **_NODE}
    ),
    _counter(
        "deletes_consumed",
        "rows that were deleted, or replaced by an upsert, as the data nodes take them in",
        "rows",
        _plain("milvus_datanode_msg_rows_count", msg_type="delete"),
    ),
    _counter("sent_bytes", "bytes of results sent to clients", "bytes", _plain("milvus_proxy_send_bytes_count")),
    # What lies in the query nodes.
    _gauge(
        "segments",
        "segments that are loaded",
        "",
        _plain("milvus_querynode_segment_num", (2, 2, 1)),
        parts={"state": ("segment_state",), "level": ("segment_level",), **_COLLECTION, **_NODE},
    ),
    _gauge(
        "rows",
        "rows that are loaded",
        "rows",
        _plain("milvus_querynode_entity_num", (2, 2, 1)),
        parts={"state": ("segment_state",), **_COLLECTION, **_NODE},
    ),
    _gauge(
        "rows_without_index",
        "sealed rows that are loaded without any index",
        "rows",
        _plain("milvus_querynode_entity_num", (2, 2, 1), (2, 4, 5), segment_state="Sealed", indexed_field_count="0"),
        parts=_COLLECTION,
    ),
    _gauge(
        "rows_with_index",
        "sealed rows that are loaded with an index",
        "rows",
        _plain(
            "milvus_querynode_entity_num",
            (2, 2, 1),
            (2, 4, 5),
            segment_state="Sealed",
            indexed_field_count=tuple("123456789"),
        ),
        parts=_COLLECTION,
    ),
    _gauge(
        "rows_stored",
        "rows of the collections, loaded or not",
        "rows",
        _plain("milvus_rootcoord_entity_num", (2, 3, 13), status="all"),
        parts={"collection": ("db_name/collection_name", "collection_name")},
    ),
    _gauge(
        "rows_indexed",
        "rows that a vector index covers, of several indexes the one that covers most",
        "rows",
        _plain("milvus_rootcoord_indexed_entity_num", (2, 3, 13), is_vector_index="true"),
        parts={"collection": ("db_name/collection_name", "collection_name")},
        across="max",
    ),
    _gauge("collections", "collections that are loaded", "", _plain("milvus_querynode_collection_num"), across="max"),
    _gauge(
        "all_collections", "collections of the cluster", "", _plain("milvus_rootcoord_collection_num"), across="max"
    ),
    _gauge("all_partitions", "partitions of the cluster", "", _plain("milvus_rootcoord_partition_num"), across="max"),
    _gauge("all_channels", "channels that carry writes", "", _plain("milvus_rootcoord_dml_channel_num"), across="max"),
    _gauge(
        "delete_backlog",
        "deleted rows that wait to be applied",
        "rows",
        _plain("milvus_querynode_delete_buffer_row_num", (2, 4, 14)),
        _plain("milvus_datacoord_l0_delete_entries_num", (2, 4, 12)),
    ),
    _gauge(
        "level_zero",
        "deletes in L0 segments, which are applied to every segment that may hold them",
        "bytes",
        _plain("milvus_querynode_level_zero_size", (2, 4, 0)),
        parts={"channel": ("channel_name",)},
        across="max",
    ),
    _gauge(
        "pending_messages",
        "messages of writes that wait to be processed",
        "",
        _plain("milvus_querynode_wait_processing_msg_count", (2, 3, 0)),
        parts={"kind": ("msg_type",), **_NODE},
    ),
    _latency(
        "apply_writes",
        "processing a message of writes",
        _ms("milvus_querynode_process_insert_or_delete_latency", (2, 3, 0)),
        parts={"kind": ("msg_type",), **_NODE},
    ),
    # What runs beside searches.
    _latency(
        "build",
        "building one index",
        Source("milvus_indexnode_build_index_latency", {}, 1.0, (2, 3, 2), None, True),
        _ms("milvus_indexnode_build_index_latency", None, (2, 3, 2)),
    ),
    _gauge(
        "builds_running",
        "index builds that run",
        "",
        _plain(
            "milvus_datacoord_task_count",
            (2, 5, 0),
            task_type=("JobTypeIndexJob",),
            task_state=("JobStateInProgress", "InProgress", "in-progress"),
        ),
        _plain("milvus_datacoord_index_task_count", (2, 3, 0), index_task_status="in-progress"),
        parts=_COLLECTION,
    ),
    _gauge(
        "builds_waiting",
        "index builds that wait",
        "",
        _plain(
            "milvus_datacoord_task_count",
            (2, 5, 0),
            task_type=("JobTypeIndexJob",),
            task_state=("JobStateInit", "Init", "unissued"),
        ),
        _plain("milvus_datacoord_index_task_count", (2, 3, 0), index_task_status="unissued"),
        parts=_COLLECTION,
    ),
    _latency("compaction", "one compaction", _ms("milvus_datanode_compaction_latency")),
    _gauge(
        "compactions_running",
        "compactions that run",
        "",
        _plain("milvus_datacoord_compaction_task_num", (2, 4, 0), status="executing"),
        parts={"kind": ("compaction_type",)},
    ),
    _latency(
        "load_segment",
        "loading one segment",
        Source("milvus_querynode_load_segment_latency", {}, 1.0, (2, 3, 2), (2, 4, 0), True),
        _ms("milvus_querynode_load_segment_latency"),
    ),
    _gauge(
        "loads_running",
        "segments that are being loaded",
        "",
        _plain("milvus_querynode_load_segment_concurrency", (2, 4, 0)),
        parts={"kind": ("load_type",)},
    ),
    _counter("loads", "load requests", "", _plain("milvus_querycoord_load_req_count", status="total")),
    _counter("releases", "release requests", "", _plain("milvus_querycoord_release_req_count", status="total")),
    _gauge(
        "load_tasks",
        "tasks that load, release or balance segments",
        "",
        _plain("milvus_querycoord_task_num", (2, 2, 3)),
        parts={"kind": ("querycoord_task_type",)},
    ),
    _counter(
        "flushes",
        "buffers of rows that were flushed",
        "",
        _plain("milvus_datanode_flush_buffer_op_count", status="total"),
    ),
    # The stream, and what Milvus depends on.
    _gauge(
        "consume_lag",
        "how far query nodes are behind the stream of writes",
        "s",
        _ms("milvus_querynode_consume_tt_lag_ms"),
        parts={**_COLLECTION, **_NODE},
        across="max",
    ),
    _gauge(
        "dispatcher_lag",
        "how far the dispatcher of a query node is behind the stream",
        "s",
        _ms("milvus_querynode_msg_dispatcher_tt_lag_ms", (2, 3, 0)),
        across="max",
    ),
    _gauge(
        "produce_lag",
        "how far the time tick is behind the clock where it is sent",
        "s",
        _ms("milvus_rootcoord_produce_tt_lag_ms"),
        _ms("milvus_rootcoord_time_tick_delay"),
        across="max",
    ),
    _latency(
        "stream",
        "one request to the message queue",
        _ms("milvus_msgstream_request_latency", (2, 2, 3)),
        parts={"kind": ("message_op_type",)},
    ),
    _latency(
        "wal",
        "appending one message to the WAL",
        _plain("milvus_wal_append_message_duration_seconds", (2, 6, 0)),
        parts={"node": ("pod", "instance")},
    ),
    _latency(
        "meta", "one request to etcd", _ms("milvus_meta_request_latency", (2, 2, 3)), parts={"kind": ("meta_op_type",)}
    ),
    _latency(
        "storage",
        "one request to object storage",
        _ms("milvus_storage_request_latency", (2, 2, 3)),
        _ms("internal_storage_request_latency"),
        parts={"kind": ("persistent_data_op_type",)},
    ),
    # The processes and their machines.
    _counter("cpu", "cores in use", "cores", _plain("process_cpu_seconds_total")),
    _gauge("memory", "resident memory", "bytes", _plain("process_resident_memory_bytes")),
    _gauge("memory_limit", "memory limit of the containers", "bytes", _plain("container_spec_memory_limit_bytes")),
    _gauge(
        "working_set",
        "memory that the containers cannot give back",
        "bytes",
        _plain("container_memory_working_set_bytes"),
    ),
    _counter(
        "throttled",
        "CPU periods in which a container was throttled",
        "",
        _plain("container_cpu_cfs_throttled_periods_total"),
    ),
    _counter("periods", "CPU periods of the containers", "", _plain("container_cpu_cfs_periods_total")),
    _counter("gc", "seconds in which Go stopped the world", "s", _plain("go_gc_duration_seconds_sum")),
    _counter(
        "disk_busy",
        "seconds in which a disk was busy",
        "s",
        _plain("node_disk_io_time_seconds_total"),
        parts={"disk": ("instance/device", "device")},
    ),
    _counter(
        "disk_read",
        "bytes that containers read from disk",
        "bytes",
        _plain("container_fs_reads_bytes_total"),
        _plain("node_disk_read_bytes_total"),
    ),
    _counter(
        "cache_loads",
        "segments that were loaded when a search asked for them",
        "",
        _plain("milvus_querynode_disk_cache_load_total", (2, 4, 1)),
    ),
    _counter(
        "cache_misses",
        "bytes that a search had to fetch into the cache",
        "bytes",
        _plain("internal_cache_cell_access_miss_bytes_total", (2, 6, 0)),
    ),
    _gauge("started", "when the process started", "unix s", _plain("process_start_time_seconds"), across="max"),
)

BUILD_INFO = "milvus_build_info"  # 2.3.8 and later: value 1, the version is a label
_SUFFIXES = ("_sum", "_count", "_bucket")
SERIES = frozenset(
    {BUILD_INFO}
    | {
        one.metric + suffix
        for quantity in QUANTITIES
        for one in quantity.sources
        for suffix in (_SUFFIXES if quantity.kind == "histogram" else ("",))
    }
)
