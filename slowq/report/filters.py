"""What `slowq filter` says: as an object for JSON, and as lines for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len, chop_cells
from rich.text import Text

from slowq.filters.ast import And, Expression, Not, Or
from slowq.filters.judge import Judgement
from slowq.filters.lint import Costly
from slowq.filters.parse import Trouble
from slowq.filters.rewrite import Step
from slowq.filters.template import Templated
from slowq.filters.write import write
from slowq.report.text import elide, visible

_COLOURS = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
_TREE_LINES = 40
_TREE_DEPTH = 12
_LONGEST = 4_000  # characters of a rewritten filter in the terminal; JSON has all of it
_VALUES = 8  # of a list in the call
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Given:
    """A filter with where it came from: a line of a file, a pattern of a report."""

    judgement: Judgement
    source: str = ""
    line: int | None = None
    pattern: dict[str, Any] | None = None


def as_object(given: Given) -> dict[str, Any]:
    one = given.judgement
    trouble = one.trouble
    return {
        "filter": one.text,
        "line": given.line,
        "pattern": given.pattern,
        "error": {"position": trouble.position, "message": trouble.message} if trouble else None,
        "normalised": one.normalised or None,
        "costly": [_costly_object(found) for found in one.costly],
        "rewritten": write(one.rewritten) if one.rewritten is not None and not one.selects else None,
        "selects": one.selects,
        "steps": [_step_object(step) for step in one.steps],
        "template": _template_object(one.template) if one.template else None,
    }


def _costly_object(found: Costly) -> dict[str, Any]:
    index = found.index
    return {
        "lint": found.lint,
        "severity": found.severity,
        "subject": found.subject or None,
        "position": found.at,
        "says": found.says,
        "index": {"on": index.subject, "type": index.type, "call": index.call} if index else None,
    }


def _step_object(step: Step) -> dict[str, Any]:
    return {
        "rewrite": step.name,
        "because": step.because,
        "holds": step.holds,
        "moot": step.moot,
        "count": step.count,
        "changes": [{"before": change.before, "after": change.after} for change in step.changes],
    }


def _template_object(made: Templated) -> dict[str, Any]:
    params = {name: list(value) if isinstance(value, tuple) else value for name, value in made.params.items()}
    return {"filter": write(made.tree), made.keyword: params, "call": call(made)}


def call(made: Templated) -> str:
    """How pymilvus passes the values; long lists are shortened here, and whole in JSON."""
    params = ", ".join(f'"{name}": {_python(value)}' for name, value in made.params.items())
    client = "client.search" if made.keyword == "filter_params" else "collection.search"
    text = "filter" if made.keyword == "filter_params" else "expr"
    return f"{client}(\n    …,\n    {text}={write(made.tree, _LONGEST)!r},\n    {made.keyword}={{{params}}},\n)"


def _python(value: object) -> str:
    if not isinstance(value, tuple):
        return repr(value)
    shown = ", ".join(map(repr, value[:_VALUES]))
    return f"[{shown}{f', …]  # {len(value):,} values' if len(value) > _VALUES else ']'}"


def caret(text: str, position: int, width: int) -> list[str]:
    """The part of the text around a position, and a caret under it."""
    room = max(width - 2 * len(_INDENT) - 2, 20)
    begin = max(0, position - room // 2)
    head = ("…" if begin else "") + visible(text[begin:position])
    tail = visible(text[position : position + room // 2])
    line = head + tail + ("…" if len(text) > position + room // 2 else "")
    return [_INDENT + line, _INDENT + " " * cell_len(head) + "^"]


def lines(given: Given, width: int) -> Iterator[Text]:
    one = given.judgement
    yield from _rows(one.normalised if one.tree is not None else elide(visible(one.text), 4 * width), width, "", "bold")
    if given.pattern is not None:
        yield Text(f"{given.pattern['count']:,} requests, {given.pattern['sum_s']:,.1f} s in all", "dim")
    if one.trouble is not None:
        yield from _trouble(one.text, one.trouble, width)
    if one.tree is None:
        return
    if isinstance(one.tree, And | Or | Not):
        yield from (Text(), Text("Tree", "bold"), *_tree(one.tree, width))
    yield from _costly(one.costly, width)
    if given.pattern is None:
        yield from _rewritten(one, width)
    elif any(found.lint in ("or_chain", "long_list", "huge_list") for found in one.costly):
        yield Text()
        yield from _rows("A report holds no values: give the filter itself to have it rewritten.", width)


def _trouble(text: str, trouble: Trouble, width: int) -> Iterator[Text]:
    yield from _rows(trouble.message, width, "", "red")
    yield from (Text(row, no_wrap=True) for row in caret(text, trouble.position, width))


def _costly(found: tuple[Costly, ...], width: int) -> Iterator[Text]:
    yield from (Text(), Text("What is costly", "bold"))
    if not found:
        yield Text(_INDENT + "nothing that can be seen from here")
    for one in found:
        where = f" at character {one.at}" if one.at is not None else ""
        head = Text(f"{_INDENT}{one.severity} ", _COLOURS[one.severity])
        head.append(one.lint, "bold")
        head.append(visible(f" {elide(one.subject, width // 2)}{where}" if one.subject else where), "default")
        yield head
        yield from _rows(one.says, width, 2 * _INDENT)
        if one.index:
            yield from _code(one.index.call)


def _rewritten(one: Judgement, width: int) -> Iterator[Text]:
    if one.selects:
        yield from (Text(), Text("Instead", "bold"))
        advice = "leave the filter out" if one.selects == "everything" else "do not send the request"
        yield from _rows(f"The filter selects {one.selects}, whatever the data: {advice}.", width, _INDENT)
    elif one.rewritten is not None:
        yield from (Text(), Text("Write instead", "bold"))
        yield from _rows(visible(write(one.rewritten, _LONGEST)), width, _INDENT, "green")
    if one.steps:
        yield from (Text(), Text("Because", "bold"))
    for step in one.steps:
        yield from _step(step, width)
    if one.template:
        yield from (Text(), Text("With the values beside the text", "bold"), *_code(call(one.template)))


def _step(step: Step, width: int) -> Iterator[Text]:
    times = f", {step.count:,} times" if step.count > 1 else ""
    yield Text(f"{_INDENT}{step.name}{times} ").append(f"({step.holds})", "dim")
    yield from _rows(step.because, width, 2 * _INDENT)
    if step.moot:
        yield from _rows(f"Moot: {step.moot}", width, 2 * _INDENT, "yellow")
    room = max(width - 9, 20)
    for change in step.changes:
        yield Text(f"{2 * _INDENT}   {elide(visible(change.before), room)}", "dim", no_wrap=True)
        yield Text(f"{2 * _INDENT}-> {elide(visible(change.after), room)}", no_wrap=True)


def _tree(tree: Expression, width: int) -> Iterator[Text]:
    """The logic as a tree, its predicates as text; cut where it is long or deep."""
    pending: list[tuple[Expression, str, str, int]] = [(tree, _INDENT, _INDENT, 0)]
    drawn = 0
    while pending:
        if drawn == _TREE_LINES:
            yield Text(f"{_INDENT}… and more", "dim")
            return
        node, lead, below, depth = pending.pop()
        drawn += 1
        parts = node.children() if isinstance(node, And | Or | Not) else ()
        if not parts or depth == _TREE_DEPTH:
            said = write(node, width)
            yield Text(lead + elide(visible(said), max(width - cell_len(lead), 8)), no_wrap=True)
            continue
        yield Text(lead).append(type(node).__name__.lower(), "bold")
        shown = parts[:_TREE_LINES]
        for at in range(len(shown) - 1, -1, -1):
            last = at == len(parts) - 1
            pending.append(
                (shown[at], below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "), depth + 1)
            )


def _rows(said: str, width: int, lead: str = "", style: str = "") -> Iterator[Text]:
    room = max(width - len(lead), 20)
    rows = textwrap.wrap(visible(said), room, break_long_words=False, break_on_hyphens=False) or [""]
    pieces: Iterable[str] = (piece for row in rows for piece in chop_cells(row, room) or [""])
    for at, piece in enumerate(pieces):
        yield Text((lead if at == 0 else " " * len(lead)) + piece, style)


def _code(text: str) -> Iterator[Text]:
    """A call, as it is: whoever copies it wants no wrapping of ours."""
    yield from (Text(f"{3 * _INDENT}{visible(row)}", "cyan") for row in text.split("\n"))
