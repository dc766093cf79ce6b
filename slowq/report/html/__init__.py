"""The report as one HTML file: for reading at night, for forwarding, for printing.

Guarantees: it needs nothing but the JSON document, and the same document gives the same bytes. The file is whole: it
opens from disk, asks no network for anything, and its Content-Security-Policy allows nothing else. It is at most
`MOST_BYTES` long whatever the document holds. Every text goes through `visible` and is escaped by jinja2, whose
autoescape is on for every template: one place that cannot be forgotten, where a builder of our own would be one escape a
call. Without JavaScript every text and table is there; with it come charts, sorting, filters and copy buttons.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from slowq.report import text as say
from slowq.report.html import view
from slowq.report.html.embedded import embed, json_text, shortened
from slowq.report.text import Document

MOST_BYTES = 2_000_000


def render(document: Document) -> bytes:
    """The report as a file of UTF-8."""
    for longest in _LONGEST:
        before, after = _page(shortened(document, longest), cut=longest is not None).split(_MARK)
        room = MOST_BYTES - len(before) - len(after)
        if room >= _ROOM_FOR_DOCUMENT:
            break
    return before + embed(document, room) + after


_MARK = b"<!-- the document -->"
_ROOM_FOR_DOCUMENT = 250_000
# The longest text that is laid out, None without a limit: the first with which the page is small enough.
_LONGEST = (None, 1_000, 300, 80)


def _page(document: Document, *, cut: bool) -> bytes:
    charts = view.charts(document)
    program, plotly = _file("page/report.js"), _file("vendor/plotly-basic.min.js")
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            document=document,
            page=view.page(document, charts),
            cut=cut,
            policy=_policy(plotly, program),
            style=Markup(_file("page/report.css")),  # noqa: S704 - ours
            plotly=Markup(plotly),  # noqa: S704 - ours, and without a closing tag in it
            program=Markup(program),  # noqa: S704 - ours
            figures=Markup(json_text(_shared({one.id: one.figure for one in charts}))),  # noqa: S704 - holds no "<"
            say=say,
        )
    )
    return page.encode("utf-8", "backslashreplace")


def _policy(*scripts: str) -> str:
    """Nothing from anywhere but what is in this file, and of scripts only these. plotly sets styles of its elements."""
    allowed = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@lru_cache(maxsize=8)
def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["lines"] = _lines
    environment.filters["prose"] = _prose
    return environment


def _shown(value: Any) -> Any:
    """What every expression of a template goes through: text is made visible, and what is unknown is empty."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return "" if value is None else value
    return say.visible(value)


def _lines(text: str) -> Markup:
    """A snippet: its line breaks are kept, everything else is escaped."""
    return Markup("\n").join(say.visible(line) for line in text.expandtabs(4).strip("\n").split("\n"))


def _prose(text: str) -> Markup:
    """A sentence: what stands in backticks is code."""
    parts = say.visible(text).split("`")
    if len(parts) % 2 == 0:
        return escape("`".join(parts))
    return Markup().join(
        Markup("<code>{}</code>").format(one) if at % 2 else escape(one) for at, one in enumerate(parts)
    )


def _shared(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures with each long list once: the lines of a panel share their times. `{"$": n}` stands for list n."""
    lists: dict[str, int] = {}

    def share(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: share(one) for key, one in value.items()}
        if not isinstance(value, list | tuple):
            return value
        shared = [share(one) for one in value]
        if len(shared) < 20:
            return shared
        return {"$": lists.setdefault(json.dumps(shared), len(lists))}

    drawn = share(figures)
    return {"figures": drawn, "lists": [json.loads(one) for one in lists]}
