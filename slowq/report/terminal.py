"""The report for a terminal: what is wrong, how sure that is and what to do, on one screen.

It needs nothing but the JSON document. What one screen has no room for is counted, and the last line says where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from slowq.report import text as say
from slowq.report.receipts import effect, tried
from slowq.report.screen import MEASURE, ROWS, Block, Page, fitted
from slowq.report.text import Document

_OUTCOME_STYLES = {"diagnosed": "bold red", "nothing_slow": "bold green", "undetermined": "bold yellow"}
_SEVERITY_STYLES = {"critical": "bold red", "warning": "bold yellow", "info": "bold cyan"}
_ROLE_STYLES = {"culprit": "red", "victim": "cyan"}


def render(document: Document, console: Console, *, rows: int | None = ROWS) -> None:
    """Print the report. `rows` is the screen it should fit; None leaves nothing out but the cites after the second."""
    whole = fitted(lambda page: _write(page, document), console, say.folder(document["inputs"]), rows)
    console.print(whole, soft_wrap=True)


def _write(page: Page, document: Document) -> None:
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


def _verdict(page: Page, document: Document) -> None:
    verdict = document["verdict"]
    outcome, cause, sure = say.headline(verdict)
    head = page.text((outcome, _OUTCOME_STYLES.get(verdict["outcome"], "bold")))
    if cause:
        head.append_text(page.text(": ", (cause, "bold")))
    if sure:
        head.append_text(page.text(", ", (sure, _sureness_style(verdict["confidence"]))))
    page.add(head)
    page.add(page.text(verdict["summary"]), rows=page.tall + 1)
    for line in page.flow(map(page.text, say.glance(document)), page.width):
        page.add(line, rows=2)
    if since := say.onset(document):
        page.add(page.text(since), rows=2)


def _sureness_style(confidence: float) -> str:
    return "bold green" if confidence >= 0.8 else "bold yellow" if confidence >= 0.5 else "bold red"


def _findings(page: Page, document: Document) -> None:
    findings = say.findings(document)
    for at, finding in enumerate(page.some(findings, page.detail.findings), 1):
        if at <= 2:
            page.gap()
        _finding_head(page, at, finding)
        if at == 1 or page.is_whole:
            _finding_in_full(page, finding, told=document["verdict"]["summary"])
        else:
            _finding_in_short(page, finding)
    rest = [finding["sub_cause"] for finding in findings[page.detail.findings :]]
    if rest:
        page.add(page.text((f"+{say.count(len(rest), 'more finding')}: {', '.join(rest)}", "dim")), lead="   ")
    if minor := say.minor(document):
        page.add(page.text((f"+{minor}", "dim")), lead="   ", rows=2)


def _finding_head(page: Page, at: int, finding: Mapping[str, Any]) -> None:
    severity, explained, spent = finding["severity"], say.share(finding["explains_share"]), finding["explains_s"]
    pieces = [
        page.text((finding["sub_cause"], "bold")),
        page.text((severity, _SEVERITY_STYLES.get(severity, ""))),
        page.text(f"explains {explained if spent is None else f'{say.duration(spent)} ({explained})'}"),
        page.text((say.sureness(finding["confidence"]), _sureness_style(finding["confidence"]))),
    ]
    for row, line in enumerate(page.flow(pieces, page.width - 3)):
        page.add(line, lead=Text(f"{at:<3}" if row == 0 else "   ", "bold"), rows=2)


def _finding_in_full(page: Page, finding: Mapping[str, Any], *, told: str) -> None:
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
        found = say.measured(receipt) if page.is_whole else effect(receipt)
        page.add(page.text(("Also tried: ", "bold"), say.also_tried(receipt), ". ", found), lead="   ", rows=page.tall)


def _finding_in_short(page: Page, finding: Mapping[str, Any]) -> None:
    told, remedies = page.text(finding["summary"]), finding["remedies"]
    if remedies:
        told.append_text(page.text((" Do: ", "bold"), remedies[0]["do"]))
    for one in finding["evidence"][:1]:
        told = page.beside(told, _cited(page, one["cites"], 1), width=page.width - 3)
    page.add(told, lead="   ", rows=page.detail.short_rows)


def _remedy(page: Page, at: int, remedy: Mapping[str, Any]) -> None:
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
    if at == 1 or page.is_whole:
        _snippet(page, remedy["snippet"])


def _snippet(page: Page, snippet: str) -> None:
    rows = snippet.expandtabs(4).strip("\n").split("\n") if snippet.strip() else []
    for row in page.some(rows, page.detail.snippet_rows):
        indent = len(row) - len(row.lstrip(" "))
        lead = " " * 9 + page.bar + " " * min(indent, page.width // 3)
        page.add(page.text((row.lstrip(" "), "green")), lead=lead, follow=lead, rows=page.tall + 1)
    if len(rows) > page.detail.snippet_rows:
        page.note(f"+{len(rows) - page.detail.snippet_rows} more", 9)


def _cited(page: Page, cites: Sequence[Mapping[str, Any]], limit: int) -> Text:
    named, left = say.places(cites, limit, page.folder)
    shown = [page.elide(name, page.width - 8 if page.narrow else 60) for name in named]
    return Text("; ".join(shown) + (f" +{left:,}" if left else ""), "dim")


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[Mapping[str, Any]], str]
    cap: int = 12
    numeric: bool = False

    def fit(self, page: Page, text: str, width: int) -> str:
        cut = page.elide(text, width)
        space = " " * (width - cell_len(cut))
        return space + cut if self.numeric else cut + space


# Dropped in this order until the filter has room for `_LEAST_FILTER` columns.
_DROPPED_FIRST = ("kind", "p50", "collection", "share")
_LEAST_FILTER = 24


def _patterns(page: Page, document: Document) -> None:
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
        _Column("filter", say.filtered, cap=MEASURE),
    ]


def _widths(page: Page, columns: Sequence[_Column], shown: Sequence[Mapping[str, Any]]) -> list[tuple[_Column, int]]:
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


def _latency(page: Page, document: Document) -> None:
    series, events = document.get("series"), document.get("events") or ()
    if not series and not events:
        return
    block = Block(page, "Latency")
    strip = say.strip(series, min(block.room, MEASURE))
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


def _event(page: Page, block: Block, name: str, event: Mapping[str, Any], form: str) -> None:
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


def _phases(page: Page, document: Document) -> None:
    """Where a search spends its time, the largest phase first; the rest of them in as many words as there is room."""
    told = [say.phase(name, one) for name, one in say.phases(document) if (one["share"] or 0) >= _TOLD_SHARE]
    if told:
        block = Block(page, "Phases")
        block.add(page.text(" · ".join(told)), rows=3)
        each = [
            f"{one['collection']} {say.share(one['share'])} ({say.duration(one['mean_s'])})"
            for one in say.by_collection(document)
            if one["share"] >= _TOLD_SHARE
        ]
        if each:
            block.add(page.text(("by collection: ", "dim"), " · ".join(each)), rows=2)


def _skipped(page: Page, skipped: Sequence[Mapping[str, Any]]) -> None:
    if not skipped:
        return
    block, wanted = Block(page, "Skipped"), say.wanted(skipped)
    for how, rules in page.some(wanted, page.detail.supplies):

        def said(kept: int, how: str = how, rules: list[str] = rules) -> Text:
            more = f" +{len(rules) - kept:,} more" if kept < len(rules) else ""
            return page.text((f"{', '.join(rules[:kept])}{more}: ", "dim"), how.rstrip("."))

        block.add(page.fitting(len(rules), said, width=block.room, rows=page.detail.supply_rows), rows=page.tall)
    left = sum(len(rules) for _, rules in wanted[page.detail.supplies :])
    if left:
        page.note(f"+{say.count(left, 'more rule')}", block.gutter)


def _ruled_out(page: Page, ruled_out: Sequence[Mapping[str, Any]]) -> None:
    """The rules with their reasons, as many as there are rows for, and the number of the others."""
    if not ruled_out:
        return
    block, rows = Block(page, "Ruled out"), page.detail.prose_rows
    told = [page.text(one["sub_cause"], (f" ({one['because']})", "dim")) for one in ruled_out]

    def said(kept: int) -> Text:
        more = f"; +{len(told) - kept:,} more" if kept < len(told) else ""
        return Text("; ").join(told[:kept]).append(more, "dim")

    block.add(page.fitting(len(told), said, width=block.room, rows=rows), rows=rows)


def _blind_spots(page: Page, sentences: Sequence[str]) -> None:
    if sentences:
        Block(page, "Blind spots").add(page.text(" ".join(sentences)), rows=page.detail.prose_rows + 1)


def _broken(page: Page, broken: Sequence[Mapping[str, Any]]) -> None:
    if not broken:
        return
    block = Block(page, "Broken")
    for one in broken:
        whose = "your own rule" if one.get("own") else "a bug in slowq"
        told = page.text((one["sub_cause"], "bold red"), f" could not run, {whose}: {one['error']}")
        block.add(told, rows=2)


def _coverage(page: Page, document: Document) -> None:
    coverage, limit = document["coverage"], page.detail.lines
    block = Block(page, "Coverage")
    for line in page.flow(map(page.text, say.understood(coverage, document["inputs"])), block.room):
        block.add(line, rows=2)
    malformed, unrecognised = coverage.get("malformed") or (), coverage.get("first_unrecognised") or ()
    for one in page.some(malformed, limit):
        _line(page, block, one, f"{one['reason']}: ")
    for one in page.some(unrecognised, max(limit - len(malformed), 0)):
        _line(page, block, one, "unrecognised: ")
    end = f"slowq {document['slowq']}"
    page.add(page.text((end + " · shortened; --format json has everything" * page.shortened, "dim")), rows=2)


def _line(page: Page, block: Block, one: Mapping[str, Any], why: str) -> None:
    path = page.elide(one["path"].removeprefix(page.folder), max(block.room // 2, 12))
    block.add(page.text((f"{path}:{one['line']}", "yellow"), f"  {why}", (one["excerpt"], "dim")), rows=1)
