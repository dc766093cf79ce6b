"""The options that several commands share, and what they become."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from slowq.errors import UsageError
from slowq.units import go_duration_s

if TYPE_CHECKING:
    from slowq.gather import Only


GATE_FAILED = 1  # exit code: what was asked for is not so
BUG = 70  # exit code: slowq itself failed, and no result may be trusted


class Kind(StrEnum):
    SEARCH = "search"
    QUERY = "query"
    HYBRID_SEARCH = "hybrid_search"


Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH",
        help="Logs: files, folders, globs, archives, plain or compressed, as Milvus, docker, Kubernetes, Loki or "
        "Elasticsearch write them; '-' reads standard input.",
        show_default=False,
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only requests logged at TIME or later: 2025-08-23T19:20:00Z, 2025-08-23, "
        "or how long ago: 90m, 2h30m, 1d.",
    ),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only requests logged at TIME or earlier.")]
Collections = Annotated[
    list[str] | None,
    typer.Option("--collection", metavar="NAME", help="Only requests on this collection. May be repeated."),
]
Databases = Annotated[
    list[str] | None,
    typer.Option("--database", metavar="NAME", help="Only requests on this database. May be repeated."),
]
Kinds = Annotated[
    list[Kind] | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="Only requests of this kind: search, query or hybrid_search. May be repeated.",
        show_default=False,
    ),
]
MinDuration = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Only requests that took at least this long: 500ms, 1m30s, or seconds."),
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="How many processes read; one for each core if not given."),
]
Output = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write to FILE instead of standard output."),
]
Settings = Annotated[
    str | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help="A slowq.toml that names a folder of rules of your own; they are programs, and run only if named so.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a FILE that is there.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Show no progress bar.")]


def _verbose(ctx: typer.Context, asked: bool) -> bool:
    if asked and ctx.obj is not None:
        ctx.obj.verbose = True
    return asked


# It may stand before the command as well as behind it.
Verbose = Annotated[
    bool,
    typer.Option("-v", "--verbose", callback=_verbose, help="Show the traceback where slowq itself fails."),
]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which requests to keep, as the options say it."""

    since: str | None = None
    until: str | None = None
    collections: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    min_duration: str | None = None

    def only(self, now: datetime) -> Only:
        """The filters in UTC and seconds. Raises UsageError for what is no time or no duration."""
        from slowq.gather import Only
        from slowq.moments import parse_moment

        since = parse_moment(self.since, now) if self.since is not None else None
        until = parse_moment(self.until, now) if self.until is not None else None
        if since and until and until < since:
            raise UsageError(f"--until {self.until!r} is before --since {self.since!r}", hint="swap them")
        return Only(
            since=since,
            until=until,
            collections=frozenset(self.collections),
            databases=frozenset(self.databases),
            kinds=frozenset(self.kinds),
            min_duration_s=duration_s(self.min_duration) if self.min_duration is not None else 0.0,
        )

    @property
    def are_relative(self) -> bool:
        """Whether a time counts back from now, which on an old log leaves nothing."""
        from slowq.moments import parse_moment

        now = datetime.now(UTC)
        times = [text for text in (self.since, self.until) if text is not None]
        return any(parse_moment(text, now) != parse_moment(text, now - timedelta(days=1)) for text in times)

    @property
    def are_given(self) -> bool:
        return self != Filters()


def filters(
    since: str | None,
    until: str | None,
    collections: list[str] | None,
    databases: list[str] | None,
    kinds: list[Kind] | None,
    min_duration: str | None,
) -> Filters:
    return Filters(
        since, until, tuple(collections or ()), tuple(databases or ()), tuple(map(str, kinds or ())), min_duration
    )


def duration_s(text: str) -> float:
    """Seconds of `--min-duration`: as Go writes durations, or a plain number of seconds."""
    said = text.strip()
    seconds = go_duration_s(said.encode("utf-8", "replace"))
    if seconds is None:
        try:
            seconds = float(said)
        except ValueError:
            seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UsageError(f"{text!r} is not a duration", hint="give one such as 500ms, 2.5s or 1m30s, or seconds: 2.5")
    return seconds


def gates(incomplete: str) -> list[str]:
    """What `--fail-on` can name, for shell completion."""
    from slowq.policy import known_gates

    return [name for name in known_gates() if name.startswith(incomplete)]


def named_gates(names: list[str] | None, own: Sequence[str] = ()) -> list[str]:
    """The names of `--fail-on` as findings write them. Raises UsageError for one that is none."""
    from slowq.policy import gate

    return [gate(name, own=own) for name in names or ()]


def share(text: str) -> float:
    """A share from 0 to 1, also as a percentage."""
    said = text.strip()
    try:
        value = float(said.removesuffix("%")) / (100 if said.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise UsageError(f"{text!r} is not a share", hint="give one from 0 to 1, such as 0.95, or as 95%")
    return value


def suffix(path: str | None) -> str:
    """What a file's name says about its format: ``json`` of ``report.json``; empty where it says nothing."""
    return os.path.splitext(path)[1].removeprefix(".").lower() if path else ""
