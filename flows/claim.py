"""Claim: somebody gives you something; take it or not.

< Amina gives you Naivas KES 500. Message from Amina: "Happy birthday!" 1. Accept 2. Refuse 3. Later
> 1                   < It is yours: Naivas KES 500. To pay with it in a shop dial *384*4438# or text PAY.
"""

from functools import cached_property

from bot.dialog import Choose, End, Flow, Waiting, move
from circulation import gifting
from circulation.gifting import Offer
from circulation.money import Money

ANSWERS = {"accept": "Accept", "decline": "Refuse", "later": "Later"}


class Claim(Flow):
    title = "Claim"
    keywords = {"GIFTS": "open", "PENDING": "open"}
    steps = [
        Choose("question", '{giver} gives you {issuer} {amount}. Message from {giver}: "{note}".', options=ANSWERS),
        Choose("question_no_note", "{giver} gives you {issuer} {amount}.", options=ANSWERS),
        End("accepted", "It is yours: {issuer} {amount}. To pay with it in a shop dial {service_code} or text PAY."),
        End("declined", "Your answer was sent. {issuer} {amount} goes back to {giver}."),
        End("later", "It waits for your answer. Dial {service_code}."),
        End("gone", "This gift is no longer waiting for you."),
        End("none", "No gift is waiting for you."),
    ]
    moves = [
        move("open", "start", "none", unless="there_is_one"),
        move("open", "start", "question", when="with_note"),
        move("open", "start", "question_no_note"),
        *[
            row
            for question in ("question", "question_no_note")
            for row in (
                move("accept", question, "accepted", do="accept", refused="gone"),
                move("decline", question, "declined", do="decline", refused="gone"),
                move("later", question, "later", do="postpone"),
            )
        ],
    ]
    holes = {
        "giver": "W" * 40,
        "issuer": "W" * 24,
        "amount": Money(100_000_050, "KES"),
        "note": "\N{WRAPPED PRESENT}" * 80,
        "service_code": "*384*4438*999#",
    }

    def waiting(self) -> Waiting | None:
        newest = next(iter(self._offers), None)
        return Waiting(newest.id, newest.age_seconds, len(self._offers) == 1) if newest else None

    def there_is_one(self) -> bool:
        return self._offer() is not None

    def with_note(self) -> bool:
        offer = self._offer()
        return offer is not None and bool(offer.note)

    def giver(self) -> str:
        return self._shown().giver

    def issuer(self) -> str:
        return self._shown().issuer

    def amount(self) -> Money:
        return self._shown().amount

    def note(self) -> str:
        return self._shown().note

    def service_code(self) -> str:
        return self.rules.service_code

    def accept(self) -> None:
        self._remember()
        assert self.member is not None, "a recipient is known since the gift was offered"
        gifting.accept(self.db, self.rules, gift_id=str(self.answers["about"]), recipient=self.member)

    def decline(self) -> None:
        self._remember()
        assert self.member is not None, "a recipient is known since the gift was offered"
        gifting.decline(self.db, self.rules, gift_id=str(self.answers["about"]), recipient=self.member)

    def postpone(self) -> None:
        self.put_off(str(self.answers["about"]))

    def _remember(self) -> None:
        """What the last word will name; once answered, the offer is no longer among those waiting."""
        offer = self._shown()
        self.answers.update(giver=offer.giver, issuer=offer.issuer, amount=offer.amount)

    def _shown(self) -> Offer:
        offer = self._offer()
        if offer is None:
            assert self.member is not None, "a recipient is known since the gift was offered"
            raise gifting.gone(self.db, gift_id=str(self.answers["about"]), recipient=self.member)
        return offer

    @cached_property
    def _offers(self) -> list[Offer]:
        """What waits for this phone, newest first; read once a turn."""
        return gifting.offers(self.db, self.phone)

    def _offer(self) -> Offer | None:
        """The offer this conversation is about: the one we called for, else the newest."""
        about = self.answers.get("about")
        offer = next((offer for offer in self._offers if about in (None, offer.id)), None)
        if offer is not None:
            self.answers["about"] = offer.id
        return offer
