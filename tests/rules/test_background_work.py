"""index_build, compaction and segment_load judge alike; what is said here is said of each."""

import numpy as np
import pytest

from slowq.contention import density
from slowq.rule import Rule
from slowq.rules.compaction import Compaction
from slowq.rules.index_build import IndexBuild
from slowq.rules.segment_load import SegmentLoad
from tests.builders import BEGIN, Row, case, cleared, event, fired, ids, many, measured, needs, says, search

RULES = [(IndexBuild(), "index_build"), (Compaction(), "compaction"), (SegmentLoad(), "segment_load")]
every_rule = pytest.mark.parametrize(("rule", "what"), RULES, ids=[what for _, what in RULES])
SLOW = many(20, search(60), every=2)  # from 54 to 98


def span(what: str, begin: float, end: float, subject: str = "7") -> list[Row]:
    return [event(what, begin, "start", subject), event(what, end, "done", subject)]


QUIET = [event("gc_slow", 0), event("gc_slow", 600)]  # the log goes on before and after


@every_rule
def test_slow_requests_that_lie_within_the_work_and_nowhere_else_blame_it(rule: Rule, what: str) -> None:
    incident = case(SLOW, beside=[span(what, 50, 100), QUIET])
    found = fired(rule.check(incident))
    assert found.sub_cause == what
    assert found.confidence >= 0.5
    assert "100 % of the slow time lies where" in says(found)
    assert {cite.path for cite in found.evidence[0].cites} == {"milvus.log"}
    assert (found.culprits, set(found.victims), found.explains_share) == ((), ids(incident), 1.0)


@every_rule
def test_it_explains_no_more_than_what_ran_beside_it(rule: Rule, what: str) -> None:
    outside = many(5, search(400), every=2)
    found = fired(rule.check(case(SLOW, outside, beside=[span(what, 50, 100), QUIET])))
    assert found.explains_share == 0.8


@every_rule
def test_work_that_covers_little_of_the_slow_time_is_not_to_blame(rule: Rule, what: str) -> None:
    assert "only" in cleared(rule.check(case(SLOW, beside=[span(what, 50, 60), QUIET])))


@every_rule
def test_work_at_another_time_is_not_to_blame(rule: Rule, what: str) -> None:
    assert "in the time of the slow requests" in cleared(rule.check(case(SLOW, beside=[span(what, 300, 320), QUIET])))


@every_rule
def test_a_start_whose_end_was_lost_is_not_work_until_the_log_ends(rule: Rule, what: str) -> None:
    assert cleared(rule.check(case(SLOW, beside=[event(what, 55, "start", "7"), QUIET])))


@every_rule
def test_requests_that_are_costly_by_themselves_speak_against_it(rule: Rule, what: str) -> None:
    costly = many(20, search(60, filter='meta["a"] == 1'), every=2)
    assert fired(rule.check(case(costly, beside=[span(what, 50, 100), QUIET]))).confidence < 0.5


@every_rule
def test_one_line_says_and_does_not_say_so_in_plural(rule: Rule, what: str) -> None:
    found = fired(rule.check(case(beside=[event(what, 55, "start", "7")])))
    assert found.evidence[0].says.startswith("1 line says that")


@every_rule
def test_the_context_file_can_tell_of_it(rule: Rule, what: str) -> None:
    word = {"segment_load": "load"}.get(what, what)
    facts = f"events: [{{what: {word}}}]\npattern: {{only_after: {word}}}"
    found = fired(rule.check(case(facts=facts)))
    words = word.replace("_", " ")
    article = "an" if words[0] == "i" else "a"
    assert found.summary == f"Searches are slow since {article} {words}."
    assert f"There was {article} {words}." in says(found)
    assert found.confidence >= 0.6


@every_rule
def test_without_other_lines_and_without_events_the_rule_cannot_judge(rule: Rule, what: str) -> None:
    assert len(needs(rule.check(case(SLOW)))) == 2


def test_a_full_cpu_beside_a_build_is_a_strong_sign() -> None:
    beside = [span("index_build", 50, 100), QUIET]
    found = fired(IndexBuild().check(case(SLOW, beside=beside, facts="observations: {cpu_share: 0.98}")))
    assert "The CPU is at 98 %." in says(found)
    assert found.confidence >= 0.8


def test_what_started_the_work_counts() -> None:
    beside = [span("index_build", 50, 100), QUIET]
    found = fired(IndexBuild().check(case(SLOW, beside=[*beside, event("create_index", 60)])))
    assert "1 line of the same time shows what started it." in says(found)
    assert found.confidence > fired(IndexBuild().check(case(SLOW, beside=beside))).confidence


def test_a_change_of_scale_is_said_in_words() -> None:
    found = fired(SegmentLoad().check(case(facts="events: [{what: scale}]")))
    assert found.summary == "Searches are slow since a change of the number of nodes."


@every_rule
def test_what_began_only_after_searches_were_slow_is_less_to_blame(rule: Rule, what: str) -> None:
    early, late = (case(SLOW, beside=[span(what, begin, 110), QUIET]) for begin in (50, 64))
    one, other = (fired(rule.check(incident)) for incident in (early, late))
    assert "Searches became slow shortly after" in says(one)
    assert "Searches became slow before" in says(other)
    assert other.confidence < one.confidence


@every_rule
def test_work_that_comes_as_often_as_it_is_slow_is_rather_to_blame(rule: Rule, what: str) -> None:
    beside = [[span(what, begin, begin + 40, str(begin)) for begin in (55, 655, 1255)], event("gc_slow", 1800)]
    slow = [many(20, search(at), every=2) for at in (60, 660, 1260)]
    plain, told = (
        fired(rule.check(case(*slow, beside=[*beside[0], beside[1]], facts=facts)))
        for facts in ("", "pattern: {periodic_s: 650}")
    )
    assert "It is slow every 10 m 50 s, which is how often" in says(told)
    assert told.confidence > plain.confidence
    other = fired(rule.check(case(*slow, beside=[*beside[0], beside[1]], facts="pattern: {periodic_s: 3600}")))
    assert other.confidence == plain.confidence


def test_requests_to_load_and_release_that_metrics_count_are_what_started_it() -> None:
    moving = {"search_latency": 2.0, "loads_running": 3.0}
    by_itself = fired(SegmentLoad().check(case(metrics=measured({**moving, "loads": 0.0}))))
    asked = fired(SegmentLoad().check(case(metrics=measured({**moving, "loads": 0.1, "releases": 1 / 60}))))
    assert "6 requests to load came in the same time. 1 request to release came in the same time." in says(asked)
    assert "came in" not in says(by_itself)
    assert by_itself.confidence == asked.confidence


def test_a_line_of_unknown_time_does_not_hide_how_dense_slow_requests_are() -> None:
    spans = np.array([BEGIN.timestamp() + 50]), np.array([BEGIN.timestamp() + 100])
    known = density(case(SLOW, beside=QUIET), 1.0, *spans)
    assert density(case(SLOW, beside=[*QUIET, event("tsafe_lag", float("nan"))]), 1.0, *spans) == known > 1
