"""What nobody can try in production: the recorded requests, replayed through a queue with something changed.

The model is a server that works on c requests at a time and lets the others wait in the order in which they came. When a
request came and when it was answered is recorded, so the time at which a place became free for it is known, and with it
what it waited and what its own work took. Where requests of a pattern that waited seem to do more work than those that did
not, they lost the rest outside the queue, beside the one before them: theirs is then told by those that did not wait.
Then the same work is replayed with the change: a discrete-event simulation.

What it does not see is in `ASSUMED`, and is printed with every answer.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slowq.errors import InputError, UsageError

Floats = NDArray[np.float64]

ASSUMED = (
    "only requests that were logged are replayed; those too fast for the log take their share of the server unseen",
    "requests come when they came, however fast the answers are: a client that waits for its answer would ask sooner",
    "the work of a request is what it was, whatever runs beside it",
)
MOST_PARTS = 2_000_000
_MOST_SERVERS = 64
_FEWEST_FREE = 20  # requests of one pattern that did not wait, from which those that did are told
_SHOWN, _ALIKE = (0.1, 0.5, 0.9), 0.1  # these quantiles of them may differ by that share before they count as different
_FEWEST_ALIKE = 5  # requests of one pattern from which it can be seen whether their work is alike
_LEAST_S = 1e-3  # what is logged is in milliseconds
_ARRIVAL = re.compile(r"(\d{1,12})\+(\d{1,12})")


@dataclass(frozen=True, slots=True)
class Requests:
    """In the order in which they came; `pattern` is the place in `patterns`, `nq` is NaN where there is none."""

    at_s: Floats
    took_s: Floats
    pattern: NDArray[np.int64]
    patterns: tuple[str, ...]
    nq: Floats  # of each pattern
    culprits: tuple[str, ...] = ()
    queue_share: float | None = None  # of the time of searches, from metrics
    of: int = 0  # how many the log has

    def __len__(self) -> int:
        return len(self.at_s)


@dataclass(frozen=True, slots=True)
class Change:
    """What is different. Patterns are whole ids; `rates` are factors; `nodes` is (added, there now). `part_s` is what each
    further part of a capped request costs beside its share of the work."""

    cap_nq: int | None = None
    part_s: float = 0.0
    nodes: tuple[int, int] | None = None
    without: tuple[str, ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """`work_s` is each request's own time on the server; `how` says where `servers` comes from.

    `misfit_share` of the requests were answered sooner than this queue could. `replayed` is what the queue gives for the
    requests as they were recorded: how near it comes to what they took tells how well it fits.
    """

    servers: int
    how: str
    work_s: Floats
    waited_share: float
    misfit_share: float
    replayed: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Answer:
    """`before` and `after` are of the same requests: those that the change leaves."""

    requests: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    by_pattern: tuple[tuple[str, Mapping[str, float], Mapping[str, float]], ...]
    assumed: tuple[str, ...]


def recorded(document: Mapping[str, Any]) -> Requests:
    """The requests of a saved report. Raises InputError where it holds none, or not in this form."""
    at: list[float] = []
    took: list[float] = []
    pattern: list[int] = []
    names: list[str] = []
    nq: list[float] = []
    of = 0
    for entry in document.get("workload") or ():
        pairs = _pairs(entry)
        if not pairs:
            continue
        moments = np.cumsum([gap for gap, _ in pairs]) / 1e3
        at += moments.tolist()
        took += [ms / 1e3 for _, ms in pairs]
        pattern += [len(names)] * len(pairs)
        names.append(str(entry.get("pattern")))
        nq.append(float(entry["nq"]) if isinstance(entry.get("nq"), int | float) else np.nan)
        of += int(entry["arrivals"].get("of") or 0)
    if not at:
        raise InputError(
            "the report does not hold when its requests came", hint="analyze the logs again, with this slowq"
        )
    order = np.argsort(at, kind="stable")
    findings = document.get("findings") or [{}]
    queue = (document.get("phases") or {}).get("queue")
    share = queue.get("share") if isinstance(queue, Mapping) else None
    return Requests(
        np.array(at)[order],
        np.maximum(np.array(took)[order], _LEAST_S),
        np.array(pattern, dtype=np.int64)[order],
        tuple(names),
        np.array(nq),
        tuple(str(one) for one in findings[0].get("culprits", ()) if one in names),
        float(share) if isinstance(share, int | float) else None,
        max(of, len(at)),
    )


def _pairs(entry: Any) -> list[tuple[int, int]]:
    arrivals = entry.get("arrivals") if isinstance(entry, Mapping) else None
    lines = arrivals.get("ms") if isinstance(arrivals, Mapping) else None
    found = []
    for line in lines if isinstance(lines, list) else ():
        for word in str(line).split():
            one = _ARRIVAL.fullmatch(word)
            if one is None:
                raise InputError(f"the report's arrivals cannot be read: {word[:40]!r}")
            found.append((int(one[1]), int(one[2])))
    return found


def model(requests: Requests, servers: int | None = None) -> Model:
    """The queue in which the requests took what they took.

    `servers`, if nobody says it, is the number with which the metrics' share of waiting comes out; without metrics that
    with which the work of requests of one pattern is the most alike: what they waited differs, what they do does not.
    """
    how = "as given"
    if servers is None:
        candidates = range(1, min(_MOST_SERVERS, _most_at_once(requests)) + 1)
        if requests.queue_share is not None:
            share, how = requests.queue_share, f"waiting is {requests.queue_share:.0%} of the time in the metrics"
            servers = min(candidates, key=lambda c: abs(_waited_share(requests, _work(requests, c)) - share))
        else:
            servers = min(candidates, key=lambda c: (_unlike(requests, _work(requests, c)), c))
            how = "with it the requests of a pattern do the same work, as far as the log tells"
    work = _work(requests, servers)
    misfit = (work <= _LEAST_S) & (requests.took_s > _LEAST_S)
    own = _own_work(requests, work)
    replayed = percentiles(simulate(requests.at_s, own, servers, np.ones(len(own), dtype=np.int64)))
    return Model(servers, how, own, _waited_share(requests, work), float(misfit.mean()), replayed)


def _own_work(requests: Requests, work: Floats) -> Floats:
    """The work, with that of requests which waited as if they had not, where it is another: of ten that waited, the third
    longest then has what the third longest of ten took that did not."""
    waited = work < requests.took_s
    own = work.copy()
    for number in range(len(requests.patterns)):
        mine = requests.pattern == number
        late, free = np.flatnonzero(mine & waited), work[mine & ~waited]
        if not len(late) or len(free) < _FEWEST_FREE:
            continue
        if np.any(np.abs(np.quantile(work[late], _SHOWN) / np.quantile(free, _SHOWN) - 1) > _ALIKE):
            places = (np.argsort(np.argsort(work[late], kind="stable")) + 0.5) / len(late)
            own[late] = np.quantile(free, places)
    return own


def _most_at_once(requests: Requests) -> int:
    moments = np.concatenate([requests.at_s, requests.at_s + requests.took_s])
    steps = np.repeat([1, -1], len(requests))
    return max(1, int(np.cumsum(steps[np.lexsort((steps, moments))]).max()))


def _work(requests: Requests, servers: int) -> Floats:
    """From the moment a place was free until the answer; at least a millisecond, where the order was another one."""
    free = [0.0] * servers
    work = np.empty(len(requests))
    for number, (at, took) in enumerate(zip(requests.at_s.tolist(), requests.took_s.tolist(), strict=True)):
        begin = max(at, heapq.heappop(free))
        work[number] = max(_LEAST_S, at + took - begin)
        heapq.heappush(free, begin + work[number])
    return work


def _waited_share(requests: Requests, work: Floats) -> float:
    return float(max(0.0, 1 - work.sum() / requests.took_s.sum()))


def _unlike(requests: Requests, work: Floats) -> float:
    """How much the work differs within patterns: the spread of its logarithm, a mean over the requests."""
    spread, counted = 0.0, 0
    for number in range(len(requests.patterns)):
        own = np.log(work[requests.pattern == number])
        if len(own) >= _FEWEST_ALIKE:
            low, high = np.percentile(own, [10, 90])
            spread += float(high - low) * len(own)
            counted += len(own)
    return round(spread / counted, 2) if counted else 0.0


def ask(requests: Requests, built: Model, change: Change) -> Answer:
    """Before and after of the requests that the change leaves; without a change, what was recorded. Raises UsageError
    where it leaves none."""
    at, work, source = _thinned(requests, built.work_s, change)
    if not len(at):
        raise UsageError("without these patterns no request is left", hint="leave one of them")
    parts = np.ones(len(at), dtype=np.int64)
    assumed = [*ASSUMED]
    if change.cap_nq is not None:
        nq = requests.nq[requests.pattern[source]]
        parts = np.where(nq > change.cap_nq, np.ceil(np.nan_to_num(nq, nan=1.0) / change.cap_nq), 1).astype(np.int64)
        if parts.sum() > MOST_PARTS:
            raise UsageError(f"--cap-nq {change.cap_nq} makes {parts.sum():,} requests", hint="cap it higher")
        work = work + (parts - 1) * change.part_s
        cost = f"each further one costs {change.part_s * 1e3:g} ms" if change.part_s else "none costs anything on top"
        assumed.append(f"the parts of a request are sent one after the other, its work spread evenly over them; {cost}")
    if change.nodes is not None:
        added, now = change.nodes
        work = work * (now / (now + added))
        assumed.append(f"segments are spread evenly over {now + added} nodes in the place of {now}, each with its CPUs")
    servers = built.servers
    if change.concurrency is not None:
        servers = change.concurrency
        assumed.append("the CPUs have room for that many requests at a time")
    took = requests.took_s if change == Change() else simulate(at, work, servers, parts)
    kept = np.unique(source)
    was, pattern = requests.took_s[kept], requests.pattern[source]
    by_pattern = tuple(
        (name, percentiles(was[requests.pattern[kept] == number]), percentiles(took[pattern == number]))
        for number, name in enumerate(requests.patterns)
        if (pattern == number).any()
    )
    return Answer(len(at), percentiles(was), percentiles(took), by_pattern, tuple(assumed))


def _thinned(requests: Requests, work: Floats, change: Change) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Arrivals and work after patterns are gone or come at another rate, and which request each of them was.

    A rate above 1 repeats requests, evenly until the pattern's next one.
    """
    factors = [0.0 if name in change.without else change.rates.get(name, 1.0) for name in requests.patterns]
    at: list[float] = []
    source: list[int] = []
    for number, factor in enumerate(factors):
        own = np.flatnonzero(requests.pattern == number)
        due = np.floor(np.arange(1, len(own) + 1) * factor + 1e-9).astype(np.int64)
        copies = np.diff(due, prepend=0)
        moments = requests.at_s[own]
        gaps = np.diff(moments, append=moments[-1:])
        for place, moment, gap, count in zip(
            own.tolist(), moments.tolist(), gaps.tolist(), copies.tolist(), strict=True
        ):
            at += [moment + gap * one / count for one in range(count)]
            source += [place] * count
    order = np.argsort(at, kind="stable")
    chosen = np.array(source, dtype=np.int64)[order]
    return np.array(at)[order], work[chosen], chosen


def simulate(at_s: Floats, work_s: Floats, servers: int, parts: NDArray[np.int64]) -> Floats:
    """What each request takes in a queue with that many places, first come, first served.

    A request in several parts sends the next when the last is answered.
    """
    free = [0.0] * servers
    coming = [(at, number, int(count)) for number, (at, count) in enumerate(zip(at_s.tolist(), parts, strict=True))]
    each = (work_s / parts).tolist()
    heapq.heapify(coming)
    took = np.empty(len(at_s))
    while coming:
        at, number, left = heapq.heappop(coming)
        end = max(at, heapq.heappop(free)) + each[number]
        heapq.heappush(free, end)
        if left > 1:
            heapq.heappush(coming, (end, number, left - 1))
        else:
            took[number] = end - at_s[number]
    return took


def percentiles(took_s: Floats) -> dict[str, float]:
    return {f"p{at}_s": round(float(np.percentile(took_s, at)), 4) for at in (50, 95, 99)}


def questions(requests: Requests) -> list[tuple[str, Change]]:
    """What is asked when nobody asks anything."""
    found = []
    if requests.culprits and len(requests.culprits) < len(requests.patterns):
        found.append(("without the culprits", Change(without=requests.culprits)))
    if requests.culprits:
        found.append(("half the rate of the culprits", Change(rates=dict.fromkeys(requests.culprits, 0.5))))
    if np.nanmax(np.nan_to_num(requests.nq, nan=1.0)) > 100:
        found.append(("nq at most 100", Change(cap_nq=100)))
    found.append(("one query node more", Change(nodes=(1, 1))))
    return found


def chosen(requests: Requests, words: Sequence[str]) -> tuple[str, ...]:
    """Whole pattern ids of ids or their beginnings; "culprits" and "all" are several. Raises UsageError."""
    found: list[str] = []
    for word in words:
        if word == "all":
            found += requests.patterns
            continue
        fitting = (
            requests.culprits if word == "culprits" else [one for one in requests.patterns if one.startswith(word)]
        )
        if not fitting or (word != "culprits" and len(fitting) > 1):
            said = "no culprit among its requests" if word == "culprits" else f"no single pattern {word!r}"
            raise UsageError(
                f"the report has {said}", hint=f"it has {', '.join(requests.patterns[:8])}, or say culprits or all"
            )
        found += fitting
    return tuple(dict.fromkeys(found))
