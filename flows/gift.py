"""Gift: hand a certificate you hold to another phone number.

> GIFT                < Which one will you give? 1. Naivas KES 500 2. Giftline KES 1,000
> 1                   < Who is it for? Type their phone number.
> 0712 000 002        < Add a short message, or reply 0 for none.
> Happy birthday!     < Give Naivas KES 500 to 0712 000002? Message: "Happy birthday!" Enter your PIN to agree ...
> ****                < Done. We told 0712 000002 ... Ref 7KQ4MXW2.
"""

from bot import parsing
from bot.dialog import Ask, Choose, Detour, End, Go, Sign, move
from circulation import gifting
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from flows.holding import Holding


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
        Ask("recipient", "Who is it for? Type their phone number.", parse="a_phone"),
        Ask("note", "Add a short message, or reply 0 for none.", parse=parsing.note, free=True, zero=True),
        Sign("confirm", 'Give {issuer} {amount} to {recipient}? Message: "{note}".'),
        Sign("confirm_no_note", "Give {issuer} {amount} to {recipient}?"),
        End(
            "given",
            "Done. We told {recipient} about your gift {issuer} {amount}. You will hear when they answer. Ref {reference}.",
        ),
        End("stopped", "Nothing was given."),
        Go("buy", flow="buy"),
    ]
    moves = [
        move("open", "start", "nothing", unless="holds_something"),
        move("open", "start", "pin", when="pin_missing"),
        move("open", "start", "recipient", when="chosen_before"),
        move("open", "start", "certificate"),
        move("buy", "nothing", "buy"),
        move("chosen", "pin", "recipient", when="chosen_before"),
        move("chosen", "pin", "certificate"),
        move("answered", "certificate", "recipient"),
        move("answered", "recipient", "note"),
        move("answered", "note", "confirm", when="with_note"),
        move("answered", "note", "confirm_no_note"),
        move("signed", "confirm", "given", do="give"),
        move("stopped", "confirm", "stopped"),
        move("signed", "confirm_no_note", "given", do="give"),
        move("stopped", "confirm_no_note", "stopped"),
    ]
    holes = {
        "recipient": Msisdn("+254712345678"),
        "note": "\N{WRAPPED PRESENT}" * 80,
        "reference": "W" * 8,
        "issuer": "W" * 24,
        "amount": Money(100_000_050, "KES"),
    }

    def with_note(self) -> bool:
        return bool(self.answers["note"])

    def a_phone(self, text: str) -> Msisdn:
        number = parsing.msisdn(text, self.rules.country)
        if number == self.phone:
            raise Refusal("own_number")
        return number

    def give(self) -> None:
        recipient, member = self.answers["recipient"], self.member
        assert member is not None and isinstance(recipient, Msisdn), "only holders get here, and only with a number"
        chosen = self.chosen
        self.answers["issuer"], self.answers["amount"] = chosen.issuer, chosen.balance
        self.answers["reference"] = gifting.give(
            self.db,
            self.rules,
            gift_id=self.id,
            giver=member,
            certificate_id=int(str(self.answers["certificate"])),
            recipient=recipient,
            note=str(self.answers["note"]),
            receipt=self.by_ussd(),
        )
