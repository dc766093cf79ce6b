"""The access log: one line a request, in Milvus' form for the search and query methods, with the trace behind.

The form is that of `proxy.accessLog.formatters` of 2.6, with `$consistency_level` and `$output_fields`, which Milvus has too;
`[trace: …]` is the engine's own, the JSON of `Trace`. Nothing is escaped, as in Milvus; the filter comes last.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from slowq.engine.events import Read, go_duration
from slowq.engine.trace import Trace

_METHODS = {"search": "Search", "query": "Query", "hybrid_search": "HybridSearch"}


class AccessLog:
    def __init__(self, out: TextIO | None, now_s: Callable[[], float]) -> None:
        self._out, self._now_s = out, now_s
        self._lock = threading.Lock()

    def write(self, read: Read, trace: Trace) -> None:
        if self._out is None:
            return
        at = datetime.fromtimestamp(self._now_s(), UTC).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3]
        status = "Failed" if read.failed else "Successful"
        params = json.dumps([{"key": key, "value": value} for key, value in read.search_params.items()])
        line = (
            f"[{at} +00:00] [ACCESS] <{read.user or 'Unknown'}: {read.client or 'Unknown'}> {_METHODS[read.kind]} "
            f"[status: {status}] [code: {read.code}] [sdk: Unknown] [msg: {read.failed}] [traceID: {read.trace_id}] "
            f"[timeCost: {go_duration(read.took_s)}] [database: {read.database}] [collection: {read.collection}] "
            f"[partitions: {list(read.partitions)}] [level: {read.level}] [nq: {read.nq}] [params: {params}] "
            f"[out: {list(read.output_fields)}] [trace: {trace.to_json()}] [expr: {'; '.join(read.filters)}]\n"
        )
        with self._lock:
            self._out.write(line)
            self._out.flush()
