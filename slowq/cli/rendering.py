"""A document in one of the formats of a report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from slowq.cli.options import suffix
from slowq.cli.output import is_stdout, is_terminal, text

if TYPE_CHECKING:
    from rich.console import Console

Document = Mapping[str, Any]


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


_BY_SUFFIX = {"json": Format.JSON, "md": Format.MARKDOWN, "markdown": Format.MARKDOWN}
_BY_SUFFIX |= {"html": Format.HTML, "htm": Format.HTML}


def format_for(given: Format | None, output: str | None) -> Format:
    """What was asked for; else what the name of the output says, else text."""
    return given or _BY_SUFFIX.get(suffix(output), Format.TEXT)


def rendered(document: Document, form: Format, output: str | None) -> bytes:
    match form:
        case Format.JSON:
            said = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
            # Only a lone surrogate cannot be encoded, and a backslash escape is what JSON has for it.
            return said.encode("utf-8", "backslashreplace")
        case Format.MARKDOWN:
            from slowq.report import markdown

            return markdown.render(document).encode("utf-8", "backslashreplace")
        case Format.HTML:
            from slowq.report import html

            return html.render(document)
        case Format.TEXT:
            return text(lambda console: _draw(document, console, on_screen=is_stdout(output) and is_terminal()), output)


def _draw(document: Document, console: Console, *, on_screen: bool) -> None:
    from slowq.report import screen, terminal

    terminal.render(document, console, rows=max(screen.ROWS, console.height - 2) if on_screen else None)
