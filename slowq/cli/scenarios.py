"""`slowq scenarios`: the catalogue of faults that can be made, seen and taken away again."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slowq.cli import messages, targets
from slowq.cli.context import TokenEnv
from slowq.cli.options import GATE_FAILED, Verbose
from slowq.cli.reproduce import AsJson, Rounds, Seconds, Seed, arms_of, end_progress, require_engine
from slowq.cli.targets import Aim
from slowq.errors import ServerError, UsageError

if TYPE_CHECKING:
    from slowq.repro.run import Options
    from slowq.repro.scenario import Scenario

# A fault that does not hurt this much proves nothing; a remedy must bring it back to this much of the healthy base.
HURTS = 3.0
BACK = 1.5


def list_() -> int:
    """List the scenarios: one for each sub-cause that one machine can produce."""
    from slowq.repro.scenarios import catalogue

    known = catalogue()
    width = max(len(name) for name in known)
    for name, one in sorted(known.items()):
        typer.echo(f"{name.ljust(width)}  {one.says}")
        typer.echo(f"{'':<{width}}  remedies: {', '.join(remedy.key for remedy in one.remedies)}")
    return 0


def run(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Run every scenario.")] = False,
    target: targets.Uri = "engine",
    target_log: targets.Logs = None,
    target_metrics: targets.Metrics = None,
    token_env: TokenEnv = None,
    yes: targets.Yes = False,
    beside_traffic: targets.BesideTraffic = False,
    rounds: Rounds = 5,
    seconds: Seconds = 1.3,
    seed: Seed = 1,
    keep: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Keep log, metrics and facts of each set-up there, to be analyzed again."),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Run scenarios: the healthy base, the fault, and each remedy, in turns.

    Exit codes: 0 every fault hurt, its rule came first, and a remedy mended it; 1 not so; 4 the target could not be used.
    """
    require_engine()
    from slowq.repro.scenarios import catalogue, named

    if not names and not every:
        raise UsageError("no scenario named", hint="slowq scenarios list, or --all")
    chosen = list(catalogue().values()) if every else [named(name) for name in names or ()]
    options = Aim(target, target_log, target_metrics, token_env, yes, beside_traffic).options(rounds, seconds, seed)
    kept = None if keep is None else _folder(keep)
    results = []
    for scenario in chosen:
        began, load = time.monotonic(), os.getloadavg()[0]
        try:
            result = _measured(scenario, options, kept)
        except UsageError as error:  # it cannot be made there, or does not fit
            if not every:
                raise
            result = {"scenario": scenario.name, "skipped": error.message}
        took_s = round(time.monotonic() - began, 1)
        results.append(result | {"took_s": took_s, "load": [load, os.getloadavg()[0]]})
        if not as_json:
            end_progress()
            _show(results[-1])
    if as_json:
        end_progress()
        typer.echo(json.dumps(results, indent=1, ensure_ascii=False))
    if trouble := next((one["trouble"] for one in results if one.get("trouble")), None):
        messages.error(trouble)
        return ServerError.exit_code
    return 0 if all(one.get("green", True) for one in results) else GATE_FAILED


def _folder(name: str) -> Path:
    """A folder to write in; one that is made now, where there is none."""
    try:
        path = Path(name)
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write into {name!r}: {error.strerror}", hint="name a folder") from error
    return path


def _measured(scenario: Scenario, options: Options, kept: Path | None) -> dict[str, Any]:
    from slowq.repro.keep import keep as keep_arms

    scenario = targets.fit(scenario, options)
    arms = arms_of(scenario, scenario.remedies, options)
    if kept is not None:
        keep_arms(kept, scenario, arms)
    return judged(scenario, arms, options)


def judged(scenario: Scenario, arms: list[Any], options: Options) -> dict[str, Any]:
    from slowq.repro.judge import judge
    from slowq.repro.receipt import receipt
    from slowq.repro.stats import measured

    base, before, *afters = arms
    who = scenario.base.measured
    healthy, hurt = measured(base.rounds, who), measured(before.rounds, who)
    if not healthy or not hurt:
        return {"scenario": scenario.name, "green": False, "trouble": base.trouble or before.trouble or "no answers"}
    times = hurt["p99_s"].mean / healthy["p99_s"].mean
    receipts = []
    for remedy, after in zip(scenario.remedies, afters, strict=True):
        made = receipt(scenario, remedy, before, after, judge(scenario, before, after), options)
        now = measured(after.rounds, who)
        receipts.append(made | {"against_base": now["p99_s"].mean / healthy["p99_s"].mean if now else None})
    mended = [one for one in receipts if one["outcome"] == "confirmed" and (one["against_base"] or BACK + 1) <= BACK]
    first = receipts[0]["rule"]["first_before"]
    return {
        "scenario": scenario.name,
        "base_p99_s": healthy["p99_s"].mean,
        "fault_p99_s": hurt["p99_s"].mean,
        "fault_times": times,
        "hurts": times >= HURTS,
        "first": first,
        "green": bool(times >= HURTS and mended and first in (scenario.rule, None)),
        "base_recall": base.recall,
        "trouble": next((one.trouble for one in arms if one.trouble), None),
        "receipts": receipts,
    }


def _show(result: dict[str, Any]) -> None:
    if "base_p99_s" not in result:
        typer.echo(f"{result['scenario']}: {result.get('skipped') or result['trouble']}")
        return
    word = "green" if result["green"] else "not green"
    rejected = "" if result["hurts"] else f" (rejected: the fault must hurt at least {HURTS:g} times)"
    typer.echo(
        f"{result['scenario']}: {word}; p99 {result['base_p99_s'] * 1e3:.1f} ms, with the fault "
        f"{result['fault_p99_s'] * 1e3:.1f} ms, {result['fault_times']:.1f} times{rejected}; first finding "
        f"{result['first'] or 'none'}; {result['took_s']:.0f} s"
    )
    for one in result["receipts"]:
        against = "" if one["against_base"] is None else f", {one['against_base']:.2f} times the base"
        recall = one["after"]["recall"]
        found = "" if recall is None else f", recall {recall:.3f}"
        typer.echo(f"  {one['remedy']}: {one['outcome']}, {one['because']}{against}{found}")
