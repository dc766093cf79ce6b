from __future__ import annotations

from dataclasses import replace

import pytest

from slowq.repro.judge import diagnosed, judge
from slowq.repro.run import Arm
from tests.repro.builders import SCENARIO, arm, rounds

SLOW, FAST = (1.0, 1.02, 0.98, 1.01, 0.99), (0.1, 0.11, 0.09, 0.1, 0.1)
NOISY = (0.2, 2.0, 0.6, 1.6, 0.5)


def test_a_rule_that_fires_before_and_is_silent_after_with_an_effect_outside_the_noise_is_confirmed() -> None:
    found = judge(SCENARIO, arm("before", SLOW, "json_filter"), arm("after", FAST, "healthy"))
    assert (found.outcome, found.first, found.silent) == ("confirmed", "json_filter", True)
    assert found.because == "p99 is 10.0 times faster, outside the noise"
    assert found.impact == pytest.approx(0.9)


def test_without_a_fired_rule_nothing_is_claimed() -> None:
    found = judge(SCENARIO, arm("before", SLOW, "healthy"), arm("after", FAST, "healthy"))
    assert (found.outcome, found.first) == ("could not reproduce", None)
    assert found.because == "the rule json_filter was expected first: it did not fire"


def test_another_cause_in_the_first_place_is_no_proof() -> None:
    found = judge(SCENARIO, arm("before", SLOW, "large_nq"), arm("after", FAST, "healthy"))
    assert (found.outcome, found.first) == ("could not reproduce", "large_nq")
    accepted = replace(SCENARIO, accept=("large_nq",))
    assert judge(accepted, arm("before", SLOW, "large_nq"), arm("after", FAST, "healthy")).outcome == "confirmed"


def test_a_rule_that_still_fires_after_it_is_no_effect_however_fast_it_is() -> None:
    found = judge(SCENARIO, arm("before", SLOW, "json_filter"), arm("after", FAST, "json_filter"))
    assert (found.outcome, found.silent) == ("no effect", False)
    assert found.because == "it is faster, but json_filter still fires"


def test_without_logs_the_times_alone_decide() -> None:
    found = judge(SCENARIO, arm("before", SLOW), arm("after", FAST))
    assert (found.outcome, found.first, found.silent, found.seen_in) == ("confirmed", None, None, ())
    assert found.because == "p99 is 10.0 times faster, outside the noise; no log was read, so the times alone decide"


@pytest.mark.parametrize(
    ("was", "now", "outcome", "because"),
    [
        (FAST, SLOW, "worse", "p99 is 10.0 times slower, outside the noise"),
        (SLOW, SLOW, "no effect", "the intervals of p99 and p50 overlap"),
        (NOISY, tuple(one * 0.9 for one in NOISY), "no effect", "the intervals of p99 and p50 overlap"),
        ((1.0,), (0.1,), "no effect", "the intervals of p99 and p50 overlap"),
    ],
)
def test_an_effect_counts_only_outside_the_noise(
    was: tuple[float, ...], now: tuple[float, ...], outcome: str, because: str
) -> None:
    found = judge(SCENARIO, arm("before", was), arm("after", now))
    assert (found.outcome, found.because.partition(";")[0]) == (outcome, because)


@pytest.mark.parametrize(
    ("before", "after", "because"),
    [
        (arm("before", (), trouble="the engine ended"), arm("after", FAST), "the engine ended"),
        (arm("before", SLOW), arm("after", (), trouble="disk full"), "disk full"),
        (arm("before", SLOW), arm("after", ()), "requests were answered with errors only"),
    ],
)
def test_an_arm_without_answers_says_what_went_wrong(before: Arm, after: Arm, because: str) -> None:
    found = judge(SCENARIO, before, after)
    assert (found.outcome, found.because, found.impact) == ("could not reproduce", because, None)


def test_an_arm_is_diagnosed_by_its_own_log() -> None:
    found = diagnosed(arm("before", SLOW, "json_filter"))
    assert found is not None
    assert found.verdict.sub_cause == "json_filter"
    assert diagnosed(arm("before", SLOW)) is None


@pytest.mark.parametrize(("requests", "silent"), [(100, False), (4_000, True)])
def test_a_few_slow_requests_among_very_many_are_silence(requests: int, silent: bool) -> None:
    before = arm("before", SLOW, "json_filter")
    after = replace(arm("after", FAST, "json_filter"), rounds=rounds(*FAST, number=requests))
    assert judge(SCENARIO, before, after).silent is silent
