"""`slowq rules`: what slowq can find, and the beginning of a rule of one's own."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from slowq.cli import messages
from slowq.cli.options import Settings, Verbose
from slowq.cli.output import heading, indented, is_terminal, opened, refuse_unwritable, write_lines
from slowq.cli.reading import own_rules
from slowq.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from slowq.rule import Rule

_FOLDER = "slowq_rules"  # of own rules, where slowq.toml names none


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def run(
    ctx: typer.Context,
    format_: Annotated[Format, typer.Option("--format", help="How to say it.")] = Format.TEXT,
    policy: Settings = None,
    verbose: Verbose = False,
) -> int:
    """List the rules: the causes that slowq knows, and yours.

    Exit codes: 0; 2 the command line or slowq.toml is wrong, or a file of your own rules is no rule.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from slowq.findings import CAUSES
    from slowq.rules import ALL

    own = own_rules(policy)
    more = own.rules if own is not None else ()
    listed = sorted((*ALL, *more), key=lambda rule: list(CAUSES).index(rule.about.cause))
    if format_ is Format.JSON:
        names = {rule.about.id for rule in more}
        rows = [
            {
                "id": one.about.id,
                "cause": one.about.cause,
                "title": one.about.title,
                **({"own": True} if one.about.id in names else {}),
            }
            for one in listed
        ]
        with opened(None, force=False) as stream:
            stream.write((json.dumps(rows, ensure_ascii=False, indent=1) + "\n").encode())
    else:
        write_lines(lambda width: _table(listed, width if is_terminal() else None))
    unusable = own.unusable if own is not None else ()
    for name, broken in unusable:
        messages.error(f"your own rule {name} cannot be used: {broken.error}")
    return UsageError.exit_code if unusable else 0


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the rule finds, such as large_page.")],
    into: Annotated[
        str | None,
        typer.Option(
            "--into",
            metavar="FOLDER",
            help=f"Where to; the folder that slowq.toml names if not given, else {_FOLDER}.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    verbose: Verbose = False,
) -> None:
    """Write the skeleton of a rule of your own, and its test. Both are whole and pass as they are."""
    from slowq.config import NAME, find, load
    from slowq.own_rules import FOLDER, folder_of, is_name, is_taken, skeleton

    called = name.strip().replace("-", "_")
    if not is_name(called):
        raise UsageError(f"{name!r} cannot name a rule", hint="small letters, digits and underscores: large_page")
    if is_taken(called):
        raise UsageError(f"slowq means something else by {called!r} already", hint="give your rule another name")
    config = load(find(None))
    named = config.get(FOLDER)
    folder = into or (str(folder_of(config, named)) if named else _FOLDER)
    files = {
        os.path.join(folder, f"{called}.py"): skeleton.rule(called),
        os.path.join(folder, f"test_{called}.py"): skeleton.test(called),
    }
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder!r}: {error.strerror}") from error
    for path in files:
        refuse_unwritable(path, force=force)
    for path, text in files.items():
        with opened(path, force=force) as stream:
            stream.write(text.encode())
        typer.echo(path)
    messages.hint(f"change both to what you look for; they pass as they are: pytest {shlex.quote(folder)}")
    if named is None:
        messages.hint(f'{NAME} does not name the folder yet: [rules], and below it folder = "{folder}"')


def _table(listed: Sequence[Rule], width: int | None) -> Iterator[str | Text]:
    """Id and title under each cause; a title is wrapped to the width, and stays on one line without."""
    column = max(len(one.about.id) for one in listed) + 4
    for cause, rules in groupby(listed, key=lambda one: one.about.cause):
        yield heading(cause)
        for rule in rules:
            lead = f"  {rule.about.id}".ljust(column)
            yield from indented(rule.about.title, width, lead) if width else [lead + rule.about.title]
