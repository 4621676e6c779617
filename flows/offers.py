"""Offers: look at what there is, by kind or by price, before buying anything.

> OFFERS              < Look up certificates. 1. By kind 2. By price
> 2                   < Up to how much?
> 500                 < Certificates up to KES 500: 1. Giftline KES 200 2. Soko Bora KES 200 ...
> 2                   < Soko Bora KES 200, fee KES 5. Taken at Soko Bora Westlands, Soko Bora Nakuru. 1. Buy it
"""

from functools import cached_property

from bot import parsing
from bot.dialog import Ask, Choose, Flow, Go, Option, move
from bot.parsing import NotUnderstood
from circulation import catalogue
from circulation.catalogue import KINDS, Denomination
from circulation.money import Money


class Offers(Flow):
    title = "Offers"
    keywords = {"OFFERS": "open", "PRICES": "open", "BEI": "open"}
    steps = [
        Choose("how", "Look up certificates.", options={"by_kind": "By kind", "by_price": "By price"}, drop="leave"),
        Choose("kind", "What kind of certificate?", options="kinds", drop="leave"),
        Ask("most", "Up to how much?", parse="a_price", zero=False, drop="leave"),
        Choose("priced", "Certificates up to {most}:", options="up_to", drop="leave"),
        Choose("listed", "On offer:", options="of_kind", drop="leave"),
        Choose("one", "{issuer} {worth}, fee {fee}. Taken at {stores}.", options={"buy": "Buy it"}, drop="leave"),
        Go("buy", flow="buy", carry={"price": "price"}),
    ]
    moves = [
        move("open", "start", "how"),
        move("by_kind", "how", "kind"),
        move("by_price", "how", "most"),
        move("answered", "kind", "listed"),
        move("answered", "most", "priced"),
        move("answered", "priced", "one"),
        move("none", "priced", "most"),
        move("answered", "listed", "one"),
        move("buy", "one", "buy"),
    ]
    holes = {
        "most": Money(100_000_050, "KES"),
        "issuer": "W" * 24,
        "worth": Money(100_000_000, "KES"),
        "fee": Money(100_050, "KES"),
        "stores": ", ".join(["W" * 30] * 3),
    }

    def kinds(self) -> list[Option]:
        return [Option(kind, KINDS[kind]) for kind in catalogue.kinds(self.db)]

    def a_price(self, text: str) -> Money:
        return Money(parsing.amount(text, self.rules.currency, self.rules.most_amount_minor), self.rules.currency)

    def up_to(self) -> list[Option]:
        """What costs at most that much, cheapest first; with one line to say that there is nothing."""
        most = self.answers["most"]
        assert isinstance(most, Money), "the price was asked for before"
        return _lines(catalogue.up_to(self.db, most)) or [Option(0, "Nothing. Look for another price", trigger="none")]

    def of_kind(self) -> list[Option]:
        return _lines(catalogue.of_kind(self.db, str(self.answers["kind"])))

    def issuer(self) -> str:
        return self._price.issuer

    def worth(self) -> Money:
        return self._price.worth

    def fee(self) -> Money:
        return self._price.fee

    def stores(self) -> str:
        """The first stores that take it; the list of all is long where it is taken everywhere."""
        return ", ".join(catalogue.stores(self.db, self._price.issuer)[:3])

    @cached_property
    def _price(self) -> Denomination:
        chosen = self.answers["listed"] if self.answers["how"] == "by_kind" else self.answers["priced"]
        price = catalogue.denomination(self.db, int(str(chosen)))
        if price is None:
            raise NotUnderstood("That value is no longer sold. Reply 00 for the menu.")
        self.answers["price"] = price.id
        return price


def _lines(prices: list[Denomination]) -> list[Option]:
    return [Option(price.id, "{issuer} {worth}", {"issuer": price.issuer, "worth": price.worth}) for price in prices]
