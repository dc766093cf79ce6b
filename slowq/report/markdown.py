"""The report in Markdown, for an issue or a chat: everything that the terminal shows, nothing left out for room.

Guarantees: it needs nothing but the JSON document; it is valid CommonMark with GFM tables and holds no raw HTML. A word
from a log cannot become a heading, a link, an image, a mention or a table cell: `prose` puts each word that could mean
anything to a renderer into a code span, `code` the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from slowq.report import text as say
from slowq.report.receipts import tried
from slowq.report.text import Document

_PATTERNS = 20
_FILTER = 300  # cells of a filter in a table
_STRIP = 100

# A word of these characters alone means nothing to a renderer…
_HARMLESS = re.compile(r"(?:[^\W_]|<(?=\d)|[,.;:'\"%/+=()?…·→\u2013\u2014\u00d7-])+")
# …but for what it may make a link, an emoji or a reference of (a.b also for file names and settings).
_MEANT = re.compile(r"://|^www\.|(?<!\d\d):\w+:|:[^\W\d]\w*:|^GH-\d|[^\W\d]\.[^\W\d]", re.IGNORECASE)
# …or a list or an underlined heading, where it stands first.
_MEANT_FIRST = re.compile(r"(?:[-+=]+|\d+[.)])$")
# A word, of which what stands between two backticks is one piece; and one that is such a piece, within a sentence's marks.
_WORD = re.compile(r"(?:`[^`]+`|\S)+")
_CODE_PIECE = re.compile(r"(\(?)`([^`]+)`([,.;:?)]{0,3})")
_END_OF_CLAUSE = re.compile(r"[,.;:?]*$")


def render(document: Document) -> str:
    """The report as Markdown text that ends with a newline."""
    lines: list[str] = []
    for line in _lines(document):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).rstrip("\n") + "\n"


def code(text: str, *, in_table: bool = False) -> str:
    """The text as a code span, with a fence longer than any run of backticks in it."""
    shown = say.visible(text) or " "
    if in_table:
        # A table reads \| as a pipe even within code, and renderers differ on a backslash of the text's own before it.
        shown = shown.replace("\\|", r"\\x7c").replace("|", r"\|")
    fence = _fence(shown, least=1)
    space = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{space}{shown}{space}{fence}"


def prose(text: str) -> str:
    """The text as a sentence: what could be more than a word to a renderer stands in code spans. Not for tables."""
    words = _WORD.findall(say.visible(text))
    judged = [
        ("code" if _CODE_PIECE.fullmatch(word) else _means_nothing(word, first=at == 0), word)
        for at, word in enumerate(words)
    ]
    said = []
    for judgement, group in groupby(judged, key=lambda one: one[0]):
        run = [word for _, word in group]
        if judgement == "code":
            said += [_CODE_PIECE.sub(lambda found: found[1] + code(found[2]) + found[3], word) for word in run]
        else:
            said.append(" ".join(run) if judgement else _coded(" ".join(run)))
    return " ".join(said)


def _means_nothing(word: str, *, first: bool) -> bool:
    if first and _MEANT_FIRST.match(word):
        return False
    return _HARMLESS.fullmatch(word) is not None and _MEANT.search(word) is None


def _coded(run: str) -> str:
    """The run as code, the punctuation of the sentence around it left outside."""
    kept = _END_OF_CLAUSE.sub("", run)
    if kept.endswith(")") and "(" not in kept:
        kept = kept[:-1]
    return code(kept) + run[len(kept) :] if kept else code(run)


def _fence(text: str, *, least: int) -> str:
    return "`" * max(least, 1 + max((len(run) for run in re.findall("`+", text)), default=0))


def _block(text: str, language: str, indent: str = "") -> Iterator[str]:
    shown = [say.visible(line) for line in text.expandtabs(4).strip("\n").split("\n")]
    fence = _fence("\n".join(shown), least=3)
    yield ""
    for line in (f"{fence}{language}", *shown, fence):
        yield indent + line if line else ""
    yield ""


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns titled `#…` hold numbers. Cells are code spans or numbers with units: nothing else is safe in a table."""
    yield ""
    yield f"| {' | '.join(title.lstrip('#') for title in titles)} |"
    yield f"|{'|'.join('---:' if title.startswith('#') else '---' for title in titles)}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _lines(document: Document) -> Iterator[str]:
    outcome, cause, sure = say.headline(document["verdict"])
    yield "# " + prose(outcome + (f": {cause}" if cause else "") + (f", {sure}" if sure else ""))
    yield ""
    yield prose(document["verdict"]["summary"])
    yield ""
    yield " · ".join(prose(phrase) for phrase in say.glance(document))
    if since := say.onset(document):
        yield ""
        yield prose(since)
    yield from _findings(document)
    yield from _patterns(document)
    yield from _latency(document)
    yield from _phases(document)
    yield from _skipped(document["skipped"])
    ruled_out = [f"{code(one['sub_cause'])}: {prose(one['because'])}" for one in document["ruled_out"]]
    yield from _list("Ruled out", ruled_out)
    yield from _list("Blind spots", [prose(sentence) for sentence in document.get("blind_spots") or ()])
    for title, own in (("Broken (bugs in slowq)", False), ("Broken rules of your own", True)):
        broken = [one for one in document["broken"] if bool(one.get("own")) is own]
        yield from _list(title, [f"{code(one['sub_cause'])} could not run: {code(one['error'])}" for one in broken])
    yield from _coverage(document)


def _list(title: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield from ("", f"## {title}", "", *(f"- {item}" for item in items))


def _findings(document: Document) -> Iterator[str]:
    shared = say.folder(document["inputs"])
    findings = say.findings(document)
    if findings:
        yield from ("", "## Findings")
    for at, finding in enumerate(findings, 1):
        spent = f" ({say.duration(finding['explains_s'])})" if finding["explains_s"] is not None else ""
        explains = f"{say.share(finding['explains_share'])} of the slow time{spent}"
        sure = say.sureness(finding["confidence"])
        yield ""
        yield f"### {at}. {code(finding['sub_cause'])}: {prose(finding['severity'])}, explains {explains}, {sure}"
        yield from ("", prose(finding["summary"]), "")
        for one in finding["evidence"]:
            yield f"- {prose(one['says'])} {_cited(one['cites'], shared)}".rstrip()
        if finding["remedies"]:
            yield from ("", "**Do**", "")
        for number, remedy in enumerate(finding["remedies"], 1):
            yield from _remedy(number, remedy)
        for receipt in tried(finding):
            yield f"- **Also tried:** {prose(say.also_tried(receipt))}. {prose(say.measured(receipt))}"
    if minor := say.minor(document):
        yield from ("", prose(f"{minor}."))


def _remedy(number: int, remedy: Mapping[str, Any]) -> Iterator[str]:
    lead = f"{number}. "
    indent = " " * len(lead)
    yield f"{lead}{prose(remedy['do'])}"
    for label in ("because", "cost", "verify"):
        if remedy[label]:
            yield f"{indent}- *{label}:* {prose(remedy[label])}"
    yield f"{indent}- *{'measured' if remedy.get('receipt') else 'proof'}:* {prose(say.proof(remedy))}"
    if remedy["snippet"].strip():
        yield from _block(remedy["snippet"], "python", indent)


def _cited(cites: Sequence[Mapping[str, Any]], shared: str) -> str:
    named, left = say.places(cites, 3, shared)
    return f"({', '.join(code(name) for name in named)}{f' and {left:,} more' if left else ''})" if named else ""


def _patterns(document: Document) -> Iterator[str]:
    patterns, roles = document["patterns"], say.roles(say.findings(document))
    if not patterns:
        return
    total = document["requests"]["duration_s"]["sum"]
    yield from ("", "## Patterns")
    titles = ("role", "#count", "#p50", "#p99", "#share", "kind", "collection", "filter")
    yield from _table(titles, [_pattern(one, total, roles.get(one["id"], "")) for one in patterns[:_PATTERNS]])
    left = patterns[_PATTERNS:]
    if left:
        spent = sum(one["duration_s"]["sum"] or 0 for one in left)
        yield f"and {say.count(len(left), 'more pattern')}, {say.duration(spent)} in total"


def _pattern(pattern: Mapping[str, Any], total: float | None, role: str) -> list[str]:
    took = pattern["duration_s"]
    texts = (pattern["kind"], say.collection(pattern))
    filtered = say.filtered(pattern)
    return [
        role,
        f"{pattern['count']:,}",
        say.duration(took["p50"]),
        say.duration(took["p99"]),
        say.share_of(took["sum"], total),
        *(code(say.elide(say.visible(text), 60), in_table=True) for text in texts),
        code(say.elide(say.visible(filtered), _FILTER), in_table=True) if pattern["filter"] else filtered,
    ]


def _latency(document: Document) -> Iterator[str]:
    series, events = document.get("series"), document.get("events") or ()
    strip = say.strip(series, _STRIP)
    if strip or events:
        yield from ("", "## Latency", "")
    if series and strip:
        over = series.get("threshold_s")
        limit = f"; slow is over {say.period(over)}" if over else ""
        yield f"Slowest request per {say.period(strip.step_s)}, highest {say.duration(strip.peak_s)}{limit}:"
        rows = (strip.bars(say.BARS, " "), strip.axis(), say.marks(strip, events, len(events), "▲"))
        yield from _block("\n".join(filter(None, rows)), "text")
    shared = say.folder(document["inputs"])
    for at, event in enumerate(events):
        mark = f"{code(say.MARKS[at])} " if strip and at < len(say.MARKS) else ""
        times = f" ({event['count']:,} times)" if event["count"] > 1 else ""
        told = [prose(event["what"]) + times, *(code(event[key]) for key in ("subject", "detail") if event.get(key))]
        yield f"- {mark}{prose(say.clock(event['at'], '%Y-%m-%d %H:%M:%S'))}: {' · '.join(told)} " + _cited(
            event["cites"], shared
        )


def _phases(document: Document) -> Iterator[str]:
    rows = [
        [
            code(name, in_table=True),
            say.share(one["share"]),
            say.duration(one["mean_s"]),
            say.p99(one),
            say.duration(one.get("baseline_mean_s")),
            "derived" if one.get("derived") else "",
        ]
        for name, one in say.phases(document)
    ]
    if rows:
        titles = ("phase", "#share", "#mean", "#p99", "#mean before", "")
        yield from ("", "## Phases", *_table(titles, rows))
    each = [
        [
            code(one["collection"], in_table=True),
            say.share(one["share"]),
            f"{one['searches']:,}",
            say.duration(one["mean_s"]),
            say.p99(one),
            say.duration(one["baseline_mean_s"]),
        ]
        for one in say.by_collection(document)
    ]
    if each:
        titles = ("collection", "#share of the time", "#searches", "#mean", "#p99", "#mean before")
        yield from ("", "### Searches by collection", *_table(titles, each))
    for sentence in (document.get("metrics") or {}).get("trouble") or ():
        yield f"- {prose(sentence)}"


def _skipped(skipped: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    items = [f"{', '.join(map(code, rules))}: {prose(how)}" for how, rules in say.wanted(skipped)]
    yield from _list("Skipped", items)


def _coverage(document: Document) -> Iterator[str]:
    coverage = document["coverage"]
    yield from ("", "## Coverage", "")
    yield " · ".join(prose(phrase) for phrase in say.understood(coverage, document["inputs"]))
    yield ""
    for one in coverage.get("malformed") or ():
        yield f"- {code(_place(one))} {prose(one['reason'])}: {code(one['excerpt'])}"
    for one in coverage.get("first_unrecognised") or ():
        yield f"- {code(_place(one))} unrecognised: {code(one['excerpt'])}"
    yield from ("", f"slowq {prose(document['slowq'])}")


def _place(one: Mapping[str, Any]) -> str:
    return f"{one['path']}:{one['line']}"
