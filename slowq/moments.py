"""Points in time as people write them: for `--since`, `--until` and the events of a context file."""

import re
from datetime import UTC, datetime, timedelta, timezone

from slowq.errors import UsageError

# ISO 8601, Milvus' own "2025/08/23 19:22:19.900 +00:00", and what Go prints: "2025-08-23 19:22:19.9 +0000 UTC".
_ISO = re.compile(
    r"(\d{4})([-/])(\d\d)\2(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r"(?: ?(?:([Zz]|UTC)|([+-])(\d\d):?(\d\d)?(?: UTC)?))?)?",
    re.ASCII,
)
# Nine to eleven digits: 1973 to 5138. Fewer is rather a date without dashes, more rather milliseconds.
_UNIX_S = re.compile(r"\d{9,11}(?:\.\d{1,9})?", re.ASCII)
_AGO = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?[wdhms])+", re.ASCII)
_AGO_PART = re.compile(r"([\d.]+)([wdhms])", re.ASCII)
_AGO_UNITS_S = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}

_ACCEPTED = (
    "give a time such as 2025-08-23T19:22:19Z, 2025-08-23 19:22 or 2025-08-23 (UTC where no zone is given), "
    '"2025/08/23 19:22:19.900 +00:00" as Milvus logs it, unix seconds, or how long ago: 90m, 2h30m, 1d'
)


def parse_moment(text: str, now: datetime) -> datetime:
    """What `--since` and `--until` accept, in UTC. `now`, with a zone, is what "2h" counts back from.

    Raises UsageError for anything else; its hint names the forms.
    """
    text = text.strip()
    try:
        moment = iso_moment(text)
        if moment is not None:
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if _UNIX_S.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        if _AGO.fullmatch(text):
            ago_s = sum(float(number) * _AGO_UNITS_S[unit] for number, unit in _AGO_PART.findall(text))
            return (now - timedelta(seconds=ago_s)).astimezone(UTC)
    except OverflowError:
        raise UsageError(f"{_quoted(text)} is too far away", hint=_ACCEPTED) from None
    raise UsageError(f"{_quoted(text)} is not a time", hint=_ACCEPTED)


def iso_moment(text: str) -> datetime | None:
    """An absolute date or time, without a zone where the text has none; None where it is none.

    Nanoseconds are cut to microseconds.
    """
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, _, month, day, hour, minute, second, fraction, utc, sign, zone_hours, zone_minutes = found.groups()
    try:
        zone = UTC if utc else None
        if sign:
            offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes or 0))
            zone = timezone(offset if sign == "+" else -offset)
        micros = int((fraction or "")[:6].ljust(6, "0"))
        date = int(year), int(month), int(day)
        return datetime(*date, int(hour or 0), int(minute or 0), int(second or 0), micros, zone)
    except ValueError:
        return None


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC, such as "2025-08-23T19:20:00Z", of a time with a zone."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
