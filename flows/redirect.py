"""Redirect: send a gift that was not answered to another number.

> (SENT or UNREACHED, 1) < Type the other phone number for Naivas KES 500.
> 0712 000 003           < Give Naivas KES 500 to 0712 000003, and no longer to 0712 000002? Enter your PIN to agree ...
> ****                   < Done. Naivas KES 500 is for 0712 000003 now. You will hear when they answer. Ref 7KQ4MXW2.
"""

from functools import cached_property

from bot import parsing
from bot.dialog import Ask, Detour, End, Flow, Sign, move
from circulation import delivery, gifting, redirecting, sending_limits
from circulation.delivery import Progress
from circulation.email_address import Email
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal


class Redirect(Flow):
    title = "Another number"
    steps = [
        Detour("pin", flow="pin"),
        Ask("to", "Type the other phone number for {issuer} {amount}.", parse="a_phone", drop="leave"),
        Sign("confirm", "Give {issuer} {amount} to {to}, and no longer to {recipient}?"),
        End("done", "Done. {issuer} {amount} is for {to} now. You will hear when they answer. Ref {reference}."),
        End("gone", "It stays as it is."),
        End("stopped", "Nothing was changed."),
    ]
    moves = [
        move("open", "start", "pin", when="pin_missing"),
        move("open", "start", "to"),
        move("chosen", "pin", "to"),
        move("answered", "to", "confirm"),
        move("signed", "confirm", "done", do="redirect", refused="gone"),
        move("stopped", "confirm", "stopped"),
    ]
    holes = {
        "issuer": "W" * 24,
        "amount": Money(900_000_050, "KES"),
        "to": Msisdn("+254712345678"),
        "recipient": Msisdn("+254712345678"),
        "reference": "W" * 8,
    }

    def a_phone(self, text: str) -> Msisdn:
        number = parsing.msisdn(text, self.rules.country, self.rules.countries)
        if number == self.phone:
            raise Refusal("own_number")
        if number == self.recipient():
            raise Refusal("same_number")
        sending_limits.check(self.db, self.rules, self.member, number)
        return number

    def issuer(self) -> str:
        return self._gift.issuer

    def amount(self) -> Money:
        return self._gift.amount

    def recipient(self) -> Msisdn | Email:
        return self._gift.recipient

    def redirect(self) -> None:
        to = self.answers["to"]
        assert self.member is not None and isinstance(to, Msisdn), "a giver typed a number"
        redirected = redirecting.redirect(
            self.db,
            self.rules,
            gift_id=str(self.answers["gift"]),
            giver=self.member,
            recipient=to,
            receipt=self.in_dialog(),
        )
        self.answers.update(issuer=redirected.issuer, amount=redirected.amount, reference=redirected.reference)

    @cached_property
    def _gift(self) -> Progress:
        """The gift this is about, read once a turn. Raises Refusal as `redirecting.redirect` when it no longer waits."""
        gift = delivery.progress(self.db, str(self.answers["gift"]))
        if not gift.waits:
            raise gifting.ended(gift.stage)
        return gift
