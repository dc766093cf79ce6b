"""The requests themselves, one row a request in order of time: JSON lines, CSV or Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import pandas as pd

# The columns of the export, in their order; one that only JSON can hold as it is, is JSON text in CSV and Parquet.
COLUMNS = (
    "at",
    "started",
    "kind",
    "status",
    "database",
    "collection",
    "partitions",
    "filter",
    "filter_shape",
    "nq",
    "top_k",
    "output_fields",
    "search_params",
    "anns_field",
    "metric_type",
    "duration_s",
    "duration_per_nq_s",
    "consistency_logged",
    "uses_default_consistency",
    "consistency",
    "guarantee_timestamp",
    "guarantee_lag_s",
    "requery_s",
    "vector_bytes",
    "trace_id",
    "user",
    "client",
    "node",
    "pattern",
    "milvus_version",
    "milvus_version_source",
    "path",
    "line",
    "phases",
    "extra",
)
_WHOLE_NUMBERS = ("nq", "top_k", "vector_bytes", "guarantee_timestamp")
_JSON_TEXTS = ("partitions", "output_fields", "search_params", "phases", "extra")
_BOOLEANS = ("uses_default_consistency",)
_TIMES = ("at", "started")
FORMATS = ("jsonl", "csv", "parquet")


def write(requests: pd.DataFrame, format: str, stream: BinaryIO) -> None:  # noqa: A002 - the word of the command line
    """Write the table in one of FORMATS. Unknown is null in JSON and Parquet, empty in CSV."""
    frame = requests[[name for name in COLUMNS if name in requests.columns]].copy()
    for name in _WHOLE_NUMBERS:
        frame[name] = _whole(frame[name])
    for name in _BOOLEANS:
        frame[name] = frame[name].astype(object).map({"true": True, "false": False}).astype("boolean")
    if format == "parquet":
        frame["filter"] = frame["filter"].astype("str")
        frame.to_parquet(stream, index=False)
        return
    for name in _TIMES:
        frame[name] = frame[name].dt.strftime("%Y-%m-%dT%H:%M:%S.%f").str.slice(0, 23) + "Z"
    if format == "csv":
        frame.to_csv(stream, index=False)
        return
    for block in _jsonl(frame):
        stream.write(block)


def _whole(column: pd.Series) -> pd.Series:
    if column.name == "guarantee_timestamp":  # uint64 does not survive a float
        import pandas as pd

        numbers = [int(text) if isinstance(text, str) else pd.NA for text in column.astype(object)]
        return pd.Series(pd.array(numbers, dtype="UInt64"), index=column.index, name=column.name)
    return column.astype("float64").round().astype("Int64")


def records(requests: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Each row as what `--format jsonl` prints, as Python values."""
    names = [*requests.columns]
    columns = [_values(requests[name]) for name in names]
    hybrid = requests["kind"].astype(object) == "hybrid_search" if "kind" in requests else [False] * len(requests)
    for is_hybrid, row in zip(hybrid, zip(*columns, strict=True), strict=True):
        record = dict(zip(names, row, strict=True))
        if is_hybrid and isinstance(record.get("filter"), str):
            record["filter"] = json.loads(record["filter"])
        yield record


def _values(column: pd.Series) -> list[Any]:
    import pandas as pd

    values = column.astype(object).where(column.notna(), None).tolist()
    if column.name in _JSON_TEXTS:
        parsed = {text: json.loads(text) for text in pd.unique(column.dropna())}
        return [None if text is None else parsed[text] for text in values]
    return values


def _jsonl(frame: pd.DataFrame) -> Iterator[bytes]:
    for start in range(0, len(frame), 10_000):
        part = frame.iloc[start : start + 10_000]
        yield "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records(part)).encode(
            "utf-8", "surrogatepass"
        )
