"""`slowq explain`: what a rule says of itself."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from slowq.cli.options import Settings, Verbose
from slowq.cli.output import heading, indented, write_lines
from slowq.cli.reading import own_rules

if TYPE_CHECKING:
    from rich.text import Text

    from slowq.findings import Remedy
    from slowq.rule import Rule

_MEASURE = 80  # also where it is piped, since it may be into a pager
_INDENT = "    "


def _names(incomplete: str) -> list[str]:
    from slowq.findings import CAUSES

    return [name for names in CAUSES.values() for name in names if name.startswith(incomplete)]


def run(
    rule: Annotated[
        str, typer.Argument(metavar="RULE", help="A rule's id, as slowq rules lists them.", autocompletion=_names)
    ],
    policy: Settings = None,
    verbose: Verbose = False,
) -> None:
    """Explain a rule: what it means, how slowq tells, what to change."""
    from slowq.rules import ALL, by_id

    own = own_rules(policy)
    explained = by_id(rule, (*ALL, *own.rules) if own is not None else ALL)
    write_lines(lambda width: _page(explained, min(width, _MEASURE)))


def _page(rule: Rule, width: int) -> Iterator[str | Text]:
    yield heading(f"{rule.about.id}, a cause of the class {rule.about.cause}")
    yield from _documentation(rule, width)
    yield from _thresholds(rule, width)
    yield from _needs(rule, width)
    yield from _remedies(rule, width)


def _documentation(rule: Rule, width: int) -> Iterator[str | Text]:
    """The docstring of the rule's file, its paragraphs wrapped anew."""
    text = inspect.cleandoc(sys.modules[type(rule).__module__].__doc__ or rule.about.title)
    for block in text.split("\n\n"):
        lines = block.split("\n")
        yield ""
        if len(lines) > 1 and lines[1].startswith(" ") and not lines[0].startswith(" "):
            yield heading(lines.pop(0))
        yield from indented(" ".join(map(str.strip, lines)), width, _INDENT if lines[0].startswith(" ") else "")


def _thresholds(rule: Rule, width: int) -> Iterator[str | Text]:
    numbers = [field for field in dataclasses.fields(cast(Any, rule)) if "meaning" in field.metadata]
    if numbers:
        yield from ("", heading("Thresholds"))
    for field in numbers:
        yield f"{_INDENT}{field.name} = {_number(getattr(rule, field.name))}"
        yield from indented(field.metadata["meaning"], width, 2 * _INDENT)


def _number(value: float) -> str:
    return f"{int(value) if value == int(value) else value:,}"


def _needs(rule: Rule, width: int) -> Iterator[str | Text]:
    if rule.about.needs:
        yield from ("", heading("Needs"))
    for need in rule.about.needs:
        yield from indented(need.what[:1].upper() + need.what[1:] + ".", width, _INDENT)
        yield from indented(need.how_to_supply, width, 2 * _INDENT)


def _remedies(rule: Rule, width: int) -> Iterator[str | Text]:
    if rule.about.remedies:
        yield from ("", heading("Remedies"))
    for number, remedy in enumerate((one.filled({}) for one in rule.about.remedies), 1):
        if number > 1:
            yield ""
        yield from indented(remedy.do, width, f"{number:>2}. ".rjust(len(_INDENT)))
        told = {"because": remedy.because, "cost": remedy.cost, "verify": remedy.verify, "versions": _versions(remedy)}
        for label, text in told.items():
            if text:
                yield from indented(text, width, f"{_INDENT}{label + ':':<10}")
        if remedy.snippet:
            yield ""
        yield from (_INDENT + "  " + line for line in remedy.snippet.rstrip("\n").split("\n") if remedy.snippet)


def _versions(remedy: Remedy) -> str:
    since, before = (".".join(map(str, one)) if one else "" for one in (remedy.since, remedy.before))
    if since and before:
        return f"from Milvus {since}, and before {before}"
    return f"from Milvus {since}" if since else f"before Milvus {before}" if before else ""
