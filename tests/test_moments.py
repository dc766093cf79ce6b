from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowq.errors import UsageError
from slowq.moments import iso_moment, parse_moment, utc_text

NOW = datetime(2025, 8, 23, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-08-23", datetime(2025, 8, 23, tzinfo=UTC)),
        ("2025-08-23 19:22", datetime(2025, 8, 23, 19, 22, tzinfo=UTC)),
        ("2025-08-23T19:22:19", datetime(2025, 8, 23, 19, 22, 19, tzinfo=UTC)),
        ("2025-08-23T19:22:19Z", datetime(2025, 8, 23, 19, 22, 19, tzinfo=UTC)),
        ("2025-08-23t19:22:19z", datetime(2025, 8, 23, 19, 22, 19, tzinfo=UTC)),
        (" 2025-08-23T19:22:19.5Z ", datetime(2025, 8, 23, 19, 22, 19, 500_000, tzinfo=UTC)),
        ("2025-08-23T19:22:19.123456789Z", datetime(2025, 8, 23, 19, 22, 19, 123_456, tzinfo=UTC)),
        ("2025-08-23T19:22:19+08:00", datetime(2025, 8, 23, 11, 22, 19, tzinfo=UTC)),
        ("2025-08-23T19:22:19-0330", datetime(2025, 8, 23, 22, 52, 19, tzinfo=UTC)),
        ("2025-08-23T19:22+02", datetime(2025, 8, 23, 17, 22, tzinfo=UTC)),
        ("2025/08/23 19:22:19.900 +00:00", datetime(2025, 8, 23, 19, 22, 19, 900_000, tzinfo=UTC)),
        ("2025-08-23 19:22:19.9 +0000 UTC", datetime(2025, 8, 23, 19, 22, 19, 900_000, tzinfo=UTC)),
        ("1755976939", datetime(2025, 8, 23, 19, 22, 19, tzinfo=UTC)),
        ("1755976939.5", datetime(2025, 8, 23, 19, 22, 19, 500_000, tzinfo=UTC)),
        ("2h", datetime(2025, 8, 23, 18, 0, tzinfo=UTC)),
        ("90m", datetime(2025, 8, 23, 18, 30, tzinfo=UTC)),
        ("1d", datetime(2025, 8, 22, 20, 0, tzinfo=UTC)),
        ("2h30m", datetime(2025, 8, 23, 17, 30, tzinfo=UTC)),
        ("1.5h", datetime(2025, 8, 23, 18, 30, tzinfo=UTC)),
        ("1w", datetime(2025, 8, 16, 20, 0, tzinfo=UTC)),
        ("0s", NOW),
    ],
)
def test_a_moment_is_read_in_utc(text: str, expected: datetime) -> None:
    found = parse_moment(text, NOW)
    assert (found, found.tzinfo) == (expected, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "20250823",
        "1755976939900",
        "2025-13-01",
        "2025-02-30",
        "2025-08/23",
        "2025-08-23T25:00",
        "2025-08-23T19:22:19+99:00",
        "500ms",
        "2 h",
        "-2h",
        "h",
        "\u0662h",
        "1e9",
    ],
)
def test_anything_else_is_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_moment(text, NOW)
    assert (caught.value.exit_code, caught.value.message) == (2, f"{text!r} is not a time")
    assert caught.value.hint == (
        "give a time such as 2025-08-23T19:22:19Z, 2025-08-23 19:22 or 2025-08-23 (UTC where no zone is given), "
        '"2025/08/23 19:22:19.900 +00:00" as Milvus logs it, unix seconds, or how long ago: 90m, 2h30m, 1d'
    )


@pytest.mark.parametrize("text", ["999999999w", "0001-01-01T00:00:00+14:00", "999999d"])
def test_a_moment_outside_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_moment(text, NOW)
    assert caught.value.message == f"{text!r} is too far away"


@given(st.one_of(st.text(), st.text("0123456789-/:. TZUwdhms+,")))
def test_any_text_is_a_moment_in_utc_or_a_usage_error(text: str) -> None:
    try:
        found = parse_moment(text, NOW)
    except UsageError:
        return
    assert found.tzinfo is UTC


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(minutes=345))])))
def test_what_isoformat_writes_is_read_back(moment: datetime) -> None:
    assert iso_moment(moment.isoformat()) == moment


def test_an_absolute_time_without_a_zone_keeps_none() -> None:
    assert iso_moment("2025-08-23 19:22") == datetime(2025, 8, 23, 19, 22)


def test_utc_text_ends_in_z() -> None:
    moment = datetime(2025, 8, 23, 21, 20, tzinfo=timezone(timedelta(hours=2)))
    assert utc_text(moment) == "2025-08-23T19:20:00Z"
