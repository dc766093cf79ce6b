"""On the query node: the phases of a search."""

from __future__ import annotations

from slowq.metrics.catalogue.quantity import NODE, Quantity, counter, gauge, latency, ms, plain

_OUTPUT = ("get_vector_latency", "retrieve_get_target_entry_latency", "search_get_target_entry_latency")

SEARCH: tuple[Quantity, ...] = (
    latency(
        "leader",
        "a search on the delegator of a shard",
        ms("milvus_querynode_sq_req_latency", query_type="search", scope="OnLeader"),
    ),
    latency(
        "worker",
        "a search on a query node that holds segments",
        ms("milvus_querynode_sq_req_latency", query_type="search", scope="FromLeader"),
    ),
    latency(
        "wait_tsafe",
        "the wait until tSafe reaches the guarantee timestamp",
        ms("milvus_querynode_sq_wait_tsafe_latency", (2, 3, 0), query_type="search"),
    ),
    latency(
        "queue",
        "the wait in the query node's read queue",
        ms("milvus_querynode_sq_queue_latency", query_type="search"),
    ),
    latency(
        "segment",
        "a search of one segment",
        ms("milvus_querynode_sq_segment_latency", query_type="search"),
        parts={"state": ("segment_state",), **NODE},
    ),
    latency(
        "core", "a search of one segment within segcore", ms("milvus_querynode_sq_core_latency", query_type="search")
    ),
    latency(
        "scalar",
        "the filter on one segment",
        ms("internal_core_search_latency", (2, 4, 7), type="scalar_latency"),
        parts={"node": ("pod", "instance")},
    ),
    latency(
        "vector",
        "the vector search of one segment",
        ms("internal_core_search_latency", (2, 4, 7), type="vector_latency"),
        parts={"node": ("pod", "instance")},
    ),
    latency(
        "grouping",
        "grouping the results of one segment",
        ms("internal_core_search_latency", (2, 5, 0), type="groupby_latency"),
        parts={"node": ("pod", "instance")},
    ),
    latency(
        "index_search",
        "Knowhere's search of an index",
        ms("search_latency", (2, 4, 0), module="knowhere"),
        ms("knowhere_search_latency", (2, 3, 0), (2, 4, 0)),
    ),
    latency(
        "index_range_search",
        "Knowhere's range search of an index",
        ms("range_search_latency", (2, 4, 0), module="knowhere"),
        ms("knowhere_range_search_latency", (2, 3, 0), (2, 4, 0)),
    ),
    latency(
        "json_filter",
        "the filter on JSON, without an index or from its statistics",
        ms("internal_json_filter_latency", (2, 6, 13)),
        parts={"kind": ("type",)},
    ),
    latency(
        "output",
        "fetching output fields from a segment",
        ms("internal_core_search_latency", (2, 4, 23), type=_OUTPUT),
        parts={"kind": ("type",)},
    ),
    Quantity(
        "filter_passes",
        "the share of rows that pass the filter",
        "share",
        "histogram",
        (plain("internal_core_search_latency", (2, 5, 11), (2, 6, 11), type="expr_filter_ratio"),),
    ),
    latency(
        "reduce_segments",
        "putting the segments' results together",
        ms("milvus_querynode_sq_reduce_latency", (2, 3, 0), query_type="search", reduce_level="segments"),
        ms("milvus_querynode_sq_reduce_latency", None, (2, 3, 0), query_type="search"),
    ),
    latency(
        "reduce_shards",
        "putting the query nodes' results together",
        ms("milvus_querynode_sq_reduce_latency", (2, 3, 0), query_type="search", reduce_level="shards"),
    ),
    Quantity("nq", "the query vectors of a search", "", "histogram", (plain("milvus_querynode_search_nq"),), NODE),
    Quantity("top_k", "the top-k of a search", "", "histogram", (plain("milvus_querynode_search_topk"),), NODE),
    Quantity(
        "group_nq",
        "the query vectors of a merged search",
        "",
        "histogram",
        (plain("milvus_querynode_search_group_nq"),),
        NODE,
    ),
    Quantity(
        "group_size",
        "how many searches were merged into one",
        "",
        "histogram",
        (plain("milvus_querynode_search_group_size"),),
        NODE,
    ),
    gauge("queued", "searches that wait in the read queue", "", plain("milvus_querynode_read_task_ready_len")),
    gauge("running", "searches that run", "", plain("milvus_querynode_read_task_concurrency")),
    counter(
        "expired",
        "reads that left the read queue because their time was up",
        "",
        plain("milvus_querynode_read_task_queue_duration_count", (2, 6, 18), outcome="expired"),
    ),
    latency(
        "thread_wait",
        "the wait of a call of segcore for a thread, of loads and reads alike",
        plain("internal_cgo_queue_duration_seconds", (2, 5, 7)),
        plain("milvus_cgo_cgo_queue_duration_seconds", (2, 4, 7)),
    ),
)
