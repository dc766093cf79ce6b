"""`slowq metrics`: where searches spend their time, from Prometheus alone; and its answers, to be taken away."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slowq.cli import messages
from slowq.cli.measuring import TIMEOUT_S, URL, MetricsFile, PrometheusUrl, Selector, Source, Timeout
from slowq.cli.options import Force, Since, Until, Verbose
from slowq.cli.output import opened, refuse_unwritable, write_lines
from slowq.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def run(
    prometheus: PrometheusUrl = None,
    metrics: MetricsFile = None,
    selector: Selector = None,
    since: Since = None,
    until: Until = None,
    save: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Write the answers, compressed where the name ends in .gz.", show_default=False
        ),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to say it.")] = Format.TEXT,
    timeout: Timeout = TIMEOUT_S,
    force: Force = False,
    verbose: Verbose = False,
) -> int:
    """Show where searches spend their time, from Prometheus.

    The last hour if neither --since nor --until is given, or all that --metrics holds; and of that, where searches are
    slow for a part of it, that part. Exit codes: 0 it ran; 2 the command line is wrong; 4
    Prometheus could not be used, or has no metrics of Milvus.
    """
    source = Source(metrics, prometheus, selector, timeout, needed=True)
    if not source:
        raise UsageError(
            "no metrics: neither --prometheus nor --metrics", hint=f"slowq metrics --prometheus URL, or set {URL}"
        )
    if save is not None and metrics is not None:
        raise UsageError("--save writes what --prometheus answers", hint="a metrics file is saved already")
    refuse_unwritable(save, force=force)
    window = _window(since, until)

    from slowq.gather import Only, gather
    from slowq.report.metrics import metrics_part, phases_part

    since_until = [datetime.fromtimestamp(moment, UTC) for moment in window or ()]
    only = Only(since=since_until[0], until=since_until[1]) if since_until else Only()
    case = gather([], metrics=source, only=only)
    if save is not None and source.answered is not None:
        _save(save, source.answered.document(), force=force)
    document = {"phases": phases_part(case), "metrics": metrics_part(case)}
    if format_ is Format.JSON:
        with opened(None, force=False) as stream:
            stream.write((json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode())
    else:
        write_lines(lambda width: _lines(document))
    return 0


def _window(since: str | None, until: str | None) -> tuple[float, float] | None:
    from slowq.moments import parse_moment

    if since is None and until is None:
        return None
    now = datetime.now(UTC)
    end = parse_moment(until, now).timestamp() if until is not None else now.timestamp()
    start = parse_moment(since, now).timestamp() if since is not None else end - 3600.0
    if end <= start:
        raise UsageError(f"--until {until!r} is before --since {since!r}", hint="swap them")
    return start, end


def _save(path: str, document: Mapping[str, Any], *, force: bool) -> None:
    data = json.dumps(document, separators=(",", ":")).encode()
    with opened(path, force=force) as stream:
        stream.write(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)
    messages.hint(f"{path} holds {len(document['series']):,} series; slowq analyze --metrics reads it")


def _lines(document: Mapping[str, Any]) -> Iterator[str | Text]:
    from slowq.report import text as say

    metrics = document["metrics"]
    window = metrics["window"]
    yield f"{say.span(window['start'], window['end'])} · {say.visible(metrics['source'])}"
    yield ""
    phases = say.phases(document)
    if not phases:
        yield "No search was measured in this time."
    else:
        rows: list[tuple[str, ...]] = [("phase", "share", "mean", "p99", "before", "")]
        rows += [
            (
                say.words(name),
                say.share(one["share"]),
                *_times(one),
                "derived" if one["derived"] else "",
            )
            for name, one in phases
        ]
        yield from _table(rows)
    if found := say.by_collection(document):
        yield ""
        yield from _table(
            [
                ("collection", "share", "mean", "p99", "before", ""),
                *((say.visible(one["collection"]), say.share(one["share"]), *_times(one), "") for one in found),
            ]
        )
    for sentence in metrics["trouble"]:
        yield ""
        yield say.visible(sentence)


def _times(one: Mapping[str, Any]) -> tuple[str, ...]:
    """Mean, p99 and mean before; empty where unknown."""
    from slowq.report import text as say

    said = {
        "mean_s": say.duration(one["mean_s"]),
        "p99_s": say.p99(one),
        "baseline_mean_s": say.duration(one["baseline_mean_s"]),
    }
    return tuple(told if one[key] is not None else "" for key, told in said.items())


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """A name, numbers, and a remark."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        numbers = "  ".join(text.rjust(width) for text, width in zip(row[1:-1], widths[1:-1], strict=True))
        yield f"{row[0].ljust(widths[0])}  {numbers}  {row[-1]}".rstrip()
