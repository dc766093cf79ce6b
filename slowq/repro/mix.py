"""The requests of an incident as a scenario replays them: every pattern with its share, and when each request came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from slowq.errors import InputError
from slowq.filters import parse
from slowq.filters.ast import Field, JsonPath, walk
from slowq.repro.filters import Made, like
from slowq.repro.scenario import Column, Other, Remedy, Scenario
from slowq.repro.whatif import Requests, recorded

FEWEST = 30  # requests from which arrivals and shares are more than chance
MOST = 1_000  # of those recorded: a round has room for some hundreds
MOST_OTHERS = 6
# A queue to which as much work comes as it can do grows without end; slightly less, and it is as full as queues get.
MOST_BUSY = 0.95
LEAST_BUSY = 0.2
_ASSUMED_CPUS = 2
_MOST_REQUEST_S = 0.3  # what one request alone may take, where it has many query vectors
_VECTOR_S = {"ef": 1.6e-6, "nprobe": 30e-6}  # of one query vector, by its search param: measured on 100,000 x 128


def most_nq(params: Mapping[str, Any]) -> int:
    """How many query vectors a request may have here, with these search params, so that a round still sees many."""
    vector_s = sum(_VECTOR_S.get(name, 0.0) * float(value) for name, value in params.items())
    return max(20, int(_MOST_REQUEST_S / max(vector_s, 1e-4)))


def mixed(
    scenario: Scenario,
    document: Mapping[str, Any],
    culprit: Mapping[str, Any],
    types: Mapping[str, str],
    cpus: int | None = None,
) -> Scenario:
    """The scenario with the incident's other patterns and its arrivals; as it was, with the reason among what is assumed,
    where the log does not allow it."""
    try:
        requests = recorded(document)
    except InputError:
        return _said(scenario, "clients that wait in turn: the report does not hold when its requests came")
    if len(requests) < FEWEST or culprit.get("pattern") not in requests.patterns:
        said = (
            f"clients that wait in turn: {len(requests)} logged requests are too few to replay their mix and arrivals"
        )
        return _said(scenario, said)
    own = requests.patterns.index(str(culprit["pattern"]))
    others, columns, left = _others(scenario, document, requests, own, types)
    made = replace(
        scenario,
        base=scenario.base.changed({"others": others, "columns": columns}),
        remedies=tuple(_with_columns(one, _asked(others, columns)) for one in scenario.remedies),
    )
    if _is_about_clients(scenario):
        return _said(made, *left, "clients that wait in turn, with the mix of the log: their number is the fault")
    return _replayed(made, requests, own, cpus, left)


def _said(scenario: Scenario, *said: str) -> Scenario:
    return replace(scenario, assumed=(*scenario.assumed, *said))


def _is_about_clients(scenario: Scenario) -> bool:
    return any("clients" in change for change in (scenario.fault, *(one.change for one in scenario.remedies)))


def _others(
    scenario: Scenario, document: Mapping[str, Any], requests: Requests, own: int, types: Mapping[str, str]
) -> tuple[tuple[Other, ...], tuple[Column, ...], list[str]]:
    """The dearest other patterns, the columns with what their filters ask for, and what had to be assumed."""
    patterns = {one["id"]: one for one in document["patterns"]}
    entries = {one["pattern"]: one for one in document["workload"]}
    counts = np.bincount(requests.pattern, minlength=len(requests.patterns))
    columns, left = scenario.base.columns, 0
    found: list[Other] = []
    for number, name in enumerate(requests.patterns):
        if number == own:
            continue
        pattern, entry = patterns.get(name, {}), entries[name]
        made = like(pattern.get("filter") or "", types, columns)
        if made is None or len(found) == MOST_OTHERS:
            left += int(counts[number])
            continue
        columns = made.columns
        found.append(_other(name, pattern, entry, made, float(counts[number]) / len(requests), scenario))
    said = [f"{left:,} requests of further patterns are left out"] if left else []
    return tuple(found), columns, said


def _other(
    name: str, pattern: Mapping[str, Any], entry: Mapping[str, Any], made: Made, share: float, scenario: Scenario
) -> Other:
    kind = "query" if pattern.get("kind") == "query" else "search"
    return Other(
        name,
        round(share, 4),
        kind,
        int(max(1, min(entry.get("nq") or 1, most_nq(scenario.base.params)))),
        int(max(1, min(entry.get("top_k") or 10, 10_000))),
        made.text,
        level_of(entry),
    )


def level_of(entry: Mapping[str, Any]) -> str:
    """The pattern's consistency level; Bounded where it is unknown, or none of those that have a name."""
    level = entry.get("consistency")
    return level if level in ("Strong", "Session", "Eventually") else "Bounded"


def _asked(others: Sequence[Other], columns: Sequence[Column]) -> list[Column]:
    """The columns that the filters of others ask for."""
    nodes = [node for one in others if one.filter for node in walk(parse(one.filter))]
    names = {node.name for node in nodes if isinstance(node, Field)}
    names |= {node.root for node in nodes if isinstance(node, JsonPath)}
    return [one for one in columns if one.name in names]


def _with_columns(remedy: Remedy, columns: Sequence[Column]) -> Remedy:
    """A remedy that changes the fields leaves those that the other patterns' filters ask for."""
    changed = remedy.change.get("columns")
    if changed is None:
        return remedy
    there = {one.name for one in changed}
    whole = (*changed, *(one for one in columns if one.name not in there))
    return replace(remedy, change={**remedy.change, "columns": whole})


def _replayed(scenario: Scenario, requests: Requests, own: int, cpus: int | None, left: Sequence[str]) -> Scenario:
    first, last = _dearest_stretch(requests)
    at, took, pattern = (one[first:last] for one in (requests.at_s, requests.took_s, requests.pattern))
    at = np.round(at - at[0], 3)
    # As many as were there at once, on average, for each that the server can work on: with one or more it had no rest.
    at_once = float(took.sum() / max(1e-3, (at + took).max()))
    busy = round(float(np.clip(at_once / (cpus or _ASSUMED_CPUS), LEAST_BUSY, MOST_BUSY)), 2)
    came = {name: tuple(at[pattern == number].tolist()) for number, name in enumerate(requests.patterns)}
    others = tuple(replace(one, arrivals=came[one.name]) for one in scenario.base.others)
    base = scenario.base.changed(
        {"others": others, "arrivals": came[requests.patterns[own]], "logged": True, "busy": busy}
    )
    fault = dict(scenario.fault)
    if any("nq" in one.change for one in scenario.remedies):
        fault["vectors"] = scenario.before.nq  # smaller batches are more of them, not less work
    replayed = (
        f"{last - first:,} arrivals as logged, {at_once:.1f} at once; those too fast for the log are not among them"
    )
    return replace(_said(scenario, *left, replayed), base=base, fault=fault)


def _dearest_stretch(requests: Requests) -> tuple[int, int]:
    """First and last place of at most `MOST` consecutive requests with most seconds."""
    if len(requests) <= MOST:
        return 0, len(requests)
    total = np.concatenate([[0.0], np.cumsum(requests.took_s)])
    first = int(np.argmax(total[MOST:] - total[:-MOST]))
    return first, first + MOST
