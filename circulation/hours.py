"""When a phone may be disturbed: between nine and eight in the evening, where its number says it lives.

A number's zone is Google's table of number ranges (the phonenumbers library). A range that lies in several zones, or in
none that is known, is taken to live where the deployment does. Moments have a zone; days are days of the phone's own place.
"""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone
from sqlalchemy import Connection, text

from circulation.email_address import Email
from circulation.msisdn import Msisdn

FROM, UNTIL = time(9), time(20)
"""The decent hours by the phone's own clock: from the first, and before the second."""
LONGEST_DAYS = 366
"""A gift waits for its day at most this long."""

_NOW = text("SELECT clock()")


class NoSuchDay(Exception):
    """A day no gift can arrive on. `why`: `none` (31 February), `past`, or `far` (more than 366 days ahead)."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def now(db: Connection) -> datetime:
    """The product's clock."""
    moment: datetime = db.execute(_NOW).scalar_one()
    return moment


def zone_of(recipient: Msisdn | Email, home: str) -> ZoneInfo:
    """The zone this number lives in; `home` (an IANA name) when its range does not tell, and for an e-mail address."""
    return ZoneInfo((isinstance(recipient, Msisdn) and _single_zone(recipient.e164)) or home)


def decent(moment: datetime, zone: ZoneInfo) -> bool:
    """Whether a phone in this zone may be disturbed at that moment."""
    return FROM <= moment.astimezone(zone).time() < UNTIL


def next_decent(moment: datetime, zone: ZoneInfo) -> datetime:
    """That moment, or the next nine o'clock in the zone when it is not decent."""
    local = moment.astimezone(zone)
    if FROM <= local.time() < UNTIL:
        return moment
    day = local.date() if local.time() < FROM else local.date() + timedelta(days=1)
    return datetime.combine(day, FROM, zone)


def arrival(moment: datetime, zone: ZoneInfo, *, day: int, month: int, year: int | None) -> datetime:
    """When a gift given at `moment` for that day arrives: at nine there; if the day is today, at once or at nine.

    Without a year it is the next such day to come: today counts until eight in the evening. Raises NoSuchDay.
    """
    today = moment.astimezone(zone).date()
    first = next_decent(moment, zone).astimezone(zone).date()
    if year is not None:
        chosen = _day(year, month, day)
    else:
        coming = [_day_or_none(first.year + ahead, month, day) for ahead in range(9)]
        possible = [one for one in coming if one is not None]
        if not possible:
            raise NoSuchDay("none")
        chosen = next(one for one in possible if one >= first)
    if chosen < first:
        raise NoSuchDay("past")
    if chosen > today + timedelta(days=LONGEST_DAYS):
        raise NoSuchDay("far")
    return max(moment, datetime.combine(chosen, FROM, zone))


def _day(year: int, month: int, day: int) -> date:
    found = _day_or_none(year, month, day)
    if found is None:
        raise NoSuchDay("none")
    return found


def _day_or_none(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _single_zone(e164: str) -> str | None:
    zones = timezone.time_zones_for_number(phonenumbers.parse(e164))
    return zones[0] if len(zones) == 1 and zones[0] != timezone.UNKNOWN_TIMEZONE else None
