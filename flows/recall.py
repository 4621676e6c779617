"""Recall: take back a gift that was not answered yet.

> RECALL              < Which gift will you take back? 1. Naivas KES 500 to 0712 000002 2. ...
> 1                   < Take back Naivas KES 500 from 0712 000002? Enter your PIN to agree ...
> ****                < Done. Naivas KES 500 is yours again. Ref 7KQ4MXW2.
"""

from datetime import datetime
from functools import cached_property

from bot.dialog import Choose, Detour, End, Flow, Option, Sign, move
from circulation import recalling
from circulation.email_address import Email
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.recalling import Unanswered
from circulation.refusals import Refusal
from circulation.values import Value


class Recall(Flow):
    title = "Take back a gift"
    keywords = {"RECALL": "open", "GHAIRI": "open"}
    steps = [
        End("none", "No gift of yours waits for an answer."),
        Detour("pin", flow="pin"),
        Choose("gift", "Which gift will you take back?", options="gifts", drop="restart"),
        Sign("confirm", "Take back {issuer} {amount} from {recipient}?"),
        End("taken", "Done. {issuer} {amount} is yours again. Ref {reference}."),
        End("gone", "You cannot take it back."),
        End("stopped", "Nothing was taken back."),
    ]
    moves = [
        move("open", "start", "none", unless="there_is_one"),
        move("open", "start", "pin", when="pin_missing"),
        move("open", "start", "confirm", when="chosen_before"),
        move("open", "start", "gift"),
        move("chosen", "pin", "confirm", when="chosen_before"),
        move("chosen", "pin", "gift"),
        move("answered", "gift", "confirm"),
        move("signed", "confirm", "taken", do="recall", refused="gone"),
        move("stopped", "confirm", "stopped"),
    ]
    holes = {
        "issuer": "W" * 24,
        "amount": Money(900_000_050, "KES"),
        "recipient": Email("w" * 52 + "@example.org"),
        "at": datetime.fromisoformat("2026-11-30T23:59:00+00:00"),
        "reference": "W" * 8,
    }

    def there_is_one(self) -> bool:
        return bool(self._unanswered)

    def chosen_before(self) -> bool:
        """Whether the gift was chosen on the way here, and still waits."""
        return any(gift.id == self.answers.get("gift") for gift in self._unanswered)

    def gifts(self) -> list[Option]:
        """The gifts that wait, newest first; of those for a day to come, when that is."""
        return [self._line(gift) for gift in self._unanswered]

    def issuer(self) -> str:
        return self._chosen().issuer

    def amount(self) -> Money:
        return self._chosen().amount

    def recipient(self) -> Msisdn | Email:
        return self._chosen().recipient

    def recall(self) -> None:
        assert self.member is not None, "only givers get here"
        recalled = recalling.recall(
            self.db, self.rules, gift_id=str(self.answers["gift"]), giver=self.member, receipt=self.in_dialog()
        )
        self.answers.update(issuer=recalled.issuer, amount=recalled.amount, reference=recalled.reference)

    def _line(self, gift: Unanswered) -> Option:
        holes: dict[str, Value] = {"issuer": gift.issuer, "amount": gift.amount, "recipient": gift.recipient}
        if isinstance(gift.recipient, Email):
            holes["recipient"] = gift.recipient.short()
        if gift.sends_at is None:
            return Option(gift.id, "{issuer} {amount} to {recipient}", holes)
        return Option(gift.id, "{issuer} {amount} to {recipient} on {at}", {**holes, "at": gift.sends_at})

    def _chosen(self) -> Unanswered:
        """The gift this is about. Raises Refusal `gift_answered` when it no longer waits."""
        found = next((gift for gift in self._unanswered if gift.id == self.answers["gift"]), None)
        if found is None:
            raise Refusal("gift_answered")
        return found

    @cached_property
    def _unanswered(self) -> list[Unanswered]:
        """The member's gifts that wait, read once a turn."""
        return recalling.unanswered(self.db, self.member.id) if self.member else []
