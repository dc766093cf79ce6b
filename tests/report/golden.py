"""The reports that the samples must give; `python -m tests.report.golden` rewrites them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from slowq.report import markdown, terminal
from tests.report.documents import SAMPLES

FOLDER = Path(__file__).parent / "golden"


def screen(document: dict[str, Any], width: int, *, rows: int | None = terminal.ROWS, encoding: str = "utf-8") -> str:
    """What a terminal without colour shows."""
    bytes_ = io.BytesIO()
    file = io.TextIOWrapper(bytes_, encoding=encoding, newline="\n")
    terminal.render(document, Console(file=file, width=width), rows=rows)
    file.flush()
    return bytes_.getvalue().decode(encoding)


def reports() -> Iterator[tuple[str, str]]:
    """File name → text."""
    for name, document in SAMPLES.items():
        yield f"{name}.txt", screen(document, 100)
        yield f"{name}.md", markdown.render(document)
    yield "json_filter.60.txt", screen(SAMPLES["json_filter"], 60)
    yield "json_filter.ascii.txt", screen(SAMPLES["json_filter"], 80, encoding="ascii")
    yield "json_filter.whole.txt", screen(SAMPLES["json_filter"], 100, rows=None)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in reports():
        (FOLDER / name).write_text(text, encoding="utf-8")
