"""Go durations against a slow, independent reading of Go's own grammar."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slowq.units import go_duration_s

UNIT_NS = {
    "ns": 1,
    "us": 1_000,
    "\N{MICRO SIGN}s": 1_000,
    "\N{GREEK SMALL LETTER MU}s": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
ANY_DURATION = st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**10), 10**10)


def go_string(ns: int) -> str:
    """What `time.Duration.String` prints."""
    if ns == 0:
        return "0s"
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    if ns < 1_000_000_000:
        name = "ns" if ns < 1_000 else "\N{MICRO SIGN}s" if ns < 1_000_000 else "ms"
        return f"{sign}{_decimal(Fraction(ns, UNIT_NS[name]))}{name}"
    minutes, seconds = divmod(Fraction(ns, UNIT_NS["s"]), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(seconds)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else sign + text


def _decimal(value: Fraction) -> str:
    text = format(Decimal(value.numerator) / Decimal(value.denominator), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_duration(text: str) -> Fraction | None:
    """Seconds by the grammar of `time.ParseDuration`, one character after the other; None for an error."""
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text[1:] if text[:1] == "+" else text)
    if rest == "0":
        return Fraction(0)
    total, at = Fraction(0), 0
    while at < len(rest):
        whole, at = _digits(rest, at)
        part = ""
        if rest[at : at + 1] == ".":
            part, at = _digits(rest, at + 1)
        if not whole + part:
            return None
        unit = ""
        while at < len(rest) and rest[at] not in ".0123456789":
            unit, at = unit + rest[at], at + 1
        if unit not in UNIT_NS:
            return None
        total += Fraction(int(whole + part or "0"), 10 ** len(part)) * UNIT_NS[unit]
    return sign * total / UNIT_NS["s"] if rest else None


def _digits(text: str, at: int) -> tuple[str, int]:
    end = at
    while end < len(text) and text[end] in "0123456789":
        end += 1
    return text[at:end], end


def test_the_reference_prints_what_go_prints() -> None:
    printed = [go_string(ns) for ns in (0, 1, 1_100, 2_200_000, 3_300_000_000, 245_000_000_000, 312_002_784_545)]
    assert printed == ["0s", "1ns", "1.1\N{MICRO SIGN}s", "2.2ms", "3.3s", "4m5s", "5m12.002784545s"]
    assert go_string(-(2**63)) == "-2562047h47m16.854775808s"


@given(ANY_DURATION)
def test_what_go_prints_is_read_to_the_nanosecond(ns: int) -> None:
    assert go_duration_s(go_string(ns).encode()) == pytest.approx(ns / 1e9, rel=1e-9, abs=0)


@given(
    st.lists(
        st.from_regex(r"[0-9]{0,9}(\.[0-9]{0,9})?(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d|)", fullmatch=True), max_size=4
    ).map("".join)
    | st.text("0123456789.nsumh\u00b5+-_ e", max_size=12)
)
@example("1.s")
@example(".5s")
@example(".s")
@example("5m.s")
@example("+0")
@example("-")
@example("1m1s")
@example("s1")
@example("1_0s")
@example("1e3s")
@example("infs")
@example("9223372037s")
@example("2562048h")
def test_a_text_is_a_duration_where_go_takes_it(text: str) -> None:
    wanted = parse_duration(text)
    if wanted is not None and abs(wanted) * 10**9 > 2**63:  # Go refuses what is no int64
        wanted = None
    got = go_duration_s(text.encode())
    assert (got is None) == (wanted is None)
    assert got is None or got == pytest.approx(float(wanted), rel=1e-9, abs=0)


@given(st.binary(max_size=300))
@example(b"9" * 400 + b"s")
@example(b"1" * 100_000 + b"ms")
@example(b"." * 100_000 + b"s")
@example(b"1h" * 50_000)
@example("\N{ARABIC-INDIC DIGIT FIVE}s".encode())
@example(b" 1s")
def test_no_bytes_raise(text: bytes) -> None:
    found = go_duration_s(text)
    assert found is None or abs(found) < 9.3e9
