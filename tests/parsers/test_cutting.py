"""Many lines at once give what each gives by itself."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slowq.parsers import zap
from slowq.parsers.cutting import cut, times
from slowq.units import go_duration_s
from tests.parsers.lines import STAMP, line

TRACE = b"9100b3092108604716f1472e4c7d54e4"


@st.composite
def stamps(draw: st.DrawFn) -> bytes:
    """A time stamp of 32 bytes, one in two with a byte changed."""
    day, clock = draw(st.sampled_from((b"2025/08/23", b"2024/02/29", b"2025/02/29"))), draw(st.times())
    zone = draw(st.sampled_from((b"+00:00", b"-05:30", b"+24:00")))
    stamp = b"[%s %s.%03d %s]" % (day, clock.strftime("%H:%M:%S").encode(), clock.microsecond // 1000, zone)
    at = draw(st.integers(0, 63))
    return stamp[:at] + draw(st.sampled_from((b"0", b"6", b"9", b":", b"x"))) + stamp[at + 1 :] if at < 32 else stamp


@given(st.lists(stamps(), min_size=1, max_size=8))
def test_times_are_those_of_the_stamps_one_by_one(found: list[bytes]) -> None:
    time_ms, has_time = times(b"".join(found), np.arange(len(found)) * zap.STAMP_LENGTH)
    told = [ms if known else None for ms, known in zip(time_ms.tolist(), has_time.tolist(), strict=True)]
    assert told == [zap.stamp_ms(one) for one in found]


@given(st.from_regex(rb"\A(\d{1,10}h)?(\d{1,3}m)?\d{0,12}\.?\d{0,10}(ms|s|ns)\Z"))
def test_durations_are_those_of_gos_grammar_to_the_last_bit(duration: bytes) -> None:
    text = line(
        [
            (b"traceID", TRACE),
            (b"role", b"proxy"),
            (b"guarantee_timestamp", b"1"),
            (b"nq", b"3"),
            (b"duration", duration),
        ]
    )
    found = cut(text, np.array([0]), np.array([len(text)]))
    wanted = go_duration_s(duration)
    assert (found.duration_s[0] if found.ok[0] else None) == wanted
    assert found.line(0) == text
    assert text.startswith(STAMP)
