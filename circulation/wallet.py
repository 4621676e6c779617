"""The wallet: what a member holds, with balances and histories. Looks; moves nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from circulation import addresses
from circulation.email_address import Email
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.rules import Rules

MOST = 50
"""Certificates listed at once."""
HISTORY = 5
"""Lines of each history."""
SPENDABLE = """
    (c.state = 'live' AND (c.expires_on IS NULL OR c.expires_on >= (clock() AT TIME ZONE :zone)::date))
"""
"""SQL: whether certificate `c` can be spent today, in the deployment's `:zone`."""
SOONEST_FIRST = "c.expires_on NULLS LAST, c.id"
"""SQL: the order in which certificates `c` are listed and spent. What ends soonest goes first, then the oldest."""


@dataclass(frozen=True, slots=True)
class Held:
    """One certificate with what is left on it."""

    id: int
    serial: str
    issuer: str
    balance: Money


@dataclass(frozen=True, slots=True)
class Together:
    """Certificates that can be used with one code, of one currency, in the order of use; and the most of them one store
    takes."""

    certificates: list[int]
    most: Money


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a history: what happened (`kind`), with what, whom or where, and when.

    Kinds: bought; scheduled, offered, accepted, declined, lapsed, recalled (gifts given); received; used. Of a use, `amount`
    is what the store did not give back, and `issuer` names every issuer it was paid with.
    """

    kind: str
    issuer: str
    amount: Money
    who: Msisdn | Email | None
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
    WHERE c.holder_id = :holder AND c.state = 'live' AND b.amount_minor > 0 ORDER BY {SOONEST_FIRST} LIMIT {MOST}
""")
_ONE = text(f"SELECT {_HELD_COLUMNS} {_HELD_FROM} WHERE c.id = :certificate AND c.holder_id = :holder")

_BOUGHT = """
    SELECT 'bought' AS kind, i.name AS issuer, p.amount_minor + p.fee_minor AS amount_minor, p.currency, NULL AS who,
           '' AS store, p.reference, p.created_at AS at
    FROM purchase p JOIN denomination d ON d.id = p.denomination_id JOIN issuer i ON i.id = d.issuer_id
    WHERE p.buyer_id = :member
"""
_GIVEN = """
    SELECT g.state, i.name, g.amount_minor, g.currency, coalesce(g.recipient_email, r.msisdn), '', g.reference, g.created_at
    FROM gift g LEFT JOIN member r ON r.id = g.recipient_id JOIN issuer i ON i.id = g.issuer_id
    WHERE g.giver_id = :member
"""
_RECEIVED = """
    SELECT 'received', i.name, g.amount_minor, g.currency, m.msisdn, '', g.reference, g.answered_at
    FROM gift g JOIN member m ON m.id = g.giver_id JOIN issuer i ON i.id = g.issuer_id
    WHERE g.recipient_id = :member AND g.state = 'accepted'
"""
_PART = f"""
    WITH part AS (SELECT c.id, c.issuer_id, c.expires_on, b.amount_minor {_HELD_FROM}
                  WHERE c.holder_id = :holder AND b.amount_minor > 0 AND {SPENDABLE} AND """
_TOGETHER = text(f"""
    {_PART} c.currency = :currency)
    SELECT array_agg(c.id ORDER BY {SOONEST_FIRST}) FROM part c
    HAVING EXISTS (SELECT FROM part p JOIN acceptance a ON a.issuer_id = p.issuer_id GROUP BY a.store_id HAVING count(*) > 1)
""")
_MOST = text(f"""
    {_PART} c.id = ANY(:certificates))
    SELECT coalesce(max(worth), 0)::bigint FROM (
        SELECT sum(p.amount_minor) AS worth FROM part p JOIN acceptance a ON a.issuer_id = p.issuer_id GROUP BY a.store_id
        UNION ALL SELECT max(amount_minor) FROM part) AS stores
""")
_CURRENCIES = text("SELECT currency FROM certificate WHERE id = ANY(:certificates) AND holder_id = :holder")
_USED = """
    SELECT 'used' AS kind,
           (SELECT string_agg(n.name, ' + ' ORDER BY n.place) FROM (
                SELECT i.name, min(p.place) AS place FROM redemption_part p
                JOIN certificate c ON c.id = p.certificate_id JOIN issuer i ON i.id = c.issuer_id
                WHERE p.redemption_id = u.id AND p.captured_minor > 0 GROUP BY i.name) AS n) AS issuer,
           u.captured_minor - u.returned_minor AS amount_minor, u.currency, NULL AS who, s.name AS store, u.reference,
           u.created_at AS at
    FROM redemption u JOIN store s ON s.id = u.store_id
    WHERE u.holder_id = :member AND u.captured_minor > u.returned_minor
"""
_USED_OF_ONE = """
    SELECT 'used' AS kind, i.name AS issuer, p.captured_minor - p.returned_minor AS amount_minor, u.currency, NULL AS who,
           s.name AS store, u.reference, u.created_at AS at
    FROM redemption_part p JOIN redemption u ON u.id = p.redemption_id JOIN store s ON s.id = u.store_id
    JOIN certificate c ON c.id = p.certificate_id JOIN issuer i ON i.id = c.issuer_id
    WHERE u.holder_id = :member AND p.certificate_id = :certificate AND p.captured_minor > p.returned_minor
"""
_NEWEST = "ORDER BY at DESC LIMIT"
_PURCHASES = text(f"{_BOUGHT} {_NEWEST} {HISTORY}")
_USES = text(f"{_USED} {_NEWEST} {HISTORY}")
_CERTIFICATE_USES = text(f"{_USED_OF_ONE} {_NEWEST} {HISTORY}")
_GIFTS = text(f"""
    SELECT * FROM (({_GIVEN}) UNION ALL ({_RECEIVED}))
    AS gifts(kind, issuer, amount_minor, currency, who, store, reference, at) {_NEWEST} {HISTORY}
""")
_LAST = text(f"""
    SELECT * FROM (({_BOUGHT} {_NEWEST} 1) UNION ALL (SELECT * FROM ({_GIVEN}) AS g(kind, issuer, amount_minor, currency,
    who, store, reference, at) {_NEWEST} 1) UNION ALL ({_USED} {_NEWEST} 1)) AS events {_NEWEST} 1
""")


def held(db: Connection, member_id: int) -> list[Held]:
    """The live certificates with something left on them, soonest to expire first, then oldest (at most 50)."""
    return [_held(row) for row in db.execute(_HELD, {"holder": member_id})]


def together(db: Connection, rules: Rules, member_id: int) -> Together | None:
    """What this member can use with one code; None while no store takes two or more of their certificates."""
    values = {"holder": member_id, "currency": rules.currency, "zone": rules.zone}
    row = db.execute(_TOGETHER, values).first()
    if row is None:
        return None
    certificates = [int(id_) for id_ in row[0]]
    return Together(certificates, most(db, rules, member_id, certificates))


def most(db: Connection, rules: Rules, member_id: int, certificates: Sequence[int]) -> Money:
    """The most that one store takes of these certificates, all of one currency; of a single one, what is left on it.

    What has expired counts for nothing. Raises Refusal `not_yours` when the member does not hold all of them.
    """
    values = {"holder": member_id, "certificates": list(certificates), "zone": rules.zone}
    held = db.execute(_CURRENCIES, values).scalars().all()
    if len(held) != len(set(certificates)):
        raise Refusal("not_yours")
    (currency,) = set(held)
    return Money(int(db.execute(_MOST, values).scalar_one()), str(currency))


def named(issuers: Sequence[str]) -> str:
    """Issuers as they are told of in one breath: each once, `Soko Bora + Giftline`."""
    return " + ".join(dict.fromkeys(issuers))


def certificate(db: Connection, member_id: int, certificate_id: int) -> Held | None:
    """One certificate this member holds, whatever is left on it; None when they do not hold it."""
    row = db.execute(_ONE, {"certificate": certificate_id, "holder": member_id}).first()
    return _held(row) if row else None


def purchases(db: Connection, member_id: int) -> list[Event]:
    """The last purchases, newest first."""
    return _events(db, _PURCHASES, member=member_id)


def gifts(db: Connection, member_id: int) -> list[Event]:
    """The last gifts given and received, newest first."""
    return _events(db, _GIFTS, member=member_id)


def uses(db: Connection, member_id: int, certificate_id: int | None = None) -> list[Event]:
    """The last uses, of everything or of one certificate, newest first; what was given back of them is not counted."""
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
            addresses.read(row.who) if row.who else None,
            row.store,
            row.reference,
            row.at,
        )
        for row in db.execute(statement, values)
    ]


def _held(row: Row[*tuple[Any, ...]]) -> Held:
    id_, serial, issuer, balance_minor, currency = row
    return Held(id_, serial, issuer, Money(balance_minor, currency))
