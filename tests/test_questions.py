from __future__ import annotations

import re

import pytest

from slowq.findings import CAUSES, Finding, cause_of
from slowq.metrics.catalogue import QUANTITIES, SERIES
from slowq.questions import DECIDES, next_question
from tests.builders import case, fired, measured, search
from tests.rules.test_with_metrics import BUSY

SUB_CAUSES = [name for names in CAUSES.values() for name in names]


def finding(name: str) -> Finding:
    from slowq.facts import Place
    from slowq.findings import Evidence

    return fired(
        Finding(cause_of(name), name, "warning", 0.5, 1.0, 1.0, "it", "So.", (Evidence("It is.", (Place("a", 1),)),))
    )


@pytest.mark.parametrize("name", SUB_CAUSES)
def test_every_cause_has_something_that_decides_it(name: str) -> None:
    assert DECIDES[name].asks
    assert DECIDES[name].how


def test_every_quantity_and_metric_that_is_named_is_one() -> None:
    known = {one.name for one in QUANTITIES}
    for one in DECIDES.values():
        assert one.track is None or one.track in known
        for metric in re.findall(r"\b(?:milvus|internal)_\w+", one.how):
            assert metric in SERIES, metric


def test_the_question_is_about_the_likeliest_cause_and_tells_how_to_answer_it() -> None:
    asked = next_question(case(search()), [finding("growing_segments"), finding("high_concurrency")])
    assert asked.separates == ("growing_segments", "high_concurrency")
    assert asked.asks == "how much of the work is on growing segments"
    assert "milvus_querynode_sq_segment_latency_sum" in asked.how


def test_what_is_at_hand_is_not_asked_again() -> None:
    metrics = measured({**BUSY, "segment": {"state": {"Growing": (0.5, 2.0)}}})
    asked = next_question(case(search(), metrics=metrics), [finding("growing_segments"), finding("heavy_delete")])
    assert asked.asks == "how many rows are deleted and upserted each second"


def test_without_a_candidate_and_without_metrics_the_metrics_are_asked_for() -> None:
    asked = next_question(case(search()), [])
    assert "--prometheus" in asked.how
    assert asked.text.startswith("To tell more, look at where a search spends its time: ")


def test_with_metrics_the_context_is_asked_for() -> None:
    assert "slowq context" in next_question(case(search(), metrics=measured(BUSY)), []).how
