"""What lies in the query nodes, and what their caches fetch."""

from __future__ import annotations

from slowq.metrics.catalogue.quantity import COLLECTION, NODE, Quantity, Source, counter, gauge, latency, ms, plain

SEGMENTS: tuple[Quantity, ...] = (
    gauge(
        "segments",
        "segments that are loaded",
        "",
        plain("milvus_querynode_segment_num", (2, 2, 1)),
        parts={"state": ("segment_state",), "level": ("segment_level",), **COLLECTION, **NODE},
    ),
    gauge(
        "rows",
        "rows that are loaded",
        "rows",
        plain("milvus_querynode_entity_num", (2, 2, 1)),
        parts={"state": ("segment_state",), **COLLECTION, **NODE},
    ),
    gauge(
        "rows_without_index",
        "sealed rows that are loaded without any index",
        "rows",
        plain("milvus_querynode_entity_num", (2, 2, 1), (2, 4, 5), segment_state="Sealed", indexed_field_count="0"),
        parts=COLLECTION,
    ),
    gauge(
        "rows_stored",
        "rows of the collections, loaded or not",
        "rows",
        plain("milvus_rootcoord_entity_num", (2, 3, 13), status="all"),
        parts={"collection": ("db_name/collection_name", "collection_name")},
    ),
    gauge(
        "rows_indexed",
        "rows that a vector index covers, of several indexes the one that covers most",
        "rows",
        plain("milvus_rootcoord_indexed_entity_num", (2, 3, 13), is_vector_index="true"),
        parts={"collection": ("db_name/collection_name", "collection_name")},
        across="max",
    ),
    gauge("collections", "collections that are loaded", "", plain("milvus_querynode_collection_num"), across="max"),
    gauge("all_collections", "collections of the cluster", "", plain("milvus_rootcoord_collection_num"), across="max"),
    gauge("all_partitions", "partitions of the cluster", "", plain("milvus_rootcoord_partition_num"), across="max"),
    gauge(
        "delete_backlog",
        "deleted rows that wait to be applied",
        "rows",
        plain("milvus_querynode_delete_buffer_row_num", (2, 4, 14)),
        plain("milvus_datacoord_l0_delete_entries_num", (2, 4, 12)),
    ),
    gauge(
        "level_zero",
        "deletes in L0 segments, which are applied to every segment that may hold them",
        "bytes",
        plain("milvus_querynode_level_zero_size", (2, 4, 0)),
        parts={"channel": ("channel_name",)},
        across="max",
    ),
    gauge(
        "pending_messages",
        "messages of writes that wait to be processed",
        "",
        plain("milvus_querynode_wait_processing_msg_count", (2, 3, 0)),
        parts={"kind": ("msg_type",), **NODE},
    ),
    latency(
        "apply_writes",
        "processing a message of writes",
        ms("milvus_querynode_process_insert_or_delete_latency", (2, 3, 0)),
        parts={"kind": ("msg_type",), **NODE},
    ),
    counter(
        "cache_loads",
        "segments that were loaded when a search asked for them",
        "",
        plain("milvus_querynode_disk_cache_load_total", (2, 4, 1)),
    ),
    counter(
        "cache_misses",
        "bytes that a search had to fetch into the cache",
        "bytes",
        plain("internal_cache_cell_access_miss_bytes_total", (2, 6, 0)),
        # Only with queryNode.storageUsageTrackingEnabled.
        Source(
            "milvus_proxy_scanned_remote_mb", {"msg_type": ("search", "hybrid_search", "query")}, 2.0**20, (2, 6, 3)
        ),
    ),
    counter(
        "cache_wait",
        "time in which searches waited for a segment to be loaded into the cache",
        "s",
        ms("milvus_querynode_segment_access_wait_cache_duration", (2, 4, 1), query_type="search"),
    ),
    latency(
        "cache_load",
        "fetching into the cache, once",
        Source("internal_cache_load_latency_microseconds", {}, 1e-6, (2, 6, 0)),
        parts={"node": ("pod", "instance")},
    ),
    counter(
        "cache_evictions",
        "segments that were dropped from the cache for others",
        "",
        plain("milvus_querynode_disk_cache_evict_total", (2, 4, 1)),
    ),
    counter(
        "cache_evicted",
        "bytes that were dropped from the cache for others",
        "bytes",
        plain("internal_cache_evicted_bytes_total", (2, 6, 0)),
    ),
)
