"""For whom: the part of a gift in which the giver names the recipient, and learns whose phone that is.

< Who is it for? Type their phone number.
> 0712 000 002        < Whose phone is it? Type the first name, or 0 to skip.       (asked when they are no member)
> Baraka              (goes on with the gift; the answer of the network is told before it is given)
"""

from collections.abc import Mapping, Sequence

from bot import parsing
from bot.dialog import Ask, Flow, Move, Step, move
from bot.parsing import NotUnderstood
from circulation import email_address, emailed, names, sending_limits, wishes
from circulation.email_address import LONGEST_TYPED, Email
from circulation.members import Member
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.values import Value

ASKED = ("recipient", "anyone")
"""Where it is asked for whom it is: the second where e-mail is carried as well."""
STEPS: Sequence[Step] = (
    Ask("recipient", "Who is it for? Type their phone number.", parse="a_phone"),
    Ask("anyone", "Who is it for? Type their phone number or e-mail address.", parse="a_recipient"),
    Ask("name", "Whose phone is it? Type the first name, or 0 to skip.", parse="a_name", free=True, zero=True),
)
MOVES: Sequence[Move] = (
    *(
        row
        for asked in ASKED
        for row in (
            move("answered", asked, "note", when="is_email"),
            move("answered", asked, "note", when="looked_enough"),
            move("answered", asked, "note", when="lets_us_see", do="see", refused="note"),
            move("answered", asked, "name", when="network_knows"),
            move("answered", asked, "note"),
        )
    ),
    move("answered", "name", "note", when="named", do="ask_network", refused="note"),
    move("answered", "name", "note"),
)
HOLES: Mapping[str, Value] = {
    "recipient": Email("w" * 52 + "@example.org"),
    "person": "w" * 52 + "@example.org",
    "shown": "W" * 40,
    "name": "W" * 40,
}


def for_whom(trigger: str, at: str) -> list[Move]:
    """The rows that lead from `at` to the question for whom it is."""
    return [move(trigger, at, "anyone", when="mails"), move(trigger, at, "recipient")]


class ForWhom(Flow):
    """A flow that asks for whom something is. The answer is `recipient`; it goes on at `note`."""

    def mails(self) -> bool:
        return self.rules.routes.carries("email", Email("anybody@example.org"))

    def a_recipient(self, text: str) -> Msisdn | Email:
        """A phone number or an e-mail address; the later steps know it as `recipient`."""
        self.answers["recipient"] = recipient = self._an_email(text) if "@" in text else self.a_phone(text)
        return recipient

    def is_email(self) -> bool:
        return isinstance(self.answers["recipient"], Email)

    def a_phone(self, text: str) -> Msisdn:
        number = parsing.msisdn(text, self.rules.country, self.rules.countries)
        if number == self.phone:
            raise Refusal("own_number")
        sending_limits.check(self.db, self.rules, self.member, number)
        self._forget_learned()
        return number

    def _an_email(self, text: str) -> Email:
        email = email_address.parse(parsing.tidy(text))
        if email is None:
            raise NotUnderstood("We could not read that e-mail address. Type it like amina@example.org.")
        if len(email.address) > LONGEST_TYPED:
            raise NotUnderstood(
                "That e-mail address is too long for us: at most {most} characters.", most=LONGEST_TYPED
            )
        if not emailed.takes_gifts(self.db, self.rules, email):
            raise Refusal("no_mail")
        self._forget_learned()
        return email

    def _forget_learned(self) -> None:
        """What was learned of a number that was typed before is true of that number alone."""
        for learned in ("shown", "name", "check"):
            self.answers.pop(learned, None)

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
        if isinstance(email := self.answers["recipient"], Email):
            return email.address
        number = self._recipient().national(self.rules.country)
        whose = self.answers.get("shown") or (self.is_theirs() and self.answers["name"])
        return f"{number} ({whose})" if whose else number

    def takes_no_texts(self) -> bool:
        recipient = self.answers["recipient"]
        return isinstance(recipient, Msisdn) and not wishes.takes_gifts(self.db, self.rules.routes, recipient)

    def _giver(self) -> Member:
        assert self.member is not None, "only holders get here"
        return self.member

    def _to(self) -> Msisdn | Email:
        recipient = self.answers["recipient"]
        assert isinstance(recipient, Msisdn | Email), "a number or an address was parsed"
        return recipient

    def _recipient(self) -> Msisdn:
        recipient = self.answers["recipient"]
        assert isinstance(recipient, Msisdn), "a number was parsed"
        return recipient

    def _network_says(self) -> names.Known:
        check = self.answers.get("check")
        return names.known(self.db, int(str(check))) if check else "unknown"
