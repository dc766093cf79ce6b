"""The events of all parts as one table, in order of time.

A long log has millions of them, so nothing here is an object for each, but for the few with a detail of their own.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from slowq.facts import STEADY_S
from slowq.parsers import columns
from slowq.parsers.evidence import Events, Texts
from slowq.parsers.messages import KNOWN, STEADY_KINDS

_STATES = ("start", "done", "point")
_WHATS = tuple(sorted({known.what for _, known in KNOWN}))
_WHAT = np.array([_WHATS.index(known.what) for _, known in KNOWN], dtype="int8")
_STATE = np.array([_STATES.index(known.state) for _, known in KNOWN], dtype="int8")
_IS_STEADY = np.array([known.what in STEADY_KINDS for _, known in KNOWN])


def event_table(parts: Sequence[columns.Part], paths: Sequence[str]) -> pd.DataFrame:
    """One row an event: at, what, state, subject, collection, duration_s, detail, trace_id, path, line."""
    events = [batch.events for _, _, batch in parts]
    time_ms = columns.joined((one.time_ms for one in events), "int64")
    spec = columns.joined((one.spec for one in events), "uint16")
    files = columns.of_files(parts, lambda batch: len(batch.events))
    lines = columns.joined_lines(parts, lambda batch: batch.events.line)
    rows = np.lexsort((lines, files, time_ms))
    rows = rows[~_is_said_again(spec[rows], files[rows], time_ms[rows])]
    collection, detail, trace = _more(events, spec, rows)
    subject = columns.packed([one.subject for one in events])
    return pd.DataFrame(
        {
            "at": columns.times(time_ms[rows]),
            "what": pd.Categorical.from_codes(_WHAT[spec[rows]], categories=pd.Index(_WHATS, dtype="str")),
            "state": pd.Categorical.from_codes(_STATE[spec[rows]], categories=pd.Index(_STATES, dtype="str")),
            "subject": columns.texts(subject.take(pa.array(rows))),
            "collection": collection,
            "duration_s": columns.joined((one.duration_s for one in events), "float64")[rows],
            "detail": detail,
            "trace_id": trace,
            "path": pd.Categorical.from_codes(files[rows], categories=columns.unique(paths)),
            "line": lines[rows],
        },
        copy=False,
    )


def _is_said_again(spec: np.ndarray, files: np.ndarray, time_ms: np.ndarray) -> np.ndarray:
    """Of what says the same every second, all but the first of ten seconds, wherever the log was cut into parts."""
    steady = np.flatnonzero(_IS_STEADY[spec])
    window = time_ms[steady] // int(STEADY_S * 1000)
    said = pd.DataFrame({"what": _WHAT[spec[steady]], "path": files[steady], "window": window})
    again = np.zeros(len(spec), dtype=bool)
    again[steady] = said.duplicated().to_numpy()
    return again


def _more(events: Sequence[Events], spec: np.ndarray, rows: np.ndarray) -> tuple[pd.Categorical, ...]:
    """Collection, detail and trace id of these rows; the detail of those that have no other is their message."""
    collection, detail, trace = _Sparse(len(spec)), _Sparse(len(spec)), _Sparse(len(spec))
    detail.codes[:] = np.array([detail.number(message) for message, _ in KNOWN])[spec]
    at = 0
    for one in events:
        rows_of_more = np.frombuffer(one.more_row, dtype="int64") + at
        collection.put(rows_of_more, one.more_collection)
        detail.put(rows_of_more, one.more_detail)
        trace.put(rows_of_more, one.more_trace)
        at += len(one)
    return collection.column(rows), detail.column(rows), trace.column(rows)


class _Sparse:
    """A text column of which most rows say nothing, or the same as others."""

    def __init__(self, rows: int) -> None:
        self.codes = np.full(rows, -1, dtype="int32")
        self._numbers: dict[bytes, int] = {}

    def number(self, text: bytes) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def put(self, rows: np.ndarray, texts: Texts) -> None:
        """Set these rows, but for those of no text."""
        numbers = np.array([self.number(text) if text else -1 for text in texts], dtype="int32")
        self.codes[rows[numbers >= 0]] = numbers[numbers >= 0]

    def column(self, rows: np.ndarray) -> pd.Categorical:
        """The rows as text, in which what is no UTF-8 is replaced."""
        decoded = [text.decode("utf-8", "replace") for text in self._numbers]
        words = dict.fromkeys(decoded)
        codes = self.codes[rows]
        if len(words) < len(decoded):  # texts that differ in what was replaced alone
            place = {word: number for number, word in enumerate(words)}
            codes = np.array([*(place[text] for text in decoded), -1], dtype="int32")[codes]
        return pd.Categorical.from_codes(codes, categories=pd.Index(list(words), dtype="str"))
