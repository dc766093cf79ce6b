"""Only the first searches after a restart or a load are slow.

Symptom
    After a restart, an upgrade, a failover, a load or a scale-out the first searches take seconds or minutes; the
    same search soon takes milliseconds. It comes back after the next restart, or after a night without traffic.

Cause
    What a search needs is not in memory yet: mapped index pages, the chunk cache of raw vectors, or data that
    tiered storage (2.6) fetches from object storage on first use. Warm-up is there for it, and off by default in
    part: queryNode.cache.warmup is `async` in 2.3.10-2.4.4, `disable` from 2.4.5 to 2.5, and 2.6 has
    queryNode.segcore.tieredStorage.warmup.* with vectorField `disable`. Idle pages are evicted by the kernel, and
    by tiered storage if eviction is on.

How we tell
    Before and after an event: a start or a load (in the log, in `events` of the context file, or a query node whose
    process_start_time_seconds changed) is followed by slow requests, and soon no longer, although searches go on:
    nine tenths of the slow seconds lie within the first third of the time in which was searched before the next
    load. That searches go on is known from the metrics, or from requests that are logged and fast, as in an access
    log. It weighs more where it was so after several loads, where the mean latency of the metrics fell (where they
    show none that fell, the rule answers clear), and where the context file says that the index is mapped or on
    disk. `pattern.only_first_searches` in the context file says it outright, of a start or a load that is told beside
    it; without one the first searches of a client are slow for reasons of its own as well.

    What searches fetch is measured by internal_cache_cell_access_miss_bytes_total or milvus_proxy_scanned_remote_mb
    with tiered storage, and by milvus_querynode_disk_cache_load_total before: ten times as much as before the slow
    time is a sign, also without a load. What it costs is told by internal_cache_load_latency_microseconds and
    milvus_querynode_segment_access_wait_cache_duration. What the cache drops meanwhile is told too: where it is as
    much as is fetched, the cache is too small for what is searched. With neither a load or start nor that, or with
    nothing that tells of later searches, the rule answers skipped.

Not this when
    Slowness stays for as long as the load does (disk_bound_index, memory_pressure). Searches are slow during the
    load rather than after it (segment_load). The new version is slow for good (version_regression).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import ClassVar

import numpy as np
import pandas as pd

from slowq import caching, settings, signals, workload
from slowq.blame import fact
from slowq.confidence import confidence
from slowq.facts import Case, EventFacts, Need
from slowq.findings import Clear, Evidence, Finding, Outcome, Remedy, Skipped
from slowq.measures import Mask
from slowq.moments import iso_moment
from slowq.rule import About, threshold
from slowq.rules.disk_bound_index import on_disk
from slowq.wording import count, do, percent
from slowq.workload import logged, seen, stated

REMEDIES = (
    Remedy(
        key="warm_up_requests",
        do="Send typical searches to $collection after a restart or load before you let users in.",
        because="They read in the pages that real requests need, vectors in the output included.",
        cost="Some minutes until a node is ready; a short script beside the deployment.",
        verify="The first user requests after the next restart are not in the slow log.",
        snippet="""\
for vector in sample_vectors:
    client.search(
        collection_name=$collection,
        data=[vector],
        anns_field=$vector_field,
        limit=$top_k,
        consistency_level="Eventually",
    )
""",
    ),
    Remedy(
        key="warmup_collection",
        do="Preload indexes and fields of $collection when it is loaded.",
        because="With `sync` a segment becomes searchable only when its data is in the cache.",
        cost=(
            "Longer loads, and memory or local disk for all that is preloaded; set vectorField only if vectors "
            "are in the output."
        ),
        verify="internal_cache_cell_access_miss_bytes_total hardly rises after a load.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.alter_collection_properties(
    collection_name=$collection,
    properties={"warmup.vectorIndex": "sync", "warmup.scalarIndex": "sync", "warmup.scalarField": "sync"},
)
client.load_collection(collection_name=$collection)
""",
        since=(2, 6, 11),
    ),
    Remedy(
        key="warmup_26",
        do="Preload at segment load for the whole cluster.",
        because=(
            "With `sync` a segment becomes searchable only when its data is in the cache; raw vectors are off "
            "by default."
        ),
        cost="Longer loads and more memory or local disk, for every collection.",
        verify="Requests after the next load are as fast as later ones.",
        snippet="""\
# milvus.yaml
queryNode:
  segcore:
    tieredStorage:
      warmup:
        vectorIndex: sync
        scalarIndex: sync
        scalarField: sync
        vectorField: sync
""",
        since=(2, 6, 0),
    ),
    Remedy(
        key="warmup_25",
        do="Let the query node warm its chunk cache at load.",
        because=(
            "Raw vectors are then read in the background before a search asks for them (off by default from 2.4.5)."
        ),
        cost=(
            "Reading and page cache for all raw vectors at each load; 2.4.5 fixed a lock that made it jerky (PR "
            "#33687)."
        ),
        verify="The first searches with vector output after a load take as long as later ones.",
        snippet="""\
# milvus.yaml
queryNode:
  cache:
    warmup: async
""",
        since=(2, 3, 10),
        before=(2, 6, 0),
    ),
    Remedy(
        key="no_mmap_for_hot",
        do="Keep the index of hot collections out of mmap.",
        because="An index in memory is complete when the load ends.",
        cost="Memory for the whole index on every replica; the collection is released for the change.",
        verify="Disk reads stop when the load ends.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.alter_index_properties(
    collection_name=$collection,
    index_name=$vector_field,  # list_indexes() shows the name
    properties={"mmap.enabled": False},
)
client.load_collection(collection_name=$collection)
""",
        since=(2, 4, 0),
    ),
    Remedy(
        key="replica",
        do="Load $collection with two replicas and restart one node at a time.",
        because="Warm nodes go on serving while a cold one fills its cache.",
        cost="Twice the memory.",
        verify="No slow requests during a rolling restart.",
        snippet="""\
client.release_collection(collection_name=$collection)
client.load_collection(collection_name=$collection, replica_number=2)
""",
    ),
)

ABOUT = About(
    id="cold_cache",
    title="Only the first searches after a restart or a load are slow.",
    needs=(
        Need(
            what="when nodes were restarted or collections loaded",
            how_to_supply=(
                "Give logs that cover the start, --metrics with process_start_time_seconds, or --context: `events: [{at: "
                "2025-08-23T19:20:00Z, what: restart, subject: querynode-1}]`."
            ),
        ),
        Need(
            what="whether only the first searches are slow",
            how_to_supply=(
                "Give --metrics with milvus_proxy_sq_latency, or the access log, which show whether later searches are fast, "
                "or --context: `pattern: {only_first_searches: true, only_after: restart}`."
            ),
        ),
    ),
    remedies=REMEDIES,
)


# First searches are slow for clients too, that connect and warm up themselves: of three public reports that said no more,
# one was of a cold cache.
_FIRST_ONLY = 0.4
# What the context file calls what leaves the caches empty.
_EMPTIES = ("restart", "load")
_SUMMARY = "The first searches after a restart or a load fetch the index and the vectors from disk or object storage."


@dataclass(frozen=True, slots=True)
class ColdCache:
    """The first searches after a restart or a load page the index in."""

    about: ClassVar[About] = ABOUT
    slow_share: float = threshold(
        0.9,
        "share of the slow seconds after a load that must lie at its beginning",
    )
    soon: float = threshold(
        0.34,
        "share of the time of searches after a load that counts as its beginning: where requests are slow for no reason "
        "of the load, nine tenths of the slow seconds spread over nine tenths of that time",
    )
    falls: float = threshold(
        1.5,
        "times as long as later that searches take at the beginning, from which it is no noise",
    )

    fetches_more: float = threshold(
        10.0,
        "times as much as before the slow time that searches fetch into the cache, from which it is no noise",
    )
    fetched_bytes_per_s: float = threshold(
        10e6,
        "bytes a second that searches fetch, from which they wait for it: a tenth of what a network disk gives",
    )
    fetched_segments_per_s: float = threshold(
        0.1,
        "segments a second that are loaded because a search asks for them, from which searches wait for it: a load takes "
        "seconds",
    )

    def check(self, case: Case) -> Outcome:
        first_only = case.context.pattern.get("only_first_searches")
        if first_only is None:
            return self._observed(case)
        if not first_only:
            return Clear("later searches are as slow as the first ones")
        after = case.context.pattern.get("only_after")
        loads = _told(case)
        evidence = [stated(case, "pattern.only_first_searches", "Only the first searches are slow.")]
        evidence += [stated(case, f"{event.key}.what", f"Before them there was a {event.what}.") for event in loads]
        cold, mapped = settings.no_warm_up(case), [stated(case, key, says) for _, key, says in on_disk(case)]
        signs = [(bool(loads) or after in _EMPTIES, 0.67), (bool(mapped), 0.3), (bool(cold), 0.15)]
        return self._found(case, [*evidence, *mapped, *cold], confidence(_FIRST_ONLY, signs=signs))

    def _observed(self, case: Case) -> Outcome:
        """What log and metrics show of it."""
        work, loads, searches = workload.of(case), _loads(case), _searches(case)
        fetched = caching.fetched(
            signals.of(case), (self.fetched_bytes_per_s, self.fetched_segments_per_s), self.fetches_more
        )
        if not work.window_s or not len(loads.ends_s) or not len(searches[0]):
            known = (len(loads.ends_s), len(searches[0]))
            missing = [need for need, there in zip(self.about.needs, known, strict=True) if not there]
            return self._fetching(case, fetched) if fetched else Skipped(tuple(missing) or self.about.needs)
        turns = _turns(loads.ends_s, *searches)
        early = turns.early(work.started_s, self.soon)
        share = work.share(early)
        if share < self.slow_share:
            because = f"{percent(1 - share)} of the slow time is no first search after a load"
            return self._fetching(case, fetched) if fetched else Clear(because)
        number = len(np.unique(turns.of(work.started_s[early])))
        fell = _fell(case, turns, self.soon)
        if fell < self.falls:
            return Clear("searches take hardly longer after a load than later")
        mapped, cold = [stated(case, key, says) for _, key, says in on_disk(case)], settings.no_warm_up(case)
        evidence = [
            *loads.evidence(case, number),
            seen(
                work,
                f"{percent(share)} of the slow time lies in the first third of the time of searches after a load.",
                early,
                share,
                self.slow_share,
            ),
        ]
        if fell >= self.falls:
            says = f"Searches took {fell:.1f} times as long there as later."
            evidence.append(signals.of(case).says("search_latency", says, fell, self.falls))
        signs = [
            (number >= 2, 0.3),
            (bool(fell >= self.falls), 0.35),
            (bool(mapped), 0.3),
            (bool(fetched), 0.3),
            (bool(cold), 0.15),
        ]
        return self._found(case, [*evidence, *fetched, *mapped, *cold], confidence(0.3, signs=signs), early)

    def _fetching(self, case: Case, fetched: list[Evidence]) -> Finding:
        """Without a load that is known: what is idle for long is evicted, and fetched again."""
        mapped = [stated(case, key, says) for _, key, says in on_disk(case)]
        score = confidence(0.3, signs=[(bool(fetched), 0.3), (bool(mapped), 0.3)])
        summary = "Searches fetch far more of index and vectors from disk or object storage than before."
        return self._found(case, [*fetched, *mapped], score, summary=summary)

    def _found(
        self, case: Case, evidence: list[Evidence], score: float, affected: Mask | None = None, summary: str = _SUMMARY
    ) -> Finding:
        return fact(self.about, case, confidence=score, summary=summary, evidence=evidence, affected=affected)


# The searches after a load last until so many of them have come: a single one hours later is not the same traffic.
_MOST = 0.9


@dataclass(frozen=True, eq=False)
class _Turns:
    """The times of searches between one load and the next. `ends_s`: when loads ended, sorted; `first_s`, `until_s`: when
    the first search after each began, and when nine tenths of them had come; NaN where none did. All shape (n,)."""

    ends_s: np.ndarray
    first_s: np.ndarray
    until_s: np.ndarray

    def of(self, moments_s: np.ndarray) -> np.ndarray:
        """Which load was the last before each moment; -1 for none."""
        return np.asarray(np.searchsorted(self.ends_s, moments_s, "right") - 1)

    def early(self, moments_s: np.ndarray, share: float) -> Mask:
        """Which moments lie in the first part of the searches after a load."""
        turn = self.of(moments_s)
        first, until = self.first_s[turn], self.until_s[turn]
        return np.asarray((turn >= 0) & (moments_s - first <= share * (until - first)))


@dataclass(frozen=True, eq=False)
class _Loads:
    """What left the caches empty: when (sorted), and who says so."""

    ends_s: np.ndarray
    lines: pd.DataFrame
    told: list[EventFacts]
    has_started: bool  # by the metrics

    def evidence(self, case: Case, number: int) -> Iterator[Evidence]:
        if len(self.lines):
            yield logged(self.lines, f"{count(number, 'load')} {do(number, 'have')} ended before slow requests.")
        for event in self.told:
            yield stated(case, f"{event.key}.what", f"There was a {event.what} at {event.at}.")
        if self.has_started:
            yield signals.of(case).says("started", "A query node was started in the time of the metrics.")


def _loads(case: Case) -> _Loads:
    """Of what the log does not show only what lies in the time from which on searches are known: after one before that,
    nobody knows which were the first."""
    is_load = case.events["what"].isin(["load", "segment_load", "restart"]) & (case.events["state"] != "start")
    lines = case.events[is_load]
    logged_s, since_s = workload.unix_s(lines["at"]), _known_since_s(case)
    told = [(_event_s(event), event) for event in _told(case)]
    told = [(at, event) for at, event in told if at >= since_s]
    starts = signals.of(case).starts_s
    starts = starts[starts >= since_s]
    ends = np.concatenate([logged_s[~np.isnan(logged_s)], [at for at, _ in told], starts])
    return _Loads(np.unique(ends), lines, [event for _, event in told], len(starts) > 0)


def _told(case: Case) -> list[EventFacts]:
    """What the context file says that left the caches of Milvus empty; what it depends on has none of them."""
    return [event for event in case.context.events if event.what in _EMPTIES and event.dependency is None]


def _event_s(event: EventFacts) -> float:
    """When it was, in Unix seconds, in UTC where no zone is given; NaN where that is not said, or only the day."""
    moment = iso_moment(event.at) if event.at and "T" in event.at else None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() if moment else float("nan")


def _known_since_s(case: Case) -> float:
    """From when on the metrics, or else the log, tell of searches; infinite where nothing does."""
    if case.metrics is not None:
        return float(case.metrics.times[0])
    moments = np.concatenate([workload.unix_s(case.requests["started"]), workload.unix_s(case.events["at"])])
    return float(np.fmin.reduce(moments, initial=np.inf))


def _turns(ends: np.ndarray, began: np.ndarray, ended: np.ndarray, weight: np.ndarray) -> _Turns:
    turn = np.searchsorted(ends, began, "right") - 1
    each = pd.DataFrame({"turn": turn, "began": began, "ended": ended, "weight": weight})[turn >= 0].sort_values(
        "ended"
    )
    groups = each.groupby("turn")
    come = groups["weight"].cumsum() / groups["weight"].transform("sum")
    numbers = np.arange(len(ends))
    first = groups["began"].min().reindex(numbers)
    until = each[come >= _MOST].groupby("turn")["ended"].min().reindex(numbers)
    return _Turns(ends, first.to_numpy(dtype="float64"), until.to_numpy(dtype="float64"))


def _searches(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Starts and ends of searches and how many they are: by the step of the metrics, else those of the log, if it holds
    fast ones too."""
    track = signals.of(case).track("search_latency")
    if case.metrics is not None and track is not None and track.count is not None:
        there = np.nan_to_num(track.count) > 0
        times = case.metrics.times[there]
        return times - track.step_s, times, track.count[there]
    requests = case.requests
    if requests["slow"].all():
        return np.zeros(0), np.zeros(0), np.zeros(0)
    began, ended = workload.unix_s(requests["started"]), workload.unix_s(requests["at"])
    known = ~(np.isnan(began) | np.isnan(ended))
    return began[known], ended[known], np.ones(int(known.sum()))


def _fell(case: Case, turns: _Turns, share: float) -> float:
    """How many times as long searches took at the beginning as later, by the metrics; NaN where they do not tell."""
    track = signals.of(case).track("search_latency")
    if case.metrics is None or track is None:
        return float("nan")
    middle_s = case.metrics.times - track.step_s / 2
    early = turns.early(middle_s, share)
    later_s = track.mean(~early & (turns.of(middle_s) >= 0))
    return track.mean(early) / later_s if later_s > 0 else float("nan")
