"""The requests of a set-up as its clients saw them, for a Milvus whose slow log does not hold them.

Milvus logs what takes longer than 1 or 5 s (`proxy.slowQuerySpanInSeconds`; until 2.3.12 always 5 s), and a reproduction is
made smaller than that. Who sent a request knows all that its line would tell: when, how long, which filter and params. What
clients measure holds the way to the server too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slowq.parsers import values
from slowq.repro.requests import Answer, asked_by, guarantee_timestamp
from slowq.repro.scenario import Setup
from slowq.repro.stats import Round

if TYPE_CHECKING:
    import pandas as pd

PATH = "what the clients measured"


def requests(setup: Setup, collection: str, rounds: Sequence[Round]) -> pd.DataFrame:
    """One row a request, in order of their ends, in the columns of the requests table."""
    from slowq.parsers.table import of_rows

    answers = [one for each in rounds for one in each.answers]
    asked = {who: asked_by(setup, who) for who in {one.who for one in answers}}
    sent = sorted(
        (part for one in answers for part in _parts(one, asked[one.who])), key=lambda one: one.sent_s + one.took_s
    )
    told = {who: _row(one, collection) for who, one in asked.items()}
    return of_rows([told[one.who] | _of(one, asked[one.who], line) for line, one in enumerate(sent, start=1)])


def _parts(answer: Answer, asked: Setup) -> list[Answer]:
    """What went over the wire: of an answer that came in parts, one after the other, each, as long as the others."""
    number = math.ceil(asked.vectors / asked.nq) if asked.vectors else 1
    took = answer.took_s / number
    return [replace(answer, sent_s=answer.sent_s + at * took, took_s=took) for at in range(number)]


def _row(asked: Setup, collection: str) -> dict[str, Any]:
    """What all requests of one kind have in common."""
    kind = "hybrid_search" if asked.sub_requests else asked.kind
    params: dict[str, Any] = {"anns_field": "vec", "metric_type": asked.metric, "topk": asked.top_k}
    inner = dict(asked.params)
    if asked.radius is not None:
        inner["radius"] = asked.radius
    if asked.page:
        params["iterator"] = "True"
    if asked.group_by:
        params["group_by_field"] = asked.group_by
    searches = kind == "search"
    filters = values.as_json([asked.filter] * asked.sub_requests) if asked.sub_requests else asked.filter
    return {
        "kind": kind,
        "slow": True,
        "database": "default",
        "collection": collection,
        "filter": filters,
        "nq": asked.nq if searches else None,
        "top_k": asked.top_k if searches else None,
        "output_fields": values.as_json(list(asked.output_fields)),
        "search_params": values.as_json({**params, "params": inner}) if searches else None,
        "anns_field": "vec" if searches else None,
        "metric_type": asked.metric if searches else None,
        "consistency": "Customized" if asked.guarantee_ahead_s else asked.level,
        "path": PATH,
    }


def _of(answer: Answer, asked: Setup, line: int) -> dict[str, Any]:
    import pandas as pd

    ended = answer.sent_s + answer.took_s
    row: dict[str, Any] = {
        "at": pd.Timestamp(round(ended * 1e3), unit="ms", tz="UTC"),
        "started": pd.Timestamp(round(answer.sent_s * 1e3), unit="ms", tz="UTC"),
        "status": "failed" if answer.error else "ok",
        "duration_s": answer.took_s,
        "line": line,
    }
    ahead_s = asked.guarantee_ahead_s
    if ahead_s:
        row["guarantee_timestamp"] = str(guarantee_timestamp(asked, answer.sent_s))
        row["guarantee_lag_s"] = -ahead_s
    return row
