"""Payouts: stores are paid what they have earned. On its way the money is in 2210; the bank's statement says that it left.

The operator pays by bank, with the payout's reference. What a store gives back after it was paid may leave it owing us: then
its next payout is smaller, or there is none yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, text

from circulation import chart
from circulation.money import Money
from circulation.references import new_reference
from circulation.refusals import Refusal
from payments import callbacks
from storage import ledger

State = Literal["started", "paid", "failed"]


@dataclass(frozen=True, slots=True)
class Owed:
    """What a store has earned, less what it was paid and what is on its way. Negative: the store owes us."""

    store_id: int
    store: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Payout:
    """One payment to a store; `reference` is ours, by which a statement's debit is known."""

    id: str
    reference: str
    store_id: int
    store: str
    amount: Money
    state: State
    age_days: float


_OWED = text("""
    SELECT s.id, s.name, -sum(p.amount_minor)::bigint, a.currency
    FROM store s JOIN account a ON a.code = '2200' AND a.owner = s.id::text JOIN posting p ON p.account_id = a.id
    GROUP BY s.id, a.currency HAVING sum(p.amount_minor) <> 0 ORDER BY s.name, a.currency
""")
_LOCK = text("SELECT FROM store WHERE id = :store FOR NO KEY UPDATE")
_EARNED = text("""
    SELECT coalesce(-sum(p.amount_minor), 0)::bigint FROM account a JOIN posting p ON p.account_id = a.id
    WHERE a.code = '2200' AND a.owner = CAST(:store AS text) AND a.currency = :currency
""")
_START = text("""
    INSERT INTO store_payout (id, reference, store_id, amount_minor, currency)
    VALUES (:id, :reference, :store, :amount_minor, :currency)
""")
_END = text("""
    UPDATE store_payout SET state = :state, ended_at = clock() WHERE id = :id AND state = :was
""")
_COLUMNS = """
    SELECT o.id::text, o.reference, s.id, s.name, o.amount_minor, o.currency, o.state,
           extract(epoch FROM clock() - o.created_at)::float / 86400
    FROM store_payout o JOIN store s ON s.id = o.store_id
"""
_READ = text(f"{_COLUMNS} WHERE o.id = :id")
_NAMED = text(f"{_COLUMNS} WHERE o.reference = ANY(:references) ORDER BY o.created_at, o.id")
_IN_TRANSIT = text(f"{_COLUMNS} WHERE o.state = 'started' ORDER BY o.created_at, o.id")


def owed(db: Connection) -> list[Owed]:
    """Every store that is owed something, or owes us, by name; a line for each currency."""
    return [Owed(store_id, name, Money(minor, currency)) for store_id, name, minor, currency in db.execute(_OWED)]


def in_transit(db: Connection) -> list[Payout]:
    """The payouts that were started and have not ended, oldest first."""
    return [_payout(row) for row in db.execute(_IN_TRANSIT)]


def named(db: Connection, references: Sequence[str]) -> list[Payout]:
    """The payouts with one of these references (8 characters each), oldest first."""
    return [_payout(row) for row in db.execute(_NAMED, {"references": list(references)})]


def start(db: Connection, *, payout_id: str, store_id: int, currency: str) -> Payout:
    """All that the store is owed in this currency is on its way to it. The same id starts once.

    Raises Refusal `nothing_owed`, also when the store owes us.
    """
    db.execute(_LOCK, {"store": store_id})
    if known := db.execute(_READ, {"id": payout_id}).first():
        return _payout(known)
    amount = Money(db.execute(_EARNED, {"store": str(store_id), "currency": currency}).scalar_one(), currency)
    if amount.amount_minor <= 0:
        raise Refusal("nothing_owed")
    minted = {"id": payout_id, "reference": new_reference(), "store": store_id}
    db.execute(_START, {**minted, "amount_minor": amount.amount_minor, "currency": currency})
    ledger.post(db, f"{payout_id}:started", chart.payout_started(store_id, payout_id, amount))
    return _read(db, payout_id)


def paid(db: Connection, *, payout_id: str) -> None:
    """The bank has paid it. Saying so twice does it once, and saying so after `failed` counts: then the operator is told, since
    the same money may have been paid again meanwhile."""
    if ended := _end(db, payout_id, "paid", was="started"):
        ledger.post(db, f"{payout_id}:paid", chart.payout_paid(payout_id, ended.amount))
    elif ended := _end(db, payout_id, "paid", was="failed"):
        ledger.post(db, f"{payout_id}:paid", chart.payout_paid_after_all(ended.store_id, ended.amount))
        callbacks.incident(db, "payout paid that had failed", ended.reference, {"store": ended.store_id})


def failed(db: Connection, *, payout_id: str) -> bool:
    """The bank did not pay it: it is owed to the store again. Saying so twice does it once. False when it was paid: then it
    stays paid. Raises NoResultFound."""
    if ended := _end(db, payout_id, "failed", was="started"):
        ledger.post(db, f"{payout_id}:failed", chart.payout_failed(ended.store_id, payout_id, ended.amount))
        return True
    return _read(db, payout_id).state == "failed"


def _end(db: Connection, payout_id: str, state: State, *, was: State) -> Payout | None:
    """Of any number that end it at once, one does."""
    changed = db.execute(_END, {"id": payout_id, "state": state, "was": was}).rowcount
    return _read(db, payout_id) if changed else None


def _read(db: Connection, payout_id: str) -> Payout:
    return _payout(db.execute(_READ, {"id": payout_id}).one())


def _payout(row: Row[*tuple[Any, ...]]) -> Payout:
    id_, reference, store_id, store, minor, currency, state, age_days = row
    return Payout(id_, reference, store_id, store, Money(minor, currency), state, age_days)
