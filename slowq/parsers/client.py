"""What clients of Milvus log of requests that failed, in the logs of whoever uses them.

pymilvus writes one line for each (`decorators.py`, 2.0 to 2.6), behind whatever the application's logging puts before it:

    RPC error: [search], <MilvusException: (code=65535, message=fail to search on QueryNode 33: Timestamp lag too large)>, \
        <Time:{'RPC start': '2025-01-20 16:37:44.562241', 'RPC error': '2025-01-20 16:37:45.172997'}>
    grpc RpcError: [query], <_MultiThreadedRendezvous: StatusCode.DEADLINE_EXCEEDED, Deadline Exceeded>, <Time:{…}>

The exception alone stands at the end of a traceback and wherever an application prints it, its message alone where somebody
quotes it, and an error with several attempts goes on in lines of its own (`attempt #1:…`). Clients log the time of their own
clock without its zone, so that what they tell has a duration and no time.
"""

import re
from dataclasses import dataclass
from datetime import datetime

_FAILURE = re.compile(
    rb"(?:RPC error|grpc (?:RpcError|Timeout)): \[(\w{1,64})\], |MilvusException: \(code="
    rb"|(?:Search|Query)Request (?:RPC )?failed\b|\Afail(?:ed)? to (?:[Ss]earch|[Qq]uery)\b"
)
_ATTEMPT = re.compile(rb"attempt #\d+:")
_TIMES = re.compile(
    rb"'RPC start': '([-\d]{10} [:.\d]{8,15})', '(?:RPC error|gRPC (?:error|timeout))': '([-\d]{10} [:.\d]{8,15})'"
)
READS = frozenset((b"search", b"hybrid_search", b"query"))


@dataclass(frozen=True, slots=True)
class Failure:
    """`method` is empty where the line does not name it; `duration_s` is NaN where it does not tell."""

    method: bytes
    text: bytes
    duration_s: float


def failure_of(text: bytes) -> Failure | None:
    """The failed request that a line tells of; None for any other line."""
    found = _FAILURE.search(text)
    if found is None:
        return None
    return Failure(found[1] or b"", text[found.start() :], _took_s(text))


def attempt_of(text: bytes) -> Failure | None:
    """What one of several attempts ran into, which is a further piece of an error; None for any other line."""
    return Failure(b"", text, float("nan")) if _ATTEMPT.match(text) else None


def _took_s(text: bytes) -> float:
    times = _TIMES.search(text)
    try:
        start, end = (datetime.fromisoformat(one.decode()) for one in times.groups()) if times else (None, None)
    except ValueError:
        return float("nan")
    return (end - start).total_seconds() if start and end else float("nan")
