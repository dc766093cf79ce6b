"""`slowq what-if`: the recorded requests replayed through a queue, with something changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slowq.cli.options import Verbose
from slowq.cli.show import content_of
from slowq.errors import UsageError

if TYPE_CHECKING:
    from slowq.repro.whatif import Answer, Change, Model, Requests

_SHOWN = 5  # patterns
_FEW = 30
_MISFIT = 0.05
_UNLIKE = 0.2


def run(
    report: Annotated[
        str,
        typer.Argument(metavar="REPORT", help="What `slowq analyze` wrote as JSON or HTML; '-' reads standard input."),
    ],
    cap_nq: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Requests with more vectors are cut into several.")
    ] = None,
    part_cost: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="MS",
            help="With --cap-nq: what each further part costs beside its share of the work.",
        ),
    ] = 0.0,
    nodes: Annotated[str | None, typer.Option(metavar="+N", help="That many query nodes are added.")] = None,
    nodes_now: Annotated[int, typer.Option(min=1, metavar="N", help="How many query nodes there are now.")] = 1,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN|culprits", help="These requests do not come. May be repeated."),
    ] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN=FACTOR", help="These requests come at another rate: culprits=0.5. May be repeated."
        ),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The server works on that many requests at a time.")
    ] = None,
    servers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="How many requests it works on at a time now, if known; else it is estimated."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON.")] = False,
    verbose: Verbose = False,
) -> None:
    """Answer what nobody can try in production, from a saved report.

    Several options make one change. Without any, a few usual questions are answered, each by itself.
    """
    from slowq.report.saved import load
    from slowq.repro.whatif import Change, ask, model, questions, recorded
    from slowq.repro.whatif import chosen as ids

    requests = recorded(load(content_of(report), report))
    asked: dict[str, Any] = {
        "cap_nq": cap_nq,
        "nodes": None if nodes is None else (_added(nodes), nodes_now),
        "without": ids(requests, without or ()),
        "rates": {one: factor for word, factor in map(_rate, rate or ()) for one in ids(requests, [word])},
        "concurrency": concurrency,
    }
    given = {name: value for name, value in asked.items() if value}
    if part_cost and cap_nq is None:
        raise UsageError("--part-cost is of the parts that --cap-nq makes", hint="--cap-nq 100 --part-cost 5")
    built = model(requests, servers)
    several = [(_words(given), Change(**given, part_s=part_cost / 1e3))] if given else questions(requests)
    answers = [(words, change, ask(requests, built, change)) for words, change in several]
    if as_json:
        told = [_as_json(words, answer) for words, _, answer in answers]
        typer.echo(json.dumps({"model": _model(requests, built), "answers": told}, indent=1, ensure_ascii=False))
        return
    for line in _lines(requests, built, answers):
        typer.echo(line)


def _added(text: str) -> int:
    found = re.fullmatch(r"\+?(\d{1,4})", text.strip())
    if found is None or int(found[1]) < 1:
        raise UsageError(f"--nodes {text!r}: expected how many are added", hint="--nodes +1")
    return int(found[1])


def _rate(text: str) -> tuple[str, float]:
    word, _, number = text.rpartition("=")
    try:
        factor = float(number)
    except ValueError:
        factor = -1.0
    if not word or not 0 <= factor <= 10:
        raise UsageError(f"--rate {text!r}: expected PATTERN=FACTOR, from 0 to 10", hint="--rate culprits=0.5")
    return word, factor


def _words(given: Mapping[str, Any]) -> str:
    said = []
    for name, value in given.items():
        match name:
            case "cap_nq":
                said.append(f"nq at most {value:,}")
            case "nodes":
                said.append(f"{value[1] + value[0]} query nodes in the place of {value[1]}")
            case "without":
                said.append("without " + ", ".join(value))
            case "rates":
                said += [f"{pattern} at {factor:g} times its rate" for pattern, factor in value.items()]
            case _:
                said.append(f"{value} requests at a time")
    return ", ".join(said)


def _model(requests: Requests, built: Model) -> dict[str, Any]:
    from slowq.repro.whatif import percentiles

    return {
        "requests": len(requests),
        "of": requests.of,
        "servers": built.servers,
        "servers_because": built.how,
        "waited_share": round(built.waited_share, 4),
        "misfit_share": round(built.misfit_share, 4),
        "recorded": percentiles(requests.took_s),
        "replayed": dict(built.replayed),
    }


def _as_json(words: str, answer: Answer) -> dict[str, Any]:
    return {
        "what_if": words,
        "requests": answer.requests,
        "before": dict(answer.before),
        "after": dict(answer.after),
        "patterns": [
            {"pattern": name, "before": dict(was), "after": dict(now)} for name, was, now in answer.by_pattern
        ],
        "assumed": list(answer.assumed),
    }


def _lines(requests: Requests, built: Model, answers: list[tuple[str, Change, Answer]]) -> Iterator[str]:
    from slowq.repro.whatif import percentiles

    sampled = f" of {requests.of:,}, the worst stretch" if requests.of > len(requests) else ""
    yield (
        f"{len(requests):,} requests{sampled}, through a queue that serves {built.servers} at a time "
        f"({built.how}); waiting is {built.waited_share:.0%} of their time"
    )
    if len(requests) < _FEW:
        yield f"fewer than {_FEW} requests: take the numbers for a direction"
    if built.misfit_share > _MISFIT:
        yield f"{built.misfit_share:.0%} of them were answered sooner than this queue could: it is not the whole story"
    p99_s, replayed_s = percentiles(requests.took_s)["p99_s"], built.replayed["p99_s"]
    if abs(replayed_s / p99_s - 1) > _UNLIKE:
        yield f"unchanged, it gives a p99 of {_time(replayed_s)} in the place of {_time(p99_s)}: time was lost outside of it"
    for words, _, answer in answers:
        yield ""
        yield f"What if: {words}"
        yield f"  {'':<16}{'':>9}{'p50':>10}{'p95':>10}{'p99':>10}"
        yield from _rows(f"{answer.requests:,} requests", answer.before, answer.after)
        for name, was, now in answer.by_pattern[:_SHOWN] if len(answer.by_pattern) > 1 else ():
            yield from _rows(name, was, now)
    yield ""
    yield "a direction, not a measurement: slowq reproduce measures (docs/reproduce.md says how far this holds)"
    for said in dict.fromkeys(one for *_, answer in answers for one in answer.assumed):
        yield f"assumed: {said}"


def _rows(name: str, was: Mapping[str, float], now: Mapping[str, float]) -> Iterator[str]:
    for label, word, values in ((name, "before", was), ("", "after", now)):
        yield f"  {label:<16}{word:>9}" + "".join(f"{_time(values[f'p{at}_s']):>10}" for at in (50, 95, 99))


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:,.0f} ms" if seconds < 1 else f"{seconds:,.2f} s"
