"""What of a known slowdown of Milvus can be seen in an incident, by its kind in `slowq.regressions`.

Each kind in SEEN has evidence of its own: what logs, metrics or the context file show where the slowdown is met, and hardly
without it. Those in UNSEEN leave no such trace, so that they are only cited after an upgrade that brought them. The kinds
that are in neither hold improvements alone, which accuse no version. Numbers that other rules have too are theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from slowq.facts import Case
from slowq.regressions import Kind
from slowq.symptoms import cluster, course, requests
from slowq.symptoms.symptom import Symptom, both

__all__ = ["SEEN", "UNSEEN", "Symptom", "of"]


def of(case: Case) -> dict[Kind, Symptom]:
    """Every kind of known slowdown that the case shows the symptom of."""
    found = {kind: look(case) for kind, look in SEEN.items()}
    return {kind: symptom for kind, symptom in found.items() if symptom is not None}


SEEN: Mapping[Kind, Callable[[Case], Symptom | None]] = {
    "balance": cluster.balance,
    "clock": course.clock,
    "cold_start": course.cold_start,
    "collections": cluster.collections,
    "cpu": course.cpu,
    "delegator": course.delegator,
    "delete": cluster.delete,
    "disk": cluster.disk,
    "disk_load": course.disk_load,
    "growing": cluster.growing,
    "growing_mmap": cluster.growing_mmap,
    "half_precision": requests.half_precision,
    "hybrid": cluster.hybrid,
    "index_build": course.index_build,
    "iterator": requests.iterator,
    "json_contains": requests.json_contains,
    "load": course.load,
    "memory": course.memory,
    "partition_output": requests.partition_output,
    "prefix_like": requests.prefix_like,
    "proxy_cpu": course.proxy_cpu,
    "queue": course.queue,
    "reduce": course.reduce,
    "replica": cluster.replica,
    "replica_output": cluster.replica_output,
    "segments": cluster.segments,
    "sparse": requests.sparse,
    "text_index": requests.text_index,
    "tiered_output": requests.tiered_output,
    "topk": requests.topk,
    "trie_range": requests.trie_range,
    "tsafe_compaction": lambda case: both(course.tsafe(case), course.compacts(case)),
    "tsafe_restart": lambda case: both(course.tsafe(case), course.restarts(case)),
    "tsafe_writes": lambda case: both(course.tsafe(case), cluster.written(case)),
}

# A lock within segcore and a pool of its storage: neither log nor metric names them.
UNSEEN: frozenset[Kind] = frozenset(("lock", "storage"))
