"""Stocking: the catalogue from a TOML file: issuers with prices, stores with what they accept and their clerks.

Loading the same file again changes names, fees and commissions in place and removes nothing: certificates may refer to it.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, text

from circulation.catalogue import KINDS

DEMO = Path(__file__).parent / "demo"

Msisdn = Annotated[str, Field(pattern=r"^\+[0-9]{6,15}$")]
Minor = Annotated[int, Field(ge=0)]


class StockRefused(ValueError):
    """The file cannot be used; the message names the place and the fault. Nothing was loaded."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Issuer(_Part):
    prefix: str = Field(pattern=r"^[A-Z]{2,4}$")
    name: str = Field(min_length=1, max_length=24)
    kind: str
    prices: list[tuple[Annotated[int, Field(gt=0)], Minor]]


class _Store(_Part):
    name: str = Field(min_length=1, max_length=30)
    commission_bps: int = Field(ge=0, le=10_000)
    accepts: list[str]
    clerks: list[tuple[Msisdn, str]] = []


class _Stock(_Part):
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    issuer: list[_Issuer]
    store: list[_Store]


@dataclass(frozen=True, slots=True)
class Stocked:
    """What a file held: issuer names with prices, store names with clerk phones; for printing."""

    issuers: int
    prices: int
    stores: list[tuple[str, list[str]]]


_ISSUER = text("""
    INSERT INTO issuer (prefix, name, kind) VALUES (:prefix, :name, :kind)
    ON CONFLICT (prefix) DO UPDATE SET name = excluded.name, kind = excluded.kind
""")
_PRICE = text("""
    INSERT INTO denomination (issuer_id, amount_minor, fee_minor, currency)
    SELECT id, :amount_minor, :fee_minor, :currency FROM issuer WHERE prefix = :prefix
    ON CONFLICT (issuer_id, currency, amount_minor) DO UPDATE SET fee_minor = excluded.fee_minor
""")
_STORE = text("""
    INSERT INTO store (name, commission_bps) VALUES (:name, :commission_bps)
    ON CONFLICT (name) DO UPDATE SET commission_bps = excluded.commission_bps
""")
_ACCEPTS = text("""
    INSERT INTO acceptance (store_id, issuer_id) SELECT s.id, i.id FROM store s, issuer i
    WHERE s.name = :store AND i.prefix = :prefix ON CONFLICT DO NOTHING
""")
_CLERK = text("""
    INSERT INTO clerk (store_id, msisdn, name) SELECT id, :msisdn, :name FROM store WHERE name = :store
    ON CONFLICT (msisdn) DO UPDATE SET store_id = excluded.store_id, name = excluded.name
""")


def stock(db: Connection, path: Path) -> Stocked:
    """Load the file, all of it or nothing. Raises StockRefused."""
    read = _read(path)
    for issuer in read.issuer:
        db.execute(_ISSUER, {"prefix": issuer.prefix, "name": issuer.name, "kind": issuer.kind})
        for amount_minor, fee_minor in issuer.prices:
            price = {"prefix": issuer.prefix, "amount_minor": amount_minor, "fee_minor": fee_minor}
            db.execute(_PRICE, {**price, "currency": read.currency})
    for store in read.store:
        db.execute(_STORE, {"name": store.name, "commission_bps": store.commission_bps})
        for prefix in store.accepts:
            db.execute(_ACCEPTS, {"store": store.name, "prefix": prefix})
        for msisdn, name in store.clerks:
            db.execute(_CLERK, {"store": store.name, "msisdn": msisdn, "name": name})
    stores = [(store.name, [msisdn for msisdn, _ in store.clerks]) for store in read.store]
    return Stocked(len(read.issuer), sum(len(issuer.prices) for issuer in read.issuer), stores)


def _read(path: Path) -> _Stock:
    try:
        read = _Stock.model_validate(tomllib.loads(path.read_text()))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StockRefused(f"{path.name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StockRefused(f"{path.name}: {place}: {first['msg']}") from error
    unknown = {issuer.kind for issuer in read.issuer} - KINDS.keys()
    if unknown:
        raise StockRefused(f"{path.name}: unknown kind: {', '.join(sorted(unknown))}; known are {', '.join(KINDS)}")
    prefixes = {issuer.prefix for issuer in read.issuer}
    for store in read.store:
        if missing := set(store.accepts) - prefixes:
            raise StockRefused(f"{path.name}: {store.name} accepts unknown issuers: {', '.join(sorted(missing))}")
    return read
