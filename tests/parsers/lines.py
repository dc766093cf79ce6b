"""Milvus log lines, built as its encoders build them, and random ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

STAMP = b"[2025/08/23 19:22:19.900 +00:00]"
STAMP_MS = 1_755_976_939_900
SPECIAL = frozenset(b'\\"[]=') | frozenset(range(0x21))
ESCAPES = {
    **{byte: rb"\u%04x" % byte for byte in range(0x20)},
    0x5C: rb"\\",
    0x22: rb"\"",
    0x0A: rb"\n",
    0x0D: rb"\r",
    0x09: rb"\t",
}

Field = tuple[bytes, bytes]


def quoted(text: bytes) -> bytes:
    """A message, key or value as zap's text encoder writes it."""
    if SPECIAL.isdisjoint(text):
        return text
    return b'"' + b"".join(ESCAPES.get(byte, bytes([byte])) for byte in text) + b'"'


def array(elements: Sequence[str]) -> bytes:
    """A `zap.Strings` before it is quoted."""
    return b"[" + b",".join(quoted(element.encode()) for element in elements) + b"]"


def line(
    fields: Sequence[Field],
    message: bytes = b"Search slow",
    *,
    caller: bytes = b"proxy/impl.go:3141",
    level: bytes = b"INFO",
    logger: bytes | None = None,
    stamp: bytes = STAMP,
) -> bytes:
    groups = [level, *([] if logger is None else [logger]), caller, quoted(message)]
    groups += [quoted(key) + b"=" + quoted(value) for key, value in fields]
    return stamp + b"".join(b" [" + group + b"]" for group in groups)


def json_line(
    fields: Sequence[tuple[str, Any]], message: str = "Search slow", *, caller: str = "proxy/impl.go:3141"
) -> bytes:
    """The same by `log.format: json`."""
    head = {"level": "INFO", "time": STAMP.decode().strip("[]"), "caller": caller, "message": message}
    return json.dumps(head | dict(fields), ensure_ascii=False, separators=(",", ":")).encode()


# Fields of each message, in order, from the first version to the last.
_SEARCH = "role db collection partitions dsl len(PlaceholderGroup) OutputFields search_params"
_QUERY = "role db collection partitions"
_QUERY_END = "expr OutputFields travel_timestamp guarantee_timestamp duration"
_HYBRID = "role db collection partitions OutputFields"
LAYOUTS: tuple[tuple[str, str], ...] = (
    ("Search slow", f"{_SEARCH} travel_timestamp guarantee_timestamp duration"),
    ("Search slow", f"{_SEARCH} guarantee_timestamp duration"),
    ("Search slow", f"{_SEARCH} guarantee_timestamp nq duration"),
    ("Search slow", f"{_SEARCH} guarantee_timestamp useDefaultConsistency nq duration"),
    ("Search slow", f"{_SEARCH} ConsistencyLevel useDefaultConsistency guarantee_timestamp nq duration"),
    ("Search slow", f"{_SEARCH} ConsistencyLevel useDefaultConsistency guarantee_timestamp nq duration durationPerNq"),
    ("Search slow", "module guarantee_timestamp nq duration durationPerNq"),
    ("Query slow", f"{_QUERY} {_QUERY_END}"),
    ("Query slow", f"{_QUERY} useDefaultConsistency {_QUERY_END}"),
    (
        "Query slow",
        f"{_QUERY} ConsistencyLevel useDefaultConsistency {_QUERY_END}",
    ),
    (
        "Query slow",
        f"{_QUERY} ConsistencyLevel useDefaultConsistency queryLabel {_QUERY_END}",
    ),
    ("Query slow", "module expr OutputFields travel_timestamp guarantee_timestamp duration"),
    ("HybridSearch slow", f"{_HYBRID} guarantee_timestamp duration"),
    ("HybridSearch slow", f"{_HYBRID} guarantee_timestamp useDefaultConsistency duration"),
    ("HybridSearch slow", f"{_HYBRID} ConsistencyLevel useDefaultConsistency guarantee_timestamp duration"),
    ("HybridSearch slow", f"{_HYBRID} ConsistencyLevel useDefaultConsistency dsls guarantee_timestamp duration"),
    (
        "HybridSearch slow",
        f"{_HYBRID} ConsistencyLevel useDefaultConsistency dsls guarantee_timestamp totalNq duration durationPerNq",
    ),
    ("HybridSearch slow", "module guarantee_timestamp totalNq duration durationPerNq"),
)

_HOSTILE = (
    *(
        "] [",
        '"] [duration=1ms] ["',
        "] [guarantee_timestamp=5] [duration=1s]",
        'a == "\\\\"',
        "[",
        "]",
        "=",
        "\\",
        '"',
    ),
    *(
        ' [dsl="x"] ',
        "[expr=x] ",
        'slow"] [traceID=',
        '["Search slow"]',
        "\n",
        "\t",
        "\0",
        "\x1b[31m",
        "\u2028",
        "\ufffd",
    ),
    *("[2025/08/23 19:22:19.900 +00:00]", 'a in [1, 2] && b == "c"', "", "x", "0", "{name}", "No.0 req, expr: "),
)
TEXT = st.lists(st.sampled_from(_HOSTILE) | st.text(max_size=6), max_size=5).map("".join)
VALUES = TEXT.map(lambda text: text.encode("utf-8", "replace")) | st.binary(max_size=12)
DURATIONS = st.sampled_from(
    (
        *(
            "1s",
            "1.5s",
            "823.443ms",
            "5m12.002784545s",
            "1h0m3.5s",
            "0s",
            "999ns",
            "7.25\N{MICRO SIGN}s",
            "-1.5s",
            "1.s",
        ),
        *(".5s", ".s", "s", "", "abc", "5", "1_0s", "00001.50s", "1e3s", "9223372037s", "9223372036s", "infs", "nans"),
        *(
            "1.2.3s",
            "\N{ARABIC-INDIC DIGIT FIVE}s",
            "+1s",
            " 1s",
            "1s ",
            "99999999999999999999999ms",
            "5m",
            "1m2ms",
            "ms",
        ),
    )
) | st.integers(0, 10**12).map(lambda ns: f"{ns / 1e9:.9f}".rstrip("0").rstrip(".") + "s")
NUMBERS = st.sampled_from(
    (
        *("1", "0", "2", "460318735832711168", "007", "1_0", "-1", "", "x", "1.0", "1e3", str(2**64 - 1), str(2**64)),
        *(
            str(2**64 + 1),
            "9" * 19,
            "9" * 20,
            "9" * 21,
            "9" * 40,
            "\N{ARABIC-INDIC DIGIT FIVE}",
            "\N{SUPERSCRIPT TWO}",
            "+5",
        ),
    )
) | st.integers(0, 2**65).map(str)
TRACES = st.sampled_from(
    (
        "9100b3092108604716f1472e4c7d54e4",
        "be888a360a54b4e",
        "",
        "0",
        "a" * 33,
        "not-hex",
        "\u00e9" * 3,
        "a] [b",
        "g" * 32,
    )
) | st.from_regex(r"[0-9a-f]{16}|[0-9a-f]{32}", fullmatch=True)
STAMPS = st.sampled_from(
    (
        STAMP,
        STAMP,
        b"[2025/08/23 19:22:20.000 +05:30]",
        b"[2025/13/45 99:99:99.000 +00:00]",
        b"[2024/02/29 23:59:59.999 -07:00]",
        b"[2023/02/29 00:00:00.000 +00:00]",
        b"[2025/08/23 19:22:19.9x0 +00:00]",
        b"[2025/08/23 19:22:19.900 +25:00]",
        b"[2025/08/23 19:22:19.900]",
    )
)
CALLERS = st.sampled_from(
    (b"proxy/impl.go:3141", b"proxy/impl.go:007", b"a.go:1", b"proxy/impl.go:" + b"9" * 30, b"impl")
)
PARAMS = st.sampled_from(
    (
        '[{"key":"topk","value":"10"},{"key":"params","value":"{\\"nprobe\\":256}"}]',
        "[]",
        "null",
        "not json",
        '[{"key":"topk","value":"ten"},{"key":"anns_field"}]',
    )
)


@st.composite
def slow_fields(draw: st.DrawFn) -> tuple[bytes, list[Field]]:
    """A message and its fields: those of some version, a few of them missing, new, repeated or elsewhere."""
    message, layout = draw(st.sampled_from(LAYOUTS))
    of = {
        **dict.fromkeys(("guarantee_timestamp", "nq", "totalNq", "travel_timestamp", "len(PlaceholderGroup)"), NUMBERS),
        **dict.fromkeys(("duration", "durationPerNq"), DURATIONS),
        "search_params": PARAMS | TEXT,
    }
    plain = {
        "role": "proxy",
        "module": "proxy",
        "db": "default",
        "useDefaultConsistency": "true",
        "OutputFields": "[id]",
    }

    def value(name: str) -> bytes:
        strategy = of.get(name, st.just(plain[name]) | TEXT if name in plain else TEXT)
        return draw(strategy).encode("utf-8", "replace")

    fields = [(name.encode(), value(name)) for name in layout.split()]
    if draw(st.integers(0, 5)):
        at = 0 if draw(st.integers(0, 5)) else draw(st.integers(0, len(fields)))
        fields.insert(at, (b"traceID", draw(TRACES).encode()))
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 1, 2)))):
        at, other = draw(st.integers(0, len(fields) - 1)), draw(st.integers(0, len(fields) - 1))
        change = draw(st.integers(0, 5))
        if change == 0 and len(fields) > 1:
            del fields[at]
        elif change == 1:
            fields.insert(other, fields[at])
        elif change == 2:
            fields[at], fields[other] = fields[other], fields[at]
        elif change == 3:
            fields.insert(at, (draw(VALUES), draw(VALUES)))
        elif change == 4:
            names = (
                "nq",
                "totalNq",
                "dsl",
                "expr",
                "dsls",
                "spanID",
                "traceID",
                "duration",
                "guarantee_timestamp",
                "db",
            )
            name = draw(st.sampled_from(names))
            fields.insert(at, (name.encode(), value(name)))
        else:
            fields[at] = (fields[at][0], draw(VALUES))
    return message.encode(), fields


@st.composite
def slow_lines(draw: st.DrawFn) -> bytes:
    """A slow line of some version, right or with something wrong in it."""
    message, fields = draw(slow_fields())
    built = line(
        fields,
        message,
        caller=draw(CALLERS),
        logger=draw(st.sampled_from((None, None, None, b"CGO"))),
        stamp=draw(STAMPS),
    )
    harm = draw(st.integers(0, 9))
    if harm == 0:
        return built[: draw(st.integers(0, len(built)))]
    if harm == 1:
        return built + draw(st.sampled_from((b" ", b"\r", b"]", b" [", b" []", b" [x]", b"  ", b"garbage", b"\t\r")))
    if harm in (2, 3):
        at = draw(st.integers(0, len(built) - 1))
        return built[:at] + draw(st.binary(max_size=2)) + built[at + draw(st.integers(0, 2)) :]
    if harm == 4:
        at, to = draw(st.integers(0, len(built) - 1)), draw(st.integers(0, len(built) - 1))
        rest = built[:at] + built[at + 1 :]
        return rest[:to] + built[at : at + 1] + rest[to:]
    return built.replace(b"\n", b"")
