"""Receipts: money that truly came in, and what becomes of it. Each provider reference counts once.

What fits its order fulfils it. What does not (late, twice, another amount or currency) is put aside in 2060, its sender is told,
and it goes back; several payments which together make up the price pay it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import NAMESPACE_URL, uuid4, uuid5

from sqlalchemy import Connection, text

from circulation import chart, gift_lists, group_parts, members, notices, orders, refunds
from circulation.money import Money
from circulation.rules import Rules
from payments import callbacks, charges
from payments.gateway import Reason
from storage import ledger


class Order(Protocol):
    """What a charge may be for. Each is a module with these verbs, given the order's id."""

    def is_open(self, db: Connection, rules: Rules, order_id: str, /) -> bool:
        """Whether money for it may still do what it was for."""

    def fulfil(self, db: Connection, rules: Rules, order_id: str, /) -> None:
        """The money lies in the deposit (2050): do what it was for, and tell who paid."""

    def give_up(self, db: Connection, rules: Rules, order_id: str, reason: Reason, /) -> None:
        """The money did not come: say so to who was to pay."""


ORDERS: Mapping[str, Order] = {"purchase_id": orders, "group_part_id": group_parts, "gift_list_id": gift_lists}
"""What a charge may be for: its column in the table of charges, and the module that knows what follows."""


@dataclass(frozen=True, slots=True)
class Charged:
    """A charge as the verbs here need it."""

    id: str
    rail: str
    payer_id: int
    amount: Money
    state: charges.State
    reference: str
    order: Order
    order_id: str


_CHARGED = text("""
    SELECT id::text, rail, payer_id, amount_minor, currency, state, reference, purchase_id::text, group_part_id::text,
           gift_list_id::text
    FROM charge WHERE id = :id
""")
_CAME = text("""
    INSERT INTO payment (id, rail, receipt, charge_id, amount_minor, currency)
    VALUES (:id, :rail, :receipt, :charge, :amount_minor, :currency) ON CONFLICT DO NOTHING RETURNING true
""")
_ASIDE = text("""
    SELECT id::text, amount_minor - applied_minor FROM payment
    WHERE charge_id = :charge AND currency = :currency AND applied_minor < amount_minor ORDER BY created_at, id FOR UPDATE
""")
_APPLIED = text("UPDATE payment SET applied_minor = applied_minor + :minor, why = '' WHERE id = :id")
_WHY = text("UPDATE payment SET why = :why WHERE id = :id")


def received(db: Connection, rules: Rules, *, charge_id: str, receipt: str, amount: Money) -> bool:
    """Money came in for this charge, fetched from the provider or read from the bank's statement.

    `receipt` is the provider's name of the payment, unique within the rail. False when it was known already: then nothing
    is done. Otherwise it ends as what was ordered, or on its way back, and the payer is told which.
    """
    charge = read(db, charge_id)
    members.lock(db, charge.payer_id)
    charges.hold(db, charge_id)
    payment_id = str(uuid4())
    came = {"id": payment_id, "rail": charge.rail, "receipt": receipt, "charge": charge_id, "currency": amount.currency}
    if not db.execute(_CAME, {**came, "amount_minor": amount.amount_minor}).scalar():
        return False
    charges.name(db, charge_id, handle="", receipt=receipt)
    if amount.currency != charge.amount.currency:
        _put_aside(db, rules, charge, payment_id, amount, "other_currency", notices.RECEIPT_KEPT)
        callbacks.incident(db, "payment in another currency", f"{charge.rail} {receipt}", {"charge": charge_id})
        return True
    if not charge.order.is_open(db, rules, charge.order_id):
        why = "duplicate" if charge.state == "paid" else "late"
        _put_aside(db, rules, charge, payment_id, amount, why, notices.RECEIPT_GOES_BACK)
        _send_back(db, rules, charge, why)
        return True
    if amount == charge.amount:
        ledger.post(db, f"{payment_id}:received", chart.received(_account(rules, charge), charge.rail, amount))
        db.execute(_APPLIED, {"id": payment_id, "minor": amount.amount_minor})
        _fulfil(db, rules, charge, receipt)
        return True
    aside = _aside(db, charge)
    if sum(aside.values()) < charge.amount.amount_minor:
        _too_little(db, rules, charge, payment_id, amount, sum(aside.values()))
        return True
    ledger.post(
        db, f"{payment_id}:unapplied", chart.unapplied(_account(rules, charge), charge.rail, payment_id, amount)
    )
    _apply(db, charge, payment_id, aside)
    _fulfil(db, rules, charge, receipt)
    if _aside(db, charge):
        over = Money(sum(_aside(db, charge).values()), amount.currency)
        notices.send(
            db,
            members.get(db, charge.payer_id),
            rules.routes,
            notices.OVERPAID,
            amount=over,
            reference=charge.reference,
        )
        _send_back(db, rules, charge, "wrong_amount")
    return True


def unknown(db: Connection, *, rail: str, account: str, receipt: str, amount: Money) -> str | None:
    """Money came in that names no charge of ours: it is put aside for the operator. Its id; None when it was known already."""
    payment_id = str(uuid4())
    came = {"id": payment_id, "rail": rail, "receipt": receipt, "charge": None, "currency": amount.currency}
    if not db.execute(_CAME, {**came, "amount_minor": amount.amount_minor}).scalar():
        return None
    db.execute(_WHY, {"id": payment_id, "why": "unknown"})
    ledger.post(db, f"{payment_id}:unapplied", chart.unapplied(account, rail, payment_id, amount))
    callbacks.incident(db, "payment for an unknown charge", f"{rail} {receipt}", {"payment": payment_id})
    return payment_id


def failed(db: Connection, rules: Rules, *, charge_id: str, state: charges.State, reason: Reason) -> None:
    """The rail says that it was not paid (`failed`), or we waited long enough (`lapsed`): nothing is issued, the payer is told.

    Part payments that waited for the rest go back. A charge that was paid meanwhile is left alone.
    """
    charge = read(db, charge_id)
    members.lock(db, charge.payer_id)
    if charges.hold(db, charge_id) in ("paid", "failed"):
        return
    charges.mark(db, charge_id, state, look_after=LOOKS_AFTERWARDS[0], reason=reason)
    charge.order.give_up(db, rules, charge.order_id, reason)
    if _aside(db, charge):
        _send_back(db, rules, charge, "wrong_amount")


LOOKS_AFTERWARDS = (600, 3_600, 6 * 3_600, 86_400, 3 * 86_400)
"""Seconds after its end at which a charge that was not paid is looked at again: a provider may have been late or wrong."""


def read(db: Connection, charge_id: str) -> Charged:
    """The charge with this id. Raises NoResultFound."""
    id_, rail, payer, amount_minor, currency, state, reference, *order_ids = db.execute(
        _CHARGED, {"id": charge_id}
    ).one()
    named = dict(zip(("purchase_id", "group_part_id", "gift_list_id"), order_ids, strict=True))
    column, order_id = next((column, id_) for column, id_ in named.items() if id_)
    return Charged(id_, rail, payer, Money(amount_minor, currency), state, reference, ORDERS[column], order_id)


def _fulfil(db: Connection, rules: Rules, charge: Charged, receipt: str) -> None:
    charges.mark(db, charge.id, "paid", look_after=LOOKS_AFTERWARDS[1], receipt=receipt)
    charge.order.fulfil(db, rules, charge.order_id)


def _too_little(db: Connection, rules: Rules, charge: Charged, payment_id: str, amount: Money, so_far: int) -> None:
    """By bank the rest may follow under the same reference; elsewhere nothing can follow, and it goes back at once."""
    if charge.rail == "bank":
        told = notices.UNDERPAID
        missing = Money(charge.amount.amount_minor - so_far, amount.currency)
        _put_aside(db, rules, charge, payment_id, amount, "wrong_amount", told, missing=missing)
        return
    _put_aside(db, rules, charge, payment_id, amount, "wrong_amount", notices.RECEIPT_GOES_BACK)
    callbacks.incident(db, "payment of another amount", f"{charge.rail} {payment_id}", {"charge": charge.id})
    _send_back(db, rules, charge, "wrong_amount")
    charges.mark(db, charge.id, "failed", look_after=LOOKS_AFTERWARDS[0], reason="other")
    charge.order.give_up(db, rules, charge.order_id, "other")


def _put_aside(
    db: Connection,
    rules: Rules,
    charge: Charged,
    payment_id: str,
    amount: Money,
    why: str,
    sentence: str,
    **more: Money,
) -> None:
    ledger.post(
        db, f"{payment_id}:unapplied", chart.unapplied(_account(rules, charge), charge.rail, payment_id, amount)
    )
    db.execute(_WHY, {"id": payment_id, "why": why})
    payer = members.get(db, charge.payer_id)
    notices.send(db, payer, rules.routes, sentence, amount=amount, reference=charge.reference, **more)


def _aside(db: Connection, charge: Charged) -> dict[str, int]:
    """What lies in 2060 for this charge, by payment, oldest first, less what is on its way back."""
    rows = db.execute(_ASIDE, {"charge": charge.id, "currency": charge.amount.currency})
    return {str(id_): int(rest) for id_, rest in rows}


def _apply(db: Connection, charge: Charged, payment_id: str, aside: Mapping[str, int]) -> None:
    """Pay the order's price from what lies aside, oldest first."""
    rest, used = charge.amount.amount_minor, {}
    for payment, available in aside.items():
        part = min(rest, available)
        if part:
            used[payment] = Money(part, charge.amount.currency)
            db.execute(_APPLIED, {"id": payment, "minor": part})
        rest -= part
    ledger.post(db, f"{payment_id}:applied", chart.applied(used, charge.amount))


def _send_back(db: Connection, rules: Rules, charge: Charged, why: str) -> None:
    """Everything that lies aside for this charge goes back to who paid it."""
    for payment_id, minor in _aside(db, charge).items():
        amount = Money(minor, charge.amount.currency)
        refund_id = str(uuid5(NAMESPACE_URL, f"giftline:payment:{payment_id}"))
        ledger.post(db, f"{refund_id}:owed", chart.receipt_returned(payment_id, refund_id, amount))
        db.execute(_APPLIED, {"id": payment_id, "minor": minor})
        db.execute(_WHY, {"id": payment_id, "why": why})
        refunds.start(
            db,
            rules,
            refund_id,
            charge_id=charge.id,
            payee_id=charge.payer_id,
            amount=amount,
            why=why,
            payment_id=payment_id,
        )


def _account(rules: Rules, charge: Charged) -> str:
    gateway = rules.rails[charge.rail]
    assert gateway is not None, "the operator's own phone bill is paid at once"
    return gateway.account
