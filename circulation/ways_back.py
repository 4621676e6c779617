"""Ways back: over which rail the value of a certificate may leave to its holder. How much leaves is the law's business.

Value that was put on a bill or bought by card goes back to that bill or card, and only to whoever paid it. Value that was
paid in money, by mobile money or bank, goes back the way it came; a holder to whom it was given has it by mobile money.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from circulation import refunds
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from circulation.rules import Rules
from payments.carrier_bill import CarrierBill

BANK, MOBILE_MONEY = "1010", "1130"
IN_MONEY = (BANK, MOBILE_MONEY)
"""Accounts in which money itself arrives. What arrives in the others was lent, by a network or a card's bank."""
PLACES = {BANK: "bank", MOBILE_MONEY: "mobile_money", "1110": "card", "1120": "network"}
"""Where a rail's account says that it pays to."""
PHONE_BILL = "phone_bill"

AT_REST = """
    NOT EXISTS (SELECT FROM gift_sheet s WHERE s.certificate_id = c.id AND s.open)
    AND NOT EXISTS (SELECT FROM dispute_hold h JOIN dispute d ON d.id = h.dispute_id
                    WHERE h.certificate_id = c.id AND d.state = 'open')
    AND NOT EXISTS (SELECT FROM redemption_part u JOIN redemption r ON r.id = u.redemption_id
                    WHERE u.certificate_id = c.id AND r.state = 'authorised')
"""
"""Of certificate `c`: none of its value is away, in a gift or held by a store or a chargeback, from where it may return."""

_PAID_BY = text("""
    SELECT h.id::text, h.rail, h.payer_id FROM certificate c JOIN charge h ON h.purchase_id = c.purchase_id
    WHERE c.id = :certificate AND h.state = 'paid' ORDER BY h.created_at LIMIT 1
""")

CASHED_OUT_WRONGLY = """
    SELECT count(*) FROM refund r
    JOIN journal_entry e ON e.operation_id = r.id::text || '\\:owed' JOIN posting p ON p.entry_id = e.id
    JOIN account v ON v.id = p.account_id AND v.code IN ('2100', '2130')
    JOIN certificate s ON s.id::text = v.owner LEFT JOIN charge h ON h.purchase_id = s.purchase_id AND h.state = 'paid'
    WHERE (r.rail, r.payee_id) IS DISTINCT FROM (h.rail, h.payer_id)
      AND NOT EXISTS (SELECT FROM account a WHERE a.code IN ('1010', '1130') AND a.owner = h.rail)
"""
"""A proof of the books: certificates of which value left over another rail, or to somebody else, than it was paid by, though
it was lent by a bill or a card's bank. Zero while there is no such path."""


@dataclass(frozen=True, slots=True)
class Way:
    """Over `rail`, for the charge that paid the certificate. `own`: back to who paid it; else it is a cash-out."""

    charge_id: str
    rail: str
    own: bool


def find(db: Connection, rules: Rules, holder: Member, certificate_id: int, amount: Money) -> Way | None:
    """How `amount` of this certificate may go to its holder; None when only the call centre can pay it."""
    row = db.execute(_PAID_BY, {"certificate": certificate_id}).first()
    if row is None:
        return None  # paid by several, or by a company's list
    charge_id, rail, payer_id = row
    if payer_id == holder.id:
        return Way(charge_id, rail, own=True) if place(rules, rail) else None
    if _account(rules, rail) not in IN_MONEY:
        return None
    for other in sorted(rules.rails, key=lambda name: name != rail):
        gateway = rules.rails[other]
        if (
            gateway is not None
            and gateway.account == MOBILE_MONEY
            and gateway.fits(holder.msisdn.e164, amount.amount_minor, amount.currency)
        ):
            return Way(charge_id, other, own=False)
    return None


def place(rules: Rules, rail: str) -> str | None:
    """Where money over this rail arrives: phone_bill, network, card, mobile_money or bank; None when it is not in use now."""
    if rail == CarrierBill.rail:
        return PHONE_BILL
    account = _account(rules, rail)
    return PLACES[account] if account else None


def pay(
    db: Connection,
    rules: Rules,
    *,
    way: Way | None,
    refund_id: str,
    payee: Member,
    amount: Money,
    why: str,
    receipt: bool,
) -> str:
    """Send money that is owed (2300, under this id) by that way; returns the refund's reference.

    Raises Refusal `cash_out_not_here` when there is none.
    """
    if way is None:
        raise Refusal("cash_out_not_here")
    return refunds.start(
        db,
        rules,
        refund_id,
        charge_id=way.charge_id,
        payee_id=payee.id,
        amount=amount,
        why=why if way.own else refunds.CASH_OUT,
        rail=way.rail,
        receipt=receipt,
    )


def _account(rules: Rules, rail: str) -> str | None:
    gateway = rules.rails.get(rail)
    return gateway.account if gateway else None
