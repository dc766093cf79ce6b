"""The slow-request lines of the Milvus proxy, from 2.2.6 to 3.0.

    [2025/08/23 19:22:19.900 +00:00] [INFO] [proxy/impl.go:3141] ["Search slow"] [traceID=9100b3092108604716f1472e4c7d54e4]
    [role=proxy] [db=default] [collection=my_repos] [partitions="[]"] [dsl="user == \\"milvus-io\\""]
    [len(PlaceholderGroup)=8204] [OutputFields="[user,repo]"] [search_params="[{\\"key\\":\\"topk\\",\\"value\\":\\"10\\"}]"]
    [ConsistencyLevel=Strong] [useDefaultConsistency=true] [guarantee_timestamp=460318735832711168] [nq=1]
    [duration=5m12.002784545s] [durationPerNq=5m12.002784545s]                                  (one line in the log)

There are three messages (`internal/proxy/impl.go`): Search slow, Query slow (2.2.6) and HybridSearch slow (2.4.0). Fields
came and went with the versions, so they are read by name, in any order; what is not known is kept.

`SlowLines` reads them in bulk: `cutting` takes thousands of lines apart at once. Between the trace id and the guarantee
timestamp a line repeats what thousands of others say, so that stretch, its *form*, is parsed once each time its bytes are
new. `read_entry` is the reference: whatever the fast way cannot take for certain goes there, and a property test holds the
two together.
"""

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from slowq.parsers import cutting, zap
from slowq.parsers.cutting import TRACE_WIDTH
from slowq.units import go_duration_s

KINDS = {b"Search slow": "search", b"Query slow": "query", b"HybridSearch slow": "hybrid_search"}

_FILTER_NAMES = (b"dsl", b"expr", b"dsls")
_FILTERS = frozenset(_FILTER_NAMES)
_TRACE, _GUARANTEE, _NQ, _TOTAL_NQ, _DURATION, _PER_NQ = (
    b"traceID",
    b"guarantee_timestamp",
    b"nq",
    b"totalNq",
    b"duration",
    b"durationPerNq",
)
_OF_THE_ROW = frozenset((_TRACE, b"spanID", _GUARANTEE, _NQ, _TOTAL_NQ, _DURATION, _PER_NQ))
_OF_THE_FORM = frozenset(
    (
        b"role",
        b"module",
        b"db",
        b"collection",
        b"partitions",
        *_FILTERS,
        b"len(PlaceholderGroup)",
        b"OutputFields",
        b"search_params",
        b"ConsistencyLevel",
        b"useDefaultConsistency",
        b"queryLabel",
        b"travel_timestamp",
    )
)
MAX_REMEMBERED = 50_000
NO_TIMESTAMP = 2**64 - 1
NO_FILTER = -1


class Form(NamedTuple):
    """What a slow line says beside times, numbers and filter. Bytes as logged, unescaped; None where it lacks one."""

    kind: str
    caller_line: int | None
    database: bytes | None
    collection: bytes | None
    partitions: bytes | None
    vector_bytes: bytes | None
    output_fields: bytes | None
    search_params: bytes | None
    consistency: bytes | None
    uses_default: bytes | None
    label: bytes | None
    has_nq: bool  # which fields the line has beside these tells the version that wrote it
    has_per_nq: bool
    has_travel: bool
    extra: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(slots=True)
class Rows:
    """Slow requests in columns, in order of lines; `form` and `filter` number into `forms` and `filters`.

    Unknown: NaN in doubles, `NO_TIMESTAMP` in guarantee, an empty trace, `NO_FILTER` in filter. A trace id takes
    TRACE_WIDTH bytes of `trace`, those behind its end are NUL; one that does not fit there is in `odd_traces`, by row.
    """

    time_ms: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]
    line: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]
    form: array = field(default_factory=lambda: array("i"))  # type: ignore[type-arg]
    filter: array = field(default_factory=lambda: array("i"))  # type: ignore[type-arg]
    guarantee: array = field(default_factory=lambda: array("Q"))  # type: ignore[type-arg]
    nq: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    duration_s: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    per_nq_s: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    trace: bytearray = field(default_factory=bytearray)
    odd_traces: dict[int, bytes] = field(default_factory=dict)
    forms: list[Form] = field(default_factory=list)
    filters: list[bytes] = field(default_factory=list)

    def put_trace(self, trace: bytes) -> None:
        """Set the trace id of the row that is put last."""
        if len(trace) > TRACE_WIDTH or b"\0" in trace:
            self.odd_traces[len(self.trace) // TRACE_WIDTH] = trace
            trace = b""
        self.trace += trace.ljust(TRACE_WIDTH, b"\0")


NAN = float("nan")
_UNKNOWN = -1  # of a middle
_FORM_SHIFT = 32
_FILTER_MASK = (1 << _FORM_SHIFT) - 1
_FILTER = re.compile(rb'\[(?:dsls?|expr)=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\[\]="]*+))\](?: |\Z)', re.DOTALL)


class SlowLines:
    """Reads slow lines into `rows`; one reader for one file, or for one part of it."""

    def __init__(self) -> None:
        self.rows = Rows()
        # Head → kind of tail (1 if it has nq, plus 2 if it has the duration per nq) → middle → the numbers of its form
        # and filter, joined into one.
        self._middles: dict[bytes, tuple[dict[bytes, int], ...]] = {}
        self._forms: dict[Form, int] = {}
        self._filters: dict[bytes, int] = {}

    def read(self, lines: Sequence[bytes], numbers: Sequence[int]) -> list[tuple[int, bytes, str]]:
        """Take lines, without their line feeds, that each hold a slow message; return those that cannot be read.

        What comes back is (line number, line, what is wrong).
        """
        lengths = np.fromiter(map(len, lines), np.int64, len(lines))
        ends = np.cumsum(lengths + 1) - 1
        return self.read_text(b"\n".join(lines), ends - lengths, ends, np.asarray(numbers, dtype=np.int64))

    def read_text(
        self, text: bytes | memoryview, starts: np.ndarray, ends: np.ndarray, numbers: np.ndarray
    ) -> list[tuple[int, bytes, str]]:
        """The same for the lines `text[starts[i]:ends[i]]`."""
        cut = cutting.cut(text, starts, ends)
        middles = cut.middles()
        codes = np.full(len(starts), _UNKNOWN, dtype=np.int64)
        for head, kind_of_tail, rows in cut.groups():
            known = self._middles.get(head)
            if known is not None:
                get = known[kind_of_tail].get
                codes[rows] = [get(middles[row], _UNKNOWN) for row in rows.tolist()]
            for row in rows[codes[rows] == _UNKNOWN].tolist():
                codes[row] = self._learn(head, middles[row], kind_of_tail)
        refused: list[tuple[int, bytes, str]] = []
        done = 0
        for row in np.flatnonzero(codes == _UNKNOWN).tolist():
            # Rows stay in the order of lines, so what is before this one is put first.
            self._put(cut, codes, numbers, done, row)
            done = row + 1
            line, number = cut.line(row), int(numbers[row])
            trouble = self._read_with_reference(line, number)
            if trouble is not None:
                refused.append((number, line, trouble))
        self._put(cut, codes, numbers, done, len(starts))
        return refused

    def _put(self, cut: cutting.Cut, codes: np.ndarray, numbers: np.ndarray, start: int, end: int) -> None:
        if start == end:
            return
        rows, part = self.rows, slice(start, end)
        for column, values in (
            (rows.time_ms, cut.time_ms),
            (rows.line, numbers),
            (rows.form, (codes >> _FORM_SHIFT).astype(np.int32)),
            (rows.filter, (codes & _FILTER_MASK).astype(np.int32)),
            (rows.guarantee, cut.guarantee),
            (rows.nq, cut.nq),
            (rows.duration_s, cut.duration_s),
            (rows.per_nq_s, cut.per_nq_s),
        ):
            column.frombytes(values[part].tobytes())
        rows.trace += cut.trace[part].tobytes()

    def _read_with_reference(self, line: bytes, number: int) -> str | None:
        entry = zap.parse(line)
        if entry is None:
            return "cut before its message ends" if zap.stamp_ms(line) is not None else "its time stamp is not a time"
        return self.read_entry(entry, number) if entry.message in KINDS else "its message stands inside another line"

    def read_entry(self, entry: zap.Entry, number: int) -> str | None:
        """Take one slow entry in any form, or say what is wrong with it."""
        fields = entry.fields
        if not entry.whole:
            return "cut inside a field"
        if _DURATION not in fields:
            return "has no duration"
        duration_s = go_duration_s(fields[_DURATION])
        if duration_s is None or duration_s < 0:
            return f"duration is no Go duration: {fields[_DURATION][:40].decode('utf-8', 'replace')!r}"
        nq = fields.get(_NQ, fields.get(_TOTAL_NQ, b""))
        guarantee = fields.get(_GUARANTEE, b"")
        rows = self.rows
        rows.time_ms.append(entry.time_ms)
        rows.line.append(number)
        has_nq = _NQ in fields or _TOTAL_NQ in fields
        form, text = _form_of(KINDS[entry.message], _caller_line(entry.caller), fields, has_nq, _PER_NQ in fields)
        rows.form.append(self._form_number(form))
        rows.filter.append(self._filter_number(text))
        rows.guarantee.append(min(int(guarantee), NO_TIMESTAMP) if _is_number(guarantee) else NO_TIMESTAMP)
        rows.nq.append(float(nq) if _is_number(nq) else NAN)
        rows.duration_s.append(duration_s)
        rows.per_nq_s.append(_per_nq_s(fields.get(_PER_NQ), fields[_DURATION], duration_s))
        rows.put_trace(fields.get(_TRACE, b""))
        return None

    def _learn(self, head: bytes, middle: bytes, kind_of_tail: int) -> int:
        """Form and filter number of a new head and middle; _UNKNOWN where the reference has to look at the line."""
        parsed = _parsed(head, middle, kind_of_tail)
        if parsed is None:
            return _UNKNOWN
        if len(self._filters) >= MAX_REMEMBERED:
            self._filters.clear()
            self._middles.clear()
        form, text = parsed
        code = self._form_number(form) << _FORM_SHIFT | self._filter_number(text)
        self._middles.setdefault(head, ({}, {}, {}, {}))[kind_of_tail][middle] = code
        return code

    def _form_number(self, form: Form) -> int:
        number = self._forms.get(form)
        if number is None:
            if len(self._forms) >= MAX_REMEMBERED:
                self._forms.clear()
            number = self._forms[form] = len(self.rows.forms)
            self.rows.forms.append(form)
        return number

    def _filter_number(self, text: bytes | None) -> int:
        if text is None:
            return NO_FILTER
        number = self._filters.get(text)
        if number is None:
            number = self._filters[text] = len(self.rows.filters)
            self.rows.filters.append(text)
        return number


# What a line says follows from its bytes alone, so it is remembered from one part of a log to the next.


@lru_cache(maxsize=10_000)
def _parsed(head: bytes, middle: bytes, kind_of_tail: int) -> tuple[Form, bytes] | None:
    """Form and filter of a line with this head and middle; None where the reference has to look at it."""
    # Filters differ from line to line where the rest does not, so they are cut out first. That the cut lies between
    # two fields, and not inside a quoted one, is certain once what is around it has parsed from end to end.
    cut = _FILTER.search(middle)
    if cut is None:
        return None
    form = _form_around(head, middle[: cut.start()], middle[cut.end() :], kind_of_tail)
    if form is None:
        return None
    quoted, plain = cut.groups()
    return form, zap.unescape(quoted) if quoted is not None else plain


@lru_cache(maxsize=4_000)
def _form_around(head: bytes, before: bytes, after: bytes, kind_of_tail: int) -> Form | None:
    """The form of a line with this head and these fields before and after the filter; None where they are no such."""
    # Made into a whole entry, the head tells what it is, or that it is not what it seems.
    entry = zap.parse(b"[2000/01/01 00:00:00.000 +00:00]" + head + b"0]")
    if entry is None or not entry.whole or entry.message not in KINDS or len(entry.fields) != 1:
        return None
    first, rest = zap.fields(before.rstrip(b" ")), zap.fields(after)
    if first is None or rest is None or not (first.keys() | rest.keys()).isdisjoint(_OF_THE_ROW | _FILTERS):
        return None
    has_nq, has_per_nq = bool(kind_of_tail & 1), kind_of_tail >= 2
    return _form_of(KINDS[entry.message], _caller_line(entry.caller), first | rest, has_nq, has_per_nq)[0]


def _per_nq_s(per_nq: bytes | None, duration: bytes, duration_s: float) -> float:
    if per_nq is None:
        return NAN
    if per_nq == duration:  # every request of nq=1
        return duration_s
    per_nq_s = go_duration_s(per_nq)
    return NAN if per_nq_s is None else per_nq_s


def _is_number(text: bytes) -> bool:
    return text.isdigit() and len(text) <= 20


def _caller_line(caller: bytes) -> int | None:
    name, _, number = caller.rpartition(b":")
    return int(number) if name.endswith(b"proxy/impl.go") and _is_number(number) else None


def _form_of(
    kind: str, caller_line: int | None, fields: dict[bytes, bytes], has_nq: bool, has_per_nq: bool
) -> tuple[Form, bytes | None]:
    """The form and the filter of a line's fields."""
    get = fields.get
    form = Form(
        kind,
        caller_line,
        get(b"db"),
        get(b"collection"),
        get(b"partitions"),
        get(b"len(PlaceholderGroup)"),
        get(b"OutputFields"),
        get(b"search_params"),
        get(b"ConsistencyLevel"),
        get(b"useDefaultConsistency"),
        get(b"queryLabel"),
        has_nq,
        has_per_nq,
        b"travel_timestamp" in fields,
        tuple(sorted((k, v) for k, v in fields.items() if k not in _OF_THE_FORM and k not in _OF_THE_ROW)),
    )
    return form, next((fields[name] for name in _FILTER_NAMES if name in fields), None)
