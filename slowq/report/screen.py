"""What a screen has room for: how text is laid out on a terminal, and what is left out first where there is little.

Guarantees: no line is wider than the console; prose is never wider than `MEASURE` columns; every text goes through `visible`
and is never read as markup; a console that is not UTF-8 gets ASCII alone.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from slowq.report import text as say

_Item = TypeVar("_Item")

ROWS = 48  # of a screen of 50: the command stands above the report and the prompt below it
MEASURE = 110
_NARROW = 70
_SPACIOUS = 80

# What a console without UTF-8 shows for the typographic signs of our own sentences.
_PLAIN = {
    ord(sign): plain for sign, plain in zip("…·→\u2013\u2014\u00d7\u2019", ("...", "|", "->", *"--x'"), strict=True)
}


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of each part is shown; the rest is counted."""

    findings: int
    short_rows: int  # of a finding that is not the first
    evidence: int
    remedies: int
    told: int  # remedies shown with because, cost and verify
    stacked: int  # remedies that give each of those a line of its own
    snippet_rows: int
    patterns: int
    events: int
    supplies: int
    supply_rows: int
    prose_rows: int  # ruled out, and blind spots
    lines: int  # malformed and unrecognised ones


_WHOLE = Detail(*[1_000_000] * 13)
_ROOMY = Detail(
    findings=5,
    short_rows=3,
    evidence=6,
    remedies=4,
    told=4,
    stacked=4,
    snippet_rows=16,
    patterns=8,
    events=6,
    supplies=6,
    supply_rows=2,
    prose_rows=3,
    lines=4,
)
# What a full screen gives up, first to last: context before candidates, and last of all what to do.
_GIVEN_UP = (
    ("patterns", 6),
    ("events", 4),
    ("lines", 3),
    ("prose_rows", 2),
    ("stacked", 1),
    ("findings", 4),
    ("supply_rows", 1),
    ("patterns", 5),
    ("events", 3),
    ("evidence", 4),
    ("short_rows", 2),
    ("told", 2),
    ("lines", 2),
    ("stacked", 0),
    ("prose_rows", 1),
    ("events", 2),
    ("patterns", 4),
    ("findings", 3),
    ("evidence", 3),
    ("told", 1),
    ("lines", 1),
    ("snippet_rows", 8),
    ("supplies", 3),
    ("remedies", 3),
    ("patterns", 3),
    ("findings", 2),
    ("events", 1),
    ("snippet_rows", 6),
    ("evidence", 2),
    ("events", 0),
    ("short_rows", 1),
    ("remedies", 2),
    ("supplies", 2),
    ("supplies", 1),
    ("snippet_rows", 4),
    ("snippet_rows", 2),
    ("patterns", 2),
    ("findings", 1),
)


def fitted(write: Callable[[Page], None], console: Console, folder: str, rows: int | None) -> Text:
    """What `write` puts on a page, in as much detail as `rows` of a screen hold; None leaves nothing out but the cites after
    the second. `folder` is what the paths of all inputs begin with."""

    def page(given_up: int) -> Page:
        detail = replace(_ROOMY, **dict(_GIVEN_UP[:given_up])) if rows is not None else _WHOLE
        page = Page(console, detail, folder)
        write(page)
        return page

    # A screen narrower than `_SPACIOUS` is scrolled anyway; what it shows should be worth it.
    room = rows and rows * _SPACIOUS // min(console.width, _SPACIOUS)
    steps = range(len(_GIVEN_UP)) if rows is not None else ()
    best = page(bisect(steps, -(room or 0) - 1, key=lambda given_up: -len(page(given_up).lines)))
    return Text("\n").join(best.lines)


class Page:
    """Lines under construction. Whatever is added is made safe, wrapped and indented, and never wider than the page."""

    def __init__(self, console: Console, detail: Detail, folder: str) -> None:
        self.console = console
        self.detail = detail
        self.is_whole = detail is _WHOLE
        self.folder = folder
        self.ascii = console.options.ascii_only
        self.width = min(console.width, MEASURE)
        self.narrow = console.width < _NARROW
        self.tall = 3 if console.width >= _SPACIOUS else 7  # rows that a paragraph may take where there is little room
        self.lines: list[Text] = []
        self.shortened = False
        self.ellipsis, self.bullet, self.bar = ("...", "- ", "| ") if self.ascii else ("…", "• ", "│ ")

    def safe(self, text: str) -> str:
        shown = say.visible(text)
        return shown.translate(_PLAIN).encode("ascii", "backslashreplace").decode() if self.ascii else shown

    def text(self, *pieces: str | tuple[str, str]) -> Text:
        """Pieces of plain text, or (text, style), as one."""
        styled = [(piece, "") if isinstance(piece, str) else piece for piece in pieces]
        return Text.assemble(*((self.safe(text), style) for text, style in styled))

    def elide(self, text: str, width: int) -> str:
        return say.elide(self.safe(text), width, self.ellipsis)

    def add(self, body: Text, *, lead: Text | str = "", follow: str = "", rows: int | None = None) -> None:
        """A paragraph; `lead` stands before its first row, and `follow` or as much space before the others."""
        before = Text(lead) if isinstance(lead, str) else lead
        wrapped = list(body.wrap(self.console, max(self.width - before.cell_len, 1), overflow="fold"))
        if rows is not None and len(wrapped) > rows and not self.is_whole:
            self.shortened = True
            wrapped = wrapped[:rows]
            wrapped[-1] = self._cut_short(wrapped[-1], self.width - before.cell_len)
        for at, row in enumerate(wrapped):
            line = Text.assemble(before if at == 0 else follow or " " * before.cell_len, row)
            line.rstrip()
            self.lines.append(line)

    def _cut_short(self, row: Text, width: int) -> Text:
        row.truncate(max(width - cell_len(self.ellipsis), 0))
        row.rstrip()
        return row.append(self.ellipsis, "dim")

    def row(self, row: Text) -> None:
        """A row of a table: one line, whatever happens."""
        row.truncate(self.width)
        row.rstrip()
        self.lines.append(row)

    def fitting(self, parts: int, body: Callable[[int], Text], *, width: int, rows: int) -> Text:
        """The body with as many of its parts as `rows` hold; with one where not even that fits."""
        if self.is_whole:
            return body(parts)
        for kept in range(parts, 1, -1):
            said = body(kept)
            if len(said.wrap(self.console, max(width, 1), overflow="fold")) <= rows:
                return said
            self.shortened = True
        return body(min(parts, 1))

    def beside(self, body: Text, cited: Text, *, width: int) -> Text:
        """The body with its cite behind it, or below it where the last row has no room for the whole."""
        if not body or not cited:
            return body or cited
        last = body.wrap(self.console, max(width, 1), overflow="fold")[-1]
        last.rstrip()
        between = "  " if last.cell_len + 2 + cited.cell_len <= width else "\n"
        return Text(between).join([body, cited])

    def flow(self, phrases: Iterable[Text], width: int) -> list[Text]:
        """Phrases with dots between, as many a line as fit, none broken but one that is wider than the line."""
        lines: list[Text] = []
        for phrase in phrases:
            if lines and lines[-1].cell_len + 3 + phrase.cell_len <= width:
                lines[-1].append_text(self.text(" · ")).append_text(phrase)
            else:
                lines.append(phrase)
        return lines

    def note(self, text: str, indent: int = 0) -> None:
        """A remark behind the last line, or below it where there is no room."""
        said = self.text((text, "dim"))
        if self.lines[-1].cell_len + 2 + said.cell_len <= self.width:
            self.lines[-1] = Text.assemble(self.lines[-1], "  ", said)
        else:
            self.add(said, lead=" " * indent, rows=1)

    def gap(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append(Text())

    def some(self, items: Sequence[_Item], limit: int) -> Sequence[_Item]:
        if len(items) > limit:
            self.shortened = True
        return items[:limit]


class Block:
    """Paragraphs under one label: beside it, or, on a narrow page, below it."""

    def __init__(self, page: Page, label: str, *, indent: int = 0, gutter: int = 13) -> None:
        self.page = page
        self.gutter = indent + (2 if page.narrow else gutter)
        self.lead: Text = Text(" " * indent).append(label, "bold")
        if page.narrow:
            page.lines.append(self.lead)
            self.lead = Text(" " * self.gutter)
        else:
            self.lead.append(" " * (self.gutter - self.lead.cell_len))

    @property
    def room(self) -> int:
        return max(self.page.width - self.gutter, 1)

    def add(self, body: Text, *, bullet: str = "", rows: int | None = None) -> None:
        self.page.add(body, lead=self.lead + Text(bullet), rows=rows)
        self.lead = Text(" " * self.gutter)
