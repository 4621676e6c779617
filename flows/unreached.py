"""Unreached: a gift could not be delivered, and its giver says what happens now.

< We could not reach 0712 000002 with your gift Naivas KES 500: that phone takes no texts.
  1. Another number 2. Call them 3. Take it back 4. Leave it waiting
> 1                   < Type the other phone number for Naivas KES 500.
"""

from datetime import datetime
from functools import cached_property

from bot.dialog import Choose, End, Go, Option, Waiting, move
from circulation import delivery, gifting, ladder, redirecting
from circulation.delivery import Progress
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.unreached import SENTENCES
from flows.waiting_gift import WaitingGift


class Unreached(WaitingGift):
    title = "A gift that was not delivered"
    replies = "[123]"
    steps = [
        *[Choose(why, sentence, options="ways") for why, sentence in SENTENCES.items()],
        End("call_later", "It is night there. We call {recipient} on {call_at}."),
        End("call_now", "We are calling {recipient} now."),
        End("left", "{issuer} {amount} waits for {recipient}. Text SENT to see what became of it."),
        End("gone", "It stays as it is."),
        End("none", "Nothing of yours waits for a decision."),
        Go("redirect", flow="redirect", carry={"gift": "about"}),
        Go("recall", flow="recall", carry={"gift": "about"}),
    ]
    moves = [
        move("open", "start", "none", unless="there_is_one"),
        *[move("open", "start", why, when=f"is_{why}") for why in SENTENCES if why != "other"],
        move("open", "start", "other"),
        *[
            row
            for why in SENTENCES
            for row in (
                move("another", why, "redirect"),
                move("call", why, "call_now", when="by_day", do="call", refused="gone"),
                move("call", why, "call_later", do="call", refused="gone"),
                move("recall", why, "recall"),
                move("leave", why, "left", do="leave"),
            )
        ],
    ]
    holes = {
        "issuer": "W" * 24,
        "amount": Money(900_000_050, "KES"),
        "recipient": Msisdn("+254712345678"),
        "call_at": datetime.fromisoformat("2026-11-30T23:59:00+00:00"),
    }

    def waiting(self) -> Waiting | None:
        newest = next(iter(self._asked), None)
        if newest is None or newest.asked_seconds is None:
            return None
        return Waiting(newest.gift_id, newest.asked_seconds, len(self._asked) == 1)

    def there_is_one(self) -> bool:
        return self._one() is not None

    def ways(self) -> list[Option]:
        """In the order in which the notice named them (circulation/unreached.py)."""
        gift = self.gift_shown()
        calls = ladder.may_call(self.db, self.rules, gift.gift_id, gift.recipient)
        return [
            Option("another", "Another number", trigger="another"),
            *([Option("call", "Call them", trigger="call")] if calls else []),
            Option("recall", "Take it back", trigger="recall"),
            Option("leave", "Leave it waiting", trigger="leave"),
        ]

    def leave(self) -> None:
        redirecting.let_wait(self.db, gift_id=self._remember().gift_id, giver=self._giver())

    def is_unknown(self) -> bool:
        return self._is("unknown")

    def is_no_texts(self) -> bool:
        return self._is("no_texts")

    def is_off(self) -> bool:
        return self._is("off")

    def is_blocked(self) -> bool:
        return self._is("blocked")

    def is_opted_out(self) -> bool:
        return self._is("opted_out")

    def is_no_answer(self) -> bool:
        return self._is("no_answer")

    def is_no_route(self) -> bool:
        return self._is("no_route")

    def is_mail(self) -> bool:
        return self._is("mail")

    def _is(self, why: str) -> bool:
        return self.gift_shown().why == why

    @cached_property
    def _asked(self) -> list[Progress]:
        """The gifts about which this phone is asked, newest first; read once a turn."""
        return delivery.asked(self.db, self.member.id) if self.member else []

    def _one(self) -> Progress | None:
        """The gift this conversation is about: the one we called for, else the newest."""
        about = self.answers.get("about")
        one = next((gift for gift in self._asked if about in (None, gift.gift_id)), None)
        if one is not None:
            self.answers["about"] = one.gift_id
        return one

    def gift_shown(self) -> Progress:
        """Raises Refusal when the gift was answered meanwhile, or what happens with it is decided."""
        one = self._one()
        if one is not None:
            return one
        gift = delivery.progress(self.db, str(self.answers["about"]))
        raise Refusal("decided") if gift.waits else gifting.ended(gift.stage)
