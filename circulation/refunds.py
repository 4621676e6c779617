"""Refunds: money back to who paid it, over the rail it came by. From the decision on it is owed (2300); the worker sends it.

Money that goes to a holder who had not paid it themselves is a cash-out: while the rail has it, it rests in 2310.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from circulation import chart, law, members, notices
from circulation.members import Member
from circulation.money import Money
from circulation.references import new_reference
from circulation.refusals import Refusal
from circulation.rules import Rules
from payments import callbacks, refunds
from payments.bank_transfer import BankTransfer
from payments.carrier_bill import CarrierBill
from payments.gateway import Reason
from storage import ledger

CASH_OUT = "cash_out"
"""Why money goes to somebody who had not paid it."""


@dataclass(frozen=True, slots=True)
class Returnable:
    """What of a purchase may still be given back: its untouched sheets, what the buyer has for them, and the rail it goes by."""

    purchase_id: str
    reference: str
    issuer: str
    sheets: int
    amount: Money
    rail: str


_READ = text("SELECT rail, why, amount_minor, currency, reference, payee_id FROM refund WHERE id = :id")
_UNUSED = """
    FROM certificate c JOIN purchase p ON p.id = c.purchase_id JOIN issuer i ON i.id = c.issuer_id
    JOIN charge h ON h.purchase_id = p.id AND h.state = 'paid' AND h.payer_id = p.buyer_id
    JOIN account a ON a.code = '2100' AND a.owner = c.id::text AND a.currency = c.currency
    JOIN balance b ON b.account_id = a.id
    WHERE p.buyer_id = :buyer AND c.holder_id = :buyer AND c.state = 'live' AND b.amount_minor = c.face_minor
      AND (CAST(:purchase AS uuid) IS NULL OR p.id = :purchase)
"""
_RETURNABLE = text(f"""
    SELECT p.id::text, p.reference, i.name, count(*), sum(c.face_minor)::bigint, p.fee_minor / p.sheets, p.currency, h.rail,
           (p.issued_at AT TIME ZONE :zone)::date, (clock() AT TIME ZONE :zone)::date, min(c.law)
    {_UNUSED} AND p.issued_at > clock() - make_interval(days => :longest)
    GROUP BY p.id, i.name, h.id ORDER BY p.issued_at DESC LIMIT 20
""")
_SHEETS = text(f"SELECT c.id, c.face_minor, h.id::text {_UNUSED} ORDER BY c.id FOR NO KEY UPDATE OF c")
_END = text("UPDATE certificate SET state = 'ended' WHERE id = ANY(:certificates)")
_VOID_CODES = text("""
    UPDATE redemption_code SET state = 'voided' WHERE holder_id = :buyer AND state = 'live'
""")
_REFUNDED = text("""
    UPDATE purchase p SET state = 'refunded' WHERE p.id = :purchase
      AND NOT EXISTS (SELECT FROM certificate c WHERE c.purchase_id = p.id AND c.state <> 'ended')
""")
_DONE = text("SELECT reference FROM refund WHERE id = :id")
_CHARGE = text("""
    SELECT h.rail, h.amount_minor, h.currency, coalesce(sum(r.amount_minor), 0)::bigint
    FROM charge h LEFT JOIN refund r ON r.charge_id = h.id AND r.payment_id IS NULL WHERE h.id = :charge GROUP BY h.id
""")


def returnable(db: Connection, rules: Rules, buyer: Member, purchase_id: str | None = None) -> list[Returnable]:
    """The purchases of which this buyer may give sheets back now: untouched, still theirs, inside the law's window.

    The newest 20, or the one that is named.
    """
    longest = 1 + max(one.refund_window.days for versions in rules.laws.packs.values() for one in versions)
    asked = {"buyer": buyer.id, "zone": rules.zone, "purchase": purchase_id, "longest": longest}
    found = []
    for row in db.execute(_RETURNABLE, asked):
        id_, reference, issuer, sheets, worth, fee, currency, rail, issued, today, law_id = row
        terms = rules.laws.by_id(law_id)
        if today <= law.refundable_until(terms, issued):
            amount = Money(worth + (fee * sheets if terms.refund_window.fee_returned else 0), currency)
            found.append(Returnable(id_, reference, issuer, sheets, amount, rail))
    return found


def give_back(
    db: Connection, rules: Rules, *, refund_id: str, buyer: Member, purchase_id: str, expected: Money, receipt: bool
) -> str:
    """The buyer gives the untouched sheets of a purchase back; returns the refund's reference. The same id does it once.

    `expected` is the sum that was shown. `receipt` sends one by text where it is done at once. A live code of theirs is void
    from now on. Raises Refusal `not_returnable`.
    """
    members.lock(db, buyer.id)
    if reference := known(db, refund_id):
        return reference
    # waits for a use that is under way: a sheet it touched is not given back
    db.execute(_VOID_CODES, {"buyer": buyer.id})
    rows = db.execute(_SHEETS, {"buyer": buyer.id, "purchase": purchase_id}).all()
    offer = next(iter(returnable(db, rules, buyer, purchase_id)), None)
    if offer is None or offer.amount != expected or offer.sheets != len(rows):
        raise Refusal("not_returnable")
    sheets = {int(id_): Money(face, expected.currency) for id_, face, _ in rows}
    worth = sum(sheets.values(), start=Money(0, expected.currency))
    fee = Money(expected.amount_minor - worth.amount_minor, expected.currency)
    ledger.post(db, f"{refund_id}:owed", chart.purchase_refunded(sheets, fee, refund_id))
    db.execute(_END, {"certificates": list(sheets)})
    db.execute(_REFUNDED, {"purchase": purchase_id})
    paid_by = rows[0][2]
    return start(
        db, rules, refund_id, charge_id=paid_by, payee_id=buyer.id, amount=expected, why="buyer", receipt=receipt
    )


def known(db: Connection, refund_id: str) -> str | None:
    """The reference of a refund that was decided before; None when there is none."""
    reference = db.execute(_DONE, {"id": refund_id}).scalar()
    return str(reference) if reference else None


def start(
    db: Connection,
    rules: Rules,
    refund_id: str,
    *,
    charge_id: str,
    payee_id: int,
    amount: Money,
    why: str,
    payment_id: str | None = None,
    rail: str | None = None,
    receipt: bool = True,
) -> str:
    """Have money that is owed (2300, under this id) sent back over `rail`, or that of the charge; returns its reference.

    The operator's own phone bill takes it off at once, and the payee is told if `receipt`; every other rail is asked by the
    worker. Raises Refusal `not_returnable` when more would go back than was charged; a payment that fits no order
    (`payment_id`) goes back whatever was charged.
    """
    charged_by, charged, currency, back = db.execute(_CHARGE, {"charge": charge_id}).one()
    if payment_id is None and (currency != amount.currency or back + amount.amount_minor > charged):
        raise Refusal("not_returnable")
    reference, rail = new_reference(), rail or str(charged_by)
    refunds.mint(
        db,
        refund_id=refund_id,
        reference=reference,
        charge_id=charge_id,
        payment_id=payment_id,
        payee_id=payee_id,
        rail=rail,
        why=why,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
    )
    if why == CASH_OUT:
        ledger.post(db, f"{refund_id}:started", chart.cash_out_started(refund_id, amount))
    if rail == CarrierBill.rail:
        _settle(db, rules, refund_id, "", tell=receipt)
    return reference


def paid(db: Connection, rules: Rules, *, refund_id: str, receipt: str) -> None:
    """The rail has given the money back; the payee is told. Saying so twice does it once, and saying so after `failed` counts."""
    _settle(db, rules, refund_id, receipt, tell=True)


def failed(db: Connection, rules: Rules, *, refund_id: str, reason: Reason) -> None:
    """The rail cannot give it back: it stays owed, the payee is told so, and the operator has to find another way."""
    _, why, amount_minor, currency, reference, payee_id = db.execute(_READ, {"id": refund_id}).one()
    members.lock(db, payee_id)
    if refunds.hold(db, refund_id) in ("paid", "failed"):
        return
    amount = Money(amount_minor, currency)
    if why == CASH_OUT:
        ledger.post(db, f"{refund_id}:failed", chart.cash_out_failed(refund_id, amount))
    refunds.mark(db, refund_id, "failed", look_after=None, reason=reason)
    callbacks.incident(db, "refund the rail cannot pay", refund_id, {"reason": reason})
    payee = members.get(db, payee_id)
    notices.send(db, payee, rules.routes, notices.REFUND_OWED, amount=amount, reference=reference)


def _settle(db: Connection, rules: Rules, refund_id: str, receipt: str, *, tell: bool) -> None:
    rail, why, amount_minor, currency, reference, payee_id = db.execute(_READ, {"id": refund_id}).one()
    members.lock(db, payee_id)
    state = refunds.hold(db, refund_id)
    if state == "paid":
        return
    amount, (account, owner) = Money(amount_minor, currency), _left_from(rules, rail)
    in_transit = why == CASH_OUT and state != "failed"
    entry = chart.cash_out_paid if in_transit else chart.refund_paid
    ledger.post(db, f"{refund_id}:paid", entry(account, owner, refund_id, amount))
    refunds.mark(db, refund_id, "paid", look_after=None, receipt=receipt)
    if tell:
        payee, sentence = members.get(db, payee_id), notices.CASHED_OUT if why == CASH_OUT else notices.REFUNDED
        notices.send(db, payee, rules.routes, sentence, amount=amount, reference=reference)


def _left_from(rules: Rules, rail: str) -> tuple[str, str]:
    """The account that money sent back by a rail leaves from, and its owner. A bank is known though it is no way to pay now."""
    if rail == CarrierBill.rail:
        return "1120", ""
    if rail == BankTransfer.rail:
        return BankTransfer.account, rail
    gateway = rules.rails[rail]
    assert gateway is not None, "only the operator's own phone bill has no gateway"
    return gateway.account, rail
