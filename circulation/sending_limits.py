"""Limits on what is sent, so that nobody makes us text numbers that earn by it ("SMS pumping"), or texts past what we pay.

Gifts go to the countries served. Counted by the day of the product's zone: gifts of one giver, texts to strangers in one
range of numbers, and texts in all. The first two are raised by the transaction that gives, and refuse it; the third is
raised as texts leave, and above it what can wait does (Rules: `gifts_a_day`, `strangers_a_day_per_prefix`, `texts_a_day`).
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Protocol

import phonenumbers
from sqlalchemy import Connection, text

from circulation import hours
from circulation.members import Member
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.rules import Rules
from payments import callbacks

PREFIX_DIGITS = 7
"""A range of numbers is what begins with the same so many digits, the country's code among them."""
CAN_WAIT = frozenset({"gift", "reminder"})
"""The purposes of texts that wait for the next day when a day's texts are spent; somebody waits for all others."""

_TODAY = "(clock() AT TIME ZONE :zone)::date"
# In the order of their names, so that two who give at once never wait for each other in a circle.
_RAISE = text(f"""
    INSERT INTO sending_tally AS t (day, scope, subject, count)
    SELECT {_TODAY}, r.scope, r.subject, :by
    FROM unnest(CAST(:scopes AS text[]), CAST(:subjects AS text[])) AS r(scope, subject) ORDER BY r.scope, r.subject
    ON CONFLICT (day, scope, subject) DO UPDATE SET count = t.count + excluded.count
    RETURNING scope, count
""")
_SEEN = text(f"""
    SELECT t.scope, t.count FROM sending_tally t
    WHERE t.day = {_TODAY} AND ((t.scope = 'giver' AND t.subject = :giver) OR (t.scope = 'range' AND t.subject = :range
        AND NOT EXISTS (SELECT FROM member m WHERE m.msisdn = :msisdn
                        AND (m.sms_provider IS NOT NULL OR m.joined_at IS NOT NULL OR m.has_pin))))
""")
_SPENT = text(f"""
    SELECT coalesce((SELECT count FROM sending_tally WHERE day = {_TODAY} AND scope = 'all' AND subject = ''), 0) AS texts,
        extract(epoch FROM (({_TODAY} + 1) + CAST(:morning AS interval)) AT TIME ZONE :zone - clock())::float AS seconds
""")
_ALARM = text(f"""
    INSERT INTO sending_tally (day, scope, subject, count) VALUES ({_TODAY}, 'alarm', 'all', 1) ON CONFLICT DO NOTHING
    RETURNING day
""")
_FORGET = text(f"DELETE FROM sending_tally WHERE day < {_TODAY} - 7")


class Waiting(Protocol):
    """A text about to be sent."""

    @property
    def id(self) -> int: ...
    @property
    def purpose(self) -> str: ...


def served(rules: Rules, recipient: Msisdn) -> bool:
    """Whether gifts go to the country of this number."""
    return _country(recipient.e164) in rules.countries


def check(db: Connection, rules: Rules, giver: Member | None, recipient: Msisdn) -> None:
    """Whether this giver may give to this phone now; nothing is counted. Raises Refusal as `count_gift` does."""
    if not served(rules, recipient):
        raise Refusal("country_not_served")
    asked = {
        "giver": str(giver.id) if giver else "",
        "range": _range(recipient),
        "msisdn": recipient.e164,
        "zone": rules.zone,
    }
    _refuse_beyond(rules, {str(row[0]): int(row[1]) + 1 for row in db.execute(_SEEN, asked)})


def count_gift(db: Connection, rules: Rules, giver: Member, recipient: Member | None) -> None:
    """Count one gift of `giver`, in the transaction that gives it; `recipient` is None when it goes to no phone.

    Raises Refusal `country_not_served`, `gifts_a_day` or `range_busy`; what was counted is rolled back with everything else.
    """
    _count(db, rules, [("giver", str(giver.id)), *_as_stranger(rules, recipient)])


def count_stranger(db: Connection, rules: Rules, recipient: Member) -> None:
    """Count a text to this phone, if it never wrote to us, as `count_gift` does.

    Raises Refusal `country_not_served` or `range_busy`.
    """
    _count(db, rules, _as_stranger(rules, recipient))


def _as_stranger(rules: Rules, recipient: Member | None) -> list[tuple[str, str]]:
    if recipient is None:
        return []
    if not served(rules, recipient.msisdn):
        raise Refusal("country_not_served")
    known = recipient.joined or recipient.has_pin or recipient.sms_provider
    return [] if known else [("range", _range(recipient.msisdn))]


def _count(db: Connection, rules: Rules, what: Sequence[tuple[str, str]]) -> None:
    scopes, subjects = [scope for scope, _ in what], [subject for _, subject in what]
    counted = db.execute(_RAISE, {"scopes": scopes, "subjects": subjects, "by": 1, "zone": rules.zone})
    _refuse_beyond(rules, {str(row[0]): int(row[1]) for row in counted})


def within(db: Connection, rules: Rules, rows: Sequence[Waiting]) -> dict[int, float]:
    """Which of these texts must wait because the day's are spent, and for how many seconds: till the next day's morning.

    The operator is told once a day, by an incident. Several workers together may pass the limit by what each has in hand.
    """
    if not rows:
        return {}
    morning = timedelta(hours=hours.FROM.hour, minutes=hours.FROM.minute)
    spent = db.execute(_SPENT, {"zone": rules.zone, "morning": morning}).one()
    can_wait = [row.id for row in rows if row.purpose in CAN_WAIT]
    room = max(rules.texts_a_day - spent.texts - (len(rows) - len(can_wait)), 0)
    if len(can_wait) <= room:
        return {}
    if day := db.execute(_ALARM, {"zone": rules.zone}).scalar():
        callbacks.incident(db, "texts of the day are spent", f"{day}", {"texts_a_day": rules.texts_a_day})
    return dict.fromkeys(can_wait[room:], spent.seconds)


def sent(db: Connection, rules: Rules, count: int) -> None:
    """So many texts have left."""
    if count:
        db.execute(_RAISE, {"scopes": ["all"], "subjects": [""], "by": count, "zone": rules.zone})


def forget(db: Connection, rules: Rules) -> int:
    """Forget the counts of days gone by. Returns how many."""
    return db.execute(_FORGET, {"zone": rules.zone}).rowcount


def _refuse_beyond(rules: Rules, counts: dict[str, int]) -> None:
    if counts.get("giver", 0) > rules.gifts_a_day:
        raise Refusal("gifts_a_day", most=rules.gifts_a_day)
    if counts.get("range", 0) > rules.strangers_a_day_per_prefix:
        raise Refusal("range_busy")


def _range(recipient: Msisdn) -> str:
    return recipient.e164[: 1 + PREFIX_DIGITS]


@lru_cache(maxsize=4096)
def _country(e164: str) -> str:
    """The country of a number, also of one in a range that our number tables do not know yet."""
    number = phonenumbers.parse(e164)
    known = phonenumbers.region_code_for_number(number)
    return known or phonenumbers.region_code_for_country_code(number.country_code or 0)
