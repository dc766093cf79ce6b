"""Too many small requests arrive at once and wait in a queue.

Symptom
    All searches become slow together at busy hours, whatever their collection or filter. Each request is small (nq
    of 1 to a few) and fast when it is alone. At the peak some fail with `too many concurrent requests, queue is
    full`.

Cause
    A query node works on CPU cores x queryNode.scheduler.maxReadConcurrentRatio read tasks at once (ratio 1 from
    2.3, 2 in 2.2). What arrives beyond that waits in the scheduler queue, so latency grows with the length of the
    queue and not with the work. Milvus merges searches that are equal but for their vectors; different filters or
    search params cannot be merged. The default limit of 16 vectors for merged tasks in 2.6.18-2.6.19 made this
    worse (raised in 2.6.20, PR #50859).

How we tell
    From the log: the number of requests that ran at the same time, counted over [logged - duration, logged].
    Durations rise with that number, across patterns, with nq small throughout, and the same pattern is fast when
    few run beside it. From the context file: `observations.qps`, `observations.concurrency` and
    `observations.queue_s` against `hardware.cpus_per_node`, or a `fast_duration_s` for the same request.

    The metric that decides is milvus_querynode_sq_queue_latency, on the proxy milvus_proxy_req_in_queue_latency. How
    many reads wait and run is told beside it (milvus_querynode_read_task_ready_len above
    milvus_querynode_read_task_concurrency), how long calls of segcore wait for a thread (2.4.7+), and who never got a
    turn: reads whose time is up in the queue (2.6.18+), requests that a quota refuses (2.3.6+). The slow log holds
    slow requests only, and a scan looks like a small search that waits, so that it alone gives no more than a
    suspicion. With no number of requests the rule answers skipped.

Not this when
    One large request covers the whole slow period (large_nq). Requests are slow one at a time as well. The slow
    period coincides with compaction, index building or loading: then the cores were taken by that. The CPU is idle
    while requests wait for tSafe (consistency_wait, timetick_stall).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd

from slowq import settings, signals, workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.contention import beside, explained
from slowq.facts import WORTH_A_LOOK_S, Case, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import heavy_requests
from slowq.rule import About, threshold
from slowq.signals import Signals
from slowq.waiting import in_line
from slowq.wording import count, duration, percent
from slowq.workload import Mask, Workload, logged, seen, stated

REMEDIES = (
    Remedy(
        key="modest_batches",
        do=(
            "Let the client collect single query vectors for a few milliseconds and send them as one request of "
            "a modest nq."
        ),
        because="One task for many vectors costs far less queueing and reduce work than one task each.",
        cost="A few milliseconds of waiting in the client; too large a batch turns into large_nq.",
        verify="The request rate falls while vectors per second stay; milvus_querynode_sq_queue_latency falls.",
        snippet="""\
results = client.search(
    collection_name=$collection,
    data=pending_vectors[:16],
    anns_field=$vector_field,
    limit=$top_k,
)
""",
    ),
    Remedy(
        key="more_query_nodes",
        do="Add query nodes and load $collection with a replica for each group of them.",
        because=(
            "Replicas divide the requests among them, which is what raises the queries per second of one collection."
        ),
        cost=(
            "Every replica holds the collection in memory once more; release and load interrupt searches for "
            "the time of the load."
        ),
        verify="At the same rate of requests milvus_querynode_read_task_ready_len stays near zero.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.load_collection(collection_name=$collection, replica_number=$replicas)
""",
    ),
    Remedy(
        key="limit_clients",
        do="Bound the number of requests that each client has in flight.",
        because="Beyond the cores of the cluster more concurrency adds waiting but no throughput.",
        cost="The waiting moves into the client, where it can be seen and shed.",
        verify="`slowq analyze` counts fewer requests at the same time, with the same number answered a second.",
        snippet="""\
from concurrent.futures import ThreadPoolExecutor

def search_one(vector):
    return client.search(collection_name=$collection, data=[vector], limit=$top_k)

with ThreadPoolExecutor(max_workers=8) as pool:
    results = list(pool.map(search_one, vectors))
""",
    ),
    Remedy(
        key="rate_limit",
        do="Switch on the search rate limit of the proxy at what the cluster sustains.",
        because="A short, clear refusal keeps the queue short for the requests that are admitted.",
        cost="Requests above the limit fail and must be retried with a pause.",
        verify="milvus_proxy_rate_limit_req_count counts the refusals, and the p99 of admitted requests is flat.",
        snippet="""\
# milvus.yaml
quotaAndLimits:
  dql:
    enabled: true
    searchRate:
      max: 1000  # query vectors per second
""",
    ),
    Remedy(
        key="fair_queue",
        do="Let the scheduler take turns between users.",
        because="One busy client then fills its own queue and not that of the others.",
        cost=(
            "Needs authentication with one user for each client, and a restart of the query nodes; the total "
            "load stays."
        ),
        verify="milvus_querynode_sq_queue_user_latency is high for the busy user alone.",
        snippet="""\
# milvus.yaml
queryNode:
  scheduler:
    scheduleReadPolicy:
      name: user-task-polling
""",
        since=(2, 3, 0),
    ),
    Remedy(
        key="larger_groups",
        do="Raise the merge limits of the scheduler to those of 2.6.20, or upgrade to it.",
        because="The low limits of these two versions kept Milvus from merging small searches (PR #50859).",
        cost="A small request may be merged into a larger group and wait for all of it.",
        verify="milvus_querynode_search_group_size rises and the queue latency falls.",
        snippet="""\
# milvus.yaml
queryNode:
  grouping:
    maxNQ: 64
    nqMergeRatio: 16
""",
        since=(2, 6, 18),
        before=(2, 6, 20),
    ),
)

# What must take this share of the time to be the explanation.
_MOST = 0.5
# Work that takes the same cores as searches.
BACKGROUND = ("index_build", "index_queue", "compaction", "segment_load", "segment_release")

ABOUT = About(
    id="high_concurrency",
    title="Too many small requests arrive at once and wait in a queue.",
    needs=(
        Need(
            what="how many requests arrive, the fast ones included, and on how many cores",
            how_to_supply=(
                "Give the access log, or in the --context file: `observations: {qps: 350, concurrency: 64, "
                "queue_s: 1.5}` and `hardware: {query_nodes: 2, cpus_per_node: 8}`."
            ),
        ),
        Need(
            what="how long requests wait in the query node's queue",
            how_to_supply=(
                "Give --metrics with milvus_querynode_sq_queue_latency and milvus_querynode_read_task_ready_len."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class HighConcurrency:
    """More small requests at once than the nodes have cores for."""

    about: ClassVar[About] = ABOUT
    at_once_per_read: float = threshold(
        2.0,
        "requests that are there at the same time, for each that the scheduler runs at once, from which as many wait as "
        "run: it runs one for each core (queryNode.scheduler.maxReadConcurrentRatio 1 from 2.3, 2 in 2.2, unless the "
        "context file says otherwise)",
    )
    many_at_once: int = threshold(
        16,
        "the same where the number of cores is not known",
    )

    def check(self, case: Case) -> Outcome:
        found = self._found(case)
        if not found.at_once and not len(found.full):
            return Skipped(self.about.needs)
        if found.at_once < found.limit and not len(found.full):
            most = f"fewer than {found.limit:.0f}"
            return Clear(f"on average {found.at_once:.0f} slow requests ran at the same time, {most}")
        if found.work.share(found.heavy) > 0.5:
            return Clear("most of the slow requests are costly by themselves; the queue is what they cause")
        return finding(
            self.about,
            case,
            ~found.heavy,
            confidence=self._confidence(case, found),
            summary=f"About {found.at_once:.0f} small requests at a time queue for the query nodes."
            if found.at_once >= 1
            else "So many requests arrive that the queue of a query node is full.",
            evidence=[*self._evidence(case, found)],
            with_victims=False,
        )

    def _found(self, case: Case) -> _Found:
        work, measured, told = workload.of(case), signals.of(case), case.context.observations
        hardware = case.context.hardware
        cores = float(hardware.get("cpus_per_node") or 0) * float(hardware.get("query_nodes") or 1)
        per_s, queued_s = (float(told.get(key) or 0) for key in ("qps", "queue_s"))
        seen_at_once = work.at_once or float(np.nan_to_num(measured.at_once))
        told_at_once = float(told.get("concurrency") or 0) or per_s * queued_s  # Little's law
        return _Found(
            work,
            measured,
            full=workload.events_of(case, "queue_full"),
            heavy=heavy_requests(work),
            at_once=seen_at_once or told_at_once,
            limit=self.at_once_per_read * cores * settings.reads_a_core(case) if cores else self.many_at_once,
            limit_is_known=bool(cores) or seen_at_once > 0,
            per_s=per_s,
            queued_s=queued_s,
        )

    def _confidence(self, case: Case, found: _Found) -> float:
        work, measured = found.work, found.measured
        background = workload.events_of(case, *BACKGROUND, "delete_backlog", "no_index_search", "insert")
        # Slow requests pile up whatever makes them slow: where other work took the machine for most of the time, the
        # log cannot tell a crowd that is too large from a machine that is too busy.
        covered = beside(case, BACKGROUND) >= _MOST
        # Nor can it tell small requests that wait from small ones that are much work: a scan looks like a search of an index.
        blind = not measured and not case.context.collections and not case.context.observations
        return confidence(
            0.35,
            signs=[
                (len(found.full) > 0, 0.5),
                (found.at_once >= 4 * found.limit and found.limit_is_known, 0.3),
                # Each takes little of the node's time.
                (work.per_second >= 1 / WORTH_A_LOOK_S or found.per_s >= 1 / WORTH_A_LOOK_S, 0.35),
                (work.count >= 20 and not len(case.events), 0.1),  # nothing else went on
                (found.crowded, 0.35),
            ],
            against=[
                (work.per_second < 1 and work.window_s > 0, 0.3),
                (covered, 0.4),
                (blind and not len(found.full), 0.4),
                (found.other is not None and bool(measured), 0.4),
                (bool(measured.work_s > WORTH_A_LOOK_S), 0.4),  # the searches are not small
                (bool(len(background)) and not covered, 0.2),  # something else took part of the machine
                (work.share(work.has_filter) > 0.5, 0.3),  # the filters may be the work
            ],
        )

    def _evidence(self, case: Case, found: _Found) -> Iterator[Evidence]:
        work, measured, at_once, limit = found.work, found.measured, found.at_once, found.limit
        if work.at_once:
            says = f"On average {at_once:.0f} slow requests ran at the same time, and {work.per_second:.1f} finished each second."
            yield seen(work, says, ~found.heavy, at_once, limit)
        elif measured.at_once >= limit:
            rate = measured.rate("search_latency")
            says = f"On average {at_once:.0f} searches ran at the same time, {rate:.1f} a second."
            yield measured.says("search_latency", says, at_once, limit)
        elif case.context.observations.get("concurrency"):
            says = f"{at_once:.0f} requests run at the same time."
            yield stated(case, "observations.concurrency", says, at_once, limit)
        elif at_once:
            says = f"{found.per_s:,.0f} requests arrive each second, and each waits {duration(found.queued_s)} in the queue."
            yield stated(case, "observations.queue_s", says, at_once, limit)
        if found.crowded:
            waits = percent(measured.phase("queue"))
            says = f"A search is {duration(measured.work_s)} of work, and waits for {waits} of its time."
            yield measured.says("core", says, measured.work_s, WORTH_A_LOOK_S)
        yield from in_line(measured)
        if number := len(found.full):
            yield logged(found.full, f"{count(number, 'request')} found the queue of a query node full.", number)


@dataclass(frozen=True, eq=False)
class _Found:
    """What a case shows of how many requests come at once."""

    work: Workload
    measured: Signals
    full: pd.DataFrame  # lines of requests that found the queue full
    heavy: Mask  # requests that are costly by themselves
    at_once: float  # requests at the same time, by the log, the metrics or the context file; 0 where nothing tells
    limit: float  # from which on as many wait as run
    limit_is_known: bool  # the cores are known, or it is slow requests that were counted
    per_s: float  # by the context file, 0 where it does not tell
    queued_s: float

    @cached_property
    def other(self) -> str | None:
        """What else takes the machine."""
        return explained(self.work.case)

    @property
    def crowded(self) -> bool:
        """Whether each search is little work, and yet waits for most of its time."""
        waits = bool(self.measured.phase("queue") >= _MOST)
        return waits and bool(self.measured.work_s <= WORTH_A_LOOK_S) and self.other is None
