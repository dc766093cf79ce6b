"""Slow lines: the way that reads them in bulk gives what reading each from end to end gives."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fuzz import by_reference, fails, refusals, rows_of, samples
from slowq.gather import gather
from slowq.parsers import slow
from tests.parsers.lines import LAYOUTS, STAMP_MS, Field, line, slow_lines

TRACE = b"9100b3092108604716f1472e4c7d54e4"
VALUES = {
    b"db": b"default",
    b"collection": b"c",
    b"partitions": b"[]",
    b"dsl": b'a == "b"',
    b"expr": b'a == "b"',
    b"dsls": b'[No.0 req, expr: a == "b"][No.1 req, expr: ]',
    b"len(PlaceholderGroup)": b"8204",
    b"OutputFields": b"[id]",
    b"search_params": b'[{"key":"topk","value":"10"}]',
    b"ConsistencyLevel": b"Strong",
    b"useDefaultConsistency": b"true",
    b"queryLabel": b"query",
    b"travel_timestamp": b"0",
    b"guarantee_timestamp": b"460318735832711168",
    b"nq": b"1",
    b"totalNq": b"2",
    b"duration": b"1.5s",
    b"durationPerNq": b"750ms",
}


def read(lines: list[bytes]) -> tuple[list[tuple[object, ...]], list[tuple[int, str]]]:
    reader = slow.SlowLines()
    refused = refusals(reader.read(lines, range(1, len(lines) + 1)))
    return rows_of(reader.rows), refused


def fields_of(layout: str, **changed: bytes) -> list[Field]:
    """The fields of a layout with plausible values, after a trace id."""
    named = {name.encode(): value for name, value in changed.items()}
    return [(b"traceID", TRACE), *((key, named.get(key, VALUES.get(key, b"proxy"))) for key in layout.encode().split())]


@settings(max_examples=max(250, settings().max_examples))
@given(st.lists(slow_lines(), min_size=1, max_size=6))
def test_the_bulk_reader_gives_what_the_reference_gives(lines: list[bytes]) -> None:
    # Each twice: what was learnt from a line is used the second time.
    assert read(lines * 2) == by_reference(lines * 2)


@given(st.data())
def test_a_changed_byte_makes_no_difference_between_bulk_reader_and_reference(data: st.DataObject) -> None:
    message, layout = data.draw(st.sampled_from(LAYOUTS))
    good = line(fields_of(layout), message.encode())
    at = data.draw(st.integers(32, len(good) - 1))
    bad = good[:at] + data.draw(st.binary(max_size=2)) + good[at + data.draw(st.integers(0, 3)) :]
    assert read([good, bad, good, bad]) == by_reference([good, bad, good, bad])


@pytest.mark.parametrize(("message", "layout"), LAYOUTS)
def test_a_line_cut_at_any_byte_is_refused_or_lacks_only_later_fields(message: str, layout: str) -> None:
    whole = line(fields_of(layout), message.encode())
    cuts = [whole[:end] for end in range(32, len(whole))]
    assert read(cuts) == by_reference(cuts)


@pytest.mark.parametrize(("message", "layout"), LAYOUTS)
def test_every_versions_line_is_read(message: str, layout: str) -> None:
    rows, refused = read([line(fields_of(layout), message.encode())])
    assert refused == []
    number, time_ms, form, text, guarantee, nq, duration_s, per_nq_s, trace = rows[0]
    names = layout.split()
    assert (number, time_ms, trace, duration_s) == (1, STAMP_MS, TRACE, 1.5)
    assert guarantee == 460318735832711168
    assert nq == (1 if "nq" in names else 2 if "totalNq" in names else None)
    assert per_nq_s == (0.75 if "durationPerNq" in names else None)
    assert text == next((VALUES[name.encode()] for name in names if name in ("dsl", "expr", "dsls")), None)
    assert isinstance(form, slow.Form)
    assert (form.kind, form.caller_line) == (slow.KINDS[message.encode()], 3141)
    assert form.collection == (b"c" if "collection" in names else None)
    assert form.extra == ()


SEARCH = LAYOUTS[5][1]


@pytest.mark.parametrize(
    "tail",
    [
        b"[guarantee_timestamp=durationPerNq=5s]",
        b"[guarantee_timestamp=1] [dur5ation=s]",
        b"[guarantee_timestamp=1] [5duration=1s]",
        b"[guarantee_timestamp=1] [nq=] [5duration=1s]",
        b"[guarantee_timestamp=1]5 [duration=s]",
        b"[guarantee_timestamp=1] [nq=2] [duration=-1.5s] [durationPerNq=-1.5s]",
        b"[guarantee_timestamp=1] [nq=2] [duration=1.5s] [durationPerNq=x]",
        b"[guarantee_timestamp=1] [nq=2] [duration=1.5s] [durationPerNq=99999999999s]",
        b"[guarantee_timestamp=1] [duration=" + b"9" * 400 + b"s]",
        b"[guarantee_timestamp=1] [duration=1m2s]",
        b"[guarantee_timestamp=1] [duration=1.2.3s]",
        b"[guarantee_timestamp=1] [duration=.s]",
        b"[guarantee_timestamp=1] [totalNq=1] [nq=2] [duration=1s]",
        b"[guarantee_timestamp=1] [nq=1] [nq=2] [duration=1s]",
        b"[guarantee_timestamp=1] [duration=1s] [duration=2s]",
        b"[guarantee_timestamp=1] [duration=1s] [traceID=1]",
        b"[guarantee_timestamp=1] [duration=1s] []",
        b'[guarantee_timestamp="1"] [duration="1s"]',
        b"[guarantee_timestamp=" + b"9" * 20 + b"] [duration=1s]",
        b"[guarantee_timestamp=" + b"9" * 21 + b"] [duration=1s]",
        b"[guarantee_timestamp=1.5] [nq=1.5] [duration=1s]",
        b"[guarantee_timestamp=1] [nq=" + b"1" * 30 + b"] [duration=1s]",
        b"[guarantee_timestamp=1] [duration=1s]\r",
        b"[guarantee_timestamp=1] [duration=1s] ",
        b'[guarantee_timestamp=1] [duration=1s] [x="] [guarantee_timestamp=2] [duration=3s]"]',
        b"[guarantee_timestamp=1] [duration=1s][2025/08/23 19:22:20.000 +00:00] [INFO] [a.go:1] [m] [duration=2s]",
    ],
)
def test_an_odd_end_is_read_as_the_reference_reads_it(tail: bytes) -> None:
    odd = line([(b"traceID", TRACE), (b"role", b"proxy"), (b"dsl", b"a"), (b"db", b"d")]) + b" " + tail
    for middle in (b"", b' [expr="b"]', b" [spanID=1]", b" [nq=7]", b" [traceID=2]"):
        lines = [odd.replace(b" [db=d]", b" [db=d]" + middle)] * 2
        assert read(lines) == by_reference(lines)


def test_a_duration_below_zero_or_beyond_gos_range_is_refused() -> None:
    durations = (b"-1.5s", b"9" * 400 + b"s", b"9223372037s", b"2562048h")
    lines = [line(fields_of(SEARCH, duration=duration)) for duration in durations]
    rows, refused = read(lines)
    assert rows == []
    assert [reason.partition(":")[0] for _, reason in refused] == ["duration is no Go duration"] * 4


def test_of_several_filters_the_same_one_is_taken_in_every_run() -> None:
    both = line([*fields_of(SEARCH), (b"expr", b"second"), (b"dsls", b"third")])
    assert [row[3] for row in read([both])[0]] == [VALUES[b"dsl"]]


def test_what_is_remembered_is_bounded_and_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow, "MAX_REMEMBERED", 3)
    lines = [line(fields_of(SEARCH, dsl=b"a == %d" % (n % 7), db=b"d%d" % (n % 5))) for n in range(100)]
    assert read(lines) == by_reference(lines)


@pytest.mark.parametrize("seed", range(8))
def test_mutated_samples_hold_every_property(seed: int) -> None:
    from bench.fuzz import mutated

    rng, seeds = random.Random(seed), samples()
    for _ in range(25):
        data, again = mutated(rng, seeds), rng.randrange(1 << 32)
        assert fails(data, again, with_tables=False) is None


def test_an_nq_of_0_is_not_known(tmp_path: Path) -> None:
    """Real: Milvus 2.3.5 writes it of a search whose client went away before the proxy had looked at it."""
    log = tmp_path / "proxy.log"
    given_up = [line([(b"collection", b"c"), (b"nq", nq), (b"duration", b"16.8s")]) for nq in (b"0", b"2")]
    log.write_bytes(b"".join(one + b"\n" for one in given_up))
    requests = gather([str(log)]).requests
    assert requests["nq"].tolist() == [pytest.approx(float("nan"), nan_ok=True), 2]
    assert requests["duration_per_nq_s"].tolist() == [pytest.approx(float("nan"), nan_ok=True), 8.4]
