"""Cases without files. Patterns, shapes and the context go through the code that reads real ones; nothing is mocked."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slowq import versions
from slowq.context.file import load
from slowq.facts import Case, Context, Coverage, Input, Milvus
from slowq.findings import Clear, Finding, Outcome, Skipped
from slowq.measures import Metrics, Track
from slowq.metrics import catalogue
from slowq.parsers.patterns import add_patterns
from slowq.parsers.table import Table, from_context

LOG = "proxy.log"
CONTEXT = "context.yaml"
BEGIN = pd.Timestamp("2025-08-23T19:00:00Z")

Row = Mapping[str, Any]


def search(at: float = 60.0, took: float | None = 6.0, **columns: Any) -> Row:
    """A slow search that was logged `at` seconds after BEGIN; `params` are its search params, `lag` its guarantee's."""
    params = {"anns_field": "vec", "metric_type": "L2", "topk": 10, **columns.pop("params", {})}
    lag, requery = columns.pop("lag", None), columns.pop("requery", None)
    return {
        "at": at,
        "kind": "search",
        "slow": True,
        "collection": "products",
        "database": "default",
        "filter": "",
        "nq": 1,
        "top_k": params["topk"],
        "output_fields": '["id"]',
        "search_params": json.dumps(params, sort_keys=True),
        "anns_field": params["anns_field"],
        "metric_type": params["metric_type"],
        "duration_s": took,
        "consistency": "Bounded",
        "guarantee_lag_s": lag,
        "requery_s": requery,
        **columns,
    }


def query(at: float = 60.0, took: float | None = 6.0, **columns: Any) -> Row:
    """A slow query: no vectors, so no nq, no top-k and no search params."""
    none = dict.fromkeys(("nq", "top_k", "search_params", "anns_field", "metric_type"))
    return {**search(at, took), "kind": "query", **none, **columns}


def many(number: int, row: Row, every: float = 1.0) -> tuple[Row, ...]:
    """The same request again and again."""
    return tuple({**row, "at": row["at"] + i * every} for i in range(number))


def requests(*rows: Row | Iterable[Row]) -> pd.DataFrame:
    """A requests table, before patterns are added; the n-th of `rows` stands in line n of LOG."""
    flat = [one for row in rows for one in ([row] if isinstance(row, Mapping) else row)]
    empty = from_context(Context())
    numbered = [{"path": LOG, "line": line, **row} for line, row in enumerate(flat, 1)]
    frame = pd.DataFrame(numbered).reindex(columns=empty.columns) if flat else empty
    frame["at"] = _times(frame["at"]) if flat else frame["at"]
    frame["started"] = frame["at"] - pd.to_timedelta(frame["duration_s"].astype("float64"), unit="s")
    for name, dtype in empty.dtypes.items():
        if isinstance(dtype, pd.CategoricalDtype):
            frame[name] = _category(frame[name].astype(object).map(str, na_action="ignore"))
        else:
            frame[name] = frame[name].astype(dtype)
    return frame.sort_values(["at", "line"], kind="stable", ignore_index=True)


def event(what: str, at: float = 60.0, state: str = "point", subject: str = "", **columns: Any) -> Row:
    """A line beside the slow ones; `took` is the duration that it states."""
    took = columns.pop("took", float("nan"))
    return {"at": at, "what": what, "state": state, "subject": subject, "duration_s": took, "detail": what, **columns}


def events(*rows: Row | Iterable[Row]) -> pd.DataFrame:
    """An events table, in order of time, in a log of its own."""
    flat = [one for row in rows for one in ([row] if isinstance(row, Mapping) else row)]
    empty = Table([]).events()
    if not flat:
        return empty
    numbered = [{"path": "milvus.log", "line": line, **row} for line, row in enumerate(flat, 1)]
    frame = pd.DataFrame(numbered).reindex(columns=empty.columns)
    frame["at"] = _times(frame["at"])
    for name, dtype in empty.dtypes.items():
        text = isinstance(dtype, pd.CategoricalDtype)
        frame[name] = _category(frame[name]) if text else frame[name].astype(dtype)
    return frame.sort_values("at", kind="stable", ignore_index=True)


def _category(values: pd.Series) -> pd.Categorical:
    return pd.Categorical(values, categories=pd.Index(sorted(values.dropna().unique()), dtype="str"))


def _times(seconds: pd.Series) -> pd.Series:
    return (BEGIN + pd.to_timedelta(seconds.astype("float64"), unit="s")).dt.as_unit("ms")


def context(text: str) -> Context:
    """The facts of a context file that holds this YAML."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / CONTEXT
        path.write_text(text, encoding="utf-8")
        return replace(load(str(path)), path=CONTEXT)


def case(
    *rows: Row | Iterable[Row],
    beside: Sequence[Row | Iterable[Row]] = (),
    facts: str = "",
    version: str | None = None,
    lines: int = 1000,
    metrics: Metrics | None = None,
) -> Case:
    """Slow requests, what else the log says, and the facts of a context file; no log at all without the first two."""
    given = context(facts) if facts else Context()
    has_log = bool(rows or beside)
    table, shapes, patterns = add_patterns(requests(*rows) if rows else from_context(given))
    said = version or given.milvus.get("version")
    low, high = (versions.version_range(str(said)) or (None, None)) if said else (None, None)
    return Case(
        requests=table,
        events=events(*beside),
        shapes=shapes,
        patterns=patterns,
        coverage=Coverage(other_milvus_lines=lines - len(table), slow_requests=len(table)) if has_log else Coverage(),
        inputs=(Input(LOG, "milvus-text", None, 100 * lines, lines),) if has_log else (),
        milvus=Milvus(said, low, high, source="the test") if said else Milvus(),
        context=given,
        metrics=metrics,
    )


STEP_S = 2.0
_QUANTITIES = {one.name: one for one in catalogue.QUANTITIES}
Level = float | tuple[float, float] | Mapping[str, Mapping[str, Any]]


def measured(
    during: Mapping[str, Level], before: Mapping[str, Level] | None = None, window: tuple[float, float] = (0.0, 60.0)
) -> Metrics:
    """Metrics that hold one level in the window (seconds after BEGIN) and one in the minute before it.

    A level is the value of a gauge, the rate a second of a counter, the mean of a histogram with one observation a
    second, or (mean, observations a second); or the levels of its parts: {"state": {"Growing": 0.5, "Sealed": 0.1}}.
    """
    begin = BEGIN.timestamp()
    times = begin + np.arange(window[0] - 60.0, window[1] + STEP_S, STEP_S)
    inside = times > begin + window[0]
    names = {*during, *(before or {})}
    tracks = {name: _levels(name, during.get(name), (before or {}).get(name), inside) for name in names}
    return Metrics(
        times,
        STEP_S,
        tracks,
        (begin + window[0], begin + window[1]),
        (times[0], begin + window[0] - STEP_S) if before is not None else None,
        "metrics.json",
    )


def in_buckets(metrics: Metrics, name: str, *counts: float) -> Metrics:
    """The metrics with the histogram of a quantity in buckets that end at 1 s, 2 s, 4 s and so on, the last of them nowhere:
    so many observations of each in every step, of the whole and of its parts."""

    def filled(track: Track) -> Track:
        bounds = np.array([*(2.0**at for at in range(len(counts) - 1)), np.inf])
        parts = {label: {part: filled(one) for part, one in named.items()} for label, named in track.parts.items()}
        return replace(track, bounds=bounds, buckets=np.tile(counts, (len(track.value), 1)), parts=parts)

    return replace(metrics, tracks={**metrics.tracks, name: filled(metrics.tracks[name])})


def _levels(name: str, during: Level | None, before: Level | None, inside: np.ndarray) -> Track:
    if isinstance(during, Mapping) or isinstance(before, Mapping):
        of, earlier = (one if isinstance(one, Mapping) else {} for one in (during, before))
        parts = {
            split: {
                part: _levels(name, of.get(split, {}).get(part), earlier.get(split, {}).get(part), inside)
                for part in {*of.get(split, {}), *earlier.get(split, {})}
            }
            for split in {*of, *earlier}
        }
        first = [*next(iter(parts.values())).values()]
        whole = np.nansum([one.value for one in first], axis=0)
        count = None if first[0].count is None else np.nansum([one.count for one in first], axis=0)
        return replace(first[0], value=whole, count=count, parts=parts)
    quantity = _QUANTITIES[name]
    mean, rate = (
        np.where(inside, after, earlier) for after, earlier in zip(_level(during), _level(before), strict=True)
    )
    value, count = mean, None
    if quantity.kind == "counter":
        value = mean * STEP_S
    elif quantity.kind == "histogram":
        value, count = mean * rate * STEP_S, rate * STEP_S
    return Track(name, quantity.unit, quantity.kind, quantity.sources[0].text, STEP_S, value, count)


def _level(level: Any) -> tuple[float, float]:
    if level is None:
        return float("nan"), float("nan")
    return level if isinstance(level, tuple) else (level, 1.0)


def empty_log(facts: str = "", version: str | None = None) -> Case:
    """Logs that were read and hold no slow request."""
    found = case(facts=facts, version=version)
    return replace(
        found, coverage=Coverage(other_milvus_lines=1000), inputs=(Input(LOG, "milvus-text", None, 100_000, 1000),)
    )


# ---------------------------------------------------------------------------------------------------------------------
# What a rule said, with the contracts that hold for every answer.


def fired(outcome: Outcome) -> Finding:
    """The finding; its texts are free of gaps and its evidence is cited."""
    assert isinstance(outcome, Finding), outcome
    for item in outcome.evidence:
        assert item.cites
        assert item.says.endswith(".") or "): " in item.says, item.says  # or it ends in a filter
        assert "nan" not in item.says.split(), item.says
    for one in outcome.remedies:
        for text in (one.do, one.because, one.cost, one.verify, one.snippet):
            assert "$" not in text.replace("$meta", ""), text
            assert "<" not in text, text
    assert outcome.summary.endswith(".")
    return outcome


def cleared(outcome: Outcome) -> str:
    assert isinstance(outcome, Clear), outcome
    return outcome.because


def needs(outcome: Outcome) -> tuple[str, ...]:
    assert isinstance(outcome, Skipped), outcome
    return tuple(need.what for need in outcome.needs)


def says(found: Finding) -> str:
    """All its evidence in one text."""
    return " ".join(item.says for item in found.evidence)


def keys(found: Finding) -> list[str]:
    return [one.key for one in found.remedies]


def remedy(found: Finding, key: str) -> str:
    """What to do, and the snippet, in one text."""
    (one,) = [one for one in found.remedies if one.key == key]
    return f"{one.do}\n{one.snippet}"


def ids(of: Case, **columns: Any) -> set[str]:
    """The patterns of the requests with these values."""
    frame = of.requests
    for name, value in columns.items():
        frame = frame[(frame[name] == value).to_numpy(dtype=bool)]
    return set(frame["pattern"].astype(str))
