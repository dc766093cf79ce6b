"""Searching segments, and merging what they found. Pure functions: no queue, no clock but the trace's.

A segment's hits become rows of four matrices of shape (nq, k): scores, keys, the segment's place in the snapshot of the
request, the offset in it. Empty places have offset -1 and the worst score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slowq.engine.scalar import Filter, evaluate
from slowq.engine.segment import Bools, Segment
from slowq.engine.trace import Trace
from slowq.engine.vector import Vectors, better, brute_force, brute_force_range
from slowq.filters.ast import And, Comparison, Expression, Field, In, ListLiteral, Literal

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a search asks of each segment. Searches with equal plans over equal segments can be served as one."""

    field: str
    metric: str
    params: tuple[tuple[str, object], ...] = ()
    filter: Filter | None = dataclasses.field(default=None, compare=False)
    filter_key: str = ""  # the text with the template values: what makes two filters the same
    radius: float | None = None
    range_filter: float | None = None
    group_by: str | None = None
    group_size: int = 1

    @property
    def larger_is_better(self) -> bool:
        return better(self.metric) == "large"


@dataclass(frozen=True, slots=True)
class Found:
    """Hits, best first."""

    scores: Floats
    keys: NDArray[np.generic]
    places: Ints
    offsets: Ints

    @property
    def shape(self) -> tuple[int, int]:
        rows, width = self.scores.shape
        return rows, width

    def rows(self, begin: int, end: int, k: int) -> Found:
        """The hits of some of the queries, at most k of each."""
        return self._cut(slice(begin, end), slice(k))

    def behind(self, offset: int) -> Found:
        """Without the first `offset` hits of each query."""
        return self._cut(slice(None), slice(offset, None))

    def _cut(self, rows: slice, columns: slice) -> Found:
        return Found(
            self.scores[rows, columns],
            self.keys[rows, columns],
            self.places[rows, columns],
            self.offsets[rows, columns],
        )

    def arranged(self, order: Ints) -> Found:
        """The hits of each query in another order, or only some of them."""
        rows = np.arange(len(order))[:, None]
        return Found(
            self.scores[rows, order], self.keys[rows, order], self.places[rows, order], self.offsets[rows, order]
        )

    def only(self, keep: Bools) -> Found:
        """The hits that are marked, moved to the front; the places behind them are empty."""
        order = np.argsort(~keep, axis=1, kind="stable")
        moved = self.arranged(order)
        return replace(moved, offsets=np.where(np.take_along_axis(keep, order, axis=1), moved.offsets, -1))


def nothing(nq: int, plan: Plan, dtype: np.dtype[np.generic]) -> Found:
    empty = np.empty((nq, 0), np.int64)
    return Found(np.empty((nq, 0), np.float32), np.empty((nq, 0), dtype), empty, empty)


def passing(segment: Segment, filter: Filter | None, trace: Trace) -> Bools | None:  # noqa: A002 - Milvus' word
    """The rows that are alive and pass; None where that is all of them."""
    mask = None
    if filter is not None:
        with trace.phase("scalar_filter"):
            mask = by_key(segment, filter)
            if mask is None:
                columns = {name: segment.rows.columns[name] for name in filter.fields}
                mask, _ = evaluate(filter, columns, len(segment), segment.scalar_indexes)
        trace.count("rows_filtered", len(segment))
    alive = segment.alive
    if mask is None:
        return alive
    passed = mask if alive is None else mask & alive
    trace.count("rows_passed", int(np.count_nonzero(passed)))
    return passed


def by_key(segment: Segment, filter: Filter) -> Bools | None:  # noqa: A002
    """The mask of a filter that only names primary keys; segments look those up without a scan."""
    wanted = keys_named(filter.tree, segment.key, textual=segment.rows.keys.dtype == object)
    if wanted is None:
        return None
    mask = np.zeros(len(segment), np.bool_)
    mask[segment.lookup.find(wanted)[0]] = True
    return mask


def keys_named(tree: Expression, key: str, *, textual: bool) -> NDArray[np.generic] | None:
    """The primary keys that a filter names, where it does nothing else: `id == 1`, `id in [1, 2]`."""
    named = _named(tree, key)
    if named is None or any(isinstance(one, bool | float) or isinstance(one, str) != textual for one in named):
        return None
    return np.array(sorted(named), object if textual else np.int64)  # type: ignore[type-var]


def search_segment(segment: Segment, place: int, plan: Plan, queries: Vectors, k: int, trace: Trace) -> Found | None:
    """The best k of one segment; None where no row can be a hit."""
    trace.count("segments", 1)
    if segment.state == "growing":
        trace.count("segments_growing", 1)
        trace.count("segments_interim", int(plan.field in segment.interim))
    mask = passing(segment, plan.filter, trace)
    if mask is not None and not mask.any():
        return None
    with trace.phase("vector_search"):
        if plan.group_by is None:
            scores, offsets = _nearest(segment, plan, queries, k, mask, trace)
        else:
            scores, offsets = _grouped(segment, plan, queries, k, mask, trace)
    keys = segment.rows.keys[np.maximum(offsets, 0)]
    return Found(scores, keys, np.where(offsets >= 0, place, -1), offsets)


def _nearest(
    segment: Segment, plan: Plan, queries: Vectors, k: int, mask: Bools | None, trace: Trace, asked: int | None = None
) -> tuple[Floats, Ints]:
    """The best k of one segment, of which a user asked for fewer where `asked` says so."""
    interim = segment.interim.get(plan.field)
    index = segment.vector_indexes.get(plan.field) if interim is None else interim.index
    fixed = None if interim is None else interim.params
    params: Mapping[str, object] = dict(plan.params) if fixed is None else fixed
    if plan.radius is None:
        if index is None:
            hits, work = brute_force(plan.metric, segment.rows.vectors[plan.field], queries, k, mask)
        else:
            hits, work = index.search(queries, k, params, mask, asked=asked)
    else:
        ends = (plan.radius, plan.range_filter)
        if index is None:
            hits, work = brute_force_range(plan.metric, segment.rows.vectors[plan.field], queries, *ends, k, mask)
        else:
            hits, work = index.range_search(queries, *ends, k, params, mask)
    trace.count("distances", work.distances)
    trace.count("bytes_read", work.bytes_read)
    return hits.scores, hits.offsets


def _grouped(
    segment: Segment, plan: Plan, queries: Vectors, k: int, mask: Bools | None, trace: Trace
) -> tuple[Floats, Ints]:
    """Searches wider until each query has k groups of hits, or the segment has no more rows."""
    values = segment.rows.columns[plan.group_by or ""].to_numpy(zero_copy_only=False)
    rows = len(segment) if mask is None else int(np.count_nonzero(mask))
    width, asked = k, max(1, k // plan.group_size)
    scores, offsets = _nearest(segment, plan, queries, width, mask, trace, asked)
    while width < rows and any(_short_of_groups(values, row, k, plan.group_size) for row in offsets):
        width = min(width * 4, rows)
        scores, offsets = _nearest(segment, plan, queries, width, mask, trace, asked)
    return scores, offsets


def _short_of_groups(values: NDArray[np.generic], offsets: Ints, k: int, size: int) -> bool:
    _, counts = np.unique(values[offsets[offsets >= 0]].astype(str), return_counts=True)
    return int(np.count_nonzero(counts >= size)) < k


def merge(parts: Sequence[Found], k: int, *, larger_is_better: bool) -> Found:
    """The best k of each query over all parts, each best first; a primary key counts once, with its best score."""
    found = parts[0] if len(parts) == 1 else _side_by_side(parts, larger_is_better=larger_is_better)
    if _has_duplicates(found.keys, found.offsets):
        found = found.only(_first_of_each(found))
    return found.rows(0, len(found.scores), k)


def _side_by_side(parts: Sequence[Found], *, larger_is_better: bool) -> Found:
    found = Found(
        np.concatenate([one.scores for one in parts], axis=1),
        np.concatenate([one.keys for one in parts], axis=1),
        np.concatenate([one.places for one in parts], axis=1),
        np.concatenate([one.offsets for one in parts], axis=1),
    )
    rank = np.where(found.offsets < 0, np.inf, -found.scores if larger_is_better else found.scores)
    return found.arranged(np.argsort(rank, axis=1, kind="stable"))


def _has_duplicates(keys: NDArray[np.generic], offsets: Ints) -> bool:
    if keys.dtype == object:
        hashes = np.fromiter((hash(one) for one in keys.ravel()), np.int64, keys.size).reshape(keys.shape)
    else:
        hashes = keys.astype(np.int64)
    # An empty place gets a number of its own: no two of them are equal.
    hashes = np.where(offsets < 0, np.iinfo(np.int64).min + np.arange(keys.shape[1]), hashes)
    ordered = np.sort(hashes, axis=1)
    return bool((ordered[:, 1:] == ordered[:, :-1]).any())


def _first_of_each(found: Found) -> Bools:
    keep = np.zeros(found.shape, np.bool_)
    for row in range(found.shape[0]):
        seen: set[object] = set()
        for column, key in enumerate(found.keys[row].tolist()):
            if found.offsets[row, column] >= 0 and key not in seen:
                seen.add(key)
                keep[row, column] = True
    return keep


def grouped(found: Found, values: NDArray[np.object_], k: int, size: int) -> Found:
    """The hits of the best k groups, at most `size` of each; `values` has the group of each hit, shaped like them."""
    keep = np.zeros(found.shape, np.bool_)
    for row in range(found.shape[0]):
        counts: dict[object, int] = {}
        for column, value in enumerate(values[row].tolist()):
            if found.offsets[row, column] < 0 or (value not in counts and len(counts) == k):
                continue
            counts[value] = counts.get(value, 0) + 1
            keep[row, column] = counts[value] <= size
    return found.only(keep).rows(0, len(keep), k * size)


def retrieve(segment: Segment, filter: Filter | None, trace: Trace) -> Ints:  # noqa: A002
    """Offsets of the rows that pass, in the order of their primary keys."""
    trace.count("segments", 1)
    mask = passing(segment, filter, trace)
    return np.arange(len(segment)) if mask is None else np.flatnonzero(mask)


def values_required(tree: Expression, name: str) -> frozenset[object] | None:
    """Values of a field, one of which a passing row must have; None where the filter does not say. Never recurses."""
    waiting, found = [tree], None
    while waiting:
        node = waiting.pop()
        if isinstance(node, And):
            waiting.extend(node.children())
        named = _named(node, name)
        if named is not None:
            found = named if found is None else found & named
    return found


def _named(node: Expression, name: str) -> frozenset[object] | None:
    if (
        isinstance(node, In)
        and not node.negated
        and node.operand == Field(name)
        and isinstance(node.values, ListLiteral)
    ):
        return frozenset(node.values.values)
    if (
        isinstance(node, Comparison)
        and node.op == "=="
        and node.left == Field(name)
        and isinstance(node.right, Literal)
    ):
        return frozenset((node.right.value,))
    return None
