from __future__ import annotations

import pytest

from bench.accuracy.baselines import commonest, said
from bench.accuracy.cases import find, part_of
from bench.accuracy.reliability import bins
from bench.accuracy.scores import by_cause, confusion, figures
from tests.accuracy.builders import FLAT, LARGE_NQ, NOTHING_SLOW, UNDETERMINED, case, diagnosed, row

FLAT_CASE = case("flat", "wrong_index", "brute_force")
HEALTHY = case("healthy", None, None)
UNDECIDABLE = case("unclear", decidable=False)


def test_rates_count_decidable_and_undecidable_cases_apart() -> None:
    judged = [
        row(case(), LARGE_NQ),
        row(case(), diagnosed("heavy_workload", "large_result")),
        row(FLAT_CASE, UNDETERMINED),
        row(HEALTHY, NOTHING_SLOW),
        row(HEALTHY, FLAT),
        row(UNDECIDABLE, UNDETERMINED),
        row(UNDECIDABLE, FLAT),
    ]
    counted = {key: (one["right"], one["n"]) for key, one in figures(judged).items() if key != "errors"}
    assert counted == {
        "cause": (3, 5),
        "exact": (2, 5),
        "among_three": (2, 3),
        "abstained": (1, 3),
        "false_alarm": (1, 2),
        "undecidable_fair": (1, 2),
    }


def test_a_healthy_case_left_undetermined_is_wrong_and_no_false_alarm() -> None:
    counted = figures([row(HEALTHY, UNDETERMINED)])
    assert (counted["cause"]["right"], counted["false_alarm"]["right"]) == (0, 0)


def test_precision_and_recall_of_a_cause() -> None:
    judged = [row(case(), LARGE_NQ), row(case(), UNDETERMINED), row(FLAT_CASE, LARGE_NQ), row(FLAT_CASE, FLAT)]
    heavy = by_cause(judged)["heavy_workload"]
    assert (heavy["precision"]["right"], heavy["precision"]["n"]) == (1, 2)
    assert (heavy["recall"]["right"], heavy["recall"]["n"]) == (1, 2)
    assert heavy["f1"] == 0.5
    assert heavy["f1_interval"][0] <= 0.5 <= heavy["f1_interval"][1]


def test_a_case_of_two_causes_counts_for_the_one_that_was_answered() -> None:
    both = case("both", accept=(("wrong_index", "search_params"),))
    judged = [row(both, diagnosed("wrong_index", "search_params"))]
    assert confusion(judged) == {"wrong_index": {"wrong_index": 1}}
    assert by_cause(judged)["wrong_index"]["f1"] == 1.0


def test_the_confusion_table_leaves_undecidable_cases_out() -> None:
    judged = [
        row(FLAT_CASE, LARGE_NQ),
        row(FLAT_CASE, UNDETERMINED),
        row(HEALTHY, NOTHING_SLOW),
        row(UNDECIDABLE, FLAT),
    ]
    assert confusion(judged) == {
        "nothing slow": {"nothing slow": 1},
        "wrong_index": {"heavy_workload": 1, "undetermined": 1},
    }


def test_confidences_are_binned_with_what_came_true() -> None:
    judged = [
        row(case(), diagnosed("heavy_workload", "large_nq", 0.84)),
        row(case(), diagnosed("heavy_workload", "large_result", 0.86)),
        row(case(), diagnosed("heavy_workload", "large_nq", 1.0)),
        row(case(), UNDETERMINED),
        row(UNDECIDABLE, diagnosed("heavy_workload", "large_nq", 0.9)),
    ]
    assert [(one.low, one.high, one.n, one.right, round(one.stated, 3)) for one in bins(judged)] == [
        (0.8, 0.9, 2, 1, 0.85),
        (0.9, 1.0, 1, 1, 1.0),
    ]


@pytest.mark.parametrize(("right", "holds"), [(8, True), (4, False), (None, None)])
def test_a_bin_holds_where_stated_and_true_are_within_ten_points(right: int | None, holds: bool | None) -> None:
    judged = [
        row(case(), diagnosed("heavy_workload", "large_nq" if k < (right or 0) else "large_result", 0.8))
        for k in range(10 if right is not None else 3)
    ]
    assert [one.holds for one in bins(judged)] == [holds]


def test_the_commonest_cause_is_that_of_the_tune_part_and_never_nothing() -> None:
    say = commonest([HEALTHY, HEALTHY, FLAT_CASE, case(), FLAT_CASE])
    assert say(case()) == said("wrong_index", "brute_force")


def test_samples_and_reports_are_tuned_on_and_scenarios_are_held_out_whole() -> None:
    assert {part_of(name, "sample") for name in ("crowd-1", "ef-1")} == {"tune"}
    assert {part_of(f"flat-{strength}", "recorded") for strength in (0.5, 1, 2)} == {"held_out"}
    assert {part_of(f"ef-{strength}", "recorded") for strength in (0.5, 1, 2)} == {"held_out", "tune"}


def test_every_case_has_evidence_and_a_label_that_slowq_can_give() -> None:
    from slowq.findings import CAUSES

    for one in find():
        assert one.logs or one.context or one.metrics, one.id
        for cause, sub_cause in one.truth.answers:
            assert cause in CAUSES, one.id
            assert sub_cause is None or sub_cause in CAUSES[cause], one.id


def test_no_two_cases_have_the_same_name() -> None:
    names = [one.id for one in find() if one.origin != "sample"]
    assert len(names) == len(set(names))
