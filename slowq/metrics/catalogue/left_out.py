"""The metrics of Milvus that are deliberately not asked for, and why; a name that ends in `*` stands for all that begin so.

Who misses one finds here what tells the same, or why it tells nothing.
"""

from __future__ import annotations

LEFT_OUT: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("milvus_querynode_read_evicted_count", "milvus_querynode_estimate_cpu_usage"),
        "They are registered, and never written since 2.3.0.",
    ),
    (
        (
            "milvus_proxy_retry_search_cnt",
            "milvus_proxy_retry_search_result_insufficient_cnt",
            "milvus_proxy_recall_search_cnt",
            "milvus_querynode_search_hit_segment_num",
        ),
        "Milvus writes them only with the closed query hook of Zilliz, and the last one is an estimate.",
    ),
    (
        (
            "milvus_querynode_segment_filter_*",
            "milvus_querynode_segment_prune_*",
            "milvus_querynode_segment_latency_per_vector",
        ),
        (
            "How many segments a search visits, and what a vector costs, is told by milvus_querynode_sq_core_latency over "
            "milvus_querynode_search_group_size and milvus_querynode_search_nq in every version; segment_filter counts filters "
            "on the primary key alone."
        ),
    ),
    (
        (
            "milvus_datacoord_channel_checkpoint_unix_seconds",
            "milvus_querycoord_current_target_checkpoint_unix_seconds",
        ),
        "A channel to which nothing is written keeps an old checkpoint, so that its age does not tell a flush that is stuck.",
    ),
    (
        (
            "milvus_wal_last_*",
            "milvus_wal_flusher_time_tick",
            "milvus_wal_scanner_*",
            "milvus_wal_growing_segment_*",
            "milvus_wal_impls_append_message_duration_seconds",
            "milvus_streaming_*",
            "milvus_streamingnode_*",
            "milvus_rootcoord_sync_timetick_latency",
        ),
        (
            "How far the stream lags is told by milvus_querynode_consume_tt_lag_ms, and how slow it is to write by "
            "milvus_wal_append_message_duration_seconds, which holds the append to the queue below it."
        ),
    ),
    (
        (
            "milvus_proxy_received_nq",
            "milvus_proxy_search_vectors_count",
            "milvus_proxy_executing_total_nq",
            "milvus_querynode_search_group_topk",
            "milvus_querynode_read_task_ready_nq",
            "milvus_querynode_read_task_unsolved_len",
            "milvus_querynode_read_task_execute_duration",
            "milvus_proxy_queue_task_num",
            "milvus_querynode_sq_queue_user_latency",
        ),
        "The same traffic, counted at another place: milvus_querynode_search_nq, the read queue and its latency tell it.",
    ),
    (
        (
            "milvus_proxy_req_latency",
            "milvus_proxy_grpc_latency",
            "milvus_proxy_restful_api_req_latency",
            "milvus_querynode_sq_req_count",
        ),
        "Whole requests are told by milvus_proxy_sq_latency, and how many fail by milvus_proxy_req_count.",
    ),
    (
        (
            "milvus_cgo_cgo_duration_seconds",
            "milvus_cgocall_*",
            "milvus_querynode_cgo_latency",
            "internal_cgo_execute_*",
        ),
        "They mix searches with all else that is called; milvus_querynode_sq_core_latency is a search alone.",
    ),
    (
        ("internal_cgo_pool_size", "internal_cgo_*_task_total", "milvus_cgo_running_cgo_call_total"),
        "How long a call waits for a thread says more than how many there are.",
    ),
    (
        (
            "milvus_querynode_load_index_latency",
            "milvus_querycoord_load_latency",
            "internal_storage_load_duration",
            "internal_storage_op_count",
        ),
        "Loading an index is a part of loading its segment, and a load of a collection is many of these.",
    ),
    (
        (
            "internal_cache_access_event_total",
            "internal_cache_eviction_event_total",
            "internal_cache_cell_access_hit_bytes_total",
            "internal_cache_cell_lifetime_seconds",
            "internal_mmap_*",
            "milvus_proxy_scanned_total_mb",
            "milvus_querynode_disk_cache_load_duration",
            "milvus_querynode_disk_cache_load_global_duration",
            "milvus_querynode_segment_access_*global_duration",
            "milvus_querynode_segment_access_wait_cache_total",
        ),
        "What a cache fetches and drops, in bytes, and how long searches wait for it, says more than how often it is asked.",
    ),
    (
        (
            "milvus_querynode_apply_bf_latency",
            "milvus_querynode_forward_delete_latency",
            "milvus_querynode_delete_buffer_size",
            "milvus_datacoord_store_level0_segment_size",
        ),
        "Parts of applying deletes (milvus_querynode_process_insert_or_delete_latency), or the backlog in another unit.",
    ),
    (
        (
            "milvus_datacoord_compaction_latency",
            "milvus_datanode_compaction_latency_in_queue",
            "milvus_datanode_compaction_stage_latency",
            "milvus_indexnode_index_task_latency_in_queue",
            "milvus_datacoord_task_execute_max_latency",
            "milvus_datacoord_task_num_in_scheduler",
            "milvus_datanode_slot",
            "milvus_datanode_flush_buffer_op_count",
        ),
        "Work that waits takes nothing from searches, what runs is told by fewer names, and a flush of a buffer is no segment.",
    ),
    (
        (
            "milvus_datacoord_segment_num",
            "milvus_datacoord_stored_rows_num",
            "milvus_datacoord_segment_size_ratio",
            "milvus_querynode_entity_size",
            "milvus_querynode_disk_used_size",
            "milvus_rootcoord_dml_channel_num",
        ),
        (
            "What lies in storage is not what is searched: the query nodes count what they have loaded. How many channels there "
            "are is a setting."
        ),
    ),
    (
        ("milvus_proxy_cache_*", "milvus_proxy_workload_score", "milvus_proxy_shard_leader_preferred_node_count"),
        "They belong to how the proxy chooses nodes; what a bad choice costs shows in the phases.",
    ),
    (
        (
            "milvus_querynode_search_fts_num_tokens",
            "milvus_proxy_search_sparse_num_non_zeros",
            "milvus_querynode_two_stage_search_*",
            "milvus_querynode_function_chain_latency",
            "milvus_proxy_function_udf_call_latency",
            "milvus_querynode_partial_result_count",
            "internal_json_stats_latency",
        ),
        "No rule asks for them yet.",
    ),
)
