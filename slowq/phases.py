"""Where a search spends its time, from the phase metrics of one window.

The phases of a search make up its latency at the proxy (its source: the request path of `internal/proxy` and
`internal/querynodev2`):

    proxy queue, then for each shard in parallel: wait for tSafe, and on each query node in parallel the read queue,
    the segments (filter, then vector search) and the reduce of segments; reduce of shards; reduce at the proxy.

Means of phases add up, quantiles do not. Segments are searched in parallel, so that what one search runs for is the
mean of a segment, times how often the node must take turns: segments of a task over the cores that are in use.
Two phases are not always measured, and then marked as derived:

- `queue` is what the read queue says, and besides what passes on the query node while nothing of the request runs: up
  to 2.6 a task that has left the queue still waits for a thread, which no metric of searches shows (from 2.4.7 there is
  one of all calls of segcore together);
- `scalar_filter` has a metric from 2.4.7. Before, it is what segcore takes longer than Knowhere's search of the index.
  That holds only where most segments have an index, and says nothing of growing segments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from slowq.facts import Case
from slowq.measures import Mask, Metrics, Track

# Of which the latency is the sum, in the order in which a search goes through them.
STEPS = ("proxy_queue", "wait_tsafe", "queue", "scalar_filter", "vector_search", "reduce", "requery", "proxy_reduce")
_TRACKS: Mapping[str, tuple[str, ...]] = {
    "proxy_queue": ("proxy_queue",),
    "queue": ("queue",),
    "wait_tsafe": ("wait_tsafe",),
    "scalar_filter": ("scalar", "core"),
    "vector_search": ("vector", "core"),
    "vector_search_growing": ("segment",),
    "vector_search_sealed": ("segment",),
    "reduce": ("reduce_segments",),
    "requery": ("requery", "output"),
    "proxy_reduce": ("proxy_reduce",),
}
NAMES = (*_TRACKS, "other")

# Knowhere searches at least this share of the segments that segcore searches: otherwise what segcore takes longer is
# brute force on segments without an index, and no filter. A filter that leaves no row of a segment spares Knowhere the
# search, so that a few are enough where the log shows filters: they tell that there is an index.
MOSTLY_INDEXED = 0.5
SOME_INDEXED = 0.1
# What nothing accounts for counts as waiting from this share of the measured queue on; below it is rounding.
_WORTH_ADDING = 0.1


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase over the window. Seconds of one search; `share` of its latency; None is unknown.

    `p99_at_least`: the p99 lies in the histogram's last bucket, which has no end, so that `p99_s` is where that begins.
    """

    name: str
    mean_s: float
    share: float
    p99_s: float | None = None
    derived: bool = False
    metric: str | None = None
    baseline_mean_s: float | None = None
    by_node: Mapping[str, float] = field(default_factory=dict)
    by_collection: Mapping[str, float] = field(default_factory=dict)
    p99_at_least: bool | None = None


@dataclass(frozen=True, slots=True)
class OfCollection:
    """The searches of one collection over the window, from end to end; `share` of the time of all searches.

    `p99_at_least` as of a phase.
    """

    collection: str
    searches: int
    mean_s: float
    share: float
    p99_s: float | None = None
    baseline_mean_s: float | None = None
    p99_at_least: bool | None = None


@lru_cache(maxsize=4)
def of(case: Case) -> tuple[Phase, ...]:
    """The phases that are known, in the order of `NAMES`; none without metrics or without searches in the window."""
    metrics = case.metrics
    if metrics is None:
        return ()
    seconds, derived = split(metrics, metrics.during, filters_seen(case))
    if not seconds:
        return ()
    before, _ = split(metrics, metrics.before, filters_seen(case))
    whole = max(seconds["total"], sum(seconds.get(name, 0.0) for name in (*STEPS, "other")))

    def phase(name: str) -> Phase:
        p99_s, at_least = _p99(_measured_by(metrics, name), metrics.during)
        return Phase(
            name,
            seconds[name],
            seconds[name] / whole if whole else 0.0,
            p99_s,
            name in derived,
            _metric(metrics, name),
            before.get(name),
            _by(metrics, name, "node"),
            _by(metrics, name, "collection"),
            at_least,
        )

    return tuple(phase(name) for name in NAMES if name in seconds)


def by_collection(case: Case) -> tuple[OfCollection, ...]:
    """The collections that were searched, those that took most time first; none where no metric tells them apart.

    Of a search only its whole latency, and its requery, are measured by collection: query nodes do not tell which
    collection a phase was for.
    """
    metrics = case.metrics
    track = metrics.track("collection_latency") if metrics else None
    if metrics is None or track is None:
        return ()
    parts = {
        name: one for name, one in track.parts.get("collection", {}).items() if one.observations(metrics.during) > 0
    }
    whole = sum(one.total(metrics.during) for one in parts.values())
    found = []
    for name, one in parts.items():
        p99_s, at_least = _p99(one, metrics.during)
        found.append(
            OfCollection(
                name,
                round(one.observations(metrics.during)),
                one.mean(metrics.during),
                one.total(metrics.during) / whole if whole else 0.0,
                p99_s,
                _known(one.mean(metrics.before)),
                at_least,
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.share, one.collection)))


def share(case: Case, name: str) -> float:
    """The share of the search latency that a phase takes; NaN where it is unknown."""
    return next((one.share for one in of(case) if one.name == name), float("nan"))


def filters_seen(case: Case) -> bool | None:
    """Whether any request of the log filters; None where the log does not show it."""
    if not len(case.requests):
        return None
    shapes = case.requests["shape"].to_numpy()
    if (shapes < 0).all():
        return None
    filtering = np.array([one.features.comparisons > 0 for one in case.shapes] + [False], dtype=bool)
    return bool(filtering[shapes].any())


def split(metrics: Metrics, during: Mask, filters: bool | None) -> tuple[dict[str, float], frozenset[str]]:
    """Seconds of a mean search by phase, with `total` and `other`, and which of them are derived.

    Nothing where no search is measured in these moments.
    """
    mean = _Means(metrics, during)
    total = mean("search_latency")
    if np.isnan(total):
        return {}, frozenset()
    derived = set()
    seconds = {
        "total": total,
        "proxy_queue": mean("proxy_queue"),
        "wait_tsafe": mean("wait_tsafe"),
        "proxy_reduce": _sum(mean("proxy_reduce"), mean("decode")),
        "reduce": _sum(mean("reduce_segments"), mean("reduce_shards")),
        "requery": _sum(*(mean.total(name) / mean.count("search_latency") for name in ("requery", "output"))),
    }
    run = mean.run()
    unseen = mean("worker") - _zero(mean("queue")) - _zero(mean("reduce_segments")) - run
    seconds["queue"] = mean("queue")
    if unseen > _WORTH_ADDING * _zero(mean("queue")) and unseen > _WORTH_ADDING * run:
        seconds["queue"] = _zero(mean("queue")) + unseen
        derived.add("queue")
    if not np.isnan(run):
        scalar, is_derived = mean.scalar_share(filters)
        if not np.isnan(scalar):
            seconds["scalar_filter"] = run * scalar
            derived |= {"scalar_filter"} if is_derived else set()
        seconds["vector_search"] = run * (1 - _zero(scalar))
        growing = mean.growing_share()
        if not np.isnan(growing):
            seconds["vector_search_growing"] = seconds["vector_search"] * growing
            seconds["vector_search_sealed"] = seconds["vector_search"] * (1 - growing)
    known = {name: value for name, value in seconds.items() if not np.isnan(value)}
    known["other"] = max(0.0, total - sum(known.get(name, 0.0) for name in STEPS))
    return known, frozenset(derived)


def growing_share(metrics: Metrics, during: Mask) -> float:
    """The share of the work on segments that growing ones take; NaN where it is unknown."""
    return _Means(metrics, during).growing_share()


class _Means:
    """Means of tracks over some moments; NaN where a track is not there."""

    def __init__(self, metrics: Metrics, during: Mask) -> None:
        self.metrics, self.during = metrics, during

    def __call__(self, name: str) -> float:
        track = self.metrics.track(name)
        return track.mean(self.during) if track else float("nan")

    def total(self, name: str) -> float:
        track = self.metrics.track(name)
        return track.total(self.during) if track else float("nan")

    def count(self, name: str) -> float:
        track = self.metrics.track(name)
        return track.observations(self.during) if track else float("nan")

    def run(self) -> float:
        """For how long something of one search runs on a query node."""
        core = self("core") if not np.isnan(self("core")) else self("segment")
        segments = self.count("core") / self.count("group_nq") if self.count("group_nq") > 0 else 1.0
        cores = self("cpu")
        return core * max(1.0, _or(segments, 1.0) / max(1.0, _or(cores, 1.0)))

    def growing_share(self) -> float:
        track = self.metrics.track("segment")
        total = self.total("segment")
        if track is None or not total > 0:
            return float("nan")
        growing = track.part("state", "Growing")
        return min(1.0, _zero(growing.total(self.during)) / total) if growing else 0.0

    def scalar_share(self, filters: bool | None) -> tuple[float, bool]:
        """The share of a segment's search that its filter takes, and whether that is derived."""
        scalar, vector = self.total("scalar"), self.total("vector")
        if _zero(scalar) + _zero(vector) > 0:
            return _zero(scalar) / (_zero(scalar) + _zero(vector)), False
        if filters is False:
            return 0.0, True
        core = self.total("core") * (1 - _zero(self.growing_share()))
        indexed = _zero(self.total("index_search")) + _zero(self.total("index_range_search"))
        searches = _zero(self.count("index_search")) + _zero(self.count("index_range_search"))
        least = (SOME_INDEXED if filters else MOSTLY_INDEXED) * (1 - _zero(self.growing_share()))
        if not core > 0 or not searches >= least * self.count("core"):
            return float("nan"), False
        return float(np.clip((core - indexed) / self.total("core"), 0.0, 1.0)), True


def _p99(track: Track | None, during: Mask) -> tuple[float | None, bool | None]:
    """The p99, and whether it is only known to be more; both None where it is unknown."""
    p99_s = _known(track.quantile(0.99, during)) if track is not None else None
    return (None, None) if track is None or p99_s is None else (p99_s, track.is_beyond(0.99, during))


def _measured_by(metrics: Metrics, name: str) -> Track | None:
    """The histogram of this phase alone; None for what is derived from one of more than the phase."""
    track = _track(metrics, name)
    if track is not None and name.startswith("vector_search_"):
        return track.part("state", "Growing" if name.endswith("growing") else "Sealed")
    return None if name == "scalar_filter" and metrics.track("scalar") is None else track


def _track(metrics: Metrics, name: str) -> Track | None:
    return next((found for track in _TRACKS.get(name, ()) if (found := metrics.track(track))), None)


def _metric(metrics: Metrics, name: str) -> str | None:
    track = _track(metrics, name)
    return track.metric if track else None


def _by(metrics: Metrics, name: str, label: str) -> dict[str, float]:
    """Means by node or by collection, where the metric has such a label and there are several."""
    track = _track(metrics, name)
    parts = track.parts.get(label, {}) if track else {}
    means = {part: one.mean(metrics.during) for part, one in parts.items()}
    known = {part: value for part, value in means.items() if not np.isnan(value)}
    return known if len(known) > 1 else {}


def _sum(*values: float) -> float:
    """The sum of the known; NaN where none is."""
    known = [value for value in values if not np.isnan(value)]
    return sum(known) if known else float("nan")


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _zero(value: float) -> float:
    return _or(value, 0.0)


def _or(value: float, other: float) -> float:
    return other if np.isnan(value) else value
