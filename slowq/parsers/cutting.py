"""Slow lines cut at their seams, thousands at once, and their numbers read, by operations on whole arrays of bytes.

    <stamp><head><trace>] <middle> [guarantee_timestamp=…] [nq=…] [duration=…] [durationPerNq=…]

The head ends with `slow"] [traceID=`; of the tail `nq` (or `totalNq`) and `durationPerNq` may be missing. A line that does
not look exactly so is not `ok`, and nothing else is known of it: `slow` has another way to read it. Numbers come out as
`int` and `float` would give them: a decimal of up to 15 digits is its digits over a power of ten, both exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from slowq.parsers import zap
from slowq.units import GO_MAX_S, go_duration_s

TRACE_WIDTH = 32
_MARK = b'slow"] [traceID='
_HEAD = 96  # a level, a caller and a message are shorter
_TAIL = 160  # and so is the tail
_PAD = bytes(_TAIL)
_USUAL_HEADS = 16  # kinds of request and of tail, and versions, that a log has at once
_PER_NQ, _DURATION, _NQ, _TOTAL_NQ, _GUARANTEE = (
    b"] [durationPerNq",
    b"] [duration",
    b"] [nq",
    b"] [totalNq",
    b"] [guarantee_timestamp",
)
_DIGITS, _DECIMAL = 19, 16
_TENS = 10 ** np.arange(_DIGITS, dtype=np.uint64)[::-1]
_CLOCK_DIGITS, _CLOCK_MARKS = (0, 1, 3, 4, 6, 7, 9, 10, 11), np.frombuffer(b"::.", np.uint8)  # 19:22:19.900
_CLOCK_MS = np.array([36_000_000, 3_600_000, 600_000, 60_000, 10_000, 1_000, 100, 10, 1])
_IS_ALNUM = np.array([chr(byte).isalnum() and byte < 128 for byte in range(256)])


@dataclass(slots=True)
class Cut:
    """Lines in columns. Values count where `ok` holds; unknown is NaN.

    A head is `text[starts + 32:heads]`, a middle `text[firsts:lasts]`; `kind` is 1 for a tail with nq, plus 2 for one
    with the duration per nq.
    """

    text: bytes
    starts: np.ndarray
    ends: np.ndarray
    ok: np.ndarray
    heads: np.ndarray
    firsts: np.ndarray
    lasts: np.ndarray
    kind: np.ndarray
    time_ms: np.ndarray
    trace: np.ndarray
    guarantee: np.ndarray
    nq: np.ndarray
    duration_s: np.ndarray
    per_nq_s: np.ndarray

    def line(self, row: int) -> bytes:
        return self.text[self.starts[row] : self.ends[row]]

    def middles(self) -> list[bytes]:
        """What stands between trace id and guarantee timestamp, of every line."""
        text = self.text
        return [text[first:last] for first, last in zip(self.firsts.tolist(), self.lasts.tolist(), strict=True)]

    def groups(self) -> Iterator[tuple[bytes, int, np.ndarray]]:
        """(head, kind, rows) of the lines that are ok and agree in both, each line in one of them."""
        text, rows = self.text, np.flatnonzero(self.ok)
        begins = self.starts + zap.STAMP_LENGTH
        lengths = self.heads - begins
        for _ in range(_USUAL_HEADS):
            if not len(rows):
                return
            length, kind = lengths[rows[0]], self.kind[rows[0]]
            heads = _windows(text, begins[rows], length)
            same = (heads == heads[0]) & (lengths[rows] == length) & (self.kind[rows] == kind)
            yield heads[0].item(), int(kind), rows[same]
            rows = rows[~same]
        for row in rows.tolist():
            yield text[begins[row] : self.heads[row]], int(self.kind[row]), np.array([row])


def cut(text: bytes | bytearray | memoryview, starts: np.ndarray, ends: np.ndarray) -> Cut:
    """Cut the lines `text[starts[i]:ends[i]]`, which have no line feed in them; a carriage return at an end is left out."""
    text = b"".join((_PAD, text, _PAD))  # so that no window reaches beyond it
    starts, ends = starts + len(_PAD), ends + len(_PAD)
    ends = ends - ((_windows(text, ends - 1, 1) == b"\r") & (ends > starts))
    head, trace_length, trace = _head_and_trace(text, starts)
    tail = _Tail(text, ends)
    firsts = head + trace_length + 2
    ok = tail.ok & (trace_length > 0) & (firsts <= tail.guarantee_at)
    time_ms, is_time = times(text, starts)
    guarantee, is_guarantee = _whole(text, tail.guarantee_at + 23, tail.guarantee_end)
    nq, is_nq = _whole(text, tail.nq_at, tail.nq_end)
    duration_s, is_duration = _durations(text, tail.duration_at, tail.duration_end, ok)
    per_nq_s, is_per_nq = _durations(text, tail.per_nq_at, tail.per_nq_end, ok & tail.has_per_nq)
    ok &= is_time & is_guarantee & is_duration
    ok &= (is_nq & (tail.nq_end - tail.nq_at <= 15)) | ~tail.has_nq
    ok &= is_per_nq | ~tail.has_per_nq
    return Cut(
        text,
        starts,
        ends,
        ok,
        head,
        firsts,
        np.maximum(tail.guarantee_at + 1, firsts),
        tail.has_nq + 2 * tail.has_per_nq,
        time_ms,
        trace,
        guarantee,
        np.where(tail.has_nq, nq.astype(np.float64), np.nan),
        duration_s,
        np.where(tail.has_per_nq, per_nq_s, np.nan),
    )


def _windows(text: bytes, at: np.ndarray, width: int) -> np.ndarray:
    """The bytes from each position on, as strings of that width."""
    every = np.ndarray((len(text) - width + 1,), f"S{width}", text, strides=(1,))
    found: np.ndarray = every[at]
    return found


def _matrix(text: bytes, at: np.ndarray, width: int, *, before: bool = False) -> np.ndarray:
    """The same as numbers, a row each; or the bytes before each position."""
    return _windows(text, at - width if before else at, width).view(np.uint8).reshape(-1, width)


def _ends_with(text: bytes, at: np.ndarray, word: bytes) -> np.ndarray:
    """Whether the word stands just before the position."""
    found: np.ndarray = _windows(text, at - len(word), len(word)) == word
    return found


def _head_and_trace(text: bytes, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the head ends, how long the trace id is, and the id; a length of 0 where a line has no such thing."""
    heads = starts + zap.STAMP_LENGTH + (_matrix(text, starts + zap.STAMP_LENGTH, _HEAD) == ord("=")).argmax(axis=1)
    is_head = _ends_with(text, heads, _MARK[:-1])
    heads = heads + 1
    window = _matrix(text, heads, TRACE_WIDTH + 1)
    lengths = (window == ord("]")).argmax(axis=1)
    behind = np.arange(TRACE_WIDTH) >= lengths[:, None]
    trace = window[:, :TRACE_WIDTH].copy()
    is_trace = (_IS_ALNUM[trace] | behind).all(axis=1) & (_windows(text, heads + lengths, 3) == b"] [")
    trace[behind] = 0
    return heads, np.where(is_head & is_trace, lengths, 0), trace


class _Tail:
    """Where the fields of the tail lie; positions of what a line lacks mean nothing."""

    def __init__(self, text: bytes, ends: np.ndarray) -> None:
        # The last few `=` of a line are those of its tail, whose values hold none.
        places = np.flatnonzero(_matrix(text, ends, _TAIL, before=True) == ord("="))
        bounds = np.searchsorted(places, np.arange(len(ends) + 1) * _TAIL)
        first, last = bounds[:-1], bounds[1:] - 1
        columns = np.append(places % _TAIL, 0)

        def sign(back: np.ndarray | int) -> np.ndarray:
            at = last - back
            # Where there are too few, a position at which none of the names stands.
            return np.where(at >= first, ends - _TAIL + columns[np.maximum(at, 0)], _TAIL // 2)

        one = sign(0)
        self.has_per_nq = _ends_with(text, one, _PER_NQ)
        self.per_nq_at, self.per_nq_end = one + 1, ends - 1
        two = sign(0 + self.has_per_nq)
        self.duration_at = two + 1
        self.duration_end = np.where(self.has_per_nq, one - len(_PER_NQ), ends - 1)
        three = sign(1 + self.has_per_nq)
        is_total = _ends_with(text, three, _TOTAL_NQ)
        self.has_nq = is_total | _ends_with(text, three, _NQ)
        self.nq_at, self.nq_end = three + 1, two - len(_DURATION)
        four = sign(1 + self.has_per_nq + self.has_nq)
        self.guarantee_at = four - len(_GUARANTEE)
        self.guarantee_end = np.where(
            self.has_nq, three - np.where(is_total, len(_TOTAL_NQ), len(_NQ)), two - len(_DURATION)
        )
        self.ok = _ends_with(text, ends, b"]") & _ends_with(text, two, _DURATION) & _ends_with(text, four, _GUARANTEE)


def times(text: bytes, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unix milliseconds of each line, and whether it has a time. A day is worked out once for lines in a row."""
    day, zone = _windows(text, starts, 12), _windows(text, starts + 24, 8)
    is_new = np.ones(len(starts), dtype=bool)
    is_new[1:] = (day[1:] != day[:-1]) | (zone[1:] != zone[:-1])
    midnights = (text[at : at + 12] + b"00:00:00.000" + text[at + 24 : at + 32] for at in starts[is_new].tolist())
    found = [zap.second_ms(midnight)[2] for midnight in midnights]
    run = np.cumsum(is_new) - 1
    clock = _matrix(text, starts + 12, 12)
    digits = clock[:, _CLOCK_DIGITS] - np.uint8(ord("0"))
    is_clock = (digits <= 9).all(axis=1) & (clock[:, (2, 5, 8)] == _CLOCK_MARKS).all(axis=1)
    hour, minute, second = digits[:, 0] * 10 + digits[:, 1], digits[:, 2] * 10 + digits[:, 3], digits[:, 4]
    is_clock &= (hour < 24) & (minute < 60) & (second < 6)
    day_ms = np.array([ms or 0 for ms in found], dtype=np.int64)[run]
    is_day = np.array([ms is not None for ms in found], dtype=bool)[run]
    return day_ms + digits.astype(np.int64) @ _CLOCK_MS, is_day & is_clock


def _whole(text: bytes, at: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers of 1 to 19 digits, and where there are such."""
    length = end - at
    digits = _matrix(text, end, _DIGITS, before=True) - np.uint8(ord("0"))
    digits[np.arange(_DIGITS) < _DIGITS - length[:, None]] = 0
    return digits.astype(np.uint64) @ _TENS, (length >= 1) & (length <= _DIGITS) & (digits <= 9).all(axis=1)


def _durations(text: bytes, at: np.ndarray, end: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of Go durations, and where there are such that are not negative.

    Nearly all are one number of `ms` or `s`; the others are read one by one.
    """
    is_ms = _ends_with(text, end, b"ms")
    end_of_number = end - 1 - is_ms
    length = end_of_number - at
    digits = _matrix(text, end_of_number, _DECIMAL, before=True) - np.uint8(ord("0"))
    digits[np.arange(_DECIMAL) < _DECIMAL - length[:, None]] = 0
    is_point = digits == np.uint8((ord(".") - ord("0")) % 256)
    digits[is_point] = 0
    points = is_point.sum(axis=1)
    # With a 0 in the place of the point: the digits before it are above its tenfold, those behind it below.
    number = digits.astype(np.uint64) @ _TENS[-_DECIMAL:]
    place = np.where(points == 1, _DECIMAL - 1 - is_point.argmax(axis=1), 0)
    power = _TENS[_DIGITS - 1 - place]
    above = np.where(points == 1, number // (power * np.uint64(10)), number)
    below = np.where(points == 1, number % power, 0)
    seconds = np.where(points == 1, above * power + below, number).astype(np.float64) / power.astype(np.float64)
    seconds = np.where(is_ms, seconds / 1e3, seconds)
    is_simple = _ends_with(text, end, b"s") & (points <= 1) & (length - points >= 1) & (length <= _DECIMAL)
    is_simple &= (digits <= 9).all(axis=1) & (length - points <= 15)
    for row in np.flatnonzero(wanted & ~is_simple).tolist():
        found = go_duration_s(text[at[row] : end[row]])
        if found is not None and found >= 0:
            seconds[row], is_simple[row] = found, True
    return seconds, is_simple & (seconds <= GO_MAX_S)
