import pytest

from slowq.wording import count, do, duration, percent, period, share

UNKNOWN = float("nan")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "unknown"),
        (UNKNOWN, "unknown"),
        (0, "0 s"),
        (0.00001, "<0.1 ms"),
        (0.0004, "0.4 ms"),
        (0.0031, "3.1 ms"),
        (0.84, "840 ms"),
        (0.9996, "1.0 s"),
        (12.34, "12.3 s"),
        (59.96, "1 m 00 s"),
        (312.002784545, "5 m 12 s"),
        (3599.7, "1 h 00 m"),
        (7500, "2 h 05 m"),
        (86399, "1 d 00 h"),
        (273_600, "3 d 04 h"),
        (-1.5, "-1.5 s"),
    ],
)
def test_durations_are_said_in_the_units_of_people(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(("seconds", "said"), [(5.0, "5 s"), (1.5, "1.5 s"), (60, "1 m"), (0.1, "100 ms")])
def test_a_round_period_has_no_idle_digits(seconds: float, said: str) -> None:
    assert period(seconds) == said


@pytest.mark.parametrize(
    ("value", "figure", "prose"),
    [
        (None, "unknown", "unknown"),
        (UNKNOWN, "unknown", "unknown"),
        (0, "0 %", "0 %"),
        (0.004, "<1 %", "less than 1 %"),
        (0.914, "91 %", "91 %"),
        (0.996, ">99 %", "more than 99 %"),
        (1, "100 %", "100 %"),
    ],
)
def test_a_share_never_rounds_to_nothing_or_to_all(value: float | None, figure: str, prose: str) -> None:
    assert (share(value), percent(value)) == (figure, prose)


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "request", "1 request"),
        (0, "request", "0 requests"),
        (3200, "request", "3,200 requests"),
        (2, "query", "2 queries"),
        (2, "search", "2 searches"),
    ],
)
def test_things_are_counted_in_their_plural(number: int, noun: str, said: str) -> None:
    assert count(number, noun) == said


@pytest.mark.parametrize(("verb", "of_one"), [("ask", "asks"), ("are", "is"), ("have", "has"), ("carry", "carries")])
def test_a_verb_follows_the_number(verb: str, of_one: str) -> None:
    assert (do(1, verb), do(2, verb), do(0, verb)) == (of_one, verb, verb)
