"""Evidence: each message that is listed is found by the scanner and read, as text and as JSON."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fuzz import scan
from slowq.parsers import access, evidence
from slowq.parsers.evidence import EvidenceLines
from slowq.parsers.messages import KNOWN, SPECS, STEADY_KINDS, Spec
from slowq.parsers.needles import ACCESS, NEEDLES, SLOW, STEADY
from slowq.parsers.scan import Batch
from tests.parsers.lines import STAMP, STAMP_MS, json_line, line

CALLER = b"querynodev2/delegator.go:12"
# What begins so goes on in some way.
LONGER = {
    b"Slow etcd operation": b"Slow etcd operation load with prefix",
    b"Slow txnTiKV": b"Slow txnTiKV Load() operation",
    b"loadBalanceSegmentLoop: there are too few available": b"loadBalanceSegmentLoop: there are too few available query nodes",
    b"[CGO Call] slow function": b"[CGO Call] slow function AsyncSearch done with duration 1.2s",
    b"load segment failed, OOM": b"load segment failed, OOM if load, maxSegmentSize = 1",
}
# What lines mean beside their message, or by their error.
NO_MESSAGES = (
    *(b"a request timed out", b"the queue is full", b"tSafe is too far behind for a request"),
    *(b"a role registered", b"memory does not do for a load", b"Pulsar turns a client away"),
)
MESSAGES = [(message, LONGER.get(message, message), spec) for message, spec in KNOWN if message not in NO_MESSAGES]
every_message = pytest.mark.parametrize(
    ("message", "spec"), [(longer, spec) for _, longer, spec in MESSAGES], ids=[m.decode() for m, _, _ in MESSAGES]
)


def fields_of(spec: Spec) -> list[tuple[bytes, bytes]]:
    """A value for every field that the message is listed with."""
    values = {b"traceID": b"ab12"}
    for name in (spec.subject, spec.collection, *spec.detail):
        if name:
            values[name] = b"42"
    if spec.duration:
        values[spec.duration] = b"1.5s"
    if spec.needs:
        values[spec.needs[-1]] = spec.value or b"42"
    if spec.what == "tsafe_parked":
        values |= {b"sm.GuaranteeTimestamp": STAMP[1:-1], b"serviceTime": STAMP[1:-1]}
    return [*values.items()]


def events(batch: Batch) -> list[tuple[object, ...]]:
    """(line, time, what, state, subject, duration) of each event."""
    found, subjects = batch.events, [*batch.events.subject]
    return [
        (
            found.line[i],
            found.time_ms[i],
            KNOWN[found.spec[i]][1].what,
            KNOWN[found.spec[i]][1].state,
            subjects[i],
            None if math.isnan(found.duration_s[i]) else found.duration_s[i],
        )
        for i in range(len(found))
    ]


@every_message
def test_each_message_holds_a_needle(message: bytes, spec: Spec) -> None:
    assert any(needle in message for needle in NEEDLES)


@every_message
def test_each_message_is_read_alone_among_others_and_as_json(message: bytes, spec: Spec) -> None:
    fields = fields_of(spec)
    has_duration = bool(spec.duration) or spec.what == "tsafe_parked"
    parked = spec.what == "tsafe_parked" and spec.state == "point"
    took = 0.0 if parked else 1.5 if has_duration and spec.duration else None
    wanted = [(1, STAMP_MS, spec.what, spec.state, b"42" if spec.subject else b"", took)]
    if spec.also:
        (also,) = (one for known, one in KNOWN if known == spec.also)
        wanted.append((1, STAMP_MS, also.what, also.state, b"42", None))
    text, other = line(fields, message, caller=CALLER), line([], b"hello", caller=b"a.go:1")
    as_json = json_line([(k.decode(), v.decode()) for k, v in fields], message.decode(), caller=CALLER.decode())
    for log in (text, text + b"\n" + other, text + b"\nx", as_json, b"milvus | " + text, text + b"\r\n"):
        assert events(scan([log])) == wanted, log


@every_message
def test_each_message_is_read_behind_a_loggers_name(message: bytes, spec: Spec) -> None:
    found = events(scan([line(fields_of(spec), message, logger=b"CGO", caller=b"a.cpp:3")]))
    assert found[0][2] == spec.what


def test_needles_are_found_in_json_as_they_are_and_hide_no_slow_line() -> None:
    assert not any(set(needle) & set(b'"\\') for needle in NEEDLES)
    assert len({*NEEDLES}) == len(NEEDLES)
    for message in (b"Search slow", b"HybridSearch slow", b"Query slow"):
        (slow,) = (needle for needle in SLOW if needle in message)
        assert not any(needle in message for needle in NEEDLES if needle != slow)
        for needle in NEEDLES:
            # Of needles that overlap the finder reports the first: none that ends in the message may reach into its own.
            ends = [end for end in range(1, len(needle)) if message.startswith(needle[-end:])]
            assert not ends or max(ends) <= message.index(slow), needle


def test_the_needle_of_the_access_log_stands_in_its_mark() -> None:
    assert ACCESS in access.MARK


def test_what_comes_every_second_is_listed_as_steady() -> None:
    assert {*STEADY} <= {*NEEDLES}
    of_steady = {spec.what for message, spec in SPECS.items() if any(needle in message for needle in STEADY)}
    assert of_steady >= STEADY_KINDS


def test_a_failure_is_told_by_its_error() -> None:
    def kind(message: bytes, error: bytes) -> list[object]:
        return [found[2] for found in events(scan([line([(b"error", error)], message)]))]

    assert kind(b"Search failed to WaitToFinish", b"context deadline exceeded") == ["request_timeout"]
    assert kind(b"Search failed to WaitToFinish", b"queue is full[limit=1024]") == ["queue_full"]
    assert kind(b"Search failed to WaitToFinish", b"no such field") == ["request_failed"]
    assert kind(b"failed to search on delegator", b"deadline exceeded") == ["node_failed"]
    assert kind(b"anything else", b"queue is full") == ["queue_full"]
    assert kind(b"Search failed to WaitToFinish", b"Timestamp lag too large") == ["tsafe_lag"]
    assert kind(b"Failed to execute task: ", b"fail to search on QueryNode 216: Timestamp lag too large") == [
        "tsafe_lag"
    ]
    assert kind(b"anything else", b"no") == []


def test_a_phase_of_a_debug_log_is_read() -> None:
    said = line([(b"msg", b"wait search result"), (b"traceID", b"ab"), (b"duration", b"2ms")], b"tr/Search")
    batch = scan([said])
    assert batch.phases == [evidence.Phase(STAMP_MS, 1, b"ab", b"Search: wait search result", 0.002)]


@given(st.sampled_from([longer for _, longer, _ in MESSAGES]), st.binary(max_size=80))
def test_any_bytes_after_a_message_are_read_without_an_error(message: bytes, rest: bytes) -> None:
    reader = EvidenceLines()
    reader.read([line([], message) + b" [" + rest.replace(b"\n", b""), rest], [1, 2])
    assert len(reader.events) + len(reader.phases) <= 2


PULSAR = (
    b'time="2022-12-15T09:59:03Z" level=error msg="[Failed to create producer]" error="server error: '
    b'ProducerBlockedQuotaExceededException: Cannot create producer on topic with backlog quota exceeded" producerID=20 '
    b'topic="persistent://public/default/by-dev-rootcoord-dml_19"'
)  # real, from milvus-io/milvus#21276


@pytest.mark.parametrize("before", [b"", b"milvus-proxy-7d proxy ", b"297458:"])
def test_a_line_of_pulsars_client_is_read(before: bytes) -> None:
    batch = scan(
        [before + PULSAR + b"\n" + before + PULSAR.replace(b"Failed to create producer", b"Created producer") + b"\n"]
    )
    assert (batch.milvus, batch.unrecognised) == (2, 0)
    (found,) = events(batch)
    assert found[1:] == (
        1671098343000,
        "mq_failed",
        "point",
        b"persistent://public/default/by-dev-rootcoord-dml_19",
        None,
    )
    assert [*batch.events.more_detail] == [PULSAR.split(b'error="')[1].split(b'"')[0]]


def test_what_another_program_writes_in_that_form_is_not_milvus() -> None:
    batch = scan([b'time="2022-12-15T09:59:03Z" level=error msg="Handler returned error: no such container"\n'])
    assert (batch.milvus, batch.unrecognised) == (0, 1)


LAG = b"message=fail to Query on QueryNode 33: Timestamp lag too large"
PYMILVUS = (
    b"RPC error: [query], <MilvusException: (code=65535, " + LAG + b")>, "
    b"<Time:{'RPC start': '2025-01-20 16:37:44.562241', 'RPC error': '2025-01-20 16:37:45.172997'}>"
)  # real, from milvus-io/milvus#39469
DEADLINE = (
    b"[2022-04-01 17:39:46,276] [   ERROR] - grpc RpcError: [search], <_MultiThreadedRendezvous: "
    b"StatusCode.DEADLINE_EXCEEDED, Deadline Exceeded>, <Time:{'RPC start': '2022-04-01 17:34:45.884496', "
    b"'gRPC error': '2022-04-01 17:39:46.276905'}> (pymilvus.decorators:81)"
)  # real, from milvus-io/milvus#16356


@pytest.mark.parametrize(
    ("said", "what", "duration_s"),
    [
        (PYMILVUS, "tsafe_lag", 0.610756),
        (b"2025-01-20 16:37:45,173 [ERROR][handler]: " + PYMILVUS + b" (decorators.py:146)", "tsafe_lag", 0.610756),
        (b"pymilvus.exceptions.MilvusException: <MilvusException: (code=65535, " + LAG + b")>", "tsafe_lag", None),
        (b"fail to Query on QueryNode 1: lag(3.901s) max(3s): channel tsafe stalled[channel=a]", "tsafe_lag", None),
        (DEADLINE, "request_timeout", 300.392409),
        (b"x <MilvusException: (code=4, message=too many concurrent requests, queue is full)>", "queue_full", None),
    ],
)
def test_what_a_client_says_of_a_failed_read_is_evidence_without_a_time(
    said: bytes, what: str, duration_s: float | None
) -> None:
    batch = scan([said + b"\n"])
    assert (batch.milvus, batch.unrecognised) == (1, 0)
    (found,) = events(batch)
    assert found[1:] == (evidence.NO_TIME, what, "point", b"", duration_s and pytest.approx(duration_s))


@pytest.mark.parametrize(
    "said",
    [
        PYMILVUS.replace(LAG, b"message=collection not found[collection=a]"),
        DEADLINE.replace(b"[search]", b"[flush]"),
        PYMILVUS.replace(LAG, b"message=no").replace(b"2025-01-20", b"2025-13-41"),
    ],
)
def test_other_failures_of_a_client_are_counted_and_no_evidence(said: bytes) -> None:
    batch = scan([said + b"\n"])
    assert (batch.milvus, batch.unrecognised, len(batch.events)) == (1, 0, 0)


def test_an_attempt_of_a_failed_request_goes_on_and_is_evidence() -> None:
    attempt = (
        b"attempt #1:code: UnexpectedError, error: fail to Search, reason Timestamp lag too large lag(83h58m40.315s)"
    )
    batch = scan(
        [b"<MilvusException: (code=1, message=fail to search, err=All attempts results:\n", attempt + b"\n)>\n"]
    )
    assert (batch.milvus, batch.continuation, batch.unrecognised) == (1, 1, 1)
    assert [what for _, _, what, *_ in events(batch)] == ["tsafe_lag"]


SERVED = (
    b'[2021/12/31 06:10:14.117 +00:00] [DEBUG] [query_collection.go:602] ["get query message from unsolvedMsg"] '
    b"[collectionID=430160143735586817] [msgID=430160114441037831] [reqTime_p=2021/12/31 06:09:44.439 +00:00] "
    b"[serviceTime_p=2021/12/31 06:06:40.689 +00:00] [guaranteeTime_l=430160211984777217]\n"
)  # real, from milvus-io/milvus#14689


def test_a_node_whose_service_time_stands_still_is_not_one_at_which_a_request_is_parked() -> None:
    (found,) = events(scan([SERVED]))
    assert (found[2], found[5]) == ("tsafe_lag", 213.428)
    (usual,) = events(scan([SERVED.replace(b"06:06:40.689", b"06:10:14.000")]))
    assert usual[2] == "tsafe_parked"


@pytest.mark.parametrize(
    "said", [b"rootcoord send tt to all channels too slowly", b'["rootcoord send tt to all channels too slowly"] ']
)
def test_a_message_that_was_quoted_alone_is_evidence_without_a_time(said: bytes) -> None:
    batch = scan([said + b"\n"])
    assert (batch.milvus, batch.unrecognised) == (1, 0)
    (found,) = events(batch)
    assert found[1:3] == (evidence.NO_TIME, "timetick_slow")


SEARCHED = (
    b'[2022/11/02 02:19:16.803 +00:00] [DEBUG] [querynode/segment.go:375] ["do search on segment done"] '
    b"[msgID=437087255049535489] [segmentID=437042918730979898] [segmentType=2] [loadIndex=false]\n"
)  # real, from milvus-io/milvus#20252


def test_a_segment_that_was_searched_without_its_index_is_told_by_a_debug_log() -> None:
    (found,) = events(scan([SEARCHED]))
    assert found[2:5] == ("no_index_search", "point", b"437042918730979898")
    assert events(scan([SEARCHED.replace(b"false", b"true")])) == []
