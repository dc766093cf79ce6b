"""Columns: what repeats is worked out once for each distinct value and then spread over the rows by number."""

from collections.abc import Callable, Iterable, Sequence
from ctypes import CDLL
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionArray

from slowq.parsers import slow
from slowq.parsers.cutting import TRACE_WIDTH
from slowq.parsers.evidence import Texts
from slowq.parsers.scan import Batch

Part = tuple[int, int, Batch]  # number of the file, lines of it that lie before, what was read


def numbered(parts: Iterable[tuple[Sequence[Any], Any]]) -> tuple[list[Any], np.ndarray]:
    """Distinct values of all parts, and for each row the number of its value, -1 where it has none."""
    numbers: dict[Any, int] = {}
    codes = []
    for values, of_rows in parts:
        table = np.array([numbers.setdefault(value, len(numbers)) for value in values] + [-1], dtype="int32")
        codes.append(table[np.frombuffer(of_rows, dtype="int32")])
    return list(numbers), _concatenated(codes, "int32")


def joined(arrays: Iterable[Any], dtype: str) -> np.ndarray:
    """The values of all parts; where there is one part, they stay where they are."""
    return _concatenated([np.frombuffer(one, dtype=dtype) for one in arrays], dtype)


def _concatenated(found: Sequence[np.ndarray], dtype: str) -> np.ndarray:
    return found[0] if len(found) == 1 else np.concatenate(found) if found else np.array([], dtype=dtype)


def joined_lines(parts: Sequence[Part], of: Callable[[Batch], Any]) -> np.ndarray:
    """Line numbers in the whole file."""
    return _concatenated([np.frombuffer(of(batch), dtype="int64") + offset for _, offset, batch in parts], "int64")


def of_files(parts: Sequence[Part], size: Callable[[Batch], int]) -> np.ndarray:
    """The number of the file of each row."""
    return _concatenated([np.full(size(batch), number, dtype="int32") for number, _, batch in parts], "int32")


def times(ms: Any) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.asarray(ms, dtype="int64").view("datetime64[ms]"), tz="UTC")


def words(values: Iterable[str]) -> pd.Index:
    return pd.Index(sorted(set(values)), dtype="str")


def unique(paths: Sequence[str]) -> pd.Index:
    return pd.Index(dict.fromkeys(paths), dtype="str")


def strings(values: Iterable[bytes | None]) -> ExtensionArray:
    return texts(pa.array(list(values), type=pa.binary()))


def packed(parts: Sequence[Texts]) -> pa.Array:
    """Byte strings as they were read, without an object for each."""
    lengths = [np.diff(np.frombuffer(part.ends, dtype="int64"), prepend=0) for part in parts]
    ends = np.cumsum(np.concatenate(lengths)) if lengths else np.array([], dtype="int64")
    data = pa.py_buffer(b"".join(part.data for part in parts))
    return pa.Array.from_buffers(pa.large_binary(), len(ends), [None, pa.py_buffer(np.append(0, ends)), data])


def traces(rows: Sequence[slow.Rows]) -> ExtensionArray:
    """The trace ids of slow requests, null for none."""
    fixed = joined((one.trace for one in rows), "uint8").reshape(-1, TRACE_WIDTH)
    used = fixed != 0
    is_full = bool(used.all())
    lengths = np.full(len(fixed), TRACE_WIDTH) if is_full else used.sum(axis=1)
    data = fixed if is_full else fixed[used]
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
    return texts(raw)


def texts(raw: pa.Array) -> ExtensionArray:
    """Byte strings as text; what is no UTF-8 in them is replaced."""
    try:
        text = raw.cast(pa.large_string())
    except pa.ArrowInvalid:
        decoded = [None if v is None else v.decode("utf-8", "replace") for v in raw.to_pylist()]
        text = pa.array(decoded, type=pa.string())
    found: ExtensionArray = pd.array(text, dtype="str")
    return found


def timestamps(guarantee: np.ndarray) -> ExtensionArray:
    text = pa.array(guarantee, mask=guarantee == np.uint64(slow.NO_TIMESTAMP)).cast(pa.string())
    found: ExtensionArray = pd.array(text, dtype="str")
    return found


def give_back() -> None:
    """Hand free memory back to the system where a step is done and the next one takes as much again.

    glibc keeps what lies below something that is still used, and Arrow what it may need again: a quarter of the peak.
    """
    pa.default_memory_pool().release_unused()
    trim = getattr(CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim is not None:
        trim(0)


def plain(column: pd.Series) -> pd.Series:
    return column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
