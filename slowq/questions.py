"""The next best question: which one piece of evidence would tell the leading causes apart, and how to get it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slowq import signals
from slowq.facts import Case
from slowq.findings import Finding, Question


@dataclass(frozen=True, slots=True)
class _Decides:
    """What decides a sub-cause: `track` is the quantity of the metrics that says it, `observed` the key of the context's
    observations; without both, its collections say it."""

    asks: str
    how: str
    track: str | None = None
    observed: str | None = None


_CONTEXT = "slowq context --uri http://milvus:19530 > context.yaml, then --context context.yaml"
_INDEXES = _Decides("which indexes the collections have, on how many rows", _CONTEXT)
_FILTER = _Decides(
    "how much of a search its filter takes",
    'PromQL: sum(rate(internal_core_search_latency_sum{type="scalar_latency"}[2m])) / '
    'sum(rate(internal_core_search_latency_sum{type=~"scalar_latency|vector_latency"}[2m]))',
    "core",
    "scalar_filter_s",
)
_TSAFE = _Decides(
    "how long searches wait for tSafe",
    "PromQL: sum(rate(milvus_querynode_sq_wait_tsafe_latency_sum[2m])) / "
    "sum(rate(milvus_querynode_sq_wait_tsafe_latency_count[2m]))",
    "wait_tsafe",
    "wait_tsafe_s",
)
_CPU = _Decides(
    "how full the CPU of the nodes is", "kubectl top pods -l app.kubernetes.io/name=milvus", "cpu", "cpu_share"
)

DECIDES: dict[str, _Decides] = {
    "large_nq": _Decides(
        "how many query vectors searches carry",
        "PromQL: sum(rate(milvus_querynode_search_nq_sum[2m])) / sum(rate(milvus_querynode_search_nq_count[2m]))",
        "nq",
    ),
    "high_concurrency": _Decides(
        "how long searches wait in the queue, and how much work each of them is",
        "PromQL: sum(rate(milvus_querynode_sq_queue_latency_sum[2m])) / "
        "sum(rate(milvus_querynode_sq_queue_latency_count[2m]))",
        "queue",
        "queue_s",
    ),
    "large_result": _Decides(
        "the limit and the output fields of the slow requests",
        "proxy.accessLog.enable: true in milvus.yaml, then slowq analyze on the access log",
    ),
    "search_fanout": _Decides(
        "how many sub-searches a request makes",
        "proxy.accessLog.enable: true in milvus.yaml, then slowq analyze on the access log",
    ),
    "complex_expression": _FILTER,
    "unindexed_scalar_filter": _FILTER,
    "json_filter": _FILTER,
    "pattern_filter": _FILTER,
    "consistency_wait": _TSAFE,
    "timetick_stall": _Decides(
        "how far the query nodes are behind the stream",
        "PromQL: max(milvus_querynode_consume_tt_lag_ms)",
        "consume_lag",
    ),
    "clock_skew": _Decides(
        "how far the clocks of clients and nodes differ", "chronyc tracking, or date +%s.%N, on each of them"
    ),
    "brute_force": _INDEXES,
    "search_params": _INDEXES,
    "disk_bound_index": _INDEXES,
    "binary_vector_index": _INDEXES,
    "cold_cache": _Decides("when the query nodes were started", "kubectl get pods -o wide", "started"),
    "growing_segments": _Decides(
        "how much of the work is on growing segments",
        'PromQL: sum(rate(milvus_querynode_sq_segment_latency_sum{segment_state="Growing"}[2m])) / '
        "sum(rate(milvus_querynode_sq_segment_latency_sum[2m]))",
        "segment",
    ),
    "heavy_delete": _Decides(
        "how many rows are deleted and upserted each second",
        "PromQL: sum(rate(milvus_proxy_delete_vectors_count[2m])) + sum(rate(milvus_proxy_upsert_vectors_count[2m]))",
        "upserted",
    ),
    "compaction": _Decides(
        "when compactions ran", "PromQL: sum(rate(milvus_datanode_compaction_latency_sum[2m]))", "compaction"
    ),
    "index_build": _Decides(
        "when indexes were built",
        'PromQL: sum(milvus_datacoord_index_task_count{index_task_status="in-progress"})',
        "builds_running",
    ),
    "segment_load": _Decides(
        "when segments were loaded or moved",
        "PromQL: sum(rate(milvus_querynode_load_segment_latency_count[2m]))",
        "load_segment",
    ),
    "cpu_saturation": _CPU,
    "disk_saturation": _Decides("how busy the disks are", "iostat -x 5 on the hosts", "disk_busy", "disk_util_share"),
    "memory_pressure": _Decides(
        "how full the memory of the nodes is",
        "kubectl top pods -l app.kubernetes.io/name=milvus",
        "working_set",
        "memory_share",
    ),
    "too_many_collections": _Decides("how many collections and partitions there are", _CONTEXT, "all_collections"),
    "version_regression": _Decides(
        "the same load on another version", "a test cluster with the version before or after"
    ),
    "storage_stall": _Decides(
        "how long etcd and object storage take",
        "PromQL: sum(rate(milvus_meta_request_latency_sum[2m])) / sum(rate(milvus_meta_request_latency_count[2m]))",
        "meta",
    ),
    "client_or_network": _Decides(
        "what the client itself measures", "--context with client: {p50_s: …, p99_s: …} as the client measures them"
    ),
}


def next_question(case: Case, findings: Sequence[Finding]) -> Question:
    """What to ask next: of the two leading causes the first piece of evidence that is not at hand."""
    leading = [findings[0].sub_cause] if findings else []
    leading += [one.sub_cause for one in findings[1:] if one.sub_cause not in leading][:1]
    for name in leading:
        decides = DECIDES.get(name)
        if decides is not None and not _at_hand(case, decides):
            return Question(decides.asks, tuple(leading), decides.how)
    if not signals.of(case):
        how = "slowq analyze … --prometheus http://prometheus:9090"
        return Question("where a search spends its time", tuple(leading), how)
    return Question("which indexes, rows and segments the collections have", tuple(leading), _CONTEXT)


def _at_hand(case: Case, decides: _Decides) -> bool:
    if case.context.observations.get(decides.observed or "") is not None:
        return True
    if decides.track is None:
        return decides.how == _CONTEXT and bool(case.context.collections)
    return signals.of(case).track(decides.track) is not None
