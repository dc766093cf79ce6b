"""Requests of one kind together: fingerprints that are the same in every run and on every machine.

A fingerprint is: kind, database, collection, the filter's shape (literals masked, commutative parts sorted, see
`slowq.filters`), the search params, the size classes of nq and top-k, and the output fields. Its id is a digest of those
words alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd

from slowq.facts import SUMMARY, Pattern, Place
from slowq.filters import Shape, Shapes
from slowq.grouping import rows_of

_CLASS_BOUNDS = (1, 10, 100, 1_000, 10_000)
_CLASS_NAMES = ("1", "2-10", "11-100", "101-1000", "1001-10000", ">10000")
# Of the search params these tell one use from another; what moves from request to request (an iterator's bound, a page's
# offset, a range's radius) counts only as being there.
_EXACT = (
    "anns_field",
    "metric_type",
    "group_by_field",
    "iterator",
    "hints",
    "ignore_growing",
    "ef",
    "nprobe",
    "search_list",
    "level",
    "search_k",
    "reorder_k",
    "refine_k",
    "drop_ratio_search",
)
_PRESENT = ("radius", "range_filter", "offset", "group_size", "search_iter_v2", "itopk_size")


def add_patterns(requests: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Shape, ...], tuple[Pattern, ...]]:
    """The requests with their columns shape, filter_shape and pattern; the shapes; the patterns, dearest first."""
    shape_codes, shapes = _shapes(requests)
    requests["shape"] = shape_codes
    texts = [shape.text for shape in shapes]
    words = pd.Index(dict.fromkeys(texts), dtype="str")
    number = {text: i for i, text in enumerate(words)}
    of_shape = np.array([*(number[text] for text in texts), -1])
    requests["filter_shape"] = pd.Categorical.from_codes(of_shape[shape_codes], categories=words)
    keys = [
        *(_codes(requests[name]) for name in ("kind", "database", "collection", "search_params", "output_fields")),
        of_shape[shape_codes],
        _size_class(requests["nq"]),
    ]
    group, first = _groups(keys)
    prints = [_fingerprint(requests.iloc[row], texts) for row in first]
    ids = [blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest() for text in prints]
    distinct = pd.Index(dict.fromkeys(ids), dtype="str")
    by_id = {one: i for i, one in enumerate(distinct)}
    codes = np.array([by_id[one] for one in ids] or [-1])[group] if len(requests) else np.array([], dtype=int)
    requests["pattern"] = pd.Categorical.from_codes(codes, categories=distinct)
    return requests, shapes, _patterns(requests, codes, distinct, dict(zip(ids, prints, strict=True)))


def _shapes(requests: pd.DataFrame) -> tuple[np.ndarray, tuple[Shape, ...]]:
    """Each row's shape number, -1 where its filter is unknown, and the shapes."""
    codes, filters = pd.factorize(requests["filter"])
    hybrid = np.zeros(len(filters), dtype=bool)
    if len(requests):
        hybrid[codes[(requests["kind"] == "hybrid_search").to_numpy() & (codes >= 0)]] = True
    memo = Shapes()
    numbers: dict[int, int] = {}
    shapes: list[Shape] = []
    of_filter = np.empty(len(filters) + 1, dtype="int32")
    of_filter[-1] = -1
    for i, text in enumerate(filters):
        shape = memo.of(_parts_joined(text) if hybrid[i] else text)
        if id(shape) not in numbers:
            numbers[id(shape)] = len(shapes)
            shapes.append(shape)
        of_filter[i] = numbers[id(shape)]
    return of_filter[codes], tuple(shapes)


def _parts_joined(text: str) -> str:
    """The filters of a hybrid search as one expression, so that each part's features count."""
    return " or ".join(f"({part})" for part in json.loads(text) if part)


def _codes(column: pd.Series) -> np.ndarray:
    return column.cat.codes.to_numpy()


def _size_class(column: pd.Series) -> np.ndarray:
    values = column.to_numpy(dtype="float64")
    return np.where(np.isnan(values), -1, np.searchsorted(_CLASS_BOUNDS, np.nan_to_num(values)))


def class_name(value: float) -> str:
    return "?" if value != value else _CLASS_NAMES[int(np.searchsorted(_CLASS_BOUNDS, value))]


def _groups(keys: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Each row's group number, and each group's first row."""
    combined, values = np.zeros(len(keys[0]), dtype="int64"), 1
    for key in keys:
        width = int(key.max(initial=0)) + 2
        if values * width > np.iinfo("int64").max:
            combined, distinct = pd.factorize(combined)
            values = len(distinct)
        combined, values = combined * width + (key.astype("int64") + 1), values * width
    group, distinct = pd.factorize(combined)
    first = np.empty(len(distinct), dtype="int64")
    first[group[::-1]] = np.arange(len(group))[::-1]  # of a group's rows the first is the last that is put there
    return group, first


def _fingerprint(row: pd.Series, shape_texts: list[str]) -> str:
    parts = [
        f"kind={row['kind']}",
        f"database={_or_unknown(row['database'])}",
        f"collection={_or_unknown(row['collection'])}",
        f"filter={shape_texts[row['shape']] if row['shape'] >= 0 else '?'}",
        f"params={_params(row['search_params'])}",
        f"nq={class_name(row['nq'])}",
        f"output={_output(row['output_fields'])}",
    ]
    return " ".join(parts)


def _or_unknown(value: Any) -> str:
    return _known(value) or "?"


@lru_cache(maxsize=4096)
def _params(text: Any) -> str:
    if not isinstance(text, str):
        return "?"
    params: Mapping[str, Any] = json.loads(text)
    inner = params.get("params")
    flat = {**params, **(inner if isinstance(inner, dict) else {})}
    top_k = flat.get("topk", flat.get("limit"))
    words = [f"top_k:{class_name(float(top_k))}"] if isinstance(top_k, int | float) else []
    words += [f"{name}:{flat[name]}" for name in _EXACT if name in flat and flat[name] not in ("", None)]
    words += [name for name in _PRESENT if flat.get(name) not in (None, "", 0)]
    return ",".join(words)


@lru_cache(maxsize=4096)
def _output(text: Any) -> str:
    return ",".join(sorted(json.loads(text))) if isinstance(text, str) else "?"


def _patterns(
    requests: pd.DataFrame, codes: np.ndarray, ids: pd.Index, prints: Mapping[str, str]
) -> tuple[Pattern, ...]:
    durations = requests["duration_s"].to_numpy()
    found = []
    for code, rows in rows_of(codes):
        one = ids[code]
        slowest = requests.iloc[rows[np.argmax(np.nan_to_num(durations[rows]))]]
        found.append(
            Pattern(
                one,
                slowest["kind"],
                _known(slowest["database"]),
                _known(slowest["collection"]),
                _known(slowest["filter_shape"]),
                prints[one],
                len(rows),
                summary(durations[rows]),
                Place(slowest["path"], int(slowest["line"])),
                _known(slowest["trace_id"]),
            )
        )
    return tuple(sorted(found, key=lambda pattern: (-(pattern.duration_s["sum"] or 0.0), pattern.id)))


def _known(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def summary(values: np.ndarray) -> dict[str, float | None]:
    """What `facts.SUMMARY` names; each is None where no value is known."""
    values = values[~np.isnan(values)]
    if not len(values):
        return dict.fromkeys(SUMMARY)
    # math.fsum would be exact but slow; sorting first makes the sum independent of the rows' order.
    found = (values.min(), *np.quantile(values, (0.5, 0.9, 0.95, 0.99)), values.max(), np.sort(values).sum())
    return {name: float(value) for name, value in zip(SUMMARY, found, strict=True)}
