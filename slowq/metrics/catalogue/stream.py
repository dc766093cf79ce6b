"""The stream of writes, and what else Milvus depends on."""

from __future__ import annotations

from slowq.metrics.catalogue.quantity import COLLECTION, NODE, Quantity, counter, gauge, latency, ms, plain

STREAM: tuple[Quantity, ...] = (
    counter(
        "deletes_consumed",
        "rows that were deleted, or replaced by an upsert, as the data nodes take them in",
        "rows",
        plain("milvus_datanode_msg_rows_count", msg_type="delete"),
    ),
    gauge(
        "consume_lag",
        "how far query nodes are behind the stream of writes",
        "s",
        ms("milvus_querynode_consume_tt_lag_ms"),
        parts={**COLLECTION, **NODE},
        across="max",
    ),
    gauge(
        "dispatcher_lag",
        "how far the dispatcher of a query node is behind the stream",
        "s",
        ms("milvus_querynode_msg_dispatcher_tt_lag_ms", (2, 3, 0)),
        across="max",
    ),
    gauge(
        "produce_lag",
        "how far the time tick is behind the clock where it is sent",
        "s",
        ms("milvus_rootcoord_produce_tt_lag_ms"),
        ms("milvus_rootcoord_time_tick_delay"),
        across="max",
    ),
    gauge(
        "proxy_lag",
        "how far the time tick is behind the clock at the proxies, which send it up to 2.5",
        "s",
        ms("milvus_proxy_tt_lag_ms"),
        across="max",
    ),
    gauge(
        "denied",
        "whether Milvus denies requests: its memory quota is exhausted, or the time tick lags too far",
        "",
        plain("milvus_rootcoord_quota_states", (2, 2, 3), quota_states=("MemoryQuotaExhausted", "TimeTickLongDelay")),
        parts={"kind": ("quota_states",)},
        across="max",
    ),
    latency(
        "stream",
        "one request to the message queue",
        ms("milvus_msgstream_request_latency", (2, 2, 3)),
        parts={"kind": ("message_op_type",)},
    ),
    latency(
        "wal",
        "appending one message to the WAL",
        plain("milvus_wal_append_message_duration_seconds", (2, 6, 0)),
        parts={"node": ("pod", "instance")},
    ),
    latency(
        "meta", "one request to etcd", ms("milvus_meta_request_latency", (2, 2, 3)), parts={"kind": ("meta_op_type",)}
    ),
    latency(
        "storage",
        "one request to object storage",
        ms("milvus_storage_request_latency", (2, 2, 3)),
        ms("internal_storage_request_latency"),
        parts={"kind": ("persistent_data_op_type",)},
    ),
    gauge(
        "storage_queue",
        "reads of object storage that wait for a thread",
        "",
        plain("internal_storage_pool_queue_depth", (2, 6, 16)),
        parts={"node": ("pod", "instance")},
    ),
)
