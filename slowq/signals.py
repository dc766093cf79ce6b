"""What the metrics say of an incident, as the rules ask it: the window against the time before it, and within it the
moments at which something ran against those at which it did not.

Every answer is NaN, or no evidence, where the metric is missing. Evidence cites the metric and the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from slowq import phases
from slowq.facts import SLOW_S, WORTH_A_LOOK_S, Case
from slowq.findings import Evidence, MetricCite
from slowq.measures import Mask, Metrics, Track, rank_correlation, ratio

# A contrast needs this many steps with searches on either side.
_ENOUGH_STEPS = 3
# With so many steps a rank correlation of 0.5 comes by chance one time in twenty (Student's t, one-sided: r = 0.497 for 12).
_ENOUGH_TO_RANK = 12
# Rows without an index from which a scan shows; the threshold of the rule brute_force.
_MANY_ROWS = 100_000
# Where no limit is set, cgroups hold the largest number of pages that there can be, 2^63 bytes.
_NO_LIMIT_BYTES = 2.0**60


@dataclass(frozen=True, slots=True)
class Unindexed:
    """A collection's rows: all that are stored, those without a vector index, and of these those that surely are sealed.

    NaN where the metrics do not tell.
    """

    collection: str
    rows: float
    without: float
    sealed: float


@dataclass(frozen=True, slots=True)
class Outlier:
    """The node with the highest value of something, and what is usual for the others: the median of theirs."""

    node: str
    value: float
    others: float

    @property
    def times(self) -> float:
        return ratio(self.value, self.others)


class Signals:
    """The metrics of one case; falsy where there are none of searches in the window."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._metrics = case.metrics

    def __bool__(self) -> bool:
        return self.observations("search_latency") > 0

    @property
    def slow(self) -> bool:
        """Whether searches are slow at the proxy: over the guide's 100 ms on average, or over 1 s at the p99."""
        p99 = self.quantile("search_latency", 0.99)
        return bool(self.mean("search_latency") >= WORTH_A_LOOK_S or p99 >= SLOW_S)

    # ----------------------------------------------------------------------------------------------------------------
    # One quantity.

    def track(self, name: str, **part: str) -> Track | None:
        track = self._metrics.track(name) if self._metrics else None
        for label, value in part.items():
            track = track.part(label, value) if track else None
        return track

    def mean(self, name: str, **part: str) -> float:
        track = self.track(name, **part)
        return track.mean(self._window) if track else float("nan")

    def before(self, name: str, **part: str) -> float:
        track = self.track(name, **part)
        return track.mean(self._known.before) if track else float("nan")

    def total(self, name: str, **part: str) -> float:
        track = self.track(name, **part)
        return track.total(self._window) if track else float("nan")

    def rate(self, name: str, **part: str) -> float:
        track = self.track(name, **part)
        return track.rate(self._window) if track else float("nan")

    def highest(self, name: str, **part: str) -> float:
        track = self.track(name, **part)
        return track.highest(self._window) if track else float("nan")

    def observations(self, name: str, **part: str) -> float:
        track = self.track(name, **part)
        return track.observations(self._window) if track else float("nan")

    def quantile(self, name: str, q: float) -> float:
        track = self.track(name)
        return track.quantile(q, self._window) if track else float("nan")

    @property
    def query_nodes(self) -> frozenset[str]:
        """What the metrics call the processes that search segments."""
        core = self.track("core")
        return frozenset(core.parts.get("node", {})) if core else frozenset()

    @property
    def starts_s(self) -> np.ndarray:
        """When query nodes were started, in Unix seconds. Others have such a metric too, the Prometheus itself among them."""
        started = self.track("started")
        nodes = started.parts.get("node", {}) if started else {}
        found = np.concatenate([[np.nan], *(one.value for name, one in nodes.items() if name in self.query_nodes)])
        return np.unique(found[~np.isnan(found)])

    def highest_of_nodes(self, name: str) -> float:
        """The mean of the query node that has most of it."""
        return float(np.fmax.reduce([self.mean(name, node=one) for one in self.query_nodes], initial=np.nan))

    def outlier(self, name: str) -> Outlier | None:
        """Of the nodes that hold sealed segments the one with the highest mean; None where there are not two to compare.

        From 2.6 on streaming nodes search as well, growing segments alone: they do other work, and are told by their WAL.
        """
        wal = self.track("wal")
        nodes = self.query_nodes - (wal.parts.get("node", {}).keys() if wal else set())
        means = {node: self.mean(name, node=node) for node in sorted(nodes)}
        known = {node: value for node, value in means.items() if not np.isnan(value)}
        highest = max(known, key=known.__getitem__, default="")
        others = [value for node, value in known.items() if node != highest]
        return Outlier(highest, known[highest], float(np.median(others))) if others else None

    @property
    def clock_offset_s(self) -> float:
        """How far the clock of the host that is furthest off differs from its time server's, whichever way."""
        clocks = self.track("clock_offset")
        hosts = clocks.parts.get("node", {}) if clocks else {}
        return float(np.fmax.reduce([abs(self.mean("clock_offset", node=one)) for one in hosts], initial=np.nan))

    @property
    def memory_share(self) -> float:
        """What the fullest query node uses of its memory limit; of all containers together where nodes are not told apart.

        A limit of zero, or of more than any machine has, is none.
        """
        shares = [
            _of_limit(self.mean("working_set", node=one), self.mean("memory_limit", node=one))
            for one in self.query_nodes
        ]
        fullest = float(np.fmax.reduce(shares, initial=np.nan))
        return _of_limit(self.mean("working_set"), self.mean("memory_limit")) if np.isnan(fullest) else fullest

    @property
    def throttled_share(self) -> float:
        """The share of the CPU periods in which a container limit held its process back."""
        return ratio(self.rate("throttled"), self.rate("periods"))

    @property
    def busiest_disk(self) -> float:
        """The share of the time in which the busiest disk was busy."""
        return float(np.fmax.reduce([*self._disks.values()], initial=np.nan))

    @property
    def busiest_disk_reads(self) -> float:
        """Bytes a second that are read from the busiest disk."""
        disks = self._disks
        busiest = max(disks, key=lambda name: np.nan_to_num(disks[name]), default="")
        return self.rate("disk_read", disk=busiest)

    @property
    def _disks(self) -> dict[str, float]:
        """The share of the time in which each disk was busy."""
        disks = self.track("disk_busy")
        return {name: self.mean("disk_busy", disk=name) for name in (disks.parts.get("disk", {}) if disks else {})}

    # ----------------------------------------------------------------------------------------------------------------
    # What a search costs, and where its time goes.

    def phase(self, name: str) -> float:
        """The share of a search's latency that a phase takes."""
        return phases.share(self._case, name)

    @property
    def work_s(self) -> float:
        """Seconds that segcore works for one search, on all its segments together."""
        return ratio(self.total("core"), self.observations("search_latency"))

    @property
    def segments_a_search(self) -> float:
        """How many segments a search visits, on average: in each shard, and once for all searches that Milvus merged.

        Where a version does not tell how searches are merged, it is as if none were, in all shards together.
        """
        merged = self.observations("group_size")
        return ratio(self.observations("core"), merged if merged > 0 else self.observations("search_latency"))

    @property
    def rows_a_segment(self) -> float:
        """How many rows a loaded segment holds, on average, in the collection that has the most of them."""
        segments, rows = self.track("segments"), self.track("rows")
        if segments is None or rows is None:
            return float("nan")
        number = {name: _zero(one.mean(self._window)) for name, one in segments.parts.get("collection", {}).items()}
        most = max(number, key=number.__getitem__, default="")
        # One of the two metrics may name collections, and the other number them.
        of_one = rows.part("collection", most)
        if of_one:
            return ratio(of_one.mean(self._window), number[most])
        return ratio(self.mean("rows"), self.mean("segments"))

    @property
    def vector_work_s(self) -> float:
        """The same for one query vector."""
        return ratio(self.total("core"), self.total("nq"))

    @property
    def vector_work_before_s(self) -> float:
        core, nq = self.track("core"), self.track("nq")
        if core is None or nq is None:
            return float("nan")
        before = self._known.before
        return ratio(core.total(before), nq.total(before))

    @property
    def filter_share(self) -> float:
        """The share of segcore's work that filters take; NaN where it cannot be told from a scan of vectors."""
        vector, scalar = self.phase("vector_search"), self.phase("scalar_filter")
        return ratio(scalar, vector + scalar)

    @property
    def growing_share(self) -> float:
        """The share of the work on segments that growing ones take."""
        return phases.growing_share(self._known, self._window) if self._metrics else float("nan")

    @property
    def scanned_share(self) -> float:
        """The share of the searched sealed segments for which Knowhere was not asked: no index, or no row left over."""
        sealed = self.observations("core") * (1 - _zero(self._growing_calls))
        indexed = _zero(self.observations("index_search")) + _zero(self.observations("index_range_search"))
        return float(np.clip(1 - indexed / sealed, 0.0, 1.0)) if sealed > 0 else float("nan")

    @property
    def brute_share(self) -> float:
        """The share of the searched sealed segments that were scanned for want of an index.

        NaN where filters may have left no row to search, which looks the same: unless no index was asked at all, and
        many rows are loaded without one.
        """
        if self.filter_share == 0:
            return self.scanned_share
        without = float(np.fmax(self.mean("rows_without_index"), self.unindexed().sealed))
        if self.scanned_share == 1 and without >= _MANY_ROWS:
            return 1.0
        return float("nan")

    def unindexed(self, of: Sequence[str] = ()) -> Unindexed:
        """Of these collections (of all, where none is named) that which has most rows without a vector index, as Milvus counts
        them from 2.3.13 on."""
        stored, indexed = self.track("rows_stored"), self.track("rows_indexed")
        found = [Unindexed("", np.nan, np.nan, np.nan)]
        if stored is not None and indexed is not None:
            growing = _zero(self.mean("rows", state="Growing"))
            # One without any count of indexed rows may have none that is loaded: Milvus does not load it without an index.
            names = stored.parts.get("collection", {}).keys() & indexed.parts.get("collection", {}).keys()
            for name in (one for one in names if not of or one.split(" ")[-1] in of):
                rows = self.mean("rows_stored", collection=name)
                without = rows - self.mean("rows_indexed", collection=name)
                found.append(Unindexed(name.split(" ")[-1], rows, max(without, 0.0), max(without - growing, 0.0)))
        return max(found, key=lambda one: -1.0 if np.isnan(one.rows) else one.without)

    @property
    def outside_index_share(self) -> float:
        """The share of segcore's work on sealed segments that is not Knowhere's search of an index: filters, or scans."""
        if self.track("index_search") is None:
            return float("nan")
        sealed = self.total("core") * (1 - _zero(self.growing_share))
        indexed = _zero(self.total("index_search")) + _zero(self.total("index_range_search"))
        return float(np.clip(1 - indexed / sealed, 0.0, 1.0)) if sealed > 0 else float("nan")

    @property
    def at_once(self) -> float:
        """How many searches ran at the same time, on average (Little's law)."""
        return self.mean("search_latency") * self.rate("search_latency")

    @property
    def stretch(self) -> float:
        """How many times the work that a query vector took before the window it takes within."""
        return ratio(self.vector_work_s, self.vector_work_before_s)

    @property
    def answer_bytes(self) -> float:
        """The mean size of what a query vector, or a query, gets back."""
        return self._answer_bytes(self._metrics.during) if self._metrics else float("nan")

    @property
    def answer_bytes_before(self) -> float:
        return self._answer_bytes(self._metrics.before) if self._metrics else float("nan")

    def _answer_bytes(self, when: Mask) -> float:
        sent, vectors, queries = (self.track(name) for name in ("sent_bytes", "nq", "query_latency"))
        if sent is None or vectors is None:
            return float("nan")
        answered = _zero(vectors.total(when)) + (_zero(queries.observations(when)) if queries else 0.0)
        return ratio(sent.total(when), answered)

    @property
    def _growing_calls(self) -> float:
        every, growing = self.observations("segment"), self.observations("segment", state="Growing")
        return ratio(growing, every)

    def large_share(self, name: str, least: float) -> float:
        """Of a quantity counted in a histogram (nq, top-k) the share of requests that have at least so much."""
        counts, bounds = self._sizes(name)
        return float(counts[bounds > least].sum() / counts.sum()) if counts.sum() > 0 else float("nan")

    def in_large_share(self, name: str, least: float) -> float:
        """Of all that a histogram of sizes adds up to (the query vectors of all searches) what surely lies in sizes of at least
        so much; a bucket that may hold smaller ones counts as full of the smaller."""
        (counts, bounds), total = self._sizes(name), self.total(name)
        small = np.concatenate(([0.0], bounds[:-1]))[: len(bounds)] < least
        if not len(bounds) or not total > 0 or not np.isfinite(bounds[small]).all():
            return float("nan")
        return float(np.clip(1 - (counts[small] * bounds[small]).sum() / total, 0.0, 1.0))

    def _sizes(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """How many observations of the window lie in each bucket of a histogram, and the bounds; none where it has none."""
        track = self.track(name)
        if track is None or track.buckets is None or track.bounds is None:
            return np.zeros(0), np.zeros(0)
        return np.nansum(track.buckets[self._window], axis=0), track.bounds

    # ----------------------------------------------------------------------------------------------------------------
    # Time.

    def active_share(self, name: str) -> float:
        """The share of the window in which something ran: a gauge above zero, or work that a histogram measured."""
        active = self._active(name)
        return float(active[self._window].mean()) if active is not None and self._window.any() else float("nan")

    def times_as_slow(self, name: str) -> float:
        """Mean search latency while something ran, over that while it did not; NaN where there is no such contrast."""
        active, latency = self._active(name), self.track("search_latency")
        if active is None or latency is None or latency.count is None:
            return float("nan")
        searched = np.nan_to_num(latency.count) > 0
        if min(np.count_nonzero(searched & active), np.count_nonzero(searched & ~active)) < _ENOUGH_STEPS:
            return float("nan")
        return ratio(latency.mean(searched & active), latency.mean(searched & ~active))

    def dose(self, name: str, **part: str) -> float:
        """How far searches take the longer the more there is of something: the rank correlation of the two over the time up to
        the end of the window; NaN where there are too few steps.

        CPU, memory and queue grow with the latency whatever the cause: of 60 recordings one of them does in nearly every one.
        It says something of what is searched, such as growing rows, which do in no recording of another cause.
        """
        track, latency = self.track(name, **part), self.track("search_latency")
        if track is None or latency is None or latency.count is None:
            return float("nan")
        known = self._known
        steps = (known.times <= known.window[1] + known.step_s) & (np.nan_to_num(latency.count) > 0)
        if np.count_nonzero(steps) < _ENOUGH_TO_RANK:
            return float("nan")
        return rank_correlation(track.over_time()[steps], latency.over_time()[steps])

    def spans(self, least: float, *names: str) -> tuple[np.ndarray, np.ndarray]:
        """Starts and ends (Unix seconds) of the steps in which these counters together rise by so much a second."""
        rates = [track.over_time() for name in names if (track := self.track(name))]
        if not rates:
            return np.zeros(0), np.zeros(0)
        ends = self._known.times[np.nansum(rates, axis=0) >= least]
        return ends - self._known.step_s, ends

    def starts_of(self, name: str) -> np.ndarray:
        """The moments (Unix seconds) at which something began to run, before the window or within."""
        active = self._active(name)
        if active is None:
            return np.zeros(0)
        return np.asarray(self._known.times[1:][active[1:] & ~active[:-1]] - self._known.step_s)

    def _active(self, name: str) -> Mask | None:
        """The steps in which it ran. What a histogram measures ran for as long as it took, before it was observed."""
        track = self.track(name)
        if track is None:
            return None
        if track.count is None:
            return np.asarray(np.nan_to_num(track.value) > 0)
        active = np.zeros(len(track.value), dtype=bool)
        took_s = track.over_time()
        for at in np.flatnonzero(np.nan_to_num(track.count) > 0):
            active[max(0, at - int(np.ceil(took_s[at] / track.step_s))) : at + 1] = True
        return active

    # ----------------------------------------------------------------------------------------------------------------
    # Evidence.

    def says(self, name: str, text: str, value: float | None = None, threshold: float | None = None) -> Evidence:
        """Evidence that the metric of a quantity gives. The quantity must be there."""
        track, span = self._known.tracks[name], self._known.window
        return Evidence(text, (MetricCite(track.metric, (_iso(span[0]), _iso(span[1]))),), value, threshold)

    @property
    def _known(self) -> Metrics:
        if self._metrics is None:
            raise LookupError("the case has no metrics")
        return self._metrics

    @property
    def _window(self) -> Mask:
        return self._known.during


@lru_cache(maxsize=4)
def of(case: Case) -> Signals:
    """The signals of a case; worked out once, whoever asks."""
    return Signals(case)


def _iso(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _of_limit(used: float, limit: float) -> float:
    return ratio(used, limit) if limit < _NO_LIMIT_BYTES else float("nan")


def _zero(value: float) -> float:
    return 0.0 if np.isnan(value) else value
