"""Every movement of value: the chart of accounts, and the postings of each business event, on one page.

Debits are positive, credits negative. The operator is agent and trustee for the issuers: what a certificate is worth
is owed to its holder (2100) until a store has earned it (2200).
"""

from collections.abc import Mapping, Sequence

from circulation.money import Money
from storage.ledger import Entry, Line

ACCOUNTS = {
    "1010": "Trust bank",
    "1020": "Own bank",
    "1110": "Card clearing",
    "1120": "Carrier-billing receivable",
    "1130": "Mobile-money float",
    "1140": "Card disputes",
    "2050": "Order deposits",
    "2055": "Group gift pool",
    "2060": "Unapplied receipts",
    "2100": "Certificate",
    "2110": "Gift escrow",
    "2120": "Hold",
    "2130": "Dormant (expired, still refundable)",
    "2140": "Escheat payable",
    "2200": "Store payable",
    "2210": "Payout in transit",
    "2300": "Customer payable",
    "2310": "Cash-out in transit",
    "4010": "Buyer fee",
    "4020": "Store commission",
    "4040": "Expiry refund fee",
    "4050": "Breakage",
    "5030": "Fraud and chargeback loss",
}
"""Accounts in use. First digit: 1 asset, 2 liability, 4 income, 5 expense. Guarded, so that they never fall below zero,
are 2055 (one per group gift), 2060 (per payment), 2100 and 2130 (per certificate), 2110 (per offer), 2120 (per hold),
2210 (per payout), 2300 and 2310 (per refund). 1110 to 1130 and 1010 are one per rail, the operator's own phone bill without a
name; 2200 is one per store; the others are the operator's own."""

RECEIVED = {
    "1010": "bank transfer received",
    "1110": "card captured",
    "1120": "carrier bill completed",
    "1130": "mobile money received",
}
"""What it is called when money came in on an account."""


# Paying -------------------------------------------------------------------------------------------------------------------
def received(account: str, rail: str, total: Money) -> Entry:
    """The buyer paid the price and the fee on this rail. Reserved or awaited money posts nothing before."""
    return _entry(RECEIVED[account], total, (account, rail, total), ("2050", "", _minus(total)))


def issued(certificates: Sequence[int], worth: Money, fee: Money) -> Entry:
    """Sheets are issued against the deposit: each worth `worth`, each with its buyer fee."""
    sheets = len(certificates)
    return _entry(
        "certificates issued",
        worth,
        ("2050", "", (worth + fee) * sheets),
        *(("2100", str(certificate), _minus(worth)) for certificate in certificates),
        ("4010", "", _minus(fee * sheets)),
    )


def unapplied(account: str, rail: str, payment: str, amount: Money) -> Entry:
    """Money came in that fits no order: late, twice, another amount, or unknown. It is owed to whoever sent it."""
    return _entry("receipt unapplied", amount, (account, rail, amount), ("2060", payment, _minus(amount)))


def applied(payments: Mapping[str, Money], total: Money) -> Entry:
    """Money that had been put aside pays an order after all."""
    parts = [("2060", payment, amount) for payment, amount in payments.items()]
    return _entry("receipts applied", total, *parts, ("2050", "", _minus(total)))


# Money back ---------------------------------------------------------------------------------------------------------------
def receipt_returned(payment: str, refund: str, amount: Money) -> Entry:
    """Money that fits no order is to go back to its sender."""
    return _entry("receipt to be returned", amount, ("2060", payment, amount), ("2300", refund, _minus(amount)))


def purchase_refunded(certificates: Mapping[int, Money], fee: Money, refund: str) -> Entry:
    """The buyer gives unused sheets back inside the window: value and fee are owed to them."""
    total = sum(certificates.values(), start=fee)
    return _entry(
        "purchase refunded",
        total,
        *(("2100", str(certificate), amount) for certificate, amount in certificates.items()),
        ("4010", "", fee),
        ("2300", refund, _minus(total)),
    )


def refund_paid(account: str, rail: str, refund: str, amount: Money) -> Entry:
    """The rail has given the money back."""
    return _entry("refund paid", amount, ("2300", refund, amount), (account, rail, _minus(amount)))


# Chargebacks --------------------------------------------------------------------------------------------------------------
def chargeback_opened(account: str, rail: str, dispute: str, amount: Money, held: Mapping[int, Money]) -> Entry:
    """The payer's bank takes the payment back for now; what the buyer still holds of its value is held."""
    return _entry(
        "chargeback opened",
        amount,
        ("1140", dispute, amount),
        (account, rail, _minus(amount)),
        *(("2100", str(certificate), part) for certificate, part in held.items()),
        *(("2120", dispute, _minus(part)) for part in held.values()),
    )


def chargeback_won(account: str, rail: str, dispute: str, amount: Money, held: Mapping[int, Money]) -> Entry:
    """The bank decided for us: money and held value return."""
    return _entry(
        "chargeback won",
        amount,
        (account, rail, amount),
        ("1140", dispute, _minus(amount)),
        *(("2120", dispute, part) for part in held.values()),
        *(("2100", str(certificate), _minus(part)) for certificate, part in held.items()),
    )


def chargeback_lost(dispute: str, amount: Money, held: Money, fee: Money) -> Entry:
    """The bank decided for the payer. Value still held pays, then our fee; what was spent is our loss, for which our own
    bank tops up the trust bank."""
    loss = amount + _minus(held) + _minus(fee)
    return _entry(
        "chargeback lost",
        amount,
        ("2120", dispute, held),
        ("4010", "", fee),
        ("5030", "", loss),
        ("1140", dispute, _minus(amount)),
        ("1010", "", loss),
        ("1020", "", _minus(loss)),
    )


# Giving -------------------------------------------------------------------------------------------------------------------
def gift_offered(sheets: Mapping[int, Money], gift: str) -> Entry:
    """What is left on each certificate goes into escrow until the recipient answers."""
    total = _sum(sheets)
    parts = [("2100", str(certificate), amount) for certificate, amount in sheets.items()]
    return _entry("gift offered", total, *parts, ("2110", gift, _minus(total)))


def gift_answered(outcome: str, sheets: Mapping[int, Money], gift: str) -> Entry:
    """Accepted, declined, lapsed or recalled: escrow returns to the certificates; who holds them is not the ledger's
    business."""
    total = _sum(sheets)
    parts = [("2100", str(certificate), _minus(amount)) for certificate, amount in sheets.items()]
    return _entry(f"gift {outcome}", total, ("2110", gift, total), *parts)


def part_pooled(group: str, amount: Money) -> Entry:
    """One giver paid a part of a group gift: it waits in the pool for the others."""
    return _entry("group part pooled", amount, ("2050", "", amount), ("2055", group, _minus(amount)))


def pool_complete(group: str, total: Money) -> Entry:
    """All parts are there: the pool becomes the deposit on which the certificate is issued."""
    return _entry("group gift complete", total, ("2055", group, total), ("2050", "", _minus(total)))


def part_returned(group: str, refund: str, amount: Money) -> Entry:
    """The group gift did not come about, or a part came too late: one giver's part is owed to them."""
    return _entry("group part returned", amount, ("2055", group, amount), ("2300", refund, _minus(amount)))


# Using --------------------------------------------------------------------------------------------------------------------
def authorised(parts: Mapping[int, Money], hold: str) -> Entry:
    """A store's request is held on the certificates."""
    total = _sum(parts)
    taken = [("2100", str(certificate), amount) for certificate, amount in parts.items()]
    return _entry("redemption authorised", total, *taken, ("2120", hold, _minus(total)))


def captured(store: int, hold: str, amount: Money, commission: Money, returned: Mapping[int, Money]) -> Entry:
    """The store has earned what it captured of the hold, less its commission; the rest returns to the certificates."""
    earned = amount + _minus(commission)
    return _entry(
        "redemption captured",
        amount,
        ("2120", hold, sum(returned.values(), start=amount)),
        ("2200", str(store), _minus(earned)),
        ("4020", "", _minus(commission)),
        *(("2100", str(certificate), _minus(part)) for certificate, part in returned.items()),
    )


def voided(outcome: str, hold: str, parts: Mapping[int, Money]) -> Entry:
    """A hold ends without a capture (`outcome`: voided, or timed out): all of it returns to the certificates."""
    total = _sum(parts)
    back = [("2100", str(certificate), _minus(amount)) for certificate, amount in parts.items()]
    return _entry(f"redemption {outcome}", total, ("2120", hold, total), *back)


def store_refunded(outcome: str, store: int, parts: Mapping[int, Money], commission: Money) -> Entry:
    """The store gives value back on the certificates it came from (`outcome`: refunded, or reversed when it undoes the
    whole capture), and has its share of the commission back."""
    total = _sum(parts)
    back = [("2100", str(certificate), _minus(amount)) for certificate, amount in parts.items()]
    earned = total + _minus(commission)
    return _entry(f"redemption {outcome}", total, ("2200", str(store), earned), ("4020", "", commission), *back)


# Paying stores ------------------------------------------------------------------------------------------------------------
def payout_started(store: int, payout: str, amount: Money) -> Entry:
    """What a store has earned is on its way to it. 2200 is not guarded: what the store gives back afterwards may leave it
    owing us, and its next payout is smaller."""
    return _entry("payout started", amount, ("2200", str(store), amount), ("2210", payout, _minus(amount)))


def payout_paid(payout: str, amount: Money) -> Entry:
    """The bank's statement shows that the money has left for the store."""
    return _entry("payout paid", amount, ("2210", payout, amount), ("1010", "bank", _minus(amount)))


def payout_failed(store: int, payout: str, amount: Money) -> Entry:
    """The bank could not pay it: it is owed to the store still."""
    return _entry("payout failed", amount, ("2210", payout, amount), ("2200", str(store), _minus(amount)))


def payout_paid_after_all(store: int, amount: Money) -> Entry:
    """A payout that had failed stands on a statement: the store has the money, and is owed so much less."""
    return _entry("payout paid after all", amount, ("2200", str(store), amount), ("1010", "bank", _minus(amount)))


# Ending -------------------------------------------------------------------------------------------------------------------
def expired(certificate: int, left: Money) -> Entry:
    """A certificate's time is over; what was left rests where the law's refund comes from."""
    return _entry(
        "certificate expired", left, ("2100", str(certificate), left), ("2130", str(certificate), _minus(left))
    )


def revived(certificate: int, left: Money) -> Entry:
    """An expired certificate is extended: its value is there again."""
    return _entry(
        "certificate extended", left, ("2130", str(certificate), left), ("2100", str(certificate), _minus(left))
    )


def expiry_refunded(certificate: int, refund: str, left: Money, share: Money) -> Entry:
    """The holder has the law's share of an expired certificate back; the rest is our fee."""
    return _entry(
        "expired certificate refunded",
        left,
        ("2130", str(certificate), left),
        ("2300", refund, _minus(share)),
        ("4040", "", share + _minus(left)),
    )


def limitation_ended(certificate: int, left: Money, account: str) -> Entry:
    """Nobody asked in time: the rest is breakage (4050) or owed to the state (2140), as the law says."""
    return _entry("limitation ended", left, ("2130", str(certificate), left), (account, "", _minus(left)))


def residual_cashed(certificate: int, refund: str, left: Money) -> Entry:
    """The holder takes the small rest of a certificate in money, as the law allows."""
    return _entry("residual cashed out", left, ("2100", str(certificate), left), ("2300", refund, _minus(left)))


def cash_out_started(refund: str, amount: Money) -> Entry:
    """The money was handed to a rail that pays it to the holder, who had not paid for it themselves."""
    return _entry("cash-out started", amount, ("2300", refund, amount), ("2310", refund, _minus(amount)))


def cash_out_paid(account: str, rail: str, refund: str, amount: Money) -> Entry:
    """The holder has the money."""
    return _entry("cash-out paid", amount, ("2310", refund, amount), (account, rail, _minus(amount)))


def cash_out_failed(refund: str, amount: Money) -> Entry:
    """The rail could not pay it: it is owed to the holder still."""
    return _entry("cash-out failed", amount, ("2310", refund, amount), ("2300", refund, _minus(amount)))


def _entry(kind: str, amount: Money, *lines: tuple[str, str, Money]) -> Entry:
    return Entry(kind, amount.currency, tuple(Line(code, owner, part.amount_minor) for code, owner, part in lines))


def _sum(parts: Mapping[int, Money]) -> Money:
    first, *rest = parts.values()
    return sum(rest, start=first)


def _minus(amount: Money) -> Money:
    return Money(-amount.amount_minor, amount.currency)
