"""`slowq show`: a saved report in another format."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from slowq.cli.options import Force, Output
from slowq.cli.output import opened, refuse_unwritable
from slowq.cli.rendering import Format, format_for, rendered
from slowq.errors import InputError


def run(
    report: Annotated[
        str,
        typer.Argument(metavar="REPORT", help="What `slowq analyze` wrote as JSON or HTML; '-' reads standard input."),
    ],
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="How to say it; if not given, what the name of --output says, else text.",
            show_default=False,
        ),
    ] = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """Show a saved report again, in any format.

    Nothing is analyzed: the report is drawn from what was saved, without the logs.
    """
    refuse_unwritable(output, force=force)
    content = content_of(report)

    from slowq.report.saved import load

    drawn = rendered(load(content, report), format_for(format_, output), output)
    with opened(output, force=force) as stream:
        stream.write(drawn)


def content_of(path: str) -> bytes:
    """What is in a file that may hold a report, or on standard input."""
    try:
        if path == "-":
            return sys.stdin.buffer.read()
        with open(path, "rb") as stream:
            return stream.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"cannot read {path!r}: {reason}") from error
