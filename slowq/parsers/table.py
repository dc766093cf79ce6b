"""Batches of raw columns into the requests table and the events table (see `facts.REQUEST_COLUMNS`).

Everything here works on whole columns. What repeats (forms, search params, filters, callers) is worked out once for each
distinct value and then spread over the rows by number.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from slowq.facts import LEFT_OUT, MUCH_LONGER, NOT_STATED, SLOW_S, UNNAMED, WORTH_A_LOOK_S, Context, RequestFacts
from slowq.parsers import columns, levels, releases, slow, values
from slowq.parsers.access import Access
from slowq.parsers.event_table import event_table
from slowq.parsers.evidence import Events
from slowq.parsers.read import File
from slowq.sources.paths import node_of

# Hybrid timestamp: physical milliseconds << 18 | logical (18 bits).
LOGICAL_BITS = 18
# Below this a guarantee timestamp is one of the raw values 0, 1, 2, or no timestamp at all: 2017-01-01 in hybrid form.
_FIRST_TSO = np.uint64(1_483_228_800_000 << LOGICAL_BITS)
_LAST_TSO = np.uint64(4_102_444_800_000 << LOGICAL_BITS)  # 2100
_INTERNAL_LABELS = ("requery", "upsert_query", "delete_query")
_ONLY_SUCCESSFUL_SINCE = (2, 6, 10)


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
        """What else went on, in order of time. To be had once, since the raw columns are freed."""
        found = event_table([part for part in self._parts if len(part[2].events)], self.paths)
        for _, _, batch in self._parts:
            batch.events = Events()
        columns.give_back()
        return found

    def collections(self) -> frozenset[str]:
        """The names of those that slow requests are on."""
        named = (values.text(form.collection) for _, _, batch in self._parts for form in batch.rows.forms)
        return frozenset(name for name in named if name)

    def phases(self) -> pd.DataFrame:
        rows = [(number, offset, phase) for number, offset, batch in self._parts for phase in batch.phases]
        return pd.DataFrame(
            {
                "at": columns.times([phase.time_ms for _, _, phase in rows]),
                "trace_id": columns.strings(phase.trace for _, _, phase in rows),
                "phase": columns.strings(phase.phase for _, _, phase in rows),
                "duration_s": np.array([phase.duration_s for _, _, phase in rows], dtype="float64"),
                "path": pd.Categorical.from_codes(
                    [number for number, _, _ in rows], categories=columns.unique(self.paths)
                ),
                "line": np.array([offset + phase.line for _, offset, phase in rows], dtype="int64"),
            }
        )

    def requests(self, events: pd.DataFrame, known_version: releases.Range | None) -> pd.DataFrame:
        """The requests of slow log and access log, each once. `known_version` comes from a banner or the context.

        To be had once, since the raw columns are freed: a report takes as much again.
        """
        frame = self._slow_requests(known_version)
        for _, _, batch in self._parts:
            batch.rows = slow.Rows()
        columns.give_back()
        frame = self._without_requeries(frame)
        frame = self._with_accesses(frame)
        frame["status"] = _status(frame, events)
        frame["phases"] = _phases(frame["trace_id"], self.phases())
        if not _is_in_order(frame):
            frame = frame.sort_values(["at", "path", "line"], kind="stable", ignore_index=True)
        return frame.drop(columns=["_label"])

    # ----------------------------------------------------------------------------------------------------------------

    def _slow_requests(self, known_version: releases.Range | None) -> pd.DataFrame:
        parts = [part for part in self._parts if len(part[2].rows.time_ms)]
        rows = [batch.rows for _, _, batch in parts]
        forms, form_codes = columns.numbered((r.forms, r.form) for r in rows)
        filter_texts, filter_codes = columns.numbered((r.filters, r.filter) for r in rows)
        at_ms = columns.joined((r.time_ms for r in rows), "int64")
        duration_s = columns.joined((r.duration_s for r in rows), "float64")
        nq = columns.joined((r.nq for r in rows), "float64")
        nq = np.where(nq == 0, np.nan, nq)  # given up before the proxy had looked at the request
        per_nq = columns.joined((r.per_nq_s for r in rows), "float64")
        guarantee = columns.joined((r.guarantee for r in rows), "uint64")
        started_ms = at_ms - duration_s * 1e3
        is_tso = (guarantee >= _FIRST_TSO) & (guarantee < _LAST_TSO)
        lag_s = np.where(is_tso, (started_ms - (guarantee >> np.uint64(LOGICAL_BITS)).astype("float64")) / 1e3, np.nan)
        of_form = _FormColumns(forms, form_codes)
        versions = [levels.version_of(form, known_version) for form in forms]
        params = of_form.map(lambda form: form.search_params, values.search_params)
        files = columns.of_files(parts, lambda batch: len(batch.rows.line))
        return pd.DataFrame(
            {
                "at": columns.times(at_ms),
                "started": columns.times(np.rint(started_ms).astype("int64")),
                "kind": of_form.categorical([form.kind for form in forms]),
                "slow": np.ones(len(at_ms), dtype=bool),
                "database": of_form.categorical([values.database(form.database) for form in forms]),
                "collection": of_form.categorical([values.text(form.collection) for form in forms]),
                "partitions": of_form.categorical([values.zap_list(form.partitions) for form in forms]),
                "filter": _filters(filter_texts, filter_codes, of_form.is_hybrid),
                "nq": nq,
                "top_k": of_form.numbers([values.top_k(p) for p in params]),
                "output_fields": of_form.categorical([values.zap_list(form.output_fields) for form in forms]),
                "search_params": of_form.categorical([values.as_json(p) for p in params]),
                "anns_field": of_form.categorical([values.string_of(p, "anns_field") for p in params]),
                "metric_type": of_form.categorical([values.metric(p) for p in params]),
                "duration_s": duration_s,
                "duration_per_nq_s": np.where(np.isnan(per_nq), duration_s / nq, per_nq),
                "consistency_logged": of_form.categorical([values.text(form.consistency) for form in forms]),
                "uses_default_consistency": of_form.categorical([values.text(form.uses_default) for form in forms]),
                "consistency": levels.effective(forms, versions, form_codes, guarantee, lag_s),
                "guarantee_timestamp": columns.timestamps(guarantee),
                "guarantee_lag_s": lag_s,
                "requery_s": np.full(len(at_ms), np.nan),
                "vector_bytes": of_form.numbers([values.number(form.vector_bytes) for form in forms]),
                "trace_id": columns.traces(rows),
                "user": pd.Categorical([None] * len(at_ms), categories=columns.words([])),
                "client": pd.Categorical([None] * len(at_ms), categories=columns.words([])),
                "node": self._node_column(parts, files),
                "milvus_version": of_form.categorical([v[0] for v in versions]),
                "milvus_version_source": of_form.categorical([v[1] for v in versions]),
                "path": pd.Categorical.from_codes(files, categories=columns.unique(self.paths)),
                "line": columns.joined_lines(parts, lambda batch: batch.rows.line),
                "extra": of_form.categorical([values.extra_fields(form.extra) for form in forms]),
                "_label": of_form.categorical([values.text(form.label) for form in forms]),
            },
            copy=False,
        )

    def _node_column(self, parts: Sequence[Any], files: np.ndarray) -> pd.Categorical:
        names = [node for _, _, batch in parts for node in set(batch.nodes.values())] + [n for n in self._nodes if n]
        categories = columns.words(names)
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
        completed = {name: columns.plain(frame[name]) for name in frame.columns}
        completed["status"] = pd.Series(None, index=frame.index, dtype=object)
        # What only the access log knows for certain wins; what the slow line says itself stays.
        for name in ("status", "user", "client", "consistency", *_COMPLETED):
            told = columns.plain(joined[name]).dropna()
            column = completed[name].astype(object)
            targets = told.index if name not in _COMPLETED else told.index[column.loc[told.index].isna()]
            column.loc[targets] = told.loc[targets]
            completed[name] = column
        complete = pd.DataFrame(completed)
        rest = more[target < 0]
        both = pd.concat(
            [complete, pd.DataFrame({name: columns.plain(rest[name]) for name in complete.columns})], ignore_index=True
        )
        for name in _CATEGORIES:
            both[name] = pd.Categorical(both[name], categories=columns.words(both[name].dropna().unique()))
        both["path"] = pd.Categorical(both["path"], categories=columns.unique(self.paths))
        for name in ("trace_id", "guarantee_timestamp"):
            both[name] = both[name].astype("str")
        for name in ("nq", "top_k", "duration_s", "duration_per_nq_s", "guarantee_lag_s", "requery_s", "vector_bytes"):
            both[name] = both[name].astype("float64")
        per_nq = both["duration_s"] / both["nq"]
        both["duration_per_nq_s"] = both["duration_per_nq_s"].where(both["duration_per_nq_s"].notna(), per_nq)
        both["slow"] = both["slow"].astype(bool)
        return both


def _is_in_order(frame: pd.DataFrame) -> bool:
    """Whether the rows are sorted by time, path and line already, as those of one log are; a sort would copy them all."""
    if frame["at"].isna().any() or not frame.index.equals(pd.RangeIndex(len(frame))):
        return False
    tied = np.ones(max(len(frame) - 1, 0), dtype=bool)
    later = tied.copy()
    for column in (frame["at"].astype("int64"), frame["path"].cat.codes.astype("int64"), frame["line"]):
        step = np.diff(column.to_numpy())
        later &= ~(tied & (step < 0))
        tied &= step == 0
    return bool(later.all())


def from_context(context: Context) -> pd.DataFrame:
    """The requests that a context file describes, as rows of the same table; their times are not known.

    A described request is slow where it takes a second, or clearly longer than when all is well. Where none does, those are
    that take long enough to be worth a look, or clearly longer than when all is well; else those that take longest. Where none
    has a duration all are, since somebody complained of them, but for those told beside others that ask many times as much.
    What goes without saying is that of the only collection: its name, and the consistency that its requests have by default.
    """
    only = context.only_collection
    slow = _are_slow(context.requests)
    rows = [
        {
            "kind": request.kind or "search",
            "slow": is_slow,
            "status": "timeout" if request.timeout else None,
            "collection": only.name,
            "partitions": values.as_json(list(request.partitions)) if request.partitions else None,
            "filter": _stated_filter(request),
            "nq": request.nq or None,
            "top_k": request.top_k,
            "output_fields": values.as_json(list(request.output_fields)) if request.output_fields else None,
            "search_params": values.as_json(dict(request.search_params)),
            "duration_s": request.duration_s,
            "consistency": request.consistency or only.consistency,
            "path": context.path or "context",
            "line": context.cite(request.key).line,
        }
        for request, is_slow in zip(context.requests, slow, strict=True)
    ]
    return of_rows(rows)


# A part that is not given, as NOT_STATED has it, or with a word on what it is: `(not stated field) == 3`.
_UNSTATED = re.compile(r"\(not stated[^()]*\)", re.IGNORECASE)
# A pattern that is not given is read as the one that costs least: a prefix.
_LIKE_UNSTATED = re.compile(rf"\b(like)\s+{_UNSTATED.pattern}", re.IGNORECASE)
# A function of which nothing is given but what it asks of: `array_contains_any(…)`.
_ALL_LEFT_OUT = re.compile(
    r"\b((?:array|json)_contains\w*|text_match|phrase_match)\(\s*(?:…|\.{3})\s*\)", re.IGNORECASE
)
# Dots that stand for something: those in quotes are what they are.
_DOTS = re.compile(r""""[^"]*"|'[^']*'|(…|\.{3})""")
# Terms that are left out after a whole one: `a == 2 … or a == 9`.
_TERMS = re.compile(
    rf"(?<=[\w\])'\"])(?<!\bin)(?<!\bor)(?<!\blike)\s*{re.escape(LEFT_OUT)}(?=\s*(?:or\b|\|\|))", re.IGNORECASE
)


def _stated_filter(request: RequestFacts) -> str | None:
    """As the log has it: of a hybrid search a list. A name stands for a part whose value is not given, and a template for what
    was left out (`a == 1 or … or a == 9`)."""
    if request.filter is None or request.filter == NOT_STATED:
        return None
    text = _LIKE_UNSTATED.sub(r'\1 "…%"', request.filter)
    text = _UNSTATED.sub(UNNAMED, text)
    text = _ALL_LEFT_OUT.sub(rf"\1({UNNAMED}, {LEFT_OUT})", text)
    text = _DOTS.sub(lambda found: LEFT_OUT if found[1] else found[0], text)
    text = _TERMS.sub(f" or {LEFT_OUT}", text)
    return values.as_json([text]) if request.kind == "hybrid_search" else text


def of_rows(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Requests that no log tells of, in the columns of those that one does; what a row lacks is not known.

    Without the columns of the filter's shape and of the pattern, which `patterns.add_patterns` adds.
    """
    frame = Table([])._slow_requests(None).drop(columns=["_label"])
    frame["status"] = pd.Categorical([], categories=columns.words([]))
    frame["phases"] = pd.Categorical([], categories=columns.words([]))
    if not rows:
        return frame
    told = pd.DataFrame(rows).reindex(columns=frame.columns)
    for name in frame.columns:
        dtype = frame[name].dtype
        if isinstance(dtype, pd.CategoricalDtype):
            told[name] = pd.Categorical(told[name], categories=columns.words(told[name].dropna().astype(str)))
        else:
            told[name] = told[name].astype(dtype)
    return told


# Times as much as another request asks, from which it was told to compare them.
_MANY_TIMES = 10


def _are_slow(requests: Sequence[RequestFacts]) -> list[bool]:
    took_s = np.array([np.nan if one.duration_s is None else one.duration_s for one in requests])
    fast_s = np.array([np.nan if one.fast_duration_s is None else one.fast_duration_s for one in requests])
    longer = took_s >= MUCH_LONGER * fast_s
    worth_a_look = took_s >= WORTH_A_LOOK_S
    for found in ((took_s >= SLOW_S) | (longer & worth_a_look), longer | worth_a_look):
        if found.any():
            return [bool(one) for one in found]
    known = ~np.isnan(took_s)
    if known.any():
        return [bool(one) for one in took_s >= took_s[known].max()]
    return [not any(_is_compared_with(one, other) for other in requests) for one in requests]


def _is_compared_with(small: RequestFacts, large: RequestFacts) -> bool:
    """Whether the large one is many searches, or asks the same but for many times the nq or the top-k: who tells of both tells
    what it costs. What timed out is slow whatever stands beside it."""
    if small.timeout:
        return False
    if (large.sub_requests or 1) >= _MANY_TIMES * (small.sub_requests or 1):
        return True
    if replace(small, nq=large.nq, top_k=large.top_k, key=large.key) != large:
        return False
    times = [
        1.0 if of_small == of_large else of_large / of_small if of_small and of_large else 0.0
        for of_small, of_large in ((small.nq, large.nq), (small.top_k, large.top_k))
    ]
    return min(times) >= 1 and max(times) >= _MANY_TIMES


# ---------------------------------------------------------------------------------------------------------------------
# Columns from numbers into distinct values.


class _FormColumns:
    """Spreads what is known of each form over the rows."""

    def __init__(self, forms: Sequence[slow.Form], codes: np.ndarray) -> None:
        self._forms, self._codes = forms, codes
        self.is_hybrid = np.array([form.kind == "hybrid_search" for form in forms] or [False])[codes]

    def map(self, of: Callable[[slow.Form], bytes | None], parse: Callable[[bytes | None], Any]) -> list[Any]:
        return [parse(of(form)) for form in self._forms]

    def categorical(self, values: Sequence[str | None]) -> pd.Categorical:
        categories = columns.words(value for value in values if value is not None)
        number = {value: code for code, value in enumerate(categories)}
        codes = np.array([-1 if value is None else number[value] for value in values] or [-1])
        return pd.Categorical.from_codes(codes[self._codes], categories=categories)

    def numbers(self, values: Sequence[float | None]) -> np.ndarray:
        table = np.array([np.nan if value is None else value for value in values] or [np.nan], dtype="float64")
        found: np.ndarray = table[self._codes]
        return found


def _offsets(file: File) -> list[int]:
    lines = [0, *(batch.lines for batch in file.batches)]
    return [int(offset) for offset in np.cumsum(lines)[:-1]]


# ---------------------------------------------------------------------------------------------------------------------
# Values.


def _filters(texts: Sequence[bytes], codes: np.ndarray, hybrid: np.ndarray) -> pd.Categorical:
    """The filter of each row: as sent, and for a hybrid search the JSON list of its parts."""
    plain = {number: texts[number].decode("utf-8", "replace") for number in _distinct(codes[~hybrid])}
    parts = {
        number + len(texts): values.hybrid_parts(texts[number].decode("utf-8", "replace"))
        for number in _distinct(codes[hybrid])
    }
    known = plain | parts
    categories = columns.words(known.values())
    place = {word: number for number, word in enumerate(categories)}
    of_number = np.full(2 * len(texts) + 1, -1, dtype="int32")
    of_number[[*known]] = [place[word] for word in known.values()]
    numbers = np.where(hybrid & (codes >= 0), codes + np.int32(len(texts)), codes)
    return pd.Categorical.from_codes(of_number[numbers], categories=categories)


def _distinct(codes: np.ndarray) -> list[int]:
    found: list[int] = np.unique(codes[codes >= 0]).tolist()
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Version, consistency level, status.


def _status(frame: pd.DataFrame, events: pd.DataFrame) -> pd.Categorical:
    """ok, failed or timeout: from the access log, from a failure of the same trace, or from the version."""
    words = pd.Index(["failed", "ok", "timeout"], dtype="str")
    codes = np.full(len(frame), -1, dtype="int8")
    if "status" in frame:
        codes = pd.Categorical(frame["status"], categories=words).codes.copy()
    for what, name in (("request_failed", "failed"), ("queue_full", "failed"), ("request_timeout", "timeout")):
        traces = events.loc[events["what"] == what, "trace_id"].dropna()
        if len(traces):
            codes[frame["trace_id"].isin(traces).to_numpy() & (codes < 0)] = words.get_loc(name)
    only_successful = [_since(text, _ONLY_SUCCESSFUL_SINCE) for text in frame["milvus_version"].cat.categories]
    version = frame["milvus_version"].cat.codes.to_numpy()
    surely_ok = np.array([*only_successful, False], dtype=bool)[version] & frame["slow"].to_numpy()
    codes[surely_ok & (codes < 0)] = words.get_loc("ok")
    return pd.Categorical.from_codes(codes, categories=words)


def _phases(traces: pd.Series, phases: pd.DataFrame) -> pd.Categorical:
    """What the DEBUG log says of each request: the longest of each step with its trace id, as a JSON object."""
    if not len(phases):
        return pd.Categorical.from_codes(np.full(len(traces), -1), categories=columns.words([]))
    mine = phases[phases["trace_id"].isin(traces.dropna())]
    longest = mine.groupby(["trace_id", "phase"], sort=True)["duration_s"].max()
    of_trace = {
        str(trace): json.dumps(steps.droplevel("trace_id").to_dict(), ensure_ascii=False)
        for trace, steps in longest.groupby(level="trace_id")
    }
    return pd.Categorical(traces.map(of_trace), categories=columns.words(of_trace.values()))


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
    "filter",
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
        params = values.search_params(access.params)
        rows.append(
            {
                "at": access.time_ms,
                "started": access.time_ms - access.duration_s * 1e3,
                "kind": access.kind,
                "slow": access.duration_s >= SLOW_S,
                "status": _access_status(access.status),
                "database": values.database(access.database),
                "collection": values.text(access.collection),
                "partitions": values.go_list(access.partitions),
                "filter": _access_filter(access),
                "nq": values.number(access.nq) or None,
                "top_k": values.top_k(params) if access.kind != "query" else None,
                "output_fields": values.go_list(access.output_fields),
                "search_params": values.as_json(params),
                "anns_field": values.text(access.anns_field) or values.string_of(params, "anns_field"),
                "metric_type": values.metric(params),
                "duration_s": access.duration_s,
                "consistency": values.text(access.level),
                "trace_id": values.text(access.trace) or None,
                "user": values.text(access.user),
                "client": values.text(access.client),
                "node": nodes[number],
                "path": paths[number],
                "line": offset + access.line,
            }
        )
    frame = pd.DataFrame(rows).reindex(columns=[*like.columns, *(() if "status" in like.columns else ("status",))])
    frame["at"] = columns.times(frame["at"])
    frame["started"] = columns.times(np.rint(frame["started"].astype("float64")).astype("int64"))
    return frame


def _access_filter(access: Access) -> str | None:
    if access.kind != "hybrid_search":
        return values.text(access.filter)
    text = values.text(access.filter)
    parts = None if text is None else values.loaded(text)
    return values.as_json(parts if isinstance(parts, list) else None if text is None else [text])


def _access_status(status: bytes | None) -> str | None:
    if status is None:
        return None
    if status == b"Successful":
        return "ok"
    return "timeout" if b"DeadlineExceeded" in status or b"Timeout" in status else "failed"
