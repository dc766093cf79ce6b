"""Batches of raw columns into the requests table and the events table (see `facts.REQUEST_COLUMNS`).

Everything here works on whole columns. What repeats (forms, search params, filters, callers) is worked out once for each
distinct value and then spread over the rows by number.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionArray

from slowq.facts import NOT_STATED, SLOW_S, STEADY_S, WORTH_A_LOOK_S, Context
from slowq.parsers import releases, slow, zap
from slowq.parsers.access import Access
from slowq.parsers.evidence import KNOWN, STEADY_KINDS
from slowq.parsers.read import File
from slowq.parsers.scan import Batch
from slowq.sources.paths import node_of

# Hybrid timestamp: physical milliseconds << 18 | logical (18 bits).
LOGICAL_BITS = 18
# Below this a guarantee timestamp is one of the raw values 0, 1, 2, or no timestamp at all: 2017-01-01 in hybrid form.
_FIRST_TSO = np.uint64(1_483_228_800_000 << LOGICAL_BITS)
_LAST_TSO = np.uint64(4_102_444_800_000 << LOGICAL_BITS)  # 2100
# Milvus' proxy takes now - `common.gracefulTime` (5000 ms) for Bounded and now for Strong; half a second of tolerance
# leaves room for the time between the request's start and its timestamp.
GRACEFUL_S = 5.0
TOLERANCE_S = 0.5
_COMPUTED_SINCE = (2, 4, 7)  # from here the proxy logs the timestamp it computed, before it the raw request value
_RAW_LEVELS = {0: "Strong", 1: "Eventually", 2: "Bounded"}
_STATES = ("start", "done", "point")
_INTERNAL_LABELS = ("requery", "upsert_query", "delete_query")
_ONLY_SUCCESSFUL_SINCE = (2, 6, 10)

_HYBRID_PART = re.compile(r"(?:^|\])\[No\.\d+ req, expr: ")


class Table:
    """Collects the files' batches; `requests` and `events` are built from all of them together."""

    def __init__(self, files: Sequence[File]) -> None:
        self.paths = [file.path for file in files]
        self._parts = [
            (number, offset, batch)
            for number, file in enumerate(files)
            for offset, batch in zip(_offsets(file), file.batches, strict=True)
        ]
        self._nodes = [node_of(file.path) for file in files]
        self.set_aside = 0  # slow lines that are no requests of their own: requeries and internal queries

    # ----------------------------------------------------------------------------------------------------------------

    def events(self) -> pd.DataFrame:
        parts = [part for part in self._parts if len(part[2].events)]
        events = [batch.events for _, _, batch in parts]
        spec = _joined((one.spec for one in events), "uint16")
        time_ms = _joined((one.time_ms for one in events), "int64")
        files = _of_files(parts, lambda batch: len(batch.events))
        lines = _joined_lines(parts, lambda batch: batch.events.line)
        whats = pd.Index(sorted({known.what for _, known in KNOWN}), dtype="str")
        what = np.array([whats.get_loc(known.what) for _, known in KNOWN])[spec]
        state = np.array([_STATES.index(known.state) for _, known in KNOWN])[spec]
        keep = np.lexsort((lines, files, time_ms))
        # Of what says the same every second the first of ten seconds stays, wherever the log was cut into parts.
        window = pd.DataFrame({"what": what, "path": files, "window": time_ms // int(STEADY_S * 1000)}).iloc[keep]
        steady = np.array([known.what in STEADY_KINDS for _, known in KNOWN])[spec][keep]
        keep = keep[~(steady & window.duplicated().to_numpy())]
        collection, detail, trace = _Sparse(len(spec)), _Sparse(len(spec)), _Sparse(len(spec))
        detail.codes[:] = np.array([detail.number(message.decode()) for message, _ in KNOWN])[spec]
        at = 0
        for one in events:
            for row, (of, said, by) in one.more.items():
                collection.put(at + row, of)
                detail.put(at + row, said)
                trace.put(at + row, by)
            at += len(one)
        subjects = [subject for one in events for subject in one.subject]
        return pd.DataFrame(
            {
                "at": _times(time_ms[keep]),
                "what": pd.Categorical.from_codes(what[keep], categories=whats),
                "state": pd.Categorical.from_codes(state[keep], categories=pd.Index(_STATES, dtype="str")),
                "subject": _strings(subjects[row] for row in keep.tolist()),
                "collection": collection.column(keep),
                "duration_s": _joined((one.duration_s for one in events), "float64")[keep],
                "detail": detail.column(keep),
                "trace_id": trace.column(keep),
                "path": pd.Categorical.from_codes(files[keep], categories=_unique(self.paths)),
                "line": lines[keep],
            }
        )

    def phases(self) -> pd.DataFrame:
        rows = [(number, offset, phase) for number, offset, batch in self._parts for phase in batch.phases]
        return pd.DataFrame(
            {
                "at": _times([phase.time_ms for _, _, phase in rows]),
                "trace_id": _strings(phase.trace for _, _, phase in rows),
                "phase": _strings(phase.phase for _, _, phase in rows),
                "duration_s": np.array([phase.duration_s for _, _, phase in rows], dtype="float64"),
                "path": pd.Categorical.from_codes([number for number, _, _ in rows], categories=_unique(self.paths)),
                "line": np.array([offset + phase.line for _, offset, phase in rows], dtype="int64"),
            }
        )

    def requests(self, events: pd.DataFrame, known_version: releases.Range | None) -> pd.DataFrame:
        """The requests of slow log and access log, each once. `known_version` comes from a banner or the context."""
        frame = self._slow_requests(known_version)
        frame = self._without_requeries(frame)
        frame = self._with_accesses(frame)
        frame["status"] = _status(frame, events)
        frame["phases"] = _phases(frame["trace_id"], self.phases())
        frame = frame.sort_values(["at", "path", "line"], kind="stable", ignore_index=True)
        return frame.drop(columns=["_label"])

    # ----------------------------------------------------------------------------------------------------------------

    def _slow_requests(self, known_version: releases.Range | None) -> pd.DataFrame:
        parts = [part for part in self._parts if len(part[2].rows.time_ms)]
        rows = [batch.rows for _, _, batch in parts]
        forms, form_codes = _numbered((r.forms, r.form) for r in rows)
        filter_texts, filter_codes = _numbered((r.filters, r.filter) for r in rows)
        at_ms = _joined((r.time_ms for r in rows), "int64")
        duration_s = _joined((r.duration_s for r in rows), "float64")
        nq = _joined((r.nq for r in rows), "float64")
        per_nq = _joined((r.per_nq_s for r in rows), "float64")
        guarantee = _joined((r.guarantee for r in rows), "uint64")
        started_ms = at_ms - duration_s * 1e3
        is_tso = (guarantee >= _FIRST_TSO) & (guarantee < _LAST_TSO)
        lag_s = np.where(is_tso, (started_ms - (guarantee >> np.uint64(LOGICAL_BITS)).astype("float64")) / 1e3, np.nan)
        of_form = _FormColumns(forms, form_codes)
        versions = [_version_of(form, known_version) for form in forms]
        params = of_form.map(lambda form: form.search_params, _search_params)
        files = _of_files(parts, lambda batch: len(batch.rows.line))
        return pd.DataFrame(
            {
                "at": _times(at_ms),
                "started": _times(np.rint(started_ms).astype("int64")),
                "kind": of_form.categorical([form.kind for form in forms]),
                "slow": np.ones(len(at_ms), dtype=bool),
                "database": of_form.categorical([_database(form.database) for form in forms]),
                "collection": of_form.categorical([_text(form.collection) for form in forms]),
                "partitions": of_form.categorical([_list(form.partitions) for form in forms]),
                "filter": _filters(filter_texts, filter_codes, of_form.is_hybrid),
                "nq": nq,
                "top_k": of_form.numbers([_top_k(p) for p in params]),
                "output_fields": of_form.categorical([_list(form.output_fields) for form in forms]),
                "search_params": of_form.categorical([_json(p) for p in params]),
                "anns_field": of_form.categorical([_string_of(p, "anns_field") for p in params]),
                "metric_type": of_form.categorical([_metric(p) for p in params]),
                "duration_s": duration_s,
                "duration_per_nq_s": np.where(np.isnan(per_nq), duration_s / np.where(nq > 0, nq, np.nan), per_nq),
                "consistency_logged": of_form.categorical([_text(form.consistency) for form in forms]),
                "uses_default_consistency": of_form.categorical([_text(form.uses_default) for form in forms]),
                "consistency": _levels(forms, versions, form_codes, guarantee, lag_s),
                "guarantee_timestamp": _timestamps(guarantee),
                "guarantee_lag_s": lag_s,
                "requery_s": np.full(len(at_ms), np.nan),
                "vector_bytes": of_form.numbers([_number(form.vector_bytes) for form in forms]),
                "trace_id": _strings(trace or None for r in rows for trace in r.trace),
                "user": pd.Categorical([None] * len(at_ms), categories=_words([])),
                "client": pd.Categorical([None] * len(at_ms), categories=_words([])),
                "node": self._node_column(parts, files),
                "milvus_version": of_form.categorical([v[0] for v in versions]),
                "milvus_version_source": of_form.categorical([v[1] for v in versions]),
                "path": pd.Categorical.from_codes(files, categories=_unique(self.paths)),
                "line": _joined_lines(parts, lambda batch: batch.rows.line),
                "extra": of_form.categorical([_extra(form.extra) for form in forms]),
                "_label": of_form.categorical([_text(form.label) for form in forms]),
            }
        )

    def _node_column(self, parts: Sequence[Any], files: np.ndarray) -> pd.Categorical:
        names = [node for _, _, batch in parts for node in set(batch.nodes.values())] + [n for n in self._nodes if n]
        categories = _words(names)
        by_name = {name: code for code, name in enumerate(categories)}
        of_file = np.array([by_name.get(name, -1) if name else -1 for name in self._nodes] or [-1])
        codes = of_file[files] if len(files) else np.array([], dtype=int)
        at = 0
        for _, _, batch in parts:
            size = len(batch.rows.line)
            if batch.nodes:
                lines = batch.rows.line
                codes[at : at + size] = [
                    by_name[batch.nodes[line]] if line in batch.nodes else codes[at + i] for i, line in enumerate(lines)
                ]
            at += size
        return pd.Categorical.from_codes(codes, categories=categories)

    def _without_requeries(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Requeries become a number of their search; other internal queries are set aside.

        A search whose output fields cannot be filled from its reduce asks once more, with a Query that has an empty
        `expr` and the search's own trace id; from 2.6.15 `queryLabel` says what a query is for.
        """
        label = frame["_label"]
        queries = (frame["kind"] == "query").to_numpy()
        empty = queries & (frame["filter"] == "").to_numpy(dtype=bool, na_value=False)
        if not empty.any() and not label.notna().any():
            return frame
        traces = frame["trace_id"]
        searches = frame.loc[~queries & traces.notna().to_numpy(), "trace_id"]
        of_a_search = empty & traces.isin(searches).to_numpy() & ~(label == "query").to_numpy()
        requery = of_a_search | (label == "requery").to_numpy()
        internal = requery | label.isin(_INTERNAL_LABELS).to_numpy()
        if not internal.any():
            return frame
        self.set_aside = int(internal.sum())
        longest = frame[requery & traces.notna().to_numpy()].groupby("trace_id")["duration_s"].sum()
        kept = frame[~internal].copy()
        mine = (kept["kind"] != "query").to_numpy()
        kept.loc[mine, "requery_s"] = kept.loc[mine, "trace_id"].map(longest).astype("float64").to_numpy()
        return kept

    def _with_accesses(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The access log completes the slow requests of the same trace and adds the others."""
        found = [(number, offset, access) for number, offset, batch in self._parts for access in batch.accesses]
        if not found:
            return frame
        more = _access_frame(found, self.paths, self._nodes, frame)
        known = frame[frame["trace_id"].notna()].drop_duplicates(["trace_id", "kind"])
        key = [*zip(more["trace_id"], more["kind"].astype(object), strict=True)]
        pairs = zip(known["trace_id"], known["kind"].astype(object), strict=True)
        position = dict(zip(pairs, known.index, strict=True))
        target = np.array([position.get(pair, -1) for pair in key])
        joined = more[target >= 0].assign(_target=target[target >= 0]).drop_duplicates("_target").set_index("_target")
        columns = {name: _plain(frame[name]) for name in frame.columns}
        columns["status"] = pd.Series(None, index=frame.index, dtype=object)
        # What only the access log knows for certain wins; what the slow line says itself stays.
        for name in ("status", "user", "client", "consistency", *_COMPLETED):
            values = _plain(joined[name]).dropna()
            column = columns[name].astype(object)
            targets = values.index if name not in _COMPLETED else values.index[column.loc[values.index].isna()]
            column.loc[targets] = values.loc[targets]
            columns[name] = column
        complete = pd.DataFrame(columns)
        rest = more[target < 0]
        both = pd.concat(
            [complete, pd.DataFrame({name: _plain(rest[name]) for name in complete.columns})], ignore_index=True
        )
        for name in _CATEGORIES:
            both[name] = pd.Categorical(both[name], categories=_words(both[name].dropna().unique()))
        both["path"] = pd.Categorical(both["path"], categories=_unique(self.paths))
        for name in ("filter", "trace_id", "guarantee_timestamp"):
            both[name] = both[name].astype("str")
        for name in ("nq", "top_k", "duration_s", "duration_per_nq_s", "guarantee_lag_s", "requery_s", "vector_bytes"):
            both[name] = both[name].astype("float64")
        per_nq = both["duration_s"] / both["nq"].where(both["nq"] > 0)
        both["duration_per_nq_s"] = both["duration_per_nq_s"].where(both["duration_per_nq_s"].notna(), per_nq)
        both["slow"] = both["slow"].astype(bool)
        return both


def from_context(context: Context) -> pd.DataFrame:
    """The requests that a context file describes, as rows of the same table; their times are not known.

    A described request is slow where it takes a second, or clearly longer than when all is well. Where no request has a
    duration, all of them are there because somebody complained of them.
    """
    frame = Table([])._slow_requests(None).drop(columns=["_label"])
    frame["status"] = pd.Categorical([], categories=_words([]))
    frame["phases"] = pd.Categorical([], categories=_words([]))
    if not context.requests:
        return frame
    timed = any(request.duration_s is not None for request in context.requests)
    rows = [
        {
            "kind": request.kind or "search",
            "slow": _is_slow(request.duration_s, request.fast_duration_s) if timed else True,
            "status": "timeout" if request.timeout else None,
            "collection": context.collections[0].name if len(context.collections) == 1 else None,
            "partitions": _json(list(request.partitions)) if request.partitions else None,
            "filter": request.filter if request.filter != NOT_STATED else None,
            "nq": request.nq,
            "top_k": request.top_k,
            "output_fields": _json(list(request.output_fields)) if request.output_fields else None,
            "search_params": _json(dict(request.search_params)),
            "duration_s": request.duration_s,
            "consistency": request.consistency,
            "path": context.path or "context",
            "line": context.cite(request.key).line,
        }
        for request in context.requests
    ]
    described = pd.DataFrame(rows).reindex(columns=frame.columns)
    for name in frame.columns:
        dtype = frame[name].dtype
        if isinstance(dtype, pd.CategoricalDtype):
            described[name] = pd.Categorical(described[name], categories=_words(described[name].dropna().astype(str)))
        else:
            described[name] = described[name].astype(dtype)
    return described


def _is_slow(duration_s: float | None, fast_s: float | None) -> bool:
    if duration_s is None:
        return False
    return duration_s >= SLOW_S or (fast_s is not None and duration_s >= max(WORTH_A_LOOK_S, 3 * fast_s))


# ---------------------------------------------------------------------------------------------------------------------
# Columns from numbers into distinct values.


class _Sparse:
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


class _FormColumns:
    """Spreads what is known of each form over the rows."""

    def __init__(self, forms: Sequence[slow.Form], codes: np.ndarray) -> None:
        self._forms, self._codes = forms, codes
        self.is_hybrid = np.array([form.kind == "hybrid_search" for form in forms] or [False])[codes]

    def map(self, of: Callable[[slow.Form], bytes | None], parse: Callable[[bytes | None], Any]) -> list[Any]:
        return [parse(of(form)) for form in self._forms]

    def categorical(self, values: Sequence[str | None]) -> pd.Categorical:
        categories = _words(value for value in values if value is not None)
        number = {value: code for code, value in enumerate(categories)}
        codes = np.array([-1 if value is None else number[value] for value in values] or [-1])
        return pd.Categorical.from_codes(codes[self._codes], categories=categories)

    def numbers(self, values: Sequence[float | None]) -> np.ndarray:
        table = np.array([np.nan if value is None else value for value in values] or [np.nan], dtype="float64")
        found: np.ndarray = table[self._codes]
        return found


def _numbered(parts: Iterable[tuple[Sequence[Any], Any]]) -> tuple[list[Any], np.ndarray]:
    """Distinct values of all parts, and for each row the number of its value, -1 where it has none."""
    numbers: dict[Any, int] = {}
    codes = []
    for values, of_rows in parts:
        table = np.array([numbers.setdefault(value, len(numbers)) for value in values] + [-1], dtype="int64")
        codes.append(table[np.frombuffer(of_rows, dtype="int64")])
    return list(numbers), np.concatenate(codes) if codes else np.array([], dtype="int64")


def _joined(arrays: Iterable[Any], dtype: str) -> np.ndarray:
    found = [np.frombuffer(one, dtype=dtype) for one in arrays]
    return np.concatenate(found) if found else np.array([], dtype=dtype)


def _joined_lines(parts: Sequence[Any], of: Callable[[Batch], Any]) -> np.ndarray:
    """Line numbers in the whole file."""
    found = [np.frombuffer(of(batch), dtype="int64") + offset for _, offset, batch in parts]
    return np.concatenate(found) if found else np.array([], dtype="int64")


def _of_files(parts: Sequence[Any], size: Callable[[Batch], int]) -> np.ndarray:
    """The number of the file of each row."""
    found = [np.full(size(batch), number, dtype="int32") for number, _, batch in parts]
    return np.concatenate(found) if found else np.array([], dtype="int32")


def _offsets(file: File) -> list[int]:
    lines = [0, *(batch.lines for batch in file.batches)]
    return [int(offset) for offset in np.cumsum(lines)[:-1]]


def _times(ms: Any) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.asarray(ms, dtype="int64").astype("datetime64[ms]"), tz="UTC")


def _words(values: Iterable[str]) -> pd.Index:
    return pd.Index(sorted(set(values)), dtype="str")


def _unique(paths: Sequence[str]) -> pd.Index:
    return pd.Index(dict.fromkeys(paths), dtype="str")


def _strings(values: Iterable[bytes | None]) -> ExtensionArray:
    raw = pa.array(list(values), type=pa.binary())
    try:
        text = raw.cast(pa.string())
    except pa.ArrowInvalid:
        decoded = [None if v is None else v.decode("utf-8", "replace") for v in raw.to_pylist()]
        text = pa.array(decoded, type=pa.string())
    found: ExtensionArray = pd.array(text, dtype="str")
    return found


def _timestamps(guarantee: np.ndarray) -> ExtensionArray:
    text = pa.array(guarantee, mask=guarantee == np.uint64(slow.NO_TIMESTAMP)).cast(pa.string())
    found: ExtensionArray = pd.array(text, dtype="str")
    return found


def _plain(column: pd.Series) -> pd.Series:
    return column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column


# ---------------------------------------------------------------------------------------------------------------------
# Values.


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _database(value: bytes | None) -> str | None:
    """An empty name means the default database."""
    return None if value is None else _text(value) or "default"


def _list(value: bytes | None) -> str | None:
    """A zap array as a JSON list."""
    found = None if value is None else zap.array(value.decode("utf-8", "replace"))
    return None if found is None else json.dumps(found, ensure_ascii=False)


def _number(value: bytes | None) -> float | None:
    return float(value) if value is not None and value.isdigit() and len(value) < 16 else None


@lru_cache(maxsize=65536)
def _search_params(value: bytes | None) -> dict[str, Any] | None:
    """`[{"key":"topk","value":"10"},{"key":"params","value":"{\\"ef\\":64}"}]` as one object, numbers as numbers."""
    pairs = _loaded(value.decode("utf-8", "replace")) if value else None
    if isinstance(pairs, dict):
        return {str(key): _as_number(one) for key, one in pairs.items()}
    if not isinstance(pairs, list):
        return None
    return {str(p["key"]): _as_number(p.get("value")) for p in pairs if isinstance(p, dict) and "key" in p}


def _as_number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith(("{", "[")):
        inner = _loaded(value)
        return value if inner is None else inner
    try:
        number = int(value) if value.lstrip("-").isdigit() else float(value) if _FLOAT.fullmatch(value) else value
    except ValueError:
        return value
    return value if number in (math.inf, -math.inf) else number


def _loaded(text: str) -> Any:
    """A JSON value that can be written as JSON again; None for what is none.

    Python reads more than JSON is: infinite numbers, halves of surrogate pairs, and nesting that it cannot write.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return None if _is_deeper(value, _DEEPEST) else _without_surrogates(value) if _SURROGATE.search(text) else value


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if number in (math.inf, -math.inf):
        raise ValueError(text)
    return number


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(one) for key, one in value.items()}
    return value


_DEEPEST = 32
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


_FLOAT = re.compile(r"-?(?:\d{1,300}\.\d{0,300}|\.\d{1,300}|\d{1,300})(?:[eE][+-]?\d{1,3})?")


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _top_k(params: dict[str, Any] | None) -> float | None:
    for name in ("topk", "limit"):
        value = (params or {}).get(name)
        if isinstance(value, int) and 0 <= value < 2**53:
            return float(value)
    return None


def _string_of(params: dict[str, Any] | None, name: str) -> str | None:
    value = (params or {}).get(name)
    return value if isinstance(value, str) and value else None


def _metric(params: dict[str, Any] | None) -> str | None:
    inner = (params or {}).get("params")
    return _string_of(params, "metric_type") or (_string_of(inner, "metric_type") if isinstance(inner, dict) else None)


def _extra(extra: Sequence[tuple[bytes, bytes]]) -> str | None:
    """Fields of a slow line that slowq does not know, as a JSON object."""
    return _json({_text(key): _text(value) for key, value in extra}) if extra else None


def _filters(texts: Sequence[bytes], codes: np.ndarray, hybrid: np.ndarray) -> ExtensionArray:
    """The filter of each row: as sent, and for a hybrid search the JSON list of its parts."""
    decoded = [text.decode("utf-8", "replace") for text in texts]
    words = decoded + ([hybrid_parts(text) for text in decoded] if hybrid.any() else [])
    numbers = pa.array(np.where(hybrid, codes + len(decoded), codes), mask=codes < 0, type=pa.int32())
    spread = pa.DictionaryArray.from_arrays(numbers, pa.array(words, type=pa.string())).cast(pa.string())
    found: ExtensionArray = pd.array(spread, dtype="str")
    return found


def hybrid_parts(text: str) -> str:
    """`[No.0 req, expr: a > 1][No.1 req, expr: ]` as a JSON list."""
    parts = _HYBRID_PART.split(text.removesuffix("]"))
    return json.dumps(parts[1:], ensure_ascii=False)


# ---------------------------------------------------------------------------------------------------------------------
# Version, consistency level, status.


def _version_of(form: slow.Form, known: releases.Range | None) -> tuple[str | None, str | None, releases.Range | None]:
    """(version as shown, how it was learnt, range) of the Milvus that wrote a line of this form."""
    fields = releases.by_fields(
        form.kind,
        database=form.database is not None,
        level=form.consistency is not None,
        uses_default=form.uses_default is not None,
        nq=form.has_nq,
        per_nq=form.has_per_nq,
        travel=form.has_travel,
        label=form.label is not None,
    )
    if known is not None and (inside := releases.narrowed((known,), fields)) is not None:
        return releases.shown(inside), "the log says it (start-up lines or context)", inside
    if form.caller_line is not None:
        ranges = releases.by_caller(form.kind, form.caller_line)
        if (found := releases.narrowed(ranges, fields)) is not None:
            return releases.shown(found), f"the caller proxy/impl.go:{form.caller_line}", found
    return releases.shown(fields), "the fields of the line", fields


def _levels(
    forms: Sequence[slow.Form],
    versions: Sequence[tuple[str | None, str | None, releases.Range | None]],
    codes: np.ndarray,
    guarantee: np.ndarray,
    lag_s: np.ndarray,
) -> pd.Categorical:
    """The effective consistency level of each row; null where the line cannot tell it."""
    categories = pd.Index(["Bounded", "Customized", "Eventually", "Session", "Strong"], dtype="str")
    number = {name: code for code, name in enumerate(categories)}
    logged = np.array(
        [number.get(_text(form.consistency) or "", -1) if form.uses_default == b"false" else -1 for form in forms]
        or [-1]
    )
    computed = np.array(
        [_is_computed(form, version[2]) for form, version in zip(forms, versions, strict=True)] or [False]
    )
    default = np.array([form.uses_default == b"true" for form in forms] or [False])
    levels = logged[codes]
    unknown = levels < 0
    of_computed = unknown & computed[codes]
    levels[of_computed & (guarantee == 1)] = number["Eventually"]
    levels[of_computed & (np.abs(lag_s) < TOLERANCE_S)] = number["Strong"]
    levels[of_computed & (np.abs(lag_s - GRACEFUL_S) < TOLERANCE_S)] = number["Bounded"]
    # The raw value of an older client says the level, unless the collection's default was to be used.
    raw = unknown & ~computed[codes] & ~default[codes]
    for value, name in _RAW_LEVELS.items():
        levels[raw & (guarantee == value)] = number[name]
    return pd.Categorical.from_codes(levels, categories=categories)


def _is_computed(form: slow.Form, version: releases.Range | None) -> bool:
    """Whether the guarantee timestamp is the proxy's own, not what the client sent."""
    return form.consistency is not None or (version is not None and version[0] >= _COMPUTED_SINCE)


def _status(frame: pd.DataFrame, events: pd.DataFrame) -> pd.Categorical:
    """ok, failed or timeout: from the access log, from a failure of the same trace, or from the version."""
    status = frame["status"].astype(object) if "status" in frame else pd.Series(None, index=frame.index, dtype=object)
    for what, name in (("request_failed", "failed"), ("queue_full", "failed"), ("request_timeout", "timeout")):
        traces = events.loc[events["what"] == what, "trace_id"].dropna()
        if len(traces):
            status = status.mask(frame["trace_id"].isin(traces) & status.isna(), name)
    only_successful = [_since(text, _ONLY_SUCCESSFUL_SINCE) for text in frame["milvus_version"].cat.categories]
    codes = frame["milvus_version"].cat.codes.to_numpy()
    surely_ok = np.array([*only_successful, False], dtype=bool)[codes] & frame["slow"].to_numpy()
    status = status.mask(surely_ok & status.isna().to_numpy(), "ok")
    return pd.Categorical(status, categories=pd.Index(["failed", "ok", "timeout"], dtype="str"))


def _phases(traces: pd.Series, phases: pd.DataFrame) -> pd.Categorical:
    """What the DEBUG log says of each request: the longest of each step with its trace id, as a JSON object."""
    if not len(phases):
        return pd.Categorical.from_codes(np.full(len(traces), -1), categories=_words([]))
    mine = phases[phases["trace_id"].isin(traces.dropna())]
    longest = mine.groupby(["trace_id", "phase"], sort=True)["duration_s"].max()
    of_trace = {
        str(trace): json.dumps(steps.droplevel("trace_id").to_dict(), ensure_ascii=False)
        for trace, steps in longest.groupby(level="trace_id")
    }
    return pd.Categorical(traces.map(of_trace), categories=_words(of_trace.values()))


def _since(version: str, first: tuple[int, int, int]) -> bool:
    lowest = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return lowest is not None and (int(lowest[1]), int(lowest[2]), int(lowest[3] or 0)) >= first


# ---------------------------------------------------------------------------------------------------------------------
# The access log.

_COMPLETED = (
    "database",
    "collection",
    "partitions",
    "filter",
    "nq",
    "top_k",
    "output_fields",
    "search_params",
    "anns_field",
    "metric_type",
)
_CATEGORIES = (
    "kind",
    "database",
    "collection",
    "partitions",
    "output_fields",
    "search_params",
    "anns_field",
    "metric_type",
    "consistency_logged",
    "uses_default_consistency",
    "consistency",
    "user",
    "client",
    "node",
    "milvus_version",
    "milvus_version_source",
    "extra",
    "_label",
)


def _access_frame(
    found: Sequence[tuple[int, int, Access]], paths: Sequence[str], nodes: Sequence[str | None], like: pd.DataFrame
) -> pd.DataFrame:
    rows = []
    for number, offset, access in found:
        params = _search_params(access.params)
        rows.append(
            {
                "at": access.time_ms,
                "started": access.time_ms - access.duration_s * 1e3,
                "kind": access.kind,
                "slow": access.duration_s >= SLOW_S,
                "status": _access_status(access.status),
                "database": _database(access.database),
                "collection": _text(access.collection),
                "partitions": _go_list(access.partitions),
                "filter": _access_filter(access),
                "nq": _number(access.nq),
                "top_k": _top_k(params) if access.kind != "query" else None,
                "output_fields": _go_list(access.output_fields),
                "search_params": _json(params),
                "anns_field": _text(access.anns_field) or _string_of(params, "anns_field"),
                "metric_type": _metric(params),
                "duration_s": access.duration_s,
                "consistency": _text(access.level),
                "trace_id": _text(access.trace) or None,
                "user": _text(access.user),
                "client": _text(access.client),
                "node": nodes[number],
                "path": paths[number],
                "line": offset + access.line,
            }
        )
    frame = pd.DataFrame(rows).reindex(columns=[*like.columns, *(() if "status" in like.columns else ("status",))])
    frame["at"] = _times(frame["at"])
    frame["started"] = _times(np.rint(frame["started"].astype("float64")).astype("int64"))
    return frame


def _access_filter(access: Access) -> str | None:
    if access.kind != "hybrid_search":
        return _text(access.filter)
    text = _text(access.filter)
    parts = None if text is None else _loaded(text)
    return _json(parts if isinstance(parts, list) else None if text is None else [text])


def _access_status(status: bytes | None) -> str | None:
    if status is None:
        return None
    if status == b"Successful":
        return "ok"
    return "timeout" if b"DeadlineExceeded" in status or b"Timeout" in status else "failed"


def _go_list(value: bytes | None) -> str | None:
    """A Go slice as `%v` prints it, `[a b]`, as a JSON list."""
    if value is None:
        return None
    text = value.decode("utf-8", "replace")
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    return json.dumps(text.split(), ensure_ascii=False)
