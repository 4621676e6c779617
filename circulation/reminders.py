"""Reminders: holders are told before a certificate ends, and when it has, at a decent hour and once a day at most.

Which days before, the law of each certificate says. If several of them passed while we were down, only the latest is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from circulation import expiry, hours, law, members, notices
from circulation.members import Member
from circulation.money import Money
from circulation.rules import Rules
from circulation.values import Value


@dataclass(frozen=True, slots=True)
class _Due:
    """A certificate whose reminder of `days` before its last one is due."""

    certificate_id: int
    holder_id: int
    issuer: str
    expires_on: date
    days: int
    currency: str
    law_id: str
    extensions: int
    left_minor: int


_DUE = """
    SELECT d.id, d.holder_id, i.name, d.expires_on, d.days, d.currency, d.law, d.extensions, b.amount_minor
    FROM (SELECT c.id, c.holder_id, c.issuer_id, c.expires_on, c.currency, c.law, c.extensions, min(t.days) AS days
          FROM unnest(CAST(:laws AS text[]), CAST(:days AS int[])) AS t(law, days)
          JOIN certificate c ON c.law = t.law AND c.state = 'live'
               AND c.expires_on BETWEEN CAST(:today AS date) AND CAST(:today AS date) + t.days
          GROUP BY c.id) AS d
    JOIN issuer i ON i.id = d.issuer_id
    JOIN account a ON a.code = '2100' AND a.owner = d.id::text AND a.currency = d.currency
    JOIN balance b ON b.account_id = a.id AND b.amount_minor > 0
    WHERE NOT EXISTS (SELECT FROM reminder r
                      WHERE r.certificate_id = d.id AND r.expires_on = d.expires_on AND r.days BETWEEN 1 AND d.days)
      AND NOT EXISTS (SELECT FROM reminder r WHERE r.holder_id = d.holder_id AND r.told_on = :today AND r.days > 0)
"""
_DUE_HOLDERS = text(f"""
    SELECT id FROM member WHERE id IN (SELECT due.holder_id FROM ({_DUE}) AS due LIMIT :limit)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
""")
_DUE_CERTIFICATES = text(f"{_DUE} AND d.holder_id = ANY(:holders) ORDER BY d.holder_id, d.currency, d.expires_on, d.id")
_TOLD = text("""
    INSERT INTO reminder (certificate_id, expires_on, days, holder_id, told_on)
    VALUES (:certificate, :expires_on, :days, :holder, :today)
""")
_UNTOLD_HOLDERS = text("""
    SELECT m.id FROM member m WHERE m.id IN (
        SELECT u.holder_id FROM reminder u WHERE u.told_on IS NULL AND NOT EXISTS (
            SELECT FROM reminder r WHERE r.holder_id = u.holder_id AND r.told_on = :today AND r.days = 0) LIMIT :limit)
    ORDER BY m.id FOR NO KEY UPDATE SKIP LOCKED
""")
_TELL = text(
    "UPDATE reminder SET told_on = :today WHERE holder_id = :holder AND told_on IS NULL RETURNING certificate_id"
)


def remind(db: Connection, rules: Rules, *, limit: int) -> int:
    """Remind holders, at most `limit`, of what ends soon: one text each. Returns to how many; 0 outside decent hours."""
    today = _decent_day(db, rules)
    if today is None:
        return 0
    pairs = [(one.id, days) for all_of in rules.laws.packs.values() for one in all_of for days in one.reminders.days]
    asked = {"laws": [id_ for id_, _ in pairs], "days": [days for _, days in pairs], "today": today}
    holders = list(db.execute(_DUE_HOLDERS, {**asked, "limit": limit}).scalars())
    if not holders:
        return 0
    due = [_Due(*row) for row in db.execute(_DUE_CERTIFICATES, {**asked, "holders": holders})]
    for one in due:
        told = {"certificate": one.certificate_id, "holder": one.holder_id, "days": one.days, "today": today}
        db.execute(_TOLD, {**told, "expires_on": one.expires_on})
    for (holder_id, _), together in groupby(due, key=lambda one: (one.holder_id, one.currency)):
        _tell_soon(db, rules, members.get(db, holder_id), list(together))
    return len({one.holder_id for one in due})


def tell_ended(db: Connection, rules: Rules, *, limit: int) -> int:
    """Tell holders, at most `limit`, what has ended and what they can have of it. Returns how many; 0 outside decent hours."""
    today = _decent_day(db, rules)
    if today is None:
        return 0
    holders = list(db.execute(_UNTOLD_HOLDERS, {"today": today, "limit": limit}).scalars())
    for holder_id in holders:
        certificates = set(db.execute(_TELL, {"today": today, "holder": holder_id}).scalars())
        holder = members.get(db, holder_id)
        ended = [one for one in expiry.ended(db, rules, holder) if one.certificate_id in certificates]
        ended.sort(key=lambda one: (one.left.currency, one.until))
        for _, together in groupby(ended, key=lambda one: one.left.currency):
            _tell_ended(db, rules, holder, list(together))
    return len(holders)


def _decent_day(db: Connection, rules: Rules) -> date | None:
    """The day it is where certificates end; None while people there should not be disturbed."""
    moment, zone = hours.now(db), ZoneInfo(rules.zone)
    return moment.astimezone(zone).date() if hours.decent(moment, zone) else None


def _tell_soon(db: Connection, rules: Rules, holder: Member, due: Sequence[_Due]) -> None:
    first = due[0]
    more_time = any(
        law.extended(rules.laws.by_id(one.law_id), one.expires_on, one.extensions) is not None for one in due
    )
    told: dict[str, Value] = {
        "issuer": first.issuer,
        "left": Money(sum(one.left_minor for one in due), first.currency),
        "day": first.expires_on,
        "service_code": rules.service_code,
    }
    if len({(one.issuer, one.expires_on) for one in due}) == 1:
        sentence = notices.ENDS_SOON_EXTENDABLE if more_time else notices.ENDS_SOON
    else:
        sentence = notices.SEVERAL_END_SOON_EXTENDABLE if more_time else notices.SEVERAL_END_SOON
        told["count"] = len(due)
    notices.remind(db, holder, rules.routes, sentence, **told)


def _tell_ended(db: Connection, rules: Rules, holder: Member, ended: Sequence[expiry.Ended]) -> None:
    first, nothing = ended[0], Money(0, ended[0].left.currency)
    told: dict[str, Value] = {
        "left": sum((one.left for one in ended), start=nothing),
        "share": sum((one.share for one in ended), start=nothing),
        "day": first.until,
        "service_code": rules.service_code,
    }
    if len({(one.issuer, one.until) for one in ended}) == 1:
        notices.remind(db, holder, rules.routes, notices.ENDED, issuer=first.issuer, **told)
    else:
        notices.remind(db, holder, rules.routes, notices.SEVERAL_ENDED, count=len(ended), **told)
