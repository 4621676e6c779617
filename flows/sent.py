"""Sent: what became of the gifts you gave, and what you can do while one waits for its answer.

> SENT                < Your gifts of the last 30 days: 1. Naivas KES 500 to 0712 000002: delivered 2. ...
> 1                   < Naivas KES 500 for 0712 000002: sent 1 Mar 14:02 by MMS, delivered 1 Mar 14:03, not answered yet.
                        1. Another number 2. Call them 3. Send the text again 4. Take it back
"""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property

from bot.dialog import Choose, End, Go, Option, move
from circulation import delivery, gifting, ladder, redirecting
from circulation.delivery import Progress
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.unreached import SENTENCES
from flows.waiting_gift import WaitingGift

LINES = {
    "planned": "{issuer} {amount} to {recipient}: for a day to come",
    "queued": "{issuer} {amount} to {recipient}: on its way",
    "to_call": "{issuer} {amount} to {recipient}: to be called",
    "sent": "{issuer} {amount} to {recipient}: sent",
    "calling": "{issuer} {amount} to {recipient}: being called",
    "delivered": "{issuer} {amount} to {recipient}: delivered",
    "called": "{issuer} {amount} to {recipient}: was called",
    "unreached": "{issuer} {amount} to {recipient}: not reached",
    "accepted": "{issuer} {amount} to {recipient}: accepted",
    "used_partly": "{issuer} {amount} to {recipient}: used in part",
    "used": "{issuer} {amount} to {recipient}: used",
    "declined": "{issuer} {amount} to {recipient}: refused",
    "lapsed": "{issuer} {amount} to {recipient}: not answered",
    "recalled": "{issuer} {amount} to {recipient}: taken back",
}
"""Each gift in a line, by the furthest it has come."""

FORMS = {"sms": "SMS", "mms": "MMS", "email": "e-mail"}
WAITING = (
    "planned",
    "queued",
    "to_call",
    "sent",
    "calling",
    "delivered",
    "called",
    *(f"not_{why}" for why in SENTENCES),
)
ENDED = ("accepted", "used_partly", "used", "declined", "lapsed", "recalled")


def _how_far(gift: Progress) -> str:
    """The furthest a gift has come; a call is no message."""
    if gift.form == "voice" and gift.stage in ("queued", "sent", "delivered"):
        return "called" if gift.stage == "delivered" else "calling"
    return gift.stage


def _at(place: str) -> Callable[["Sent"], bool]:
    """Whether the chosen gift is at this step."""

    def is_there(flow: "Sent") -> bool:
        return flow.place == place

    return is_there


class Sent(WaitingGift):
    title = "Gifts you sent"
    keywords = {"SENT": "open", "NILIZOTUMA": "open"}
    steps = [
        End("none", "You sent no gift in the last 30 days."),
        Choose("gift", "Your gifts of the last 30 days:", options="gifts", drop="restart"),
        Choose("planned", "{issuer} {amount} goes to {recipient} on {at}.", options="ways", drop="restart"),
        Choose("queued", "{issuer} {amount} for {recipient} is on its way.", options="ways", drop="restart"),
        Choose("to_call", "We call {recipient} about {issuer} {amount} on {at}.", options="ways", drop="restart"),
        Choose(
            "sent",
            "{issuer} {amount} for {recipient}: sent {at} by {form}. No word yet whether it arrived. Not answered yet.",
            options="ways",
            drop="restart",
        ),
        Choose("calling", "{recipient} is being called about {issuer} {amount}.", options="ways", drop="restart"),
        Choose(
            "delivered",
            "{issuer} {amount} for {recipient}: sent {sent_at} by {form}, delivered {at}, not answered yet.",
            options="ways",
            drop="restart",
        ),
        Choose(
            "called",
            "{recipient} was called {at} about {issuer} {amount}, and has not answered yet.",
            options="ways",
            drop="restart",
        ),
        *[Choose(f"not_{why}", sentence, options="ways", drop="restart") for why, sentence in SENTENCES.items()],
        Choose(
            "accepted", "{recipient} accepted {issuer} {amount} on {at}. Ref {reference}.", options={}, drop="leave"
        ),
        Choose(
            "used_partly",
            "{recipient} accepted {issuer} {amount} on {at} and has used {spent} of it. Ref {reference}.",
            options={},
            drop="leave",
        ),
        Choose(
            "used",
            "{recipient} accepted {issuer} {amount} on {at} and has used all of it. Ref {reference}.",
            options={},
            drop="leave",
        ),
        Choose(
            "declined",
            "{recipient} refused {issuer} {amount} on {at}. It is back with you. Ref {reference}.",
            options={},
            drop="leave",
        ),
        Choose(
            "lapsed",
            "{recipient} did not answer {issuer} {amount} until {at}. It comes back to you. Ref {reference}.",
            options={},
            drop="leave",
        ),
        Choose("recalled", "You took back {issuer} {amount} on {at}. Ref {reference}.", options={}, drop="leave"),
        End("call_later", "It is night there. We call {recipient} on {call_at}."),
        End("call_now", "We are calling {recipient} now."),
        End("again", "Done. We text {recipient} again."),
        End("gone", "It stays as it is."),
        Go("redirect", flow="redirect", carry={"gift": "gift"}),
        Go("recall", flow="recall", carry={"gift": "gift"}),
    ]
    moves = [
        move("open", "start", "none", unless="there_is_one"),
        move("open", "start", "gift"),
        *[move("answered", "gift", stage, when=f"is_{stage}") for stage in (*WAITING, *ENDED[:-1])],
        move("answered", "gift", "recalled"),
        *[
            row
            for stage in WAITING
            for row in (
                move("another", stage, "redirect"),
                move("call", stage, "call_now", when="by_day", do="call", refused="gone"),
                move("call", stage, "call_later", do="call", refused="gone"),
                move("again", stage, "again", do="text_again", refused="gone"),
                move("recall", stage, "recall"),
            )
        ],
    ]
    holes = {
        "issuer": "W" * 24,
        "amount": Money(900_000_050, "KES"),
        "spent": Money(900_000_050, "KES"),
        "recipient": Msisdn("+254712345678"),
        "at": datetime.fromisoformat("2026-11-30T23:59:00+00:00"),
        "sent_at": datetime.fromisoformat("2026-11-30T23:59:00+00:00"),
        "call_at": datetime.fromisoformat("2026-11-30T23:59:00+00:00"),
        "form": "e-mail",
        "reference": "W" * 8,
    }

    def there_is_one(self) -> bool:
        return bool(self._given)

    def gifts(self) -> list[Option]:
        """The gifts given, newest first, each with how far it has come."""
        return [
            Option(
                gift.gift_id,
                LINES[_how_far(gift)],
                {"issuer": gift.issuer, "amount": gift.amount, "recipient": gift.recipient},
            )
            for gift in self._given
        ]

    is_planned = _at("planned")
    is_queued = _at("queued")
    is_to_call = _at("to_call")
    is_sent = _at("sent")
    is_calling = _at("calling")
    is_delivered = _at("delivered")
    is_called = _at("called")
    is_not_unknown = _at("not_unknown")
    is_not_no_texts = _at("not_no_texts")
    is_not_off = _at("not_off")
    is_not_blocked = _at("not_blocked")
    is_not_opted_out = _at("not_opted_out")
    is_not_no_answer = _at("not_no_answer")
    is_not_no_route = _at("not_no_route")
    is_not_mail = _at("not_mail")
    is_not_other = _at("not_other")
    is_accepted = _at("accepted")
    is_used_partly = _at("used_partly")
    is_used = _at("used")
    is_declined = _at("declined")
    is_lapsed = _at("lapsed")

    @property
    def place(self) -> str:
        """The step that tells how far the chosen gift has come."""
        how_far = _how_far(self._chosen)
        return f"not_{self._chosen.why or 'other'}" if how_far == "unreached" else how_far

    def ways(self) -> list[Option]:
        """What can be done about a gift that waits; nothing about one that is not the giver's alone but a call or a text."""
        gift, ways = self._chosen, list[Option]()
        if gift.theirs_alone:
            ways.append(Option("another", "Another number", trigger="another"))
        if self.place not in ("to_call", "calling") and ladder.may_call(
            self.db, self.rules, gift.gift_id, gift.recipient
        ):
            ways.append(Option("call", "Call them", trigger="call"))
        if redirecting.may_text(self.db, self.rules, gift.gift_id, gift.recipient):
            ways.append(Option("again", "Send the text again", trigger="again"))
        if gift.theirs_alone:
            ways.append(Option("recall", "Take it back", trigger="recall"))
        return ways

    def reference(self) -> str:
        return self._chosen.reference

    def spent(self) -> Money:
        return self._chosen.used

    def form(self) -> str:
        return FORMS.get(self._chosen.form, "SMS")

    def at(self) -> datetime:
        at = self._chosen.at
        assert at is not None, "what is told with its time has one"
        return at

    def sent_at(self) -> datetime:
        return self._chosen.sent_at or self.at()

    def text_again(self) -> None:
        redirecting.text_again(self.db, self.rules, gift_id=self._remember().gift_id, giver=self._giver())

    def gift_shown(self) -> Progress:
        return self._chosen

    @cached_property
    def _given(self) -> list[Progress]:
        """The member's gifts, read once a turn."""
        return delivery.given(self.db, self.member.id) if self.member else []

    @cached_property
    def _chosen(self) -> Progress:
        """The gift this is about, as it is now. Raises Refusal `gift_answered` when it is no longer listed."""
        found = next((gift for gift in self._given if gift.gift_id == self.answers["gift"]), None)
        if found is None:
            raise gifting.ended("unknown")
        return found
