"""One request with a huge number of query vectors holds everything up.

Symptom
    A few searches take seconds to minutes, each with a large nq. Small searches that overlap them, often on other
    collections, are slow too, and are fast again as soon as the large ones are gone.

Cause
    A search with nq query vectors is one task on every segment: it holds its threads until all of its vectors are
    done. Tasks of other clients wait in the scheduler queue meanwhile, or share the cores. Milvus also merges
    waiting searches that are equal but for their vectors, up to queryNode.grouping.maxNQ (1000 from 2.3, 16 in
    2.6.18-2.6.19, 64 from 2.6.20, PR #50859), so that a small request can be carried along with a large one.

How we tell
    The log shows a large nq with a long duration and a small duration per nq: the vectors are cheap, there are only
    many of them. Within one pattern the duration grows with nq while the duration per nq does not. The large
    requests are the culprits; small requests that ran within [logged - duration, logged] of one of them are its
    victims, and the victims are fast when no large one runs.

    Search lines of 2.5.13+ and 2.6.0+ are held against the threshold per query vector (PR #42125, #42109), so a
    large request may not be in the slow log at all and only its victims are. The access log or the context file
    shows it then; of the metrics, milvus_querynode_search_nq and milvus_querynode_sq_queue_latency do. Without any
    of these, and with no nq in the lines (before 2.3.4), the rule answers skipped.

Not this when
    The duration per nq is long as well: then a single vector is slow, and filter, index or search params are to
    blame. The whole request takes less than a second, and nobody is seen to wait for it. Not this either when the
    small requests are slow while no large one runs, or when every request is small and only their number is large
    (high_concurrency).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import signals, workload
from slowq.blame import fact, finding
from slowq.confidence import confidence
from slowq.facts import HEALTHY_S, SLOW_S, Case, Need
from slowq.findings import Clear, Outcome, Remedy, Skipped
from slowq.heavy import large_batches
from slowq.rule import About, threshold
from slowq.signals import Signals
from slowq.wording import count, do, duration, percent
from slowq.workload import seen

REMEDIES = (
    Remedy(
        key="smaller_batches",
        do="Send the query vectors in batches of at most $batch_nq instead of $nq at once.",
        because=(
            "Between two batches the scheduler can serve somebody else, and a batch that fails is cheap to repeat."
        ),
        cost="A few more round trips; the batch job itself may take slightly longer in total.",
        verify=(
            "In `slowq requests` no row of $collection has nq above $batch_nq, and the small requests beside "
            "them are no longer in the slow log."
        ),
        snippet="""\
results = []
for start in range(0, len(vectors), $batch_nq):
    results += client.search(
        collection_name=$collection,
        data=vectors[start : start + $batch_nq],
        anns_field=$vector_field,
        limit=$top_k,
    )
""",
    ),
    Remedy(
        key="batch_off_peak",
        do="Run the bulk searches on $collection at an hour when nobody waits for an answer.",
        because="Large requests do no harm while there is no interactive request to hold up.",
        cost="The results of the bulk job come later.",
        verify="`slowq analyze` of the next day shows no small request that overlaps a large one.",
    ),
    Remedy(
        key="cap_nq",
        do="Set the largest nq that the proxy accepts well below its default of 16384.",
        because="An oversized request is then refused at the door instead of holding the query node for everybody.",
        cost="Clients that send more get an error until they batch; tell them first.",
        verify="A search with a larger nq fails at once, and `slowq requests` shows no nq above the cap.",
        snippet="""\
# milvus.yaml
quotaAndLimits:
  limits:
    nq: 256
""",
    ),
    Remedy(
        key="smaller_groups",
        do="Lower the total nq up to which Milvus merges waiting searches.",
        because="A small request is then not merged into a group that takes as long as its largest member.",
        cost="Less merging means somewhat less throughput when many equal small searches arrive at once.",
        verify="milvus_querynode_search_group_nq falls, and so does the p99 of the requests with small nq.",
        snippet="""\
# milvus.yaml
queryNode:
  grouping:
    maxNQ: 64
""",
        since=(2, 2, 0),
        before=(2, 6, 18),
    ),
    Remedy(
        key="more_replicas",
        do="Add query nodes and load $collection with more replicas.",
        because="A second replica serves small requests while the first one works on a large one.",
        cost=(
            "Each replica needs the memory of the whole collection again, and a reload interrupts searches "
            "unless done on a copy."
        ),
        verify="milvus_querynode_sq_queue_latency falls at the same load.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.load_collection(collection_name=$collection, replica_number=$replicas)
""",
    ),
)

ABOUT = About(
    id="large_nq",
    title="One request with a huge number of query vectors holds everything up.",
    needs=(
        Need(
            what="the number of query vectors of each request, the large ones included",
            how_to_supply=(
                "Give the access log beside the slow log, or name the requests in the --context file: "
                "`requests: [{kind: search, nq: 16000, duration_s: 60}, {kind: search, nq: 1, duration_s: 12, "
                "fast_duration_s: 0.02}]`."
            ),
        ),
        Need(
            what="how many query vectors searches carry, where the log hides large requests (2.5.13+)",
            how_to_supply="Give --metrics with milvus_querynode_search_nq and milvus_querynode_sq_core_latency.",
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class LargeNq:
    """Large requests hold the query node, and everything that overlaps them waits."""

    about: ClassVar[About] = ABOUT
    large_nq: int = threshold(
        100,
        "query vectors from which a request counts as large; requests of users carry 1 to a few tens, the "
        "limit of Milvus is 16384 (quotaAndLimits.limits.nq)",
    )
    cheap_per_nq_s: float = threshold(
        0.1,
        "duration per nq up to which one vector is cheap, so that their number is to blame; the guide calls "
        "more than 100 ms worth a look",
    )
    most_vectors: float = threshold(
        0.5,
        "share of all query vectors that come in large requests, from which those are most of the work",
    )

    def check(self, case: Case) -> Outcome:
        work = workload.of(case)
        nq, slow_s = work.nq, work.weight_s
        if not work.count and signals.of(case):
            return self._measured(case, signals.of(case))
        if not work.count or np.isnan(nq[~work.is_any("kind", ["query"])]).all():
            return Skipped(self.about.needs)
        per_nq_s = np.where(work.slow["duration_s"].notna(), slow_s / nq, 0.0)
        large = nq >= self.large_nq
        culprits = large & (per_nq_s <= self.cheap_per_nq_s)
        if not culprits.any():
            most = np.nanmax(nq)
            if large.any():
                return Clear(
                    f"requests of up to nq={most:,.0f} take {duration(work.middle(per_nq_s, large))} for each vector"
                )
            return Clear(f"no slow request carries {self.large_nq} query vectors; the most is {most:,.0f}")
        victims = work.victims(culprits)
        usual = work.middle(per_nq_s, culprits)
        waited = work.middle(per_nq_s, victims)
        number, usual_nq = int(culprits.sum()), f"nq={work.middle(nq, culprits):,.0f}"
        evidence = [
            seen(
                work,
                f"{count(number, 'request')} of {usual_nq} took {duration(work.middle(slow_s, culprits))}, but only "
                f"{duration(usual)} for each query vector."
                if work.has_durations
                else f"{count(number, 'request')} {do(number, 'carry')} {usual_nq}.",
                culprits,
                float(np.nanmax(nq[culprits])),
                self.large_nq,
            )
        ]
        if victims.any():
            evidence.append(
                seen(
                    work,
                    f"{count(int(victims.sum()), 'smaller request')} ran beside {_them(number)} for most of the time and took "
                    f"{duration(waited)} for each query vector.",
                    victims,
                    waited,
                    usual,
                )
            )
        return finding(
            self.about,
            case,
            culprits,
            confidence=confidence(
                0.5,
                signs=[
                    (usual <= HEALTHY_S and work.has_durations, 0.4),  # the vectors themselves are cheap
                    (bool(victims.any()) and waited >= 10 * usual, 0.5),  # others waited that are cheap otherwise
                    (bool(np.nanmax(nq[culprits]) >= 10 * self.large_nq), 0.2),
                ],
                against=[
                    (work.share(culprits | victims) < 0.5, 0.4),
                    (case.context.differs_by_time or case.context.is_since_a_change, 0.4),
                    (work.middle(slow_s, culprits) < SLOW_S and not victims.any(), 0.6),  # it holds nobody for long
                ],
            ),
            summary=(
                (f"A request of {usual_nq} holds" if number == 1 else f"Requests of {usual_nq} hold")
                + " the query node"
                + (
                    f", and {count(int(victims.sum()), 'smaller request')} waited for {_them(number)}."
                    if victims.any()
                    else "."
                )
            ),
            evidence=evidence,
            names={"nq": int(work.middle(nq, culprits)), "batch_nq": self.large_nq},
        )

    def _measured(self, case: Case, measured: Signals) -> Outcome:
        """From the metrics alone, which show that searches are large and not which of them."""
        nq, each_s, large = measured.mean("nq"), measured.vector_work_s, measured.large_share("nq", self.large_nq)
        if np.isnan([nq, each_s]).any():
            return Skipped(self.about.needs)
        if not large_batches(measured, self.large_nq, self.most_vectors) or each_s > self.cheap_per_nq_s:
            return Clear(f"a search carries {nq:,.0f} query vectors on average, at {duration(each_s)} of work for each")
        carried, seen_as = f"A search carries {nq:,.0f} query vectors on average", (nq, float(self.large_nq))
        if nq < self.large_nq:
            share = measured.in_large_share("nq", self.large_nq)
            carried = f"{percent(share)} of the query vectors come in searches of {self.large_nq} or more"
            seen_as = share, self.most_vectors
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.5,
                signs=[(each_s <= HEALTHY_S, 0.2), (bool(large < 0.5), 0.3)],
                against=[(explained_by_work(measured), 0.4)],
            ),
            summary=f"{carried}, each of them cheap.",
            evidence=[
                measured.says("nq", f"{carried}.", *seen_as),
                measured.says("core", f"A query vector is {duration(each_s)} of work.", each_s, self.cheap_per_nq_s),
            ],
            names={"nq": max(int(nq), self.large_nq), "batch_nq": self.large_nq},
        )


def explained_by_work(measured: Signals) -> bool:
    """Whether builds, filters or growing segments are most of the work."""
    shares = measured.active_share("builds_running"), measured.filter_share, measured.growing_share
    return any(share >= 0.5 for share in shares)


def _them(number: int) -> str:
    return "it" if number == 1 else "them"
