from __future__ import annotations

import json
from typing import Any

import pytest

from slowq.facts import Context
from slowq.report.receipts import is_receipt
from slowq.repro.arrivals import Replay
from slowq.repro.judge import judge
from slowq.repro.receipt import phases, receipt
from slowq.repro.run import Options
from slowq.repro.scenario import Other
from slowq.repro.stats import Round
from tests.repro.builders import REMEDY, SCENARIO, answer, arm, rounds


def test_a_receipt_holds_what_somebody_else_needs_to_repeat_it() -> None:
    before, after = arm("before", (1.0, 1.1, 0.9), recall=0.98), arm("after", (0.1, 0.1, 0.1), recall=0.97)
    before.rounds[0] = rounds(1.0, errors=3)[0]
    made = receipt(SCENARIO, REMEDY, before, after, judge(SCENARIO, before, after), Options(seed=7))
    assert is_receipt(made)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert (made["outcome"], made["remedy"], made["rounds"], made["seed"]) == ("confirmed", "an_index", 3, 7)
    assert made["scale"] == {"rows": 1000, "dim": 8, "clients": 4}
    assert made["command"] == "slowq reproduce scenario.yaml --remedy an_index --seed 7"
    assert made["before"]["errors"] == 3
    assert (made["before"]["recall"], made["after"]["recall"]) == (0.98, 0.97)
    assert made["versions"].keys() == {"slowq", "pymilvus", "faiss-cpu", "numpy"}
    other = receipt(SCENARIO, REMEDY, before, after, judge(SCENARIO, before, after), Options(seed=8))
    assert made["digest"] != other["digest"]


def test_a_receipt_of_a_single_round_is_still_json() -> None:
    before, after = arm("before", (1.0,)), arm("after", (0.1,))
    made = receipt(SCENARIO, REMEDY, before, after, judge(SCENARIO, before, after), Options())
    assert json.loads(json.dumps(made, allow_nan=False))["before"]["p99_s"]["low"] is None
    assert is_receipt(made)


def _series(**sums: float) -> dict[str, Any]:
    return {
        "series": [
            {
                "metric": {"__name__": f"milvus_querynode_sq_{name}_latency_sum"},
                "values": [(0.0, "5"), (2.0, str(5 + grown))],
            }
            for name, grown in sums.items()
        ]
    }


def test_phases_are_shares_of_what_grew_while_it_was_watched() -> None:
    found = phases(arm("before", (1.0,), series=_series(queue=30.0, wait_tsafe=10.0)))
    assert found == pytest.approx({"queue": 0.75, "wait_tsafe": 0.25, "reduce": 0, "proxy_reduce": 0, "segments": 0})
    assert phases(arm("before", (1.0,))) is None
    assert phases(arm("before", (1.0,), series=_series(queue=0.0))) is None


def test_a_receipt_of_a_replay_says_its_pace_and_what_the_other_patterns_took() -> None:
    others = (Other("p2", 0.5, arrivals=(1.0,)),)
    before = arm("before", (1.0, 1.1, 0.9), replay=Replay(((0.0, 0), (0.5, 1)), 2.0, 40.0))
    before.setup = before.setup.changed({"others": others, "arrivals": (0.0,), "logged": True, "busy": 0.8})
    before.rounds = [Round(2.0, (*one.answers, answer(3.0, who="p2"))) for one in before.rounds]
    after = arm("after", (0.1, 0.1, 0.1))
    made = receipt(SCENARIO, REMEDY, before, after, judge(SCENARIO, before, after), Options())
    assert made["replay"] == {"requests": 2, "per_s": 40.0, "pace": 2.0, "busy": 0.8}
    assert made["before"]["patterns"] == {"p2": {"requests": 3, "p50_s": 3.0, "p99_s": 3.0}}
    assert made["assumed"] == [
        "arrivals 2 times as fast as logged: 80% of what the server answers before, with clients that wait in turn"
    ]
    before.setup = before.setup.changed({"logged": False})
    made_up = receipt(SCENARIO, REMEDY, before, after, judge(SCENARIO, before, after), Options())
    assert made_up["assumed"] == [
        "arrivals 40 a second: 80% of what the server answers before, with clients that wait in turn"
    ]
    plain = receipt(SCENARIO, REMEDY, after, after, judge(SCENARIO, after, after), Options())
    assert (plain["replay"], plain["before"]["patterns"], plain["assumed"]) == (None, {}, [])


def test_filter_and_vectors_are_told_apart_where_milvus_does() -> None:
    series = _series(queue=50.0)
    for kind, grown in (("scalar_latency", 30), ("vector_latency", 20)):
        labels = {"__name__": "internal_core_search_latency_sum", "type": kind}
        series["series"].append({"metric": labels, "values": [(0.0, "1"), (2.0, str(1 + grown))]})
    found = phases(arm("before", (1.0,), series=series))
    assert found == pytest.approx(
        {"queue": 0.5, "wait_tsafe": 0, "reduce": 0, "proxy_reduce": 0, "scalar_filter": 0.3, "vector_search": 0.2}
    )


def test_a_receipt_of_a_milvus_names_it_and_its_version() -> None:
    before, after = arm("before", (1.0, 1.1)), arm("after", (0.1, 0.1))
    before.context = Context(milvus={"version": "2.3.5"})
    there = Options(target="http://user:secret@milvus:19530", token="root:Milvus")
    made = receipt(SCENARIO, REMEDY, before, after, judge(SCENARIO, before, after), there)
    assert made["versions"]["milvus"] == "2.3.5"
    assert made["target"] == "http://milvus:19530"
    assert made["command"].endswith("--target http://milvus:19530")
    assert "secret" not in json.dumps(made)
    assert "root:Milvus" not in json.dumps(made) + repr(there)
