from slowq.facts import Case
from slowq.rules.clock_skew import ClockSkew
from tests.builders import case, cleared, event, fired, ids, many, measured, needs, remedy, says, search


def test_guarantees_that_lie_as_far_in_the_future_are_those_of_a_clock() -> None:
    incident = case(many(5, search(60, lag=-2.5)), search(62, nq=2, lag=0.1))
    found = fired(ClockSkew().check(incident))
    assert set(found.culprits) == ids(incident, nq=1)
    assert "5 requests have a guarantee timestamp 2.5 s after the start." in says(found)
    assert found.confidence >= 0.6
    assert "collection_name='products'" in remedy(found, "server_side_level")


def test_one_request_has_one() -> None:
    assert "1 request has a guarantee" in says(fired(ClockSkew().check(case(search(lag=-2.5)))))


def test_it_is_not_this_when_the_offset_varies() -> None:
    varying = [search(60 + i, lag=-1.0 - i) for i in range(6)]
    assert fired(ClockSkew().check(case(varying))).confidence < 0.3


def test_a_guarantee_in_the_past_is_as_it_should_be() -> None:
    assert "in the future" in cleared(ClockSkew().check(case(many(5, search(60, lag=5.0)))))


def test_an_offset_that_was_measured_decides() -> None:
    found = fired(ClockSkew().check(case(facts="dependencies: {clock_offset_s: -2.5}")))
    assert "The clocks differ by 2.5 s." in says(found)
    assert found.confidence >= 0.7


def test_a_request_that_was_parked_for_long_is_a_sign() -> None:
    found = fired(ClockSkew().check(case(search(60, lag=0.0), beside=[event("tsafe_parked", 58, took=4.0)])))
    assert "their guarantee lay 4.0 s ahead of the node" in says(found)
    assert found.confidence >= 0.6


def test_without_timestamps_the_rule_cannot_judge() -> None:
    assert "guarantee timestamps" in needs(ClockSkew().check(case(search())))[0]


def test_a_host_whose_clock_is_off_supports_it_and_proves_nothing_alone() -> None:
    def with_clock(offset_s: float) -> Case:
        hosts = {"node": {"a:9100": 0.001, "b:9100": offset_s}}
        return case(search(lag=-2.5), metrics=measured({"clock_offset": hosts}))

    off, right = fired(ClockSkew().check(with_clock(-2.4))), fired(ClockSkew().check(with_clock(-0.002)))
    assert "The clock of a host is 2.4 s off that of its time server." in says(off)
    assert "clock of a host" not in says(right)
    assert off.confidence > right.confidence
    alone = case(search(lag=5.0), metrics=measured({"clock_offset": {"node": {"b:9100": -2.4}}}))
    assert cleared(ClockSkew().check(alone))
