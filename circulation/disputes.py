"""Chargebacks: a payer's bank takes a payment back. What the buyer still holds of its value is held until it is decided.

Value that somebody else has accepted, or that was spent, is never taken from whoever has it: it is our loss. What comes back
to the buyer later (a gift that was not taken, a store's refund) is held too, or makes our loss smaller: nobody has it twice.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from sqlalchemy import Connection, text

from circulation import chart, members, notices, receipts
from circulation.money import Money
from circulation.rules import Rules
from payments import callbacks
from payments.gateway import Dispute, Gateway
from storage import ledger


@dataclass(frozen=True, slots=True)
class _Case:
    """A dispute as we keep it, and the charge it is about. `purchase_id` is None for a group's part and a company's list."""

    id: str
    state: Literal["open", "won", "lost"]
    amount: Money
    loss_minor: int
    rail: str
    charge_id: str
    buyer_id: int
    purchase_id: str | None
    reference: str


_RAIL = text("SELECT rail, payer_id FROM charge WHERE id = :charge")
_OPEN = text("""
    INSERT INTO dispute (id, rail, name, charge_id, amount_minor, currency, state)
    VALUES (gen_random_uuid(), :rail, :name, :charge, :amount_minor, :currency, 'open')
    ON CONFLICT (rail, name) DO NOTHING
""")
_CASE = """
    SELECT d.id::text, d.state, d.amount_minor, d.currency, d.loss_minor, d.rail, c.id::text, c.payer_id, c.purchase_id::text,
           c.reference
    FROM dispute d JOIN charge c ON c.id = d.charge_id
"""
_BY_NAME = text(f"{_CASE} WHERE d.rail = :rail AND d.name = :name FOR NO KEY UPDATE OF d")
_BUYER = text("SELECT c.payer_id FROM dispute d JOIN charge c ON c.id = d.charge_id WHERE d.id = :id")
_BY_ID = text(f"{_CASE} WHERE d.id = :id FOR NO KEY UPDATE OF d")
_HELD_BY_BUYER = text("""
    SELECT c.id FROM certificate c
    WHERE c.purchase_id = :purchase AND c.holder_id = :buyer AND c.currency = :currency ORDER BY c.id FOR NO KEY UPDATE OF c
""")
_CAME_BACK = text("""
    SELECT DISTINCT d.id::text FROM dispute d JOIN charge h ON h.id = d.charge_id
    JOIN certificate c ON c.purchase_id = h.purchase_id AND c.holder_id = h.payer_id AND c.currency = d.currency
    JOIN account a ON a.code IN ('2100', '2130') AND a.owner = c.id::text AND a.currency = c.currency
    JOIN balance b ON b.account_id = a.id AND b.amount_minor > 0
    WHERE (d.state = 'open' OR d.loss_minor > 0)
      AND (d.loss_minor > 0
           OR d.amount_minor > (SELECT coalesce(sum(amount_minor), 0) FROM dispute_hold WHERE dispute_id = d.id))
    LIMIT :limit
""")
_VOID_CODES = text("UPDATE redemption_code SET state = 'voided' WHERE holder_id = :buyer AND state = 'live'")
_KEEP = text("""
    INSERT INTO dispute_hold AS h (dispute_id, certificate_id, amount_minor) VALUES (:dispute, :certificate, :minor)
    ON CONFLICT (dispute_id, certificate_id) DO UPDATE SET amount_minor = h.amount_minor + excluded.amount_minor
""")
_KEPT = text("SELECT certificate_id, amount_minor FROM dispute_hold WHERE dispute_id = :dispute ORDER BY 1")
_CLOSE = text("UPDATE dispute SET state = :state, closed_at = clock(), loss_minor = :loss WHERE id = :id")
_LOSS = text("UPDATE dispute SET loss_minor = loss_minor - :minor WHERE id = :id")
_LIVE = text("UPDATE certificate SET state = 'live' WHERE id = ANY(:certificates)")
_END_EMPTY = text("""
    UPDATE certificate c SET state = 'ended' WHERE c.id = ANY(:certificates) AND NOT EXISTS (
        SELECT FROM account a JOIN balance b ON b.account_id = a.id AND b.amount_minor > 0
        WHERE a.code IN ('2100', '2130') AND a.owner = c.id::text AND a.currency = c.currency)
""")
_FEE_LEFT = text("""
    SELECT p.fee_minor - coalesce((
        SELECT sum(o.amount_minor) FROM posting o JOIN account a ON a.id = o.account_id AND a.code = '4010'
        JOIN journal_entry e ON e.id = o.entry_id
        WHERE e.operation_id IN (SELECT id::text || '\\:owed' FROM refund WHERE charge_id = :charge
                                 UNION ALL SELECT id::text || '\\:closed' FROM dispute WHERE charge_id = :charge)), 0)::bigint
    FROM purchase p WHERE p.id = :purchase AND p.currency = :currency
""")
_GONE_BACK = text("""
    SELECT coalesce((SELECT sum(amount_minor) FROM refund WHERE charge_id = :charge AND currency = :currency
                        AND payment_id IS NULL AND state = 'paid' AND why <> 'cash_out'), 0)
         + coalesce((SELECT sum(amount_minor) FROM dispute WHERE charge_id = :charge AND currency = :currency
                        AND name <> :name AND state IN ('open', 'lost')), 0)
""")


def seen(db: Connection, rules: Rules, *, charge_id: str, dispute: Dispute) -> None:
    """A dispute as the provider has it now: opened when it is new to us, decided when it is decided. Seeing it twice does it
    once. One that cannot be, or that is decided anew, is the operator's to look at."""
    rail, buyer_id = db.execute(_RAIL, {"charge": charge_id}).one()
    about = f"{rail} {dispute.id}"
    if dispute.amount_minor <= 0:
        callbacks.incident(db, "chargeback of nothing", about, {"charge": charge_id})
        return
    members.lock(db, buyer_id)
    named = {"rail": rail, "name": dispute.id}
    kept = {**named, "charge": charge_id, "amount_minor": dispute.amount_minor, "currency": dispute.currency}
    new = db.execute(_OPEN, kept).rowcount > 0
    case = _case(*db.execute(_BY_NAME, named).one())
    if case.amount != Money(dispute.amount_minor, dispute.currency):
        callbacks.incident(db, "chargeback of another sum", about, {"charge": charge_id, "now": dispute.amount_minor})
    if new:
        _open(db, rules, case)
        facts = {"charge": charge_id, "already_back_minor": _gone_back(db, charge_id, dispute.id, case.amount.currency)}
        callbacks.incident(db, "chargeback opened", about, facts)
        if dispute.state == "open":
            _tell(db, rules, case, notices.CHARGEBACK_OPENED)
    if case.state == "open" and dispute.state != "open":
        _close(db, rules, case, dispute.state)
    elif case.state != "open" and dispute.state != case.state:
        callbacks.incident(db, "chargeback decided anew", about, {"charge": charge_id, "now": dispute.state})


def reversed_by_rail(db: Connection, rules: Rules, *, charge_id: str) -> None:
    """A rail that said "paid" says otherwise now: it has taken back what had not gone back before. Decided against us."""
    charge, name = receipts.read(db, charge_id), f"reversed {charge_id}"
    rest = charge.amount.amount_minor - _gone_back(db, charge_id, name, charge.amount.currency)
    if rest > 0:
        seen(db, rules, charge_id=charge_id, dispute=Dispute(name, rest, charge.amount.currency, "lost"))


def came_back(db: Connection, *, limit: int) -> list[str]:
    """Ids of disputes whose buyer holds disputed value again."""
    return [str(id_) for id_ in db.execute(_CAME_BACK, {"limit": limit}).scalars()]


def hold_again(db: Connection, rules: Rules, dispute_id: str) -> None:
    """Hold what has come back to the buyer since; when the dispute is lost, it makes our loss smaller."""
    members.lock(db, db.execute(_BUYER, {"id": dispute_id}).scalar_one())
    case = _case(*db.execute(_BY_ID, {"id": dispute_id}).one())
    if case.state == "won":
        return
    kept = sum(part.amount_minor for part in _kept(db, case).values())
    most = case.amount.amount_minor - kept if case.state == "open" else case.loss_minor
    held = _take_hold(db, case, most)
    if not held:
        return
    nothing, operation = Money(0, case.amount.currency), f"{uuid4()}"
    gateway = _gateway(rules, case)
    ledger.post(db, f"{operation}:held", chart.chargeback_opened(gateway.account, case.rail, case.id, nothing, held))
    if case.state == "lost":
        part = sum(held.values(), start=nothing)
        ledger.post(db, f"{operation}:recovered", chart.chargeback_lost(case.id, nothing, part, nothing))
        db.execute(_LOSS, {"id": case.id, "minor": part.amount_minor})
        db.execute(_END_EMPTY, {"certificates": list(held)})


def _open(db: Connection, rules: Rules, case: _Case) -> None:
    held = _take_hold(db, case, case.amount.amount_minor)
    gateway = _gateway(rules, case)
    entry = chart.chargeback_opened(gateway.account, case.rail, case.id, case.amount, held)
    ledger.post(db, f"{case.id}:opened", entry)


def _close(db: Connection, rules: Rules, case: _Case, state: Literal["won", "lost"]) -> None:
    held, gateway = _kept(db, case), _gateway(rules, case)
    if state == "won":
        db.execute(_CLOSE, {"id": case.id, "state": state, "loss": 0})
        ledger.post(
            db, f"{case.id}:closed", chart.chargeback_won(gateway.account, case.rail, case.id, case.amount, held)
        )
        db.execute(_LIVE, {"certificates": list(held)})  # another dispute may have ended one meanwhile
        _tell(db, rules, case, notices.CHARGEBACK_WON)
        return
    paid = sum(held.values(), start=Money(0, case.amount.currency))
    asked = {"purchase": case.purchase_id, "charge": case.charge_id, "currency": case.amount.currency}
    fee_left = max(0, int(db.execute(_FEE_LEFT, asked).scalar() or 0))
    fee = Money(min(fee_left, case.amount.amount_minor - paid.amount_minor), case.amount.currency)
    loss = case.amount.amount_minor - paid.amount_minor - fee.amount_minor
    db.execute(_CLOSE, {"id": case.id, "state": state, "loss": loss})
    ledger.post(db, f"{case.id}:closed", chart.chargeback_lost(case.id, case.amount, paid, fee))
    db.execute(_END_EMPTY, {"certificates": list(held)})
    _tell(db, rules, case, notices.CHARGEBACK_LOST)


def _take_hold(db: Connection, case: _Case, most: int) -> dict[int, Money]:
    """Keep note of what the buyer has of the disputed value, at most `most`; what has expired lives again for it."""
    # waits for a use that is under way: what is left is what it leaves
    db.execute(_VOID_CODES, {"buyer": case.buyer_id})
    currency, held = case.amount.currency, dict[int, Money]()
    asked = {"purchase": case.purchase_id, "buyer": case.buyer_id, "currency": currency}
    for certificate in db.execute(_HELD_BY_BUYER, asked).scalars().all():
        if most and (dormant := ledger.balance(db, "2130", str(certificate), currency)):
            ledger.post(db, f"{uuid4()}:revived", chart.revived(certificate, Money(dormant, currency)))
            db.execute(_LIVE, {"certificates": [certificate]})
        part = min(most, ledger.balance(db, "2100", str(certificate), currency))
        if part:
            held[int(certificate)] = Money(part, currency)
            db.execute(_KEEP, {"dispute": case.id, "certificate": certificate, "minor": part})
        most -= part
    return held


def _gone_back(db: Connection, charge_id: str, but_for: str, currency: str) -> int:
    """Minor units of a charge that the payer has back, or may have, by refunds and by disputes of another name."""
    return int(db.execute(_GONE_BACK, {"charge": charge_id, "name": but_for, "currency": currency}).scalar_one())


def _kept(db: Connection, case: _Case) -> dict[int, Money]:
    rows = db.execute(_KEPT, {"dispute": case.id})
    return {int(certificate): Money(minor, case.amount.currency) for certificate, minor in rows}


def _case(
    id_: str,
    state: Literal["open", "won", "lost"],
    amount_minor: int,
    currency: str,
    loss_minor: int,
    *charge: str,
) -> _Case:
    rail, charge_id, buyer_id, purchase_id, reference = charge
    return _Case(
        id_, state, Money(amount_minor, currency), loss_minor, rail, charge_id, int(buyer_id), purchase_id, reference
    )


def _gateway(rules: Rules, case: _Case) -> Gateway:
    gateway = rules.rails[case.rail]
    assert gateway is not None, "the operator's own phone bill knows no dispute"
    return gateway


def _tell(db: Connection, rules: Rules, case: _Case, sentence: str) -> None:
    buyer = members.get(db, case.buyer_id)
    notices.send(db, buyer, rules.routes, sentence, amount=case.amount, reference=case.reference)
