from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd

from slowq.context import loads
from slowq.repro.judge import is_logged, judge
from slowq.repro.run import Arm
from slowq.repro.scenario import Other, Setup
from slowq.repro.seen import PATH, requests
from slowq.repro.stats import Round
from tests.repro.builders import SCENARIO, answer, arm

SETUP = Setup(nq=3, top_k=7, filter="a == 1", output_fields=("tag",), level="Strong", params={"nprobe": 4})


def test_each_answer_is_a_row_in_order_of_their_ends() -> None:
    answers = (answer(2.0), answer(0.5, who="probes"), answer(1.0, "timeout"))
    found = requests(SETUP, "c", [Round(2.0, answers)])
    assert found["duration_s"].tolist() == [0.5, 1.0, 2.0]
    assert found["nq"].tolist() == [1, 3, 3]
    assert found["filter"].tolist() == ["", "a == 1", "a == 1"]
    assert found["status"].tolist() == ["ok", "failed", "ok"]
    assert found["consistency"].tolist() == ["Bounded", "Strong", "Strong"]
    assert set(found["collection"]) == {"c"}
    assert set(found["path"]) == {PATH}
    assert found["slow"].all()
    ended = found["started"] + pd.to_timedelta(found["duration_s"], unit="s")
    assert (found["at"] == ended).all()
    assert json.loads(found["search_params"][2]) == {
        "anns_field": "vec",
        "metric_type": "L2",
        "topk": 7,
        "params": {"nprobe": 4},
    }


def test_a_query_a_hybrid_search_and_a_guarantee_ahead_are_told_as_a_log_does() -> None:
    def told(setup: Setup) -> pd.Series:
        return requests(setup, "c", [Round(2.0, (answer(1.0),))]).iloc[0]

    query = told(replace(SETUP, kind="query"))
    assert (query["kind"], pd.isna(query["nq"]), pd.isna(query["search_params"])) == ("query", True, True)
    hybrid = told(replace(SETUP, sub_requests=2))
    assert (hybrid["kind"], json.loads(hybrid["filter"])) == ("hybrid_search", ["a == 1", "a == 1"])
    ahead = told(replace(SETUP, guarantee_ahead_s=2.0))
    assert (ahead["consistency"], ahead["guarantee_lag_s"]) == ("Customized", -2.0)
    assert int(ahead["guarantee_timestamp"]) >> 18 == 1_760_000_002_000
    assert len(requests(SETUP, "c", [])) == 0


def test_a_request_that_is_sent_in_parts_is_so_many_requests() -> None:
    found = requests(replace(SETUP, vectors=10), "c", [Round(2.0, (answer(2.0),))])
    assert found["nq"].tolist() == [3] * 4
    assert found["duration_s"].tolist() == [0.5] * 4
    assert found["at"].diff().dropna().dt.total_seconds().tolist() == [0.5] * 3


def test_the_requests_of_another_pattern_are_told_as_its_own() -> None:
    other = Other("p2", 0.5, nq=9, filter="b == 2", level="Eventually")
    found = requests(replace(SETUP, others=(other,)), "c", [Round(2.0, (answer(2.0, who="p2"),))]).iloc[0]
    assert (found["nq"], found["filter"], found["consistency"]) == (9, "b == 2", "Eventually")


FACTS = """
milvus: {version: 2.3.5}
collections:
  - name: slowq_repro_x
    rows: 300000
    fields: [{name: vec, type: FLOAT_VECTOR, dim: 64, index: {type: FLAT, metric: L2}}]
"""
FLAT = replace(SCENARIO, rule="brute_force", fault={"index": "FLAT", "index_params": {}, "params": {}})


def there(name: str, *means_s: float, facts: str = FACTS) -> Arm:
    """An arm as a Milvus leaves it that logged nothing of it."""
    made = arm(name, means_s, own_log=False, collection="slowq_repro_x", context=loads(facts, "facts"))
    made.setup = FLAT.before
    return made


def test_where_the_log_is_silent_the_rule_is_judged_from_what_the_clients_saw() -> None:
    indexed = FACTS.replace("type: FLAT", "type: IVF_FLAT")
    found = judge(FLAT, there("before", 1.0, 1.01, 0.99), there("after", 0.1, 0.1, 0.11, facts=indexed))
    assert (found.outcome, found.first, found.silent) == ("confirmed", "brute_force", True)
    assert found.seen_in == ("clients", "facts")


def test_a_rule_that_cannot_judge_them_leaves_the_times_and_that_is_said() -> None:
    nothing = "milvus: {version: 2.3.5}"
    found = judge(FLAT, there("before", 1.0, 1.01, 0.99, facts=nothing), there("after", 0.1, 0.1, 0.11, facts=nothing))
    assert (found.outcome, found.first, found.silent) == ("confirmed", None, None)
    assert found.because.startswith(
        "p99 is 9.7 times faster, outside the noise; the rule brute_force lacks the vector "
    )
    assert found.because.endswith(", so the times alone decide")


def test_a_rule_that_is_clear_is_not_claimed() -> None:
    indexed = FACTS.replace("type: FLAT", "type: HNSW")
    found = judge(FLAT, there("before", 1.0, 1.01, 0.99, facts=indexed), there("after", 0.1, 0.1, 0.11, facts=indexed))
    assert found.outcome == "could not reproduce"
    assert found.because.startswith("the rule brute_force was expected first")


def test_the_log_counts_where_it_holds_the_slow_requests_of_the_collection() -> None:
    before = arm("before", (1.0,), "json_filter", own_log=False, collection="catalog_hnsw")
    before.rounds[0] = Round(2.0, before.rounds[0].answers[:20])
    assert is_logged(before, 0.1)
    before.collection = "slowq_repro_x"
    assert not is_logged(before, 0.1)
    assert is_logged(arm("before", (1.0,)), 0.1)  # the engine logs what it is told to log
