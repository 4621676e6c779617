"""Bank transfer: the payer sends the money with a reference of ours; the bank's statement says that it came.

Nobody can be asked: a charge waits until a statement is imported (circulation/bank.py), and a refund until the operator has
paid it by hand and the statement shows it, with the refund's reference.
"""

from payments.gateway import Callback, Charge, Forged, Found, Gateway, Hint, Refund


class BankTransfer(Gateway):
    """Transfers in `currency` to the operator's account. `account_shown` is told to payers; `statement_account` is what
    statements must be of (empty: any)."""

    rail = "bank"
    account = "1010"
    wait_seconds = 7 * 86_400

    def __init__(self, *, currency: str, account_shown: str, statement_account: str = "") -> None:
        self._currency = currency
        self.account_shown = account_shown
        self.statement_account = statement_account

    def fits(self, msisdn: str, amount_minor: int, currency: str) -> bool:
        """Any amount in the account's currency."""
        return currency == self._currency and amount_minor > 0

    def ask(self, charge: Charge) -> Found:
        """Nobody is asked: the payer was given the reference."""
        return Found("pending")

    def find(self, charge: Charge) -> Found:
        """Only a statement knows."""
        return Found("pending")

    def refund(self, refund: Refund) -> Found:
        """The operator pays it by hand, with the refund's reference; `bin/giftline refunds` lists it."""
        return Found("pending")

    def find_refund(self, refund: Refund) -> Found:
        """Only a statement knows."""
        return Found("pending")

    def hint(self, callback: Callback) -> Hint:
        """A bank calls nobody."""
        raise Forged
