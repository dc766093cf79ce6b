"""What the runs of scenarios leave becomes labelled incidents of a group of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.accuracy.cases import find, find_scenarios
from bench.accuracy.conditions import Given
from bench.accuracy.record_scenarios import record


def kept(folder: Path, base_p99_s: float, fault_p99_s: float) -> Path:
    """As `slowq scenarios run large_nq --keep` leaves it."""
    for arm, p99_s in (("base", base_p99_s), ("before", fault_p99_s)):
        place = folder / "large_nq" / arm
        (place / "logs").mkdir(parents=True)
        (place / "logs" / "milvus.log.gz").write_bytes(b"log of " + arm.encode())
        about = {
            "scenario": "large_nq",
            "says": "large requests",
            "rule": "large_nq",
            "arm": arm,
            "slow_s": 0.05,
            "requests": 90,
            "p50_s": 0.01,
            "p99_s": p99_s,
        }
        (place / "arm.json").write_text(json.dumps(about))
    return folder / "large_nq"


def truth(folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return {name: said[name] for name in ("cause", "sub_cause", "what", "slow_s")}


def test_the_fault_is_labelled_with_its_cause_and_the_base_with_none(tmp_path: Path) -> None:
    assert record(kept(tmp_path / "kept", 0.02, 0.06), tmp_path) == []
    assert truth(tmp_path / "large_nq-fault") == {
        "cause": "heavy_workload",
        "sub_cause": "large_nq",
        "what": "large requests",
        "slow_s": 0.05,
    }
    assert truth(tmp_path / "large_nq-base") == {
        "cause": None,
        "sub_cause": None,
        "what": "the healthy base",
        "slow_s": 0.05,
    }
    assert (tmp_path / "large_nq-fault" / "logs" / "milvus.log.gz").read_bytes() == b"log of before"
    assert sorted(one.name for one in (tmp_path / "large_nq-base").iterdir()) == ["logs", "truth.json"]


def test_a_fault_that_does_not_hurt_is_no_incident_and_an_older_one_goes(tmp_path: Path) -> None:
    record(kept(tmp_path / "first", 0.02, 0.06), tmp_path)
    assert record(kept(tmp_path / "second", 0.02, 0.059), tmp_path) == ["large_nq-fault"]
    assert not (tmp_path / "large_nq-fault").exists()
    assert truth(tmp_path / "large_nq-base")["sub_cause"] is None


def test_incidents_of_the_engine_are_never_among_those_of_a_real_milvus() -> None:
    assert {one.origin for one in find()} == {"sample", "recorded", "report", "second_reading"}
    assert {one.origin for one in find_scenarios()} == {"scenario"}


@pytest.mark.parametrize(("slow_s", "more"), [(None, []), (0.05, ["--min-duration", "0.05s"])])
def test_what_is_slow_is_said_where_the_label_says_it(slow_s: float | None, more: list[str]) -> None:
    assert Given(Path("logs"), None, None, slow_s).arguments() == ["logs", *more]
