"""Begin a group gift: what and for whom, in how many parts, until when; the first part is the organiser's.

< What kind of certificate? ...                                                 (kind, issuer and value as in Buy)
> 2                   < Who is it for? Type their phone number.
> 0712 000 003        < Add a short message, or reply 0 for none.
> 0                   < It costs KES 510. How many share it, 2 to 20? Or type what each pays, like KES 100.
> 3                   < How many days may they take? 1 to 30, or 0 for 7.
> 0                   < Soko Bora KES 500 for 0712 000003 in 3 parts of KES 170 (last: KES 170). Yours, ...
> ****                < Done. Group number 482913. Others text GROUP 482913 or dial *384*4438#, until 8 Mar 10:00.
"""

import re
from datetime import datetime
from functools import cached_property

from bot import parsing
from bot.dialog import Ask, Choose, Detour, End, Go, Option, Sign, move
from bot.parsing import NotUnderstood
from circulation import catalogue, group_records, groups, sales, sending_limits
from circulation.catalogue import KINDS, Denomination
from circulation.group_records import FEWEST, MOST, Shares
from circulation.groups import DAYS, MOST_DAYS
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from flows.part_paying import AFTER_DETOURS, PartPaying, to_member


class BeginGroup(PartPaying):
    title = "Begin a group gift"
    steps = [
        Choose("kind", "What kind of certificate?", options="kinds", drop="restart"),
        Choose("issuer", "Whose certificate?", options="issuers"),
        Choose("price", "Which value?", options="prices"),
        Ask("recipient", "Who is it for? Type their phone number.", parse="a_phone"),
        Ask("note", "Add a short message, or reply 0 for none.", parse=parsing.note, free=True, zero=True),
        Ask(
            "parts",
            "It costs {cost}. How many share it, {fewest} to {most}? Or type what each pays, like {like}.",
            parse="a_share",
        ),
        Ask("days", "How many days may they take? 1 to {most_days}, or 0 for {usual_days}.", parse="a_time", zero=True),
        Detour("joining", flow="join"),
        Detour("pin", flow="pin"),
        Choose("rail", "How will you pay {part}?", options="rails"),
        Sign(
            "on_bill",
            "{issuer_name} {worth} for {recipient} in {parts} parts of {each} (last: {last}). "
            "Yours, {part}, goes on your phone bill.",
        ),
        Sign(
            "asked",
            "{issuer_name} {worth} for {recipient} in {parts} parts of {each} (last: {last}). "
            "We ask you for yours, {part}, next.",
        ),
        End("begun", "Done. Group number {number}. Others text GROUP {number} or dial {service_code}, until {until}."),
        End(
            "begun_asked",
            "Group number {number}. A text says how to pay your part. Others text GROUP {number} until {until}.",
        ),
        End("stopped", "Nothing was paid."),
        Go("home", flow="menu"),
    ]
    moves = [
        move("open", "start", "kind"),
        move("answered", "kind", "issuer"),
        move("answered", "issuer", "price"),
        move("answered", "price", "recipient"),
        move("answered", "recipient", "note"),
        move("answered", "note", "parts"),
        move("answered", "parts", "days"),
        *to_member("answered", "days"),
        *AFTER_DETOURS,
        move("signed", "on_bill", "begun", do="start_it"),
        move("signed", "asked", "begun_asked", do="start_it"),
    ]
    unfinished = "Your group gift {issuer_name} {worth} for {recipient} is not begun yet."
    worth_saving = "recipient"
    holes = {
        "issuer_name": "W" * 24,
        "worth": Money(100_000_000, "KES"),
        "fee": Money(100_050, "KES"),
        "name": "W" * 24,
        "cost": Money(100_100_050, "KES"),
        "like": Money(10_000_000, "KES"),
        "fewest": FEWEST,
        "most": MOST,
        "most_days": MOST_DAYS,
        "usual_days": DAYS,
        "recipient": Msisdn("+254712345678"),
        "parts": MOST,
        "part": Money(50_050_050, "KES"),
        "each": Money(50_050_050, "KES"),
        "last": Money(50_050_050, "KES"),
        "number": "999999",
        "until": datetime.fromisoformat("2026-11-30T23:59:00+00:00"),
        "service_code": "*384*4438*999#",
    }

    def kinds(self) -> list[Option]:
        return [Option(kind, KINDS[kind]) for kind in catalogue.kinds(self.db)]

    def issuers(self) -> list[Option]:
        issuers = catalogue.issuers(self.db, str(self.answers["kind"]))
        return [Option(issuer.id, "{name}", {"name": issuer.name}) for issuer in issuers]

    def prices(self) -> list[Option]:
        prices = catalogue.denominations(self.db, int(str(self.answers["issuer"])))
        return [Option(price.id, "{worth} (fee {fee})", {"worth": price.worth, "fee": price.fee}) for price in prices]

    def a_phone(self, text: str) -> Msisdn:
        number = parsing.msisdn(text, self.rules.country, self.rules.countries)
        if number == self.phone:
            raise Refusal("own_number")
        sending_limits.check(self.db, self.rules, self.member, number)
        return number

    def a_share(self, text: str) -> int:
        """How many givers, or what each pays; and with it every part as it will be shown and charged."""
        cost, typed = self.cost(), parsing.fold_digits(parsing.tidy(text))
        if re.fullmatch(r"[0-9]{1,2}", typed) and int(typed) <= MOST:
            shares = group_records.among(cost, int(typed))
        else:
            each = parsing.amount(text, cost.currency, self.rules.most_amount_minor)
            shares = group_records.of(cost, Money(each, cost.currency))
        if self.member:
            sales.ways(self.db, self.rules, self.member, shares.part)
        self.answers.update(each=shares.part, last=shares.last, part=shares.part)
        return shares.parts

    def a_time(self, text: str) -> int:
        return DAYS if parsing.tidy(text) == "0" else parsing.quantity(text, MOST_DAYS)

    def cost(self) -> Money:
        return sales.cost(self._price, 1)

    def like(self) -> Money:
        """A sum to type, as an example: a fifth of the worth."""
        return Money(self._price.worth.amount_minor // 5, self._price.worth.currency)

    def fewest(self) -> int:
        return FEWEST

    def most(self) -> int:
        return MOST

    def most_days(self) -> int:
        return MOST_DAYS

    def usual_days(self) -> int:
        return DAYS

    def issuer_name(self) -> str:
        return self._price.issuer

    def worth(self) -> Money:
        return self._price.worth

    def start_it(self) -> None:
        member, recipient = self.member, self.answers["recipient"]
        each, last = self.answers["each"], self.answers["last"]
        assert member is not None and isinstance(recipient, Msisdn), "only members get here, and only with a number"
        assert isinstance(each, Money) and isinstance(last, Money), "the parts were shown"
        groups.begin(
            self.db,
            self.rules,
            group_id=self.id,
            organiser=member,
            denomination_id=self._price.id,
            expected=self.cost(),
            recipient=recipient,
            note=str(self.answers["note"]),
            shares=Shares(int(str(self.answers["parts"])), each, last),
            days=int(str(self.answers["days"])),
            rail=self.rail(),
            receipt=self.in_dialog(),
        )
        group = group_records.get(self.db, self.id)
        assert group is not None, "it was begun a moment ago"
        self.answers.update(number=group.number, until=group.closes_at)

    @cached_property
    def _price(self) -> Denomination:
        """The price that was chosen, as it is now. Read once a turn."""
        price = catalogue.denomination(self.db, int(str(self.answers["price"])))
        if price is None:
            raise NotUnderstood("That value is no longer sold. Reply 00 for the menu.")
        return price
