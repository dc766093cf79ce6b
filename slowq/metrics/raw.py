"""The answers of Prometheus range queries as columns: one matrix of values a metric, on one grid of moments.

The form is that of the contract's metrics file, which is also that of the HTTP API of Prometheus:
``{"metric": {"__name__": …, label: …}, "values": [[unix seconds, "value"], …]}``, with ``"histograms"`` in place of
``"values"`` where the histogram is a native one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Labels = Mapping[str, str]

# A grid of more moments than this is no answer of a range query: Prometheus itself refuses more than 11,000.
MOST_MOMENTS = 200_000

# Rarer changes are those of a quiet Milvus, and not of a slow scrape.
_LONGEST_SCRAPE_S = 120.0
_ENOUGH_STEPS = 20


class BadSeriesError(ValueError):
    """A series that is not what Prometheus answers; says what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """All series of one name: `labels` of the k series, `values` of shape (k, n), NaN where there is no sample."""

    labels: tuple[Labels, ...]
    values: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """Metrics as they were answered. `times`, shape (n,): Unix seconds, evenly spaced."""

    times: np.ndarray
    step_s: float
    families: Mapping[str, Family]

    def as_scraped(self) -> Raw:
        """On a grid as coarse as the scrapes. Prometheus answers the last sample again until the next one is there, and in a step
        that merely says it again nothing was measured."""
        every = self._steps_a_scrape()
        if every < 2:
            return self
        kept = slice((len(self.times) - 1) % every, None, every)
        families = {name: Family(one.labels, one.values[:, kept]) for name, one in self.families.items()}
        return Raw(self.times[kept], self.step_s * every, families)

    def _steps_a_scrape(self) -> int:
        """How many steps lie between two scrapes, by the series that changes most often, as the CPU seconds of a process do."""
        liveliest = 0.0
        for family in self.families.values():
            steps = np.diff(family.values, axis=1)
            known = np.isfinite(steps).sum(axis=1)
            changes = ((steps != 0) & np.isfinite(steps)).sum(axis=1)
            long_enough = known >= _ENOUGH_STEPS
            if long_enough.any():
                liveliest = max(liveliest, float((changes[long_enough] / known[long_enough]).max()))
        every = round(1 / liveliest) if liveliest else 1
        return every if every * self.step_s <= _LONGEST_SCRAPE_S else 1


def grid(start: float, end: float, step_s: float) -> np.ndarray:
    """The moments from start to end; BadSeriesError where there cannot be so many."""
    if not (math.isfinite(start) and math.isfinite(end) and math.isfinite(step_s)) or step_s <= 0 or end < start:
        raise BadSeriesError(f"start {start!r}, end {end!r} and step {step_s!r} do not make a range of time")
    number = round((end - start) / step_s) + 1
    if number > MOST_MOMENTS:
        raise BadSeriesError(f"{number:,} moments from start to end, more than {MOST_MOMENTS:,}")
    return start + step_s * np.arange(number)


def raw(series: Iterable[Any], start: float, end: float, step_s: float, wanted: frozenset[str]) -> Raw:
    """The series whose name is wanted, on a grid. Raises BadSeriesError, which says which series is wrong."""
    times = grid(start, end, step_s)
    names: dict[str, tuple[list[Labels], list[np.ndarray]]] = {}
    for number, one in enumerate(series):
        try:
            labels = _labels(one)
            for name, more, moments, values in _samples(one, labels["__name__"]):
                if name not in wanted:
                    continue
                kept = names.setdefault(name, ([], []))
                kept[0].append({**labels, **more})
                kept[1].append(_on_grid(moments, values, times, step_s))
        except (BadSeriesError, TypeError, ValueError, KeyError, IndexError) as error:
            said = str(error) if isinstance(error, BadSeriesError) else f"{type(error).__name__}: {error}"
            raise BadSeriesError(f"series {number + 1}: {said}") from error
    families = {name: Family(tuple(labels), np.array(rows)) for name, (labels, rows) in names.items()}
    return Raw(times, step_s, families)


def _labels(one: Any) -> dict[str, str]:
    labels = one.get("metric") if isinstance(one, Mapping) else None
    if not isinstance(labels, Mapping) or not isinstance(labels.get("__name__"), str):
        raise BadSeriesError('expected {"metric": {"__name__": …}, "values": [[seconds, "value"], …]}')
    return {str(key): str(value) for key, value in labels.items()}


def _samples(one: Mapping[str, Any], name: str) -> Iterable[tuple[str, Labels, np.ndarray, np.ndarray]]:
    """(name, labels besides its own, moments, values) of each series that this one stands for."""
    if one.get("values"):
        pairs = one["values"]
        moments = np.array([pair[0] for pair in pairs], dtype="float64")
        yield name, {}, moments, np.array([pair[1] for pair in pairs], dtype="float64")
    if one.get("histograms"):
        yield from _native(one["histograms"], name)


def _native(pairs: Sequence[Any], name: str) -> Iterable[tuple[str, Labels, np.ndarray, np.ndarray]]:
    """A native histogram as the classic series of the same name: …_sum, …_count and cumulative …_bucket."""
    moments = np.array([pair[0] for pair in pairs], dtype="float64")
    for part in ("sum", "count"):
        yield f"{name}_{part}", {}, moments, np.array([pair[1][part] for pair in pairs], dtype="float64")
    each = [[(float(b[2]), float(b[3])) for b in pair[1].get("buckets") or ()] for pair in pairs]
    bounds = sorted({bound for buckets in each for bound, _ in buckets if math.isfinite(bound)})
    for bound in (*bounds, math.inf):
        upto = np.array([sum(count for upper, count in buckets if upper <= bound) for buckets in each])
        yield f"{name}_bucket", {"le": "+Inf" if math.isinf(bound) else repr(bound)}, moments, upto


def _on_grid(moments: np.ndarray, values: np.ndarray, times: np.ndarray, step_s: float) -> np.ndarray:
    """The values at the nearest moments of the grid; infinite ones are no samples."""
    row = np.full(len(times), np.nan)
    known = np.isfinite(moments) & np.isfinite(values)
    at = np.rint((moments[known] - times[0]) / step_s).astype("int64")
    inside = (at >= 0) & (at < len(times))
    row[at[inside]] = values[known][inside]
    return row
