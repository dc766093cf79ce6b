"""The Prometheus metrics of Milvus 2.6, by their names, labels and buckets; milliseconds unless Milvus has seconds.

Names and labels: `pkg/metrics/*.go`; `internal_core_search_latency`: `internal/core/src/monitor/Monitor.cpp`.
Milvus' counters have no `_total`, which the client library would add; they are exposed without a type.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

BUCKETS = tuple(float(1 << power) for power in range(18))  # ExponentialBuckets(1, 2, 18)
SUB_MS = (0.1, 0.25, 0.5, *BUCKETS)
LONG_TASK = (1, 100, 500, 1e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2.5e5, 5e5, 1e6, 3.6e6, 5e6, 1e7)
INDEX_S = (0.001, 0.1, 0.5, 1, 5, 10, 20, 50, 100, 250, 500, 1000, 3600, 5000, 10000)
CORE = tuple(float(1 << power) for power in range(17))
RATIO = tuple(round(0.05 * step, 2) for step in range(21))


class _Untyped(Gauge):
    """A counter under its bare name."""

    _type = "unknown"


class Metrics:
    """Every metric by the last part of its name, as `observe`, `add` and `set` name them. Children are made once."""

    def __init__(self, node_id: int = 1) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._node = str(node_id)
        self._metrics: dict[str, Histogram | Gauge] = {}
        self._children: dict[tuple[str, ...], Histogram | Gauge] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._declare()

    def observe(self, name: str, value: float, *labels: str) -> None:
        self._child(name, labels).observe(value)  # type: ignore[union-attr]

    def add(self, name: str, much: float, *labels: str) -> None:
        self._child(name, labels).inc(much)  # type: ignore[union-attr]

    def set(self, name: str, value: float, *labels: str) -> None:
        self._child(name, labels).set(value)  # type: ignore[union-attr]

    def text(self) -> bytes:
        return bytes(generate_latest(self.registry))

    def _child(self, name: str, labels: tuple[str, ...]) -> Histogram | Gauge:
        found = self._children.get((name, *labels))
        if found is None:
            parent = self._metrics[name]
            own = (self._node,) if parent._labelnames[:1] == ("node_id",) else ()
            found = parent.labels(*own, *labels) if own or labels else parent
            self._children[(name, *labels)] = found
        return found

    def _declare(self) -> None:
        for name, labels, buckets in _HISTOGRAMS:
            self._metrics[name] = Histogram(name, _HELP, labels, registry=self.registry, buckets=buckets)
        for name, labels in _COUNTERS:
            self._metrics[name] = _Untyped(name, _HELP, labels, registry=self.registry)
        for name, labels in _GAUGES:
            self._metrics[name] = Gauge(name, _HELP, labels, registry=self.registry)


_HELP = "of the slowq reference engine"
_DB = ("db_name", "collection_name")
_HISTOGRAMS: Sequence[tuple[str, tuple[str, ...], tuple[float, ...]]] = (
    ("milvus_proxy_sq_latency", ("node_id", "query_type", *_DB), BUCKETS),
    ("milvus_proxy_collection_sq_latency", ("node_id", "query_type", *_DB), BUCKETS),
    ("milvus_proxy_req_in_queue_latency", ("node_id", "function_name"), SUB_MS),
    ("milvus_proxy_parse_expr_latency", ("node_id", "function_name", "status"), SUB_MS),
    ("milvus_proxy_sq_wait_result_latency", ("node_id", "query_type"), BUCKETS),
    ("milvus_proxy_sq_reduce_result_latency", ("node_id", "query_type"), SUB_MS),
    ("milvus_proxy_req_latency", ("node_id", "function_name"), BUCKETS),
    ("milvus_proxy_mutation_latency", ("node_id", "msg_type", *_DB), BUCKETS),
    ("milvus_querynode_sq_req_latency", ("node_id", "query_type", "scope"), BUCKETS),
    ("milvus_querynode_sq_wait_tsafe_latency", ("node_id", "query_type"), BUCKETS),
    ("milvus_querynode_sq_queue_latency", ("node_id", "query_type", "db_name", "rg"), SUB_MS),
    ("milvus_querynode_sq_segment_latency", ("node_id", "query_type", "segment_state"), SUB_MS),
    ("milvus_querynode_sq_core_latency", ("node_id", "query_type"), SUB_MS),
    ("milvus_querynode_sq_reduce_latency", ("node_id", "query_type", "reduce_level", "reduce_type"), SUB_MS),
    ("milvus_querynode_search_nq", ("node_id",), BUCKETS),
    ("milvus_querynode_search_topk", ("node_id",), BUCKETS),
    ("milvus_querynode_search_group_nq", ("node_id",), BUCKETS),
    ("milvus_querynode_search_group_topk", ("node_id",), BUCKETS),
    ("milvus_querynode_search_group_size", ("node_id",), BUCKETS),
    ("milvus_querynode_search_hit_segment_num", ("node_id", "collection_id", "query_type"), BUCKETS),
    ("milvus_querynode_load_segment_latency", ("node_id",), LONG_TASK),
    ("milvus_querynode_load_index_latency", ("node_id",), LONG_TASK),
    ("milvus_querynode_process_insert_or_delete_latency", ("node_id", "msg_type"), BUCKETS),
    ("milvus_datanode_compaction_latency", ("node_id", "compaction_type"), LONG_TASK),
    ("milvus_datanode_save_latency", ("node_id",), BUCKETS),
    ("milvus_indexnode_build_index_latency", ("node_id",), INDEX_S),
    ("milvus_storage_request_latency", ("persistent_data_op_type",), BUCKETS),
    ("milvus_msgstream_request_latency", ("message_op_type",), BUCKETS),
    ("internal_core_search_latency", ("type",), CORE),
    ("search_latency", ("module",), CORE),  # of Knowhere: a search of an index, not one without
)
_COUNTERS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("milvus_proxy_slow_query_count", ("node_id", "msg_type")),
    ("milvus_proxy_req_count", ("node_id", "function_name", "status", *_DB)),
    ("milvus_proxy_search_vectors_count", ("node_id", *_DB)),
    ("milvus_proxy_received_nq", ("node_id", "query_type", *_DB)),
    ("milvus_proxy_insert_vectors_count", ("node_id", *_DB)),
    ("milvus_proxy_delete_vectors_count", ("node_id", *_DB)),
    ("milvus_datanode_flush_buffer_op_count", ("node_id", "status", "segment_level")),
)
_GAUGES: Sequence[tuple[str, tuple[str, ...]]] = (
    ("milvus_querynode_read_task_concurrency", ("node_id",)),
    ("milvus_querynode_read_task_ready_len", ("node_id",)),
    ("milvus_querynode_read_task_unsolved_len", ("node_id",)),
    ("milvus_querynode_segment_num", ("node_id", "db_name", "collection_id", "segment_state", "segment_level")),
    ("milvus_querynode_entity_num", ("node_id", "db_name", "collection_name", "segment_state")),
    ("milvus_querynode_collection_num", ("node_id",)),
    ("milvus_querynode_consume_tt_lag_ms", ("node_id", "msg_type", "collection_id")),
    ("milvus_proxy_tt_lag_ms", ("node_id", "channel_name")),
    (
        "milvus_datacoord_segment_num",
        ("segment_state", "segment_level", "segment_is_sorted", "segment_storage_version"),
    ),
    ("milvus_datacoord_l0_delete_entries_num", ("db_name", "collection_id")),
    ("milvus_datacoord_task_count", ("task_type", "task_state")),
    ("milvus_rootcoord_collection_num", ()),
    ("milvus_rootcoord_partition_num", ()),
    ("milvus_rootcoord_entity_num", ("db_name", "collection_name", "status")),
    ("milvus_rootcoord_indexed_entity_num", ("db_name", "collection_name", "index_name", "is_vector_index")),
    ("milvus_build_info", ("version", "built", "git_commit")),
    ("milvus_num_node", ("node_id", "role_name")),
)
