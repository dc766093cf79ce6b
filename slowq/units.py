"""Go durations, sizes and times: text in, numbers out, and back.

Everything inside slowq is in seconds (float), bytes (int) and UTC.
"""

import re

_GO_UNITS_S = {
    b"ns": 1e-9,
    b"us": 1e-6,
    "\u00b5s".encode(): 1e-6,  # MICRO SIGN, what Go prints
    "\u03bcs".encode(): 1e-6,  # GREEK SMALL LETTER MU, what Go also accepts
    b"ms": 1e-3,
    b"s": 1.0,
    b"m": 60.0,
    b"h": 3600.0,
}
GO_MAX_S = 2**63 / 1e9  # a Duration is an int64 of nanoseconds; what is more, Go refuses
_GO_PART = re.compile(rb"(\d+(?:\.\d*)?|\.\d+)(ns|us|\xc2\xb5s|\xce\xbcs|ms|s|m|h)")


def go_duration_s(text: bytes) -> float | None:
    """Seconds of a Go duration such as ``b"5m12.002784545s"``; None where it is none.

    The grammar is that of Go's ``time.ParseDuration``: an optional sign, then numbers with a unit each.
    """
    # Nearly every duration in a slow log is one number and one unit, which float() reads in C.
    unit = text.translate(None, b"0123456789.")
    if unit == b"s" or (unit == b"ms" and text.endswith(unit)):
        try:
            seconds = float(text[: -len(unit)]) / (1e3 if unit == b"ms" else 1)
        except ValueError:
            return None
        return seconds if seconds <= GO_MAX_S else None
    return _go_parts_s(text)


def _go_parts_s(text: bytes) -> float | None:
    if len(text) > 100:  # Go prints at most 30 characters
        return None
    sign, rest = (-1.0, text[1:]) if text[:1] == b"-" else (1.0, text[1:] if text[:1] == b"+" else text)
    if rest == b"0":
        return 0.0
    total, at = 0.0, 0
    while at < len(rest):
        part = _GO_PART.match(rest, at)
        if part is None:
            return None
        total += float(part[1]) * _GO_UNITS_S[part[2]]
        at = part.end()
    return sign * total if at and total <= GO_MAX_S else None
