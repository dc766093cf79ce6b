"""The scanner: every line counted once, whatever the bytes and however they are cut into blocks."""

import json
import random
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.fuzz import check, samples, scan, summary
from slowq.parsers import scan as scanning
from slowq.parsers.scan import Batch, Scanner
from tests.parsers.lines import STAMP, json_line, line
from tests.parsers.test_slow import SEARCH, fields_of

SLOW = line(fields_of(SEARCH))
OTHER = line([(b"duration", b"1s")], b"hello", caller=b"a.go:1")
STARTED = b"2025-08-23T19:22:19.900123456Z stdout "
REGRESSIONS = sorted((Path(__file__).parents[1] / "data" / "fuzz").glob("*.bin"))


def counts(batch: Batch) -> tuple[int, int, int, int, int]:
    """(slow, other of Milvus, continuation, unrecognised, malformed)"""
    return batch.slow_lines, batch.milvus, batch.continuation, batch.unrecognised, batch.malformed


def of(*lines: bytes) -> tuple[int, int, int, int, int]:
    return counts(scan([b"".join(one + b"\n" for one in lines)]))


def docker(text: bytes, end: str = "\n", stream: str = "stdout") -> bytes:
    return json.dumps(
        {"log": text.decode() + end, "stream": stream, "time": "2025-08-23T19:22:19.9Z"}, separators=(",", ":")
    ).encode()


ANY_LINE = st.one_of(
    st.sampled_from((SLOW, OTHER, docker(SLOW), docker(OTHER), docker(SLOW[:99], ""), STARTED + b"P " + SLOW[:200])),
    st.sampled_from(
        (
            STARTED + b"F " + SLOW[200:],
            b"milvus | " + SLOW,
            b"[pod/a/b] " + OTHER,
            b"a-1 b " + SLOW,
            b"\tat x.go:1",
            b"",
        )
    ),
    st.sampled_from((SLOW + b"\r", b"\0" * 9 + SLOW, b"\x1b[1m" + SLOW, b"\xef\xbb\xbf" + SLOW, SLOW[:150], b'a,"b"')),
    st.sampled_from((json_line([("duration", "1s"), ("nq", 1)]), b'"t","' + SLOW.replace(b'"', b'""') + b'"', b"\x80")),
    st.binary(max_size=30),
)


@given(st.lists(ANY_LINE, max_size=12), st.sampled_from((b"\n", b"\r\n")), st.booleans(), st.integers())
def test_every_line_is_counted_once_for_any_lines_and_blocks(
    lines: list[bytes], end: bytes, ends: bool, seed: int
) -> None:
    assert check(end.join(lines) + (end if ends else b""), random.Random(seed)) is None


@given(st.binary(max_size=400), st.integers())
@example(b"\n" * 50, 0)
@example(b"\r\n\r\n", 0)
@example(b"[2025/", 0)
@example(b"[2025/\n[2025/", 0)
@example(b"[2025/\n[2024/\n[1999/\n", 0)
def test_every_line_is_counted_once_for_any_bytes(data: bytes, seed: int) -> None:
    assert check(data, random.Random(seed)) is None


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_the_fuzzer_found_once_stays_mended(path: Path) -> None:
    # The fuzzer cuts the log at random: once may miss the place.
    found = [check(path.read_bytes(), random.Random(seed), with_tables=seed == 0) for seed in range(30)]
    assert found == [None] * 30


def test_the_samples_hold_the_properties_unchanged() -> None:
    assert [check(data, random.Random(1)) for data in samples()] == [None] * len(samples())


def test_a_log_that_is_slow_from_end_to_end_is_read_as_one_that_is_not() -> None:
    dense, sparse = scan([(SLOW + b"\n") * 50]), scan([((SLOW + b"\n") + (OTHER + b"\n") * 9) * 50])
    assert counts(dense) == (50, 0, 0, 0, 0)
    assert counts(sparse) == (50, 450, 0, 0, 0)
    assert [*sparse.rows.line] == [1 + 10 * i for i in range(50)]
    assert dense.rows.forms == sparse.rows.forms


# Slow lines that cannot be read are never dropped.


@pytest.mark.parametrize(
    "text",
    [
        SLOW[: SLOW.index(b'slow"') + 4],
        SLOW[: SLOW.index(b'slow"') + 5],
        SLOW[: SLOW.index(b'slow"') + 6],
        SLOW[:200],
        SLOW[:-1],
        OTHER + SLOW,
        OTHER[:50] + SLOW,
        SLOW[:80] + SLOW,
        SLOW + SLOW,
        SLOW.replace(b" +00:00]", b"]"),
        SLOW.replace(b"[2025/08/23 ", b"[2025/08/23T"),
        SLOW.replace(b"/08/23", b"/13/45"),
    ],
)
def test_a_slow_line_that_cannot_be_read_is_malformed(text: bytes) -> None:
    for dense in (1, 30):
        assert of(*[SLOW] * (dense - 1), text, *[OTHER] * (30 // dense)) == (dense - 1, 30 // dense, 0, 0, 1)
    assert of(b"unrecognised", text) == (0, 0, 0, 1, 1)


WRAPPERS = {
    "docker-json": docker,
    "json": lambda text: json.dumps({"message": text.decode()}).encode(),
    "csv": lambda text: b'"t","' + text.replace(b'"', b'""') + b'"',
    "csv-docker": lambda text: b'"t","' + docker(text).replace(b'"', b'""') + b'"',
    "json-docker": lambda text: json.dumps({"message": docker(text).decode()}).encode(),
    "loki": lambda text: b'2025-08-23T19:22:19Z {pod="a"} ' + text,
    "compose": lambda text: b"milvus  | " + text,
    "prose": lambda text: b"somebody wrote " + text,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_slow_line_that_is_cut_behind_its_message_is_malformed(wrapper: str) -> None:
    wrapped = WRAPPERS[wrapper](SLOW)
    after = wrapped.index(b"slow") + 12
    for end in range(after, len(wrapped) - 1, 7):
        assert of(wrapped[:end])[3:] == (0, 1), wrapped[:end]


def test_a_json_line_that_is_cut_behind_its_message_is_malformed() -> None:
    whole = json_line([("duration", "1s")])
    assert of(whole) == (1, 0, 0, 0, 0)
    for wrapped in (whole, docker(whole)):
        assert {of(wrapped[:end]) for end in range(wrapped.index(b"slow") + 8, len(wrapped))} == {(0, 0, 0, 0, 1)}


def test_a_line_that_only_speaks_of_a_slow_line_is_none() -> None:
    quoting = line([(b"msg", b'["Search slow"] [duration=9s]')], b"note")
    longer = line([(b"duration", b"9s")], b"Search slowly done")
    as_field = line([(b"title", b"Search slow")], b"note")
    access = STAMP + b' [ACCESS] <a: b> Search [status: Successful] [expr: x] ["Search slow"] [timeCost: 1s]'
    assert of(quoting, longer, as_field, access) == (0, 4, 0, 0, 0)


def test_a_slow_line_behind_a_loggers_name_is_read() -> None:
    named = line(fields_of(SEARCH), logger=b"proxy")
    assert of(named) == (1, 0, 0, 0, 0)
    assert of(named, *[OTHER] * 9) == (1, 9, 0, 0, 0)
    assert of(docker(named), b"x") == (1, 0, 0, 1, 0)


def test_the_message_is_found_behind_a_long_caller() -> None:
    far = line(fields_of(SEARCH), caller=b"p" * 400 + b"/impl.go:1")
    assert of(far, *[OTHER] * 9) == (1, 9, 0, 0, 0)
    assert of(far, b"x") == (1, 0, 0, 1, 0)


@pytest.mark.parametrize(
    ("before", "node"),
    [
        (b"milvus-querynode-7d6cc4f5b6-m8zmb ", "milvus-querynode-7d6cc4f5b6-m8zmb"),
        (b"datanode ", "datanode"),
        (b"milvus-proxy-7d proxy ", "milvus-proxy-7d"),
        (b"vectors milvus-proxy-7d proxy ", "milvus-proxy-7d"),
        (b"milvus-proxy-7d proxy 2025-08-23T19:22:19.9Z ", "milvus-proxy-7d"),
        (b"[milvus-proxy-7d proxy] ", "milvus-proxy-7d"),
        (b"[milvus-0] ", "milvus-0"),
        (b"2025-08-23T19:22:19+0000 vec-db-1 milvus[812]: ", "vec-db-1"),
        (b"Aug  3 19:22:19 vec-db-1 bash: ", "vec-db-1"),
        (b"logs/proxy-7d.log:", "proxy-7d"),
        (b"logs/proxy-7d.log-4711-", "proxy-7d"),
        (b"4711:", None),
    ],
)
def test_the_names_before_a_line_tell_its_node(before: bytes, node: str | None) -> None:
    colours = b"\x1b[35m" + before.replace(b" ", b"\x1b[0m ", 1)
    for named in (before, colours):
        batch = scan([named + SLOW + b"\n" + named + OTHER + b"\n" + named + json_line([], "note") + b"\n"])
        assert counts(batch) == (1, 2, 0, 0, 0)
        assert set(batch.nodes.values()) == ({node} if node else set())


def test_words_before_a_line_are_no_names() -> None:
    assert of(b"somebody wrote " + OTHER, b"the pod web-1 said so", b"web-1 is slow", b"[INFO] hello")[3] == 4


# Pieces.


def test_the_pieces_of_an_entry_count_as_the_entry_and_its_continuation() -> None:
    assert of(docker(SLOW[:99], ""), docker(SLOW[99:])) == (1, 0, 1, 0, 0)
    assert of(STARTED + b"P " + SLOW[:99], STARTED + b"P " + SLOW[99:200], STARTED + b"F " + SLOW[200:]) == (
        1,
        0,
        2,
        0,
        0,
    )


def test_pieces_of_two_streams_do_not_mix() -> None:
    error = OTHER
    both = [
        docker(SLOW[:99], ""),
        docker(error[:50], "", "stderr"),
        docker(SLOW[99:]),
        docker(error[50:], stream="stderr"),
    ]
    assert of(*both) == (1, 1, 2, 0, 0)


def test_an_entry_whose_end_never_came_does_not_swallow_the_next() -> None:
    assert of(docker(OTHER[:50], ""), docker(SLOW)) == (1, 1, 0, 0, 0)
    assert of(docker(SLOW[:150], ""), docker(SLOW)) == (1, 0, 0, 0, 1)
    assert of(docker(SLOW[:150], ""), docker(SLOW[:200], ""), docker(SLOW[200:])) == (1, 0, 1, 0, 1)


def test_a_piece_without_a_stream_leaves_other_lines_alone() -> None:
    nameless = b'{"log":"abc","stream":""}'
    assert of(nameless, json_line([("duration", "1s")]), b"[pod/a/b] " + SLOW) == (2, 0, 0, 1, 0)


def test_what_is_open_at_the_end_is_classed_by_what_it_is() -> None:
    assert of(docker(b"no milvus", "")) == (0, 0, 0, 1, 0)
    assert of(docker(OTHER[:60], "")) == (0, 1, 0, 0, 0)
    assert of(docker(SLOW[:150], "")) == (0, 0, 0, 0, 1)
    assert of(docker(SLOW, "")) == (1, 0, 0, 0, 0)


def test_a_json_entry_in_pieces_is_an_entry() -> None:
    slow, other = json_line([("duration", "1s")]), json_line([], "hello")
    for whole, wanted in ((slow, (1, 0, 1, 0, 0)), (other, (0, 1, 1, 0, 0))):
        assert of(STARTED + b"P " + whole[:60], STARTED + b"F " + whole[60:]) == wanted


def test_very_many_pieces_take_linear_time() -> None:
    data = (STARTED + b"P x\n") * 60_000
    assert counts(scan([data])) == (0, 0, 59_999, 1, 0)


# Own bytes.


@pytest.mark.parametrize(
    ("text", "is_milvus"),
    [
        (docker(OTHER), True),
        (docker(b"[20250823] of someone else"), False),
        (docker(b"[2026-05-26 14:10:07,863 - ERROR - fouram]: (api_response)"), False),
        (json_line([], "hello"), True),
        (b'{"level":"info","time":"2025-08-23T19:22:19Z","message":"of someone else"}', False),
        (b'{"level":"INFO","time":"2025-08-23T19:22:19Z","caller":"a.go:1","message":"of someone else"}', False),
    ],
)
def test_a_json_line_is_of_milvus_by_its_time_stamp_with_a_needle_in_it_or_without(
    text: bytes, is_milvus: bool
) -> None:
    wanted = (0, 1, 0, 0, 0) if is_milvus else (0, 0, 0, 1, 0)
    assert of(text) == wanted
    assert of(text.replace(b"hello", b"queue is full").replace(b"someone", b"queue is full")) == wanted


def test_a_byte_order_mark_is_nothing_wherever_logs_were_joined() -> None:
    assert of(b"\xef\xbb\xbf" + SLOW, OTHER, b"\xef\xbb\xbf" + SLOW) == (2, 1, 0, 0, 0)


def test_wrong_bytes_in_a_json_wrapper_do_not_lose_the_line() -> None:
    assert of(docker(SLOW).replace(b"default", b"d\xff\xc3")) == (1, 0, 0, 0, 0)
    assert of(docker(SLOW).replace(b"default", b"d\0\x01")) == (1, 0, 0, 0, 0)


def test_carriage_returns_change_nothing() -> None:
    lines = [SLOW, OTHER, docker(SLOW), b"x", SLOW[:100], b"\tat", b"2025-08-23T19:22:19Z stdout F " + SLOW]
    plain, returned = (scan([end.join(lines) + end]) for end in (b"\n", b"\r\n"))
    same = ("rows", "slow_lines", "milvus", "continuation", "unrecognised", "malformed", "malformed_lines", "formats")
    assert [summary(returned)[name] for name in same] == [summary(plain)[name] for name in same]
    dense = (SLOW + b"\r\n") * 20
    assert counts(scan([dense])) == (20, 0, 0, 0, 0)


def test_the_first_version_that_is_said_counts_whole_or_in_parts() -> None:
    banners = [b"Version:   v2.4.5\n", b"x\n", b"Version:   v2.5.1\n"]
    assert scan(banners).version == scan([b"".join(banners)]).version == "2.4.5"


def test_a_part_that_begins_in_the_middle_has_no_header() -> None:
    rows = b"time,message\n" + b'"t","' + OTHER.replace(b'"', b'""') + b'"\n'
    assert counts(scan([rows])) == (0, 1, 1, 0, 0)
    scanner = Scanner(from_start=False)
    scanner.feed(rows, len(rows))
    assert counts(scanner.finish()) == (0, 1, 0, 1, 0)


def test_malformed_and_unrecognised_lines_are_kept_up_to_a_limit_and_counted_beyond() -> None:
    batch = scan([b"x\n" * 200 + (SLOW[:150] + b"\n") * 200])
    assert counts(batch) == (0, 0, 0, 200, 200)
    assert [number for number, _ in batch.unrecognised_lines] == [*range(1, scanning.MAX_KEPT + 1)]
    assert [number for number, _, _ in batch.malformed_lines] == [*range(201, 201 + scanning.MAX_KEPT)]


def test_a_block_of_line_feeds_takes_little_time_and_memory() -> None:
    block = b"\n" * (1 << 20)
    begun = time.process_time()
    assert counts(scan([block])) == (0, 0, 1 << 20, 0, 0)
    assert time.process_time() - begun < 5
    tracemalloc.start()
    scan([block[: 1 << 17]])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
