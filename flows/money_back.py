"""Money back: what was bought in the last days and not used, what has ended, small rests; and more time instead.

> REFUND              < Money back or more time? 1. 3 x Soko Bora: KES 1,530 2. Kitabu has ended: KES 450 ...
> 1                   < Give back 3 x Soko Bora? KES 1,530 comes off your phone bill. Enter your PIN to agree ...
> ****                < Done. KES 1,530 is off your phone bill. Ref 7KQ4MXW2.

What was paid outside goes back the way it came, and a text says when it is there. More time is asked for in the same place:

> EXTEND              < Money back or more time? 1. Kitabu has ended: KES 450 2. Extend Kitabu to 12 Mar 2029
> 2                   < Give Kitabu more time, to 12 Mar 2029? Enter your PIN to agree ...
> ****                < Done. Kitabu can be used until 12 Mar 2029.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

from bot.dialog import Choose, Detour, End, Flow, Move, Option, Sign, move
from circulation import cash_out, expiry, refunds, ways_back
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from circulation.values import Value

AGREEMENTS = ("confirm_bill", "confirm_network", "confirm_card", "confirm_mobile", "confirm_bank", "confirm_time")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that can be had back, or extended (then `amount` is what is left on it and `day` its new last day).

    `key` names it with all that is shown of it: what has changed since is no longer that item.
    """

    kind: str
    id: str
    what: str
    amount: Money
    named: str
    rail: str | None = None
    day: date | None = None

    @property
    def key(self) -> str:
        return f"{self.kind} {self.id} {self.amount.amount_minor} {self.day or ''}"


def to_agreement(trigger: str, at: str) -> list[Move]:
    """From this step to the screen that says where the money goes."""
    return [
        move(trigger, at, "confirm_time", when="wants_time"),
        move(trigger, at, "confirm_bill", when="comes_off_phone_bill"),
        move(trigger, at, "confirm_network", when="comes_off_network_bill"),
        move(trigger, at, "confirm_card", when="goes_to_card"),
        move(trigger, at, "confirm_mobile", when="goes_to_mobile_money"),
        move(trigger, at, "confirm_bank", when="goes_to_bank"),
        move(trigger, at, "call"),
    ]


class MoneyBack(Flow):
    title = "Money back"
    keywords = {"REFUND": "open", "EXTEND": "open", "REJESHA": "open", "ONGEZA": "open"}
    steps = [
        Choose("which", "Money back or more time?", options="choices", drop="restart"),
        Detour("pin", flow="pin"),
        Sign("confirm_bill", "Give back {what}? {amount} comes off your phone bill."),
        Sign("confirm_network", "Give back {what}? {amount} comes off the bill of your network."),
        Sign("confirm_card", "Give back {what}? {amount} goes to the card that paid for it."),
        Sign("confirm_mobile", "Give back {what}? {amount} goes to the mobile money of your phone."),
        Sign("confirm_bank", "Give back {what}? {amount} goes to the bank account that paid for it."),
        Sign("confirm_time", "Give {what} more time, to {day}?"),
        End("off_bill", "Done. {amount} is off your phone bill. Ref {reference}."),
        End(
            "off_network", "Done. Your network takes {amount} off your bill. We text you when it has. Ref {reference}."
        ),
        End(
            "to_card",
            "Done. {amount} goes back to your card, which can take some days. We text you. Ref {reference}.",
        ),
        End("to_mobile", "Done. {amount} goes to your mobile money now. We text you. Ref {reference}."),
        End("to_bank", "Done. {amount} goes to your bank account within some days. We text you. Ref {reference}."),
        End("extended", "Done. {what} can be used until {day}."),
        End(
            "call",
            "{amount} is yours, and we cannot pay it to your phone. Please ask our call centre about {named}.",
        ),
        End(
            "nothing",
            "Nothing can come back now: it must be unused and bought in the last {days} days, or have ended.",
        ),
        End("stopped", "Nothing was changed."),
    ]
    moves = [
        move("open", "start", "nothing", unless="there_is_something"),
        move("open", "start", "which"),
        move("answered", "which", "pin", when="pin_missing"),
        *to_agreement("answered", "which"),
        *to_agreement("chosen", "pin"),
        move("signed", "confirm_bill", "off_bill", do="give_back"),
        move("signed", "confirm_network", "off_network", do="give_back"),
        move("signed", "confirm_card", "to_card", do="give_back"),
        move("signed", "confirm_mobile", "to_mobile", do="give_back"),
        move("signed", "confirm_bank", "to_bank", do="give_back"),
        move("signed", "confirm_time", "extended", do="extend"),
        *[move("stopped", screen, "stopped") for screen in AGREEMENTS],
    ]
    unfinished = "What you began about {what} is not done yet."
    worth_saving = "which"
    holes = {
        "what": "9 x " + "W" * 24,
        "amount": Money(900_000_050, "KES"),
        "day": date(2026, 11, 30),
        "named": "WWWW0123456789",
        "reference": "W" * 8,
        "days": 365,
    }

    def choices(self) -> list[Option]:
        """Unused purchases, what has ended, rests that are paid out, and what can have more time."""
        items = self._items
        return [
            *[Option(one.key, "{what}: {amount}", _shown(one)) for one in items if one.kind == "purchase"],
            *[Option(one.key, "{what} has ended: {amount}", _shown(one)) for one in items if one.kind == "ended"],
            *[Option(one.key, "Rest of {what}: {amount}", _shown(one)) for one in items if one.kind == "rest"],
            *[Option(one.key, "Extend {what} to {day}", _shown(one)) for one in items if one.kind == "time"],
        ]

    def there_is_something(self) -> bool:
        return bool(self._items)

    def days(self) -> int:
        today = expiry.today(self.db, self.rules)
        return self.rules.laws.in_force(self.rules.law_pack, today).refund_window.days

    def wants_time(self) -> bool:
        return self._chosen.kind == "time"

    def comes_off_phone_bill(self) -> bool:
        return self._place == "phone_bill"

    def comes_off_network_bill(self) -> bool:
        return self._place == "network"

    def goes_to_card(self) -> bool:
        return self._place == "card"

    def goes_to_mobile_money(self) -> bool:
        return self._place == "mobile_money"

    def goes_to_bank(self) -> bool:
        return self._place == "bank"

    def what(self) -> str:
        return self._chosen.what

    def amount(self) -> Money:
        return self._chosen.amount

    def named(self) -> str:
        return self._chosen.named

    def day(self) -> date | None:
        return self._chosen.day

    def give_back(self) -> None:
        """What was chosen ends, and its money is on its way."""
        item, member = self._chosen, self._member
        self.answers.update(what=item.what, amount=item.amount)
        if item.kind == "purchase":
            self.answers["reference"] = refunds.give_back(
                self.db,
                self.rules,
                refund_id=self.id,
                buyer=member,
                purchase_id=item.id,
                expected=item.amount,
                receipt=self.in_dialog(),
            )
            return
        pay = expiry.refund if item.kind == "ended" else cash_out.cash_out
        self.answers["reference"] = pay(
            self.db,
            self.rules,
            refund_id=self.id,
            holder=member,
            certificate_id=int(item.id),
            expected=item.amount,
            receipt=self.in_dialog(),
        )

    def extend(self) -> None:
        item = self._chosen
        until = expiry.extend(self.db, self.rules, op_id=self.id, holder=self._member, certificate_id=int(item.id))
        self.answers.update(what=item.what, day=until)

    @property
    def _member(self) -> Member:
        assert self.member is not None, "only who has something to give back gets here"
        return self.member

    @cached_property
    def _items(self) -> list[Item]:
        """All that this person can have back now. Read once a turn."""
        member = self.member
        if member is None:
            return []
        bought = refunds.returnable(self.db, self.rules, member)
        ended = expiry.ended(self.db, self.rules, member)
        rests = cash_out.rests(self.db, self.rules, member)
        more_time = expiry.extendable(self.db, self.rules, member)
        return [
            *[
                Item("purchase", one.purchase_id, f"{one.sheets} x {one.issuer}", one.amount, one.reference, one.rail)
                for one in bought
            ],
            *[Item("ended", str(one.certificate_id), one.issuer, one.share, one.serial) for one in ended],
            *[Item("rest", str(one.certificate_id), one.issuer, one.amount, one.serial) for one in rests],
            *[
                Item("time", str(one.certificate_id), one.issuer, one.left, one.serial, day=one.until)
                for one in more_time
            ],
        ]

    @property
    def _chosen(self) -> Item:
        """What was chosen, if it is still as it was shown."""
        chosen = next((one for one in self._items if one.key == self.answers["which"]), None)
        if chosen is None:
            raise Refusal("not_returnable")
        return chosen

    @cached_property
    def _place(self) -> str | None:
        """Where the money goes; None when only the call centre can pay it. Read once a turn."""
        item = self._chosen
        if item.rail is not None:
            return ways_back.place(self.rules, item.rail)
        way = ways_back.find(self.db, self.rules, self._member, int(item.id), item.amount)
        return ways_back.place(self.rules, way.rail) if way else None


def _shown(item: Item) -> dict[str, Value]:
    return {"what": item.what, "amount": item.amount, "day": item.day}
