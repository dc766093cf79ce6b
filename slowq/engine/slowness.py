"""From when on a request is slow: what the log writes down, and what `milvus_proxy_slow_query_count` counts, by version.

| Milvus | log | counter |
|---|---|---|
| 2.3, 2.4 | the whole time, from 5 s | as the log |
| 2.5 | a search's time by query vector, others' whole time, from 5 s | the whole time, from 5 s |
| 2.6 | searches' and hybrid searches' time by query vector, a query's whole time, from 1 s; only what succeeded | as the log |

`proxy.slowQuerySpanInSeconds` says another threshold. 2.5 has one of its own for the log, `proxy.slowLogSpanInSeconds`; the
other holds where that is not set, or is 1, which is its default. In 2.3 the threshold can be set from 2.3.13 on, and here.
"""

from __future__ import annotations

from dataclasses import dataclass

from slowq.engine.config import Config
from slowq.engine.events import Form, Read

_SPAN = "proxy.slowQuerySpanInSeconds"
_LOG_SPAN = "proxy.slowLogSpanInSeconds"
_OLDER_SPAN_S = 5.0


@dataclass(frozen=True, slots=True)
class Slowness:
    form: Form
    log_s: float
    count_s: float

    @staticmethod
    def of(form: Form, config: Config) -> Slowness:
        older = not form.only_successful
        span_s = _OLDER_SPAN_S if older and _SPAN not in config.given else config.number(_SPAN)
        own_s = config.number(_LOG_SPAN)
        return Slowness(form, own_s if form.counts_whole and own_s != 1.0 else span_s, span_s)

    def is_logged(self, read: Read) -> bool:
        compared_s = read.per_nq_s if self.form.by_vector(read.kind) else read.took_s
        return compared_s >= self.log_s and not (self.form.only_successful and read.failed)

    def is_counted(self, read: Read) -> bool:
        return read.took_s >= self.count_s if self.form.counts_whole else self.is_logged(read)
