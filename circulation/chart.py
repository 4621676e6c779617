"""Every movement of value: the chart of accounts, and the postings of each business event, on one page.

Debits are positive, credits negative. The operator is agent and trustee for the issuers: what a certificate is worth
is owed to its holder (2100) until a store has earned it (2200).
"""

from circulation.money import Money
from storage.ledger import Entry, Line

ACCOUNTS = {
    "1120": "Carrier-billing receivable",
    "2050": "Order deposits",
    "2100": "Certificate",
    "2110": "Gift escrow",
    "2120": "Redemption hold",
    "2200": "Store payable",
    "4010": "Buyer fee",
    "4020": "Store commission",
}
"""Accounts in use. First digit: 1 asset, 2 liability, 4 income. 2100, 2110 and 2120 are guarded: one per certificate,
offer or hold, never below zero. 2200 is one per store; the others are the operator's own."""


def bill_completed(total: Money) -> Entry:
    """The buyer's phone bill took the price and the fee."""
    return _entry("carrier bill completed", total, ("1120", "", total), ("2050", "", _minus(total)))


def issued(certificates: list[int], worth: Money, fee: Money) -> Entry:
    """Sheets are issued against the deposit: each worth `worth`, each with its buyer fee."""
    sheets = len(certificates)
    return _entry(
        "certificates issued",
        worth,
        ("2050", "", (worth + fee) * sheets),
        *(("2100", str(certificate), _minus(worth)) for certificate in certificates),
        ("4010", "", _minus(fee * sheets)),
    )


def gift_offered(certificate: int, gift: str, amount: Money) -> Entry:
    """What is left on the certificate goes into escrow until the recipient answers."""
    return _entry("gift offered", amount, ("2100", str(certificate), amount), ("2110", gift, _minus(amount)))


def gift_answered(outcome: str, certificate: int, gift: str, amount: Money) -> Entry:
    """Accepted, declined or lapsed: escrow returns to the certificate; who holds it is not the ledger's business."""
    return _entry(f"gift {outcome}", amount, ("2110", gift, amount), ("2100", str(certificate), _minus(amount)))


def authorised(certificate: int, hold: str, amount: Money) -> Entry:
    """A store's request is held on the certificate."""
    return _entry("redemption authorised", amount, ("2100", str(certificate), amount), ("2120", hold, _minus(amount)))


def captured(store: int, hold: str, amount: Money, commission: Money) -> Entry:
    """The store has earned the held amount, less its commission."""
    earned = amount + _minus(commission)
    return _entry(
        "redemption captured",
        amount,
        ("2120", hold, amount),
        ("2200", str(store), _minus(earned)),
        ("4020", "", _minus(commission)),
    )


def _entry(kind: str, amount: Money, *lines: tuple[str, str, Money]) -> Entry:
    return Entry(kind, amount.currency, tuple(Line(code, owner, part.amount_minor) for code, owner, part in lines))


def _minus(amount: Money) -> Money:
    return Money(-amount.amount_minor, amount.currency)
