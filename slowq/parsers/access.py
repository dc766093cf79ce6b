"""The access log of the Milvus proxy (`proxy.accessLog`, formats from 2.3.4 to 3.0).

    [2025/08/23 19:22:19.900 +00:00] [ACCESS] <root: tcp-10.0.0.1:5555> Search [status: Successful] [code: 0] [sdk: Python-2.4.3]
    [msg: ] [traceID: 9100b3…] [timeCost: 1.2s] [database: default] [collection: c] [partitions: []] [expr: a > 1] [nq: 1] …

Nothing in it is escaped: an expression may hold brackets and quotes. So a line is read from both ends: known keys are
looked for from the left up to the expression, then from the right end back to it. Keys may stand in any order.
"""

import re
from typing import NamedTuple

from slowq.parsers import zap
from slowq.units import go_duration_s

MARK = b"] [ACCESS] <"

# The keys of the shipped formats, and of the format that the documentation of slowq proposes.
_KEYS = (
    b"status|code|sdk|msg|traceID|timeCost|database|collection|partitions|anns_field|expr|nq|params|level|out|"
    b"error_type|partial_update|consistency_level|output_fields"
)
_FIELD = re.compile(rb" \[(" + _KEYS + rb"): ")
_METHODS = {
    b"Search": "search",
    b"HybridSearch": "hybrid_search",
    b"Query": "query",
}
_REST = (
    (b"advanced_search", "hybrid_search"),
    (b"hybrid_search", "hybrid_search"),
    (b"search", "search"),
    (b"query", "query"),
    (b"get", "query"),
)
UNKNOWN = b"Unknown"


class Access(NamedTuple):
    """One read request as the proxy's access log tells it. Bytes as logged; None where the format lacks the field."""

    time_ms: int
    line: int
    kind: str
    duration_s: float
    status: bytes | None
    user: bytes | None
    client: bytes | None
    trace: bytes
    database: bytes | None
    collection: bytes | None
    partitions: bytes | None
    filter: bytes | None
    nq: bytes | None
    params: bytes | None
    anns_field: bytes | None
    level: bytes | None
    output_fields: bytes | None
    error: bytes | None


def parse(line: bytes, number: int) -> Access | None:
    """A search, hybrid search or query; None for other methods, and for a line that holds no time or cost."""
    time_ms = zap.stamp_ms(line)
    mark = line.find(MARK, zap.STAMP_LENGTH - 1, zap.STAMP_LENGTH + len(MARK))
    if time_ms is None or mark < 0:
        return None
    who, _, rest = line[mark + len(MARK) :].partition(b"> ")
    method, _, rest = rest.partition(b" [")
    kind = _kind(method)
    if kind is None:
        return None
    fields = _fields(b" [" + rest)
    duration_s = go_duration_s(fields.get(b"timeCost", b""))
    if duration_s is None:
        return None
    user, _, address = who.partition(b": ")
    known = {key: value for key, value in fields.items() if value != UNKNOWN}
    get = known.get
    return Access(
        time_ms,
        number,
        kind,
        duration_s,
        get(b"status"),
        user if user != UNKNOWN else None,
        address if address != UNKNOWN else None,
        get(b"traceID", b""),
        get(b"database"),
        get(b"collection"),
        get(b"partitions"),
        get(b"expr"),
        get(b"nq"),
        get(b"params"),
        get(b"anns_field"),
        get(b"level", get(b"consistency_level")),
        get(b"out", get(b"output_fields")),
        get(b"msg"),
    )


def _kind(method: bytes) -> str | None:
    if method in _METHODS:
        return _METHODS[method]
    if b"/" in method:
        tail = method.rstrip(b"/").rpartition(b"/")[2]
        return next((kind for name, kind in _REST if tail == name), None)
    return None


# What a value right of the expression must look like: the expression itself may hold anything, these may not.
_PLAUSIBLE = {
    b"nq": re.compile(rb"\d+|Unknown|\[[^\]]*\]"),
    b"params": re.compile(rb"\{.*\}|\[.*\]|Unknown|", re.DOTALL),
    b"error_type": re.compile(rb"\w*"),
    b"partial_update": re.compile(rb"\w*"),
    b"level": re.compile(rb"\w*"),
    b"consistency_level": re.compile(rb"\w*"),
    b"out": re.compile(rb"\[.*\]|Unknown|", re.DOTALL),
    b"output_fields": re.compile(rb"\[.*\]|Unknown|", re.DOTALL),
    b"anns_field": re.compile(rb".*", re.DOTALL),
}


def _fields(text: bytes) -> dict[bytes, bytes]:
    """Key → value of ` [key: value] [key: value]`, where only the value of `expr` may hold what looks like a key."""
    marks = list(_FIELD.finditer(text))
    if not marks:
        return {}
    end = len(text.rstrip(b"\r\n "))
    expr = next((i for i, mark in enumerate(marks) if mark[1] == b"expr"), len(marks))
    before = {mark[1] for mark in marks[: expr + 1]}
    after: list[re.Match[bytes]] = []
    bound = end
    # From the right end back to the expression, as long as the values are of their keys' kind.
    for mark in reversed(marks[expr + 1 :]):
        value = text[mark.end() : bound]
        plausible = _PLAUSIBLE.get(mark[1])
        if mark[1] in before or plausible is None or not value.endswith(b"]") or not plausible.fullmatch(value[:-1]):
            break
        before.add(mark[1])
        after.insert(0, mark)
        bound = mark.start()
    chosen = [*marks[: expr + 1], *after]
    ends = [mark.start() for mark in chosen[1:]] + [end]
    return {mark[1]: text[mark.end() : stop].removesuffix(b"]") for mark, stop in zip(chosen, ends, strict=True)}
