"""The metrics part of the document: where a search spends its time, and the guide's panels over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from slowq import phases
from slowq.facts import Case
from slowq.measures import Mask, Metrics, Track
from slowq.report.moments import iso

_Ask = Callable[[Track, Mask], float]

MOST_POINTS = 240
MOST_SERIES = 12
MOST_COLLECTIONS = 50
OTHER = "other"


def phases_part(case: Case) -> dict[str, Any] | None:
    """`phases` of the contract; None without metrics of searches."""
    found = {one.name: one for one in phases.of(case)}
    if not found:
        return None
    return {name: _phase(found[name]) if name in found else None for name in phases.NAMES}


def _phase(one: phases.Phase) -> dict[str, Any]:
    return {
        "mean_s": one.mean_s,
        "p99_s": one.p99_s,
        "p99_at_least": one.p99_at_least,
        "share": one.share,
        "derived": one.derived,
        "metric": one.metric,
        "baseline_mean_s": one.baseline_mean_s,
        "by_node": dict(one.by_node) or None,
        "by_collection": dict(one.by_collection) or None,
    }


def metrics_part(case: Case) -> dict[str, Any] | None:
    """Where the metrics are from, the time that they were asked of, and the panels; None without metrics."""
    metrics = case.metrics
    if metrics is None:
        return None
    return {
        "source": metrics.source,
        "window": _span(metrics.window),
        "baseline": _span(metrics.baseline) if metrics.baseline else None,
        "step_s": metrics.step_s,
        "trouble": list(metrics.trouble),
        "by_collection": [asdict(one) for one in phases.by_collection(case)[:MOST_COLLECTIONS]] or None,
        "panels": [panel for panel in _panels(case, metrics) if panel["series"]],
    }


def _span(span: tuple[float, float]) -> dict[str, str]:
    return {"start": iso(span[0]), "end": iso(span[1])}


# The panels that the guide asks for, in the order in which it reads them.
def _panels(case: Case, metrics: Metrics) -> Iterator[dict[str, Any]]:
    bins = _Bins(metrics)
    yield bins.panel("slow_queries", "Slow queries", "1/s", _of(metrics, "slow_queries"), Track.rate)
    yield bins.latencies("search_latency", "Search latency at the proxy", "search_latency")
    yield _by_phase(case, metrics, bins)
    if len(phases.by_collection(case)) > 1:
        tracks = _split(metrics, "collection_latency", "collection")
        yield bins.panel("latency_by_collection", "Mean search latency by collection", "s", tracks, Track.mean)
    yield bins.latencies("scalar_filter", "Filter on one segment", "scalar")
    yield bins.latencies("vector_search", "Search of one segment", "vector", "core")
    yield bins.latencies("wait_tsafe", "Wait for tSafe", "wait_tsafe")
    yield bins.latencies("queue", "Wait in the read queue of the query nodes", "queue")
    yield bins.panel("cpu", "CPU by process", "cores", _split(metrics, "cpu", "node"), Track.mean)
    yield bins.panel("memory", "Resident memory by process", "bytes", _split(metrics, "memory", "node"), Track.mean)
    yield bins.panel(
        "segments_by_state", "Loaded segments by state", "", _split(metrics, "segments", "state"), Track.mean
    )


def _of(metrics: Metrics, name: str) -> dict[str, Track]:
    track = metrics.track(name)
    return {name: track} if track else {}


def _split(metrics: Metrics, name: str, label: str) -> Mapping[str, Track]:
    track = metrics.track(name)
    if track is None:
        return {}
    return track.parts.get(label) or {name: track}


def _by_phase(case: Case, metrics: Metrics, bins: _Bins) -> dict[str, Any]:
    """The phases stacked over time: together they are the mean latency of a search."""
    filters = phases.filters_seen(case)
    each = [phases.split(metrics, during, filters)[0] for during in bins.masks]
    before = phases.split(metrics, metrics.before, filters)[0]
    stacked = [name for name in (*phases.STEPS, OTHER) if any(name in one for one in each)]
    return {
        "id": "latency_by_phase",
        "title": "Mean search latency by phase",
        "unit": "s",
        "kind": "stacked",
        "times": bins.times,
        "series": [{"name": name, "values": [one.get(name) for one in each]} for name in stacked],
        "baseline": [{"name": name, "value": before[name]} for name in stacked if name in before],
    }


class _Bins:
    """The grid in at most MOST_POINTS bins of whole steps, so that no sample is left out."""

    def __init__(self, metrics: Metrics) -> None:
        n = len(metrics.times)
        width = -(-n // MOST_POINTS)
        self.metrics = metrics
        self.masks: list[Mask] = []
        for begin in range(0, n, width):
            mask = np.zeros(n, dtype=bool)
            mask[begin : begin + width] = True
            self.masks.append(mask)
        self.times = [iso(float(metrics.times[mask][-1])) for mask in self.masks]

    def latencies(self, id_: str, title: str, *names: str) -> dict[str, Any]:
        """Mean and p99 of the first track of these that is there. `at_least` holds the positions of the values that are only
        known to be more, the p99s in the last bucket of the histogram; it is left out where there are none."""
        track = next((found for name in names if (found := self.metrics.track(name))), None)
        series, baseline = [], []
        if track is not None:
            for name, ask in _LATENCY:
                series.append({"name": name, "values": self._values(track, ask)})
                baseline.append({"name": name, "value": _known(ask(track, self.metrics.before))})
            beyond = [at for at, mask in enumerate(self.masks) if track.is_beyond(0.99, mask)]
            if beyond:
                series[-1]["at_least"] = beyond
        return self._panel(id_, title, "s", series, baseline)

    def panel(self, id_: str, title: str, unit: str, tracks: Mapping[str, Track], ask: _Ask) -> dict[str, Any]:
        """One line a track, those with most in the window first; what is over MOST_SERIES adds up as "other"."""
        weight = {name: _known(ask(track, self.metrics.during)) or 0.0 for name, track in tracks.items()}
        order = sorted(tracks, key=lambda name: (-weight[name], name))
        shown = order if len(order) <= MOST_SERIES else order[: MOST_SERIES - 1]
        series = [{"name": name, "values": self._values(tracks[name], ask)} for name in shown]
        baseline = [{"name": name, "value": _known(ask(tracks[name], self.metrics.before))} for name in shown]
        if len(shown) < len(order):
            rest = [self._values(tracks[name], ask) for name in order[len(shown) :]]
            added = [[v for v in at if v is not None] for at in zip(*rest, strict=True)]
            series.append({"name": OTHER, "values": [sum(known) if known else None for known in added]})
        return self._panel(id_, title, unit, series, baseline)

    def _panel(self, id_: str, title: str, unit: str, series: list[Any], baseline: list[Any]) -> dict[str, Any]:
        series = [one for one in series if any(value is not None for value in one["values"])]
        return {
            "id": id_,
            "title": title,
            "unit": unit,
            "kind": "lines",
            "times": self.times,
            "series": series,
            "baseline": [one for one in baseline if one["value"] is not None],
        }

    def _values(self, track: Track, ask: _Ask) -> list[float | None]:
        return [_known(ask(track, mask)) for mask in self.masks]


def _p99(track: Track, during: Mask) -> float:
    return track.quantile(0.99, during)


_LATENCY: tuple[tuple[str, _Ask], ...] = (("mean", Track.mean), ("p99", _p99))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
