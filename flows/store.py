"""Store: the clerk's till, by a line of text or by dialling.

> CHECK 4821 7730 1926      < GOOD: Naivas, up to KES 500, until 20 Nov 14:32.
> CHECK 9051 2203 4417      < GOOD: Naivas + Giftline, up to KES 1,500, until 20 Nov 14:40.   (several together)
> USE 4821 7730 1926 350    < APPROVED: KES 350. Ref 7KQ4MXW2.
> USE 4821 7730 1926 350    < APPROVED: KES 350. Ref 7KQ4MXW2.       (asked again: paid once)
> USE 7KQ4-MXW2-01ZT-9H3B 350   < ASKED: KES 350. Wait for our text ...   (scanned from a picture: the customer agrees)
> CHECK 1111 1111 1111      < DENIED. This code cannot be used here. Ask the customer for a new code.
"""

import re
from datetime import datetime

from bot import parsing
from bot.dialog import Ask, Choose, End, Flow, move
from circulation import bearer, catalogue, one_time_codes, payment_requests, redemption
from circulation.catalogue import Clerk
from circulation.digits import fold_digits
from circulation.money import Money
from circulation.refusals import Refusal

_BEARER_THEN_AMOUNT = re.compile(r"((?:[0-9A-Za-z][\s.\-]*){16})(.*)", re.DOTALL)
_CODE_THEN_AMOUNT = re.compile(r"((?:[0-9][\s.\-]*){12})(.*)", re.DOTALL)


class Store(Flow):
    title = "Store"
    keywords = {"STORE": "open", "DUKA": "open", "CHECK": "check", "ANGALIA": "check", "USE": "use", "TUMIA": "use"}
    steps = [
        Choose(
            "till", "{store}: what now?", options={"check": "Check a code", "use": "Take a payment"}, drop="restart"
        ),
        Ask("check_code", "Type the customer's 12-digit code.", parse=parsing.code_or_bearer, drop="restart"),
        Ask(
            "use_code",
            "Type the customer's 12-digit code to take a payment.",
            parse=parsing.code_or_bearer,
            drop="restart",
        ),
        Ask("amount", "How much does the customer pay with it?", parse="an_amount", zero=True, drop="restart"),
        End("good", "GOOD: {issuer}, up to {most}, until {until}."),
        End("approved", "APPROVED: {amount}. Ref {reference}."),
        End(
            "asked",
            "ASKED: {amount}. The customer agrees on their own phone until {until}. Wait for our text: "
            "without it nothing was paid.",
        ),
        End("picture", "A picture alone pays nothing. Text USE, its code and the amount, and the customer agrees."),
        End("denied", "DENIED."),
        End("stranger", "This phone is not registered at a store."),
    ]
    moves = [
        *[move(word, "start", "stranger", unless="is_clerk") for word in ("open", "check", "use")],
        move("open", "start", "till"),
        move("check", "start", "check_code"),
        move("use", "start", "use_code"),
        move("check", "till", "check_code"),
        move("use", "till", "use_code"),
        move("answered", "check_code", "picture", when="is_bearer"),
        move("answered", "check_code", "good", do="check", refused="denied"),
        move("answered", "use_code", "amount"),
        move("answered", "amount", "asked", when="is_bearer", do="ask", refused="denied"),
        move("answered", "amount", "approved", do="use", refused="denied"),
    ]
    holes = {
        "store": "W" * 30,
        "issuer": " + ".join(["W" * 24] * 3),
        "most": Money(100_000_050, "KES"),
        "amount": Money(100_000_050, "KES"),
        "until": datetime.fromisoformat("2026-11-30T23:59:00+00:00"),
        "reference": "W" * 8,
    }

    @classmethod
    def typed_ahead(cls, trigger: str, rest: str) -> list[str]:
        """`CHECK <code>` and `USE <code> <amount>`, the code with or without spaces or dashes."""
        found = _CODE_THEN_AMOUNT.match(fold_digits(rest))
        scanned = _BEARER_THEN_AMOUNT.match(fold_digits(rest))
        if found is None and scanned is not None and bearer.read(scanned[1]):
            found = scanned
        if not rest or trigger == "open":
            return []
        if found is None or trigger == "check":
            return [rest]
        code, amount = found.groups()
        return [code, amount] if amount.strip() else [code]

    def is_clerk(self) -> bool:
        return catalogue.clerk(self.db, self.phone) is not None

    def store(self) -> str:
        return self._clerk().store

    def an_amount(self, text: str) -> Money:
        return Money(parsing.amount(text, self.rules.currency, self.rules.most_amount_minor), self.rules.currency)

    def is_bearer(self) -> bool:
        """Whether what was typed came from a picture: it asks the holder, and pays nothing by itself."""
        code = self.answers.get("use_code") or self.answers.get("check_code")
        return len(str(code)) == bearer.LENGTH

    def ask(self) -> None:
        amount = self.answers["amount"]
        assert isinstance(amount, Money), "the amount was asked for before"
        self.answers["until"] = payment_requests.ask(
            self.db,
            self.rules,
            request_id=self.id,
            clerk=self._clerk(),
            code=str(self.answers["use_code"]),
            amount=amount,
        )

    def check(self) -> None:
        payable = one_time_codes.check(self.db, self.rules, clerk=self._clerk(), code=str(self.answers["check_code"]))
        self.answers.update(issuer=payable.issuer, most=payable.most, until=payable.until)

    def use(self) -> None:
        amount = self.answers["amount"]
        assert isinstance(amount, Money), "the amount was asked for before"
        done = redemption.use(
            self.db, self.rules, use_id=self.id, clerk=self._clerk(), code=str(self.answers["use_code"]), amount=amount
        )
        self.answers.update(amount=done.amount, reference=done.reference)

    def _clerk(self) -> Clerk:
        clerk = catalogue.clerk(self.db, self.phone)
        if clerk is None:
            raise Refusal("clerk_unknown")
        return clerk
