"""Network code: the payer's network sent them a code by text to agree to a payment; we pass it on.

< Your network sent you a code to agree to KES 510. Type it, or 0 to leave it for now.
> 482193              < Thank you. We pass it on, and a text tells you how it ends.
"""

import re
from functools import cached_property

from bot.dialog import Ask, End, Flow, Waiting, move
from bot.parsing import NotUnderstood
from circulation import charging
from circulation.charging import Awaited
from circulation.digits import fold_digits
from circulation.money import Money
from circulation.refusals import Refusal


class NetworkCode(Flow):
    title = "Network code"
    replies = r"[0-9]{4,8}"
    steps = [
        Ask(
            "code",
            "Your network sent you a code to agree to {amount}. Type it, or 0 to leave it for now.",
            parse="a_code",
            zero=True,
        ),
        End("sent", "Thank you. We pass it on, and a text tells you how it ends."),
        End("later", "Nothing was paid. Dial {service_code} to go on."),
        End("none", "No payment waits for a code."),
    ]
    moves = [
        move("open", "start", "none", unless="there_is_one"),
        move("open", "start", "code"),
        move("answered", "code", "later", when="left", do="postpone"),
        move("answered", "code", "sent", do="pass_on", refused="none"),
    ]
    holes = {"amount": Money(100_000_050, "KES"), "service_code": "*384*4438*999#"}

    def waiting(self) -> Waiting | None:
        newest = next(iter(self._awaited), None)
        return Waiting(newest.charge_id, newest.age_seconds, len(self._awaited) == 1) if newest else None

    def there_is_one(self) -> bool:
        return self._one() is not None

    def amount(self) -> Money:
        one = self._one()
        if one is None:
            raise Refusal("code_not_awaited")
        return one.amount

    def service_code(self) -> str:
        return self.rules.service_code

    def a_code(self, text: str) -> str:
        """The network's code, kept sealed; empty when it is left for later."""
        digits = re.sub(r"[\s-]", "", fold_digits(text))
        if digits == "0":
            return ""
        if not re.fullmatch(self.replies, digits):
            raise NotUnderstood("Type the code of 4 to 8 digits from your network's text.")
        return self.rules.seal.seal(digits.encode()).hex()

    def left(self) -> bool:
        return not self.answers["code"]

    def postpone(self) -> None:
        self.put_off(str(self.answers["about"]))

    def pass_on(self) -> None:
        assert self.member is not None, "a payer is known since they ordered"
        charging.code_typed(self.db, str(self.answers["about"]), self.member, bytes.fromhex(str(self.answers["code"])))

    @cached_property
    def _awaited(self) -> list[Awaited]:
        """The payments that wait for a code from this phone, newest first; read once a turn."""
        return charging.awaited(self.db, self.member) if self.member else []

    def _one(self) -> Awaited | None:
        """The payment this conversation is about: the one we called for, else the newest."""
        about = self.answers.get("about")
        one = next((one for one in self._awaited if about in (None, one.charge_id)), None)
        if one is not None:
            self.answers["about"] = one.charge_id
        return one
