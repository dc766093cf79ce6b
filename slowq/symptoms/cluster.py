"""What lies in the cluster, and what is written to it."""

from __future__ import annotations

import numpy as np

from slowq import signals, workload
from slowq.facts import Case
from slowq.settings import GROWING_MMAP
from slowq.symptoms.requests import output
from slowq.symptoms.symptom import Symptom, both, of_requests
from slowq.wording import count, do, percent
from slowq.workload import logged, stated, vector_fields

_MANY_COLLECTIONS = 4_000  # "more than 4000" in issue #41286
_MOST = 0.5
_CHANGES_PER_S = 1_000.0  # as in heavy_delete
_MANY_GROWING = 8  # as in growing_segments
_MANY_SEGMENTS, _MANY_PARTITIONS = 64, 64  # as in too_many_collections
_UNEVEN = 2.0  # segments of the fullest node over those of the middle one: balancing evens out far less


def collections(case: Case) -> Symptom | None:
    told, measured = case.context.totals.get("collections"), signals.of(case)
    number = float(told) if told is not None else measured.mean("all_collections")
    if not number > _MANY_COLLECTIONS:
        return None
    says = f"There are {number:,.0f} collections."
    if told is not None:
        return Symptom((stated(case, "totals.collections", says, number, _MANY_COLLECTIONS),), is_unique=True)
    return Symptom((measured.says("all_collections", says, number, _MANY_COLLECTIONS),), is_unique=True)


def segments(case: Case) -> Symptom | None:
    measured = signals.of(case)
    visited = measured.segments_a_search
    if not visited >= _MANY_SEGMENTS:
        return None
    return Symptom((measured.says("core", f"A search visits {visited:,.0f} segments.", visited, _MANY_SEGMENTS),))


def balance(case: Case) -> Symptom | None:
    """Segments of the query nodes that differ a lot."""
    measured = signals.of(case)
    fullest = measured.outlier("segments")
    if fullest is not None and fullest.times >= _UNEVEN:
        says = f"{fullest.node} holds {fullest.value:,.0f} segments, and the query node in the middle {fullest.others:,.0f}."
        return Symptom((measured.says("segments", says, fullest.times, _UNEVEN),))
    nodes = {at: one["segments"] for at, one in enumerate(case.context.observations_per_node) if "segments" in one}
    most = max(nodes, key=nodes.__getitem__, default=0)
    if len(nodes) < 2 or nodes[most] < _UNEVEN * max(float(np.median([*nodes.values()])), 1.0):
        return None
    says = (
        f"One query node holds {nodes[most]:,} segments, and the one in the middle {np.median([*nodes.values()]):,.0f}."
    )
    return Symptom((stated(case, f"observations_per_node[{most}].segments", says, nodes[most]),))


def growing(case: Case) -> Symptom | None:
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


def growing_mmap(case: Case) -> Symptom | None:
    """The setting is only met with growing segments: that they are searched is what makes it the cause."""
    if case.context.config.get(GROWING_MMAP) is not True:
        return None
    told = stated(case, f"config.{GROWING_MMAP}", "Growing segments are memory-mapped.")
    searched = growing(case)
    return Symptom((told, *(searched.evidence if searched else ())), is_unique=searched is not None)


def written(case: Case) -> Symptom | None:
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


def delete(case: Case) -> Symptom | None:
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


def disk(case: Case) -> Symptom | None:
    """A DISKANN index: told, or by the parameter that only it has."""
    told = [
        stated(case, f"{key}.index", f"The index of {one.name or 'the vector field'} is DISKANN.")
        for _, key, one in vector_fields(case)
        if one.index is not None and (one.index.type or "").upper() == "DISKANN"
    ]
    if told:
        return Symptom(tuple(told))
    return of_requests(case, workload.of(case).has_param("search_list"), "searches of a DISKANN index")


def replicas(case: Case) -> Symptom | None:
    evidence = [
        stated(
            case, f"{one.key}.replicas", f"{one.name or 'The collection'} has {one.replicas} replicas.", one.replicas
        )
        for one in case.context.collections
        if (one.replicas or 0) > 1
    ]
    return Symptom(tuple(evidence)) if evidence else None


def replica(case: Case) -> Symptom | None:
    """Errors of a shard, where there is another replica to be left over."""
    failed = workload.events_of(case, "node_failed")
    says = f"{count(len(failed), 'line')} {do(len(failed), 'tell')} of a shard that failed."
    return both(Symptom((logged(failed, says, len(failed)),)) if len(failed) else None, replicas(case))


def hybrid(case: Case) -> Symptom | None:
    """Hybrid searches while there are growing segments for them to search."""
    mask, fresh = workload.of(case).is_any("kind", ["hybrid_search"]), growing(case) or written(case)
    asked = of_requests(case, mask, "hybrid searches")
    return Symptom((*asked.evidence, *fresh.evidence), mask) if asked and fresh else None


def replica_output(case: Case) -> Symptom | None:
    return both(output(case), replicas(case))
