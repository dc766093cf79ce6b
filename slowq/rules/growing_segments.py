"""Searches slow down while I write, because new data is not indexed yet.

Symptom
    Searches become slower as rows are inserted or upserted and recover some time after the writing stops. Freshly
    written collections are slow, old ones fast. Many manual flushes, many partitions or a restored backup have the
    same effect for good.

Cause
    New rows lie in growing segments, which have at best an interim index (IVF_FLAT_CC); without it they are
    scanned. A minimal milvus.yaml that omits queryNode.segcore.interimIndex.enableIndex switches it off, as the
    code default is false, and queryNode.mmap.growingMmapEnabled prevents it (issue #41500). Sealed segments wait
    for the index build and for handoff, and those under 1024 rows are never indexed. Each segment is searched on
    its own, so hundreds of small ones cost more than a few large ones: flush after every insert, and restores with
    milvus-backup's v2 restore, leave many.

How we tell
    Before and after, or with and without writes: requests of the same pattern are slow while rows arrive (flush,
    seal and insert lines, `pattern.only_while_writing`, `observations.writes_per_s`) and fast after it, or slow only
    since rows came (`pattern.only_after: import`). Where all that is written are deletes, heavy_delete is asked. The context
    file's `segments` counts decide where given: growing ones, indexed fewer than sealed, many small ones for the
    number of rows. One collection that is written, against the rest that is only read, is the best contrast.

    Lines that help: `readable growing segment lost, consume from dml seems too slow` (2.3+), `search growing/sealed
    segments without indexes` (info in 2.2.6-2.2.16). The metrics are milvus_querynode_sq_segment_latency with
    segment_state Growing, and milvus_rootcoord_indexed_entity_num below milvus_rootcoord_entity_num; that searches
    take the longer the more growing rows milvus_querynode_entity_num counts supports it. Builds that wait
    (milvus_datacoord_index_task_count, from 2.5 milvus_datacoord_task_count) and many flushes that clients ask for
    (milvus_proxy_req_count with function_name Flush) say why. Without any sign of writing and without segment counts
    the rule answers skipped.

Not this when
    Index build tasks take the CPU while all data is already indexed (index_build). The wait is for tSafe rather
    than for the scan (consistency_wait). Deletes pile up (heavy_delete). The collection has no vector index at all
    (brute_force).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from slowq import settings, signals, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import Case, Context, EventFacts, Need, SegmentFacts
from slowq.findings import Clear, Evidence, Outcome, Remedy, Skipped
from slowq.heavy import heavy_requests
from slowq.measures import ratio
from slowq.rule import About, threshold
from slowq.signals import Signals
from slowq.snippets import COMPACT, search_with
from slowq.wording import count, do, percent
from slowq.workload import Workload, logged, stated

REMEDIES = (
    Remedy(
        key="batch_writes",
        do="Insert and upsert in batches of some hundred to thousand rows, and do not flush after each.",
        because=(
            "Milvus seals segments by size; each manual flush leaves a small one that must be merged and indexed again."
        ),
        cost="Rows become durable in sealed form a little later; they are visible all the same.",
        verify="milvus_querynode_segment_num of the collection stops growing faster than its rows.",
        snippet="""\
for start in range(0, len(rows), 1000):
    client.upsert(collection_name=$collection, data=rows[start : start + 1000])
""",
    ),
    Remedy(
        key="interim_index",
        do="Keep the interim index of growing segments on, and growing segments out of mmap.",
        because="Growing data is then searched through a small IVF index instead of being scanned.",
        cost="About 15 % more memory for growing data, and some CPU when it is built.",
        verify="milvus_querynode_sq_segment_latency with segment_state Growing falls.",
        snippet="""\
# milvus.yaml
queryNode:
  segcore:
    interimIndex:
      enableIndex: true
  mmap:
    growingMmapEnabled: false
""",
        since=(2, 3, 0),
    ),
    Remedy(
        key="ignore_growing",
        do="Let searches that can do without the newest rows skip growing segments.",
        because="Only sealed and indexed data is searched.",
        cost=(
            "Rows are missing until their segment is sealed and loaded, which can take minutes. Hybrid searches "
            "lose the option before 2.5.5 (PR #39900)."
        ),
        verify="The pattern's p95 while writing equals that of a quiet hour.",
        snippet=search_with('search_params={"ignore_growing": True, "params": {}}'),
        since=(2, 3, 0),
    ),
    Remedy(
        key="compact",
        do="Compact $collection once, off peak, to merge its small segments.",
        because="Fewer segments mean fewer searches, reduces and fallbacks to brute force for each request.",
        cost="CPU, disk and object storage traffic for the compaction and the index builds after it.",
        verify="Segments per million rows fall (utility.get_query_segment_info); so does the p95.",
        snippet=COMPACT,
        since=(2, 4, 0),
    ),
    Remedy(
        key="more_index_power",
        do="Give index building enough CPU that it keeps up with the writing.",
        because=(
            "Segments stay unindexed for as long as they queue for a build; in 2.6 the data nodes build, and "
            "two cores are too few (issue #43657)."
        ),
        cost="More or larger data nodes (index nodes before 2.6).",
        verify="milvus_rootcoord_indexed_entity_num follows milvus_rootcoord_entity_num closely.",
    ),
    Remedy(
        key="upgrade",
        do="Upgrade from $version to $fixed_in.",
        because=(
            "Known faults: indexed segments searched as growing (2.2.0, PR #21215), too many threads (before "
            "2.3.4, PR #29314), growing segments piling up (before 2.4.17, PR #37540), growing indexes that "
            "block inserts (before 2.5.9, PR #41013)."
        ),
        cost="An upgrade with its tests and a rolling restart.",
        verify="Growing segments and p95 under writing, before and after.",
        before=(2, 5, 9),
    ),
)

ABOUT = About(
    id="growing_segments",
    title="Searches slow down while I write, because new data is not indexed yet.",
    needs=(
        Need(
            what="how many segments are growing, small or not indexed",
            how_to_supply=(
                "Give --context: `collections: "
                "[{name: products, rows: 12000000, segments: {sealed: 40, growing: 30, indexed: 12, small: "
                "25}}]`."
            ),
        ),
        Need(
            what="whether the collection is written while it is slow",
            how_to_supply=(
                "Give logs of data and query nodes too, or --context: `observations: {writes_per_s: 2000}` and "
                "`pattern: {only_while_writing: true}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


@dataclass(frozen=True, slots=True)
class GrowingSegments:
    """Many growing, small or not yet indexed segments are scanned."""

    about: ClassVar[About] = ABOUT
    unindexed_share: float = threshold(
        0.2,
        "share of sealed segments, or of rows, without an index from which scanning them shows",
    )
    many_growing: int = threshold(
        8,
        "growing segments of a collection from which they are more than the one or two that each shard always has",
    )
    small_share: float = threshold(
        0.5,
        "share of small segments from which a collection counts as fragmented; small is below "
        "dataCoord.segment.smallProportion 0.5 of the maximum size",
    )
    many_small: int = threshold(
        8,
        "small segments from which they can be what is slow: a search takes one task for each segment, so that merging fewer "
        "saves less than what the cores of a node do at once",
    )
    many_rows: int = threshold(
        100_000,
        "rows without an index, besides their share, from which a scan of them shows: below it takes some tens of milliseconds",
    )
    growing_work_share: float = threshold(
        0.5,
        "share of the time on segments that growing ones take, from which they are most of the work",
    )
    hardly_any_work: float = threshold(
        0.1,
        "share of the time on segments, or of that and the wait for tSafe, below which growing ones cannot be what is slow",
    )
    grows_with: float = threshold(
        0.5,
        "rank correlation of growing rows and latency, which comes by chance one time in twenty over 12 steps, and less often "
        "over more",
    )
    flushes_per_s: float = threshold(
        0.1,
        "flushes a second that clients ask for, from which they leave many small segments: as many as Milvus allows of one "
        "collection (quotaAndLimits.flushRate.collection.max)",
    )

    def check(self, case: Case) -> Outcome:
        seen = _seen(case)
        bare = self._bare(seen.work, seen.measured)
        if not seen.judges and not bare:
            return Skipped(self.about.needs)
        counted = [*self._counted(case)]
        waits = _waits(seen.measured, seen.scanned, self.hardly_any_work)
        busy = bool(seen.scanned >= self.growing_work_share) and not waits
        if not counted and not seen.writing and not len(seen.unindexed) and not busy and not bare:
            return Clear("segments are few, large and indexed, and nothing is written")
        heavy, bare_growing = seen.work.share(heavy_requests(seen.work)), settings.no_interim_index(case)
        return fact(
            self.about,
            case,
            confidence=confidence(
                0.2,
                signs=[
                    (bool(len(seen.unindexed)), 0.45),
                    (bool(counted), 0.5),
                    (bool(bare), 0.45),
                    (bool(seen.only_while_writing), 0.35),
                    (len(seen.growing) >= 5, 0.15),
                    (seen.only_after_import, 0.45),
                    (bool(seen.imported and case.context.pattern.get("only_after")), 0.2),
                    (seen.writes_per_s > 0, 0.1),
                    (busy, 0.65),
                    (bool(bare_growing), 0.2),
                    (busy and bool(seen.dose >= self.grows_with), 0.15),
                ],
                against=[
                    (bool(seen.scanned < self.hardly_any_work) or waits, 0.6),
                    (seen.only_while_writing is False, 0.6),
                    (heavy > 0.5 and not busy, 0.5),
                    (seen.work.asks_few_rows(np.ones(seen.work.count, dtype=bool)), 0.6),
                ],
            ),
            summary="Rows that are newly written lie in segments without an index, and every search scans them.",
            evidence=[*counted, *bare, *self._evidence(case, seen), *bare_growing, *self._behind(seen.measured)],
        )

    def _bare(self, work: Workload, measured: Signals) -> list[Evidence]:
        """Rows that are stored and that no index covers yet, where they are many and a good part of all."""
        found = measured.unindexed(work.values("collection"))
        share = ratio(found.without, found.rows)
        if not (found.without >= self.many_rows and share >= self.unindexed_share):
            return []
        says = f"{found.without:,.0f} of {found.rows:,.0f} rows of {found.collection} have no vector index."
        return [measured.says("rows_indexed", says, share, self.unindexed_share)]

    def _counted(self, case: Case) -> Iterator[Evidence]:
        """What the context file's counts of segments, and of rows that wait for an index, say, where they are many."""
        for c, key, one in workload.vector_fields(case):
            pending = (one.index.pending_rows if one.index else None) or 0
            if pending and pending >= self.unindexed_share * (c.rows or pending):
                says = f"{pending:,} rows of {one.name or 'the vector field'} are not indexed yet."
                yield stated(case, f"{key}.index", says, pending, c.rows and self.unindexed_share * c.rows)
        for c in case.context.collections:
            if c.segments.indexed == 0 and not c.segments.sealed and (c.rows or 0) >= self.many_rows:
                says = f"No segment of {c.name or 'the collection'} is indexed."
                yield stated(case, f"{c.key}.segments", says, c.rows, self.many_rows)
            segments, sealed = c.segments, c.segments.sealed or 0
            unfinished = sealed - (segments.indexed if segments.indexed is not None else sealed)
            for number, limit, words in (
                (segments.growing or 0, float(self.many_growing), "growing"),
                (unfinished, max(self.unindexed_share * sealed, 1.0), "not indexed"),
                (segments.small or 0, max(self.small_share * sealed, float(self.many_small)), "small"),
            ):
                if number >= limit:
                    says = f"{count(number, 'segment')} of {c.name or 'the collection'} {do(number, 'are')} {words}."
                    yield stated(case, f"{c.key}.segments", says, number, limit)

    def _evidence(self, case: Case, seen: _Seen) -> Iterator[Evidence]:
        if seen.only_after_import:
            yield stated(case, "pattern.only_after", "Searches are slow only since data was written.")
        if seen.only_while_writing:
            yield stated(case, "pattern.only_while_writing", "Searches are slow only while data is written.")
        if seen.writes_per_s:
            says = f"{seen.writes_per_s:,.0f} rows are written each second."
            yield stated(case, "observations.writes_per_s", says, seen.writes_per_s)
        if number := len(seen.unindexed):
            says = f"{count(number, 'line')} {do(number, 'say')} that segments without an index were searched."
            yield logged(seen.unindexed, says, number)
        if number := len(seen.growing):
            says = (
                f"{count(number, 'line')} of the same time {do(number, 'show')} rows being written or growing segments."
            )
            yield logged(seen.growing, says, number)
        for event in seen.imported:
            yield stated(case, f"{event.key}.what", "Data was imported.")
        if seen.scanned >= self.growing_work_share:
            says = f"Growing segments take {percent(seen.scanned)} of the time that is spent on segments."
            yield seen.measured.says("segment", says, seen.scanned, self.growing_work_share)
        if seen.dose >= self.grows_with:
            says = f"The more growing rows there are, the longer searches take (rank correlation {seen.dose:.2f})."
            yield seen.measured.says("rows", says, seen.dose, self.grows_with)

    def _behind(self, measured: Signals) -> Iterator[Evidence]:
        """Why the rows that are written have no index yet: it waits to be built, or they lie in small segments."""
        if (waiting := measured.mean("builds_waiting")) >= 1:
            yield measured.says("builds_waiting", f"On average {waiting:,.0f} index builds wait to begin.", waiting)
        if (asked := measured.rate("flushes")) >= self.flushes_per_s:
            says = f"Clients ask for {asked:.1f} flushes a second, and each ends a segment however small."
            yield measured.says("flushes", says, asked, self.flushes_per_s)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a case shows of writing, and of what is written."""

    work: Workload
    measured: Signals
    unindexed: pd.DataFrame  # lines that segments without an index were searched
    growing: pd.DataFrame  # lines of rows being written, and of growing segments
    imported: Sequence[EventFacts]
    has_counts: bool  # the context file counts segments, or rows that wait for an index
    only_while_writing: bool | None
    only_after_import: bool
    writes_per_s: float
    scanned: float  # share of the time on segments that growing ones take; NaN where it is not measured
    dose: float  # how far searches take the longer the more growing rows there are; NaN where that is not measured

    @property
    def writing(self) -> bool:
        return bool(self.only_while_writing or self.only_after_import or self.writes_per_s or len(self.growing))

    @property
    def judges(self) -> bool:
        """Whether anything speaks of it, for or against."""
        told = self.has_counts or self.only_while_writing is not None
        return told or self.writing or bool(len(self.unindexed)) or not np.isnan(self.scanned)


def _seen(case: Case) -> _Seen:
    context, measured = case.context, signals.of(case)
    return _Seen(
        workload.of(case),
        measured,
        workload.events_of(case, "no_index_search"),
        workload.events_of(case, "growing_redundant", "insert", "flush"),
        [event for event in context.events if event.what == "import"],
        any(c.segments != SegmentFacts() for c in context.collections)
        or any(
            one.index is not None and one.index.pending_rows is not None for _, _, one in workload.vector_fields(case)
        ),
        None if _only_deletes(context) else context.pattern.get("only_while_writing"),
        context.pattern.get("only_after") == "import",
        context.observations.get("writes_per_s") or 0.0,
        measured.growing_share,
        measured.dose("rows", state="Growing"),
    )


def _only_deletes(context: Context) -> bool:
    """Whether deletes are the only writing that the context file tells of."""
    happened, told = {event.what for event in context.events}, context.observations
    return ("delete" in happened or bool(told.get("deletes_per_s"))) and not (
        "import" in happened or told.get("writes_per_s")
    )


def _waits(measured: Signals, scanned: float, hardly_any: float) -> bool:
    """Whether searches wait for tSafe, beside which the time on growing segments is hardly any. Writing causes both."""
    waited = measured.phase("wait_tsafe")
    on_segments = np.nansum([measured.phase("scalar_filter"), measured.phase("vector_search")])
    return bool(waited > 0 and scanned * on_segments < hardly_any * (waited + on_segments) and waited > on_segments)
