"""The wallet: what a member holds, with balances and histories. Looks; moves nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal

MOST = 50
"""Certificates listed at once."""
HISTORY = 5
"""Lines of each history."""


@dataclass(frozen=True, slots=True)
class Held:
    """One certificate with what is left on it."""

    id: int
    serial: str
    issuer: str
    balance: Money


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a history: what happened (`kind`), with what, whom or where, and when.

    Kinds: bought; offered, accepted, declined, lapsed (gifts given); received; used.
    """

    kind: str
    issuer: str
    amount: Money
    who: Msisdn | None
    store: str
    reference: str
    at: datetime


_HELD_COLUMNS = "c.id, c.serial, i.name, b.amount_minor, c.currency"
_HELD_FROM = """
    FROM certificate c JOIN issuer i ON i.id = c.issuer_id
    JOIN account a ON a.code = '2100' AND a.owner = c.id::text AND a.currency = c.currency
    JOIN balance b ON b.account_id = a.id
"""
_HELD = text(f"""
    SELECT {_HELD_COLUMNS} {_HELD_FROM}
    WHERE c.holder_id = :holder AND b.amount_minor > 0 ORDER BY c.id LIMIT {MOST}
""")
_LOCK = text("""
    SELECT c.currency, i.name FROM certificate c JOIN issuer i ON i.id = c.issuer_id
    WHERE c.id = :certificate AND c.holder_id = :holder FOR NO KEY UPDATE OF c
""")
_ONE = text(f"SELECT {_HELD_COLUMNS} {_HELD_FROM} WHERE c.id = :certificate AND c.holder_id = :holder")

_BOUGHT = """
    SELECT 'bought' AS kind, i.name AS issuer, p.amount_minor + p.fee_minor AS amount_minor, p.currency, NULL AS who,
           '' AS store, p.reference, p.created_at AS at
    FROM purchase p JOIN denomination d ON d.id = p.denomination_id JOIN issuer i ON i.id = d.issuer_id
    WHERE p.buyer_id = :member
"""
_GIVEN = """
    SELECT g.state, i.name, g.amount_minor, g.currency, r.msisdn, '', g.reference, g.created_at
    FROM gift g JOIN member r ON r.id = g.recipient_id
    JOIN certificate c ON c.id = g.certificate_id JOIN issuer i ON i.id = c.issuer_id
    WHERE g.giver_id = :member
"""
_RECEIVED = """
    SELECT 'received', i.name, g.amount_minor, g.currency, m.msisdn, '', g.reference, g.answered_at
    FROM gift g JOIN member m ON m.id = g.giver_id
    JOIN certificate c ON c.id = g.certificate_id JOIN issuer i ON i.id = c.issuer_id
    WHERE g.recipient_id = :member AND g.state = 'accepted'
"""
_USED = """
    SELECT 'used' AS kind, i.name AS issuer, u.amount_minor, u.currency, NULL AS who, s.name AS store, u.reference,
           u.created_at AS at
    FROM redemption u JOIN store s ON s.id = u.store_id
    JOIN certificate c ON c.id = u.certificate_id JOIN issuer i ON i.id = c.issuer_id
    WHERE u.holder_id = :member
"""
_NEWEST = "ORDER BY at DESC LIMIT"
_PURCHASES = text(f"{_BOUGHT} {_NEWEST} {HISTORY}")
_USES = text(f"{_USED} {_NEWEST} {HISTORY}")
_CERTIFICATE_USES = text(f"{_USED} AND u.certificate_id = :certificate {_NEWEST} {HISTORY}")
_GIFTS = text(f"""
    SELECT * FROM (({_GIVEN}) UNION ALL ({_RECEIVED}))
    AS gifts(kind, issuer, amount_minor, currency, who, store, reference, at) {_NEWEST} {HISTORY}
""")
_LAST = text(f"""
    SELECT * FROM (({_BOUGHT} {_NEWEST} 1) UNION ALL (SELECT * FROM ({_GIVEN}) AS g(kind, issuer, amount_minor, currency,
    who, store, reference, at) {_NEWEST} 1) UNION ALL ({_USED} {_NEWEST} 1)) AS events {_NEWEST} 1
""")


def held(db: Connection, member_id: int) -> list[Held]:
    """The certificates with something left on them, oldest first (at most 50)."""
    return [_held(row) for row in db.execute(_HELD, {"holder": member_id})]


def certificate(db: Connection, member_id: int, certificate_id: int) -> Held | None:
    """One certificate this member holds, whatever is left on it; None when they do not hold it."""
    row = db.execute(_ONE, {"certificate": certificate_id, "holder": member_id}).first()
    return _held(row) if row else None


def lock(db: Connection, member_id: int, certificate_id: int) -> tuple[str, str]:
    """Keep the certificate in this member's hands until the transaction ends; returns its currency and its issuer.

    Raises Refusal `not_yours` when they do not hold it.
    """
    row = db.execute(_LOCK, {"certificate": certificate_id, "holder": member_id}).first()
    if row is None:
        raise Refusal("not_yours")
    return row.currency, row.name


def purchases(db: Connection, member_id: int) -> list[Event]:
    """The last purchases, newest first."""
    return _events(db, _PURCHASES, member=member_id)


def gifts(db: Connection, member_id: int) -> list[Event]:
    """The last gifts given and received, newest first."""
    return _events(db, _GIFTS, member=member_id)


def uses(db: Connection, member_id: int, certificate_id: int | None = None) -> list[Event]:
    """The last uses, of everything or of one certificate, newest first."""
    if certificate_id is None:
        return _events(db, _USES, member=member_id)
    return _events(db, _CERTIFICATE_USES, member=member_id, certificate=certificate_id)


def last(db: Connection, member_id: int) -> Event | None:
    """The last thing this member did, for someone who lost their place and asks what came of it."""
    return next(iter(_events(db, _LAST, member=member_id)), None)


def _events(db: Connection, statement: TextClause, **values: int) -> list[Event]:
    return [
        Event(
            row.kind,
            row.issuer,
            Money(row.amount_minor, row.currency),
            Msisdn(row.who) if row.who else None,
            row.store,
            row.reference,
            row.at,
        )
        for row in db.execute(statement, values)
    ]


def _held(row: Row[*tuple[Any, ...]]) -> Held:
    id_, serial, issuer, balance_minor, currency = row
    return Held(id_, serial, issuer, Money(balance_minor, currency))
