"""Columns: what repeats is worked out once for each distinct value and then spread over the rows by number."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionArray

from slowq.parsers import slow
from slowq.parsers.cutting import TRACE_WIDTH


class Sparse:
    """A text column of which most rows say nothing, or the same as others."""

    def __init__(self, rows: int) -> None:
        self.codes = np.full(rows, -1, dtype="int32")
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def put(self, row: int, text: bytes) -> None:
        """Set a row; nothing for no text."""
        if text:
            self.codes[row] = self.number(text.decode("utf-8", "replace"))

    def column(self, rows: np.ndarray) -> pd.Categorical:
        return pd.Categorical.from_codes(self.codes[rows], categories=pd.Index(list(self._numbers), dtype="str"))


def numbered(parts: Iterable[tuple[Sequence[Any], Any]]) -> tuple[list[Any], np.ndarray]:
    """Distinct values of all parts, and for each row the number of its value, -1 where it has none."""
    numbers: dict[Any, int] = {}
    codes = []
    for values, of_rows in parts:
        table = np.array([numbers.setdefault(value, len(numbers)) for value in values] + [-1], dtype="int64")
        codes.append(table[np.frombuffer(of_rows, dtype="int64")])
    return list(numbers), np.concatenate(codes) if codes else np.array([], dtype="int64")


def joined(arrays: Iterable[Any], dtype: str) -> np.ndarray:
    found = [np.frombuffer(one, dtype=dtype) for one in arrays]
    return np.concatenate(found) if found else np.array([], dtype=dtype)


def times(ms: Any) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.asarray(ms, dtype="int64").astype("datetime64[ms]"), tz="UTC")


def words(values: Iterable[str]) -> pd.Index:
    return pd.Index(sorted(set(values)), dtype="str")


def unique(paths: Sequence[str]) -> pd.Index:
    return pd.Index(dict.fromkeys(paths), dtype="str")


def strings(values: Iterable[bytes | None]) -> ExtensionArray:
    return _texts(pa.array(list(values), type=pa.binary()))


def traces(rows: Sequence[slow.Rows]) -> ExtensionArray:
    """The trace ids of slow requests, null for none."""
    fixed = np.frombuffer(b"".join(one.trace for one in rows), dtype=np.uint8).reshape(-1, TRACE_WIDTH)
    used = fixed != 0
    lengths = np.full(len(fixed), TRACE_WIDTH) if used.all() else used.sum(axis=1)
    data = fixed if used.all() else fixed[used]
    offsets = np.append(0, np.cumsum(lengths)).astype("int32")
    known = pa.py_buffer(np.packbits(lengths > 0, bitorder="little"))
    raw = pa.Array.from_buffers(pa.binary(), len(fixed), [known, pa.py_buffer(offsets), pa.py_buffer(data)])
    if any(one.odd_traces for one in rows):
        values, first = raw.to_pylist(), 0
        for one in rows:
            for row, trace in one.odd_traces.items():
                values[first + row] = trace
            first += len(one.line)
        raw = pa.array(values, type=pa.binary())
    return _texts(raw)


def _texts(raw: pa.Array) -> ExtensionArray:
    try:
        text = raw.cast(pa.string())
    except pa.ArrowInvalid:
        decoded = [None if v is None else v.decode("utf-8", "replace") for v in raw.to_pylist()]
        text = pa.array(decoded, type=pa.string())
    found: ExtensionArray = pd.array(text, dtype="str")
    return found


def timestamps(guarantee: np.ndarray) -> ExtensionArray:
    text = pa.array(guarantee, mask=guarantee == np.uint64(slow.NO_TIMESTAMP)).cast(pa.string())
    found: ExtensionArray = pd.array(text, dtype="str")
    return found


def plain(column: pd.Series) -> pd.Series:
    return column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
