"""Running set-ups in turns: A B A B …, at least five rounds, and what each of them measured."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slowq.context import live, loads
from slowq.errors import ServerError, SlowqError, UsageError
from slowq.facts import Context
from slowq.repro import milvus
from slowq.repro.arrivals import Replay, replay
from slowq.repro.beside import beside, hold_ticks, stand_still
from slowq.repro.milvus import Milvus, MilvusTarget, collection_name, ended_as_interrupted
from slowq.repro.prepare import Prepared, asking, connect, make_cold, prepare
from slowq.repro.requests import Clients, Load
from slowq.repro.scenario import Setup
from slowq.repro.stats import Round
from slowq.repro.target import EngineTarget, Target

ROUNDS = 5
SECONDS = 2.0
WARM_UP_S = 0.7
PACE_S = 1.5
PREPARED_AT_ONCE = 2
FEWEST_DUE = 10  # requests of a round; where they are slow it lasts longer
# A server for each arm, the clients and this process must fit beside what runs already.
MEMORY_SHARE = 0.7
_ASK_S = 15.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. `target` is "engine" or the address of a Milvus, `logs` and `metrics` where it has its own.

    `beside_traffic`: the Milvus may be used although others use it.
    """

    rounds: int = ROUNDS
    seconds: float = SECONDS
    seed: int = 1
    target: str = "engine"
    token: str = field(default="", repr=False)
    logs: Path | None = None
    metrics: str | None = None
    beside_traffic: bool = False
    budget_s: float | None = None  # no further round begins after that
    most_rows: int = 2_000_000
    most_bytes: int = 4 << 30  # of all set-ups together, on a Milvus that is not ours

    @property
    def on_engine(self) -> bool:
        return self.target == "engine"

    @property
    def shown(self) -> str:
        """The target, as receipts and messages name it: a URI without user and password."""
        return "the bundled engine" if self.on_engine else live.shown(self.target)


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
    own_log: bool = True  # whether the log holds every slow request of the set-up, as the engine's does
    trouble: str = ""


def run(name: str, setups: Sequence[tuple[str, Setup]], options: Options, say: Say) -> list[Arm]:
    """Every set-up, in rounds that take turns. What was made is gone when it returns, also after Ctrl-C and SIGTERM.

    Raises UsageError where it does not fit or a Milvus is in use, ServerError where a server cannot be used; a server that
    dies on the way leaves what was measured so far, with `trouble` set.
    """
    check_room([setup for _, setup in setups], options)
    arms = [Arm(label, setup, own_log=options.on_engine) for label, setup in setups]
    place: Milvus | None = None
    try:
        with ended_as_interrupted(), ExitStack() as held:
            for arm in arms:
                arm.collection = collection_name(name)
            if not options.on_engine:
                place = _place(options, held)
                held.callback(place.drop, [arm.collection for arm in arms])
            _measured(arms, place, options, say, held)
    except (ServerError, KeyboardInterrupt) as error:
        if place is not None and place.left:
            why = error.message if isinstance(error, ServerError) else "interrupted, and the Milvus does not answer"
            raise ServerError(f"{why}; {_left(place)}") from error
        raise
    if place is not None and place.left:
        trouble = next((one.trouble for one in arms if one.trouble), f"{options.shown} does not answer any more")
        arms[0].trouble = f"{trouble}; {_left(place)}"
    return arms


def _left(place: Milvus) -> str:
    return f"what may be left there: {', '.join(place.left)}"


def _place(options: Options, held: ExitStack) -> Milvus:
    client = connect(options.target, options.token)
    held.callback(client.close)
    with asking(options.target, "it was looked at"):
        return milvus.opened(
            options.target,
            client,
            page=options.metrics,
            log=options.logs,
            traffic_allowed=options.beside_traffic,
        )


def _pace(arms: Sequence[Arm], first: tuple[Target, Prepared], clients: Clients, options: Options) -> None:
    """When the requests of every arm are due: as recorded, at the pace at which the first arm is as busy as it says. What
    it can do is what clients that wait in turn get of the same mix."""
    setup = arms[0].setup
    if not setup.arrivals:
        return
    _turn(arms[0], *first, clients, options, PACE_S, options.seed)
    (found,) = arms[0].rounds
    arms[0].rounds.clear()
    answered = [one for one in found.answers if not one.error and one.who != "probes"]
    if not answered:
        raise ServerError("no request of the incident's mix was answered", hint="slowq reproduce --save, and try fewer")
    span_s = max(one.sent_s + one.took_s for one in answered) - min(one.sent_s for one in answered)
    per_s = setup.busy * len(answered) / max(PACE_S, span_s)
    paced = replay(setup, per_s, max(options.seconds, FEWEST_DUE / per_s))
    for arm in arms:
        arm.replay = paced


def _measured(arms: Sequence[Arm], place: Milvus | None, options: Options, say: Say, held: ExitStack) -> None:
    began = time.monotonic()
    clients = Clients()
    held.callback(clients.close)
    targets: list[Target] = []
    for arm in arms:
        targets.append(EngineTarget(arm.setup) if place is None else MilvusTarget(place))
        held.callback(targets[-1].close)
    ready = _all_prepared(arms, targets, place, options, say, held)
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
                arm.trouble = f"round {number + 1}, {arm.name}: {error.message}"
                break
        if any(arm.trouble for arm in arms):
            break
    for arm, (target, made) in zip(arms, ready, strict=True):
        _collect(arm, target, made, options)


def _all_prepared(
    arms: Sequence[Arm],
    targets: Sequence[Target],
    place: Milvus | None,
    options: Options,
    say: Say,
    held: ExitStack,
) -> list[tuple[Target, Prepared]]:
    """Engines two at a time: while one stores and indexes its rows, those of the next are sent. The threads are daemons, as
    an interrupt waits for none of them: their engines are ended."""
    waiting = deque(zip(range(len(arms)), arms, targets, strict=True))
    made: dict[int, Prepared] = {}
    failed: list[BaseException] = []

    def work() -> None:
        while not failed:
            try:
                number, arm, target = waiting.popleft()
            except IndexError:  # the last one is made
                return
            say(f"preparing {arm.name}: {arm.setup.rows:,} rows")
            try:
                made[number] = _prepared(arm, target, place, options, held)
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                failed.append(error)

    if place is not None:
        work()
    else:
        threads = [threading.Thread(target=work, daemon=True) for _ in range(PREPARED_AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]
    return [(target, made[number]) for number, target in enumerate(targets)]


def _prepared(arm: Arm, target: Target, place: Milvus | None, options: Options, held: ExitStack) -> Prepared:
    if place is None:
        client = connect(target.uri)
        held.callback(client.close)
    else:
        client = place.client
    with asking(target.uri, f"{arm.name} was prepared"):
        return prepare(client, arm.collection, arm.setup, options.seed)


def _turn(
    arm: Arm, target: Target, made: Prepared, clients: Clients, options: Options, seconds: float, seed: int
) -> None:
    with asking(target.uri, "the set-up was released and loaded"):
        if arm.setup.cold:
            make_cold(made)
    stand_still(made, seconds)
    due = arm.replay.due if arm.replay else None
    load = Load(target.uri, made.name, arm.setup, seconds, seed, due, options.token)
    with target.watching(), beside(made, target.pause_ticks, seconds):
        began = time.monotonic()
        answers = clients.run(load)
        took = time.monotonic() - began
    if any(one.error for one in answers) and not target.alive():
        raise ServerError(f"{target.uri} does not answer any more")
    arm.rounds.append(Round(max(seconds, took if arm.replay else min(took, seconds * 2)), tuple(answers)))


def _collect(arm: Arm, target: Target, made: Prepared, options: Options) -> None:
    """What the server says of it, where it still does: before the searches for the recall, which nobody judges."""
    arm.log, arm.series = target.log(), target.series()
    if not target.alive():
        return
    if arm.setup.stall_s:
        hold_ticks(made, target.pause_ticks, held=False)
    arm.memory_bytes = target.memory_bytes
    try:
        with asking(target.uri, "its answers were compared"):
            arm.recall = made.recall()
        question = live.Question(collections=(made.name,), timeout_s=_ASK_S)
        asked = live.ask(target.uri, question, live.Login(options.token or None))
        arm.facts = live.text_of(asked)
        arm.context = loads(arm.facts, "slowq context")
    except ServerError as error:
        arm.trouble = arm.trouble or error.message


def check_room(setups: Sequence[Setup], options: Options) -> None:
    """Refuses what does not fit, with the numbers."""
    rows = max(one.rows + one.growing_rows for one in setups)
    if rows > options.most_rows:
        raise UsageError(f"{rows:,} rows are more than the limit of {options.most_rows:,}", hint="set --rows lower")
    needed = sum(one.bytes_estimated for one in setups)
    if not options.on_engine:
        if needed > options.most_bytes:
            raise UsageError(
                f"the scenario needs about {needed / 2**30:.1f} GiB of the Milvus for {len(setups)} collections, more than "
                f"the limit of {options.most_bytes / 2**30:g} GiB",
                hint="set --rows lower",
            )
        return
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
