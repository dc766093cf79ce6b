"""What runs beside the requests of a set-up, on an engine in a process of its own. Small: nothing here is about time."""

from __future__ import annotations

import dataclasses

from slowq.facts import HEALTHY_S
from slowq.repro.judge import diagnosed
from slowq.repro.run import Arm, Options, run
from slowq.repro.scenario import Scenario, Setup
from slowq.repro.scenarios import named

SMALL = {"rows": 2000, "dim": 8, "columns": (), "segments": 1, "index_params": {"nlist": 8}, "params": {"nprobe": 4}}


def before(scenario: Scenario, **more: object) -> Arm:
    """The scenario's fault on little data, for two short rounds."""
    setup = scenario.before.changed({**SMALL, **more})
    (arm,) = run(scenario.name, [("before", setup)], Options(rounds=2, seconds=0.3), lambda _: None)
    assert not arm.trouble
    assert not [answer.error for one in arm.rounds for answer in one.answers if answer.error]
    return arm


def test_a_purge_leaves_its_rows_out_of_the_exact_answers_and_a_compaction_takes_them_away() -> None:
    plain = {"index": "FLAT", "index_params": {}, "params": {}, "nq": 1, "write_batch": 100, "purged": 0.9}
    arm = before(named("heavy_delete"), **plain)
    assert arm.recall == 1.0
    assert arm.context is not None
    assert [one.rows for one in arm.context.collections] == [2000]  # deleted rows count until they are compacted
    arm = before(named("heavy_delete"), **plain, compacted=True, deletes_per_s=0)
    assert arm.recall == 1.0
    assert arm.context is not None
    assert [one.rows for one in arm.context.collections] == [200]


def test_the_time_tick_stands_still_between_the_turns_and_goes_on_at_the_end() -> None:
    setup = dataclasses.replace(
        Setup().changed(SMALL), clients=1, probes=0, stall_s=1.0, config={"common.gracefulTime": 100}
    )
    (arm,) = run("stall", [("before", setup)], Options(rounds=2, seconds=0.2), lambda _: None)
    assert arm.recall is not None  # a Bounded search came back
    assert arm.log.count(b"rootcoord send tt to all channels too slowly") >= 2


def test_an_index_build_beside_the_requests_is_in_the_log_of_the_engine() -> None:
    arm = before(named("index_build"))
    assert arm.log.count(b"Begin to prepare indexBuildTask") >= 4
    assert diagnosed(arm, HEALTHY_S) is not None
