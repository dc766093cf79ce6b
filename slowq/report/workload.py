"""What a reproduction needs to know of the requests: the shape of each pattern in numbers, and how often it came.

No literal of a filter is in it: a report is forwarded, and the filter's shape is enough to make one like it.

`arrivals` are for `slowq what-if`: when the requests came and how long they took. Of more than `MOST_ARRIVALS` those of
one stretch of time are kept, the worst: a queue can be replayed from all requests of a stretch, not from every tenth.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from slowq.facts import Case
from slowq.grouping import rows_of

MOST = 50
_COLUMNS = ("nq", "top_k", "vector_bytes", "search_params", "output_fields", "consistency", "duration_s")
MOST_ARRIVALS = 6_000  # about 70 KB
_A_LINE = 40  # short lines, so that a page which must cut long texts leaves them whole


def workload(case: Case) -> list[dict[str, Any]]:
    """One entry for each of the dearest patterns, in their order; medians, and the most frequent word."""
    requests = case.requests
    if not len(requests):
        return []
    seconds = max(1e-3, (requests["at"].max() - requests["started"].min()).total_seconds())
    wanted = [one.id for one in case.patterns[:MOST]]
    # Rows by their numbers: frames of their own for each pattern would copy all columns of a million requests.
    names, codes = requests["pattern"].cat.categories, requests["pattern"].cat.codes.to_numpy()
    groups = {str(names[code]): (code, rows) for code, rows in rows_of(codes) if code >= 0}
    columns = requests[[*_COLUMNS]]
    kept = _stretch(requests)
    of_kept = pd.Series(codes, requests.index)[kept.index].to_numpy()
    took_ms = np.round(requests["duration_s"][kept.index].to_numpy(dtype="float64") * 1e3).astype("int64")
    at_ms = np.round((kept - kept.min()).to_numpy() * 1e3).astype("int64")
    from_s, to_s = (float(kept.min()), float(kept.max())) if len(kept) else (0.0, 0.0)
    span = {"from_s": round(from_s, 3), "seconds": round(to_s - from_s, 3)}
    return [
        _entry(one, columns.iloc[rows], seconds)
        | {"arrivals": span | _arrivals(len(rows), at_ms[of_kept == code], took_ms[of_kept == code])}
        for one, (code, rows) in ((one, groups[one]) for one in wanted if one in groups)
    ]


def _stretch(requests: pd.DataFrame) -> pd.Series:
    """Seconds, from the first request on, at which those requests started that are kept: consecutive ones, with most
    seconds of duration among them."""
    known = requests[["started", "duration_s"]].dropna()
    seconds = (known["started"] - requests["started"].min()).dt.total_seconds()
    started: pd.Series = seconds.sort_values(kind="stable")
    if len(started) <= MOST_ARRIVALS:
        return started
    total = np.concatenate([[0.0], np.cumsum(known["duration_s"].loc[started.index].to_numpy(dtype="float64"))])
    first = int(np.argmax(total[MOST_ARRIVALS:] - total[:-MOST_ARRIVALS]))
    kept: pd.Series = started.iloc[first : first + MOST_ARRIVALS]
    return kept


def _arrivals(of: int, at_ms: np.ndarray, took_ms: np.ndarray) -> dict[str, Any]:
    """`ms` holds "gap+took" of each request, in milliseconds: since the pattern's last one came, at first since from_s."""
    said = [f"{gap}+{ms}" for gap, ms in zip(np.diff(at_ms, prepend=0).tolist(), took_ms.tolist(), strict=True)]
    lines = [" ".join(said[begin : begin + _A_LINE]) for begin in range(0, len(said), _A_LINE)]
    return {"kept": len(said), "of": of, "ms": lines}


def _entry(pattern: str, rows: pd.DataFrame, seconds: float) -> dict[str, Any]:
    params, fields = _usual(rows["search_params"]), _usual(rows["output_fields"])
    return {
        "pattern": pattern,
        "nq": _median(rows["nq"]),
        "top_k": _median(rows["top_k"]),
        "vector_bytes": _median(rows["vector_bytes"]),
        "search_params": None if params is None else json.loads(params),
        "output_fields": None if fields is None else json.loads(fields),
        "consistency": _usual(rows["consistency"]),
        "per_s": len(rows) / seconds,
        "at_once": float(rows["duration_s"].sum()) / seconds,
    }


def _median(column: pd.Series) -> float | None:
    known = column.to_numpy(dtype="float64")
    known = known[~np.isnan(known)]
    return float(np.median(known)) if len(known) else None


def _usual(column: pd.Series) -> str | None:
    """The most frequent word; of several the first by the alphabet."""
    counts = np.bincount(column.cat.codes.to_numpy() + 1, minlength=len(column.cat.categories) + 1)[1:]
    return str(column.cat.categories[int(np.argmax(counts))]) if counts.any() else None
