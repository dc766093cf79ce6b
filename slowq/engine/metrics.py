"""The Prometheus metrics of Milvus by their names, labels and buckets in a version; milliseconds unless Milvus has seconds.

Names and labels: `pkg/metrics/*.go`; `internal_core_search_latency`: `internal/core/src/monitor/Monitor.cpp`. Milvus' counters
have no `_total`, which the client library would add; they are exposed without a type. Fractions of a millisecond are kept,
as Milvus does from 2.6.15 on, and for 2.6 so are the buckets of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

Version = tuple[int, ...]

_POWERS = tuple(float(1 << power) for power in range(18))  # ExponentialBuckets(1, 2, 18)
_BUCKETS_OF_2_4: tuple[float, ...] = (5, 10, 20, 50, *range(100, 1100, 100), 1500, 3000, 10_000, 60_000)
_SUB_MS = (0.1, 0.25, 0.5, *_POWERS)
_LONG_TASK = (1, 100, 500, 1e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2.5e5, 5e5, 1e6, 3.6e6, 5e6, 1e7)
_LOAD_S = (0.1, 0.5, 1, 5, 10, 20, 50, 100, 300, 600, 1200)
_INDEX_S = (0.001, 0.1, 0.5, 1, 5, 10, 20, 50, 100, 250, 500, 1000, 3600, 5000, 10000)
_CORE = tuple(float(1 << power) for power in range(17))


def _bounds_of(version: Version) -> dict[str, tuple[float, ...]]:
    """The sets of bounds by the names that the tables below use."""
    usual = _BUCKETS_OF_2_4 if (2, 4, 7) <= version < (2, 5, 0) else _POWERS
    return {
        "usual": usual,
        "sub": _SUB_MS if version >= (2, 6, 0) else usual,
        "long": _LONG_TASK,
        "load": _LOAD_S,
        "index": _INDEX_S,
        "core": _CORE,
        "default": tuple(Histogram.DEFAULT_BUCKETS),
    }


class _Untyped(Gauge):
    """A counter under its bare name."""

    _type = "unknown"


class _Row(NamedTuple):
    """`name` and each word of `labels` may be followed by `@SINCE-BEFORE`, the versions that have it; one end may be missing."""

    name: str
    labels: str = ""
    buckets: str = ""
    scale: float = 1.0
    called: str = ""  # by the engine, where it has another name in other versions


class _Made(NamedTuple):
    """A metric of this version, and which of the labels of all versions it has."""

    metric: Histogram | Gauge
    of_node: bool
    kept: tuple[int, ...]
    scale: float

    def values(self, labels: tuple[str, ...], node: str) -> tuple[str, ...]:
        own = (node,) if self.of_node else ()
        return (*own, *(labels[at] for at in self.kept))


class Metrics:
    """The metrics of one version; `observe`, `add` and `set` take the label values of all versions, but for the node's.

    What the version does not have is passed over. Children are made once.
    """

    def __init__(self, version: str = "2.6.10", node_id: int = 1) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._version, self._node = _numbers(version), str(node_id)
        self._made: dict[str, _Made] = {}
        self._children: dict[tuple[str, ...], tuple[Histogram | Gauge, float] | None] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        bounds = _bounds_of(self._version)
        for row in _HISTOGRAMS:
            self._declare(row, partial(Histogram, buckets=bounds[row.buckets]))
        for row in _COUNTERS:
            self._declare(row, _Untyped)
        for row in _GAUGES:
            self._declare(row, Gauge)

    def observe(self, name: str, value: float, *labels: str) -> None:
        child = self._child(name, labels)
        if child is not None:
            child[0].observe(value * child[1])  # type: ignore[union-attr]

    def add(self, name: str, much: float, *labels: str) -> None:
        child = self._child(name, labels)
        if child is not None:
            child[0].inc(much)  # type: ignore[union-attr]

    def set(self, name: str, value: float, *labels: str) -> None:
        child = self._child(name, labels)
        if child is not None:
            child[0].set(value)  # type: ignore[union-attr]

    def set_all(self, name: str, values: Mapping[tuple[str, ...], float]) -> None:
        """All that a gauge shows, by its labels; what differs only in those that this version lacks is added up."""
        made = self._made.get(name)
        if made is None:
            return
        sums: dict[tuple[str, ...], float] = {}
        for labels, value in values.items():
            kept = made.values(labels, self._node)
            sums[kept] = sums.get(kept, 0.0) + value
        made.metric.clear()
        for kept, value in sums.items():
            made.metric.labels(*kept).set(value)  # type: ignore[union-attr]

    def text(self) -> bytes:
        return bytes(generate_latest(self.registry))

    def _child(self, name: str, labels: tuple[str, ...]) -> tuple[Histogram | Gauge, float] | None:
        key = (name, *labels)
        if key not in self._children:
            self._children[key] = self._new_child(name, labels)
        return self._children[key]

    def _new_child(self, name: str, labels: tuple[str, ...]) -> tuple[Histogram | Gauge, float] | None:
        made = self._made.get(name)
        if made is None:
            return None
        values = made.values(labels, self._node)
        return (made.metric.labels(*values) if values else made.metric), made.scale

    def _declare(self, row: _Row, make: Callable[..., Histogram | Gauge]) -> None:
        name, there = _within(row.name, self._version)
        if not there:
            return
        words = [_within(word, self._version) for word in row.labels.split()]
        of_node = row.labels.startswith("node_id")
        kept = tuple(at for at, (_, has) in enumerate(words[int(of_node) :]) if has)
        metric = make(name, _HELP, [label for label, has in words if has], registry=self.registry)
        self._made[row.called or name] = _Made(metric, of_node, kept, row.scale)


def _within(word: str, version: Version) -> tuple[str, bool]:
    """The word without its span of versions, and whether the version is within."""
    name, _, span = word.partition("@")
    since, _, before = span.partition("-")
    return name, (not since or version >= _numbers(since)) and (not before or version < _numbers(before))


def _numbers(text: str) -> Version:
    return tuple(int(one) for one in text.split("."))


_HELP = "of the slowq reference engine"
_DB = "db_name@2.4.0 collection_name@2.4.0"
_HISTOGRAMS = (
    _Row("milvus_proxy_sq_latency", f"node_id query_type {_DB}", "usual"),
    _Row("milvus_proxy_collection_sq_latency", "node_id query_type db_name@2.6.1 collection_name", "usual"),
    _Row("milvus_proxy_req_in_queue_latency@2.4.7", "node_id function_name", "sub"),
    _Row("milvus_proxy_parse_expr_latency@2.5.5", "node_id function_name status", "sub"),
    _Row("milvus_proxy_sq_wait_result_latency", "node_id query_type", "usual"),
    _Row("milvus_proxy_sq_reduce_result_latency", "node_id query_type", "sub"),
    _Row("milvus_proxy_req_latency", "node_id function_name", "usual"),
    _Row("milvus_proxy_mutation_latency", f"node_id msg_type {_DB}", "usual"),
    _Row("milvus_querynode_sq_req_latency", "node_id query_type scope", "usual"),
    _Row("milvus_querynode_sq_wait_tsafe_latency", "node_id query_type", "usual"),
    _Row("milvus_querynode_sq_queue_latency", "node_id query_type db_name@2.4.1 rg@2.4.1", "sub"),
    _Row("milvus_querynode_sq_segment_latency", "node_id query_type segment_state", "sub"),
    _Row("milvus_querynode_sq_core_latency", "node_id query_type", "sub"),
    _Row("milvus_querynode_sq_reduce_latency", "node_id query_type reduce_level reduce_type@2.4.2", "sub"),
    _Row("milvus_querynode_search_nq", "node_id", "usual"),
    _Row("milvus_querynode_search_topk", "node_id", "usual"),
    _Row("milvus_querynode_search_group_nq", "node_id", "usual"),
    _Row("milvus_querynode_search_group_topk", "node_id", "usual"),
    _Row("milvus_querynode_search_group_size", "node_id", "usual"),
    _Row("milvus_querynode_search_hit_segment_num@2.4.10", "node_id collection_id query_type", "default"),
    _Row("milvus_querynode_load_segment_latency@-2.4.0", "node_id", "load", 1e-3),
    _Row("milvus_querynode_load_segment_latency@2.4.0", "node_id", "long"),
    _Row("milvus_querynode_load_index_latency@2.4.0", "node_id", "long"),
    _Row("milvus_querynode_process_insert_or_delete_latency", "node_id msg_type", "usual"),
    _Row("milvus_datanode_compaction_latency", "node_id compaction_type@2.4.0", "long"),
    _Row("milvus_datanode_save_latency", "node_id msg_type@-2.4.0", "usual"),
    _Row("milvus_indexnode_build_index_latency", "node_id", "index"),
    _Row("milvus_storage_request_latency", "persistent_data_op_type", "usual"),
    _Row("milvus_msgstream_request_latency", "message_op_type", "usual"),
    _Row("internal_core_search_latency@2.4.7", "type", "core"),
    # Of Knowhere: a search of an index, not one without.
    _Row("knowhere_search_latency@-2.4.0", "module@2.4.0", "core", called="search_latency"),
    _Row("search_latency@2.4.0", "module", "core"),
)
_COUNTERS = (
    _Row("milvus_proxy_slow_query_count@2.3.13", "node_id msg_type"),
    _Row("milvus_proxy_req_count", f"node_id function_name status {_DB}"),
    _Row("milvus_proxy_search_vectors_count", f"node_id {_DB}"),
    _Row("milvus_proxy_received_nq", "node_id query_type db_name@2.6.1 collection_name"),
    _Row("milvus_proxy_insert_vectors_count", f"node_id {_DB}"),
    _Row("milvus_proxy_upsert_vectors_count", f"node_id {_DB}"),
    _Row("milvus_proxy_delete_vectors_count@2.4.0", f"node_id {_DB}"),
    _Row("milvus_datanode_msg_rows_count", "node_id msg_type"),
    _Row("milvus_datanode_flush_buffer_op_count", "node_id status segment_level@2.4.0"),
)
_GAUGES = (
    _Row("milvus_querynode_read_task_concurrency", "node_id"),
    _Row("milvus_querynode_read_task_ready_len", "node_id"),
    _Row("milvus_querynode_read_task_unsolved_len", "node_id"),
    _Row(
        "milvus_querynode_segment_num",
        "node_id collection_id partition_id@-2.5.7 segment_state indexed_field_count@-2.5.7 segment_level@2.4.0",
    ),
    _Row(
        "milvus_querynode_entity_num",
        "node_id db_name@2.4.0 collection_name@2.4.15 collection_id partition_id@-2.5.7 segment_state "
        "indexed_field_count@-2.4.5",
    ),
    _Row("milvus_querynode_collection_num", "node_id"),
    _Row("milvus_querynode_consume_tt_lag_ms", "node_id msg_type collection_id"),
    _Row("milvus_proxy_tt_lag_ms", "node_id channel_name"),
    _Row(
        "milvus_datacoord_segment_num",
        "segment_state segment_level@2.4.0 segment_is_sorted@2.5.0 segment_storage_version@2.6.9",
    ),
    _Row("milvus_datacoord_l0_delete_entries_num@2.4.12", "db_name collection_id"),
    _Row("milvus_datacoord_index_task_count@-2.5.6", "collection_id index_task_status"),
    _Row("milvus_datacoord_task_count@2.5.6", "task_type task_state"),
    _Row("milvus_rootcoord_collection_num"),
    _Row("milvus_rootcoord_partition_num"),
    _Row("milvus_rootcoord_entity_num@2.3.13", "db_name@2.6.1 collection_name status"),
    _Row("milvus_rootcoord_indexed_entity_num@2.3.13", "db_name@2.6.1 collection_name index_name is_vector_index"),
    _Row("milvus_build_info@2.3.8", "version built git_commit"),
    _Row("milvus_num_node", "node_id role_name"),
)
