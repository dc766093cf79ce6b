"""Kills an engine that writes, flushes and compacts, again and again, and compares what is left with what was acknowledged.

    python -m bench.engine.crash --kills 200
    python -m bench.engine.crash --meta        # changes every byte of a meta store, one at a time: an hour

The folder lives on through all kills, so that each life begins with what the one before it left.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from slowq.engine.faults import StoreError
from tests.engine import small
from tests.engine.crashes import Known, kill_once, prepare


def kills(count: int, seed: int) -> int:
    began = time.monotonic()
    known, dice = Known(), random.Random(seed)
    acknowledged, wrong = 0, []
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for life in range(count):
            done, found = kill_once(Path(folder), known, seed * 1000 + life, dice.randint(0, 400), dice.uniform(0, 0.3))
            acknowledged += done
            wrong += [f"life {life}: {one}" for one in found]
            if life % 20 == 19:
                print(f"{life + 1} kills, {acknowledged} acknowledged writes, {len(wrong)} wrong", flush=True)
    print(f"{count} kills in {time.monotonic() - began:.0f} s: {acknowledged} acknowledged writes, {len(wrong)} wrong")
    print("\n".join(wrong))
    return 1 if wrong else 0


def meta() -> int:
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with small.opened(folder) as engine:
            small.create(engine)
            for key in (1, 2, 3):
                small.insert(engine, {key: (0, key), key + 10: (1, key)})
                engine.coordinator.upkeep.flush(small.found(engine))
            small.delete(engine, [1])
            engine.coordinator.upkeep.flush(small.found(engine))
            small.settled(engine)
            want = small.answer(engine)
        path = folder / "meta.db"
        data = path.read_bytes()
        for at in range(len(data)):
            path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
            outcomes[_outcome(folder, want, at)] += 1
            path.write_bytes(data)
    print(f"{len(data)} bytes changed one at a time: {dict(outcomes)}")
    return 1 if outcomes["wrong"] else 0


def _outcome(folder: Path, want: dict[int, tuple[int, int]], at: int) -> str:
    try:
        with small.opened(folder) as engine:
            if small.answer(engine) == want:
                return "same answer"
    except StoreError:
        return "refused"
    print(f"byte {at}: a wrong answer")
    return "wrong"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--meta", action="store_true")
    asked = parser.parse_args(arguments)
    return meta() if asked.meta else kills(asked.kills, asked.seed)


if __name__ == "__main__":
    sys.exit(main())
