"""`slowq check` on the terminal: what failed first, with file and line and what to do, then what passed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rich.text import Text

from slowq.policy import Judgement, Line
from slowq.report import ci
from slowq.report import text as say
from slowq.report.text import Document

_STYLES = {"fail": "bold red", "allowed": "bold yellow", "pass": "green"}
_ORDER = ("fail", "allowed", "pass")


def lines(document: Document, judgement: Judgement, width: int) -> Iterator[Text]:
    yield _headline(judgement)
    room = max(width, 40)
    yield from _wrapped("", " · ".join(say.glance(document)), room, column=0)
    yield Text("")
    for one in sorted(judgement.lines, key=lambda line: _ORDER.index(line.outcome)):
        yield from _told(one, room)
    outcome, named, sure = say.headline(document["verdict"])
    yield Text("")
    yield from _wrapped("verdict", ", ".join(filter(None, (f"{outcome}: {named}" if named else outcome, sure))), room)


def _headline(judgement: Judgement) -> Text:
    failed, all_of_them = len(judgement.failed), len(judgement.lines)
    if not all_of_them:
        return Text("Nothing was asked: give limits, --fail-on, --baseline or a policy", "bold yellow")
    if failed:
        return Text(f"Failed: {failed} of {say.count(all_of_them, 'check')}", _STYLES["fail"])
    return Text(f"Passed: {say.count(all_of_them, 'check')}", _STYLES["pass"])


def _told(one: Line, width: int) -> Iterator[Text]:
    yield from _wrapped(one.outcome, f"{one.id}: {one.says}", width)
    if one.outcome == "fail":
        places = [f"{path}:{line}" for path, line in (ci.file_and_line(cite) for cite in one.cites if "path" in cite)]
        for lead, text in (("", ", ".join(places)), ("do", one.do or "")):
            if text:
                yield from _wrapped(lead, text, width)


def _wrapped(lead: str, text: str, width: int, column: int = 9) -> Iterator[Text]:
    """The text in rows, with a lead before the first and as much space before the others."""
    rows = textwrap.wrap(ci.line(text), width - column, break_on_hyphens=False) or [""]
    for at, row in enumerate(rows):
        yield Text((lead if at == 0 else "").ljust(column), _STYLES.get(lead, "bold")).append(row, "default")
