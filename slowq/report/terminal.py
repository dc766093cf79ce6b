"""The report for a terminal: what is wrong, how sure that is and what to do, on one screen.

Guarantees: it needs nothing but the JSON document; no line is wider than the console; prose is never wider than
`_MEASURE` columns; every text goes through `visible` and is never read as markup; a console that is not UTF-8 gets
ASCII alone. What one screen has no room for is counted, and the last line says where it is.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from slowq.report import text as say
from slowq.report.receipts import effect, tried
from slowq.report.text import Document

_Item = TypeVar("_Item")

ROWS = 48  # of a screen of 50: the command stands above the report and the prompt below it
_MEASURE = 110
_NARROW = 70
_SPACIOUS = 80

_OUTCOME_STYLES = {"diagnosed": "bold red", "nothing_slow": "bold green", "undetermined": "bold yellow"}
_SEVERITY_STYLES = {"critical": "bold red", "warning": "bold yellow", "info": "bold cyan"}
_ROLE_STYLES = {"culprit": "red", "victim": "cyan"}

# What a console without UTF-8 shows for the typographic signs of our own sentences.
_PLAIN = {
    ord(sign): plain for sign, plain in zip("…·→\u2013\u2014\u00d7\u2019", ("...", "|", "->", *"--x'"), strict=True)
}


@dataclass(frozen=True, slots=True)
class _Detail:
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


_WHOLE = _Detail(*[1_000_000] * 13)
_ROOMY = _Detail(
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


def render(document: Document, console: Console, *, rows: int | None = ROWS) -> None:
    """Print the report. `rows` is the screen it should fit; None leaves nothing out but the cites after the second."""

    def page(given_up: int) -> _Page:
        detail = replace(_ROOMY, **dict(_GIVEN_UP[:given_up])) if rows is not None else _WHOLE
        page = _Page(console, detail, say.folder(document["inputs"]))
        _write(page, document)
        return page

    # A screen narrower than `_SPACIOUS` is scrolled anyway; what it shows should be worth it.
    room = rows and rows * _SPACIOUS // min(console.width, _SPACIOUS)
    steps = range(len(_GIVEN_UP)) if rows is not None else ()
    best = page(bisect(steps, -(room or 0) - 1, key=lambda given_up: -len(page(given_up).lines)))
    console.print(Text("\n").join(best.lines), soft_wrap=True)


class _Page:
    """Lines under construction. Whatever is added is made safe, wrapped and indented, and never wider than the page."""

    def __init__(self, console: Console, detail: _Detail, folder: str) -> None:
        self.console = console
        self.detail = detail
        self.folder = folder
        self.ascii = console.options.ascii_only
        self.width = min(console.width, _MEASURE)
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
        if rows is not None and len(wrapped) > rows and self.detail is not _WHOLE:
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
        if self.detail is _WHOLE:
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


class _Block:
    """Paragraphs under one label: beside it, or, on a narrow page, below it."""

    def __init__(self, page: _Page, label: str, *, indent: int = 0, gutter: int = 13) -> None:
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


def _write(page: _Page, document: Document) -> None:
    undecided = document["verdict"]["outcome"] == "undetermined"
    _verdict(page, document)
    if undecided:
        page.gap()
        _skipped(page, document["skipped"])
    _findings(page, document)
    _patterns(page, document)
    page.gap()
    _latency(page, document)
    _phases(page, document)
    page.gap()
    if not undecided:
        _skipped(page, document["skipped"])
    _ruled_out(page, document["ruled_out"])
    _blind_spots(page, document.get("blind_spots") or ())
    _broken(page, document["broken"])
    _coverage(page, document)


def _verdict(page: _Page, document: Document) -> None:
    verdict = document["verdict"]
    outcome, cause, sure = say.headline(verdict)
    head = page.text((outcome, _OUTCOME_STYLES.get(verdict["outcome"], "bold")))
    if cause:
        head.append_text(page.text(": ", (cause, "bold")))
    if sure:
        head.append_text(page.text(", ", (sure, _sureness_style(verdict["confidence"]))))
    page.add(head)
    page.add(page.text(verdict["summary"]), rows=page.tall + 1)
    for line in _flow(page, map(page.text, say.glance(document)), page.width):
        page.add(line, rows=2)
    if since := say.onset(document):
        page.add(page.text(since), rows=2)


def _flow(page: _Page, phrases: Iterable[Text], width: int) -> list[Text]:
    """Phrases with dots between, as many a line as fit, none broken but one that is wider than the line."""
    lines: list[Text] = []
    for phrase in phrases:
        if lines and lines[-1].cell_len + 3 + phrase.cell_len <= width:
            lines[-1].append_text(page.text(" · ")).append_text(phrase)
        else:
            lines.append(phrase)
    return lines


def _sureness_style(confidence: float) -> str:
    return "bold green" if confidence >= 0.8 else "bold yellow" if confidence >= 0.5 else "bold red"


def _findings(page: _Page, document: Document) -> None:
    findings = say.findings(document)
    for at, finding in enumerate(page.some(findings, page.detail.findings), 1):
        if at <= 2:
            page.gap()
        _finding_head(page, at, finding)
        if at == 1 or page.detail is _WHOLE:
            _finding_in_full(page, finding, told=document["verdict"]["summary"])
        else:
            _finding_in_short(page, finding)
    rest = [finding["sub_cause"] for finding in findings[page.detail.findings :]]
    if rest:
        page.add(page.text((f"+{say.count(len(rest), 'more finding')}: {', '.join(rest)}", "dim")), lead="   ")
    if minor := say.minor(document):
        page.add(page.text((f"+{minor}", "dim")), lead="   ", rows=2)


def _finding_head(page: _Page, at: int, finding: Mapping[str, Any]) -> None:
    severity, explained, spent = finding["severity"], say.share(finding["explains_share"]), finding["explains_s"]
    pieces = [
        page.text((finding["sub_cause"], "bold")),
        page.text((severity, _SEVERITY_STYLES.get(severity, ""))),
        page.text(f"explains {explained if spent is None else f'{say.duration(spent)} ({explained})'}"),
        page.text((say.sureness(finding["confidence"]), _sureness_style(finding["confidence"]))),
    ]
    for row, line in enumerate(_flow(page, pieces, page.width - 3)):
        page.add(line, lead=Text(f"{at:<3}" if row == 0 else "   ", "bold"), rows=2)


def _finding_in_full(page: _Page, finding: Mapping[str, Any], *, told: str) -> None:
    if finding["summary"] != told:
        page.add(page.text(finding["summary"]), lead="   ", rows=page.tall + 1)
    evidence, remedies, detail = finding["evidence"], finding["remedies"], page.detail
    for one in page.some(evidence, detail.evidence):
        said = page.beside(page.text(one["says"]), _cited(page, one["cites"], 2), width=page.width - 5)
        page.add(said, lead="   " + page.bullet, rows=page.tall)
    if len(evidence) > detail.evidence:
        page.note(f"+{len(evidence) - detail.evidence} more", 5)
    for at, remedy in enumerate(page.some(remedies, detail.remedies), 1):
        _remedy(page, at, remedy)
    if len(remedies) > detail.remedies:
        page.note(f"+{len(remedies) - detail.remedies} more", 9)
    for receipt in page.some(tried(finding), detail.remedies):
        found = say.measured(receipt) if detail is _WHOLE else effect(receipt)
        page.add(page.text(("Also tried: ", "bold"), say.also_tried(receipt), ". ", found), lead="   ", rows=page.tall)


def _finding_in_short(page: _Page, finding: Mapping[str, Any]) -> None:
    told, remedies = page.text(finding["summary"]), finding["remedies"]
    if remedies:
        told.append_text(page.text((" Do: ", "bold"), remedies[0]["do"]))
    for one in finding["evidence"][:1]:
        told = page.beside(told, _cited(page, one["cites"], 1), width=page.width - 3)
    page.add(told, lead="   ", rows=page.detail.short_rows)


def _remedy(page: _Page, at: int, remedy: Mapping[str, Any]) -> None:
    lead, indent = Text("   ").append("Do " if at == 1 else "   ", "bold"), " " * 9
    page.add(page.text((remedy["do"], "bold")), lead=lead.append(f"{at}. "), rows=page.tall)
    if at <= page.detail.told:
        told = {
            "because": remedy["because"],
            "cost": remedy["cost"],
            "verify": remedy["verify"],
        }
        stacked = at <= page.detail.stacked
        told["measured" if remedy.get("receipt") else "proof"] = say.proof(remedy, in_short=not stacked)
        pieces = [
            page.text((f"{label}: ", "cyan"), text if stacked else text.removesuffix("."))
            for label, text in told.items()
            if text
        ]
        for piece in pieces if stacked else [Text("; ").join([pieces[-1], *pieces[:-1]])]:  # what is last may be cut
            page.add(piece, lead=indent, rows=page.tall)
    if at == 1 or page.detail is _WHOLE:
        _snippet(page, remedy["snippet"])


def _snippet(page: _Page, snippet: str) -> None:
    rows = snippet.expandtabs(4).strip("\n").split("\n") if snippet.strip() else []
    for row in page.some(rows, page.detail.snippet_rows):
        indent = len(row) - len(row.lstrip(" "))
        lead = " " * 9 + page.bar + " " * min(indent, page.width // 3)
        page.add(page.text((row.lstrip(" "), "green")), lead=lead, follow=lead, rows=page.tall + 1)
    if len(rows) > page.detail.snippet_rows:
        page.note(f"+{len(rows) - page.detail.snippet_rows} more", 9)


def _cited(page: _Page, cites: Sequence[Mapping[str, Any]], limit: int) -> Text:
    named, left = say.places(cites, limit, page.folder)
    shown = [page.elide(name, page.width - 8 if page.narrow else 60) for name in named]
    return Text("; ".join(shown) + (f" +{left:,}" if left else ""), "dim")


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[Mapping[str, Any]], str]
    cap: int = 12
    numeric: bool = False

    def fit(self, page: _Page, text: str, width: int) -> str:
        cut = page.elide(text, width)
        space = " " * (width - cell_len(cut))
        return space + cut if self.numeric else cut + space


# Dropped in this order until the filter has room for `_LEAST_FILTER` columns.
_DROPPED_FIRST = ("kind", "p50", "collection", "share")
_LEAST_FILTER = 24


def _patterns(page: _Page, document: Document) -> None:
    patterns, roles = document["patterns"], say.roles(say.findings(document))
    if not patterns:
        return
    shown = page.some(patterns, page.detail.patterns)
    widths = _widths(page, _columns(document, roles), shown)
    page.gap()
    header = _row([column.fit(page, column.title, width) for column, width in widths], "dim")
    header.stylize("not dim bold", 0, len(widths[0][0].title))
    page.row(header)
    for pattern in shown:
        row = _row([column.fit(page, column.cell(pattern), width) for column, width in widths])
        role = roles.get(pattern["id"], "")
        row.stylize(_ROLE_STYLES.get(role, ""), 0, len(role))
        page.row(row)
    left = patterns[page.detail.patterns :]
    if left:
        spent = sum(pattern["duration_s"]["sum"] or 0 for pattern in left)
        page.add(
            page.text((f"+{say.count(len(left), 'more pattern')}, {say.duration(spent)} in total", "dim")), lead="  "
        )


def _columns(document: Document, roles: Mapping[str, str]) -> list[_Column]:
    total = document["requests"]["duration_s"]["sum"]
    return [
        _Column("Patterns", lambda one: roles.get(one["id"], "")),
        _Column("count", lambda one: f"{one['count']:,}", numeric=True),
        _Column("p50", lambda one: say.duration(one["duration_s"]["p50"]), numeric=True),
        _Column("p99", lambda one: say.duration(one["duration_s"]["p99"]), numeric=True),
        _Column("share", lambda one: say.share_of(one["duration_s"]["sum"], total), numeric=True),
        _Column("kind", lambda one: one["kind"], cap=13),
        _Column("collection", say.collection, cap=22),
        _Column("filter", say.filtered, cap=_MEASURE),
    ]


def _widths(page: _Page, columns: Sequence[_Column], shown: Sequence[Mapping[str, Any]]) -> list[tuple[_Column, int]]:
    """The columns that fit, with their widths; the last one takes what is left."""
    wanted = {
        column.title: min(
            max(cell_len(page.safe(text)) for text in (column.title, *map(column.cell, shown))), column.cap
        )
        for column in columns
    }
    kept = list(columns)
    for dropped in ("", *_DROPPED_FIRST):
        kept = [column for column in kept if column.title != dropped]
        left = page.width - sum(wanted[column.title] + 2 for column in kept[:-1])
        if left >= min(_LEAST_FILTER, wanted[kept[-1].title]):
            break
    return [(column, wanted[column.title]) for column in kept[:-1]] + [(kept[-1], max(left, 1))]


def _row(cells: Iterable[str], style: str = "") -> Text:
    return Text("  ".join(cells).rstrip(), style)


def _latency(page: _Page, document: Document) -> None:
    series, events = document.get("series"), document.get("events") or ()
    if not series and not events:
        return
    block = _Block(page, "Latency")
    strip = say.strip(series, min(block.room, _MEASURE))
    shown = page.some(events, page.detail.events)
    if series and strip:
        told = f"slowest request per {say.period(strip.step_s)}, highest {say.duration(strip.peak_s)}"
        over = series.get("threshold_s")
        told += f"; slow is over {say.period(over)}" if over else ""
        block.add(page.text((told, "dim")), rows=2)
        block.add(Text(strip.bars(".:-=+*#@" if page.ascii else say.BARS, " "), "yellow"))
        block.add(Text(strip.axis(), "dim"))
        if events:
            drawn = say.marks(strip, events, len(shown), "^" if page.ascii else "▲")
            block.add(Text(drawn, "bold magenta"))
    for name, event in zip(say.MARKS, shown, strict=False):
        _event(page, block, name, event, strip.form if strip else "%Y-%m-%d %H:%M:%S")
    if len(events) > len(shown):
        page.note(f"+{say.count(len(events) - len(shown), 'more event' if shown else 'event')}", block.gutter)


def _event(page: _Page, block: _Block, name: str, event: Mapping[str, Any], form: str) -> None:
    times = f" ({event['count']:,} times)" if event["count"] > 1 else ""
    what = [event["what"] + times, event.get("subject") or "", event.get("detail") or ""]
    told = [
        page.text(f"{say.clock(event['at'], form)} ", " · ".join(page.elide(one, 60) for one in what if one)),
        _cited(page, event["cites"], 1),
    ]
    said = page.fitting(2, lambda kept: Text("  ").join(told[:kept]), width=block.room - 2, rows=1)
    block.add(said, bullet=f"{name} ", rows=1)


# Of a phase that takes less there is nothing to tell.
_TOLD_SHARE = 0.005


def _phases(page: _Page, document: Document) -> None:
    """Where a search spends its time, the largest phase first; the rest of them in as many words as there is room."""
    told = [say.phase(name, one) for name, one in say.phases(document) if (one["share"] or 0) >= _TOLD_SHARE]
    if told:
        block = _Block(page, "Phases")
        block.add(page.text(" · ".join(told)), rows=3)
        each = [
            f"{one['collection']} {say.share(one['share'])} ({say.duration(one['mean_s'])})"
            for one in say.by_collection(document)
            if one["share"] >= _TOLD_SHARE
        ]
        if each:
            block.add(page.text(("by collection: ", "dim"), " · ".join(each)), rows=2)


def _skipped(page: _Page, skipped: Sequence[Mapping[str, Any]]) -> None:
    if not skipped:
        return
    block, wanted = _Block(page, "Skipped"), say.wanted(skipped)
    for how, rules in page.some(wanted, page.detail.supplies):

        def said(kept: int, how: str = how, rules: list[str] = rules) -> Text:
            more = f" +{len(rules) - kept:,} more" if kept < len(rules) else ""
            return page.text((f"{', '.join(rules[:kept])}{more}: ", "dim"), how.rstrip("."))

        block.add(page.fitting(len(rules), said, width=block.room, rows=page.detail.supply_rows), rows=page.tall)
    left = sum(len(rules) for _, rules in wanted[page.detail.supplies :])
    if left:
        page.note(f"+{say.count(left, 'more rule')}", block.gutter)


def _ruled_out(page: _Page, ruled_out: Sequence[Mapping[str, Any]]) -> None:
    """The rules with their reasons, as many as there are rows for, and the number of the others."""
    if not ruled_out:
        return
    block, rows = _Block(page, "Ruled out"), page.detail.prose_rows
    told = [page.text(one["sub_cause"], (f" ({one['because']})", "dim")) for one in ruled_out]

    def said(kept: int) -> Text:
        more = f"; +{len(told) - kept:,} more" if kept < len(told) else ""
        return Text("; ").join(told[:kept]).append(more, "dim")

    block.add(page.fitting(len(told), said, width=block.room, rows=rows), rows=rows)


def _blind_spots(page: _Page, sentences: Sequence[str]) -> None:
    if sentences:
        _Block(page, "Blind spots").add(page.text(" ".join(sentences)), rows=page.detail.prose_rows + 1)


def _broken(page: _Page, broken: Sequence[Mapping[str, Any]]) -> None:
    if not broken:
        return
    block = _Block(page, "Broken")
    for one in broken:
        whose = "your own rule" if one.get("own") else "a bug in slowq"
        told = page.text((one["sub_cause"], "bold red"), f" could not run, {whose}: {one['error']}")
        block.add(told, rows=2)


def _coverage(page: _Page, document: Document) -> None:
    coverage, limit = document["coverage"], page.detail.lines
    block = _Block(page, "Coverage")
    for line in _flow(page, map(page.text, say.understood(coverage, document["inputs"])), block.room):
        block.add(line, rows=2)
    malformed, unrecognised = coverage.get("malformed") or (), coverage.get("first_unrecognised") or ()
    for one in page.some(malformed, limit):
        _line(page, block, one, f"{one['reason']}: ")
    for one in page.some(unrecognised, max(limit - len(malformed), 0)):
        _line(page, block, one, "unrecognised: ")
    end = f"slowq {document['slowq']}"
    page.add(page.text((end + " · shortened; --format json has everything" * page.shortened, "dim")), rows=2)


def _line(page: _Page, block: _Block, one: Mapping[str, Any], why: str) -> None:
    path = page.elide(one["path"].removeprefix(page.folder), max(block.room // 2, 12))
    block.add(page.text((f"{path}:{one['line']}", "yellow"), f"  {why}", (one["excerpt"], "dim")), rows=1)
