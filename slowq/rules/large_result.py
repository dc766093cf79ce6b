"""My searches return so many rows or such large fields that fetching them takes the time.

Symptom
    Searches with a large top-k, a deep offset, or output fields that hold vectors or long texts are slow; the same
    search with limit 10 and only the primary key is fast. A scan with query and a large limit behaves alike.

Cause
    Every segment yields top-k candidates, and segment, shard and proxy reduce them in turn, so the work of the
    reduce grows with top-k x segments x shards x nq. Output fields are then read for each hit; a vector field is
    not kept beside most indexes and is read from disk or object storage. Milvus may fetch them by a second,
    internal query (a requery). Results also cross the network and are decoded by the SDK. Milvus allows 16384 for
    offset + limit (quotaAndLimits.limits.maxQueryResultWindow).

How we tell
    The log shows a large top-k or limit in search_params, a large offset, or OutputFields with `*`, a vector or a
    long text field. Durations grow with top-k times nq within patterns that differ only in it. A slow `Query slow`
    line with an empty expr and the traceID of the search is its requery (`queryLabel=requery` from 2.6.15), and its
    share of the duration says how much the output fields cost. Otherwise the same pattern with fewer output fields
    is the contrast.

    The limit of a query is not logged, and neither is the size of an answer: milvus_proxy_send_bytes_count over the
    query vectors and queries that were answered tells the mean of all. Where it is large, and was not so before, the
    slow requests that can have had such answers are to blame: queries with output fields, and searches that fetch
    vectors. Without slow requests and without that metric the rule answers skipped.

Not this when
    The same search with a small top-k and no output fields is just as slow. The requery waited for something else:
    it overlaps loading, compaction or a large nq. Milvus answered fast and the client still waits
    (client_or_network).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from slowq import signals, workload
from slowq.blame import finding
from slowq.confidence import confidence
from slowq.facts import Case, Need
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import is_paged, large_answers
from slowq.rule import About, threshold
from slowq.signals import Signals
from slowq.wording import count, do, duration, percent
from slowq.workload import Mask, Workload, seen, stated

_NO_FIELDS = ("[]", '["count(*)"]')
# A filter or a wait that takes this share of the time is the explanation.
_MOST = 0.5

REMEDIES = (
    Remedy(
        key="lower_limit",
        do="Ask for no more than the rows that are shown or reranked instead of $top_k.",
        because=(
            "Reduce, retrieval and transfer shrink with top-k, and so may ef or search_list, which must not be "
            "below it."
        ),
        cost="Fewer candidates for a reranker; check its quality on a sample.",
        verify="The duration per nq of this pattern in `slowq requests` falls along with top_k.",
        snippet="""\
client.search(
    collection_name=$collection,
    data=vectors,
    anns_field=$vector_field,
    limit=$suggested,
    output_fields=[],
)
""",
    ),
    Remedy(
        key="fewer_output_fields",
        do=(
            "Leave vectors and long texts out of the output fields, and fetch them by id for the few rows that "
            "are shown."
        ),
        because="The search then needs no requery and no read of raw vectors.",
        cost="One more small request for the rows on display.",
        verify="The twin `Query slow` lines with the same traceID disappear from the log.",
        snippet="""\
hits = client.search(
    collection_name=$collection,
    data=[vector],
    anns_field=$vector_field,
    limit=$top_k,
    output_fields=["id"],
)[0]
rows = client.get(collection_name=$collection, ids=[hit["id"] for hit in hits[:10]])
""",
    ),
    Remedy(
        key="iterate",
        do="Read long results with an iterator instead of a large limit or a deep offset.",
        because=(
            "Each call returns one batch, so memory and reduce stay small; offset makes Milvus compute and "
            "discard what it skips."
        ),
        cost="More round trips in total; the iterator reads at one fixed timestamp.",
        verify="No request of this pattern has offset + limit above the batch size.",
        snippet="""\
iterator = client.query_iterator(
    collection_name=$collection,
    filter=$filter,
    batch_size=1000,
)
while batch := iterator.next():
    handle(batch)
iterator.close()
""",
        since=(2, 4, 0),
    ),
    Remedy(
        key="warm_vectors",
        do="Preload the raw vectors of $collection when it is loaded.",
        because="With the default `disable` the first output of a vector field reads it from object storage or disk.",
        cost="Memory or local disk for all raw vectors, and a longer load.",
        verify="internal_core_search_latency with type get_vector_latency falls for the first requests after a load.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.alter_collection_properties(
    collection_name=$collection,
    properties={"warmup.vectorField": "sync"},
)
client.load_collection(collection_name=$collection)
""",
        since=(2, 6, 11),
    ),
    Remedy(
        key="warm_vectors_25",
        do="Let the query node warm the chunk cache of raw vectors at load.",
        because=(
            "Vector output fields come from the chunk cache, which is filled on first use where warm-up is "
            "disabled (the default from 2.4.5)."
        ),
        cost=(
            "Disk and page cache for all raw vectors, for every collection of the node, and more reading during a load."
        ),
        verify="The first searches with vector output after a load take as long as later ones.",
        snippet="""\
# milvus.yaml
queryNode:
  cache:
    warmup: async
""",
        since=(2, 4, 5),
        before=(2, 6, 0),
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to $fixed_in.",
        because=(
            "Output and reduce have become cheaper: retrieval after the local reduce (2.4.1, PR #32346), the "
            "reduce of very large top-k (2.4.3, PR #32871), SIMD retrieval (2.5.3, PR #39041), requery pinned "
            "to its replica (2.6.18, PR #49830)."
        ),
        cost="An upgrade with its tests and a rolling restart.",
        verify="`slowq analyze` of logs before and after shows the pattern's p95 falling.",
        before=(2, 6, 18),
    ),
)

ABOUT = About(
    id="large_result",
    title="My searches return so many rows or such large fields that fetching them takes the time.",
    needs=(
        Need(
            what="top-k and output fields of the slow requests, and the same request with fewer of them",
            how_to_supply=(
                "Use logs of 2.2.6 or later at level info, or in the --context file: `requests: [{kind: search, "
                "top_k: 10000, output_fields: [id, embedding], duration_s: 4.1}, {kind: search, top_k: 10, "
                "duration_s: 0.03}]`."
            ),
        ),
        Need(
            what="how large the answers are",
            how_to_supply="Give --metrics with milvus_proxy_send_bytes_count and milvus_querynode_search_nq.",
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class LargeResult:
    """Top-k, limit or output fields make reduce, retrieval or transfer the main work."""

    about: ClassVar[About] = ABOUT
    large_top_k: int = threshold(
        1_000,
        "top-k from which the reduce over segments and shards is a cost of its own",
    )
    requery_share: float = threshold(
        0.3,
        "share of a search's duration that its requery takes, from which the output fields are to blame",
    )
    large_answer_bytes: int = threshold(
        100_000,
        "mean bytes that a query vector or a query gets back, from which it is large: a thousand rows of 100 bytes",
    )
    grown: float = threshold(
        3.0,
        "times the mean answer before, where that is known, from which the answers have become larger",
    )

    def check(self, case: Case) -> Outcome:
        found = self._found(case)
        work, measured, culprits = found.work, found.measured, found.culprits
        if not work.count and not found.heavy:
            return Skipped(self.about.needs)
        if not culprits.any() and not found.told and (work.count or not found.heavy):
            return Clear(
                f"no slow search asks for {self.large_top_k:,} rows, none spent long on its output fields, and the "
                "answers are not large"
                if measured.answer_bytes == measured.answer_bytes
                else f"no slow search asks for {self.large_top_k:,} rows, and none spent long on its output fields"
            )
        return finding(
            self.about,
            case,
            culprits,
            confidence=self._confidence(found),
            summary="Searches ask for so many rows or such output fields that collecting them is the main work.",
            evidence=[*self._evidence(case, found)],
            names={"suggested": 100, "filter": work.main("filter", culprits) or ""},
            keys=["fewer_output_fields", "upgrade"]
            + (["lower_limit", "iterate"] if found.large.any() or found.told else [])
            + (["warm_vectors", "warm_vectors_25"] if found.requeried.any() else []),
        )

    def _found(self, case: Case) -> _Found:
        work, measured = workload.of(case), signals.of(case)
        heavy = large_answers(measured, self.large_answer_bytes, self.grown)
        top_k = work.number("top_k")
        if not case.inputs:  # people tell how many rows an iterator brings in all, and a range search at most
            top_k = np.where(is_paged(work) | work.has_param("radius"), np.nan, top_k)
        returned = {
            request.key: request.rows_returned
            for request in case.context.requests
            if request.rows_returned and not request.search_params.get("iterator")
        }
        return _Found(
            work,
            measured,
            top_k,
            large=top_k >= self.large_top_k,
            requeried=work.number("requery_s") >= self.requery_share * work.weight_s,
            fetching=heavy & _fetching(work),
            told={key: number for key, number in returned.items() if number >= self.large_top_k},
            heavy=heavy,
        )

    def _confidence(self, found: _Found) -> float:
        work, measured, culprits, top_k = found.work, found.measured, found.culprits, found.top_k
        smaller = ~culprits & (top_k < self.large_top_k) & ~work.victims(culprits)
        worst = float(np.nanmax(top_k)) if not np.isnan(top_k).all() else float("nan")
        return confidence(
            0.4,
            signs=[
                (worst >= 5 * self.large_top_k, 0.45),
                (bool(found.requeried.any()), 0.4),
                (found.heavy, 0.3),
                (work.share(culprits) > 0.8 and work.has_durations, 0.2),
            ],
            against=[
                (work.share(smaller) > 0.3, 0.3),
                (work.case.context.differs_by_time or work.case.context.is_since_a_change, 0.4),
                (bool(measured.filter_share >= _MOST), 0.5),
                (bool(measured.phase("wait_tsafe") >= _MOST), 0.5),
            ],
        )

    def _evidence(self, case: Case, found: _Found) -> Iterator[Evidence]:
        work, large, requeried = found.work, found.large, found.requeried
        if number := int(large.sum()):
            yield seen(
                work,
                f"{count(number, 'slow search')} {do(number, 'ask')} for a top-k of "
                f"{work.middle(found.top_k, large):,.0f} ({percent(work.share(large))} of the slow time).",
                large,
                float(np.nanmax(found.top_k[large])),
                self.large_top_k,
            )
        if number := int(requeried.sum()):
            yield seen(
                work,
                f"{count(number, 'search')} spent {duration(work.middle(work.number('requery_s'), requeried))} "
                "on a second query for their output fields.",
                requeried,
            )
        if found.heavy:
            yield from self._answers(found.measured, work, found.fetching)
        for key, rows in found.told.items():
            yield stated(case, f"{key}.rows_returned", f"A request returns {rows:,} rows.", rows)

    def _answers(self, measured: Signals, work: Workload, fetching: Mask) -> Iterator[Evidence]:
        before = measured.answer_bytes_before
        yield measured.says(
            "sent_bytes",
            f"A query vector or a query gets {measured.answer_bytes / 1e3:,.0f} kB back on average"
            + (f", {before / 1e3:,.1f} kB before." if before == before else "."),
            measured.answer_bytes,
            self.large_answer_bytes,
        )
        if fetching.any():
            number = int(fetching.sum())
            yield seen(work, f"{count(number, 'slow request')} {do(number, 'ask')} for output fields.", fetching)


@dataclass(frozen=True, slots=True)
class _Found:
    """Which slow requests ask for much, and what else says that answers are large."""

    work: Workload
    measured: Signals
    top_k: np.ndarray  # of each slow request; NaN where it is not known
    large: Mask  # a large top-k
    requeried: Mask  # a second query for the output fields took long
    fetching: Mask  # those that can have had the large answers that the metrics show
    told: Mapping[str, int]  # requests of the context file that return many rows, by their place in it
    heavy: bool  # the metrics show large answers

    @property
    def culprits(self) -> Mask:
        """All of them where the context file says so: it does not tell them apart."""
        return np.ones(self.work.count, dtype=bool) if self.told else self.large | self.requeried | self.fetching


def _fetching(work: Workload) -> Mask:
    """Requests whose answers can be large: queries, whose limit is not logged, and searches that fetch vectors."""
    vectors = {"*", *work.values("anns_field")}
    with_vectors = [text for text in work.values("output_fields") if vectors.intersection(json.loads(text))]
    queries = work.is_any("kind", ["query"]) & work.is_known("output_fields")
    return np.asarray(
        (queries & ~work.is_any("output_fields", _NO_FIELDS)) | work.is_any("output_fields", with_vectors)
    )
