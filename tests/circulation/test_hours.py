"""Decent hours: by the phone's own clock, over the days on which clocks change, and which day people mean."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from circulation import hours
from circulation.hours import NoSuchDay, arrival, decent, next_decent, zone_of
from circulation.msisdn import Msisdn
from tests.people import People

NAIROBI, NEW_YORK, SEOUL = ZoneInfo("Africa/Nairobi"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Seoul")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "zone"),
    [
        ("+254712345678", "Africa/Nairobi"),
        ("+12125550123", "America/New_York"),
        ("+821012345678", "Asia/Seoul"),
        ("+18005550100", "Europe/Paris"),  # all of North America
        ("+61412345678", "Europe/Paris"),  # all of Australia
        ("+447700900123", "Europe/Paris"),  # a range nobody has
    ],
)
def test_a_number_lives_where_its_range_does_and_at_home_when_that_does_not_tell(number: str, zone: str) -> None:
    assert zone_of(Msisdn(number), "Europe/Paris") == ZoneInfo(zone)


@pytest.mark.parametrize(
    ("moment", "right"),
    [
        ("2026-11-20T05:59:59", False),
        ("2026-11-20T06:00:00", True),
        ("2026-11-20T16:59:59", True),
        ("2026-11-20T17:00:00", False),
    ],
)
def test_decent_hours_are_from_nine_and_before_eight_in_the_evening(moment: str, right: bool) -> None:
    assert decent(utc(moment), NAIROBI) is right


@pytest.mark.parametrize(
    ("moment", "zone", "following"),
    [
        ("2026-11-20T12:00", NAIROBI, "2026-11-20T12:00"),
        ("2026-11-20T02:00", NAIROBI, "2026-11-20T06:00"),
        ("2026-11-20T17:00", NAIROBI, "2026-11-21T06:00"),
        ("2026-12-31T23:00", SEOUL, "2027-01-01T00:00"),
        ("2026-03-07T13:30", NEW_YORK, "2026-03-07T14:00"),  # the day before clocks go forward
        ("2026-03-08T06:30", NEW_YORK, "2026-03-08T13:00"),  # half an hour before they do
        ("2026-11-01T05:30", NEW_YORK, "2026-11-01T14:00"),  # in the hour that comes twice
        ("2026-11-01T06:30", NEW_YORK, "2026-11-01T14:00"),
        ("2026-11-01T01:00", NEW_YORK, "2026-11-01T14:00"),  # the evening before clocks go back
    ],
)
def test_the_next_decent_hour_is_nine_by_the_clock_on_the_wall(moment: str, zone: ZoneInfo, following: str) -> None:
    assert next_decent(utc(moment), zone) == utc(following)


@pytest.mark.parametrize(
    ("moment", "zone", "day", "month", "year", "arrives"),
    [
        ("2026-11-20T12:00", NAIROBI, 24, 12, None, "2026-12-24T06:00"),
        ("2026-11-20T12:00", NAIROBI, 24, 12, 2026, "2026-12-24T06:00"),
        ("2026-11-20T12:00", NAIROBI, 20, 11, None, "2026-11-20T12:00"),  # today, in decent hours: at once
        ("2026-11-20T03:00", NAIROBI, 20, 11, None, "2026-11-20T06:00"),  # today, before nine
        ("2026-11-20T17:00", NAIROBI, 20, 11, None, "2027-11-20T06:00"),  # today is over: next year's
        ("2026-11-20T12:00", NAIROBI, 19, 11, None, "2027-11-19T06:00"),
        ("2027-03-01T12:00", NAIROBI, 29, 2, None, "2028-02-29T06:00"),
        ("2026-11-20T16:00", SEOUL, 21, 11, None, "2026-11-21T00:00"),  # it is the 21st there already
        ("2026-03-01T12:00", NEW_YORK, 7, 3, None, "2026-03-07T14:00"),
        ("2026-03-01T12:00", NEW_YORK, 8, 3, None, "2026-03-08T13:00"),
        ("2026-03-01T12:00", NEW_YORK, 1, 11, None, "2026-11-01T14:00"),
    ],
)
def test_a_gift_arrives_at_nine_on_the_next_such_day(
    moment: str, zone: ZoneInfo, day: int, month: int, year: int | None, arrives: str
) -> None:
    assert arrival(utc(moment), zone, day=day, month=month, year=year) == utc(arrives)


@pytest.mark.parametrize(
    ("day", "month", "year", "why"),
    [
        (31, 2, None, "none"),
        (0, 1, None, "none"),
        (1, 13, None, "none"),
        (29, 2, 2027, "none"),
        (19, 11, 2026, "past"),
        (29, 2, None, "far"),
        (22, 11, 2027, "far"),
        (1, 1, 2099, "far"),
    ],
)
def test_a_day_that_never_comes_is_over_or_is_too_far_away_is_no_day(
    day: int, month: int, year: int | None, why: str
) -> None:
    with pytest.raises(NoSuchDay) as none:
        arrival(utc("2026-11-20T12:00"), NAIROBI, day=day, month=month, year=year)
    assert none.value.why == why


def test_the_farthest_day_is_366_days_away() -> None:
    assert arrival(utc("2026-11-20T12:00"), NAIROBI, day=21, month=11, year=2027) == utc("2027-11-21T06:00")


def test_now_is_by_the_products_clock(people: People) -> None:
    people.database.clock_offset = "8 days"
    with people.database.begin() as db:
        ahead = hours.now(db) - datetime.now(UTC)
    assert 7.9 < ahead.total_seconds() / 86_400 < 8.1
