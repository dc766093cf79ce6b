"""`slowq reproduce`: proves a finding and its remedy on the bundled engine, or on a Milvus."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slowq.cli import messages, targets
from slowq.cli.context import TokenEnv
from slowq.cli.engine import HOW, MISSING
from slowq.cli.measuring import TIMEOUT_S, MetricsFile, PrometheusUrl, Selector, Source
from slowq.cli.options import GATE_FAILED, Force, Verbose
from slowq.cli.output import opened, refuse_unwritable
from slowq.cli.show import content_of
from slowq.cli.targets import Aim
from slowq.errors import ServerError, UsageError

if TYPE_CHECKING:
    from slowq.facts import Context
    from slowq.repro.plan import Known
    from slowq.repro.run import Arm, Options
    from slowq.repro.scenario import Remedy, Scenario

Rounds = Annotated[int, typer.Option(min=2, help="How many rounds each set-up gets, in turns.")]
Seconds = Annotated[float, typer.Option(min=0.2, help="How long a round lasts.")]
Seed = Annotated[int, typer.Option(min=0, help="What the data and the order of requests are drawn from.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the receipts as JSON.")]


def run(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A report (.json, .html), a scenario (.yaml), or logs.")
    ],
    finding: Annotated[int, typer.Option(min=1, help="Which finding of the report.")] = 1,
    remedy: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Which remedy; the first if not given. May be repeated, to compare them."),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=FROM..TO", help="Measure latency against recall along one number: ef=32..512, nq=1..256."
        ),
    ] = None,
    context: Annotated[
        str | None, typer.Option(metavar="FILE", help="The context file: rows, dimension, index, types of the fields.")
    ] = None,
    metrics: MetricsFile = None,
    prometheus: PrometheusUrl = None,
    selector: Selector = None,
    target: targets.Uri = "engine",
    target_log: targets.Logs = None,
    target_metrics: targets.Metrics = None,
    token_env: TokenEnv = None,
    yes: targets.Yes = False,
    beside_traffic: targets.BesideTraffic = False,
    rows: Annotated[int | None, typer.Option(min=100, help="How many rows, in the place of what fits.")] = None,
    rounds: Rounds = 5,
    seconds: Seconds = 2.0,
    seed: Seed = 1,
    save: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the scenario, to be repeated anywhere.")
    ] = None,
    as_json: AsJson = False,
    force: Force = False,
    verbose: Verbose = False,
) -> int:
    """Prove a finding and its remedy on an engine or a Milvus.

    Before and after take turns, at least five times. Exit codes: 0 confirmed; 1 not confirmed; 2 the command line is
    wrong, or it does not fit; 3 the input is not usable; 4 the target could not be used.
    """
    refuse_unwritable(save, force=force)
    measures = Source(metrics, prometheus, selector, TIMEOUT_S, needed=False)
    scenario = scenario_of(source, finding, context, rows, measures)
    chosen = [scenario.remedy(key).key for key in remedy or ()]
    options = Aim(target, target_log, target_metrics, token_env, yes, beside_traffic).options(rounds, seconds, seed)
    if save is not None:
        from slowq.repro.scenario import to_yaml

        with opened(save, force=force) as stream:
            stream.write(to_yaml(scenario).encode())
    scenario = targets.fit(scenario, options, chosen)
    if sweep is not None:
        return _swept(scenario, sweep, options, as_json=as_json)
    receipts = prove(scenario, scenario.remedies if chosen else scenario.remedies[:1], options)
    _show(scenario, receipts, as_json=as_json)
    if trouble := next((one["trouble"] for one in receipts if one["trouble"]), None):
        messages.error(f"{trouble}; what was measured before that is above")
        return ServerError.exit_code
    return 0 if any(one["outcome"] == "confirmed" for one in receipts) else GATE_FAILED


def scenario_of(
    source: str,
    finding: int,
    context: str | None,
    rows: int | None,
    measures: Source,
) -> Scenario:
    """From a scenario file, a saved report, or logs that are analyzed first."""
    require_engine()
    from slowq.cli.options import filters
    from slowq.cli.reading import load_context, read_document
    from slowq.repro.plan import plan
    from slowq.repro.scenario import from_yaml

    if source.endswith((".yaml", ".yml")):
        return from_yaml(Path(source))
    facts = load_context(context)
    if source.endswith((".json", ".html")):
        from slowq.report.saved import load

        document = load(content_of(source), source)
    else:
        document = read_document(
            [source],
            filters(None, None, None, None, None, None),
            context=facts,
            metrics=measures if measures else None,
            no_progress=True,
        )
    return plan(document, finding, known_of(document, finding, facts), rows)


def known_of(document: Mapping[str, Any], finding: int, facts: Context | None) -> Known:
    """What the context says of the collection of the finding."""
    from slowq.facts import FieldFacts, IndexFacts
    from slowq.repro.plan import Known

    if facts is None or not document["findings"]:
        return Known()
    cpus = _cpus(facts.hardware)
    wanted = {
        pattern["collection"]
        for pattern in document["patterns"]
        if pattern["id"] in document["findings"][min(finding, len(document["findings"])) - 1]["culprits"]
    }
    for one in facts.collections:
        if one.name in wanted or (not wanted and len(facts.collections) == 1):
            vector = next((field for field in one.fields if field.is_vector), FieldFacts())
            index = vector.index or IndexFacts()
            types = {field.name: field.type for field in one.fields if field.name and field.type}
            return Known(one.rows, vector.dim, index.type, index.metric, index.params, types, cpus)
    return Known(cpus=cpus)


def _cpus(hardware: Mapping[str, Any]) -> int | None:
    """Of all query nodes together."""
    each = hardware.get("cpus_per_node")
    nodes = hardware.get("query_nodes") or 1
    return int(each * nodes) if isinstance(each, int | float) and isinstance(nodes, int) else None


def require_engine() -> None:
    try:
        import faiss
        import pymilvus
    except ImportError as error:
        raise UsageError(f"{MISSING}: {error}", hint=HOW) from error
    del faiss, pymilvus
    import logging

    for name in ("pymilvus", "pymilvus.milvus_client"):  # what fails is said by us, once
        logging.getLogger(name).setLevel(logging.CRITICAL)


def prove(scenario: Scenario, remedies: Sequence[Remedy], options: Options) -> list[dict[str, Any]]:
    """One receipt a remedy, all of them measured in the same rounds."""
    from slowq.repro.judge import judge
    from slowq.repro.receipt import receipt
    from slowq.repro.run import run as run_arms

    setups = [("before", scenario.before), *((one.key, scenario.after(one)) for one in remedies)]
    before, *afters = run_arms(scenario.name, setups, options, _progress)
    return [
        receipt(scenario, remedy, before, after, judge(scenario, before, after), options)
        for remedy, after in zip(remedies, afters, strict=True)
    ]


def _progress(text: str) -> None:
    import sys

    if sys.stderr.isatty():
        typer.echo(f"\r\x1b[K{text}", err=True, nl=False)


def end_progress() -> None:
    import sys

    if sys.stderr.isatty():
        typer.echo("\r\x1b[K", err=True, nl=False)


def _show(scenario: Scenario, receipts: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    from slowq.report.receipts import lines

    end_progress()
    if as_json:
        typer.echo(json.dumps(list(receipts), indent=1, ensure_ascii=False))
        return
    typer.echo(f"{scenario.rule.replace('_', ' ')}: {scenario.says}")
    for one in scenario.assumed:
        typer.echo(f"assumed: {one}")
    for made in receipts:
        typer.echo("")
        for line in lines(made):
            typer.echo(line)


def _swept(scenario: Scenario, text: str, options: Options, *, as_json: bool) -> int:
    from slowq.repro.sweep import sweep

    points = sweep(scenario, text, options, _progress)
    end_progress()
    if as_json:
        typer.echo(json.dumps([one.as_dict() for one in points], indent=1))
        return 0
    for line in table(points):
        typer.echo(line)
    return 0


def table(points: Sequence[Any]) -> list[str]:
    rows = [("", "p50 ms", "p99 ms", "QPS", "recall", "")]
    rows += [
        (
            one.label,
            f"{one.p50_s * 1e3:.1f}",
            f"{one.p99_s * 1e3:.1f}",
            f"{one.qps:.0f}",
            "" if one.recall is None else f"{one.recall:.3f}",
            "knee" if one.is_knee else "",
        )
        for one in points
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def arms_of(scenario: Scenario, remedies: Sequence[Remedy], options: Options) -> list[Arm]:
    """Base, before and one arm a remedy: what the catalogue measures."""
    from slowq.repro.run import run as run_arms

    setups = [("base", scenario.base), ("before", scenario.before)]
    setups += [(one.key, scenario.after(one)) for one in remedies]
    return run_arms(scenario.name, setups, options, _progress)
