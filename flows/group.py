"""Group: several people pay for one gift. Joined by number, called off by who began it; begun in begin_group.

> GROUP               < Give together. To join type the group's number; 1 to begin a group gift; 2 for those you began.

> GROUP 482913        < Amina gives Soko Bora KES 500 with others (phone ...003). Your part, KES 170, goes on ...
> ****                < Done. Your part of KES 170 is on your phone bill: 2 of 3 parts are in. Ref 7KQ4MXW2.
"""

import re
from datetime import datetime
from functools import cached_property

from bot import parsing
from bot.dialog import Ask, Choose, Detour, End, Go, Option, Sign, move
from bot.parsing import NotUnderstood
from circulation import group_records, groups, sales
from circulation.group_records import MOST
from circulation.money import Money
from circulation.refusals import Refusal
from flows.part_paying import AFTER_DETOURS, PartPaying, to_member


class Group(PartPaying):
    title = "Group gift"
    keywords = {"GROUP": "open", "KIKUNDI": "open"}
    steps = [
        Ask(
            "what",
            "Give together. To join type the group's number; 1 to begin a group gift; 2 for those you began.",
            parse="a_number",
        ),
        Go("begin", flow="begin_group"),
        Choose(
            "again",
            "You have a part in this group gift. Pay one more?",
            options={"more": "One more part", "enough": "No"},
        ),
        Detour("joining", flow="join"),
        Detour("pin", flow="pin"),
        Choose("rail", "How will you pay {part}?", options="rails"),
        Sign(
            "on_bill",
            "{organiser} gives {issuer_name} {worth} with others (phone ...{ending}). "
            "Your part, {part}, goes on your phone bill.",
        ),
        Sign(
            "asked",
            "{organiser} gives {issuer_name} {worth} with others (phone ...{ending}). "
            "We ask you for your part, {part}, next.",
        ),
        End(
            "joined",
            "Done. Your part of {part} is on your phone bill: {paid} of {parts} parts are in. Ref {reference}.",
        ),
        End("joined_asked", "Your place is kept. A text says how to pay your part of {part}. Ref {reference}."),
        Choose("mine", "Group gifts you began:", options="organised", drop="leave"),
        Choose(
            "one",
            "Group {number}: {issuer_name} {worth}, {paid} of {parts} parts are in. Open until {until}.",
            options={"call_off": "Call it off"},
            drop="leave",
        ),
        Sign("calling_off", "Call off group gift {number}? Everyone who paid gets it back."),
        End("called_off", "Group gift {number} is called off. Everyone who paid gets it back and is told."),
        End("stopped", "Nothing was paid."),
        End("none", "You began no group gift that is still open."),
        End("kept", "Group gift {number} goes on."),
        Go("home", flow="menu"),
    ]
    moves = [
        move("open", "start", "what"),
        move("answered", "what", "begin", when="begins"),
        move("answered", "what", "mine", when="organises_one"),
        move("answered", "what", "none", when="looks_at_own"),
        move("answered", "what", "again", when="takes_part"),
        *to_member("answered", "what"),
        *to_member("more", "again"),
        move("enough", "again", "stopped"),
        *AFTER_DETOURS,
        move("signed", "on_bill", "joined", do="take_part"),
        move("signed", "asked", "joined_asked", do="take_part"),
        move("answered", "mine", "one"),
        move("call_off", "one", "calling_off"),
        move("signed", "calling_off", "called_off", do="call_off"),
        move("stopped", "calling_off", "kept"),
    ]
    unfinished = "Your part of {part} in a group gift is not paid yet."
    worth_saving = "part"
    holes = {
        "issuer_name": "W" * 24,
        "worth": Money(100_000_000, "KES"),
        "ending": "678",
        "parts": MOST,
        "paid": MOST,
        "part": Money(50_050_050, "KES"),
        "organiser": "W" * 40,
        "number": "999999",
        "until": datetime.fromisoformat("2026-11-30T23:59:00+00:00"),
        "reference": "W" * 8,
    }

    @classmethod
    def typed_ahead(cls, trigger: str, rest: str) -> list[str] | None:  # noqa: ARG003 - there is one trigger
        """`GROUP 482913` joins that group."""
        return [rest] if rest else []

    # Joining ----------------------------------------------------------------------------------------------------------
    def a_number(self, text: str) -> str:
        """A group's number, found; or 1 or 2."""
        typed = parsing.fold_digits(parsing.tidy(text)).replace(" ", "")
        if typed in ("1", "2"):
            return typed
        if not re.fullmatch(r"[0-9]{6}", typed):
            raise NotUnderstood("Type the 6 digits of the group's number, or 1 or 2.")
        group = groups.find(self.db, self.rules, number=typed, asker=self.phone)
        if group.next_part is None:
            raise Refusal("group_full")
        if self.member:
            sales.ways(self.db, self.rules, self.member, group.next_part)
        self.answers.update(group=group.id, part=group.next_part)
        return typed

    def begins(self) -> bool:
        return self.answers["what"] == "1"

    def looks_at_own(self) -> bool:
        return self.answers["what"] == "2"

    def organises_one(self) -> bool:
        return self.looks_at_own() and bool(self.organised())

    def takes_part(self) -> bool:
        return self.member is not None and group_records.takes_part(self.db, self._group.id, self.member)

    def organiser(self) -> str:
        return self._group.organiser

    def ending(self) -> str:
        """The last digits of the recipient's number: enough for who was asked to join, of no use to who was not."""
        return self._group.recipient.e164[-3:]

    def take_part(self) -> None:
        part, member = self.answers["part"], self.member
        assert member is not None and isinstance(part, Money), "only members get here, and only with a part"
        joined = groups.join(
            self.db,
            self.rules,
            part_id=self.id,
            giver=member,
            group_id=self._group.id,
            expected=part,
            rail=self.rail(),
            again="again" in self.answers,
        )
        self.answers["reference"] = joined.reference

    # Those that were begun --------------------------------------------------------------------------------------------
    def organised(self) -> list[Option]:
        mine = group_records.organised(self.db, self.member) if self.member else []
        return [
            Option(
                group.id,
                "Group {number}: {issuer_name} {worth}, {paid} of {parts}",
                {
                    "number": group.number,
                    "issuer_name": group.issuer,
                    "worth": group.worth,
                    "paid": group.paid,
                    "parts": group.parts,
                },
            )
            for group in mine
        ]

    def call_off(self) -> None:
        assert self.member is not None, "only who began one gets here"
        groups.call_off(self.db, group_id=self._group.id, organiser=self.member)

    # What a group gift is about ---------------------------------------------------------------------------------------
    def number(self) -> str:
        return self._group.number

    def parts(self) -> int:
        return self._group.parts

    def paid(self) -> int:
        return self._group.paid

    def until(self) -> datetime:
        return self._group.closes_at

    def issuer_name(self) -> str:
        return self._group.issuer

    def worth(self) -> Money:
        return self._group.worth

    @cached_property
    def _group(self) -> group_records.Group:
        """The group gift this conversation is about, as it is now. Read once a turn."""
        group = group_records.get(self.db, str(self.answers.get("mine") or self.answers["group"]))
        if group is None:
            raise Refusal("group_unknown")
        return group
