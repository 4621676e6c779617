"""What can be bought: kinds, issuers, denominations; and who takes it: stores and their clerks. All of it is data."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, text

from circulation.money import Money
from circulation.msisdn import Msisdn

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "general": "Any store",
        "supermarket": "Supermarket",
        "department": "Department store",
        "electronics": "Phones and electronics",
        "food": "Food and drink",
        "fuel": "Fuel",
        "health": "Pharmacy",
        "books": "Books and school",
    }
)
"""Every kind of certificate and what people call it, in menu order."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who owes what the certificate says."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Denomination:
    """One price of one issuer: what the sheet is worth and what it costs on top."""

    id: int
    issuer: str
    worth: Money
    fee: Money


@dataclass(frozen=True, slots=True)
class Clerk:
    """A registered till phone and its store. `commission_bps` is the store's, in hundredths of a percent."""

    id: int
    name: str
    store_id: int
    store: str
    commission_bps: int


_KINDS = text("SELECT DISTINCT kind FROM issuer i WHERE EXISTS (SELECT FROM denomination d WHERE d.issuer_id = i.id)")
_ISSUERS = text("""
    SELECT i.id, i.name FROM issuer i
    WHERE i.kind = :kind AND EXISTS (SELECT FROM denomination d WHERE d.issuer_id = i.id) ORDER BY i.name
""")
_DENOMINATIONS = text("""
    SELECT d.id, i.name, d.amount_minor, d.fee_minor, d.currency FROM denomination d JOIN issuer i ON i.id = d.issuer_id
    WHERE d.issuer_id = :issuer ORDER BY d.amount_minor
""")
_DENOMINATION = text("""
    SELECT d.id, i.name, d.amount_minor, d.fee_minor, d.currency FROM denomination d JOIN issuer i ON i.id = d.issuer_id
    WHERE d.id = :id
""")
_UP_TO = text("""
    SELECT d.id, i.name, d.amount_minor, d.fee_minor, d.currency FROM denomination d JOIN issuer i ON i.id = d.issuer_id
    WHERE d.currency = :currency AND d.amount_minor <= :most ORDER BY d.amount_minor, i.name LIMIT 30
""")
_OF_KIND = text("""
    SELECT d.id, i.name, d.amount_minor, d.fee_minor, d.currency FROM denomination d JOIN issuer i ON i.id = d.issuer_id
    WHERE i.kind = :kind ORDER BY i.name, d.amount_minor LIMIT 30
""")
_CLERK = text("""
    SELECT c.id, c.name, s.id, s.name, s.commission_bps FROM clerk c JOIN store s ON s.id = c.store_id
    WHERE c.msisdn = :msisdn
""")
_TILL = text("""
    SELECT c.msisdn, c.id, c.name, s.id, s.name, s.commission_bps FROM clerk c JOIN store s ON s.id = c.store_id
    WHERE c.id = :id
""")
_STORES = text("""
    SELECT s.name FROM acceptance a JOIN store s ON s.id = a.store_id JOIN issuer i ON i.id = a.issuer_id
    WHERE i.name = :issuer ORDER BY s.name LIMIT 20
""")


def kinds(db: Connection) -> list[str]:
    """The kinds that have something to sell, in menu order."""
    on_sale = {str(kind) for (kind,) in db.execute(_KINDS)}
    return [kind for kind in KINDS if kind in on_sale]


def issuers(db: Connection, kind: str) -> list[Issuer]:
    """Who sells certificates of this kind, by name."""
    return [Issuer(*row) for row in db.execute(_ISSUERS, {"kind": kind})]


def denominations(db: Connection, issuer_id: int) -> list[Denomination]:
    """An issuer's prices, smallest first."""
    return [_denomination(row) for row in db.execute(_DENOMINATIONS, {"issuer": issuer_id})]


def up_to(db: Connection, most: Money) -> list[Denomination]:
    """What is worth at most so much, smallest first (at most 30)."""
    rows = db.execute(_UP_TO, {"currency": most.currency, "most": most.amount_minor})
    return [_denomination(row) for row in rows]


def of_kind(db: Connection, kind: str) -> list[Denomination]:
    """Every price of a kind of certificate, by issuer (at most 30)."""
    return [_denomination(row) for row in db.execute(_OF_KIND, {"kind": kind})]


def denomination(db: Connection, denomination_id: int) -> Denomination | None:
    """One price, as it is now; None when it is no longer sold."""
    row = db.execute(_DENOMINATION, {"id": denomination_id}).first()
    return _denomination(row) if row else None


def stores(db: Connection, issuer: str) -> list[str]:
    """Where an issuer's certificates are taken (at most 20 names)."""
    return [str(name) for (name,) in db.execute(_STORES, {"issuer": issuer})]


def clerk(db: Connection, msisdn: Msisdn) -> Clerk | None:
    """The clerk whose registered phone this is."""
    row = db.execute(_CLERK, {"msisdn": msisdn.e164}).first()
    return Clerk(*row) if row else None


def till(db: Connection, clerk_id: int) -> tuple[Msisdn, Clerk]:
    """A clerk by id, and their registered phone. Raises NoResultFound."""
    msisdn, *clerk_ = db.execute(_TILL, {"id": clerk_id}).one()
    return Msisdn(msisdn), Clerk(*clerk_)


def _denomination(row: Row[*tuple[Any, ...]]) -> Denomination:
    id_, issuer, amount_minor, fee_minor, currency = row
    return Denomination(id_, issuer, Money(amount_minor, currency), Money(fee_minor, currency))
