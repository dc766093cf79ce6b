"""How numbers are said, wherever slowq says them: in the sentences of findings, in reports, in messages.

What is unknown is said to be so, and nothing is rounded to "all", "nothing" or zero that is only close to it.
"""

from __future__ import annotations

from math import isnan


def duration(seconds: float | None) -> str:
    """``840 ms``, ``12.3 s``, ``5 m 12 s``, ``2 h 05 m``, ``3 d 04 h``; ``unknown`` for None and NaN."""
    if seconds is None or isnan(seconds):
        return "unknown"
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds == 0:
        return "0 s"
    if seconds < 5e-5:
        return "<0.1 ms"
    if seconds < 0.01:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return _two_units(round(seconds))


def _two_units(seconds: int) -> str:
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60:02} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02} m"
    hours = round(seconds / 3600)
    return f"{hours // 24:,} d {hours % 24:02} h"


def period(seconds: float) -> str:
    """A step or a threshold: a duration without the digits that a round one does not need."""
    return duration(seconds).replace(".0 ", " ").replace(" 00 s", "").replace(" 00 m", "")


def share(value: float | None) -> str:
    """A share (0…1) as a figure: ``91 %``, ``<1 %``, ``>99 %``; ``unknown`` for None and NaN."""
    if value is None or isnan(value):
        return "unknown"
    if 0 < value < 0.01:
        return "<1 %"
    if 0.99 < value < 1:
        return ">99 %"
    return f"{value * 100:.0f} %"


def share_of(part: float | None, whole: float | None) -> str:
    """The share that a part has of a whole; ``unknown`` where one of them is, or the whole is nothing."""
    return share(part / whole if part is not None and whole else None)


def percent(value: float | None) -> str:
    """The same in a sentence: ``less than 1 %``, ``more than 99 %``."""
    return share(value).replace("<", "less than ").replace(">", "more than ")


def count(number: int, noun: str) -> str:
    """``1 line``, ``48,210 lines``, ``2 queries``, ``3 searches``."""
    if number == 1:
        return f"1 {noun}"
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + ("es" if noun.endswith(("ch", "x")) else "s")
    return f"{number:,} {plural}"


def do(number: int, verb: str) -> str:
    """The verb as the number asks for it: ``3 requests ask``, ``1 request asks``."""
    if number != 1:
        return verb
    return {"are": "is", "were": "was", "have": "has", "do": "does", "carry": "carries"}.get(verb, verb + "s")
