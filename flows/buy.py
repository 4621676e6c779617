"""Buy: kind, issuer, price, number of sheets, then how to pay. What goes on the phone bill is bought at once.

> BUY                 < What kind of certificate? 1. Any store 2. Supermarket ...
> 2                   < Whose certificate? 1. Naivas 2. Quickmart
> 1                   < Naivas: which value? 1. KES 200 2. KES 500 ...
> 2                   < How many? 1 to 9.
> 1                   < 1 x Naivas KES 500 costs KES 510 with fees, on your phone bill. Enter your PIN to agree ...
> ****                < Done. KES 510 is on your phone bill. You hold Naivas KES 500: NAI4730259182. Ref 7KQ4MXW2.

Where there are several ways to pay, they are asked for, and what is paid outside is bought when the money is there:

> 1                   < How will you pay KES 510? 1. Phone bill 2. M-Pesa 3. Card ...
> 2                   < 1 x Naivas KES 500 costs KES 510 with fees, paid by M-Pesa on your phone. Enter your PIN ...
> ****                < Now answer M-Pesa's question on your phone. We text you when it is paid. Ref 7KQ4MXW2.
"""

from functools import cached_property

from bot import parsing
from bot.dialog import Ask, Choose, Detour, End, Flow, Go, Move, Option, Sign, move
from bot.parsing import NotUnderstood
from circulation import catalogue, sales
from circulation.catalogue import KINDS, Denomination
from circulation.money import Money

RAILS = {
    "phone_bill": "Phone bill",
    "mpesa": "M-Pesa",
    "momo": "MTN MoMo",
    "card": "Card",
    "bank": "Bank transfer",
    "carrier_billing": "Bill of another network",
}
"""Every way to pay, as people call it."""

AGREEMENTS = ("confirm", "confirm_phone", "confirm_card", "confirm_bank", "confirm_bill")


def to_agreement(trigger: str, at: str) -> list[Move]:
    """From this step to the screen that agrees to the chosen way to pay."""
    return [
        move(trigger, at, "confirm_phone", when="pays_on_this_phone"),
        move(trigger, at, "confirm_card", when="pays_by_card"),
        move(trigger, at, "confirm_bank", when="pays_by_bank"),
        move(trigger, at, "confirm_bill", when="pays_by_network"),
        move(trigger, at, "confirm"),
    ]


def to_paying(trigger: str, at: str) -> list[Move]:
    """From this step to the ways to pay; where there is only one, nobody is asked."""
    return [move(trigger, at, "rail", when="several_ways"), *to_agreement(trigger, at)]


class Buy(Flow):
    title = "Buy"
    keywords = {"BUY": "open", "NUNUA": "open"}
    steps = [
        Choose("kind", "What kind of certificate?", options="kinds", drop="restart"),
        Choose("issuer", "Whose certificate?", options="issuers"),
        Choose("price", "Which value?", options="prices"),
        Ask("sheets", "How many of {issuer_name} {worth}? 1 to {most}.", parse="count"),
        Detour("joining", flow="join"),
        Detour("pin", flow="pin"),
        Choose("rail", "How will you pay {cost}?", options="rails"),
        Sign("confirm", "{sheets} x {issuer_name} {worth} costs {cost} with fees, on your phone bill."),
        Sign(
            "confirm_phone",
            "{sheets} x {issuer_name} {worth} costs {cost} with fees, paid by {rail_name} on your phone.",
        ),
        Sign(
            "confirm_card",
            "{sheets} x {issuer_name} {worth} costs {cost} with fees, paid by card on a page we text you.",
        ),
        Sign("confirm_bank", "{sheets} x {issuer_name} {worth} costs {cost} with fees, paid by bank transfer."),
        Sign("confirm_bill", "{sheets} x {issuer_name} {worth} costs {cost} with fees, on the bill of your network."),
        End(
            "bought",
            "Done. {cost} is on your phone bill. You hold {sheets} x {issuer_name} {worth}: {serials}. Ref {reference}.",
        ),
        End(
            "asked_phone",
            "Now answer {rail_name}'s question on your phone. We text you when it is paid. Ref {reference}.",
        ),
        End("asked_card", "A text brings you the page to pay {cost} by card. Ref {reference}."),
        End("asked_bank", "A text brings you the account and the reference to pay {cost} to. Ref {reference}."),
        End("asked_bill", "We ask your network for {cost}. A text tells you how it ends. Ref {reference}."),
        End("stopped", "Nothing was bought."),
        Go("home", flow="menu"),
    ]
    moves = [
        move("open", "start", "sheets", when="chosen_before"),
        move("open", "start", "kind"),
        move("answered", "kind", "issuer"),
        move("answered", "issuer", "price"),
        move("answered", "price", "sheets"),
        move("answered", "sheets", "joining", when="stranger"),
        move("answered", "sheets", "pin", when="pin_missing"),
        *to_paying("answered", "sheets"),
        *to_paying("joined", "joining"),
        move("refused", "joining", "home"),
        *to_paying("chosen", "pin"),
        *to_agreement("answered", "rail"),
        move("signed", "confirm", "bought", do="pay"),
        move("signed", "confirm_phone", "asked_phone", do="order"),
        move("signed", "confirm_card", "asked_card", do="order"),
        move("signed", "confirm_bank", "asked_bank", do="order"),
        move("signed", "confirm_bill", "asked_bill", do="order"),
        *[move("stopped", screen, "stopped") for screen in AGREEMENTS],
    ]
    unfinished = "Your purchase of {sheets} x {issuer_name} {worth} is not paid yet."
    worth_saving = "sheets"
    holes = {
        "sheets": 9,
        "most": 9,
        "issuer_name": "W" * 24,
        "worth": Money(100_000_000, "KES"),
        "cost": Money(900_000_050, "KES"),
        "serials": ", ".join(["WWWW0123456789"] * 9),
        "reference": "W" * 8,
        "fee": Money(100_050, "KES"),
        "name": "W" * 24,
        "rail_name": "MTN MoMo",
    }

    def kinds(self) -> list[Option]:
        return [Option(kind, KINDS[kind]) for kind in catalogue.kinds(self.db)]

    def issuers(self) -> list[Option]:
        return [
            Option(issuer.id, "{name}", {"name": issuer.name})
            for issuer in catalogue.issuers(self.db, str(self.answers["kind"]))
        ]

    def prices(self) -> list[Option]:
        prices = catalogue.denominations(self.db, int(str(self.answers["issuer"])))
        return [Option(price.id, "{worth} (fee {fee})", {"worth": price.worth, "fee": price.fee}) for price in prices]

    def count(self, text: str) -> int:
        """How many; and with it the total, which is what will be shown and what will be charged."""
        sheets = parsing.quantity(text, self.rules.most_sheets)
        cost = sales.cost(self._price, sheets)
        if self.member:
            sales.ways(self.db, self.rules, self.member, cost)
        self.answers["cost"] = cost
        return sheets

    def chosen_before(self) -> bool:
        """Whether the price was chosen on the way here (among the offers)."""
        return "price" in self.answers

    def stranger(self) -> bool:
        return self.member is None or not self.member.joined

    def most(self) -> int:
        return self.rules.most_sheets

    def issuer_name(self) -> str:
        return self._price.issuer

    def worth(self) -> Money:
        return self._price.worth

    def rails(self) -> list[Option]:
        """The ways that can take this sum from this phone."""
        return [Option(rail, RAILS[rail]) for rail in self._ways]

    def several_ways(self) -> bool:
        return len(self._ways) > 1

    def rail(self) -> str:
        """The way that was chosen, or the only one there is."""
        return str(self.answers["rail"]) if "rail" in self.answers else self._ways[0]

    def rail_name(self) -> str:
        return RAILS[self.rail()]

    def pays_on_this_phone(self) -> bool:
        return self.rail() in ("mpesa", "momo")

    def pays_by_card(self) -> bool:
        return self.rail() == "card"

    def pays_by_bank(self) -> bool:
        return self.rail() == "bank"

    def pays_by_network(self) -> bool:
        return self.rail() == "carrier_billing"

    def order(self) -> None:
        cost, member = self.answers["cost"], self.member
        assert member is not None and isinstance(cost, Money), "only members get here, and only with a total"
        self.answers["reference"] = sales.order(
            self.db,
            self.rules,
            purchase_id=self.id,
            buyer=member,
            denomination_id=self._price.id,
            sheets=int(str(self.answers["sheets"])),
            expected=cost,
            rail=self.rail(),
        ).reference

    def pay(self) -> None:
        price, cost, member = self._price, self.answers["cost"], self.member
        assert member is not None and isinstance(cost, Money), "only members get here, and only with a total"
        purchase = sales.buy(
            self.db,
            self.rules,
            purchase_id=self.id,
            buyer=member,
            denomination_id=price.id,
            sheets=int(str(self.answers["sheets"])),
            expected=cost,
            receipt=self.in_dialog(),
        )
        self.answers["serials"] = ", ".join(purchase.serials)
        self.answers["reference"] = purchase.reference

    @cached_property
    def _ways(self) -> list[str]:
        """The ways to pay that can take this sum from this phone. Read once a turn."""
        cost, member = self.answers["cost"], self.member
        assert member is not None and isinstance(cost, Money), "only members get here, and only with a total"
        return sales.ways(self.db, self.rules, member, cost)

    @cached_property
    def _price(self) -> Denomination:
        """The price that was chosen, as it is now. Read once a turn."""
        price = catalogue.denomination(self.db, int(str(self.answers["price"])))
        if price is None:
            raise NotUnderstood("That value is no longer sold. Reply 00 for the menu.")
        return price
