"""Menu: where every conversation begins, and where it comes back to when the line was lost.

> (dials)             < Welcome to Giftline: gift certificates on any phone. 1. Buy 2. Give ... 7. Lugha/Language
> 1                   < What kind of certificate? ...
"""

from bot.dialog import Choose, Flow, Go, Option, move
from circulation import catalogue, gifting, wallet
from circulation.email_address import Email
from circulation.money import Money

SCREENS = ("welcome", "menu", "lost", "lost_bought", "lost_gave", "lost_used")
PLACES = ("buy", "gift", "basket", "redeem", "claim", "store", "more", "language")


class Menu(Flow):
    title = "Menu"
    steps = [
        Choose("welcome", "Welcome to Giftline: gift certificates on any phone.", options="places", drop="leave"),
        Choose("menu", "Giftline. What would you like?", options="places", drop="leave"),
        Choose("lost", "Sorry, we lost our place. Nothing was done.", options="places", drop="leave"),
        Choose(
            "lost_bought",
            "Sorry, we lost our place. Last you bought {issuer} for {amount}, ref {reference}.",
            options="places",
            drop="leave",
        ),
        Choose(
            "lost_gave",
            "Sorry, we lost our place. Last you gave {issuer} {amount} to {who}, ref {reference}.",
            options="places",
            drop="leave",
        ),
        Choose(
            "lost_used",
            "Sorry, we lost our place. Last you paid {amount} with {issuer}, ref {reference}.",
            options="places",
            drop="leave",
        ),
        *[Go(place, flow=place) for place in PLACES],
    ]
    moves = [
        move("open", "start", "menu", when="known"),
        move("open", "start", "welcome"),
        move("lost", "start", "lost_bought", when="last_bought"),
        move("lost", "start", "lost_gave", when="last_gave"),
        move("lost", "start", "lost_used", when="last_used"),
        move("lost", "start", "lost"),
        *[move(place, screen, place) for screen in SCREENS for place in PLACES],
    ]
    holes = {
        "issuer": "W" * 24,
        "amount": Money(100_000_000, "KES"),
        "reference": "W" * 8,
        "who": Email("w" * 52 + "@example.org"),
    }

    def places(self) -> list[Option]:
        """Only what this phone can do now."""
        member = self.member
        places = [Option("buy", "Buy", trigger="buy"), Option("gift", "Give", trigger="gift")]
        if member:
            places += [
                Option("basket", "My certificates", trigger="basket"),
                Option("redeem", "Pay in a shop", trigger="redeem"),
            ]
            if gifting.offers(self.db, self.phone):
                places.append(Option("claim", "Answer a gift", trigger="claim"))
        if catalogue.clerk(self.db, self.phone):
            places.append(Option("store", "Till", trigger="store"))
        places += [
            Option("more", "More", trigger="more"),
            Option("language", "Lugha/Language", trigger="language"),
        ]
        return places

    def known(self) -> bool:
        return self.member is not None and self.member.joined

    def last_bought(self) -> bool:
        return self._last_is("bought")

    def last_gave(self) -> bool:
        return self._last_is("scheduled", "offered", "accepted", "declined", "lapsed", "recalled")

    def last_used(self) -> bool:
        return self._last_is("used")

    def _last_is(self, *kinds: str) -> bool:
        """Whether the last thing done was one of these; then it is remembered as it is told now."""
        last = wallet.last(self.db, self.member.id) if self.member else None
        if last is None or last.kind not in kinds:
            return False
        self.answers.update(issuer=last.issuer, amount=last.amount, who=last.who, reference=last.reference)
        return True
