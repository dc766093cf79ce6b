"""From hits to what the client gets: reduced over all nodes, grouped, with output fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from slowq.engine.faults import invalid
from slowq.engine.requests import Column, Search, SearchAnswer
from slowq.engine.rows import arrow_type
from slowq.engine.schema import DYNAMIC, Collection, FieldSpec
from slowq.engine.search import Found, Ints, Plan, grouped, merge, nothing
from slowq.engine.segment import Segment
from slowq.engine.vector import Vectors


def metric_of(collection: Collection, request: Search) -> str:
    index = collection.index_of(request.field)
    return index.metric if index is not None else (request.metric or "COSINE").upper()


def output_names(collection: Collection, asked: Sequence[str], *, query: bool = False) -> list[str]:
    """The fields to give: `*` is all of them, an unknown name is a dynamic one. A query always gives the primary key."""
    names: list[str] = []
    for name in asked:
        if name in ("*", "%"):
            names += [one.name for one in collection.fields] + [DYNAMIC] * collection.dynamic
        elif collection.named(name) is not None:
            names.append(name)
        elif collection.dynamic:
            names.append(DYNAMIC)
        else:
            raise invalid(f"field {name} not exist")
    if query:
        names.insert(0, collection.primary.name)
    return list(dict.fromkeys(names))


def reduced(
    parts: Sequence[Found], request: Search, plan: Plan, segments: Sequence[Segment], collection: Collection
) -> Found:
    """The hits of all nodes, the best `limit` behind `offset` of each query."""
    nq, k = request.queries.rows, request.limit + request.offset
    if not parts:
        dtype = np.dtype(np.int64 if collection.primary.type == "INT64" else object)
        return nothing(nq, plan, dtype)
    width = sum(one.shape[1] for one in parts) if plan.group_by else k
    # One node has reduced its segments already.
    best = parts[0] if len(parts) == 1 else merge(parts, width, larger_is_better=plan.larger_is_better)
    if plan.group_by:
        best = grouped(best, group_values(best, segments, plan.group_by), k, plan.group_size)
        return best.behind(request.offset * plan.group_size)
    return best.behind(request.offset)


def group_values(found: Found, segments: Sequence[Segment], name: str) -> NDArray[np.object_]:
    values = np.full(found.shape, None, object)
    for place in np.unique(found.places[found.places >= 0]).tolist():
        here = found.places == place
        column = segments[place].rows.columns[name].to_numpy(zero_copy_only=False)
        values[here] = column[found.offsets[here]]
    return values


def hits_of(
    collection: Collection,
    request: Search,
    plan: Plan,
    found: Found,
    segments: Sequence[Segment],
    names: Sequence[str],
    session_ts: int,
) -> SearchAnswer:
    there = found.offsets >= 0
    places, offsets = found.places[there], found.offsets[there]
    scores = found.scores[there].astype(np.float32)
    if request.round_decimal >= 0:
        scores = np.round(scores, request.round_decimal)
    groups = None
    if plan.group_by:
        spec = collection.named(plan.group_by)
        assert spec is not None  # noqa: S101 - the plan was checked
        groups = pa.array(group_values(found, segments, plan.group_by)[there], arrow_type(spec))
    return SearchAnswer(
        collection.name,
        collection.primary.name,
        found.keys[there],
        scores,
        there.sum(axis=1).tolist(),
        columns_at(collection, names, segments, places, offsets),
        groups,
        session_ts,
    )


def gathered(segments: Sequence[Segment], results: Sequence[object]) -> tuple[Ints, Ints]:
    """Places and offsets of the rows that a query found, in the order of their keys; of several with one key the newest."""
    hits = sorted((hit for one in results for hit in one), key=lambda hit: hit[0])  # type: ignore[attr-defined]
    if not hits:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    keys = np.concatenate([segments[place].rows.keys[offsets] for place, offsets in hits])
    places = np.concatenate([np.full(len(offsets), place) for place, offsets in hits])
    offsets = np.concatenate([offsets for _, offsets in hits])
    if (keys[1:] > keys[:-1]).all():  # as keys that count up come
        return places, offsets
    order = np.argsort(keys, kind="stable")
    again = keys[order[1:]] == keys[order[:-1]]
    if again.any():
        stamps = np.concatenate([segments[place].rows.timestamps[own] for place, own in hits])
        newest = np.lexsort((-places, ~stamps))
        order = newest[np.argsort(keys[newest], kind="stable")][np.append(True, ~again)]
    return places[order], offsets[order]


def columns_at(
    collection: Collection, names: Sequence[str], segments: Sequence[Segment], places: Ints, offsets: Ints
) -> Mapping[str, Column]:
    """The values of these fields of these rows, in their order; a place of -1 is skipped."""
    if not names:
        return {}
    groups = [(place, np.flatnonzero(places == place)) for place in np.unique(places[places >= 0]).tolist()]
    back = np.argsort(np.concatenate([here for _, here in groups]), kind="stable") if len(groups) > 1 else None
    picked = [(segments[place], offsets[here]) for place, here in groups]
    return {name: _column(collection.named(name), name, picked, back) for name in names}


def _column(
    spec: FieldSpec | None, name: str, picked: Sequence[tuple[Segment, Ints]], back: NDArray[np.intp] | None
) -> Column:
    """The values of rows of segments; `back` brings them into the order of the hits, None where they are in it."""
    if not picked:
        return pa.array([], pa.binary() if spec is None or spec.is_vector else arrow_type(spec))
    if spec is not None and spec.is_vector:
        vectors = [segment.rows.vectors[name].take(offsets) for segment, offsets in picked]
        return vectors[0] if back is None else Vectors.concat(vectors).take(back)
    columns = [segment.rows.columns[name].take(pa.array(offsets)) for segment, offsets in picked]
    return columns[0] if back is None else pa.concat_arrays(columns).take(pa.array(back))
