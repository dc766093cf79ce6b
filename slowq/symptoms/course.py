"""Where the time goes, and what runs beside it."""

from __future__ import annotations

import numpy as np

from slowq import signals, workload
from slowq.contention import beside, explained
from slowq.facts import WORTH_A_LOOK_S, Case
from slowq.heavy import LARGE_NQ, large_answers, large_batches
from slowq.measures import ratio
from slowq.symptoms.cluster import disk
from slowq.symptoms.requests import vector_output
from slowq.symptoms.symptom import Symptom, both, of_requests
from slowq.wording import count, do, duration, percent
from slowq.workload import logged, stated

_MERGED_NQ = 16  # the merge limit of 2.6.18 and 2.6.19 (PR #50859)
_MOST = 0.5
_FULL = 0.9  # as in cpu_saturation and memory_pressure
_THROTTLED = 0.25  # as in cpu_saturation
_FUTURE_S = 0.5  # as in clock_skew
_LOADS_PER_S = 0.1  # as in contention
_INDEX_EVENTS, _LOAD_EVENTS = ("index_build",), ("load", "segment_load")


def clock(case: Case) -> Symptom | None:
    offset_s, work = case.context.dependencies.get("clock_offset_s"), workload.of(case)
    if offset_s is not None and abs(offset_s) >= _FUTURE_S:
        says = f"The clocks differ by {duration(abs(offset_s))}."
        return Symptom((stated(case, "dependencies.clock_offset_s", says, offset_s, _FUTURE_S),))
    return of_requests(case, work.number("guarantee_lag_s") <= -_FUTURE_S, "requests for data of the future")


def cold_start(case: Case) -> Symptom | None:
    pattern = case.context.pattern
    if pattern.get("only_first_searches"):
        return Symptom((stated(case, "pattern.only_first_searches", "Only the first searches are slow."),))
    if pattern.get("only_after") in ("restart", "load"):
        return Symptom((stated(case, "pattern.only_after", f"It is slow only after a {pattern['only_after']}."),))
    return None


def cpu(case: Case) -> Symptom | None:
    """A full CPU that nothing else explains."""
    measured, observed = signals.of(case), case.context.observations
    throttled = measured.throttled_share
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


def delegator(case: Case) -> Symptom | None:
    """Time on the delegator that is no wait for tSafe, no search of a worker and no reduce."""
    measured = signals.of(case)
    inside = np.nansum([measured.mean(name) for name in ("wait_tsafe", "worker", "reduce_shards")])
    share = 1 - ratio(float(inside), measured.mean("leader"))
    if measured.track("worker") is None or not share >= _MOST:
        return None
    return Symptom(
        (measured.says("leader", f"{percent(share)} of a search passes in the delegator itself.", share, _MOST),)
    )


def proxy_cpu(case: Case) -> Symptom | None:
    """Time at the proxy, though the answers are small."""
    measured = signals.of(case)
    elsewhere = np.nansum([measured.mean("wait_result"), measured.mean("requery")])
    share = 1 - ratio(float(elsewhere), measured.mean("search_latency"))
    if measured.track("wait_result") is None or not share >= _MOST or large_answers(measured):
        return None
    return Symptom((measured.says("wait_result", f"{percent(share)} of a search passes at the proxy.", share, _MOST),))


def queue(case: Case) -> Symptom | None:
    """A queue of small searches that are hardly merged, though the CPU is not full."""
    measured, work = signals.of(case), workload.of(case)
    small = not large_batches(measured) and not work.share(work.nq >= LARGE_NQ) >= _MOST
    full = (case.context.observations.get("cpu_share") or 0.0) >= _FULL
    if measured.mean("group_nq") > _MERGED_NQ or not small or full:
        return None
    says = "Small searches queue for {} of their time.", "Small searches queue for {}."
    return time_in(case, "queue", "queue", "queue_s", *says)


def reduce(case: Case) -> Symptom | None:
    says = "The reduce takes {} of the time.", "The reduce takes {}."
    return time_in(case, "reduce", "reduce_segments", "reduce_s", *says)


def memory(case: Case) -> Symptom | None:
    """Vectors in the output, and a node that is short of memory."""
    measured, told = signals.of(case), case.context.observations.get("memory_share") or 0.0
    share, lines = measured.memory_share, workload.events_of(case, "memory")
    evidence = []
    if told >= _FULL:
        evidence.append(stated(case, "observations.memory_share", f"Memory is {percent(told)} full.", told, _FULL))
    if share >= _FULL:
        evidence.append(measured.says("working_set", f"Memory is {percent(share)} full.", share, _FULL))
    if len(lines):
        evidence.append(logged(lines, f"{count(len(lines), 'line')} {do(len(lines), 'tell')} of too little memory."))
    return both(vector_output(case), Symptom(tuple(evidence)) if evidence else None)


def index_build(case: Case) -> Symptom | None:
    return ran(case, _INDEX_EVENTS, ("index_build", "index_queue"), "builds_running", "index builds")


def load(case: Case) -> Symptom | None:
    measured = signals.of(case)
    if (rate := measured.rate("load_segment")) >= _LOADS_PER_S:
        return Symptom(
            (measured.says("load_segment", f"{rate:.1f} segments are loaded each second.", rate, _LOADS_PER_S),)
        )
    return ran(case, _LOAD_EVENTS, _LOAD_EVENTS, None, "loads")


def disk_load(case: Case) -> Symptom | None:
    return both(load(case), disk(case))


def compacts(case: Case) -> Symptom | None:
    return ran(case, ("compaction",), ("compaction",), "compaction", "compactions")


def restarts(case: Case) -> Symptom | None:
    lines = workload.events_of(case, "restart", "node_down")
    told = [event for event in case.context.events if event.what == "restart"]
    if len(lines):
        return Symptom(
            (logged(lines, f"{count(len(lines), 'line')} {do(len(lines), 'tell')} of a restart meanwhile."),)
        )
    return Symptom((stated(case, f"{told[0].key}.what", "Milvus was restarted."),)) if told else None


def ran(case: Case, kinds: tuple[str, ...], lines: tuple[str, ...], track: str | None, what: str) -> Symptom | None:
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


def tsafe(case: Case) -> Symptom | None:
    lines = workload.events_of(case, "tsafe_wait", "tsafe_lag")
    if len(lines):
        return Symptom((logged(lines, f"{count(len(lines), 'line')} {do(len(lines), 'tell')} of waiting for tSafe."),))
    says = "Waiting for tSafe takes {}.", "Searches wait for tSafe for {}."
    return time_in(case, "wait_tsafe", "wait_tsafe", "wait_tsafe_s", *says)


def time_in(case: Case, phase: str, track: str, observed: str, by_share: str, by_seconds: str) -> Symptom | None:
    """A phase that takes most of the time by the metrics, or else long by the context file's observations."""
    measured = signals.of(case)
    share, told = measured.phase(phase), case.context.observations.get(observed) or 0.0
    if share >= _MOST:
        return Symptom((measured.says(track, by_share.format(percent(share)), share, _MOST),))
    if told < WORTH_A_LOOK_S:
        return None
    says = by_seconds.format(duration(told))
    return Symptom((stated(case, f"observations.{observed}", says, told, WORTH_A_LOOK_S),))
