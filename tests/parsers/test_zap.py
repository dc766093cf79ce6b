"""Milvus' own log lines: what its encoders write is read back, and a line that is cut says so."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slowq.parsers import envelopes, zap
from tests.parsers.lines import SPECIAL, STAMP, STAMP_MS, VALUES, array, json_line, line, quoted, slow_fields

FIELDS = st.dictionaries(VALUES.filter(bool), VALUES, max_size=5)


@given(st.binary(max_size=40) | VALUES)
def test_what_is_escaped_is_unescaped(text: bytes) -> None:
    written = quoted(text)
    assert zap.unescape(written[1:-1] if written.startswith(b'"') else written) == text


@given(st.binary(max_size=60))
@example(b"\\")
@example(b"\\u12")
@example(rb"\ud83d")
@example(rb"\\\n\0\"")
def test_any_bytes_are_unescaped_without_an_error(text: bytes) -> None:
    assert isinstance(zap.unescape(text), bytes)


@given(FIELDS, VALUES.filter(bool), st.sampled_from((None, b"CGO")))
def test_the_fields_that_were_written_are_read_in_their_order(
    fields: dict[bytes, bytes], message: bytes, logger: bytes | None
) -> None:
    entry = zap.parse(line([*fields.items()], message, logger=logger))
    assert entry == zap.Entry(STAMP_MS, b"INFO", b"proxy/impl.go:3141", message, fields)
    assert [*entry.fields] == [*fields]


@given(slow_fields(), st.data())
def test_a_line_that_is_cut_is_no_entry_or_not_whole_or_ends_between_two_fields(
    slow: tuple[bytes, list[tuple[bytes, bytes]]], data: st.DataObject
) -> None:
    message, fields = slow
    whole = line(fields, message)
    cut = zap.parse(whole[: data.draw(st.integers(0, len(whole)))])
    if cut is not None and cut.message == message:
        # Of the last field, cut at an escape or a multibyte character, the key alone may be there.
        wanted = [dict(fields[:n]) for n in range(len(fields) + 1)]
        assert cut.fields in wanted


def test_a_line_cut_at_any_byte_never_raises_and_never_invents() -> None:
    fields = [(b"traceID", b"ab"), (b"dsl", b'a == "b"\n'), (b"a key", b""), (b"partitions", b"[]"), (b"nq", b"1")]
    whole = line(fields)
    ends = {len(line(fields[:n])) for n in range(len(fields) + 1)}
    for end in range(len(whole)):
        entry = zap.parse(whole[:end])
        if entry is not None:
            assert entry.fields == dict(fields[: len(entry.fields)])
            assert entry.whole == (end in ends or end - 1 in ends)


@given(st.binary(max_size=80).map(lambda tail: STAMP + tail) | st.binary(max_size=120))
def test_any_bytes_are_parsed_without_an_error(text: bytes) -> None:
    entry = zap.parse(text)
    assert entry is None or entry.level in zap.LEVELS


@pytest.mark.parametrize(
    "text",
    [
        b"[2025/08/23 19:22:19.900 +00:00]",
        b"[2025/08/23 19:22:19.900 +00:00] [INFO]",
        b"[2025/08/23 19:22:19.900 +00:00] [INFO] [a.go:1]",
        b'[2025/08/23 19:22:19.900 +00:00] [INFO] [a.go:1] ["Search sl',
        b"[2025/08/23 19:22:19.900 +00:00] [LOUD] [a.go:1] [message]",
        b"[2025/02/29 19:22:19.900 +00:00] [INFO] [a.go:1] [message]",
        b"[2025/08/23 24:00:00.000 +00:00] [INFO] [a.go:1] [message]",
        b"[2025/08/23 19:22:19.900 +00:60] [INFO] [a.go:1] [message]",
        b"[2025/08/23 19:22:19.9 +00:00] [INFO] [a.go:1] [message]",
        b"[2025/08/23 19:22:19.900 +00:00] [INFO] [a.go:1] [key=value]",
        b"",
    ],
)
def test_what_lacks_a_time_a_level_or_a_message_is_no_entry(text: bytes) -> None:
    assert zap.parse(text) is None


def test_another_line_that_was_written_into_a_line_makes_it_not_whole() -> None:
    first, second = line([(b"duration", b"1s")]), line([(b"duration", b"9s")], b"Query slow")
    for between in (b"", b" "):
        entry = zap.parse(first + between + second)
        assert entry is not None
        assert not entry.whole
    assert zap.fields(b"[a=1] " + STAMP + b" [INFO] [b=2]") is None


@pytest.mark.parametrize(
    ("stamp", "ms"),
    [
        (b"[1970/01/01 00:00:00.000 +00:00]", 0),
        (b"[2025/08/23 19:22:19.900 +00:00]", STAMP_MS),
        (b"[2025/08/24 00:52:19.900 +05:30]", STAMP_MS),
        (b"[2025/08/23 12:22:19.900 -07:00]", STAMP_MS),
        (b"[2024/02/29 00:00:00.001 +00:00]", 1_709_164_800_001),
    ],
)
def test_a_time_stamp_is_read_in_its_zone(stamp: bytes, ms: int) -> None:
    assert zap.stamp_ms(stamp) == ms


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(
    st.dictionaries(
        TEXTS.filter(lambda key: key not in ("", "level", "time", "caller", "message", "name", "stack")),
        TEXTS | st.lists(TEXTS.filter(bool), max_size=4) | st.integers(0, 2**64) | st.booleans(),
        max_size=5,
    )
)
def test_the_json_format_gives_the_entry_that_the_text_format_gives(fields: dict[str, object]) -> None:
    def in_text(value: object) -> bytes:
        if isinstance(value, list):
            return array(value)
        return value.encode() if isinstance(value, str) else json.dumps(value).encode()

    as_text = zap.parse(line([(key.encode(), in_text(value)) for key, value in fields.items()]))
    as_json = envelopes.unwrap(json_line([*fields.items()])).entry
    assert as_json is not None
    assert as_text is not None
    assert (as_json.time_ms, as_json.level, as_json.caller, as_json.message, as_json.fields) == (
        as_text.time_ms,
        as_text.level,
        as_text.caller,
        as_text.message,
        as_text.fields,
    )


@given(st.lists(TEXTS.filter(lambda text: text and "," not in text), max_size=5))
def test_an_array_that_was_written_is_read(elements: list[str]) -> None:
    # zap quotes no comma: `[a,b]` may be one element or two.
    assert zap.array(array(elements).decode()) == elements


@given(st.text(max_size=30))
def test_any_text_is_read_as_an_array_without_an_error(text: str) -> None:
    found = zap.array(text)
    assert (found is None) == (not (text.startswith("[") and text.endswith("]")))


def test_only_what_needs_quotes_has_them() -> None:
    assert quoted(b"len(PlaceholderGroup)") == b"len(PlaceholderGroup)"
    assert quoted(b"time spent") == b'"time spent"'
    assert {byte for byte in range(256) if quoted(bytes([byte])).startswith(b'"')} == SPECIAL


def test_json_that_python_can_read_but_not_write_is_no_entry() -> None:
    deep = 0
    for depth in range(1, 1200):
        inner = b'{"a":' * depth + b"1" + b"}" * depth
        found = envelopes.unwrap(
            b'{"level":"INFO","time":"2025/08/23 19:22:19.900 +00:00","caller":"a.go:1","message":"m","x":'
            + inner
            + b"}"
        )
        deep = depth if found.entry is not None else deep
    assert deep > 50
