"""`slowq analyze`: from logs and facts to the cause and what to change."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from slowq.cli import messages
from slowq.cli.context import Ca, Live, TokenEnv, Uri, code_of_milvus
from slowq.cli.measuring import TIMEOUT_S, MetricsFile, PrometheusUrl, Selector, Source, Timeout, code_of_server
from slowq.cli.options import (
    GATE_FAILED,
    Collections,
    Databases,
    Force,
    Jobs,
    Kinds,
    MinDuration,
    NoProgress,
    Output,
    Paths,
    Settings,
    Since,
    Until,
    Verbose,
    filters,
    gates,
    named_gates,
    share,
)
from slowq.cli.output import opened, refuse_unwritable
from slowq.cli.proving import BUDGET_S
from slowq.cli.reading import code_of_broken, load_context, names_of, own_rules, read_document
from slowq.cli.rendering import Document, Format, format_for, rendered
from slowq.errors import InputError, UsageError


def run(
    paths: Paths = None,
    context: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="What logs cannot show (collections, indexes, hardware, what was observed), as YAML or JSON. "
            "Enough without any log.",
        ),
    ] = None,
    uri: Uri = None,
    token_env: TokenEnv = None,
    ca: Ca = None,
    metrics: MetricsFile = None,
    prometheus: PrometheusUrl = None,
    selector: Selector = None,
    prometheus_timeout: Timeout = TIMEOUT_S,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="How to say it; if not given, what the name of --output says, else text.",
            show_default=False,
        ),
    ] = None,
    output: Output = None,
    html: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the report as one HTML file as well, to read, forward or print."),
    ] = None,
    force: Force = False,
    since: Since = None,
    until: Until = None,
    collection: Collections = None,
    database: Databases = None,
    kind: Kinds = None,
    min_duration: MinDuration = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Exit with 1 if there is a finding of this cause or sub-cause, or of at least this severity (info, "
            "warning, critical). May be repeated.",
            autocompletion=gates,
        ),
    ] = None,
    policy: Settings = None,
    min_coverage: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE", help="Exit with 3 if less than this share of the lines was understood: 0.95, 95%."
        ),
    ] = None,
    prove: Annotated[
        bool,
        typer.Option("--prove", help="Reproduce the first findings on the bundled engine, and measure their remedies."),
    ] = False,
    prove_seconds: Annotated[
        float, typer.Option(min=20, metavar="SECONDS", help="How long --prove may take, about.")
    ] = BUDGET_S,
    jobs: Jobs = None,
    no_progress: NoProgress = False,
    verbose: Verbose = False,
) -> int:
    """Find out why searches are slow, and what to change.

    Exit codes: 0 it ran; 1 --fail-on found what it names; 2 the command line or the context file is wrong; 3 the logs
    are not usable, or were understood less than --min-coverage; 4 Prometheus or Milvus could not be
    used; 70 a bug in slowq.
    """
    source = Source(
        metrics, prometheus, selector, prometheus_timeout, needed=not paths and context is None and uri is None
    )
    if not paths and context is None and uri is None and not source:
        raise UsageError(
            "nothing to analyze: no PATH, no --context and no metrics",
            hint="slowq analyze /var/log/milvus, or slowq analyze --context facts.yaml; '-' reads standard input",
        )
    kept = filters(since, until, collection, database, kind, min_duration)
    own = own_rules(policy)
    stops = named_gates(fail_on, names_of(own))
    least = share(min_coverage) if min_coverage is not None else None
    _refuse_unwritable(output, html, force=force)
    alone = not paths and context is None and not source
    facts = load_context(context) if uri is None else Live(uri, token_env, ca, context, needed=alone)
    refused: list[InputError] = []
    document = read_document(
        paths or [],
        kept,
        context=facts,
        metrics=source if source else None,
        own=own,
        jobs=jobs,
        no_progress=no_progress,
        unusable=refused.append,
    )
    for error in refused:
        messages.error(error.message, error.hint)
        messages.warning("the report is of the context and the metrics alone, without these logs")
    if prove:
        from slowq.cli import proving

        proving.prove(document, facts.told if isinstance(facts, Live) else facts, prove_seconds)
    reports = [(output, format_for(format_, output))] + ([(html, Format.HTML)] if html is not None else [])
    for path, form in reports:
        report = rendered(document, form, path)
        with opened(path, force=force) as stream:
            stream.write(report)
    code = _exit_code(document, stops, least)
    return code or (InputError.exit_code if refused else 0) or code_of_server(source) or code_of_milvus(facts)


def _refuse_unwritable(output: str | None, html: str | None, *, force: bool) -> None:
    for path in (output, html):
        refuse_unwritable(path, force=force)
    if html is not None and (html == (output or "-") or os.path.realpath(html) == os.path.realpath(output or "")):
        raise UsageError(f"--html {html!r}: the other report goes there", hint="name another file for one of them")


def _exit_code(document: Document, stops: Sequence[str], least: float | None) -> int:
    """The first that applies of: a bug, a failed gate, too little understood. Each of them is said."""
    from slowq.policy import stopped_by

    code = 0
    understood = document["coverage"]["share_understood"]
    if least is not None and understood is not None and understood < least:
        # Cut, not rounded: it must not look as if it were enough.
        messages.error(
            f"--min-coverage {least:.6g}: only {int(understood * 1e4) / 1e4:.4f} of the lines were understood"
        )
        code = InputError.exit_code
    for gate in stops:
        found = [finding for finding in document["findings"] if stopped_by(gate, finding)]
        if found:
            said = ", ".join(f"{one['sub_cause']} ({one['severity']})" for one in found)
            messages.error(f"--fail-on {gate}: found {said}")
            code = GATE_FAILED
    return code_of_broken(document) or code
