"""Chargebacks: a payer's bank takes a payment back. What the buyer still holds of its value is held until it is decided.

Value that somebody else has accepted, or that was spent, is never taken from whoever has it: it is our loss.
"""

from sqlalchemy import Connection, text

from circulation import chart, members, notices
from circulation.money import Money
from circulation.rules import Rules
from payments import callbacks
from payments.gateway import Dispute
from storage import ledger

_CHARGE = text("SELECT rail, payer_id, purchase_id::text, reference FROM charge WHERE id = :charge")
_OPEN = text("""
    INSERT INTO dispute (id, rail, name, charge_id, amount_minor, currency, state)
    VALUES (gen_random_uuid(), :rail, :name, :charge, :amount_minor, :currency, 'open')
    ON CONFLICT (rail, name) DO NOTHING
""")
_HOLD = text("""
    SELECT id::text, state, amount_minor, currency FROM dispute WHERE rail = :rail AND name = :name FOR NO KEY UPDATE
""")
_HELD_BY_BUYER = text("""
    SELECT c.id, b.amount_minor FROM certificate c
    JOIN account a ON a.code = '2100' AND a.owner = c.id::text AND a.currency = c.currency
    JOIN balance b ON b.account_id = a.id
    WHERE c.purchase_id = :purchase AND c.holder_id = :buyer AND c.currency = :currency AND b.amount_minor > 0
    ORDER BY c.id FOR NO KEY UPDATE OF c
""")
_VOID_CODES = text("UPDATE redemption_code SET state = 'voided' WHERE holder_id = :buyer AND state = 'live'")
_KEEP = text(
    "INSERT INTO dispute_hold (dispute_id, certificate_id, amount_minor) VALUES (:dispute, :certificate, :minor)"
)
_KEPT = text("SELECT certificate_id, amount_minor FROM dispute_hold WHERE dispute_id = :dispute ORDER BY 1")
_CLOSE = text("UPDATE dispute SET state = :state, closed_at = clock() WHERE id = :id")
_FEE = text("SELECT fee_minor FROM purchase WHERE id = :purchase")
_END = text("UPDATE certificate SET state = 'ended' WHERE id = ANY(:certificates)")


def seen(db: Connection, rules: Rules, *, charge_id: str, dispute: Dispute) -> None:
    """A dispute as the provider has it now: opened when it is new to us, decided when it is decided. Seeing it twice does it
    once."""
    rail, buyer_id, purchase_id, reference = db.execute(_CHARGE, {"charge": charge_id}).one()
    gateway = rules.rails[rail]
    assert gateway is not None, "the operator's own phone bill knows no dispute"
    members.lock(db, buyer_id)
    amount = Money(dispute.amount_minor, dispute.currency)
    values = {"rail": rail, "name": dispute.id, "charge": charge_id, "currency": amount.currency}
    new = db.execute(_OPEN, {**values, "amount_minor": amount.amount_minor}).rowcount > 0
    id_, state, amount_minor, currency = db.execute(_HOLD, {"rail": rail, "name": dispute.id}).one()
    amount = Money(amount_minor, currency)
    if new:
        db.execute(
            _VOID_CODES, {"buyer": buyer_id}
        )  # waits for a use that is under way: what is left is what it leaves
        held = _take_hold(db, id_, purchase_id, buyer_id, amount)
        ledger.post(db, f"{id_}:opened", chart.chargeback_opened(gateway.account, rail, id_, amount, held))
        callbacks.incident(db, "chargeback opened", f"{rail} {dispute.id}", {"charge": charge_id})
        _tell(db, rules, buyer_id, notices.CHARGEBACK_OPENED, amount, reference)
    if state != "open" or dispute.state == "open":
        return
    held = {int(c): Money(minor, currency) for c, minor in db.execute(_KEPT, {"dispute": id_})}
    db.execute(_CLOSE, {"id": id_, "state": dispute.state})
    if dispute.state == "won":
        ledger.post(db, f"{id_}:closed", chart.chargeback_won(gateway.account, rail, id_, amount, held))
        _tell(db, rules, buyer_id, notices.CHARGEBACK_WON, amount, reference)
        return
    held_minor = sum(part.amount_minor for part in held.values())
    fee_minor = int(db.execute(_FEE, {"purchase": purchase_id}).scalar() or 0)
    fee = Money(min(fee_minor, amount.amount_minor - held_minor), currency)
    ledger.post(db, f"{id_}:closed", chart.chargeback_lost(id_, amount, Money(held_minor, currency), fee))
    db.execute(_END, {"certificates": list(held)})
    _tell(db, rules, buyer_id, notices.CHARGEBACK_LOST, amount, reference)


def _take_hold(
    db: Connection, dispute_id: str, purchase_id: str | None, buyer_id: int, amount: Money
) -> dict[int, Money]:
    """Hold what the buyer still has of the disputed value, at most the disputed amount."""
    held: dict[int, Money] = {}
    rest = amount.amount_minor
    rows = db.execute(_HELD_BY_BUYER, {"purchase": purchase_id, "buyer": buyer_id, "currency": amount.currency})
    for certificate, balance in rows.all():
        part = min(rest, int(balance))
        if part:
            held[int(certificate)] = Money(part, amount.currency)
            db.execute(_KEEP, {"dispute": dispute_id, "certificate": certificate, "minor": part})
        rest -= part
    return held


def _tell(db: Connection, rules: Rules, buyer_id: int, sentence: str, amount: Money, reference: str) -> None:
    buyer = members.get(db, buyer_id)
    notices.send(db, buyer, rules.sms_provider, sentence, amount=amount, reference=reference)
