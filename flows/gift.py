"""Gift: hand what you hold to another phone number, now or on a day you choose.

> GIFT                < Which one will you give? 1. Naivas KES 500 2. Giftline KES 1,000
> 1                   < How many of Naivas KES 500? 1 to 3.             (asked when there are more of the same)
> 2                   < Who is it for? Type their phone number.
> 0712 000 002        < Whose phone is it? Type the first name, or 0 to skip.       (asked when they are no member)
> Baraka              < Add a short message, or reply 0 for none.
> Happy birthday!     < The network says 0712 000002 is Baraka's phone. When should it arrive? 1. Now 2. On a day ...
> 1                   < Give Naivas KES 1,000 to 0712 000002? Message: "Happy birthday!" Enter your PIN to agree ...
> ****                < Done. We told 0712 000002 ... Ref 7KQ4MXW2.
"""

from datetime import datetime
from functools import cached_property

from bot import parsing
from bot.dialog import Ask, Choose, Detour, End, Go, Sign, move
from bot.parsing import NotUnderstood
from circulation import gifting, hours, names, sheets
from circulation.hours import NoSuchDay
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from flows.days import read_day
from flows.holding import Holding

WHEN = {"now": "Now", "later": "On a day you choose", "other": "Other phone number"}
WHOSE = ("member", "theirs", "not_theirs", "unchecked")


class Gift(Holding):
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
        Ask("recipient", "Who is it for? Type their phone number.", parse="a_phone"),
        Ask("name", "Whose phone is it? Type the first name, or 0 to skip.", parse="a_name", free=True, zero=True),
        Ask("note", "Add a short message, or reply 0 for none.", parse=parsing.note, free=True, zero=True),
        Choose("member", "{recipient} is {shown}. When should it arrive?", options=WHEN),
        Choose("theirs", "The network says {recipient} is {name}'s phone. When should it arrive?", options=WHEN),
        Choose(
            "not_theirs",
            "CAREFUL: the network says {recipient} is not {name}'s phone. When should it arrive?",
            options={"other": "Other phone number", "now": "Now all the same", "later": "On a day you choose"},
        ),
        Choose("unchecked", "{recipient}: name not checked. When should it arrive?", options=WHEN),
        Ask("day", "Which day? Type day and month, like 24 12.", parse="a_day"),
        Sign("confirm", 'Give {issuer} {amount} to {person}? Message: "{note}".'),
        Sign("confirm_no_note", "Give {issuer} {amount} to {person}?"),
        Sign("confirm_day", 'Give {issuer} {amount} to {person} on {day}? Message: "{note}".'),
        Sign("confirm_day_no_note", "Give {issuer} {amount} to {person} on {day}?"),
        End(
            "given",
            "Done. We told {recipient} about your gift {issuer} {amount}. You will hear when they answer. Ref {reference}.",
        ),
        End(
            "planned",
            "Done. We tell {recipient} about your gift {issuer} {amount} on {day}. To take it back text RECALL. "
            "Ref {reference}.",
        ),
        End("stopped", "Nothing was given."),
        Go("buy", flow="buy"),
    ]
    moves = [
        move("open", "start", "nothing", unless="holds_something"),
        move("open", "start", "pin", when="pin_missing"),
        move("open", "start", "certificate", unless="chosen_before"),
        move("open", "start", "sheets", when="has_more_like_it"),
        move("open", "start", "recipient"),
        move("buy", "nothing", "buy"),
        move("chosen", "pin", "certificate", unless="chosen_before"),
        move("chosen", "pin", "sheets", when="has_more_like_it"),
        move("chosen", "pin", "recipient"),
        move("answered", "certificate", "sheets", when="has_more_like_it"),
        move("answered", "certificate", "recipient"),
        move("answered", "sheets", "recipient"),
        move("answered", "recipient", "note", when="looked_enough"),
        move("answered", "recipient", "note", when="lets_us_see", do="see", refused="note"),
        move("answered", "recipient", "name", when="network_knows"),
        move("answered", "recipient", "note"),
        move("answered", "name", "note", when="named", do="ask_network", refused="note"),
        move("answered", "name", "note"),
        move("answered", "note", "member", when="seen"),
        move("answered", "note", "theirs", when="is_theirs"),
        move("answered", "note", "not_theirs", when="is_not_theirs"),
        move("answered", "note", "unchecked"),
        move(
            "now", "unchecked", "not_theirs", when="is_not_theirs"
        ),  # the network was slow, and has answered meanwhile
        move("later", "unchecked", "not_theirs", when="is_not_theirs"),
        *[
            row
            for whose in WHOSE
            for row in (
                move("now", whose, "confirm", when="with_note"),
                move("now", whose, "confirm_no_note"),
                move("later", whose, "day"),
                move("other", whose, "recipient"),
            )
        ],
        move("answered", "day", "confirm_day", when="with_note"),
        move("answered", "day", "confirm_day_no_note"),
        *[move("signed", sign, "given", do="give") for sign in ("confirm", "confirm_no_note")],
        *[move("signed", sign, "planned", do="plan") for sign in ("confirm_day", "confirm_day_no_note")],
        *[
            move("stopped", sign, "stopped")
            for sign in ("confirm", "confirm_no_note", "confirm_day", "confirm_day_no_note")
        ],
    ]
    holes = {
        "recipient": Msisdn("+254712345678"),
        "person": f"+254 712 345678 ({'W' * 40})",
        "shown": "W" * 40,
        "name": "W" * 40,
        "note": "\N{WRAPPED PRESENT}" * 80,
        "reference": "W" * 8,
        "issuer": "W" * 24,
        "amount": Money(900_000_050, "KES"),
        "worth": Money(100_000_050, "KES"),
        "most": 9,
        "day": datetime.fromisoformat("2026-11-30T23:59:00+00:00"),
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

    # For whom ---------------------------------------------------------------------------------------------------------
    def a_phone(self, text: str) -> Msisdn:
        number = parsing.msisdn(text, self.rules.country)
        if number == self.phone:
            raise Refusal("own_number")
        for learned in ("shown", "name", "check"):  # of a number that was typed before
            self.answers.pop(learned, None)
        return number

    def looked_enough(self) -> bool:
        return not names.may_look(self.db, self._giver(), self._recipient())

    def lets_us_see(self) -> bool:
        return bool(names.shown(self.db, self._recipient()))

    def see(self) -> None:
        self.answers["shown"] = names.see(self.db, self._giver(), self._recipient())

    def network_knows(self) -> bool:
        return self.rules.name_checks

    def a_name(self, text: str) -> str:
        return "" if parsing.fold_digits(parsing.tidy(text)) == "0" else parsing.name(text)

    def named(self) -> bool:
        return bool(self.answers["name"])

    def ask_network(self) -> None:
        self.answers["check"] = names.ask(self.db, self._giver(), self._recipient(), str(self.answers["name"]))

    def seen(self) -> bool:
        return bool(self.answers.get("shown"))

    def is_theirs(self) -> bool:
        return self._network_says() == "match"

    def is_not_theirs(self) -> bool:
        return self._network_says() == "no_match"

    def person(self) -> str:
        """The number, and whose it is: a member who lets it be seen, or the person the network knows it to be."""
        number = self._recipient().national(self.rules.country)
        whose = self.answers.get("shown") or (self.is_theirs() and self.answers["name"])
        return f"{number} ({whose})" if whose else number

    # When -------------------------------------------------------------------------------------------------------------
    def a_day(self, text: str) -> datetime:
        languages = dict.fromkeys((self._giver().language, "en"))
        day, month, year = read_day(text, languages)
        zone = hours.zone_of(self._recipient(), self.rules.zone)
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
            recipient=self._recipient(),
            note=str(self.answers["note"]),
            receipt=self.by_ussd(),
            sends_at=sends_at,
        )

    def _giver(self) -> Member:
        assert self.member is not None, "only holders get here"
        return self.member

    def _recipient(self) -> Msisdn:
        recipient = self.answers["recipient"]
        assert isinstance(recipient, Msisdn), "a number was parsed"
        return recipient

    def _network_says(self) -> names.Known:
        check = self.answers.get("check")
        return names.known(self.db, int(str(check))) if check else "unknown"

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
