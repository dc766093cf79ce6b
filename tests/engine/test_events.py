"""What the engine logs is what slowq's own parsers read as Milvus' lines."""

from __future__ import annotations

import gzip
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowq.engine.callers import VERSIONS
from slowq.engine.events import FORMS, Delegator, Events, Read, form_of, go_duration
from slowq.engine.schema import Collection
from slowq.errors import UsageError
from slowq.gather import gather
from slowq.parsers import levels, slow, zap
from slowq.units import go_duration_s

_HEAD = re.compile(rb'\[[^]]+\] \[[A-Z]+\] \[([^]]+)\] \["?([^]"]+)"?\]')

READ = Read(
    "search",
    "default",
    "shop",
    ("p1",),
    ('tag == "a b" and x < 3',),
    1024,
    ("id", "tag"),
    {"topk": "10", "params": '{"ef": 64}'},
    "Bounded",
    False,
    2,
    460318735832711168,
    2,
    12.5,
    "9100b3092108604716f1472e4c7d54e4",
    "root",
    "127.0.0.1",
)


def written(version: str, read: Read) -> bytes:
    out = io.StringIO()
    Events(form_of(version), out, lambda: 1_764_000_000.25).slow(read)
    return out.getvalue().encode()


@given(message=st.text(min_size=1), key=st.text(min_size=1), value=st.text())
def test_any_text_comes_back_from_a_line(message: str, key: str, value: str) -> None:
    out = io.StringIO()
    Events(form_of("2.6"), out, lambda: 1_764_000_000.25).write("INFO", "proxy/impl.go:1", message, **{key: value})
    line = out.getvalue().encode()
    assert line.count(b"\n") == 1
    entry = zap.parse(line)
    assert entry is not None
    assert (entry.time_ms, entry.level, entry.message.decode()) == (1_764_000_000_250, b"INFO", message)
    assert entry.fields == {key.encode(): value.encode()}


@pytest.mark.parametrize("version", FORMS)
@pytest.mark.parametrize("kind", ["search", "query", "hybrid_search"])
def test_a_slow_line_is_read_with_all_that_the_request_was(version: str, kind: str) -> None:
    if version == "2.3.5" and kind == "hybrid_search":
        pytest.skip("2.3 has no hybrid search")
    filters = READ.filters * (2 if kind == "hybrid_search" else 1)
    line = written(version, replace(READ, kind=kind, filters=filters)).rstrip(b"\n")
    reader = slow.SlowLines()
    assert reader.read([line], [1]) == []
    rows = reader.rows
    form = rows.forms[rows.form[0]]
    assert (form.kind, form.caller_line) == (kind, getattr(FORMS[version], kind))
    assert (form.database, form.collection, form.partitions) == (b"default", b"shop", b"[p1]")
    assert rows.duration_s[0] == 12.5
    low, high = levels.version_of(form, None)[2] or ((0, 0, 0), (0, 0, 0))
    assert low <= tuple(map(int, version.split("."))) <= high
    assert low[:2] == high[:2]
    assert bytes(rows.trace) == READ.trace_id.encode()
    if kind != "hybrid_search":
        assert rows.filters[rows.filter[0]] == READ.filters[0].encode()


def test_a_version_without_a_form_is_refused_with_those_that_have_one() -> None:
    assert form_of("v2.5.3").version == "2.5.16"
    with pytest.raises(UsageError) as error:
        form_of("2.2")
    assert str(error.value) == "The engine does not write logs of Milvus '2.2'"


@given(st.integers(0, 10**16))
def test_durations_are_read_back_by_slowq(nanoseconds: int) -> None:
    text = go_duration(nanoseconds / 1e9)
    assert go_duration_s(text.encode()) == pytest.approx(nanoseconds / 1e9, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (1e-9, "1ns"), (1.5e-6, "1.5µs"), (0.1, "100ms"), (1, "1s"), (61.5, "1m1.5s"), (3600, "1h0m0s")],
)
def test_durations_are_written_as_go_does(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


OF_A_VERSION = ("insert", "session", "restart")


def lines_of(version: str) -> list[str]:
    """A line of each kind that the engine writes beside the slow ones."""
    out = io.StringIO()
    events, shop = Events(form_of(version), out, lambda: 1_764_000_000.25), Collection(7, "default", "shop", ())
    where = Delegator("9100b310", 7, "channel")
    for kind in ("search", "query"):
        events.failed(replace(READ, kind=kind, failed="no"))
        events.refused(replace(READ, kind=kind, failed="no"))
        events.no_tsafe(where, kind, "no")
        events.delegator_failed(where, kind, "no")
    for before in ("enqueue", "executing"):
        events.canceled(before)
    events.lag_too_large(where, 2.0, 1.0, 0.5)
    events.started(1)
    events.index_asked(shop, "v", {})
    events.index_begun(shop, 1, 2)
    events.index_built(shop, 2, "v", 3, 0.1)
    events.build_failed(shop, 2, "v", "no")
    events.flushed(shop, 2, 3, 0.1)
    events.compacting(shop, "mix", [2])
    events.compacted(shop, "mix", [2], [4], 0.1)
    events.load_asked(shop, 1, ())
    events.load_asked(shop, 1, ("p1",))
    events.loading(shop, 2)
    events.segment_loaded(shop, 2, 0.1)
    events.cannot_load(shop, 2, "no")
    events.loaded(shop)
    events.released(shop, ())
    events.released(shop, ("p1",))
    events.inserted(shop, 3)
    events.tick_late(2, 0.3)
    return out.getvalue().splitlines()


def every_line(version: str) -> list[zap.Entry]:
    return [one for line in lines_of(version) if (one := zap.parse(line.encode())) is not None]


def test_the_lines_beside_have_the_callers_of_real_logs() -> None:
    real: dict[bytes, set[bytes]] = {}
    for path in Path("sample_logs").glob("*/logs/*.gz"):
        with gzip.open(path) as lines:
            for match in map(_HEAD.match, lines):
                if match:
                    real.setdefault(match[2], set()).add(match[1])
    lines = every_line("2.3.5")
    # Of partitions no real log here has a load; what the query nodes say of any load has the same words.
    known = [one for one in lines if one.message in real and one.message != b"received load partitions request"]
    assert [(one.message, one.caller) for one in known if one.caller not in real[one.message]] == []
    assert len({one.message for one in known}) >= 15


def test_the_lines_beside_mean_the_same_in_the_words_of_each_version(tmp_path: Path) -> None:
    meant = {}
    for version in FORMS:
        log = tmp_path / f"{version}.log"
        log.write_text("\n".join(lines_of(version)))
        found = gather([str(log)], jobs=1).events[["what", "state", "subject"]].astype(str)
        meant[version] = {*found.itertuples(index=False, name=None)}
        assert {"restart", "session"} <= {*found["what"]}
    for found in meant.values():
        assert found >= {
            ("load", "start", "7"),
            ("load", "done", "7"),
            ("release", "done", "7"),
            ("flush", "point", "2"),
        }
    # Inserts are logged at DEBUG from 2.4 on; other roles register.
    others = {version: {one for one in found if one[0] not in OF_A_VERSION} for version, found in meant.items()}
    assert {version for version, found in others.items() if found != others["2.3.5"]} == set()


def test_each_version_writes_the_lines_beside_at_places_of_its_own() -> None:
    callers = {version: [one.caller for one in every_line(version)] for version in FORMS}
    assert len({tuple(found) for found in callers.values()}) == len(FORMS)
    assert set(VERSIONS) == set(FORMS)
    for found in callers.values():
        assert [one for one in found if one.endswith(b":0")] == []


@pytest.mark.parametrize("version", FORMS)
def test_the_version_is_learnt_from_the_banner(version: str, tmp_path: Path) -> None:
    with (tmp_path / "milvus.log").open("w") as out:
        events = Events(form_of(version), out, lambda: 1_764_000_000.25)
        events.started(1)
        if version != "2.3.5":
            events.slow(replace(READ, kind="hybrid_search"))
    case = gather([str(tmp_path / "milvus.log")], jobs=1)
    assert case.milvus.version == version
    assert "banner" in case.milvus.source
    assert case.coverage.unrecognised_lines == 0
