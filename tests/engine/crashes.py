"""A writer that is killed, and what its folder must hold then.

As a program it writes, flushes and compacts in a folder, and says line by line what it is about to do and what was
acknowledged: `python -m tests.engine.crashes FOLDER SEED`. `kill_once` starts it, kills it, and compares.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from slowq.engine.compaction import CLUSTERING, LEVEL_ZERO, MIX
from tests.engine import small

KEYS = 60
WRITERS = 2  # each with keys of its own


@dataclass
class Known:
    """Per key the value that was acknowledged (None: deleted or never there), and those that may be there as well."""

    sure: dict[int, tuple[int, int] | None] = field(default_factory=lambda: dict.fromkeys(range(KEYS)))
    maybe: dict[int, tuple[int, int] | None] = field(default_factory=dict)

    def read(self, lines: list[str]) -> int:
        """Takes in what the writer said; the acknowledged writes."""
        acknowledged = 0
        for line in lines:
            said = json.loads(line)
            values = {int(key): None if value is None else tuple(value) for key, value in said["values"].items()}
            if said["done"]:
                acknowledged += 1
                self.sure |= values
                for key in values:
                    del self.maybe[key]
            else:
                self.maybe |= values
        return acknowledged

    def settle(self, found: dict[int, tuple[int, int]]) -> list[str]:
        """What is wrong with the rows that were found; from here on they are what is known."""
        wrong = []
        for key in range(KEYS):
            value = found.get(key)
            if value != self.sure[key] and not (key in self.maybe and value == self.maybe[key]):
                wrong.append(
                    f"key {key} is {value}, acknowledged {self.sure[key]}, on its way {self.maybe.get(key, '-')}"
                )
            self.sure[key] = value
        self.maybe.clear()
        return wrong


def kill_once(folder: Path, known: Known, seed: int, said: int, after_s: float) -> tuple[int, list[str]]:
    """Kills a writer so long after its `said`-th line; acknowledged writes of that life, and what was wrong after it."""
    command = [sys.executable, "-m", "tests.engine.crashes", str(folder), str(seed)]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        killer = threading.Timer(after_s, writer.kill)
        for line in writer.stdout:
            lines.append(line)
            if len(lines) == said + 1:
                killer.start()
    assert lines[:1] == ["open\n"]
    lines = [one for one in lines[1:] if one.endswith("\n")]
    acknowledged = known.read(lines)
    with small.opened(folder) as engine:
        wrong = known.settle(small.answer(engine))
        wrong += [one for one in engine.warnings if "cut off" not in one and "begun anew" not in one]
    return acknowledged, wrong


def prepare(folder: Path) -> None:
    with small.opened(folder) as engine:
        small.create(engine, shards=2)


def main(folder: str, seed: int) -> None:
    engine = small.opened(folder)
    dice = random.Random(seed)
    lock = threading.Lock()

    def say(values: dict[int, tuple[int, int] | None], done: bool) -> None:
        with lock:
            print(json.dumps({"done": done, "values": values}), flush=True)  # noqa: T201

    def write(number: int) -> None:
        own = random.Random(seed * 7 + number)
        for version in range(1_000_000):
            keys = own.sample(range(number, KEYS, WRITERS), own.randint(1, 6))
            gone = own.random() < 0.35
            values = {key: None if gone else (own.randint(0, 5), seed % 1000 * 1000 + version % 1000) for key in keys}
            say(values, False)
            if gone:
                small.delete(engine, keys)
            else:
                small.upsert(engine, {key: value for key, value in values.items() if value is not None})
            say(values, True)

    print("open", flush=True)  # noqa: T201
    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(WRITERS):
            pool.submit(write, number).add_done_callback(lambda one: print(one.exception(), flush=True))  # noqa: T201
        while True:
            time.sleep(dice.random() * 0.03)
            engine.coordinator.upkeep.flush(small.found(engine))
            if dice.random() < 0.5:
                engine.coordinator.upkeep.compact(small.found(engine), dice.choice([MIX, LEVEL_ZERO, CLUSTERING]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
