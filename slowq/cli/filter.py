"""`slowq filter`: what is costly in a filter, and what to write instead."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slowq.cli import messages
from slowq.cli.options import Verbose
from slowq.cli.output import opened, write_lines
from slowq.errors import InputError, UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from slowq.filters.schema import Schema, Version
    from slowq.report.filters import Given

_GATE_FAILED, _NOT_READ = 1, 3
_MOST_BYTES = 1 << 28


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


class FailOn(StrEnum):
    ANY = "any"
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


def run(
    expression: Annotated[
        str | None,
        typer.Argument(metavar="EXPR", help="A filter expression; '-' reads them from standard input, one a line."),
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="Expressions, one a line; # begins a comment line.")
    ] = None,
    report: Annotated[
        str | None,
        typer.Option("--report", metavar="REPORT", help="The patterns of a report that analyze --format json wrote."),
    ] = None,
    milvus_version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Your Milvus, such as 2.4.5; the newest if not given.")
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option("--schema", metavar="FILE", help="A context file with the collection's fields and indexes."),
    ] = None,
    collection: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which collection of --schema, where it has several.")
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(help="Exit with 1 if anything costly is found (any), or something of this severity or worse."),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to say it.")] = Format.TEXT,
    verbose: Verbose = False,
) -> int:
    """Find what is costly in a filter, and what to write instead.

    Exit code 3: an expression cannot be read, which no --fail-on overrules.
    """
    from slowq.filters.lint import SEVERITIES

    if sum(one is not None for one in (expression, file, report)) != 1:
        raise UsageError(
            "give one of EXPR, --file and --report",
            hint="slowq filter 'tag == 1 or tag == 2' --milvus-version 2.4.5",
        )
    given = _given(expression, file, report, _version(milvus_version), _schema(schema, collection))
    if not given:
        messages.hint(f"no pattern of {report!r} has a filter")
    if format_ is Format.JSON:
        _write_json(given, milvus_version)
    else:
        write_lines(lambda width: _page(given, width))
    unread = [one for one in given if one.judgement.trouble and one.pattern is None]
    if unread:
        _tell(unread)
        return _NOT_READ
    worst = max((SEVERITIES.index(found.severity) for one in given for found in one.judgement.costly), default=-1)
    limit = None if fail_on is None else 0 if fail_on is FailOn.ANY else SEVERITIES.index(fail_on.value)
    return _GATE_FAILED if limit is not None and worst >= limit else 0


def _given(
    expression: str | None, file: str | None, report: str | None, version: Version | None, schema: Schema
) -> list[Given]:
    from slowq.filters.judge import judge, judge_shape
    from slowq.report.filters import Given

    if report is not None:
        return [
            Given(judge_shape(one["filter"], version, schema), report, pattern=_pattern(one))
            for one in _patterns(report)
        ]
    if expression is not None and expression != "-":
        if not expression.strip():
            raise InputError("the filter is empty", hint="to Milvus an empty text is no filter at all")
        return [Given(judge(expression, version, schema))]
    source = "standard input" if file is None or file == "-" else file
    listed = [
        Given(judge(text.strip(), version, schema), source, number)
        for number, text in enumerate(_text(file or "-").split("\n"), 1)
        if text.strip() and not text.lstrip().startswith("#")
    ]
    if not listed:
        raise InputError(f"no expressions in {source!r}", hint="write one on each line")
    return listed


def _text(path: str) -> str:
    try:
        if path == "-":
            data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with open(path, "rb") as stream:
                data = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path!r}: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path!r} is larger than {_MOST_BYTES >> 20} MiB", hint="split it")
    return data.decode("utf-8", "replace")


def _patterns(path: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(_text(path))
        found = [one for one in document["patterns"] if one["filter"]]
        for one in found:
            str.strip(one["filter"])
            _pattern(one)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{path!r} is no report", hint="slowq analyze … --format json --output report.json") from None
    return found


def _pattern(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(one["id"]),
        "collection": one["collection"],
        "count": int(one["count"]),
        "sum_s": float(one["duration_s"].get("sum") or 0.0),
    }


def _version(text: str | None) -> Version | None:
    from slowq.versions import version_range

    found = version_range(text) if text is not None else None
    if text is not None and found is None:
        raise UsageError(f"{text!r} is no version of Milvus", hint="give one such as 2.4.5 or 2.6")
    return found[0] if found else None


def _schema(path: str | None, collection: str | None) -> Schema:
    from slowq.filters.schema import FieldInfo, Schema

    if path is None:
        if collection is not None:
            raise UsageError("--collection needs --schema")
        return Schema()
    from slowq.context.file import load

    known = {one.name or "": one for one in load(path).collections if one.fields}
    if collection is None and len(known) > 1:
        raise UsageError(f"{path!r} has several collections", hint=f"name one with --collection: {', '.join(known)}")
    chosen = next(iter(known.values()), None) if collection is None else known.get(collection)
    if chosen is None:
        missing = f"no collection {collection!r}" if collection else "no collection with fields"
        raise UsageError(f"{path!r} has {missing}", hint="see docs/context.md for what it may hold")
    fields = {
        one.name: FieldInfo((one.type or "").upper(), one.index.type if one.index else None, bool(one.primary))
        for one in chosen.fields
        if one.name
    }
    return Schema(fields, chosen.name or "")


def _write_json(given: list[Given], version: str | None) -> None:
    from slowq import __version__
    from slowq.report.filters import as_object

    said = {
        "schema": 1,
        "slowq": __version__,
        "milvus_version": version,
        "filters": [as_object(one) for one in given],
    }
    text = json.dumps(said, ensure_ascii=False, indent=1)
    with opened(None, force=False) as stream:
        stream.write(text.encode("utf-8", "backslashreplace") + b"\n")


def _page(given: list[Given], width: int) -> Iterator[str | Text]:
    from slowq.report.filters import lines

    for number, one in enumerate(given):
        if number:
            yield from ("", "\u2500" * min(width, 60))
        yield from lines(one, width)


def _tell(unread: list[Given]) -> None:
    for one in unread:
        if one.judgement.trouble:
            where = f"{one.source}:{one.line}: " if one.line is not None else ""
            messages.error(where + one.judgement.trouble.message)
