"""At the proxy: a request from end to end, what is asked, written and refused."""

from __future__ import annotations

from slowq.metrics.catalogue.quantity import COLLECTION, NODE, Quantity, counter, latency, ms, plain

_SEARCHES = ("search", "hybrid_search")
_REQUESTS = ("Search", "HybridSearch", "Query")

PROXY: tuple[Quantity, ...] = (
    latency(
        "search_latency", "a search at the proxy, from end to end", ms("milvus_proxy_sq_latency", query_type=_SEARCHES)
    ),
    latency(
        "collection_latency",
        "a search at the proxy, by collection",
        ms("milvus_proxy_collection_sq_latency", query_type=_SEARCHES),
        parts=COLLECTION,
    ),
    latency("query_latency", "a query at the proxy", ms("milvus_proxy_sq_latency", query_type="query")),
    latency(
        "proxy_queue",
        "the wait in the proxy's own queue",
        ms("milvus_proxy_req_in_queue_latency", (2, 3, 20), function_name=("Search", "HybridSearch")),
    ),
    latency("timestamp", "the wait for a timestamp", ms("milvus_proxy_apply_timestamp_latency")),
    latency("parse_filter", "parsing the filter", ms("milvus_proxy_parse_expr_latency", (2, 5, 5))),
    latency(
        "wait_result", "the wait for the query nodes", ms("milvus_proxy_sq_wait_result_latency", query_type=_SEARCHES)
    ),
    latency(
        "proxy_reduce",
        "putting the shards' results together at the proxy",
        ms("milvus_proxy_sq_reduce_result_latency", query_type=_SEARCHES),
    ),
    latency(
        "decode", "decoding results at the proxy", ms("milvus_proxy_sq_decode_result_latency", query_type=_SEARCHES)
    ),
    latency(
        "requery",
        "the second query that fetches output fields",
        ms("milvus_proxy_sq_latency", (2, 6, 15), query_type="requery"),
        parts={**COLLECTION, **NODE},
    ),
    counter("slow_queries", "requests over the slow threshold", "", plain("milvus_proxy_slow_query_count", (2, 3, 13))),
    counter(
        "failed",
        "searches and queries that failed",
        "",
        plain("milvus_proxy_req_count", function_name=_REQUESTS, status=("fail", "fail_input", "fail_system")),
    ),
    counter(
        "rejected",
        "searches and queries that were rejected or given up",
        "",
        plain("milvus_proxy_req_count", function_name=_REQUESTS, status=("rejected", "abandon", "cancel")),
    ),
    counter(
        "refused",
        "searches and queries that a quota or a rate limit refused",
        "",
        plain("milvus_proxy_rate_limit_req_count", (2, 3, 6), msg_type=("DQLSearch", "DQLQuery"), status="fail"),
    ),
    counter(
        "flushes",
        "flushes that clients ask for, each of which seals the segments that are growing",
        "",
        plain("milvus_proxy_req_count", function_name="Flush", status="total"),
    ),
    counter(
        "inserted", "rows inserted", "rows", plain("milvus_proxy_insert_vectors_count"), parts={**COLLECTION, **NODE}
    ),
    counter(
        "upserted", "rows upserted", "rows", plain("milvus_proxy_upsert_vectors_count"), parts={**COLLECTION, **NODE}
    ),
    counter(
        "deleted", "rows deleted", "rows", plain("milvus_proxy_delete_vectors_count"), parts={**COLLECTION, **NODE}
    ),
    counter("sent_bytes", "bytes of results sent to clients", "bytes", plain("milvus_proxy_send_bytes_count")),
)
