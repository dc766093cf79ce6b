"""The access log: nothing in it is escaped, and all of it is read back."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slowq.parsers import access
from slowq.parsers.access import Access
from tests.parsers.lines import STAMP, STAMP_MS

BASE = (
    b" [ACCESS] <%(user)s: %(client)s> %(method)s [status: Successful] [code: 0] [sdk: Python-2.4.3] [msg: %(msg)s] "
    b"[traceID: %(trace)s] [timeCost: %(cost)s]"
)
PLACE = b" [database: default] [collection: c] [partitions: [a b]]"
FORMATS = {
    "2.3.4": BASE + PLACE + b" [expr: %(expr)s]",
    "2.5.13": BASE + PLACE + b" [anns_field: vec] [expr: %(expr)s]",
    "2.5.14": BASE + PLACE + b' [expr: %(expr)s] [nq: 3] [params: {"topk":"10"}]',
    "3.0": BASE + PLACE + b' [expr: %(expr)s] [nq: 3] [params: {"topk":"10"}] [error_type: ]',
    "proposed": BASE + PLACE + b' [level: Strong] [nq: 3] [params: {"topk":"10"}] [out: [id]] [expr: %(expr)s]',
}
PLAIN = {
    b"user": b"root",
    b"client": b"tcp-10.0.0.1:5555",
    b"method": b"Search",
    b"msg": b"",
    b"trace": b"9100b3092108604716f1472e4c7d54e4",
    b"cost": b"1.25s",
    b"expr": b"a > 1",
}


def entry(version: str, **changed: bytes) -> bytes:
    return STAMP + FORMATS[version] % (PLAIN | {name.encode(): value for name, value in changed.items()})


HOSTILE = st.lists(
    st.sampled_from(
        (
            b"] [timeCost: 9h]",
            b" [nq: 7]",
            b"[expr: ",
            b"] [",
            b'"',
            b"\\",
            b"]",
            b"[",
            b" [traceID: evil] ",
            b"> ",
            b"x",
            b' [params: {"topk":"1"}] y',
            b" [status: Failed]",
            b" [level: Eventually] z",
            b"Unknown",
            b"\0",
            b"\xff",
            b" ",
        )
    ),
    max_size=6,
).map(b"".join)


@pytest.mark.parametrize("version", FORMATS)
def test_every_shipped_format_is_read(version: str) -> None:
    more = version in ("2.5.14", "3.0", "proposed")
    assert access.parse(entry(version), 7) == Access(
        STAMP_MS, 7, "search", 1.25, b"Successful", b"root", b"tcp-10.0.0.1:5555", PLAIN[b"trace"], b"default", b"c",
        b"[a b]", b"a > 1", b"3" if more else None, b'{"topk":"10"}' if more else None,
        b"vec" if version == "2.5.13" else None, b"Strong" if version == "proposed" else None,
        b"[id]" if version == "proposed" else None, b"",
    )  # fmt: skip


@pytest.mark.parametrize("version", FORMATS)
@given(HOSTILE.map(lambda expr: b"a" + expr + b"b"))
@example(b"a] [nq: 7")
@example(b'a == "] [expr: b')
def test_a_hostile_expression_is_read_as_it_is_and_changes_nothing_else(version: str, expr: bytes) -> None:
    found, plain = access.parse(entry(version, expr=expr), 1), access.parse(entry(version), 1)
    assert found is not None
    assert plain is not None
    # Where nothing follows the expression, one that ends like a field cannot be told from that field.
    if version in ("2.5.14", "3.0") or not re.search(rb"\[\w+: [^\[]*$", expr):
        assert found._replace(filter=b"") == plain._replace(filter=b"")
        assert found.filter == expr
    assert found.duration_s == 1.25
    assert found.trace == PLAIN[b"trace"]


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        (b"Search", "search"),
        (b"HybridSearch", "hybrid_search"),
        (b"Query", "query"),
        (b"/v2/vectordb/entities/search", "search"),
        (b"/v2/vectordb/entities/advanced_search", "hybrid_search"),
        (b"/v2/vectordb/entities/get/", "query"),
        (b"Insert", None),
        (b"/v2/vectordb/entities/insert", None),
        (b"", None),
    ],
)
def test_only_reads_are_taken(method: bytes, kind: str | None) -> None:
    found = access.parse(entry("3.0", method=method), 1)
    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    "rest", [b"", b" Search", b"> Search", b"> Search [", b"> Search [timeCost: ", b": x> Search [x]"]
)
def test_a_line_that_is_cut_is_none(rest: bytes) -> None:
    assert access.parse(STAMP + b" [ACCESS] <" + rest, 1) is None


@given(st.binary(max_size=60), st.sampled_from([*FORMATS]), st.data())
def test_any_bytes_are_read_without_an_error(bad: bytes, version: str, data: st.DataObject) -> None:
    whole = entry(version)
    at = data.draw(st.integers(0, len(whole)))
    for text in (whole[:at], whole[:at] + bad + whole[at:], STAMP + b" [ACCESS] <" + bad):
        found = access.parse(text, 1)
        assert found is None or found.kind == "search" or bad
