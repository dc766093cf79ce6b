from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from slowq.confidence import probability
from slowq.facts import Case, Need, Place
from slowq.findings import CAUSES, Clear, Evidence, Finding, Outcome, Skipped, cause_of
from slowq.report.document import document
from slowq.rule import About
from slowq.triage import blind_spots, diagnose
from tests.builders import case, empty_log, event, events, many, measured, search

SLOW = case(many(5, search()), version="2.3.5")
NEED = Need("a crystal ball", "buy one")


@dataclass(frozen=True)
class Stub:
    """A rule that answers what it is told to."""

    about: About
    answer: Outcome | Exception

    def check(self, of: Case) -> Outcome:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def rule(name: str, answer: Outcome | Exception) -> Stub:
    return Stub(About(name, "It is so.", (NEED,), ()), answer)


def finding(name: str, confidence: float, share: float = 1.0) -> Stub:
    evidence = (Evidence("It was seen.", (Place("proxy.log", 1),)),)
    return rule(name, Finding(cause_of(name), name, "warning", confidence, 30 * share, share, "it", "So.", evidence))


def ranked(*stubs: Stub) -> list[str]:
    return [one.sub_cause for one in diagnose(SLOW, stubs).findings]


def test_a_sure_cause_of_half_stands_before_a_guess_at_all() -> None:
    assert ranked(finding("large_nq", 0.3), finding("json_filter", 0.9, 0.5)) == ["json_filter", "large_nq"]


def test_of_equal_findings_the_order_is_that_of_their_names() -> None:
    assert ranked(finding("large_nq", 0.8), finding("json_filter", 0.8)) == ["json_filter", "large_nq"]


def test_what_weighs_under_one_percent_is_minor_and_comes_last_unless_it_is_critical() -> None:
    small, unsure, own = (
        finding("json_filter", 0.9, 0.005),
        finding("clock_skew", 0.009),
        finding("large_nq", 0.9, 0.001),
    )
    own = replace(own, answer=replace(own.answer, severity="critical"))  # type: ignore[type-var]
    found = diagnose(SLOW, [small, unsure, own, finding("cold_cache", 0.9)]).findings
    assert [(one.sub_cause, one.is_minor) for one in found] == [
        ("cold_cache", False),
        ("large_nq", False),
        ("clock_skew", True),
        ("json_filter", True),
    ]


def test_what_is_unlikely_is_minor_whatever_it_would_explain() -> None:
    found = diagnose(
        SLOW, [finding("json_filter", 0.9), finding("clock_skew", 0.05), finding("large_nq", 0.11)]
    ).findings
    assert [one.sub_cause for one in found if one.is_minor] == ["clock_skew"]


def test_what_is_minor_is_no_candidate_unless_there_is_nothing_else() -> None:
    both = [finding("json_filter", 0.4), finding("clock_skew", 0.009)]
    assert "the likeliest is json_filter." in diagnose(SLOW, both).verdict.summary
    assert "the likeliest is clock_skew." in diagnose(SLOW, both[1:]).verdict.summary


def test_the_document_tells_what_is_minor() -> None:
    found = diagnose(SLOW, [finding("large_nq", 0.9), finding("clock_skew", 0.009)])
    told = [(one["sub_cause"], one["minor"]) for one in document(SLOW, found)["findings"]]
    assert told == [("large_nq", False), ("clock_skew", True)]
    (alone,) = document(SLOW, diagnose(SLOW, [finding("clock_skew", 0.009)]))["findings"]
    assert not alone["minor"]


def test_the_first_finding_is_the_verdict() -> None:
    verdict = diagnose(SLOW, [finding("large_nq", 0.8), finding("json_filter", 0.5)]).verdict
    assert (verdict.outcome, verdict.cause, verdict.sub_cause) == ("diagnosed", "heavy_workload", "large_nq")
    assert (verdict.confidence, verdict.summary) == (probability(0.8), "So.")


def test_two_causes_that_are_both_as_good_as_certain_are_two_at_once() -> None:
    verdict = diagnose(SLOW, [finding("large_nq", 0.94), finding("json_filter", 0.93)]).verdict
    assert (verdict.outcome, verdict.sub_cause) == ("diagnosed", "large_nq")
    assert (verdict.confidence, verdict.summary) == (probability(0.94), "So. At the same time: So.")
    assert diagnose(SLOW, [finding("large_nq", 0.76), finding("json_filter", 0.73)]).verdict.outcome == "undetermined"


def test_two_causes_that_explain_about_as_much_are_undetermined_and_the_question_is_named() -> None:
    stubs = [finding("large_nq", 0.7), finding("json_filter", 0.68), rule("cold_cache", Skipped((NEED,)))]
    verdict = diagnose(SLOW, stubs).verdict
    assert (verdict.outcome, verdict.cause, verdict.confidence) == ("undetermined", None, None)
    assert verdict.summary.startswith(
        "large_nq and json_filter explain the slow time about equally well. To tell large_nq and json_filter apart, "
        "look at how many query vectors searches carry: PromQL: "
    )


def test_two_findings_of_one_cause_are_no_rivals() -> None:
    verdict = diagnose(SLOW, [finding("json_filter", 0.8), finding("pattern_filter", 0.78)]).verdict
    assert verdict.sub_cause == "json_filter"


@pytest.mark.parametrize("stub", [finding("large_nq", 0.4), finding("large_nq", 0.9, 0.1)], ids=["unsure", "small"])
def test_a_cause_that_is_unsure_or_explains_little_is_no_verdict(stub: Stub) -> None:
    verdict = diagnose(SLOW, [stub]).verdict
    assert verdict.outcome == "undetermined"
    assert verdict.summary.startswith("The evidence does not decide; the likeliest is large_nq. ")


def test_where_no_rule_fits_the_report_says_so() -> None:
    verdict = diagnose(SLOW, [rule("large_nq", Clear("it is not so"))]).verdict
    assert (verdict.outcome, verdict.summary.startswith("No rule fits what is there. ")) == ("undetermined", True)


def test_every_outcome_is_kept() -> None:
    stubs = [finding("large_nq", 0.8), rule("json_filter", Clear("no")), rule("cold_cache", Skipped((NEED,)))]
    found = diagnose(SLOW, stubs)
    assert [name for name, _ in found.ruled_out] == ["json_filter"]
    assert [name for name, _ in found.skipped] == ["cold_cache"]
    assert found.broken == ()


def test_a_rule_that_fails_is_told_and_ends_nothing() -> None:
    found = diagnose(SLOW, [rule("json_filter", KeyError("no such column")), finding("large_nq", 0.8)])
    ((name, broken),) = found.broken
    assert name == "json_filter"
    assert broken.error.startswith("KeyError: 'no such column' (test_triage.py:")
    assert found.verdict.sub_cause == "large_nq"


def test_a_log_without_slow_requests_is_a_result() -> None:
    found = diagnose(empty_log(version="2.3.5"), [finding("index_build", 0.9)])
    assert found.verdict.outcome == "nothing_slow"
    assert found.verdict.summary == "No slow request in 1,000 lines; Milvus 2.3.5 logs requests over 5 s."
    assert [(name, one.because) for name, one in found.ruled_out] == [("index_build", "no request was slow")]


def test_an_empty_slow_log_does_not_silence_a_complaint_of_the_context_file() -> None:
    slow_client = empty_log("client: {p50_s: 20.0, cpu_share: 0.99}", "2.3.5")
    assert diagnose(slow_client).verdict.sub_cause == "client_or_network"


def test_an_empty_slow_log_does_not_turn_a_complaint_into_nothing_slow() -> None:
    found = diagnose(empty_log("pattern: {only_while_writing: true}", "2.6.1"), [finding("growing_segments", 0.4)])
    assert found.verdict.outcome == "undetermined"


def given_up(what: str, detail: str) -> Case:
    return replace(empty_log(version="2.5.4"), events=events(event(what, detail=detail)))


@pytest.mark.parametrize("what", ["request_timeout", "queue_full", "tsafe_lag"])
def test_a_request_that_was_given_up_is_not_nothing_slow(what: str) -> None:
    found = diagnose(given_up(what, "context deadline exceeded"), [rule("json_filter", Clear("no"))])
    assert found.verdict.outcome == "undetermined"
    assert found.verdict.summary.startswith("No slow request is logged, but 1 line tells of one that was given up.")


def test_a_request_that_its_client_no_longer_wanted_says_nothing() -> None:
    assert diagnose(given_up("request_timeout", "context canceled")).verdict.outcome == "nothing_slow"


def test_the_log_of_a_version_that_logs_no_slow_requests_cannot_show_that_none_was() -> None:
    found = diagnose(empty_log(version="2.0.2"), [rule("json_filter", Clear("no"))])
    assert found.verdict.outcome == "undetermined"
    assert "Milvus 2.0.2 logs no slow requests at all, so that this log cannot show any." in found.verdict.summary
    assert diagnose(empty_log(version="2.0.2"), [finding("timetick_stall", 0.9)]).verdict.sub_cause == "timetick_stall"


def test_a_context_file_alone_is_enough() -> None:
    facts = "requests: [{kind: search, nq: 10000, duration_s: 60}]"
    found = diagnose(case(facts=facts))
    assert (found.verdict.outcome, found.verdict.sub_cause) == ("diagnosed", "large_nq")
    assert found.blind_spots == ()


def test_an_empty_context_file_alone_decides_nothing() -> None:
    assert diagnose(case(facts="notes: [it is slow]")).verdict.outcome == "undetermined"


def test_every_rule_answers_every_case_without_breaking() -> None:
    names = {name for subs in CAUSES.values() for name in subs}
    for one in (SLOW, case(), empty_log(), case(many(3, search(took=None, nq=None, filter=None, consistency=None)))):
        found = diagnose(one)
        assert found.broken == ()
        told = [*(one.sub_cause for one in found.findings), *(name for name, _ in (*found.ruled_out, *found.skipped))]
        assert sorted(told) == sorted(names)


@pytest.mark.parametrize(
    ("version", "threshold"),
    [
        (None, "Milvus logs requests over 5 s, from 2.6.10 over 1 s a query vector"),
        ("2.2.3", "Milvus 2.2.3 logs no slow requests at all"),
        ("2.4.5", "Milvus 2.4.5 logs requests over 5 s"),
        ("2.6.10", "Milvus 2.6.10 logs successful requests over 1 s for each query vector"),
    ],
)
def test_the_report_says_from_when_on_this_milvus_calls_a_request_slow(version: str | None, threshold: str) -> None:
    assert threshold in diagnose(empty_log(version=version)).verdict.summary


class TestBlindSpots:
    VERSIONS: ClassVar = {
        "2.2.3": ["writes no slow log"],
        "2.2.16": ["over 5 s (fixed in this version)"],
        "2.5.4": ["over 5 s (proxy.slowQuerySpanInSeconds, unless configured otherwise)"],
        "2.5.13": ["over 5 s", "per query vector"],
        "2.6.5": ["over 5 s", "per query vector"],
        "2.6.7": ["over 5 s", "per query vector", "may drop INFO lines"],
        "2.6.10": ["over 1 s", "timed-out requests", "per query vector", "may drop INFO lines"],
        "3.0.0": ["over 1 s", "timed-out requests", "per query vector", "name no collection", "may drop INFO lines"],
    }

    @pytest.mark.parametrize(("version", "spots"), VERSIONS.items())
    def test_what_a_version_does_not_log_is_said(self, version: str, spots: list[str]) -> None:
        told = blind_spots(case(search(), version=version))
        assert len(told) == len(spots)
        assert all(words in text for words, text in zip(spots, told, strict=True))

    def test_lines_that_were_not_understood_are_said(self) -> None:
        coverage = replace(SLOW.coverage, unrecognised_lines=1000)
        assert "50 % of the lines were not understood." in blind_spots(replace(SLOW, coverage=coverage))

    def test_lines_that_the_log_writer_is_known_to_have_lost_are_counted(self) -> None:
        lost = measured({"search_latency": 2.0, "log_dropped": 2.0, "log_cut": 1 / 60})
        told = blind_spots(case(search(), version="2.6.9", metrics=lost))
        assert (
            "Milvus dropped 120 lines of its log in this time (milvus_logging_dropped_write_total); "
            "slow requests may be among them."
        ) in told
        assert any(text.startswith("Milvus cut off 1 line of its log in this time") for text in told)
        none = measured({"search_latency": 2.0, "log_dropped": 0.0, "log_cut": 0.0})
        assert not any("log" in text and "INFO" in text for text in blind_spots(case(version="2.6.9", metrics=none)))
