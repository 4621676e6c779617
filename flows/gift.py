"""Gift: hand what you hold to another phone number, or to an e-mail address, now or on a day you choose.

> GIFT                < Which one will you give? 1. Naivas KES 500 2. Giftline KES 1,000
> 1                   < How many of Naivas KES 500? 1 to 3.             (asked when there are more of the same)
> 2                   < Who is it for? Type their phone number.
> 0712 000 002        < Whose phone is it? Type the first name, or 0 to skip.       (asked when they are no member)
> Baraka              < Add a short message, or reply 0 for none.
> Happy birthday!     < Pack something with it? 1. Nothing 2. Ringtone ...    (flows/packing.py; when there is anything)
> 1                   < The network says 0712 000002 is Baraka's phone. When should it arrive? 1. Now 2. On a day ...
> 1                   < Give Naivas KES 1,000 to 0712 000002? Message: "Happy birthday!" Enter your PIN to agree ...
> ****                < Done. We told 0712 000002 ... Ref 7KQ4MXW2.
"""

from datetime import datetime
from functools import cached_property

from bot import parsing
from bot.dialog import Ask, Choose, Detour, End, Go, Sign, move
from bot.parsing import NotUnderstood
from circulation import gifting, hours, sheets
from circulation.hours import NoSuchDay
from circulation.money import Money
from circulation.refusals import Refusal
from flows import packing, recipient
from flows.days import read_day
from flows.holding import Holding
from flows.packing import Packing
from flows.recipient import ForWhom, for_whom

WHEN = {"now": "Now", "later": "On a day you choose", "other": "Other phone number"}
WHOSE = ("member", "theirs", "not_theirs", "unchecked", "by_mail")
NOW = ("confirm", "confirm_no_note", "confirm_packed", "confirm_packed_no_note")
ON_A_DAY = ("confirm_day", "confirm_day_no_note", "confirm_day_packed", "confirm_day_packed_no_note")


class Gift(ForWhom, Packing, Holding):
    title = "Gift"
    keywords = {"GIFT": "open", "GIVE": "open", "SEND": "open", "ZAWADI": "open"}
    steps = [
        Choose(
            "nothing",
            "You hold nothing to give yet.",
            options={"buy": "Buy a certificate"},
            drop="leave",
        ),
        Detour("pin", flow="pin"),
        Choose("certificate", "Which one will you give?", options="held", drop="restart"),
        Ask("sheets", "How many of {issuer} {worth}? 1 to {most}.", parse="count"),
        *recipient.STEPS,
        Ask("note", "Add a short message, or reply 0 for none.", parse=parsing.note, free=True, zero=True),
        *packing.STEPS,
        Choose("member", "{recipient} is {shown}. When should it arrive?", options=WHEN),
        Choose("theirs", "The network says {recipient} is {name}'s phone. When should it arrive?", options=WHEN),
        Choose(
            "not_theirs",
            "CAREFUL: the network says {recipient} is not {name}'s phone. When should it arrive?",
            options={"other": "Other phone number", "now": "Now all the same", "later": "On a day you choose"},
        ),
        Choose("unchecked", "{recipient}: name not checked. When should it arrive?", options=WHEN),
        Choose(
            "by_mail",
            "{recipient} gets it by e-mail. When should it arrive?",
            options={"now": "Now", "later": "On a day you choose", "other": "Somebody else"},
        ),
        Ask("day", "Which day? Type day and month, like 24 12.", parse="a_day"),
        Sign("confirm", 'Give {issuer} {amount} to {person}? Message: "{note}".'),
        Sign("confirm_no_note", "Give {issuer} {amount} to {person}?"),
        Sign("confirm_day", 'Give {issuer} {amount} to {person} on {day}? Message: "{note}".'),
        Sign("confirm_day_no_note", "Give {issuer} {amount} to {person} on {day}?"),
        Sign("confirm_packed", 'Give {issuer} {amount} to {person}, packed with {titles}? Message: "{note}".'),
        Sign("confirm_packed_no_note", "Give {issuer} {amount} to {person}, packed with {titles}?"),
        Sign(
            "confirm_day_packed",
            'Give {issuer} {amount} to {person} on {day}, packed with {titles}? Message: "{note}".',
        ),
        Sign("confirm_day_packed_no_note", "Give {issuer} {amount} to {person} on {day}, packed with {titles}?"),
        End(
            "given",
            "Done. We told {recipient} about your gift {issuer} {amount}. You will hear when they answer. Ref {reference}.",
        ),
        End(
            "planned",
            "Done. We tell {recipient} about your gift {issuer} {amount} on {day}. To take it back text RECALL. "
            "Ref {reference}.",
        ),
        End(
            "given_untold",
            "Done. {recipient} takes no texts from us: please tell them to dial {service_code} for your gift "
            "{issuer} {amount}. Ref {reference}.",
        ),
        End(
            "planned_untold",
            "Done. {recipient} takes no texts from us: please tell them to dial {service_code} on {day} for your gift "
            "{issuer} {amount}. Ref {reference}.",
        ),
        End("stopped", "Nothing was given."),
        Go("buy", flow="buy"),
    ]
    moves = [
        move("open", "start", "nothing", unless="holds_something"),
        move("open", "start", "pin", when="pin_missing"),
        move("open", "start", "certificate", unless="chosen_before"),
        move("open", "start", "sheets", when="has_more_like_it"),
        *for_whom("open", "start"),
        move("buy", "nothing", "buy"),
        move("chosen", "pin", "certificate", unless="chosen_before"),
        move("chosen", "pin", "sheets", when="has_more_like_it"),
        *for_whom("chosen", "pin"),
        move("answered", "certificate", "sheets", when="has_more_like_it"),
        *for_whom("answered", "certificate"),
        *for_whom("answered", "sheets"),
        *recipient.MOVES,
        move("answered", "note", "pack", when="may_pack"),
        *packing.MOVES,
        *[
            row
            for trigger, at in (("answered", "note"), ("nothing", "pack"), ("ready", "packed"), ("ready", "previewed"))
            for row in (
                move(trigger, at, "by_mail", when="is_email"),
                move(trigger, at, "member", when="seen"),
                move(trigger, at, "theirs", when="is_theirs"),
                move(trigger, at, "not_theirs", when="is_not_theirs"),
                move(trigger, at, "unchecked"),
            )
        ],
        move(
            "now", "unchecked", "not_theirs", when="is_not_theirs"
        ),  # the network was slow, and has answered meanwhile
        move("later", "unchecked", "not_theirs", when="is_not_theirs"),
        *[
            row
            for whose in WHOSE
            for row in (
                move("now", whose, "confirm_packed", when="packed_with_note"),
                move("now", whose, "confirm_packed_no_note", when="packed"),
                move("now", whose, "confirm", when="with_note"),
                move("now", whose, "confirm_no_note"),
                move("later", whose, "day"),
                *for_whom("other", whose),
            )
        ],
        move("answered", "day", "confirm_day_packed", when="packed_with_note"),
        move("answered", "day", "confirm_day_packed_no_note", when="packed"),
        move("answered", "day", "confirm_day", when="with_note"),
        move("answered", "day", "confirm_day_no_note"),
        *[
            row
            for sign in NOW
            for row in (
                move("signed", sign, "given_untold", when="takes_no_texts", do="give"),
                move("signed", sign, "given", do="give"),
            )
        ],
        *[
            row
            for sign in ON_A_DAY
            for row in (
                move("signed", sign, "planned_untold", when="takes_no_texts", do="plan"),
                move("signed", sign, "planned", do="plan"),
            )
        ],
        *[move("stopped", sign, "stopped") for sign in (*NOW, *ON_A_DAY)],
    ]
    unfinished = "Your gift of {issuer} {amount} to {recipient} is not sent yet."
    worth_saving = "recipient"
    holes = {
        "note": "\N{WRAPPED PRESENT}" * 80,
        "reference": "W" * 8,
        "service_code": "*384*4438*999#",
        "issuer": "W" * 24,
        "amount": Money(900_000_050, "KES"),
        "worth": Money(100_000_050, "KES"),
        "most": 9,
        "day": datetime.fromisoformat("2026-11-30T23:59:00+00:00"),
        **recipient.HOLES,
        **packing.HOLES,
    }

    # Which, and how many ----------------------------------------------------------------------------------------------
    def has_more_like_it(self) -> bool:
        return self.most() > 1

    def most(self) -> int:
        return len(self._alike)

    def worth(self) -> Money:
        return self.chosen.balance

    def count(self, text: str) -> int:
        sheets_wanted = parsing.quantity(text, self.most())
        self.answers["counted"] = self.answers["certificate"]
        return sheets_wanted

    def amount(self) -> Money:
        return self.chosen.balance * self._count()

    # When -------------------------------------------------------------------------------------------------------------
    def a_day(self, text: str) -> datetime:
        languages = dict.fromkeys((self._giver().language, "en"))
        day, month, year = read_day(text, languages)
        zone = hours.zone_of(self._to(), self.rules.zone)
        try:
            arrives = hours.arrival(hours.now(self.db), zone, day=day, month=month, year=year)
        except NoSuchDay as none:
            if none.why == "past":
                raise NotUnderstood("That day is over. Type a day to come, like 24 12.") from none
            if none.why == "far":
                raise NotUnderstood("That day is too far away: a gift waits at most a year.") from none
            raise NotUnderstood("There is no such day. Type day and month, like 24 12.") from none
        sheets.check(self.db, self.rules, self._giver(), self._certificates(), arrives)
        return arrives

    def with_note(self) -> bool:
        return bool(self.answers["note"])

    def service_code(self) -> str:
        return self.rules.service_code

    def packed_with_note(self) -> bool:
        return self.packed() and self.with_note()

    # Giving -----------------------------------------------------------------------------------------------------------
    def give(self) -> None:
        self._give(None)

    def plan(self) -> None:
        day = self.answers["day"]
        assert isinstance(day, datetime), "a day was parsed"
        self._give(day)

    def _give(self, sends_at: datetime | None) -> None:
        certificates = self._certificates()
        self.answers["issuer"], self.answers["amount"] = self.issuer(), self.amount()
        self.answers["reference"] = gifting.give(
            self.db,
            self.rules,
            gift_id=self.id,
            giver=self._giver(),
            certificates=certificates,
            recipient=self._to(),
            note=str(self.answers["note"]),
            receipt=self.in_dialog(),
            sends_at=sends_at,
            packed=self.pieces(),
        )

    def _count(self) -> int:
        """How many sheets; what was said of another certificate, before going back, does not count."""
        asked = self.answers.get("counted") == self.answers["certificate"]
        return int(str(self.answers["sheets"])) if asked else 1

    def _certificates(self) -> list[int]:
        """The chosen one, and as many of those like it as were asked for. Raises Refusal `fewer_sheets`."""
        count = self._count()
        chosen = int(str(self.answers["certificate"]))
        if count == 1:
            return [chosen]
        if self.most() < count:
            raise Refusal("fewer_sheets")
        return self._alike[:count]

    @cached_property
    def _alike(self) -> list[int]:
        """The sheets that may be given together, the chosen one first; read once a turn."""
        return sheets.alike(self.db, self.rules, self._giver(), int(str(self.answers["certificate"])))
