"""`slowq requests`: the requests themselves, for pandas, a spreadsheet or any other tool."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from slowq.cli.options import (
    Collections,
    Databases,
    Force,
    Jobs,
    Kinds,
    MinDuration,
    NoProgress,
    Output,
    Paths,
    Since,
    Until,
    Verbose,
    filters,
    suffix,
)
from slowq.cli.output import is_stdout, is_terminal, opened, refuse_unwritable
from slowq.cli.reading import read_case
from slowq.errors import UsageError


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


_BY_SUFFIX = {"csv": Format.CSV, "parquet": Format.PARQUET}


def run(
    paths: Paths = None,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="How to write them; if not given, what the name of --output says, else jsonl.",
            show_default=False,
        ),
    ] = None,
    output: Output = None,
    force: Force = False,
    since: Since = None,
    until: Until = None,
    collection: Collections = None,
    database: Databases = None,
    kind: Kinds = None,
    min_duration: MinDuration = None,
    jobs: Jobs = None,
    no_progress: NoProgress = False,
    verbose: Verbose = False,
) -> None:
    """Write the requests themselves, one row a request.

    The rows are in order of time, and the columns are the same in every format."""
    if not paths:
        raise UsageError("no PATH", hint="slowq requests /var/log/milvus; '-' reads standard input")
    form = format_ or _BY_SUFFIX.get(suffix(output), Format.JSONL)
    if form is Format.PARQUET and is_stdout(output) and is_terminal():
        raise UsageError("parquet is binary and not for a terminal", hint="give --output FILE, or send it into a pipe")
    refuse_unwritable(output, force=force)
    kept = filters(since, until, collection, database, kind, min_duration)
    case = read_case(paths, kept, jobs=jobs, no_progress=no_progress)

    from slowq.report.requests import write

    with opened(output, force=force) as stream:
        write(case.requests, form, stream)
