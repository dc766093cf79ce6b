"""The slow-request lines of the Milvus proxy, from 2.2.6 to 3.0.

    [2025/08/23 19:22:19.900 +00:00] [INFO] [proxy/impl.go:3141] ["Search slow"] [traceID=9100b3092108604716f1472e4c7d54e4]
    [role=proxy] [db=default] [collection=my_repos] [partitions="[]"] [dsl="user == \\"milvus-io\\""]
    [len(PlaceholderGroup)=8204] [OutputFields="[user,repo]"] [search_params="[{\\"key\\":\\"topk\\",\\"value\\":\\"10\\"}]"]
    [ConsistencyLevel=Strong] [useDefaultConsistency=true] [guarantee_timestamp=460318735832711168] [nq=1]
    [duration=5m12.002784545s] [durationPerNq=5m12.002784545s]                                  (one line in the log)

There are three messages (`internal/proxy/impl.go`): Search slow, Query slow (2.2.6) and HybridSearch slow (2.4.0). Fields
came and went with the versions, so they are read by name, in any order; what is not known is kept.

`SlowLines` reads them in bulk. Between the trace id and the guarantee timestamp a line repeats what thousands of others
say, so that stretch, its *form*, is parsed once each time its bytes are new. `read_entry` is the reference: whatever the
fast way cannot take for certain goes there, and a property test holds the two together.
"""

import math
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from slowq.parsers import zap
from slowq.units import GO_MAX_S, go_duration_s

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
    """Slow requests in columns; `form` and `filter` number into `forms` and `filters`.

    Unknown: NaN in doubles, `NO_TIMESTAMP` in guarantee, an empty trace, `NO_FILTER` in filter.
    """

    time_ms: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]
    line: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]
    form: array = field(default_factory=lambda: array("l"))  # type: ignore[type-arg]
    filter: array = field(default_factory=lambda: array("l"))  # type: ignore[type-arg]
    guarantee: array = field(default_factory=lambda: array("Q"))  # type: ignore[type-arg]
    nq: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    duration_s: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    per_nq_s: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]
    trace: list[bytes] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    filters: list[bytes] = field(default_factory=list)


NAN = float("nan")
_MARK = b'slow"] [traceID='
_GUARANTEE_MARK = b"] [guarantee_timestamp="
_TAIL = re.compile(
    rb"(\d{1,19}+)\](?: \[(?:nq|totalNq)=(\d{1,20}+)\])? \[duration=([\d.]++)(m?+)s\]"
    rb"(?: \[durationPerNq=([\d.]++)(m?+)s\])?"
)
_SLOW_AFTER = 200  # a level, a caller and a message end well before this
_FILTER = re.compile(rb'\[(?:dsls?|expr)=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\[\]="]*+))\](?: |\Z)', re.DOTALL)


class SlowLines:
    """Reads slow lines into `rows`; one reader for one file, or for one part of it."""

    def __init__(self) -> None:
        self.rows = Rows()
        # Head → kind of tail (1 if it has nq, plus 2 if it has the duration per nq) → middle → numbers of form and filter.
        self._middles: dict[bytes, tuple[dict[bytes, tuple[int, int]], ...]] = {}
        self._around: dict[tuple[bytes, bytes, bytes, int], int] = {}
        self._kinds: dict[bytes, tuple[str, int | None]] = {}
        self._forms: dict[Form, int] = {}
        self._filters: dict[bytes, int] = {}

    def read(self, lines: Sequence[bytes], numbers: Sequence[int]) -> list[tuple[int, bytes, str]]:
        """Take lines, without their line ends, that each hold a slow message; return those that cannot be read.

        What comes back is (line number, line, what is wrong). The loop is the hot path of a log that is slow from end
        to end, which is why it is one function with everything bound to locals.
        """
        refused: list[tuple[int, bytes, str]] = []
        rows = self.rows
        put_time, put_line, put_form = rows.time_ms.append, rows.line.append, rows.form.append
        put_filter = rows.filter.append
        put_guarantee, put_nq, put_trace = rows.guarantee.append, rows.nq.append, rows.trace.append
        put_duration, put_per_nq = rows.duration_s.append, rows.per_nq_s.append
        heads, tail_of = self._middles, _TAIL.fullmatch
        message_end, second, zone, second_ms = 0, b"unknown", b"", None
        for line, number in zip(lines, numbers, strict=True):
            # … ["Search slow"] [traceID=<trace>] [<the form>] [guarantee_timestamp=<tail>
            if not line.startswith(_MARK, message_end - 16):
                message_end = line.find(_MARK, zap.STAMP_LENGTH, _SLOW_AFTER) + 16
            trace_end = message_end + 32
            if not line.startswith(b"] [", trace_end):
                trace_end = line.find(b"] [", message_end, trace_end)
            guarantee_at = line.rfind(_GUARANTEE_MARK)
            if message_end > 16 and 0 < trace_end < guarantee_at:
                # <guarantee>] [nq=…] [duration=…] [durationPerNq=…], of which nq and the last may be missing
                tail = tail_of(line, guarantee_at + 23)
                trace = line[message_end:trace_end]
                if tail is not None and trace.isalnum():
                    guarantee, nq, duration, unit, per_nq, per_nq_unit = tail.groups()
                    head, middle = line[zap.STAMP_LENGTH : message_end], line[trace_end + 2 : guarantee_at + 1]
                    kind = (nq is not None) + 2 * (per_nq is not None)
                    known = heads.get(head)
                    form_and_filter = known[kind].get(middle) if known is not None else None
                    if form_and_filter is None:
                        form_and_filter = self._learn(head, middle, kind)
                    if not (line.startswith(second) and line.startswith(zone, 24)):
                        second, zone, second_ms = zap.second_ms(line)
                    milliseconds = line[21:24]
                    if form_and_filter is not None and second_ms is not None and milliseconds.isdigit():
                        try:
                            duration_s = float(duration) / (1e3 if unit else 1)
                            per_nq_s = NAN if per_nq is None else float(per_nq) / (1e3 if per_nq_unit else 1)
                        except ValueError:  # more than one point
                            duration_s = per_nq_s = math.inf
                        if duration_s <= GO_MAX_S and not per_nq_s > GO_MAX_S:
                            put_time(second_ms + int(milliseconds))
                            put_line(number)
                            put_form(form_and_filter[0])
                            put_filter(form_and_filter[1])
                            put_guarantee(int(guarantee))
                            put_nq(NAN if nq is None else float(nq))
                            put_duration(duration_s)
                            put_per_nq(per_nq_s)
                            put_trace(trace)
                            continue
            trouble = self._read_with_reference(line, number)
            if trouble is not None:
                refused.append((number, line, trouble))
        return refused

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
        rows.trace.append(fields.get(_TRACE, b""))
        return None

    def _learn(self, head: bytes, middle: bytes, kind_of_tail: int) -> tuple[int, int] | None:
        """Form and filter number of a new head and middle; None where the reference has to look at the line."""
        kind = self._kinds.get(head)
        if kind is None:
            # Made into a whole entry, the head tells what it is, or that it is not what it seems.
            entry = zap.parse(b"[2000/01/01 00:00:00.000 +00:00]" + head + b"0]")
            if entry is None or not entry.whole or entry.message not in KINDS or len(entry.fields) != 1:
                return None
            kind = self._kinds[head] = (KINDS[entry.message], _caller_line(entry.caller))
            self._middles[head] = ({}, {}, {}, {})
        # Filters differ from line to line where the rest does not, so they are cut out first. That the cut lies between
        # two fields, and not inside a quoted one, is certain once what is around it has parsed from end to end.
        cut = _FILTER.search(middle)
        if cut is None:
            return None
        around = (head, middle[: cut.start()], middle[cut.end() :], kind_of_tail)
        form = self._around.get(around)
        if form is None:
            before, after = zap.fields(around[1].rstrip(b" ")), zap.fields(around[2])
            if before is None or after is None or not (before.keys() | after.keys()).isdisjoint(_OF_THE_ROW | _FILTERS):
                return None
            form = self._around[around] = self._form_number(
                _form_of(*kind, before | after, bool(kind_of_tail & 1), kind_of_tail >= 2)[0]
            )
        if len(self._filters) >= MAX_REMEMBERED:
            self._filters.clear()
            for known in self._middles.values():
                for tail in known:
                    tail.clear()
        quoted, plain = cut.groups()
        numbers = form, self._filter_number(zap.unescape(quoted) if quoted is not None else plain)
        self._middles[head][kind_of_tail][middle] = numbers
        return numbers

    def _form_number(self, form: Form) -> int:
        number = self._forms.get(form)
        if number is None:
            if len(self._forms) >= MAX_REMEMBERED:
                self._forms.clear()
                self._around.clear()
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
