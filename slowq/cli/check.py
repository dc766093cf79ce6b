"""`slowq check`: the log check of a CI step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slowq.cli import messages
from slowq.cli.measuring import TIMEOUT_S, MetricsFile, PrometheusUrl, Selector, Source, Timeout, code_of_server
from slowq.cli.options import (
    GATE_FAILED,
    Collections,
    Databases,
    Filters,
    Force,
    Jobs,
    Kinds,
    MinDuration,
    NoProgress,
    Paths,
    Since,
    Until,
    Verbose,
    duration_s,
    filters,
    gates,
    named_gates,
    share,
)
from slowq.cli.output import opened, refuse_unwritable, text
from slowq.cli.reading import code_of_broken, load_context, names_of, read_document, rules_of, saved_document
from slowq.errors import InputError, UsageError

if TYPE_CHECKING:
    from slowq.config import Config
    from slowq.own_rules import OwnRules
    from slowq.policy import Judgement, Policy

Document = Mapping[str, Any]
Baseline = dict[str, dict[str, Any]]


def _file(help_: str) -> Any:
    return typer.Option(metavar="FILE", help=help_, show_default=False)


def run(
    paths: Paths = None,
    policy: Annotated[
        str | None, _file("The policy; slowq.toml of this folder if not given, where there is one.")
    ] = None,
    context: Annotated[str | None, _file("What logs cannot show, as YAML or JSON.")] = None,
    metrics: MetricsFile = None,
    prometheus: PrometheusUrl = None,
    selector: Selector = None,
    prometheus_timeout: Timeout = TIMEOUT_S,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Fail on this cause, sub-cause or severity. May be repeated.", autocompletion=gates
        ),
    ] = None,
    max_p99: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Fail if the p99 of slow requests is longer.")
    ] = None,
    max_count: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Fail on more slow requests than N.")
    ] = None,
    max_share_of_time: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="RATIO", help="Fail on more seconds in slow requests for each second of the window."
        ),
    ] = None,
    min_coverage: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE", help="Exit with 3 if less of the lines was understood; half of them if not given."
        ),
    ] = None,
    baseline: Annotated[
        str | None, _file("An earlier baseline or report: only patterns that are new or worse fail.")
    ] = None,
    update_baseline: Annotated[
        bool,
        typer.Option("--update-baseline", help="Write the baseline anew: what is gone leaves it, numbers only fall."),
    ] = False,
    accept_new: Annotated[
        bool, typer.Option("--accept-new", help="With --update-baseline: take in what is new or worse, too.")
    ] = False,
    json_: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the report and the judgement.", show_default=False),
    ] = None,
    markdown: Annotated[str | None, _file("Write the report as Markdown.")] = None,
    sarif: Annotated[str | None, _file("Write SARIF 2.1.0.")] = None,
    junit: Annotated[str | None, _file("Write JUnit XML, a test case for each thing that is asked.")] = None,
    gitlab: Annotated[str | None, _file("Write a code quality report for GitLab.")] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Print annotations for GitHub Actions, and write its job summary.")
    ] = False,
    since: Since = None,
    until: Until = None,
    collection: Collections = None,
    database: Databases = None,
    kind: Kinds = None,
    min_duration: MinDuration = None,
    jobs: Jobs = None,
    force: Force = False,
    no_progress: NoProgress = False,
    verbose: Verbose = False,
) -> int:
    """Hold logs against limits, causes and a baseline: for CI.

    PATH may also be a report that `slowq analyze --format json` wrote. Exit codes: 0 all is kept; 1 something failed; 2
    the command line or the policy is wrong; 3 the logs are not usable or too little of them was understood; 4 Prometheus
    could not be used; 70 a bug in slowq.
    """
    from slowq.config import find, load

    config = load(find(policy))
    own = rules_of(config) if policy is not None else None
    if policy is None and config.get("rules.folder") is not None:
        messages.hint(
            f"the rules of {config.get('rules.folder')!r} are programs, and run with --policy {config.path} alone"
        )
    asked = _policy(config, names_of(own), fail_on, max_p99, max_count, max_share_of_time, min_coverage)
    kept = filters(since, until, collection, database, kind, min_duration)
    source = Source(metrics, prometheus, selector, prometheus_timeout, needed=not paths and context is None)
    if not paths and context is None and not source:
        raise UsageError("nothing to check: no PATH, no --context and no metrics", hint="slowq check /var/log/milvus")
    remembered = baseline or config.get("check.baseline")
    if update_baseline and remembered is None:
        raise UsageError("--update-baseline needs --baseline FILE")
    for path in filter(None, (json_, markdown, sarif, junit, gitlab)):
        refuse_unwritable(path, force=force)
    earlier = _earlier(remembered, may_be_new=update_baseline and accept_new) if remembered else None
    document = _document(paths or [], kept, context, source, own, jobs, no_progress)

    from slowq.policy import judge, updated

    later = updated(document, earlier, grow=accept_new) if update_baseline and earlier is not None else None
    accepted = later if accept_new and later is not None else earlier  # what is taken in is neither new nor worse
    judgement = judge(document, asked, accepted, _today())
    _refuse_too_little(document, asked.min_coverage)
    for path, content in _files(document, judgement, json_, markdown, sarif, junit, gitlab):
        with opened(path, force=force) as stream:
            stream.write(content)
    if remembered is not None and later is not None:
        _write_baseline(remembered, later)
    _show(document, judgement, github=github)
    return code_of_broken(document) or (GATE_FAILED if judgement.failed else 0) or code_of_server(source)


def _today() -> date:
    return datetime.now(UTC).date()


def _policy(
    config: Config,
    own: Sequence[str],
    fail_on: list[str] | None,
    max_p99: str | None,
    max_count: int | None,
    max_share_of_time: float | None,
    min_coverage: str | None,
) -> Policy:
    """The policy of the file, with what the command line says in its place."""
    from slowq.policy import from_config

    said = from_config(config, own)
    limits: dict[str, Any] = {
        "max_p99": duration_s(max_p99) if max_p99 is not None else None,
        "max_count": max_count,
        "max_share_of_time": max_share_of_time,
    }
    return replace(
        said,
        run=replace(said.run, **{name: value for name, value in limits.items() if value is not None}),
        fail_on=tuple(dict.fromkeys([*said.fail_on, *named_gates(fail_on, own)])),
        min_coverage=share(min_coverage) if min_coverage is not None else said.min_coverage,
    )


def _document(
    paths: list[str],
    kept: Filters,
    context: str | None,
    source: Source,
    own: OwnRules | None,
    jobs: int | None,
    no_progress: bool,
) -> Document:
    if len(paths) == 1 and (saved := saved_document(paths[0])) is not None:
        if kept.are_given or context:
            raise UsageError(
                f"{paths[0]!r} is a report, which is taken as it is", hint="give filters and files when it is made"
            )
        return saved
    return read_document(
        paths,
        kept,
        context=load_context(context),
        metrics=source if source else None,
        own=own,
        jobs=jobs,
        no_progress=no_progress,
    )


def _refuse_too_little(document: Document, least: float) -> None:
    """Raise InputError where too little was understood to say that all is well."""
    understood = document["coverage"]["share_understood"]
    if understood is not None and understood < least:
        raise InputError(
            f"only {int(understood * 1e4) / 1e4:.4f} of the lines were understood, less than {least:.6g}",
            hint="check that these are logs of Milvus; slowq analyze shows the first lines that were not",
        )


def _earlier(path: str, *, may_be_new: bool) -> Baseline:
    """Pattern → what a baseline, or a report, remembers of it."""
    from slowq.policy import BASELINE, baseline_of

    if may_be_new and not Path(path).exists():
        return {}
    try:
        found = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "make it with --update-baseline --accept-new" if isinstance(error, FileNotFoundError) else None
        raise UsageError(f"cannot read the baseline {path!r}: {reason}", hint=hint) from error
    if isinstance(found, dict) and found.get("slowq_baseline") == BASELINE and isinstance(found.get("patterns"), dict):
        return {str(name): dict(one) for name, one in found["patterns"].items() if isinstance(one, dict)}
    if (saved := saved_document(path)) is not None:
        return baseline_of(saved)
    raise UsageError(f"{path!r} is neither a baseline nor a report of slowq")


def _write_baseline(path: str, kept: Baseline) -> None:
    from slowq.policy import BASELINE

    with opened(path, force=True) as stream:
        stream.write(_json({"slowq_baseline": BASELINE, "patterns": dict(sorted(kept.items()))}))
    messages.hint(f"{path} holds {len(kept):,} patterns now")


def _files(
    document: Document,
    judgement: Judgement,
    json_: str | None,
    markdown: str | None,
    sarif: str | None,
    junit: str | None,
    gitlab: str | None,
) -> Iterator[tuple[str, bytes]]:
    """Each file that was asked for, and what it holds."""
    if json_:
        lines = [
            {"id": one.id, "outcome": one.outcome, "says": one.says, "cites": list(one.cites)}
            for one in judgement.lines
        ]
        yield json_, _json({**document, "check": {"passed": not judgement.failed, "lines": lines}})
    if markdown:
        yield markdown, _markdown(document, judgement)
    if sarif:
        from slowq.report import sarif as sarif_report

        yield sarif, _json(sarif_report.render(document, judgement))
    if junit:
        from slowq.report import junit as junit_report

        yield junit, junit_report.render(judgement)
    if gitlab:
        from slowq.report import gitlab as gitlab_report

        yield gitlab, _json(gitlab_report.render(document, judgement))


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode("utf-8", "backslashreplace")


def _markdown(document: Document, judgement: Judgement) -> bytes:
    from slowq.report import markdown

    checked = [f"- **{one.outcome}** {markdown.code(one.id)}: {markdown.prose(one.says)}" for one in judgement.lines]
    head = f"# slowq check: {'failed' if judgement.failed else 'passed'}\n\n" + "\n".join(checked) + "\n\n"
    return (head + markdown.render(document)).encode("utf-8", "backslashreplace")


def _show(document: Document, judgement: Judgement, *, github: bool) -> None:
    from slowq.report import checked

    def draw(console: Any) -> None:
        for line in checked.lines(document, judgement, console.width):
            console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)

    shown = text(draw)
    if github:
        from slowq.report.github import commands, without_commands

        said = "".join(f"{line}\n" for line in commands(judgement))
        shown = without_commands(shown) + said.encode("utf-8", "backslashreplace")
        _summarise(document, judgement)
    with opened(None, force=False) as stream:
        stream.write(shown)


def _summarise(document: Document, judgement: Judgement) -> None:
    """The job summary, where GitHub says that it takes one; at most the 1 MiB that a step may write."""
    import os

    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with open(path, "ab") as stream:
                stream.write(_markdown(document, judgement)[: 1 << 20])
        except OSError as error:
            messages.warning(f"no job summary: {error.strerror}")
