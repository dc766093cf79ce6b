from __future__ import annotations

import gzip
import json
from pathlib import Path

from slowq.metrics.file import load
from slowq.repro.keep import keep
from tests.repro.builders import REMEDY, SCENARIO, arm

SERIES = {
    "start": 100.0,
    "end": 100.5,
    "step": 0.5,
    "series": [
        {"metric": {"__name__": name}, "values": [[100.0, "1.0"], [100.5, "2.0"]]}
        for name in ("milvus_querynode_collection_num", "python_gc_objects_collected_total")
    ],
}


def test_every_set_up_has_what_slowq_was_given_of_it(tmp_path: Path) -> None:
    before = arm("before", (0.3, 0.3), "json_filter", series=SERIES, facts="milvus: {version: 2.6.10}\n")
    keep(tmp_path, SCENARIO, [arm("base", (0.02, 0.02)), before, arm(REMEDY.key, (0.02, 0.02))])
    kept = tmp_path / "json_filter"
    assert sorted(one.name for one in kept.iterdir()) == ["an_index", "base", "before"]
    assert gzip.decompress((kept / "before" / "logs" / "milvus.log.gz").read_bytes()) == before.log
    assert (kept / "before" / "context.yaml").read_text() == before.facts
    metrics = kept / "before" / "prometheus_range.json.gz"
    names = [one["metric"]["__name__"] for one in json.loads(gzip.decompress(metrics.read_bytes()))["series"]]
    assert names == ["milvus_querynode_collection_num"]  # what no rule asks for is not kept
    assert load(str(metrics)).step_s == 0.5
    assert sorted(one.name for one in (kept / "base").iterdir()) == ["arm.json", "logs"]


def test_it_says_what_ran_and_from_when_a_request_counted_as_slow(tmp_path: Path) -> None:
    keep(tmp_path, SCENARIO, [arm("base", (0.02, 0.02)), arm("before", (0.3, 0.3))])
    about = json.loads((tmp_path / "json_filter" / "base" / "arm.json").read_text())
    assert about == {
        "scenario": "json_filter",
        "says": "a filter",
        "rule": "json_filter",
        "arm": "base",
        "slow_s": 0.1,
        "requests": 200,
        "p50_s": 0.02,
        "p99_s": 0.0298,
    }


def test_nothing_is_kept_of_what_was_not_answered(tmp_path: Path) -> None:
    keep(tmp_path, SCENARIO, [arm("base", (0.02,)), arm("before", ())])
    assert list(tmp_path.iterdir()) == []
