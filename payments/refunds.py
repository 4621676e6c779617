"""Refunds as they are kept: money owed back to a payer (account 2300) until the rail has given it. Claimed as charges are."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, text

from payments.gateway import Charge, Refund

State = Literal["new", "asking", "unknown", "pending", "paid", "failed"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A refund in a worker's hands; `age_seconds` is counted from when it was minted."""

    refund: Refund
    rail: str
    state: State
    attempt: int
    age_seconds: float


_MINT = text("""
    INSERT INTO refund (id, reference, charge_id, payment_id, payee_id, rail, why, amount_minor, currency, due_at)
    VALUES (:id, :reference, :charge, :payment, :payee, :rail, :why, :amount_minor, :currency, clock())
    ON CONFLICT (id) DO NOTHING
""")
_CLAIM = text("""
    WITH due AS (
        SELECT id, state FROM refund WHERE due_at <= clock() ORDER BY due_at LIMIT :batch FOR UPDATE SKIP LOCKED
    )
    UPDATE refund r SET attempt = r.attempt + 1, due_at = clock() + make_interval(secs => :lease),
        state = CASE WHEN r.state = 'new' THEN 'asking' ELSE r.state END
    FROM due, charge c, member m WHERE r.id = due.id AND c.id = r.charge_id AND m.id = r.payee_id
    RETURNING r.id::text, c.id::text, m.msisdn, c.amount_minor, c.currency, c.reference, c.handle, c.receipt, r.amount_minor,
        r.reference, r.handle, r.rail, due.state, r.attempt, extract(epoch FROM clock() - r.created_at)::float
""")
_HOLD = text("""
    SELECT state FROM refund WHERE id = :id AND (CAST(:attempt AS int) IS NULL OR attempt = :attempt) FOR NO KEY UPDATE
""")
_MARK = text("""
    UPDATE refund SET state = :state, due_at = clock() + make_interval(secs => CAST(:look_after AS float8)),
        handle = coalesce(nullif(handle, ''), :handle), receipt = coalesce(nullif(:receipt, ''), receipt), reason = :reason,
        ended_at = CASE WHEN :state IN ('paid', 'failed') THEN coalesce(ended_at, clock()) END
    WHERE id = :id
""")
_LOOK = text("""
    UPDATE refund SET due_at = CASE WHEN state = 'asking' THEN due_at ELSE clock() END,
        handle = coalesce(nullif(:handle, ''), handle)
    WHERE id = CAST(:id AS uuid) AND rail = :rail AND state NOT IN ('paid', 'failed')
""")
_EXISTS = text("SELECT EXISTS (SELECT FROM refund WHERE id = CAST(:id AS uuid) AND rail = :rail)")
_BACK = text("""
    SELECT coalesce(sum(amount_minor), 0)::bigint FROM refund WHERE charge_id = :charge AND currency = :currency
""")


def mint(
    db: Connection,
    *,
    refund_id: str,
    reference: str,
    charge_id: str,
    payment_id: str | None,
    payee_id: int,
    rail: str,
    why: str,
    amount_minor: int,
    currency: str,
) -> bool:
    """Store a refund that is to be asked for at once. False when this id is known already."""
    values = {
        "id": refund_id,
        "reference": reference,
        "charge": charge_id,
        "payment": payment_id,
        "payee": payee_id,
        "rail": rail,
        "why": why,
        "amount_minor": amount_minor,
        "currency": currency,
    }
    return db.execute(_MINT, values).rowcount > 0


def claim(db: Connection, *, batch: int, lease: float) -> list[Claimed]:
    """Take up to `batch` refunds that are due in hand for `lease` seconds. `state` is what it was before."""
    return [_claimed(row) for row in db.execute(_CLAIM, {"batch": batch, "lease": lease})]


def hold(db: Connection, refund_id: str, attempt: int | None = None) -> State | None:
    """Lock a refund until the transaction ends; its state, None when this attempt is no longer ours."""
    state: State | None = db.execute(_HOLD, {"id": refund_id, "attempt": attempt}).scalar()
    return state


def mark(
    db: Connection,
    refund_id: str,
    state: State,
    *,
    look_after: float | None,
    handle: str = "",
    receipt: str = "",
    reason: str = "",
) -> None:
    """Keep what a refund has become. `look_after`: seconds until a worker looks again; None: never."""
    values = {"id": refund_id, "state": state, "look_after": look_after, "reason": reason}
    db.execute(_MARK, {**values, "handle": handle, "receipt": receipt})


def look(db: Connection, rail: str, refund_id: str, *, handle: str = "") -> bool:
    """Somebody says that something happened: fetch soon, by the `handle` they named. False when there is no such refund."""
    known = bool(db.execute(_EXISTS, {"id": refund_id, "rail": rail}).scalar_one())
    db.execute(_LOOK, {"id": refund_id, "rail": rail, "handle": handle})
    return known


def back(db: Connection, charge_id: str, currency: str) -> int:
    """Minor units that went back, or are on their way back, for a charge."""
    return int(db.execute(_BACK, {"charge": charge_id, "currency": currency}).scalar_one())


def _claimed(row: Row[*tuple[Any, ...]]) -> Claimed:
    id_, charge_id, msisdn, charged, currency, reference, handle, receipt, amount, own_reference, own_handle, *rest = (
        row
    )
    charge = Charge(charge_id, msisdn, charged, currency, reference, handle, receipt)
    return Claimed(Refund(id_, charge, amount, own_reference, own_handle), *rest)
