"""`slowq rules`: what slowq can find."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from slowq.cli.options import Verbose
from slowq.cli.output import heading, indented, is_terminal, opened, write_lines

if TYPE_CHECKING:
    from rich.text import Text


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def run(
    format_: Annotated[Format, typer.Option("--format", help="How to say it.")] = Format.TEXT,
    verbose: Verbose = False,
) -> None:
    """List the rules: the causes that slowq knows."""
    from slowq.rules import ALL

    if format_ is Format.JSON:
        listed = [{"id": one.about.id, "cause": one.about.cause, "title": one.about.title} for one in ALL]
        with opened(None, force=False) as stream:
            stream.write((json.dumps(listed, ensure_ascii=False, indent=1) + "\n").encode())
        return
    write_lines(lambda width: _table(width if is_terminal() else None))


def _table(width: int | None) -> Iterator[str | Text]:
    """Id and title under each cause; a title is wrapped to the width, and stays on one line without."""
    from slowq.rules import ALL

    column = max(len(one.about.id) for one in ALL) + 4
    for cause, rules in groupby(ALL, key=lambda one: one.about.cause):
        yield heading(cause)
        for rule in rules:
            lead = f"  {rule.about.id}".ljust(column)
            yield from indented(rule.about.title, width, lead) if width else [lead + rule.about.title]
