"""Buy: kind, issuer, price, number of sheets, then it goes on the phone bill.

> BUY                 < What kind of certificate? 1. Any store 2. Supermarket ...
> 2                   < Whose certificate? 1. Naivas 2. Quickmart
> 1                   < Naivas: which value? 1. KES 200 2. KES 500 ...
> 2                   < How many? 1 to 9.
> 1                   < 1 x Naivas KES 500 costs KES 510 with fees, on your phone bill. Enter your PIN to agree ...
> ****                < Done. KES 510 is on your phone bill. You hold Naivas KES 500: NAI4730259182. Ref 7KQ4MXW2.
"""

from functools import cached_property

from bot import parsing
from bot.dialog import Ask, Choose, Detour, End, Flow, Go, Option, Sign, move
from bot.parsing import NotUnderstood
from circulation import catalogue, sales
from circulation.catalogue import KINDS, Denomination
from circulation.money import Money


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
        Sign("confirm", "{sheets} x {issuer_name} {worth} costs {cost} with fees, on your phone bill."),
        End(
            "bought",
            "Done. {cost} is on your phone bill. You hold {sheets} x {issuer_name} {worth}: {serials}. Ref {reference}.",
        ),
        End("stopped", "Nothing was bought."),
        Go("home", flow="menu"),
    ]
    moves = [
        move("open", "start", "kind"),
        move("answered", "kind", "issuer"),
        move("answered", "issuer", "price"),
        move("answered", "price", "sheets"),
        move("answered", "sheets", "joining", when="stranger"),
        move("answered", "sheets", "pin", when="pin_missing"),
        move("answered", "sheets", "confirm"),
        move("joined", "joining", "confirm"),
        move("refused", "joining", "home"),
        move("chosen", "pin", "confirm"),
        move("signed", "confirm", "bought", do="pay"),
        move("stopped", "confirm", "stopped"),
    ]
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

    def stranger(self) -> bool:
        return self.member is None or not self.member.joined

    def most(self) -> int:
        return self.rules.most_sheets

    def issuer_name(self) -> str:
        return self._price.issuer

    def worth(self) -> Money:
        return self._price.worth

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
            receipt=self.by_ussd(),
        )
        self.answers["serials"] = ", ".join(purchase.serials)
        self.answers["reference"] = purchase.reference

    @cached_property
    def _price(self) -> Denomination:
        """The price that was chosen, as it is now. Read once a turn."""
        price = catalogue.denomination(self.db, int(str(self.answers["price"])))
        if price is None:
            raise NotUnderstood("That value is no longer sold. Reply 00 for the menu.")
        return price
