"""From series as Prometheus holds them to tracks: what was added in each step, whatever was restarted or left out.

Counters are read as `increase` reads them, with one difference: a series that begins while its target was already
scraped counts from zero, since a labelled counter appears with its first event; `increase` loses that event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from slowq.measures import Kind, Track
from slowq.metrics import catalogue
from slowq.metrics.catalogue import Quantity, Source
from slowq.metrics.raw import Family, Labels, Raw

# A lag of more than this is no lag: Milvus leaves Unix time in the gauge of a channel that nothing was read from.
NO_LAG_S = 86400.0 * 365


def tracks(raw: Raw, version: tuple[int, int, int] | None = None) -> dict[str, Track]:
    """Every quantity that the series tell of, by name."""
    found = {}
    begins = _targets(raw)
    for quantity in catalogue.QUANTITIES:
        for source in _in_force(quantity, version):
            if track := _track(raw, quantity, source, begins):
                found[quantity.name] = track
                break
    return found


def version_of(raw: Raw) -> str | None:
    """The version that the processes say they are; None where they do not, or differ."""
    family = raw.families.get(catalogue.BUILD_INFO)
    said = {labels.get("version", "").removeprefix("v") for labels in family.labels} if family else set()
    return said.pop() if len(said) == 1 else None


def _in_force(quantity: Quantity, version: tuple[int, int, int] | None) -> Sequence[Source]:
    """The sources to try. Where the unit depends on the version, only the one of that version."""
    if version is None or not any(one.unit_by_version for one in quantity.sources):
        return quantity.sources
    return [
        one
        for one in quantity.sources
        if (one.since is None or version >= one.since) and (one.before is None or version < one.before)
    ]


def _track(raw: Raw, quantity: Quantity, source: Source, begins: Mapping[str, int]) -> Track | None:
    if quantity.kind == "gauge":
        family = _chosen(raw.families.get(source.metric), source)
        value = family.values * source.scale if family else None
        if value is not None and quantity.unit == "s":
            value = np.where(np.abs(value) > NO_LAG_S, np.nan, value)
        return _gauge(raw, quantity, source, family, value) if family is not None and value is not None else None
    if quantity.kind == "counter":
        family = _chosen(raw.families.get(source.metric), source)
        if family is None:
            return None
        added = increases(family, begins) * source.scale
        return _counted(raw, quantity, source, family.labels, added, None, None)
    sums = _chosen(raw.families.get(source.metric + "_sum"), source)
    counts = _chosen(raw.families.get(source.metric + "_count"), source)
    if sums is None or counts is None:
        return None
    at = {_key(labels): i for i, labels in enumerate(counts.labels)}
    order = [(i, at[_key(labels)]) for i, labels in enumerate(sums.labels) if _key(labels) in at]
    if not order:
        return None
    labels = [sums.labels[i] for i, _ in order]
    added = increases(sums, begins)[[i for i, _ in order]] * source.scale
    observed = increases(counts, begins)[[j for _, j in order]]
    buckets = _chosen(raw.families.get(source.metric + "_bucket"), source)
    cumulative = (buckets, increases(buckets, begins)) if buckets is not None else None
    return _counted(raw, quantity, source, labels, added, observed, cumulative)


def _chosen(family: Family | None, source: Source) -> Family | None:
    """The series of a family that the source names; None for none."""
    if family is None:
        return None
    rows = [
        i
        for i, labels in enumerate(family.labels)
        if all(labels.get(key) in values for key, values in source.where.items())
    ]
    if not rows:
        return None
    return Family(tuple(family.labels[i] for i in rows), family.values[rows])


def _key(labels: Labels) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, value) for key, value in labels.items() if key not in ("__name__", "le")))


def _target(labels: Labels) -> str:
    return f"{labels.get('job', '')}/{labels.get('instance', '')}/{labels.get('pod', '')}"


def _targets(raw: Raw) -> dict[str, int]:
    """The first moment (its number) at which anything was scraped from each target."""
    first: dict[str, int] = {}
    for family in raw.families.values():
        known = ~np.isnan(family.values)
        for labels, at, any_known in zip(family.labels, known.argmax(axis=1), known.any(axis=1), strict=True):
            if any_known:
                first[_target(labels)] = min(first.get(_target(labels), int(at)), int(at))
    return first


def increases(family: Family, begins: Mapping[str, int]) -> np.ndarray:
    """What each series was increased by since its last sample, shape (k, n); NaN where that is not known.

    After a restart a counter begins again, so that all it shows was added since.
    """
    values = family.values
    k, n = values.shape
    known = ~np.isnan(values)
    last = np.maximum.accumulate(np.where(known, np.arange(n), -1), axis=1)
    before = np.column_stack([np.full(k, -1), last[:, :-1]])  # where the last sample before each moment is, or -1
    earlier = np.take_along_axis(values, np.maximum(before, 0), axis=1)
    added = np.where(values >= earlier, values - earlier, values)
    added = np.where(before >= 0, added, np.nan)
    first = known & (before < 0)
    late = np.array([begins.get(_target(labels), n) for labels in family.labels])[:, None] < np.arange(n)
    return np.where(first & late, values, np.where(known, added, np.nan))


def _together(rows: np.ndarray) -> np.ndarray:
    """The sum over series at each moment; NaN where none is known."""
    return np.where(np.isnan(rows).all(axis=0), np.nan, np.nansum(rows, axis=0))


def _groups(quantity: Quantity, labels: Sequence[Labels]) -> dict[str, dict[str, list[int]]]:
    """The rows of each part: split → name → rows. A split needs two names or more, or a name that says something."""
    groups: dict[str, dict[str, list[int]]] = {}
    for split, candidates in quantity.parts.items():
        splits = [name.split("/") for name in candidates]
        chosen = next((keys for keys in splits if any(_has(one, keys) for one in labels)), None)
        if chosen is None:
            continue
        names: dict[str, list[int]] = {}
        for i, one in enumerate(labels):
            if _has(one, chosen):
                names.setdefault(" ".join(one[key] for key in chosen), []).append(i)
        groups[split] = names
    return groups


def _has(labels: Labels, keys: Sequence[str]) -> bool:
    return all(key in labels for key in keys)


def _gauge(raw: Raw, quantity: Quantity, source: Source, family: Family, value: np.ndarray) -> Track:
    def of(rows: list[int]) -> Track:
        chosen = value[rows]
        joint = _together(chosen) if quantity.across == "sum" else np.fmax.reduce(chosen, axis=0)
        return Track(quantity.name, quantity.unit, "gauge", source.text, raw.step_s, joint)

    return _with_parts(of, quantity, family.labels)


def _counted(
    raw: Raw,
    quantity: Quantity,
    source: Source,
    labels: Sequence[Labels],
    added: np.ndarray,
    observed: np.ndarray | None,
    cumulative: tuple[Family, np.ndarray] | None,
) -> Track:
    kind: Kind = quantity.kind
    rows_of: dict[object, list[int]] = {}
    if cumulative is not None:
        for i, one in enumerate(cumulative[0].labels):
            rows_of.setdefault(_key(one), []).append(i)

    def of(rows: list[int]) -> Track:
        count = None if observed is None else _together(observed[rows])
        bounds = buckets = None
        if cumulative is not None:
            chosen = [i for row in rows for i in rows_of.get(_key(labels[row]), ())]
            bounds, buckets = _buckets(cumulative[0].labels, cumulative[1], chosen, source.scale)
        value = _together(added[rows])
        return Track(quantity.name, quantity.unit, kind, source.text, raw.step_s, value, count, bounds, buckets)

    return _with_parts(of, quantity, labels)


def _with_parts(of, quantity: Quantity, labels: Sequence[Labels]) -> Track:  # type: ignore[no-untyped-def]
    whole: Track = of(list(range(len(labels))))
    parts = {
        split: {name: of(rows) for name, rows in sorted(names.items())}
        for split, names in _groups(quantity, labels).items()
    }
    return Track(
        whole.name, whole.unit, whole.kind, whole.metric, whole.step_s, whole.value, whole.count, whole.bounds,
        whole.buckets, parts,
    )  # fmt: skip


def _buckets(
    labels: Sequence[Labels], added: np.ndarray, rows: list[int], scale: float
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Observations by bucket and moment, shape (n, b). Of series with different bounds only the common ones count."""
    by_bound: dict[float, list[int]] = {}
    owners: dict[float, set[object]] = {}
    for row in rows:
        try:
            bound = float(labels[row].get("le", ""))
        except ValueError:
            continue
        by_bound.setdefault(bound, []).append(row)
        owners.setdefault(bound, set()).add(_key(labels[row]))
    everybody = set().union(*owners.values()) if owners else set()
    bounds = sorted(bound for bound in by_bound if owners[bound] == everybody)
    if len(bounds) < 2 or np.isfinite(bounds[-1]):
        return None, None
    upto = np.array([_together(added[by_bound[bound]]) for bound in bounds])  # (b, n)
    within = np.diff(upto, axis=0, prepend=0.0)
    return np.array(bounds) * scale, np.maximum(within, 0.0).T
