"""kill -9 at any moment loses no acknowledged write and brings back no deleted row. `bench/engine/crash.py` does it longer."""

from __future__ import annotations

import random
from pathlib import Path

from tests.engine.crashes import Known, kill_once, prepare


def test_a_killed_engine_has_lost_no_acknowledged_write_and_brings_back_no_deleted_row(tmp_path: Path) -> None:
    prepare(tmp_path)
    known = Known()
    total = 0
    for seed in range(6):
        dice = random.Random(seed)
        acknowledged, wrong = kill_once(tmp_path, known, seed, dice.randint(10, 60), dice.uniform(0, 0.05))
        assert wrong == []
        total += acknowledged
    assert total
