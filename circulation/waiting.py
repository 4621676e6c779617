"""What waits for the operator: refunds that are not paid yet, and incidents that nobody has looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

from circulation.money import Money
from circulation.msisdn import Msisdn
from payments.bank_reference import creditor_reference
from payments.bank_transfer import BankTransfer


@dataclass(frozen=True, slots=True)
class OwedRefund:
    """A refund that is not paid yet. What goes by bank the operator pays by hand: to `account` (that the money came from; empty
    when no statement told it), with `bank_reference`, by which the statement closes the refund. Both are empty on other rails."""

    reference: str
    rail: str
    state: str
    amount: Money
    payee: Msisdn
    age_days: float
    account: str = field(repr=False)
    bank_reference: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Something the operator must look at; `facts` are what is known of it."""

    id: int
    kind: str
    about: str
    facts: Mapping[str, object]
    created_at: datetime
    age_days: float


_REFUNDS = text("""
    SELECT r.reference, r.rail, r.state, r.amount_minor, r.currency, m.msisdn,
           extract(epoch FROM clock() - r.created_at)::float / 86400,
           (SELECT l.counterparty_account FROM payment y JOIN bank_line l ON l.payment_id = y.id
            WHERE CASE WHEN r.payment_id IS NULL THEN y.charge_id = r.charge_id ELSE y.id = r.payment_id END
              AND l.counterparty_account <> '' ORDER BY y.created_at DESC, l.id DESC LIMIT 1)
    FROM refund r JOIN member m ON m.id = r.payee_id WHERE r.state <> 'paid' ORDER BY r.created_at, r.id
""")
_INCIDENTS = text("""
    SELECT id, kind, about, facts, created_at, extract(epoch FROM clock() - created_at)::float / 86400 FROM incident
    WHERE closed_at IS NULL ORDER BY created_at, id
""")
_CLOSE = text("UPDATE incident SET closed_at = clock() WHERE id = :id AND closed_at IS NULL")


def refunds(db: Connection) -> list[OwedRefund]:
    """The refunds that are not paid yet, oldest first."""
    found = []
    for reference, rail, state, minor, currency, msisdn, age, account in db.execute(_REFUNDS):
        by_hand = rail == BankTransfer.rail
        found.append(
            OwedRefund(
                reference,
                rail,
                state,
                Money(minor, currency),
                Msisdn(msisdn),
                age,
                (account or "") if by_hand else "",
                creditor_reference(reference) if by_hand else "",
            )
        )
    return found


def incidents(db: Connection) -> list[Incident]:
    """The incidents that are open, oldest first."""
    return [Incident(*row) for row in db.execute(_INCIDENTS)]


def close_incident(db: Connection, incident_id: int) -> bool:
    """Somebody has looked at it. False when there is no such incident, or it was closed before."""
    return db.execute(_CLOSE, {"id": incident_id}).rowcount > 0
