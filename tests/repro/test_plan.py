from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slowq.errors import UsageError
from slowq.filters import parse
from slowq.filters.ast import Field, walk
from slowq.repro.plan import Known, plan
from slowq.repro.scenario import from_yaml, to_yaml
from slowq.repro.scenarios import catalogue
from tests.golden import INCIDENTS, answer

ELSEWHERE = {"client_or_network", "version_regression", "storage_stall"}
ELSEWHERE |= {"cpu_saturation", "disk_saturation", "memory_pressure"}


def incident(name: str) -> dict[str, Any]:
    (path,) = [one for one in INCIDENTS if one.name == name]
    return answer(path)


@pytest.mark.parametrize("path", INCIDENTS, ids=lambda path: path.name)
def test_every_finding_of_every_incident_becomes_a_scenario_or_an_error_that_says_why(
    path: Path, tmp_path: Path
) -> None:
    document = answer(path)
    for number, finding in enumerate(document["findings"], start=1):
        if finding["sub_cause"] not in catalogue():
            assert finding["sub_cause"] in ELSEWHERE
            with pytest.raises(UsageError, match=f"{finding['sub_cause']} cannot be reproduced on one machine"):
                plan(document, number)
            continue
        made = plan(document, number)
        assert made.rule == finding["sub_cause"]
        assert made.before != made.base
        assert [one.key for one in made.remedies if made.after(one) == made.before] == []
        for one in (made.base, made.before):
            assert not one.filter or parse(one.filter)
        saved = tmp_path / f"{number}.yaml"
        saved.write_text(to_yaml(made))
        assert from_yaml(saved).before == made.before


def test_a_report_without_findings_or_without_that_many_is_an_error() -> None:
    with pytest.raises(UsageError, match="no finding to reproduce"):
        plan({"findings": []})
    with pytest.raises(UsageError, match="the report has no finding 9") as caught:
        plan(incident("json_filter"), 9)
    assert caught.value.hint == "it has 1; see slowq show"


def test_the_filter_of_the_incident_is_the_fault_and_its_remedies_are_about_its_own_fields() -> None:
    made = plan(incident("json_filter"))
    assert made.fault["filter"].count('json_contains(meta["t"],') == 33
    assert made.base.filter == ""
    assert made.base.dim == 128
    indexed = made.remedies[0]
    assert indexed.key == "path_index"
    assert {path: one["json_cast_type"] for path, one in indexed.change["scalar_indexes"].items()} == {
        'meta["t"]': "ARRAY_DOUBLE",
        'meta["a"]["b"]': "DOUBLE",
        'meta["s"]': "DOUBLE",
    }
    own = made.after(made.remedy("own_field"))
    assert "meta" not in own.filter
    assert {one.name for one in own.columns} == {"of_t", "of_a_b", "of_s"}


def _with_filter(shape: str) -> dict[str, Any]:
    """The incident of a costly filter, with another one."""
    document = incident("complex_expression")
    culprit = document["findings"][0]["culprits"][0]
    patterns = [one | {"filter": shape} if one["id"] == culprit else one for one in document["patterns"]]
    return document | {"patterns": patterns}


def test_a_chain_becomes_an_in_list_where_that_is_the_same() -> None:
    made = plan(_with_filter("or\u00d711-100(tag == ?)"))
    assert made.remedies[0].key == "in_for_or"
    assert made.remedies[0].change["filter"].startswith("tag in [")
    assert [one.key for one in plan(incident("complex_expression")).remedies] == ["inverted_index"]


def test_a_filter_that_cannot_be_read_gives_way_to_that_of_the_catalogue() -> None:
    made = plan(_with_filter("a == ?\u2026c5a1\u2026b == ?"))
    assert made.fault == catalogue()["complex_expression"].fault
    assert "the filter of the catalogue" in made.assumed


@pytest.mark.parametrize(
    ("name", "dim"), [("complex_expression", 16), ("search_params_nprobe", 16), ("large_nq", 128), ("json_filter", 128)]
)
def test_the_dimension_is_worked_out_from_the_bytes_of_the_vectors(name: str, dim: int) -> None:
    assert plan(incident(name)).base.dim == dim


def test_what_is_not_known_is_assumed_and_said() -> None:
    document = incident("large_nq")
    guessed, told = plan(document), plan(document, known=Known(rows=50_000, dim=96, index="HNSW", metric="IP"))
    assert guessed.assumed[:2] == ("index HNSW, by its search params", "100,000 rows")
    scaled, _ = told.assumed
    assert scaled.startswith("nq ")
    assert "in the place of 16,000" in scaled
    assert (told.base.rows, told.base.dim, told.base.metric) == (50_000, 96, "IP")
    assert plan(document, rows=700).base.rows == 700


def test_a_dimension_that_is_too_large_is_scaled_down_and_said() -> None:
    made = plan(incident("large_nq"), known=Known(dim=1536))
    assert made.base.dim == 256
    assert "256 dimensions in the place of 1536" in made.assumed


def test_a_finding_about_waiting_keeps_a_fault_even_where_the_log_says_bounded() -> None:
    document = incident("heavy_delete")
    (number,) = [at for at, one in enumerate(document["findings"], 1) if one["sub_cause"] == "consistency_wait"]
    assert plan(document, number).before.level == "Strong"


def test_the_mix_and_the_arrivals_of_the_log_are_carried_with_their_shapes() -> None:
    made = plan(incident("consistency_wait"), known=Known(cpus=2))
    assert made.before.level == "Strong"
    (batch,) = made.base.others
    assert (batch.nq, batch.top_k, batch.filter, batch.level) == (400, 50, "", "Bounded")
    assert (len(made.base.arrivals), len(batch.arrivals), made.base.logged) == (214, 6, True)
    assert batch.share == pytest.approx(6 / 220, abs=1e-4)
    assert min(*made.base.arrivals, *batch.arrivals) == 0.0
    assert made.base.busy == 0.95  # 16.4 at once on 2 CPUs
    assert made.assumed[-1] == "220 arrivals as logged, 16.4 at once; those too fast for the log are not among them"
    assert plan(incident("consistency_wait"), known=Known(cpus=40)).base.busy == 0.41


def test_too_few_requests_are_clients_that_wait_in_turn_and_it_is_said() -> None:
    made = plan(incident("large_nq"))
    assert (made.base.others, made.base.arrivals) == ((), ())
    assert made.assumed[-1] == (
        "clients that wait in turn: 2 logged requests are too few to replay their mix and arrivals"
    )


def test_a_report_without_arrivals_is_clients_that_wait_in_turn_and_it_is_said() -> None:
    document = incident("json_filter")
    bare = [{name: value for name, value in one.items() if name != "arrivals"} for one in document["workload"]]
    made = plan(document | {"workload": bare})
    assert (made.base.others, made.base.arrivals) == ((), ())
    assert made.assumed[-1] == "clients that wait in turn: the report does not hold when its requests came"


def test_where_the_clients_are_the_fault_they_stay_and_send_the_mix() -> None:
    made = plan(incident("high_concurrency"))
    assert made.base.arrivals == ()
    assert made.assumed[-1] == "clients that wait in turn, with the mix of the log: their number is the fault"


def test_smaller_batches_are_more_of_them_and_not_less_work() -> None:
    document = incident("mixed_large_nq_and_filter")
    made = plan(document)
    assert made.base.arrivals
    smaller = made.after(made.remedy("smaller_batches"))
    assert (smaller.nq, smaller.vectors) == (10, made.before.nq)
    assert made.before.nq == made.before.vectors > 10


def test_filters_of_other_patterns_have_their_columns_in_every_set_up() -> None:
    made = plan(incident("complex_expression"))
    filters = [parse(one.filter) for one in made.base.others if one.filter]
    asked = {node.name for one in filters for node in walk(one) if isinstance(node, Field)}
    assert len(made.base.others) == 3
    assert asked
    for one in (made.before, *(made.after(remedy) for remedy in made.remedies)):
        assert asked <= {column.name for column in one.columns}


def test_at_most_a_thousand_arrivals_are_kept_those_of_the_dearest_stretch() -> None:
    made = plan(incident("unindexed_scalar_filter"))
    assert len(made.base.arrivals) + sum(len(one.arrivals) for one in made.base.others) == 1000
