"""Schedules: what they mean in words and in times, and what is refused."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from entity_matching.deploy.cron import Cron
from entity_matching.errors import SettingsError

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("expression", "words", "times"),
    [
        ("0 0 2 * * ?", "At 02:00", ["11-24T02:00", "11-25T02:00", "11-26T02:00"]),
        ("0 0 2 * * ? *", "At 02:00", ["11-24T02:00", "11-25T02:00", "11-26T02:00"]),
        ("0 30 6 ? * MON-FRI", "Monday through Friday", ["11-24T06:30", "11-25T06:30", "11-26T06:30"]),
        ("0 30 6 ? * 2-6", "Monday through Friday", ["11-24T06:30", "11-25T06:30", "11-26T06:30"]),
        ("0 0 2 ? * 1", "only on Sunday", ["11-29T02:00", "12-06T02:00", "12-13T02:00"]),
        ("0 0 2 ? * fri-mon", "Friday through Monday", ["11-27T02:00", "11-28T02:00", "11-29T02:00"]),
        ("0 0/20 * * * ?", "Every 20 minutes", ["11-23T14:20", "11-23T14:40", "11-23T15:00"]),
        ("0 0 22-1 * * ?", "between 22:00 and 01:59", ["11-23T22:00", "11-23T23:00", "11-24T00:00"]),
        ("0 0 2 L * ?", "last day of the month", ["11-30T02:00", "12-31T02:00", "01-31T02:00"]),
        ("0 0 2 L-3 * ?", "3 days before the last day", ["11-27T02:00", "12-28T02:00", "01-28T02:00"]),
        ("0 0 2 LW * ?", "last weekday of the month", ["11-30T02:00", "12-31T02:00", "01-29T02:00"]),
        ("0 0 2 1W * ?", "first weekday of the month", ["12-01T02:00", "01-01T02:00", "02-01T02:00"]),
        ("0 0 2 15W * ?", "weekday nearest day 15", ["12-15T02:00", "01-15T02:00", "02-15T02:00"]),
        ("0 0 2 31W * ?", "weekday nearest day 31", ["12-31T02:00", "01-29T02:00", "03-31T02:00"]),
        ("0 0 2 ? * 6L", "last Friday of the month", ["11-27T02:00", "12-25T02:00", "01-29T02:00"]),
        ("0 0 2 ? * MON#1", "first Monday of the month", ["12-07T02:00", "01-04T02:00", "02-01T02:00"]),
        ("0 0 2 29 2 ?", "day 29", ["02-29T02:00", "02-29T02:00", "02-29T02:00"]),
    ],
)
def test_a_schedule_is_told_in_words_and_with_its_next_times(expression: str, words: str, times: list[str]) -> None:
    cron = Cron.parse(expression, "UTC")

    assert words in cron.in_words()
    assert [f"{time:%m-%dT%H:%M}" for time in cron.next_times(NOW)] == times


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("* * * * * * *", "exactly one of day of month"),
        ("0 0 2 ? * ?", "exactly one of day of month"),
        ("a b c d e ? g", "the second: 'A' is not 0 to 59"),
        ("0 60 2 * * ?", "the minute: '60' is not 0 to 59"),
        ("0 0 24 * * ?", "the hour: '24' is not 0 to 23"),
        ("0 0 2 32 * ?", "the day of month: '32' is not 1 to 31"),
        ("0 0 2 * 13 ?", "the month: '13' is not 1 to 12 or JAN to DEC"),
        ("0 0 2 ? * 8", "the day of week: '8' is not 1 to 7 or SUN to SAT"),
        ("0 0 2 ? * MON#6", "the day of week: 'MON#6'"),
        ("0 0 2 ? * MON,FRIL", "mixes days"),
        ("0 0 2 * * ? 3000", "the year: '3000' is not 1970 to 2099"),
        ("0 0/0 2 * * ?", "the step of '0/0'"),
        ("0 0/99 2 * * ?", "the step of '0/99'"),
        ("0 ? 2 * * ?", "the minute: '?'"),
        ("0 1,,2 2 * * ?", "the minute: ''"),
        ("0 2 * * *", "has 5 fields; 6 or 7"),
        ("0 0 0 2 * * ? *", "has 8 fields"),
        ("", "has 0 fields"),
    ],
)
def test_a_wrong_expression_is_told_with_the_field(expression: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Cron.parse(expression)

    assert said in raised.value.message


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "../etc/passwd", "UTC+25"])
def test_a_time_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(SettingsError, match="no time zone"):
        Cron.parse("0 0 2 * * ?", zone)


def test_times_are_those_of_the_clock_on_the_wall() -> None:
    berlin = Cron.parse("0 30 2 * * ?", "Europe/Berlin")

    spring = berlin.next_times(datetime(2026, 3, 27, 12, tzinfo=UTC), 3)

    assert [f"{time:%d %H:%M}" for time in spring] == ["28 02:30", "29 03:30", "30 02:30"]  # 02:30 was left out
    assert [time.utcoffset().total_seconds() for time in spring] == [3600, 7200, 7200]  # type: ignore[union-attr]


@pytest.mark.parametrize("expression", ["0 0 2 30 2 ?", "0 0 2 * * ? 2020"])
def test_a_schedule_that_never_comes_has_no_times(expression: str) -> None:
    assert Cron.parse(expression).next_times(NOW) == []


@pytest.mark.parametrize("expression", ["0 0 2 LW * ?", "0 0 2 L-3 * ?", "0 0 2 ? * 6L"])
def test_a_kept_trigger_goes_on_as_before(expression: str) -> None:
    trigger = Cron.parse(expression, "Europe/Berlin").trigger()

    kept = pickle.loads(pickle.dumps(trigger))  # noqa: S301 - APScheduler's store does so

    assert kept.get_next_fire_time(None, NOW) == trigger.get_next_fire_time(None, NOW)
    assert str(kept) == str(trigger)
