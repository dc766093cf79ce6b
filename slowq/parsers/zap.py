"""Milvus' own log lines: the zap text encoder and its JSON sister.

Text, written by every Milvus from 2.0 to 3.0 (`log.format: text`, the pingcap unified log format):

    [2025/08/23 19:22:19.900 +00:00] [INFO] [proxy/impl.go:3141] ["Search slow"] [traceID=91…] [dsl="a == \\"b\\""]

A message, a key and a value each stand in double quotes if and only if they hold a byte up to 0x20 or one of
`\\ " [ ] =`; inside the quotes `\\\\ \\" \\n \\r \\t \\u00XX` are escapes. An entry is one physical line. From 2.6.9 a logger
name may stand between level and caller (`[CGO]`).

JSON (`log.format: json`): one object a line with the keys level, time, caller, message and the fields beside them.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# A line that begins so was written by zap. It is the whole test, so that lines can be classed by a prefix alone.
TEXT_PREFIX = re.compile(rb"\[20\d\d/")

LEVELS = frozenset((b"DEBUG", b"INFO", b"WARN", b"ERROR", b"DPANIC", b"PANIC", b"FATAL"))

# Possessive quantifiers: a group either matches or fails at once, so hostile lines cost linear time.
_GROUP = re.compile(
    rb'\[(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\[\]="]*+))'
    rb'(?:=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\[\]"]*+)))?\]',
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SIMPLE_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
STAMP_LENGTH = len("[2025/08/23 19:22:19.900 +00:00]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One log entry. `time_ms` is Unix time; `fields` keep their order; values are unescaped bytes.

    `whole` is False where the line ends inside a field, or where another line begins in it: it was cut.
    """

    time_ms: int
    level: bytes
    caller: bytes
    message: bytes
    fields: dict[bytes, bytes]
    whole: bool = True


def parse(line: bytes) -> Entry | None:
    """The entry of a text line; None where the line is not zap's, or is cut before its message ends."""
    time_ms = stamp_ms(line)
    if time_ms is None:
        return None
    groups: list[tuple[bytes, bytes | None]] = []
    at, end = STAMP_LENGTH, len(line.rstrip(b"\r\n\t "))
    while at < end:
        if line[at : at + 1] == b" ":
            at += 1
            continue
        match = _GROUP.match(line, at)
        if match is None:
            break
        groups.append(_key_and_value(match))
        at = match.end()
    if not groups or groups[0][0] not in LEVELS:
        return None
    caller_at = 1 if len(groups) > 1 and _looks_like_caller(groups[1][0]) else 2
    if len(groups) <= caller_at + 1 or groups[caller_at + 1][1] is not None:
        return None
    rest = groups[caller_at + 2 :]
    fields = {key: value for key, value in rest if value is not None}
    whole = at >= end and not any(value is None and _is_stamp(key) for key, value in rest)
    return Entry(time_ms, groups[0][0], groups[caller_at][0], groups[caller_at + 1][0], fields, whole)


def fields(text: bytes) -> dict[bytes, bytes] | None:
    """The fields of a stretch such as `[role=proxy] [db=default]`; None unless it is that from end to end."""
    found, at = {}, 0
    while at < len(text):
        match = _GROUP.match(text, at)
        if match is None or text[match.end() : match.end() + 1] not in (b" ", b""):
            return None
        key, value = _key_and_value(match)
        if value is not None:
            found[key] = value
        elif _is_stamp(key):
            return None
        at = match.end() + 1
    return found


def _is_stamp(group: bytes) -> bool:
    """Whether a group without a value is a time stamp: there another line was written into this one."""
    return len(group) == STAMP_LENGTH - 2 and stamp_ms(b"[" + group + b"]") is not None


def _looks_like_caller(text: bytes) -> bool:
    name, _, number = text.rpartition(b":")
    return number.isdigit() and b"." in name


def _key_and_value(match: re.Match[bytes]) -> tuple[bytes, bytes | None]:
    quoted_key, key, quoted, plain = match.groups()
    name = unescape(quoted_key) if quoted_key is not None else key
    return name, unescape(quoted) if quoted is not None else plain


def unescape(text: bytes) -> bytes:
    """The bytes that stand inside zap's double quotes, without their escapes."""
    if b"\\" not in text:
        return text
    # Almost every escape is a quote or a backslash; three replacements are far cheaper than a callback for each.
    plain = text.replace(b"\\\\", b"\0").replace(b'\\"', b'"')
    if b"\\" in plain or b"\0" in text:
        return _ESCAPE.sub(_unescape_one, text)
    return plain.replace(b"\0", b"\\")


def _unescape_one(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    if len(escaped) == 5:
        return chr(int(escaped[1:], 16)).encode("utf-8", "replace")
    return _SIMPLE_ESCAPES.get(escaped, escaped)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_seconds: dict[bytes, int] = {}
_zones: dict[bytes, int] = {b" +00:00]": 0}


def stamp_ms(line: bytes) -> int | None:
    """Unix milliseconds of the time stamp that the line begins with; None where it has none that is a real time."""
    second = second_ms(line)[2]
    return second + int(line[21:24]) if second is not None and line[21:24].isdigit() else None


def is_stamp_alone(line: bytes | bytearray) -> bool:
    """Whether a line is a time stamp and nothing else, as where somebody's copy broke an entry at each field."""
    return len(line) <= STAMP_LENGTH + 2 and stamp_ms(bytes(line).rstrip()) is not None


def second_ms(line: bytes) -> tuple[bytes, bytes, int | None]:
    """The second of a line's time stamp: its text, its zone's text, and Unix milliseconds (None for no real time).

    Lines come in order of time, so a reader of many compares the two texts and asks again only when they change.
    """
    head, zone = line[:21], line[24:32]
    local_ms, offset_ms = _seconds.get(head), _zones.get(zone)
    if local_ms is None or offset_ms is None:
        local_ms, offset_ms = _second_ms(head), _zone_ms(zone)
    return head, zone, None if local_ms is None or offset_ms is None else local_ms - offset_ms


def _second_ms(head: bytes) -> int | None:
    """Unix milliseconds, as if in UTC, of `[2025/08/23 19:22:19.`; remembered, since a busy second fills many lines."""
    match = re.fullmatch(rb"\[(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)\.", head)
    if match is None:
        return None
    try:
        moment = datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        return None
    if len(_seconds) > 100_000:
        _seconds.clear()
    _seconds[head] = (moment - _EPOCH) // timedelta(milliseconds=1)
    return _seconds[head]


def _zone_ms(zone: bytes) -> int | None:
    match = re.fullmatch(rb" ([+-])([01]\d):([0-5]\d)\]", zone)
    if match is None:
        return None
    offset_ms = (int(match[2]) * 60 + int(match[3])) * 60_000
    _zones[zone] = offset_ms if match[1] == b"+" else -offset_ms
    return _zones[zone]


def parse_json(document: dict[str, Any]) -> Entry | None:
    """The entry of one object that zap's JSON encoder wrote; None where it lacks what every entry has."""
    time, level, caller, message = (document.get(k) for k in ("time", "level", "caller", "message"))
    if not (isinstance(time, str) and isinstance(level, str) and isinstance(message, str)):
        return None
    time_ms = stamp_ms(b"[" + time.encode("utf-8", "replace") + b"]")
    if time_ms is None or level.encode("utf-8", "replace") not in LEVELS:
        return None
    own = ("time", "level", "caller", "message", "name")
    fields = {k.encode("utf-8", "replace"): json_value(v) for k, v in document.items() if k not in own}
    where = caller if isinstance(caller, str) else ""
    return Entry(
        time_ms,
        level.encode(),
        where.encode("utf-8", "replace"),
        message.encode("utf-8", "replace"),
        fields,
    )


def json_value(value: Any) -> bytes:
    """A JSON value in the bytes that the text encoder would have written for it, before quoting."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, list) and all(isinstance(v, str | int | float) for v in value):
        return b"[" + b",".join(_array_element(v) for v in value) + b"]"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _array_element(value: str | int | float) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    if any(c <= " " or c in '\\"[]=' for c in text):
        text = '"' + text.translate(_ESCAPES) + '"'
    return text.encode("utf-8", "replace")


_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x20)} | {
    ord(char): "\\" + escape for char, escape in zip('\\"\n\r\t', '\\"nrt', strict=True)
}


_ELEMENT = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^,]++)', re.DOTALL)


def array(text: str) -> list[str] | None:
    """The elements of a zap array such as `[id,"my field"]`; None where the text is none."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    return [
        unescape(quoted.encode("utf-8", "surrogateescape")).decode("utf-8", "replace") if quoted or not plain else plain
        for quoted, plain in _ELEMENT.findall(text[1:-1])
    ]
