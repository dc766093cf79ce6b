"""One hybrid, grouping, range or iterator search does the work of many.

Symptom
    Hybrid searches, searches with group_by_field, range searches with a wide radius, or iterators are slow, while a
    plain search on the same collection with the same top-k is fast.

Cause
    A hybrid search runs one complete search for each sub-request, fetches their union and reranks it. Group-by goes
    on searching until it has enough groups, longest with strict_group_size. A range search returns all that lies
    within the radius, up to the limit, and cannot stop early. Each call of an iterator searches deeper than the one
    before. On top of that every partition, shard and segment is searched, since nothing in the request narrows them
    down.

How we tell
    The log shows `HybridSearch slow` lines, or search_params with group_by_field, group_size, radius, range_filter
    or an iterator; the plain searches of the same collection are the contrast. Hybrid lines tell the filters of the
    sub-requests (`dsls`) only from 2.5.5, and never their limits, params or ranker: name them in the context file.
    With `sub_requests` known, the duration is held against that many plain searches. A `fast_duration_s` of the
    request, strict_group_size, and an idle CPU (`observations.cpu_share`) are signs too.

    Of the metrics internal_core_search_latency with type groupby_latency (2.5+) tells what grouping takes of the
    work on segments. Without a plain search to compare with, and without the number of sub-requests, the rule
    answers skipped.

Not this when
    Plain searches on the same collection are just as slow. A single sub-request is slow on its own, for its filter
    or its index: fix that one. Hybrid searches are slow only while many run at once (high_concurrency).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import signals, workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import Case, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import is_paged
from slowq.measures import ratio
from slowq.rule import About, threshold
from slowq.signals import Signals
from slowq.snippets import CLUSTER
from slowq.wording import count, do, percent
from slowq.workload import Mask, Workload, seen, stated, told_contrast

REMEDIES = (
    Remedy(
        key="fewer_sub_requests",
        do=(
            "Drop the sub-requests of the hybrid search that hardly change the ranking, and give the rest a "
            "smaller limit."
        ),
        because="Each sub-request is a search of its own, and the reranker receives the sum of their limits.",
        cost="Recall of the dropped field; measure the ranking on a sample first.",
        verify="The p95 of the hybrid pattern in `slowq analyze` approaches that of one plain search.",
        snippet="""\
from pymilvus import AnnSearchRequest, RRFRanker

requests = [
    AnnSearchRequest(data=[dense_vector], anns_field=$vector_field, param={}, limit=20),
    AnnSearchRequest(data=[sparse_vector], anns_field="sparse", param={}, limit=20),
]
client.hybrid_search(collection_name=$collection, reqs=requests, ranker=RRFRanker(), limit=10)
""",
        since=(2, 4, 0),
    ),
    Remedy(
        key="loose_groups",
        do="Group without strict_group_size, with a small group_size, and with a lower limit.",
        because="A strict group size makes the search go on until every group is full, however rare its rows are.",
        cost="Some groups hold fewer rows than asked for.",
        verify="internal_core_search_latency with type groupby_latency falls; so does the pattern's p95.",
        snippet="""\
client.search(
    collection_name=$collection,
    data=[vector],
    anns_field=$vector_field,
    limit=10,
    group_by_field=$field,
    group_size=2,
    strict_group_size=False,
)
""",
        since=(2, 5, 0),
    ),
    Remedy(
        key="narrow_range",
        do="Narrow the radius of the range search and bound its limit.",
        because="The work of a range search grows with the number of vectors within the radius.",
        cost="Fewer results at the rim of the range.",
        verify="The duration of the pattern falls with the radius, the number of rows returned too.",
        snippet="""\
client.search(
    collection_name=$collection,
    data=[vector],
    anns_field=$vector_field,
    limit=100,
    search_params={"metric_type": $metric_type, "params": {"radius": radius}},
)
""",
    ),
    Remedy(
        key="name_partitions",
        do="Restrict the request to the partitions it is about, or filter on the partition key.",
        because="Partitions that are not named, or that the key excludes, are not searched at all.",
        cost="The client must know the partition; a partition key must be set when the collection is created.",
        verify="milvus_querynode_sq_core_latency_count rises by less for each search: fewer segments are searched.",
        snippet="""\
client.search(
    collection_name=$collection,
    data=[vector],
    anns_field=$vector_field,
    limit=$top_k,
    partition_names=["recent"],
)
""",
    ),
    Remedy(
        key="clustering_key",
        do="Define the field that most filters use as clustering key, compact by it, and switch on segment pruning.",
        because=(
            "A search whose filter carries the key skips the segments whose key range does not match: in the "
            "benchmark of the Milvus documentation the mean fell from 1685 to 68 ms where 99 % were pruned."
        ),
        cost=(
            "The clustering key is set at creation, so the data must be imported again; the compaction rewrites "
            "everything once. Worth it above a million entities."
        ),
        verify="milvus_querynode_segment_prune_ratio rises for the collection.",
        snippet=(
            "# milvus.yaml: queryNode.enableSegmentPrune: true; schema: is_clustering_key=True on one scalar field\n"
            + CLUSTER
        ),
        since=(2, 4, 7),
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to $fixed_in.",
        because=(
            "Hybrid searches lost their ignore_growing option before 2.5.5 (PR #39900), and iterators fought "
            "over Knowhere threads before 2.5.13 (PR #42133)."
        ),
        cost="An upgrade with its tests and a rolling restart.",
        verify="The same requests are faster in logs from after the upgrade.",
        before=(2, 5, 13),
    ),
)

_ONE = {
    "hybrid searches": "a hybrid search",
    "group-by searches": "a group-by search",
    "range searches": "a range search",
    "calls of an iterator": "the call of an iterator",
}
_REMEDIES_OF = {
    "hybrid searches": ("fewer_sub_requests", "upgrade"),
    "group-by searches": ("loose_groups",),
    "range searches": ("narrow_range",),
    "calls of an iterator": ("upgrade",),
}

ABOUT = About(
    id="search_fanout",
    title="One hybrid, grouping, range or iterator search does the work of many.",
    needs=(
        Need(
            what=(
                "what the request multiplies: sub-requests, groups, radius or iterator calls, and a plain "
                "search to compare with"
            ),
            how_to_supply=(
                "Name both in the --context file: `requests: [{kind: hybrid_search, sub_requests: 4, top_k: "
                "100, duration_s: 2.4}, {kind: search, top_k: 100, duration_s: 0.2}]`."
            ),
        ),
        Need(
            what="the access log or the slow log of plain searches on the same collection",
            how_to_supply=(
                "Lower proxy.slowQuerySpanInSeconds for a while, or switch on proxy.accessLog, and give that log too."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class SearchFanout:
    """Hybrid, group-by, range or iterator searches multiply the work of one request."""

    about: ClassVar[About] = ABOUT
    multiple_of_plain: float = threshold(
        2.0,
        "how many times as long as a plain search of the same collection the request must take; a hybrid "
        "search of two sub-requests may take twice as long",
    )
    many_sub_requests: int = threshold(
        3,
        "sub-requests from which a hybrid search is suspect without a contrast",
    )
    idle_cpu_share: float = threshold(
        0.5,
        "CPU share below which requests do not wait for it, so that one of them and not their number is slow",
    )

    def check(self, case: Case) -> Outcome:
        work = workload.of(case)
        if not work.count:
            return Skipped(self.about.needs)
        kinds = {
            "hybrid searches": work.is_any("kind", ["hybrid_search"]),
            "group-by searches": work.has_param("group_by_field"),
            "range searches": work.has_param("radius"),
            "calls of an iterator": is_paged(work),
        }
        kinds = {name: mask for name, mask in kinds.items() if mask.any()}
        if not kinds:
            return Clear("no slow request is a hybrid, group-by, range or iterator search")
        culprits = np.any(list(kinds.values()), axis=0)
        plain = ~culprits & work.is_any("kind", ["search"]) & ~work.victims(culprits)
        contrast = work.middle(work.weight_s, culprits) / work.middle(work.weight_s, plain) if plain.any() else np.nan
        parts = max((request.sub_requests or 0 for request in case.context.requests), default=0)
        return finding(
            self.about,
            case,
            culprits,
            confidence=confidence(
                # A hybrid search costs what its few searches cost; the other kinds have much to do by themselves.
                0.3 if [*kinds] == ["hybrid searches"] and not case.inputs else 0.4,
                signs=[
                    (bool(contrast >= self.multiple_of_plain), 0.5),
                    (parts >= self.many_sub_requests, 0.35),
                    (case.context.differs_by_request, 0.25),
                    (self._is_idle(case), 0.25),
                    (bool(work.has_param("strict_group_size").any()), 0.2),
                    (work.share(culprits) > 0.8 and work.count >= 5, 0.25),
                ],
                against=[
                    (bool(contrast < self.multiple_of_plain), 0.4),
                    (case.context.comes_and_goes or case.context.differs_by_time, 0.4),
                ],
            ),
            summary=f"Slow requests are {' and '.join(kinds)}, which do the work of several searches each.",
            evidence=[*_told(case, kinds), *self._contrast(case, plain, contrast)],
            names=_names(work),
            keys=["name_partitions", "clustering_key", *(key for name in kinds for key in _REMEDIES_OF[name])],
        )

    def _is_idle(self, case: Case) -> bool:
        cpu = case.context.observations.get("cpu_share")
        return cpu is not None and cpu < self.idle_cpu_share

    def _contrast(self, case: Case, plain: Mask, contrast: float) -> Iterator[Evidence]:
        """What else is fast, and what is not busy."""
        if contrast >= self.multiple_of_plain:
            says = f"Plain searches that ran apart from them took 1/{contrast:.0f} of the time."
            yield seen(workload.of(case), says, plain, contrast)
        yield from _grouping(signals.of(case))
        if case.context.differs_by_request:
            yield from told_contrast(case)
        if self._is_idle(case):
            cpu = case.context.observations["cpu_share"]
            says = f"The CPU is at {percent(cpu)}: it is not the number of requests."
            yield stated(case, "observations.cpu_share", says, cpu, self.idle_cpu_share)


def _names(work: Workload) -> dict[str, object]:
    """The field that the dearest grouping search groups by."""
    params = work.main("search_params", work.has_param("group_by_field"))
    field = workload.flat_params(params).get("group_by_field") if params else None
    return {"field": field} if isinstance(field, str) else {}


def _told(case: Case, kinds: Mapping[str, Mask]) -> Iterator[Evidence]:
    """How many of the requests are of each kind, and what the context file says that they are made of."""
    work = workload.of(case)
    for name, mask in kinds.items():
        number = int(mask.sum())
        says = f"Of {count(work.count, 'slow request')} {number:,} {do(number, 'are')} {name if number > 1 else _ONE[name]}."
        yield seen(work, says, mask)
    for request in case.context.requests:
        if request.sub_requests:
            says = f"A hybrid search has {request.sub_requests} sub-requests."
            yield stated(case, f"{request.key}.sub_requests", says)


def _grouping(measured: Signals) -> list[Evidence]:
    """What grouping takes of the work on segments, where any search groups."""
    share = ratio(measured.total("grouping"), measured.total("core"))
    if not share > 0:
        return []
    says = f"Grouping takes {percent(share)} of the work on segments."
    return [measured.says("grouping", says, share)]
