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
    groups = {str(name): rows for name, rows in requests.groupby("pattern", observed=True).indices.items()}
    columns = requests[[*_COLUMNS]]
    kept = _stretch(requests)
    from_s, to_s = (float(kept.min()), float(kept.max())) if len(kept) else (0.0, 0.0)
    span = {"from_s": round(from_s, 3), "seconds": round(to_s - from_s, 3)}
    return [
        _entry(one, rows, seconds) | {"arrivals": span | _arrivals(rows, kept)}
        for one, rows in ((one, columns.iloc[groups[one]]) for one in wanted if one in groups)
    ]


def _stretch(requests: pd.DataFrame) -> pd.Series:
    """Seconds, from the first request on, at which those requests started that are kept: consecutive ones, with most
    seconds of duration among them."""
    known = requests[requests["started"].notna() & requests["duration_s"].notna()]
    seconds = (known["started"] - requests["started"].min()).dt.total_seconds()
    started: pd.Series = seconds.sort_values(kind="stable")
    if len(started) <= MOST_ARRIVALS:
        return started
    total = np.concatenate([[0.0], np.cumsum(known["duration_s"].loc[started.index].to_numpy(dtype="float64"))])
    first = int(np.argmax(total[MOST_ARRIVALS:] - total[:-MOST_ARRIVALS]))
    kept: pd.Series = started.iloc[first : first + MOST_ARRIVALS]
    return kept


def _arrivals(rows: pd.DataFrame, kept: pd.Series) -> dict[str, Any]:
    """`ms` holds "gap+took" of each request, in milliseconds: since the pattern's last one came, at first since from_s."""
    own = kept[kept.index.isin(rows.index)]
    at = np.round((own - kept.min()).to_numpy() * 1e3).astype("int64")
    took = np.round(rows["duration_s"].loc[own.index].to_numpy(dtype="float64") * 1e3).astype("int64")
    said = [f"{gap}+{ms}" for gap, ms in zip(np.diff(at, prepend=0).tolist(), took.tolist(), strict=True)]
    lines = [" ".join(said[begin : begin + _A_LINE]) for begin in range(0, len(said), _A_LINE)]
    return {"kept": len(said), "of": len(rows), "ms": lines}


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
