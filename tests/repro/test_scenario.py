from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from slowq.errors import UsageError
from slowq.repro.scenario import Column, Other, Remedy, Scenario, Setup, from_yaml, to_yaml
from slowq.repro.scenarios import catalogue, named

SCENARIO = Scenario(
    "mine",
    "json_filter",
    "a filter",
    Setup(
        rows=2_000,
        columns=(
            Column("tag", "VARCHAR", (("a-1", 0.2), ("a-2", 0.3)), 50),
            Column("meta", "JSON", paths=(Column("kind", "INT64", ((3, 0.1),)), Column("a.b", "ARRAY"))),
        ),
        output_fields=("tag",),
        others=(Other("p2", 0.25, nq=8, filter="owner < 3", level="Strong", arrivals=(0.5, 7.25)),),
        arrivals=(0.0, 0.001, 3.0),
        logged=True,
        config={"queryNode.grouping.enabled": False},
    ),
    {"filter": 'meta["kind"] == 3'},
    (Remedy("index", "an index", {"scalar_indexes": {'meta["kind"]': {"index_type": "INVERTED"}}}),),
    ("pattern_filter",),
    assumed=("2,000 rows",),
)


def test_before_and_after_differ_in_nothing_but_the_fault_and_the_remedy() -> None:
    before, after = SCENARIO.before, SCENARIO.after(SCENARIO.remedies[0])
    differing = [one.name for one in fields(Setup) if getattr(before, one.name) != getattr(after, one.name)]
    assert differing == ["scalar_indexes"]
    assert before.filter == after.filter == 'meta["kind"] == 3'
    assert SCENARIO.base.filter == ""


def test_a_field_that_there_is_not_is_named() -> None:
    with pytest.raises(UsageError, match="a scenario has no 'colour'") as caught:
        Setup().changed({"colour": "red"})
    assert "nprobe" not in str(caught.value.hint)
    assert "top_k" in str(caught.value.hint)


def test_a_remedy_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="the scenario mine has no remedy 'other'") as caught:
        SCENARIO.remedy("other")
    assert caught.value.hint == "it has index"
    assert SCENARIO.remedy("index") is SCENARIO.remedies[0]


@pytest.mark.parametrize("scenario", [SCENARIO, *catalogue().values()], ids=lambda one: one.name)
def test_a_scenario_file_gives_back_the_same_set_ups(scenario: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(to_yaml(scenario), encoding="utf-8")
    back = from_yaml(path)
    assert (back.base, back.before) == (scenario.base, scenario.before)
    assert [back.after(one) for one in back.remedies] == [scenario.after(one) for one in scenario.remedies]
    assert (back.name, back.rule, back.accept, back.assumed) == (
        scenario.name,
        scenario.rule,
        scenario.accept,
        scenario.assumed,
    )
    assert to_yaml(back) == to_yaml(scenario)


_BASE = "name: a\nrule: b\nfault: {}\nremedies: []\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no scenario"),
        ("[]", "no scenario"),
        ("a: [", "no scenario"),
        ("name: a", "'remedies'"),
        (_BASE + "base: {colour: red}", "a scenario has no 'colour'"),
        (_BASE + "base: 3", "no scenario"),
        (_BASE + "base: {columns: [{name: tag}]}", "'type'"),
        (_BASE + "base: {others: [{name: tag, colour: red}]}", "unexpected keyword argument 'colour'"),
        (_BASE + "base: {others: [3]}", "no scenario"),
        ("!!python/object/apply:os.system ['true']", "no scenario"),
    ],
)
def test_a_file_that_is_no_scenario_is_an_error_that_says_why(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        from_yaml(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.yaml.*No such file"):
        from_yaml(tmp_path / "missing.yaml")


def test_every_scenario_of_the_catalogue_is_named_like_its_file_and_breaks_something() -> None:
    for name, one in catalogue().items():
        assert named(name) is one
        assert one.before != one.base
        assert one.remedies
        assert all(one.after(remedy) != one.before for remedy in one.remedies)
        assert len({remedy.key for remedy in one.remedies}) == len(one.remedies)
    with pytest.raises(UsageError, match="there is no scenario 'nothing'"):
        named("nothing")
