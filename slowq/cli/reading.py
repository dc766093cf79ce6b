"""Reading what the command line names into a case, with a bar, warnings, and a hint where the filters leave nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from slowq.cli import messages
from slowq.cli.options import BUG, Filters
from slowq.cli.progress import bar
from slowq.moments import utc_text

if TYPE_CHECKING:
    import pandas as pd

    from slowq.config import Config
    from slowq.errors import InputError
    from slowq.facts import Case, Context
    from slowq.gather import Ask, Tell
    from slowq.own_rules import OwnRules

_BACK_FROM_NOW = "; a time such as 2h counts back from now"
_HEAD = 4096
_NAMES = 5  # of collections and the like that a hint lists


def read_document(
    paths: Sequence[str],
    filters: Filters,
    *,
    context: Context | Tell | None = None,
    metrics: Ask | None = None,
    own: OwnRules | None = None,
    jobs: int | None = None,
    no_progress: bool = False,
    unusable: Callable[[InputError], None] | None = None,
) -> dict[str, Any]:
    """The document of everything that is named: logs, context, metrics; as slowq's rules and the user's own see it.

    `unusable` as `gather` has it.
    """
    case = read_case(
        paths,
        filters,
        context=context,
        metrics=metrics,
        jobs=jobs,
        no_progress=no_progress,
        meanwhile=_import_judgement,
        unusable=unusable,
    )

    from slowq.parsers.columns import give_back
    from slowq.report.document import document
    from slowq.rules import ALL
    from slowq.triage import diagnose

    give_back()
    if own is None:
        diagnosis = diagnose(case)
    else:
        with redirect_stdout(sys.stderr):  # where the result alone goes
            diagnosis = diagnose(case, (*ALL, *own.rules), own.unusable)
    give_back()
    return document(case, diagnosis)


def _import_judgement() -> None:
    """What turns a case into a document: 0.06 s, of which there are enough as long as workers read."""
    import slowq.report.document
    import slowq.report.events
    import slowq.report.metrics
    import slowq.report.series
    import slowq.report.timeline
    import slowq.report.workload
    import slowq.rules
    import slowq.triage  # noqa: F401


def own_rules(path: str | None) -> OwnRules | None:
    """The rules of the folder that this configuration names. Raises UsageError where it is no folder.

    Rules are programs, so that only a file that the user named may bring them: a `slowq.toml` that lies in the current
    folder may be part of logs that somebody sent.
    """
    if path is None:
        return None
    from slowq.config import load

    return rules_of(load(path))


def rules_of(config: Config) -> OwnRules | None:
    """The same, of a configuration that is read already."""
    if config.get("rules.folder") is None:
        return None
    from slowq.own_rules import of_config

    with redirect_stdout(sys.stderr):
        return of_config(config)


def names_of(own: OwnRules | None) -> list[str]:
    """What the findings of own rules are called."""
    return [rule.about.id for rule in own.rules] if own is not None else []


def load_context(path: str | None) -> Context | None:
    """The facts of a context file, where one is named."""
    if path is None:
        return None
    from slowq.context import load

    return load(path)


def saved_document(path: str) -> dict[str, Any] | None:
    """The document of a saved report, JSON or HTML; None for a file that is none. InputError for a damaged one."""
    if not path.endswith((".json", ".html")):
        return None
    try:
        with open(path, "rb") as stream:
            head = stream.read(_HEAD)
            if b'"schema"' not in head and head.lstrip()[:1] != b"<":
                return None  # a log as JSON lines, say
            content = head + stream.read()
    except OSError:
        return None
    from slowq.report.saved import load

    return load(content, path)


def code_of_broken(document: Mapping[str, Any]) -> int:
    """Say which rules failed; the exit code of that, 0 for none."""
    for one in document["broken"]:
        if one.get("own"):
            messages.error(f"your own rule {one['sub_cause']} could not run: {one['error']}")
        else:
            messages.error(
                f"the rule {one['sub_cause']} failed, which is a bug in slowq: {one['error']}", "please report it"
            )
    return BUG if document["broken"] else 0


def read_case(
    paths: Sequence[str],
    filters: Filters,
    *,
    context: Context | Tell | None = None,
    metrics: Ask | None = None,
    jobs: int | None = None,
    no_progress: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
    unusable: Callable[[InputError], None] | None = None,
) -> Case:
    """Logs, context and metrics together; `meanwhile` and `unusable` as `gather` has them."""
    from slowq.gather import gather

    hints: list[str] = []  # said once the bar is gone, which takes the lines below it along

    def none_left(requests: pd.DataFrame) -> None:
        hints.append("; ".join(_what_there_is(requests, filters)))

    only, shown = filters.only(datetime.now(UTC)), bar(paths, hidden=no_progress)
    with shown or nullcontext():
        case = gather(
            paths,
            context,
            metrics=metrics,
            only=only,
            jobs=jobs,
            progress=shown,
            warn=messages.warning,
            none_left=none_left,
            meanwhile=meanwhile,
            unusable=unusable,
        )
    for hint in hints:
        messages.hint(hint)
    return case


def _what_there_is(requests: pd.DataFrame, filters: Filters) -> Iterator[str]:
    from slowq.report.text import count, duration

    yield f"the filters leave none of {count(len(requests), 'request')}"
    if filters.since or filters.until:
        times = requests["at"].dropna()
        if len(times):
            newest, oldest = utc_text(times.max().to_pydatetime()), utc_text(times.min().to_pydatetime())
            yield f"the newest request is of {newest}, the oldest of {oldest}" + _BACK_FROM_NOW * filters.are_relative
    wanted = {"collection": filters.collections, "database": filters.databases, "kind": filters.kinds}
    for name in filter(wanted.__getitem__, wanted):
        seen = requests[name].astype(object).value_counts().index.tolist()
        more = f" and {len(seen) - _NAMES:,} more" if len(seen) > _NAMES else ""
        listed = f": {', '.join(map(str, seen[:_NAMES]))}{more}" if seen else ""
        yield f"the log names {count(len(seen), name)}{listed}"
    if filters.min_duration:
        yield f"the longest took {duration(requests['duration_s'].max())}"
