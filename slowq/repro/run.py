"""Running set-ups in turns: A B A B …, at least five rounds, and what each of them measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slowq.context import live, loads
from slowq.errors import ServerError, SlowqError, UsageError
from slowq.facts import Context
from slowq.repro.arrivals import Replay, replay
from slowq.repro.prepare import Prepared, beside, connect, make_cold, prepare
from slowq.repro.requests import Clients, Load
from slowq.repro.scenario import Setup
from slowq.repro.stats import Round
from slowq.repro.target import EngineTarget, MilvusTarget, Target, collection_name

ROUNDS = 5
SECONDS = 2.0
WARM_UP_S = 1.0
PACE_S = 1.5
# A server for each arm, the clients and this process must fit beside what runs already.
MEMORY_SHARE = 0.7
_ASK_S = 15.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. `target` is "engine" or the address of a Milvus."""

    rounds: int = ROUNDS
    seconds: float = SECONDS
    seed: int = 1
    target: str = "engine"
    token: str = ""
    logs: Path | None = None
    budget_s: float | None = None  # no further round begins after that
    most_rows: int = 2_000_000


@dataclass(slots=True)
class Arm:
    """One set-up as it ran."""

    name: str
    setup: Setup
    rounds: list[Round] = field(default_factory=list)
    recall: float | None = None
    memory_bytes: int | None = None
    log: bytes = b""
    series: dict[str, Any] | None = None
    facts: str = ""  # what `slowq context` says of the target, as YAML
    context: Context | None = None  # the same, read
    collection: str = ""
    replay: Replay | None = None  # when its requests were due, where it has arrivals
    trouble: str = ""


def run(name: str, setups: Sequence[tuple[str, Setup]], options: Options, say: Say) -> list[Arm]:
    """Every set-up, in rounds that take turns. What was made is gone when it returns, also after Ctrl-C.

    Raises UsageError where it does not fit, ServerError where a server cannot be used; a server that dies on the way
    leaves what was measured so far, with `trouble` set.
    """
    check_room([setup for _, setup in setups], options)
    arms = [Arm(label, setup) for label, setup in setups]
    began = time.monotonic()
    with ExitStack() as held:
        clients = Clients()
        held.callback(clients.close)
        ready = []
        for arm in arms:
            say(f"preparing {arm.name}: {arm.setup.rows:,} rows")
            ready.append(_prepared(name, arm, options, held))
        for arm, (target, made) in zip(arms, ready, strict=True):
            _turn(arm, target, made, clients, options, WARM_UP_S, options.seed)
            arm.rounds.clear()
        _pace(arms, ready[0], clients, options)
        for number in range(options.rounds):
            enough = number >= 2 and options.budget_s is not None and time.monotonic() - began > options.budget_s
            if enough:
                break
            for arm, (target, made) in zip(arms, ready, strict=True):
                say(f"round {number + 1} of {options.rounds}: {arm.name}")
                try:
                    _turn(arm, target, made, clients, options, options.seconds, options.seed + number + 1)
                except SlowqError as error:
                    arm.trouble = error.message
            if any(arm.trouble for arm in arms):
                break
        for arm, (target, made) in zip(arms, ready, strict=True):
            _collect(arm, target, made, options)
    return arms


def _prepared(name: str, arm: Arm, options: Options, held: ExitStack) -> tuple[Target, Prepared]:
    own = options.target == "engine"
    target = EngineTarget(arm.setup) if own else MilvusTarget(options.target, options.token, options.logs)
    held.callback(target.close)
    client = connect(target.uri, options.token)
    held.callback(client.close)
    arm.collection = collection_name(name)
    made = Prepared(client, arm.collection, arm.setup, options.seed, [], [])
    if not own:
        held.callback(_dropped, made)
    full = prepare(client, arm.collection, arm.setup, options.seed)
    made.rows, made.beside = full.rows, full.beside
    return target, made


def _pace(arms: Sequence[Arm], first: tuple[Target, Prepared], clients: Clients, options: Options) -> None:
    """When the requests of every arm are due: as recorded, at the pace at which the first arm is as busy as it says. What
    it can do is what clients that wait in turn get of the same mix."""
    setup = arms[0].setup
    if not setup.arrivals:
        return
    _turn(arms[0], *first, clients, options, PACE_S, options.seed)
    (found,) = arms[0].rounds
    arms[0].rounds.clear()
    answered = sum(not one.error and one.who != "probes" for one in found.answers)
    if not answered:
        raise ServerError("no request of the incident's mix was answered", hint="slowq reproduce --save, and try fewer")
    paced = replay(setup, setup.busy * answered / found.seconds, options.seconds)
    for arm in arms:
        arm.replay = paced


def _dropped(made: Prepared) -> None:
    """Whatever carries the collection's name: also what was made while we were interrupted."""
    for name in made.client.list_collections():
        if name.startswith(made.name):
            made.client.drop_collection(name)


def _turn(
    arm: Arm, target: Target, made: Prepared, clients: Clients, options: Options, seconds: float, seed: int
) -> None:
    if arm.setup.cold:
        make_cold(made)
    load = Load(target.uri, made.name, arm.setup, seconds, seed, arm.replay.due if arm.replay else None)
    with target.watching(), beside(made, target.pause_ticks, seconds):
        began = time.monotonic()
        answers = clients.run(load)
        took = time.monotonic() - began
    arm.rounds.append(Round(max(seconds, min(took, seconds * 2)), tuple(answers)))


def _collect(arm: Arm, target: Target, made: Prepared, options: Options) -> None:
    if arm.trouble:
        return
    arm.recall = made.recall()
    if isinstance(target, EngineTarget):
        arm.memory_bytes = target.memory_bytes()
    log = target.log()
    arm.log = log.read_bytes() if log is not None else b""
    arm.series = target.series()
    question = live.Question(collections=(made.name,), timeout_s=_ASK_S)
    asked = live.ask(target.uri, question, live.Login(options.token or None))
    arm.facts = live.text_of(asked)
    arm.context = loads(arm.facts, "slowq context")


def check_room(setups: Sequence[Setup], options: Options) -> None:
    """Refuses what does not fit, with the numbers."""
    rows = max(one.rows + one.growing_rows for one in setups)
    if rows > options.most_rows:
        raise UsageError(f"{rows:,} rows are more than the limit of {options.most_rows:,}", hint="set --rows lower")
    if options.target != "engine":
        return
    needed = sum(one.bytes_estimated for one in setups)
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") + _cached_bytes()
    if needed > free * MEMORY_SHARE:
        raise UsageError(
            f"the scenario needs about {needed / 2**30:.1f} GiB for {len(setups)} engines, and {free / 2**30:.1f} GiB are free",
            hint="set --rows lower",
        )


def _cached_bytes() -> int:
    """Page cache, which gives way. 0 where the system does not say."""
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["Cached"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 0
