"""Expiry: how certificates end, how they are extended, what their holder has back afterwards, and until when.

The last day counts, in the zone of the rules. A certificate of which something is away, in a gift or held by a chargeback,
ends once that is back. What was left is not lost: it rests in 2130, until the holder asks for it or the law's time is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import uuid4

from sqlalchemy import Connection, text

from circulation import chart, law, members, refunds, ways_back
from circulation.law_rules import Then
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from circulation.rules import Rules
from storage import ledger

LIMITATION_TO: Mapping[Then, str] = {"breakage": "4050", "escheat": "2140"}
"""The account a rest goes to that nobody asked for in time."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A certificate whose time is over: what was `left`, the `share` its holder has back, and the last day to ask for it."""

    certificate_id: int
    serial: str
    issuer: str
    left: Money
    share: Money
    until: date


@dataclass(frozen=True, slots=True)
class Extendable:
    """A certificate that can be extended, and the last day it would have then. `left` can be spent, or can be again."""

    certificate_id: int
    serial: str
    issuer: str
    left: Money
    until: date


_TODAY = text("SELECT (clock() AT TIME ZONE :zone)::date")
_ENDING = f"""
    FROM certificate c WHERE c.state = 'live' AND c.expires_on < :today AND {ways_back.AT_REST}
"""
_ENDING_HOLDERS = text(f"""
    SELECT id FROM member WHERE id IN (SELECT c.holder_id {_ENDING} ORDER BY c.expires_on LIMIT :limit)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
""")
_ENDING_CERTIFICATES = text(f"""
    SELECT c.id, c.holder_id, c.expires_on, c.currency {_ENDING} AND c.holder_id = ANY(:holders)
    ORDER BY c.id LIMIT :limit FOR NO KEY UPDATE OF c
""")
_VOID_CODES = text("UPDATE redemption_code SET state = 'voided' WHERE holder_id = ANY(:holders) AND state = 'live'")
_STATE = text("UPDATE certificate SET state = :state WHERE id = :certificate")
_TO_TELL = text("""
    INSERT INTO reminder (certificate_id, expires_on, days, holder_id) VALUES (:certificate, :expires_on, 0, :holder)
    ON CONFLICT (certificate_id, expires_on, days) DO UPDATE SET told_on = NULL, holder_id = excluded.holder_id
""")
_LIMITED = text("""
    SELECT c.id, c.law, c.expires_on, c.currency
    FROM unnest(CAST(:laws AS text[]), CAST(:months AS int[])) AS t(law, months)
    JOIN certificate c ON c.law = t.law AND c.state = 'expired' AND c.expires_on + make_interval(months => t.months) < :today
    ORDER BY c.expires_on, c.id LIMIT :limit FOR NO KEY UPDATE OF c SKIP LOCKED
""")
_VALUED = """
    SELECT c.id, c.serial, i.name, c.law, c.face_minor, c.currency, c.expires_on, c.extensions, c.state,
           coalesce(sum(b.amount_minor) FILTER (WHERE a.code = '2100'), 0)::bigint,
           coalesce(sum(b.amount_minor) FILTER (WHERE a.code = '2130'), 0)::bigint
    FROM certificate c JOIN issuer i ON i.id = c.issuer_id
    JOIN account a ON a.code IN ('2100', '2130') AND a.owner = c.id::text AND a.currency = c.currency
    JOIN balance b ON b.account_id = a.id AND b.amount_minor > 0
"""
_OF_HOLDER = text(f"""
    {_VALUED} WHERE c.holder_id = :holder AND c.state IN ('live', 'expired') AND c.expires_on IS NOT NULL
    GROUP BY c.id, i.name ORDER BY c.expires_on, c.id LIMIT 50
""")
_ONE = text(f"""
    {_VALUED} WHERE c.id = :certificate AND c.holder_id = :holder AND c.state IN ('live', 'expired') GROUP BY c.id, i.name
""")
_LOCK = text("SELECT FROM certificate WHERE id = :certificate AND holder_id = :holder FOR NO KEY UPDATE")
_EXTENDED = text("SELECT ends_on FROM extension WHERE id = :id")
_EXTENSION = text("""
    INSERT INTO extension (id, certificate_id, holder_id, ended_on, ends_on)
    VALUES (:id, :certificate, :holder, :ended_on, :ends_on)
""")
_EXTEND = text("""
    UPDATE certificate SET expires_on = :ends_on, extensions = extensions + 1, state = 'live' WHERE id = :certificate
""")


@dataclass(frozen=True, slots=True)
class _Valued:
    """A certificate with what can be spent on it (2100) and what rests after its end (2130)."""

    id: int
    serial: str
    issuer: str
    law_id: str
    face_minor: int
    currency: str
    expires_on: date | None
    extensions: int
    state: str
    live_minor: int
    dormant_minor: int

    @property
    def left(self) -> Money:
        return Money(self.live_minor + self.dormant_minor, self.currency)


def today(db: Connection, rules: Rules) -> date:
    """The day it is where certificates end."""
    day: date = db.execute(_TODAY, {"zone": rules.zone}).scalar_one()
    return day


def expire(db: Connection, rules: Rules, *, limit: int) -> int:
    """End the certificates whose last day has passed, at most `limit`; returns how many. An empty one just ends.

    Live codes of their holders are void from then on; the holders are told at a decent hour (circulation/reminders.py).
    """
    asked = {"today": today(db, rules), "limit": limit}
    holders = list(db.execute(_ENDING_HOLDERS, asked).scalars())
    if not holders:
        return 0
    rows = db.execute(_ENDING_CERTIFICATES, {**asked, "holders": holders}).all()
    # waits for uses that are under way: what is left is what they leave
    db.execute(_VOID_CODES, {"holders": [row.holder_id for row in rows]})
    for certificate, holder_id, expires_on, currency in rows:
        left = Money(ledger.balance(db, "2100", str(certificate), currency), currency)
        dormant = ledger.balance(db, "2130", str(certificate), currency)
        if left.amount_minor:
            ledger.post(db, f"{uuid4()}:expired", chart.expired(certificate, left))
            db.execute(_TO_TELL, {"certificate": certificate, "expires_on": expires_on, "holder": holder_id})
        state = "expired" if left.amount_minor or dormant else "ended"
        db.execute(_STATE, {"certificate": certificate, "state": state})
    return len(rows)


def end_limitation(db: Connection, rules: Rules, *, limit: int) -> int:
    """What nobody asked for before the law's time was over becomes breakage or the state's; returns of how many certificates."""
    all_laws = [one for versions in rules.laws.packs.values() for one in versions]
    terms = {"laws": [one.id for one in all_laws], "months": [one.limitation.months for one in all_laws]}
    rows = db.execute(_LIMITED, {**terms, "today": today(db, rules), "limit": limit}).all()
    for certificate, law_id, _, currency in rows:
        left = Money(ledger.balance(db, "2130", str(certificate), currency), currency)
        account = LIMITATION_TO[law.at_limitation(rules.laws.by_id(law_id))]
        if left.amount_minor:
            ledger.post(db, f"{uuid4()}:limitation", chart.limitation_ended(certificate, left, account))
        db.execute(_STATE, {"certificate": certificate, "state": "ended"})
    return len(rows)


def ended(db: Connection, rules: Rules, holder: Member) -> list[Ended]:
    """The holder's certificates whose time is over and of which something can still be had, oldest end first (at most 50)."""
    now = today(db, rules)
    all_held = [_Valued(*row) for row in db.execute(_OF_HOLDER, {"holder": holder.id})]
    return [found for one in all_held if (found := _ended(rules, one, now))]


def extendable(db: Connection, rules: Rules, holder: Member) -> list[Extendable]:
    """The holder's certificates that have ended, or end within the days of the first reminder, and can be extended."""
    now = today(db, rules)
    found = []
    for one in (_Valued(*row) for row in db.execute(_OF_HOLDER, {"holder": holder.id})):
        first = next(iter(law.reminders(rules.laws.by_id(one.law_id), one.expires_on)), one.expires_on)
        until = _extended(rules, one, now)
        if until is not None and first is not None and first <= now:
            found.append(Extendable(one.id, one.serial, one.issuer, one.left, until))
    return found


def extend(db: Connection, rules: Rules, *, op_id: str, holder: Member, certificate_id: int) -> date:
    """Give a certificate more time, as its law allows; returns its new last day. The same id extends once.

    Before its end the months are added to its last day; after it, while it can be refunded, to today: its value is there again.
    Raises Refusal `not_yours`, `nothing_left` or `not_extendable`.
    """
    members.lock(db, holder.id)
    if done := db.execute(_EXTENDED, {"id": op_id}).scalar():
        ends_on: date = done
        return ends_on
    one = _lock(db, holder, certificate_id)
    until = _extended(rules, one, today(db, rules))
    if until is None:
        raise Refusal("not_extendable")
    if one.dormant_minor:
        revived = chart.revived(certificate_id, Money(one.dormant_minor, one.currency))
        ledger.post(db, f"{op_id}:extended", revived)
    asked = {"id": op_id, "certificate": certificate_id, "holder": holder.id}
    db.execute(_EXTENSION, {**asked, "ended_on": one.expires_on, "ends_on": until})
    db.execute(_EXTEND, {"certificate": certificate_id, "ends_on": until})
    return until


def refund(
    db: Connection, rules: Rules, *, refund_id: str, holder: Member, certificate_id: int, expected: Money, receipt: bool
) -> str:
    """The holder has the law's share of an ended certificate back; returns the refund's reference. The same id does it once.

    `expected` is the sum that was shown. `receipt` sends one by text where it is done at once. Raises Refusal `not_returnable`,
    or `cash_out_not_here` when it may not leave over any rail to this holder.
    """
    members.lock(db, holder.id)
    if reference := refunds.known(db, refund_id):
        return reference
    one = _lock(db, holder, certificate_id)
    found = _ended(rules, one, today(db, rules))
    if found is None or found.share != expected:
        raise Refusal("not_returnable")
    way = ways_back.find(db, rules, holder, certificate_id, found.share)
    ledger.post(db, f"{refund_id}:owed", chart.expiry_refunded(certificate_id, refund_id, found.left, found.share))
    db.execute(_STATE, {"certificate": certificate_id, "state": "ended"})
    return ways_back.pay(
        db, rules, way=way, refund_id=refund_id, payee=holder, amount=found.share, why="expired", receipt=receipt
    )


def _lock(db: Connection, holder: Member, certificate_id: int) -> _Valued:
    asked = {"certificate": certificate_id, "holder": holder.id}
    if db.execute(_LOCK, asked).first() is None:
        raise Refusal("not_yours")
    row = db.execute(_ONE, asked).first()
    if row is None:
        raise Refusal("nothing_left")
    return _Valued(*row)


def _ended(rules: Rules, one: _Valued, now: date) -> Ended | None:
    """What its holder has back of an ended certificate; None when it has not ended, or too long ago, or nothing is due."""
    if one.state != "expired" or one.expires_on is None or not one.dormant_minor:
        return None
    terms = rules.laws.best_for_holder(one.law_id, now)
    until = law.limitation_ends(terms, one.expires_on)
    share = law.refund_after_expiry_minor(
        terms, face_minor=one.face_minor, balance_minor=one.dormant_minor, currency=one.currency
    )
    left = Money(one.dormant_minor, one.currency)
    return (
        Ended(one.id, one.serial, one.issuer, left, Money(share, one.currency), until)
        if share and now <= until
        else None
    )


def _extended(rules: Rules, one: _Valued, now: date) -> date | None:
    """The last day it would have if it were extended today; None when the law extends it no more."""
    if one.expires_on is None:
        return None
    terms = rules.laws.by_id(one.law_id)
    if law.limitation_ends(terms, one.expires_on) < now:
        return None
    return law.extended(terms, max(one.expires_on, now), one.extensions)
