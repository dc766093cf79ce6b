"""`slowq config`: what is in force, and what `slowq.toml` may hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from slowq.cli.options import Verbose
from slowq.cli.output import opened, write_lines

_Policy = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="The file; slowq.toml of this folder if not given.", show_default=False),
]


def show(policy: _Policy = None, verbose: Verbose = False) -> int:
    """Show each value that is in force, and where it comes from."""
    from slowq.config import find, load

    config = load(find(policy))
    write_lines(lambda width: _rows(config))
    return 0


def schema(verbose: Verbose = False) -> int:
    """Print the JSON schema of slowq.toml."""
    from slowq.config import schema as of

    with opened(None, force=False) as stream:
        stream.write((json.dumps(of(), indent=1) + "\n").encode())
    return 0


def _rows(config: Any) -> Iterator[str]:
    from slowq.config import KEYS

    defaults = {
        f"{table}.{name}": key.default
        for table, keys in KEYS.items()
        if "*" not in table and not table.endswith("[]")
        for name, key in keys.items()
    }
    rows = [
        (name, value, config.place(name) if name in config.values else "default")
        for name, value in {**defaults, **config.values}.items()
    ]
    shown = [(name, _said(value), source) for name, value, source in rows]
    widths = [max(len(row[column]) for row in shown) for column in (0, 1)]
    for name, value, source in shown:
        yield f"{name.ljust(widths[0])}  {value.ljust(widths[1])}  {source}"


def _said(value: Any) -> str:
    from slowq.report.text import visible

    if value is None:
        return "not set"
    if isinstance(value, tuple):
        return visible(", ".join(value)) or "none"
    return visible(str(value))
