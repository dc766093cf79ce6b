"""What of a known slowdown of Milvus can be seen in an incident, by its kind in `slowq.regressions`.

Each kind in SEEN has evidence of its own: what logs, metrics or the context file show where the slowdown is met, and hardly
without it. Those in UNSEEN leave no such trace, so that they are only cited after an upgrade that brought them. The kinds
that are in neither hold improvements alone, which accuse no version. Numbers that other rules have too are theirs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from slowq import signals, workload
from slowq.contention import beside, explained
from slowq.facts import WORTH_A_LOOK_S, Case
from slowq.filter_blame import Indexes
from slowq.filters import Features
from slowq.findings import Evidence
from slowq.heavy import LARGE_NQ, large_answers, large_batches
from slowq.measures import ratio
from slowq.regressions import Kind
from slowq.wording import count, do, duration, percent
from slowq.workload import Mask, logged, seen, stated, vector_fields

_MANY_COLLECTIONS = 4_000  # "more than 4000" in issue #41286
_HUNDREDS = 100  # a top-k of 500 took five times as long in issue #22570
_MERGED_NQ = 16  # the merge limit of 2.6.18 and 2.6.19 (PR #50859)
# What takes this share of the time, or of the work, is what is slow.
_MOST = 0.5
_FULL = 0.9  # as in cpu_saturation and memory_pressure
_THROTTLED = 0.25  # as in cpu_saturation
_FUTURE_S = 0.5  # as in clock_skew
_CHANGES_PER_S = 1_000.0  # as in heavy_delete
_MANY_GROWING = 8  # as in growing_segments
_MANY_SEGMENTS, _MANY_PARTITIONS = 64, 64  # as in too_many_collections
_LOADS_PER_S = 0.1  # as in contention
_UNEVEN = 2.0  # segments of the fullest node over those of the middle one: balancing evens out far less
_GROWING_MMAP = "queryNode.mmap.growingMmapEnabled"
_EVICTION = "queryNode.segcore.tieredStorage.evictionEnabled"
_INDEX_EVENTS, _LOAD_EVENTS = ("index_build",), ("load", "segment_load")


@dataclass(frozen=True, slots=True)
class Symptom:
    """`affected` are the slow requests that show it, None if it is all of them. Nothing but the known slowdown looks like
    what `is_unique`."""

    evidence: tuple[Evidence, ...]
    affected: Mask | None = None
    is_unique: bool = False


def of(case: Case) -> dict[Kind, Symptom]:
    """Every kind of known slowdown that the case shows the symptom of."""
    found = {kind: look(case) for kind, look in SEEN.items()}
    return {kind: symptom for kind, symptom in found.items() if symptom is not None}


# --------------------------------------------------------------------------------------------------------------------
# What the slow requests ask for.


def _hybrid(case: Case) -> Symptom | None:
    """Hybrid searches while there are growing segments for them to search."""
    hybrid, growing = workload.of(case).is_any("kind", ["hybrid_search"]), _growing(case) or _written(case)
    asked = _asked(case, hybrid, "hybrid searches")
    return Symptom((*asked.evidence, *growing.evidence), hybrid) if asked and growing else None


def _iterator(case: Case) -> Symptom | None:
    return _asked(case, workload.of(case).has_param("iterator"), "iterators")


def _json_contains(case: Case) -> Symptom | None:
    def contains(features: Features) -> bool:
        return any(name.startswith("json_contains") for name in features.json_functions)

    return _asked(case, workload.of(case).of_filter(contains), "filters with json_contains")


def _prefix_like(case: Case) -> Symptom | None:
    """Prefix patterns on a field that has a Trie, or of which no index is known."""
    return _of_predicates(case, "like_prefix", "prefix patterns", or_unknown=True)


def _trie_range(case: Case) -> Symptom | None:
    return _of_predicates(case, "range", "ranges", or_unknown=False)


def _of_predicates(case: Case, kind: str, what: str, *, or_unknown: bool) -> Symptom | None:
    indexes, work = Indexes.of(case), workload.of(case)

    def may_be_a_trie(subject: str, collection: str | None) -> bool:
        field = indexes.field(collection, subject)
        if field is None or field.index is None or field.index.type is None:
            return or_unknown
        return field.index.type.upper() == "TRIE"

    mask = work.of_filter_on(
        lambda features, collection: any(
            one.kind == kind and may_be_a_trie(one.subject, collection) for one in features.predicates
        )
    )
    return _asked(case, mask, f"filters with {what}{'' if or_unknown else ' on a Trie index'}")


def _sparse(case: Case) -> Symptom | None:
    """Searches of a sparse field: by its type, by the metric BM25, or by a parameter that only sparse indexes have."""
    work = workload.of(case)
    names = [
        one.name for _, _, one in vector_fields(case) if (one.type or "").upper() == "SPARSE_FLOAT_VECTOR" and one.name
    ]
    by_param = work.has_param("drop_ratio_search") | work.is_any("metric_type", ["BM25"])
    return _asked(case, work.is_any("anns_field", names) | by_param, "searches of sparse vectors")


def _text_index(case: Case) -> Symptom | None:
    mask = workload.of(case).of_filter(lambda features: bool(features.text_functions))
    return _asked(case, mask, "filters with text functions")


def _topk(case: Case) -> Symptom | None:
    mask = workload.of(case).number("top_k") >= _HUNDREDS
    return _asked(case, mask, f"searches with a top-k of {_HUNDREDS} or more")


def _partition_output(case: Case) -> Symptom | None:
    """The same where there are partitions whose names are to be converted."""
    many = [one for one in case.context.collections if (one.partitions or 0) >= _MANY_PARTITIONS]
    says = "The collection has {:,} partitions."
    told = [stated(case, f"{one.key}.partitions", says.format(one.partitions), one.partitions) for one in many]
    named = workload.of(case).slow["partitions"]
    lists = np.array([bool(json.loads(text)) for text in named.cat.categories] + [False], dtype=bool)
    asked = _asked(case, lists[named.cat.codes.to_numpy()], "requests for partitions by name")
    return _both(_output(case), Symptom(tuple(told)) if told else asked)


def _output(case: Case) -> Symptom | None:
    """Requests of which fetching the output takes most of the time."""
    work, measured = workload.of(case), signals.of(case)
    shares = work.number("requery_s") / work.weight_s
    if (asked := _asked(case, shares >= _MOST, "requests that fetch output for most of their time")) is not None:
        return asked
    share = measured.phase("requery")
    if not share >= _MOST:
        return None
    track = "requery" if measured.track("requery") else "output"
    return Symptom((measured.says(track, f"Fetching output takes {percent(share)} of the time.", share, _MOST),))


def _replica_output(case: Case) -> Symptom | None:
    return _both(_output(case), _replicas(case))


def _vector_output(case: Case) -> Symptom | None:
    """Requests that ask for the vectors themselves."""
    work = workload.of(case)
    vectors = {one.name for _, _, one in vector_fields(case)} | set(work.values("anns_field"))
    column = work.slow["output_fields"]
    asks = np.array([bool(vectors & set(json.loads(text))) for text in column.cat.categories] + [False], dtype=bool)
    return _asked(case, asks[column.cat.codes.to_numpy()], "requests for vectors in the output")


def _tiered_output(case: Case) -> Symptom | None:
    tiered = stated(case, f"config.{_EVICTION}", "Tiered storage evicts what is loaded.")
    return _both(_vector_output(case), Symptom((tiered,)) if case.context.config.get(_EVICTION) is True else None)


def _asked(case: Case, mask: Mask, what: str) -> Symptom | None:
    work = workload.of(case)
    if not mask.any():
        return None
    number = int(mask.sum())
    says = f"{number:,} of {count(work.count, 'slow request')} {do(number, 'are')} {what}."
    return Symptom((seen(work, says, mask, work.share(mask)),), mask)


def _both(one: Symptom | None, other: Symptom | None) -> Symptom | None:
    """Two signs that say something only together."""
    if one is None or other is None:
        return None
    return Symptom((*one.evidence, *other.evidence), one.affected if other.affected is None else other.affected)


# --------------------------------------------------------------------------------------------------------------------
# What lies in the cluster.


def _collections(case: Case) -> Symptom | None:
    told, measured = case.context.totals.get("collections"), signals.of(case)
    number = float(told) if told is not None else measured.mean("all_collections")
    if not number > _MANY_COLLECTIONS:
        return None
    says = f"There are {number:,.0f} collections."
    if told is not None:
        return Symptom((stated(case, "totals.collections", says, number, _MANY_COLLECTIONS),), is_unique=True)
    return Symptom((measured.says("all_collections", says, number, _MANY_COLLECTIONS),), is_unique=True)


def _segments(case: Case) -> Symptom | None:
    measured = signals.of(case)
    visited = measured.segments_a_search
    if not visited >= _MANY_SEGMENTS:
        return None
    return Symptom((measured.says("core", f"A search visits {visited:,.0f} segments.", visited, _MANY_SEGMENTS),))


def _balance(case: Case) -> Symptom | None:
    """Segments of the query nodes that differ a lot."""
    nodes = {at: one["segments"] for at, one in enumerate(case.context.observations_per_node) if "segments" in one}
    most = max(nodes, key=nodes.__getitem__, default=0)
    if len(nodes) < 2 or nodes[most] < _UNEVEN * max(float(np.median([*nodes.values()])), 1.0):
        return None
    says = (
        f"One query node holds {nodes[most]:,} segments, and the one in the middle {np.median([*nodes.values()]):,.0f}."
    )
    return Symptom((stated(case, f"observations_per_node[{most}].segments", says, nodes[most]),))


def _growing(case: Case) -> Symptom | None:
    measured, evidence = signals.of(case), []
    share = measured.growing_share
    if share >= _MOST:
        says = f"Growing segments take {percent(share)} of the time on segments."
        evidence.append(measured.says("segment", says, share, _MOST))
    for one in case.context.collections:
        growing = one.segments.growing or 0
        if growing >= _MANY_GROWING:
            says = f"{growing:,} segments of {one.name or 'the collection'} are growing."
            evidence.append(stated(case, f"{one.key}.segments", says, growing, _MANY_GROWING))
    return Symptom(tuple(evidence)) if evidence else None


def _growing_mmap(case: Case) -> Symptom | None:
    """The setting is only met with growing segments: that they are searched is what makes it the cause."""
    if case.context.config.get(_GROWING_MMAP) is not True:
        return None
    told = stated(case, f"config.{_GROWING_MMAP}", "Growing segments are memory-mapped.")
    growing = _growing(case)
    return Symptom((told, *(growing.evidence if growing else ())), is_unique=growing is not None)


def _written(case: Case) -> Symptom | None:
    """Rows that are written while it is slow."""
    lines, measured = workload.events_of(case, "insert", "flush", "growing_redundant"), signals.of(case)
    told, evidence = case.context.observations.get("writes_per_s"), []
    if len(lines):
        evidence.append(logged(lines, f"{count(len(lines), 'line')} {do(len(lines), 'tell')} of writing meanwhile."))
    if told:
        evidence.append(stated(case, "observations.writes_per_s", f"{told:,.0f} rows are written each second.", told))
    for name in ("inserted", "upserted"):
        if (rate := measured.rate(name)) > 0:
            evidence.append(measured.says(name, f"{rate:,.0f} rows are {name} each second.", rate))
    return Symptom(tuple(evidence)) if evidence else None


def _delete(case: Case) -> Symptom | None:
    lines, measured = workload.events_of(case, "delete_backlog"), signals.of(case)
    told, evidence = case.context.observations.get("deletes_per_s") or 0.0, []
    if len(lines):
        says = f"{count(len(lines), 'line')} {do(len(lines), 'say')} that a segment has too many deletes."
        evidence.append(logged(lines, says, len(lines)))
    if told >= _CHANGES_PER_S:
        says = f"{told:,.0f} rows are deleted each second."
        evidence.append(stated(case, "observations.deletes_per_s", says, told, _CHANGES_PER_S))
    for name in ("deleted", "upserted"):
        if (rate := measured.rate(name)) >= _CHANGES_PER_S:
            evidence.append(measured.says(name, f"{rate:,.0f} rows are {name} each second.", rate, _CHANGES_PER_S))
    return Symptom(tuple(evidence)) if evidence else None


def _disk(case: Case) -> Symptom | None:
    """A DISKANN index: told, or by the parameter that only it has."""
    told = [
        stated(case, f"{key}.index", f"The index of {one.name or 'the vector field'} is DISKANN.")
        for _, key, one in vector_fields(case)
        if one.index is not None and (one.index.type or "").upper() == "DISKANN"
    ]
    if told:
        return Symptom(tuple(told))
    return _asked(case, workload.of(case).has_param("search_list"), "searches of a DISKANN index")


def _replicas(case: Case) -> Symptom | None:
    evidence = [
        stated(
            case, f"{one.key}.replicas", f"{one.name or 'The collection'} has {one.replicas} replicas.", one.replicas
        )
        for one in case.context.collections
        if (one.replicas or 0) > 1
    ]
    return Symptom(tuple(evidence)) if evidence else None


def _replica(case: Case) -> Symptom | None:
    """Errors of a shard, where there is another replica to be left over."""
    failed = workload.events_of(case, "node_failed")
    says = f"{count(len(failed), 'line')} {do(len(failed), 'tell')} of a shard that failed."
    return _both(Symptom((logged(failed, says, len(failed)),)) if len(failed) else None, _replicas(case))


# --------------------------------------------------------------------------------------------------------------------
# Where the time goes, and what runs beside it.


def _clock(case: Case) -> Symptom | None:
    offset_s, work = case.context.dependencies.get("clock_offset_s"), workload.of(case)
    if offset_s is not None and abs(offset_s) >= _FUTURE_S:
        says = f"The clocks differ by {duration(abs(offset_s))}."
        return Symptom((stated(case, "dependencies.clock_offset_s", says, offset_s, _FUTURE_S),))
    return _asked(case, work.number("guarantee_lag_s") <= -_FUTURE_S, "requests for data of the future")


def _cold_start(case: Case) -> Symptom | None:
    pattern = case.context.pattern
    if pattern.get("only_first_searches"):
        return Symptom((stated(case, "pattern.only_first_searches", "Only the first searches are slow."),))
    if pattern.get("only_after") in ("restart", "load"):
        return Symptom((stated(case, "pattern.only_after", f"It is slow only after a {pattern['only_after']}."),))
    return None


def _cpu(case: Case) -> Symptom | None:
    """A full CPU that nothing else explains."""
    measured, observed = signals.of(case), case.context.observations
    throttled = ratio(measured.rate("throttled"), measured.rate("periods"))
    full = {"observations": observed.get("cpu_share") or 0.0} | {
        f"observations_per_node[{at}]": one.get("cpu_share") or 0.0
        for at, one in enumerate(case.context.observations_per_node)
    }
    fullest = max(full, key=full.__getitem__)
    if not (full[fullest] >= _FULL or throttled >= _THROTTLED) or explained(case) is not None:
        return None
    if full[fullest] >= _FULL:
        says = f"The CPU is at {percent(full[fullest])}, and nothing that is seen explains it."
        return Symptom((stated(case, f"{fullest}.cpu_share", says, full[fullest], _FULL),))
    says = f"The CPU is held back in {percent(throttled)} of its periods, and nothing that is seen explains it."
    return Symptom((measured.says("throttled", says, throttled, _THROTTLED),))


def _delegator(case: Case) -> Symptom | None:
    """Time on the delegator that is no wait for tSafe, no search of a worker and no reduce."""
    measured = signals.of(case)
    inside = np.nansum([measured.mean(name) for name in ("wait_tsafe", "worker", "reduce_shards")])
    share = 1 - ratio(float(inside), measured.mean("leader"))
    if measured.track("worker") is None or not share >= _MOST:
        return None
    return Symptom(
        (measured.says("leader", f"{percent(share)} of a search passes in the delegator itself.", share, _MOST),)
    )


def _proxy_cpu(case: Case) -> Symptom | None:
    """Time at the proxy, though the answers are small."""
    measured = signals.of(case)
    elsewhere = np.nansum([measured.mean("wait_result"), measured.mean("requery")])
    share = 1 - ratio(float(elsewhere), measured.mean("search_latency"))
    if measured.track("wait_result") is None or not share >= _MOST or large_answers(measured):
        return None
    return Symptom((measured.says("wait_result", f"{percent(share)} of a search passes at the proxy.", share, _MOST),))


def _queue(case: Case) -> Symptom | None:
    """A queue of small searches that are hardly merged, though the CPU is not full."""
    measured, work = signals.of(case), workload.of(case)
    share, told = measured.phase("queue"), case.context.observations.get("queue_s") or 0.0
    merged, small = (
        measured.mean("group_nq"),
        not large_batches(measured) and not work.share(work.nq >= LARGE_NQ) >= _MOST,
    )
    if merged > _MERGED_NQ or not small or (case.context.observations.get("cpu_share") or 0.0) >= _FULL:
        return None
    if share >= _MOST:
        return Symptom(
            (measured.says("queue", f"Small searches queue for {percent(share)} of their time.", share, _MOST),)
        )
    if told < WORTH_A_LOOK_S:
        return None
    says = f"Small searches queue for {duration(told)}."
    return Symptom((stated(case, "observations.queue_s", says, told, WORTH_A_LOOK_S),))


def _reduce(case: Case) -> Symptom | None:
    measured = signals.of(case)
    share, told = measured.phase("reduce"), case.context.observations.get("reduce_s") or 0.0
    if share >= _MOST:
        return Symptom(
            (measured.says("reduce_segments", f"The reduce takes {percent(share)} of the time.", share, _MOST),)
        )
    if told < WORTH_A_LOOK_S:
        return None
    says = f"The reduce takes {duration(told)}."
    return Symptom((stated(case, "observations.reduce_s", says, told, WORTH_A_LOOK_S),))


def _memory(case: Case) -> Symptom | None:
    """Vectors in the output, and a node that is short of memory."""
    measured, told = signals.of(case), case.context.observations.get("memory_share") or 0.0
    share, lines = (
        ratio(measured.mean("working_set"), measured.mean("memory_limit")),
        workload.events_of(case, "memory"),
    )
    evidence = []
    if told >= _FULL:
        evidence.append(stated(case, "observations.memory_share", f"Memory is {percent(told)} full.", told, _FULL))
    if share >= _FULL:
        evidence.append(measured.says("working_set", f"Memory is {percent(share)} full.", share, _FULL))
    if len(lines):
        evidence.append(logged(lines, f"{count(len(lines), 'line')} {do(len(lines), 'tell')} of too little memory."))
    return _both(_vector_output(case), Symptom(tuple(evidence)) if evidence else None)


def _index_build(case: Case) -> Symptom | None:
    return _ran(case, _INDEX_EVENTS, ("index_build", "index_queue"), "builds_running", "index builds")


def _load(case: Case) -> Symptom | None:
    measured = signals.of(case)
    if (rate := measured.rate("load_segment")) >= _LOADS_PER_S:
        return Symptom(
            (measured.says("load_segment", f"{rate:.1f} segments are loaded each second.", rate, _LOADS_PER_S),)
        )
    return _ran(case, _LOAD_EVENTS, _LOAD_EVENTS, None, "loads")


def _disk_load(case: Case) -> Symptom | None:
    return _both(_load(case), _disk(case))


def _compacts(case: Case) -> Symptom | None:
    return _ran(case, ("compaction",), ("compaction",), "compaction", "compactions")


def _restarts(case: Case) -> Symptom | None:
    lines = workload.events_of(case, "restart", "node_down")
    told = [event for event in case.context.events if event.what == "restart"]
    if len(lines):
        return Symptom(
            (logged(lines, f"{count(len(lines), 'line')} {do(len(lines), 'tell')} of a restart meanwhile."),)
        )
    return Symptom((stated(case, f"{told[0].key}.what", "Milvus was restarted."),)) if told else None


def _ran(case: Case, kinds: tuple[str, ...], lines: tuple[str, ...], track: str | None, what: str) -> Symptom | None:
    """Background work beside most of the slow time, by the log or by the metrics."""
    measured, share = signals.of(case), beside(case, kinds)
    active = measured.active_share(track) if track else float("nan")
    if share >= _MOST:
        says = f"{percent(share)} of the slow time lies beside {what}."
        meanwhile = workload.events_of(case, *lines)
        every = case.events[case.events["what"].isin(kinds)]
        return Symptom((logged(meanwhile if len(meanwhile) else every, says, share, _MOST),))
    if track is None or not active >= _MOST:
        return None
    return Symptom((measured.says(track, f"For {percent(active)} of the time {what} run.", active, _MOST),))


def _tsafe(case: Case) -> Symptom | None:
    lines, measured = workload.events_of(case, "tsafe_wait", "tsafe_lag"), signals.of(case)
    share, told = measured.phase("wait_tsafe"), case.context.observations.get("wait_tsafe_s") or 0.0
    if len(lines):
        return Symptom((logged(lines, f"{count(len(lines), 'line')} {do(len(lines), 'tell')} of waiting for tSafe."),))
    if share >= _MOST:
        return Symptom((measured.says("wait_tsafe", f"Waiting for tSafe takes {percent(share)}.", share, _MOST),))
    if told < WORTH_A_LOOK_S:
        return None
    says = f"Searches wait for tSafe for {duration(told)}."
    return Symptom((stated(case, "observations.wait_tsafe_s", says, told, WORTH_A_LOOK_S),))


SEEN: Mapping[Kind, Callable[[Case], Symptom | None]] = {
    "balance": _balance,
    "clock": _clock,
    "cold_start": _cold_start,
    "collections": _collections,
    "cpu": _cpu,
    "delegator": _delegator,
    "delete": _delete,
    "disk": _disk,
    "disk_load": _disk_load,
    "growing": _growing,
    "growing_mmap": _growing_mmap,
    "hybrid": _hybrid,
    "index_build": _index_build,
    "iterator": _iterator,
    "json_contains": _json_contains,
    "load": _load,
    "memory": _memory,
    "partition_output": _partition_output,
    "prefix_like": _prefix_like,
    "proxy_cpu": _proxy_cpu,
    "queue": _queue,
    "reduce": _reduce,
    "replica": _replica,
    "replica_output": _replica_output,
    "segments": _segments,
    "sparse": _sparse,
    "text_index": _text_index,
    "tiered_output": _tiered_output,
    "topk": _topk,
    "trie_range": _trie_range,
    "tsafe_compaction": lambda case: _both(_tsafe(case), _compacts(case)),
    "tsafe_restart": lambda case: _both(_tsafe(case), _restarts(case)),
    "tsafe_writes": lambda case: _both(_tsafe(case), _written(case)),
}

# A lock within segcore and a pool of its storage: neither log nor metric names them.
UNSEEN: frozenset[Kind] = frozenset(("lock", "storage"))
