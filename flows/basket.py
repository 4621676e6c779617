"""Basket: what you hold with balances, and what you bought, gave, received and used.

> BASKET              < You hold 2 certificates. 1. Naivas KES 500 2. Giftline KES 1,000 3. Bought 4. Gifts 5. Used
> 1                   < Naivas: KES 500 left. Number NAI4730259182. 1. Pay with it 2. Give it 3. Where it was used
"""

from datetime import UTC, datetime
from functools import cached_property

from bot.dialog import Choose, Flow, Go, Option, move
from circulation import recalling, wallet
from circulation.email_address import Email
from circulation.money import Money
from circulation.refusals import Refusal
from circulation.wallet import Event

LINES = {
    "bought": "{at}: {issuer} for {amount}, ref {reference}",
    "scheduled": "{at}: {issuer} {amount} to {who}, not sent yet, ref {reference}",
    "offered": "{at}: {issuer} {amount} to {who}, waiting, ref {reference}",
    "accepted": "{at}: {issuer} {amount} to {who}, accepted, ref {reference}",
    "declined": "{at}: {issuer} {amount} to {who}, refused, ref {reference}",
    "lapsed": "{at}: {issuer} {amount} to {who}, not answered, ref {reference}",
    "recalled": "{at}: {issuer} {amount} to {who}, taken back, ref {reference}",
    "received": "{at}: {issuer} {amount} from {who}, ref {reference}",
    "used": "{at}: {amount} of {issuer} at {store}, ref {reference}",
}


class Basket(Flow):
    title = "Basket"
    keywords = {"BASKET": "open", "BALANCE": "open", "KIKAPU": "open", "SALIO": "open"}
    steps = [
        Choose("basket", "Certificates you hold: {count}.", options="contents", drop="leave"),
        Choose(
            "certificate",
            "{issuer}: {balance} left. Number {serial}.",
            options={"redeem": "Pay with it", "gift": "Give it", "uses": "Where it was used"},
            drop="leave",
        ),
        Choose("uses", "{issuer} was used:", options="certificate_uses", drop="leave"),
        Choose("bought", "You bought:", options="purchases", drop="leave"),
        Choose("gifts", "Your gifts:", options="gifts", drop="leave"),
        Choose("used", "You used:", options="all_uses", drop="leave"),
        Go("redeem", flow="redeem", carry={"certificate": "basket"}),
        Go("gift", flow="gift", carry={"certificate": "basket"}),
        Go("recall", flow="recall"),
    ]
    moves = [
        move("open", "start", "basket"),
        move("answered", "basket", "certificate"),
        move("bought", "basket", "bought"),
        move("gifts", "basket", "gifts"),
        move("used", "basket", "used"),
        move("redeem", "certificate", "redeem"),
        move("gift", "certificate", "gift"),
        move("uses", "certificate", "uses"),
        move("recall", "gifts", "recall"),
        *[move("answered", history, history) for history in ("uses", "bought", "gifts", "used")],
    ]
    holes = {
        "count": 50,
        "issuer": "W" * 24,
        "balance": Money(100_000_050, "KES"),
        "serial": "WWWW0123456789",
        "at": datetime(2026, 11, 30, 20, 59, tzinfo=UTC),
        "amount": Money(100_000_050, "KES"),
        "who": "w" * 24,
        "store": "W" * 30,
        "reference": "W" * 8,
    }

    def contents(self) -> list[Option]:
        """Each certificate, then the histories."""
        held = wallet.held(self.db, self.member.id) if self.member else []
        return [
            *[Option(one.id, "{issuer} {amount}", {"issuer": one.issuer, "amount": one.balance}) for one in held],
            Option("bought", "Bought", trigger="bought"),
            Option("gifts", "Gifts", trigger="gifts"),
            Option("used", "Used", trigger="used"),
        ]

    def count(self) -> int:
        return len(wallet.held(self.db, self.member.id)) if self.member else 0

    def issuer(self) -> str:
        return self._chosen.issuer

    def balance(self) -> Money:
        return self._chosen.balance

    def serial(self) -> str:
        return self._chosen.serial

    def purchases(self) -> list[Option]:
        return _lines(wallet.purchases(self.db, self.member.id) if self.member else [])

    def gifts(self) -> list[Option]:
        """The gifts given and received; where one waits for its answer, it can be taken back."""
        if self.member is None:
            return _lines([])
        lines = _lines(wallet.gifts(self.db, self.member.id))
        waiting = recalling.unanswered(self.db, self.member.id)
        return [*lines, Option("recall", "Take back a gift", trigger="recall")] if waiting else lines

    def all_uses(self) -> list[Option]:
        return _lines(wallet.uses(self.db, self.member.id) if self.member else [])

    def certificate_uses(self) -> list[Option]:
        return _lines(wallet.uses(self.db, self.member.id, self._chosen.id) if self.member else [])

    @cached_property
    def _chosen(self) -> wallet.Held:
        """The certificate as it is now, read once a turn."""
        member = self.member
        chosen = wallet.certificate(self.db, member.id, int(str(self.answers["basket"]))) if member else None
        if chosen is None:
            raise Refusal("not_yours")
        return chosen


def _lines(events: list[Event]) -> list[Option]:
    """A history as a list: choosing a line shows the list again."""
    if not events:
        return [Option("", "Nothing yet.")]
    return [
        Option(
            event.reference,
            LINES[event.kind],
            {
                "at": event.at,
                "issuer": event.issuer,
                "amount": event.amount,
                "who": event.who.short() if isinstance(event.who, Email) else event.who,
                "store": event.store,
                "reference": event.reference,
            },
        )
        for event in events
    ]
